//! The conditions of writes to the numbers table outside of an order's transaction: import,
//! addition and withdrawal of a number.

use masking::{
    Commit, ExpectedRow, Number, Order, OrderId, Plan, Pool, Pools, Provider, State, Timestamp,
    Unassigned, Write,
};
use masking_store::{Change, Import, Ledger, Numbers, Orders, WithdrawnBy};
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

    async fn withdraw(&self, pool: &str, by: WithdrawnBy) -> Change {
        self.numbers.withdraw(self.pool(pool), &number(), by, at(5)).await.unwrap()
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
    let added = tables.numbers.add(tables.pool("b"), &number(), "PN1", at(20)).await.unwrap();
    assert_eq!(added, Change::NotSo);
    let rows = tables.numbers.rows(&[number()]).await.unwrap();
    assert_eq!((rows[0].available_at, rows[0].provider), (at(100), Some(Provider::Manual)));
}

#[tokio::test]
async fn the_pages_of_free_numbers_lead_to_the_last_one() {
    let tables = Tables::new().await;
    let mut pool = tables.pool("a").clone();
    pool.shards = 1;
    for number in ["+622150007", "+622150008", "+622150009"] {
        tables.numbers.import(&pool, &number.parse().unwrap(), at(10)).await.unwrap();
    }
    let (mut found, mut from) = (Vec::new(), None);
    loop {
        let page = tables.numbers.free(&pool, 0, at(20), 1, from).await.unwrap();
        found.extend(page.numbers.into_iter().map(|row| row.number.as_str().to_owned()));
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    assert!(3 <= found.len() && found.contains(&"+622150009".to_owned()), "{found:?}");
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
    assert!(
        page.numbers.iter().any(|row| row.number == bought),
        "it is in its first shard: {page:?}"
    );
}

#[tokio::test]
async fn a_number_of_one_pool_is_neither_imported_nor_withdrawn_by_another() {
    let tables = Tables::new().await;
    assert_eq!(tables.import("b").await, Import::OfAnotherPool);
    assert_eq!(tables.withdraw("b", WithdrawnBy::Operator).await, Change::NotSo);
    assert!(tables.could_claim(10, 100).await);
}

#[tokio::test]
async fn the_account_withdraws_only_numbers_of_its_pool_and_provider_that_circulate() {
    let tables = Tables::new().await;
    let mut rented = tables.pool("a").clone();
    rented.provider = Provider::Twilio;
    let lost = WithdrawnBy::Account;
    let twilio = tables.numbers.withdraw(&rented, &number(), lost, at(5)).await.unwrap();
    assert_eq!(twilio, Change::NotSo);
    assert_eq!(tables.withdraw("b", lost).await, Change::NotSo);
    assert_eq!(tables.withdraw("a", lost).await, Change::Done);
    assert_eq!(tables.withdraw("a", WithdrawnBy::Operator).await, Change::Done);
    assert_eq!(tables.withdraw("a", lost).await, Change::NotSo, "the operator has the last word");
}

#[tokio::test]
async fn only_what_the_account_withdrew_is_put_back_by_a_check() {
    let tables = Tables::new().await;
    let put_back = async || {
        let pool = tables.pool("a");
        tables.numbers.put_back(pool, &number(), "PN2", at(20)).await.unwrap()
    };
    assert_eq!(put_back().await, Change::NotSo, "it circulates");
    for (by, expected) in [
        (WithdrawnBy::Operator, Change::NotSo),
        (WithdrawnBy::Retirement, Change::NotSo),
        (WithdrawnBy::Account, Change::Done),
    ] {
        assert_eq!(tables.withdraw("a", by).await, Change::Done);
        assert_eq!(put_back().await, expected, "{by:?}");
        assert_eq!(tables.could_claim(30, 10).await, expected == Change::Done);
        tables.import("a").await;
    }
}

#[tokio::test]
async fn another_pool_takes_a_number_over_only_when_it_is_withdrawn_and_has_rested() {
    let tables = Tables::new().await;
    let take_over = async |pool: &str, now: u64| {
        tables.numbers.take_over(tables.pool(pool), &number(), Some("PN1"), at(now)).await.unwrap()
    };
    assert!(tables.could_claim(0, 100).await);
    assert_eq!(take_over("b", 1000).await, Change::NotSo, "it circulates");
    tables.withdraw("a", WithdrawnBy::Operator).await;
    for (pool, now, change) in [
        ("b", 64, Change::NotSo),
        ("b", 99, Change::NotSo),
        ("a", 100, Change::NotSo),
        ("b", 100, Change::Done),
        ("b", 100, Change::NotSo),
    ] {
        assert_eq!(take_over(pool, now).await, change, "{pool} {now}");
    }
    let rows = tables.numbers.rows(&[number()]).await.unwrap();
    assert_eq!(rows[0].pool, tables.pool("b").id);
    assert_eq!((rows[0].provider_id.as_deref(), rows[0].withdrawn), (Some("PN1"), None));

    tables.withdraw("b", WithdrawnBy::Operator).await;
    for (now, change) in [(64, Change::NotSo), (65, Change::NotSo), (100, Change::Done)] {
        let pool = tables.pool("a");
        let taken = tables.numbers.take_over(pool, &number(), None, at(now)).await.unwrap();
        assert_eq!(taken, change, "{now}");
    }
    let rows = tables.numbers.rows(&[number()]).await.unwrap();
    assert_eq!((rows[0].provider, rows[0].provider_id.as_deref()), (Some(Provider::Manual), None));
}

#[tokio::test]
async fn a_number_that_is_not_in_use_rests_for_a_minute_before_it_is_taken_over() {
    let tables = Tables::new().await;
    tables.withdraw("a", WithdrawnBy::Retirement).await;
    let pool = tables.pool("b");
    let retired = tables.numbers.take_over(pool, &number(), None, at(65)).await.unwrap();
    assert_eq!(retired, Change::NotSo, "it is to be given back");
    tables.withdraw("a", WithdrawnBy::Operator).await;
    for (now, change) in [(64, Change::NotSo), (65, Change::Done)] {
        let pool = tables.pool("b");
        let taken = tables.numbers.take_over(pool, &number(), None, at(now)).await.unwrap();
        assert_eq!(taken, change, "{now}");
    }
}

#[tokio::test]
async fn a_ledger_is_written_only_over_the_one_that_was_read() {
    let tables = Tables::new().await;
    let id = &tables.pool("a").id;
    let empty = tables.numbers.ledger(id).await.unwrap();
    assert_eq!(empty, Ledger::default());
    let first = Ledger { paid: 3, changed_at: at(7), ..empty };
    let written = tables.numbers.write_ledger(id, first).await.unwrap().expect("the first");
    assert_eq!(written, Ledger { revision: 1, ..first });
    assert_eq!(tables.numbers.ledger(id).await.unwrap(), written);
    assert_eq!(tables.numbers.write_ledger(id, first).await.unwrap(), None);
    let next = Ledger { paid: 4, paused_until: at(9), ..written };
    let next = tables.numbers.write_ledger(id, next).await.unwrap().expect("the second");
    assert_eq!(tables.numbers.ledger(id).await.unwrap(), next);
    assert_eq!(tables.numbers.write_ledger(id, written).await.unwrap(), None);
    let other = tables.numbers.ledger(&tables.pool("b").id).await.unwrap();
    assert_eq!(other, Ledger::default());
}

#[tokio::test]
async fn a_withdrawn_number_is_claimed_by_nobody_until_it_is_put_back() {
    let tables = Tables::new().await;
    assert_eq!(tables.withdraw("a", WithdrawnBy::Operator).await, Change::Done);
    assert!(!tables.could_claim(10, 100).await);
    assert_eq!(tables.import("a").await, Import::PutBack);
    assert!(tables.could_claim(10, 100).await);
}
