//! The conditions of the writes, each on its own: rows as they may be by the time
//! that a write from an older view of them arrives.

use std::cell::Cell;

use masking::{
    Caller, Expects, Held, Holding, Number, Order, OrderId, Plan, Pool, PoolId, Pools, Provider,
    Role, State, Terms, Timestamp, Unassigned, Write,
};
use masking_store::{Commit, Import, Numbers, Orders, TableNames, Withdrawal};
use support::cloud::{self, Cloud};
use support::wire::Clients;

/// The number that every test begins with.
const NUMBER: &str = "+622150001";
/// How long a route rests after its end.
const MINUTE: u64 = 60;

struct Tables {
    numbers: Numbers,
    orders: Orders,
    pools: Pools,
    /// So that each write of an order's row is a later one.
    version: Cell<u64>,
}

impl Tables {
    /// Tables with one number, of the pool `a`.
    async fn new() -> Self {
        let client = Clients::of(&Cloud::on(cloud::Tables::from_template())).dynamodb;
        let names = TableNames {
            orders: "OrdersTable".to_owned(),
            numbers: "NumbersTable".to_owned(),
            routes: "RoutesTable".to_owned(),
        };
        let tables = Self {
            numbers: Numbers::new(client.clone(), "NumbersTable"),
            orders: Orders::new(client, names),
            pools: Pools::parse(r#"[{"id":"a","default":true},{"id":"b"}]"#).unwrap(),
            version: Cell::new(0),
        };
        assert_eq!(tables.import("a").await, Import::Added);
        tables
    }

    fn pool(&self, id: &str) -> &Pool {
        self.pools.named(Some(id)).unwrap()
    }

    async fn import(&self, pool: &str) -> Import {
        self.numbers.import(self.pool(pool), &number(), at(0)).await.unwrap()
    }

    async fn withdraw(&self, pool: &str, provider: Option<Provider>) -> Withdrawal {
        self.numbers.withdraw(&self.pool(pool).id, &number(), provider).await.unwrap()
    }

    /// Has an order make this write at that moment, and says whether it could.
    async fn could(&self, order_id: &str, now: u64, write: &Write) -> bool {
        let order = order(order_id, self.version.replace(self.version.get() + 1), unassigned());
        let plan = Plan { expects: Expects::Free, ttl: at(0), order, writes: vec![write.clone()] };
        let commit = self.orders.commit(&plan, at(now)).await.unwrap();
        if let Commit::Lost(lost) = &commit {
            assert_eq!(lost, &[write]);
            return false;
        }
        assert!(matches!(commit, Commit::Done), "{commit:?}");
        true
    }

    /// Writes the row of an order, and says whether it was as expected.
    async fn could_write(&self, expects: Expects, order: &Order) -> bool {
        let plan = Plan { expects, ttl: at(0), order: order.clone(), writes: Vec::new() };
        let commit = self.orders.commit(&plan, at(0)).await.unwrap();
        if let Commit::Moved(found) = &commit {
            let row = self.orders.order(&order.order_id).await.unwrap();
            assert_eq!(found.order(), row.order(), "the row comes back as it is");
            return false;
        }
        assert!(matches!(commit, Commit::Done), "{commit:?}");
        true
    }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn number() -> Number {
    NUMBER.parse().unwrap()
}

fn claim(until: u64) -> Write {
    Write::ClaimNumber { number: number(), available_at: at(until) }
}

fn keep(until: u64) -> Write {
    Write::KeepNumber { number: number(), available_at: at(until) }
}

fn release(until: u64) -> Write {
    Write::ReleaseNumber { number: number(), available_at: at(until) }
}

/// The route of a caller to somebody, until then.
fn open(kept: bool, until: u64) -> Write {
    Write::OpenRoute {
        number: number(),
        caller: Caller::from_stored("customer".to_owned()),
        connect_to: "+6281333334444".parse().unwrap(),
        shown: "+622150002".parse().unwrap(),
        expires_at: at(until),
        reusable_at: at(until + MINUTE),
        kept,
    }
}

fn end(at_second: u64) -> Write {
    Write::EndRoute {
        number: number(),
        caller: Caller::from_stored("customer".to_owned()),
        expires_at: at(at_second),
        reusable_at: at(at_second + MINUTE),
        strip: true,
    }
}

fn order(order_id: &str, version: u64, state: State) -> Order {
    let order_id = OrderId::parse(order_id).unwrap();
    Order { order_id, version, revision: 1, pool: PoolId::parse("a"), state }
}

fn unassigned() -> State {
    State::Unassigned(Unassigned::Told)
}

fn assigned(pool: &Pool) -> State {
    let held = Held {
        role: Role::parse("customer").unwrap(),
        number: number(),
        caller: Some(Caller::from_stored("customer".to_owned())),
    };
    let (terms, participants) = (Terms::of(pool), vec![held]);
    State::Assigned(Holding { terms, participants, expires_at: at(0), waiting: false })
}

#[tokio::test]
async fn a_number_is_claimed_only_when_it_is_free() {
    let tables = Tables::new().await;
    assert!(tables.could("o-1", 10, &claim(100)).await);
    assert!(!tables.could("o-2", 99, &claim(200)).await);
    assert!(!tables.could("o-1", 99, &claim(200)).await, "nor by the order that has it");
    assert!(tables.could("o-2", 100, &claim(200)).await);
}

#[tokio::test]
async fn a_number_is_claimed_only_while_it_is_in_circulation() {
    let tables = Tables::new().await;
    assert_eq!(tables.withdraw("a", None).await, Withdrawal::Withdrawn);
    assert!(!tables.could("o-1", 10, &claim(100)).await);
    assert_eq!(tables.import("a").await, Import::PutBack);
    assert!(tables.could("o-1", 10, &claim(100)).await);
}

#[tokio::test]
async fn a_number_is_kept_and_released_only_by_the_order_that_holds_it() {
    let tables = Tables::new().await;
    assert!(tables.could("o-1", 10, &claim(100)).await);
    assert!(!tables.could("o-2", 20, &keep(200)).await);
    assert!(tables.could("o-1", 20, &keep(200)).await);
    assert!(!tables.could("o-2", 20, &release(30)).await);
    assert!(tables.could("o-1", 20, &release(30)).await);
    assert!(!tables.could("o-1", 20, &keep(200)).await, "it is given back");
    assert!(tables.could("o-2", 30, &claim(200)).await);
}

#[tokio::test]
async fn a_route_on_a_fresh_number_is_opened_only_when_it_is_new_or_reusable() {
    let tables = Tables::new().await;
    assert!(tables.could("o-1", 10, &open(false, 40)).await, "it is new");
    assert!(!tables.could("o-2", 99, &open(false, 200)).await);
    assert!(!tables.could("o-1", 99, &open(false, 200)).await, "be it the order's own");
    assert!(tables.could("o-2", 40 + MINUTE, &open(false, 200)).await);
}

#[tokio::test]
async fn a_route_on_a_kept_number_is_opened_when_it_is_new_reusable_or_the_orders_own() {
    let tables = Tables::new().await;
    assert!(tables.could("o-1", 10, &open(true, 40)).await, "it is new");
    assert!(tables.could("o-1", 20, &open(true, 40)).await, "it is the order's own");
    assert!(!tables.could("o-2", 99, &open(true, 200)).await);
    assert!(tables.could("o-2", 40 + MINUTE, &open(true, 200)).await);
}

#[tokio::test]
async fn a_route_is_ended_only_by_its_order() {
    let tables = Tables::new().await;
    assert!(!tables.could("o-1", 10, &end(10)).await, "there is none");
    assert!(tables.could("o-1", 10, &open(false, 40)).await);
    assert!(!tables.could("o-2", 20, &end(20)).await);
    assert!(tables.could("o-1", 20, &end(20)).await);
}

#[tokio::test]
async fn an_order_that_was_not_read_is_written_only_if_it_holds_nothing_and_is_older() {
    let tables = Tables::new().await;
    let next = order("o-1", 3, assigned(tables.pool("a")));
    assert!(tables.could_write(Expects::Free, &next).await, "there is no row");

    for (version, pool, state, free) in [
        (2, None, unassigned(), true),
        (2, Some("a"), unassigned(), true),
        (2, Some("b"), unassigned(), false),
        (3, Some("a"), unassigned(), false),
        (4, Some("a"), unassigned(), false),
        (2, Some("a"), State::Closed(masking::Closed::Completed), false),
        (2, Some("a"), next.state.clone(), false),
    ] {
        let tables = Tables::new().await;
        let mut row = order("o-1", version, state);
        row.pool = pool.map(|pool| PoolId::parse(pool).unwrap());
        assert!(tables.could_write(Expects::Absent, &row).await);
        assert_eq!(tables.could_write(Expects::Free, &next).await, free, "{row:?}");
    }
}

#[tokio::test]
async fn an_order_that_was_read_is_written_only_if_it_is_as_it_was() {
    let tables = Tables::new().await;
    let row = order("o-1", 1, unassigned());
    assert!(tables.could_write(Expects::Absent, &row).await);
    assert!(!tables.could_write(Expects::Absent, &row).await, "there is one by now");
    assert!(tables.could_write(Expects::Revision(1), &row).await);
    assert!(!tables.could_write(Expects::Revision(1), &row).await, "each write raises it");
    assert!(tables.could_write(Expects::Revision(2), &row).await);
}

#[tokio::test]
async fn a_number_that_the_account_has_is_added_only_if_it_has_no_row() {
    let tables = Tables::new().await;
    assert!(tables.could("o-1", 10, &claim(100)).await);
    tables.numbers.add(tables.pool("b"), &number(), "PN1", at(20)).await.unwrap();
    let rows = tables.numbers.rows(&[number()]).await.unwrap();
    assert_eq!((rows[0].available_at, rows[0].provider), (at(100), Some(Provider::Manual)));
}

#[tokio::test]
async fn a_number_that_is_imported_again_keeps_its_row() {
    let tables = Tables::new().await;
    let mut pool = tables.pool("a").clone();
    (pool.provider, pool.shards) = (Provider::Twilio, 1);
    let bought: Number = "+14155550100".parse().unwrap();
    tables.numbers.add(&pool, &bought, "PN1", at(10)).await.unwrap();
    let before = tables.numbers.rows(std::slice::from_ref(&bought)).await.unwrap();

    // The pool's shards may have grown since.
    let import = tables.numbers.import(tables.pool("a"), &bought, at(20)).await.unwrap();
    assert_eq!(import, Import::Known);
    assert_eq!(tables.numbers.rows(std::slice::from_ref(&bought)).await.unwrap(), before);
    let page = tables.numbers.free(&pool, 0, at(20), 10, None).await.unwrap();
    assert!(page.numbers.contains(&bought), "it is in its first shard: {page:?}");
}

#[tokio::test]
async fn a_number_of_one_pool_is_neither_imported_nor_withdrawn_by_another() {
    let tables = Tables::new().await;
    assert_eq!(tables.import("b").await, Import::OfAnotherPool);
    assert_eq!(tables.withdraw("b", None).await, Withdrawal::NotOfThePool);
    assert!(tables.could("o-1", 10, &claim(100)).await);
}

#[tokio::test]
async fn what_an_account_lost_is_withdrawn_only_from_its_pool_and_provider() {
    let tables = Tables::new().await;
    for (pool, provider, withdrawal) in [
        ("b", Provider::Manual, Withdrawal::NotOfThePool),
        ("a", Provider::Twilio, Withdrawal::NotOfThePool),
        ("a", Provider::Manual, Withdrawal::Withdrawn),
    ] {
        assert_eq!(tables.withdraw(pool, Some(provider)).await, withdrawal, "{pool} {provider:?}");
    }
}
