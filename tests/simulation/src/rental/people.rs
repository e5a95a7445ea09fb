//! What people do in the simulation of refill: order, tell pool messages, and change things
//! by hand at the provider.

use fastrand::Rng;
use masking::Timestamp;
use serde_json::json;
use support::rows::word;
use support::story::assigned;

use super::account::Account;
use super::schedule::Deed;
use super::{MOST, PLACES, Rental, letters};

pub(super) const HOTLINE: &str = "hotline";

impl Rental {
    /// An order takes two numbers of the pool for an hour.
    pub(super) async fn serve(&mut self, place: usize) {
        self.orders += 1;
        let (order_id, n) = (format!("o-{}", self.orders), self.orders);
        let phones = [format!("+62812000{n:05}"), format!("+62813000{n:05}")];
        let people = [("customer", phones[0].as_str()), ("agent", phones[1].as_str())];
        let mut event = assigned(&order_id, 1, &people);
        let expires_at = Timestamp::from_seconds(self.account.now() + 3600);
        event["pool"] = PLACES[place].pool.into();
        event["expires_at"] = expires_at.to_string().into();
        self.environments[place].assign(&event).await;
    }

    /// An operator tells something of a number of a pool to this pool, until it is done.
    pub(super) async fn tell(&mut self, kind: &str, place: usize, of: usize, rng: &mut Rng) {
        let numbers = self.numbers(of);
        let Some(number) = rng.choice(&numbers) else { return };
        let environment = &self.environments[place];
        let body = json!({"type": kind, "pool": PLACES[place].pool, "numbers": [number]});
        for _ in 0..100 {
            if environment.tell(&body).await == Some(true) {
                return;
            }
        }
    }

    /// The numbers of a pool by its table, in order.
    pub(super) fn numbers(&self, place: usize) -> Vec<String> {
        let rows = self.environments[place].cloud.tables.rows("NumbersTable");
        let of_the_pool = rows.iter().filter(|row| word(row, "pool") == PLACES[place].pool);
        let mut numbers: Vec<String> =
            of_the_pool.map(|row| word(row, "number").to_owned()).collect();
        numbers.sort();
        numbers
    }
}

impl Account {
    /// Does something by hand. People do not rename into a full pool.
    pub(super) fn by_hand(&self, deed: Deed, rng: &mut Rng) {
        let of = |place: usize| -> Vec<String> {
            let tag = letters(&PLACES[place].tag());
            let owned = self.provider.owned().into_iter();
            owned.filter(|it| letters(&it.tag) == tag).map(|it| it.sid).collect()
        };
        let rename = |sid: &str, tag: &str| {
            let mut stock = self.provider.stock();
            if let Some(owned) = stock.owned.iter_mut().find(|owned| owned.sid == sid) {
                tag.clone_into(&mut owned.tag);
            }
        };
        match deed {
            Deed::GiveBack(place) => {
                if let Some(sid) = rng.choice(of(place)) {
                    self.provider.stock().owned.retain(|owned| owned.sid != sid);
                }
            }
            Deed::Rename { from, to } => {
                if of(to).len() < MOST
                    && from != to
                    && let Some(sid) = rng.choice(of(from))
                {
                    rename(&sid, &PLACES[to].tag());
                    self.moved_by_hand(&sid, &PLACES[to].tag());
                }
            }
            Deed::Reuse(place) => {
                if let Some(sid) = rng.choice(of(place)) {
                    rename(&sid, HOTLINE);
                }
            }
            Deed::BuyForOthers => {
                let mut stock = self.provider.stock();
                let number = stock.for_sale.pop();
                drop(stock);
                if let Some(number) = number {
                    self.provider.given_owned(&number, HOTLINE);
                    let now = self.now();
                    if let Some(owned) = self.provider.stock().owned.last_mut() {
                        owned.since = now;
                    }
                    // Searches may offer it for a while.
                    self.provider.stock().for_sale.insert(0, number.clone());
                    if !self.provider.stock().resells {
                        self.provider.stock().sold.push(number);
                    }
                }
            }
        }
        self.changed_by_hand();
    }
}
