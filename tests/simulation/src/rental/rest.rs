//! The end of a simulation of refill: nothing fails any more, checks go on for two days, and
//! then the tables and the account must agree.

use serde_json::json;
use support::rows::{amount, word};

use super::{MOST, PLACES, Rental, TARGET, letters};

impl Rental {
    pub(super) async fn rest(&mut self) -> Result<(), Vec<String>> {
        self.note("everything comes to rest");
        self.account.calm();
        // Late orders arrive, and purchases and losses show in every listing.
        for pause in [4000, 4000, 90_000, 900, 900, 90_000, 900, 900, 900] {
            self.account.seconds_pass(pause).await;
            let all: Vec<usize> = (0..PLACES.len()).collect();
            self.check(&all, None).await;
            self.account.verdict()?;
            self.mind_the_alarms().await;
        }
        let found: Vec<String> =
            (0..PLACES.len()).flat_map(|place| self.wrong_with(place)).collect();
        if found.is_empty() { Ok(()) } else { Err(found) }
    }

    /// An operator withdraws the numbers that a check finds too many to withdraw, as the
    /// alarm says.
    async fn mind_the_alarms(&mut self) {
        for (place, of) in PLACES.iter().enumerate() {
            let tag = letters(&of.tag());
            let owned = self.account.provider.owned();
            let has = |number: &str| {
                owned.iter().any(|it| it.number == number && letters(&it.tag) == tag)
            };
            let rows = self.environments[place].cloud.tables.rows("NumbersTable");
            let missing: Vec<&str> = rows
                .iter()
                .filter(|row| word(row, "pool") == of.pool)
                .filter(|row| row.contains_key("pool_shard") && word(row, "provider") != "manual")
                .map(|row| word(row, "number"))
                .filter(|number| !has(number))
                .collect();
            if 3 < missing.len() {
                let body = json!({"type": "pool.withdraw", "pool": of.pool, "numbers": missing});
                self.environments[place].tell(&body).await;
            }
        }
    }

    fn wrong_with(&self, place: usize) -> Vec<String> {
        let tag = letters(&PLACES[place].tag());
        let rows = self.environments[place].cloud.tables.rows("NumbersTable");
        let row = |number: &str| rows.iter().find(|row| word(row, "number") == number);
        let mut wrong = Vec::new();
        let mut paid = 0;
        for owned in self.account.provider.owned() {
            if letters(&owned.tag) != tag {
                continue;
            }
            paid += 1;
            let is_right = row(&owned.number).is_some_and(|row| {
                let usable = row.contains_key("pool_shard");
                let of_the_pool = word(row, "pool") == PLACES[place].pool;
                // An operator may import a number into another pool than the account says.
                let by_hand = word(row, "provider") == "manual";
                let by = word(row, "withdrawn_by");
                // A pool gives back what it retired only while the account says that it is its own.
                let by_operator = by == "operator" || by == "retirement" && !of_the_pool;
                usable && (of_the_pool || by_hand) || by_operator
            });
            if !is_right {
                let row = row(&owned.number);
                wrong.push(format!(
                    "{:?} pays for {} in vain: {row:?}",
                    PLACES[place], owned.number
                ));
            }
        }
        let now = self.account.now();
        let free = rows
            .iter()
            .filter(|row| word(row, "pool") == PLACES[place].pool)
            .filter(|row| row.contains_key("pool_shard") && amount(row, "available_at") <= now)
            .count();
        if free < TARGET && paid < MOST {
            wrong.push(format!("{:?} has {free} free numbers and pays for {paid}", PLACES[place]));
        }
        wrong
    }
}
