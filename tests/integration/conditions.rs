//! The conditions of writes to the numbers table outside of an order's transaction: import,
//! addition and withdrawal of a number.

use masking::{
    Commit, ExpectedRow, Number, Order, OrderId, Plan, Pool, Pools, Provider, State, Timestamp,
    Unassigned, Write,
};
use masking_store::{Import, Numbers, Orders, Withdrawal};
use support::cloud::{self, Cloud};
use support::wire::Clients;

struct Tables {
    numbers: Numbers,
    orders: Orders,
    pools: Pools,
}

impl Tables {
    /// Tables with one number, in the pool `a`.
    async fn new() -> Self {
        let client = Clients::of(&Cloud::on(cloud::Tables::from_template())).dynamodb;
        let tables = Self {
            numbers: Numbers::new(client.clone(), "NumbersTable"),
            orders: Orders::new(client, crate::table_names()),
            pools: Pools::parse(r#"[{"id":"a","default":true},{"id":"b"}]"#).unwrap(),
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

    /// Whether a new order can claim the number at `now`. The claim holds until `until`.
    async fn could_claim(&self, now: u64, until: u64) -> bool {
        let order = Order {
            order_id: OrderId::parse("o-1").unwrap(),
            version: 1,
            revision: 1,
            pool: None,
            state: State::Unassigned(Unassigned::ByEvent),
        };
        let claim = Write::ClaimNumber { number: number(), available_at: at(until) };
        let writes = vec![claim];
        let plan = Plan { expects: ExpectedRow::Absent, ttl: at(0), order, writes };
        let commit = self.orders.commit(&plan, at(now)).await.unwrap();
        let lost = matches!(commit, Commit::Lost(_));
        assert!(lost || commit == Commit::Done, "{commit:?}");
        !lost
    }
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_seconds(seconds)
}

fn number() -> Number {
    "+622150001".parse().unwrap()
}

#[tokio::test]
async fn a_number_that_the_account_has_is_added_only_if_it_has_no_row() {
    let tables = Tables::new().await;
    assert!(tables.could_claim(10, 100).await);
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

    // The pool may have got more shards since then.
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
    assert!(tables.could_claim(10, 100).await);
}

#[tokio::test]
async fn a_number_that_the_account_lost_is_withdrawn_only_from_its_pool_and_provider() {
    let tables = Tables::new().await;
    for (pool, provider, withdrawal) in [
        ("b", Provider::Manual, Withdrawal::NotOfThePool),
        ("a", Provider::Twilio, Withdrawal::NotOfThePool),
        ("a", Provider::Manual, Withdrawal::Withdrawn),
    ] {
        assert_eq!(tables.withdraw(pool, Some(provider)).await, withdrawal, "{pool} {provider:?}");
    }
}

#[tokio::test]
async fn a_withdrawn_number_is_claimed_by_nobody_until_it_is_put_back() {
    let tables = Tables::new().await;
    assert_eq!(tables.withdraw("a", None).await, Withdrawal::Withdrawn);
    assert!(!tables.could_claim(10, 100).await);
    assert_eq!(tables.import("a").await, Import::PutBack);
    assert!(tables.could_claim(10, 100).await);
}
