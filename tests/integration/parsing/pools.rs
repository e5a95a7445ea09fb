//! Pool messages, and the parameter `Pools`.

use std::collections::BTreeSet;

use masking::{PoolMessage, Pools};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};
use support::World;

use super::cases::{Stage, assert_no_phone, check, is_field};
use super::inputs::{any_json, anything_or, like, mutated};

fn nearly_right_pool_message() -> impl Strategy<Value = String> {
    let message =
        (select(vec!["check", "import", "withdraw"]), vec(like("\\+62215[0-9]{5}"), 0..5));
    let message = message.prop_map(|(kind, numbers)| {
        json!({"type": format!("pool.{kind}"), "pool": "id-jkt", "numbers": numbers})
    });
    mutated(message, 1..=3)
}

fn right_pools() -> impl Strategy<Value = Value> {
    vec((like("[a-z0-9-]{1,32}"), 0_u64..100, 1_u64..=256), 1..4).prop_map(|pools| {
        let pool = |(index, (id, amount, shards)): (usize, &(String, u64, u64))| {
            json!({
                "id": id, "default": index == 0, "provider": "manual", "country": "ID",
                "number_type": "local", "allocation": "exclusive", "min_free": amount,
                "target_free": 2 * amount, "max_numbers": amount, "cooldown_seconds": amount,
                "grace_seconds": amount, "max_order_seconds": 1 + amount, "shards": shards,
                "dial_prefixes": ["+62", "+1"], "address_sid": "", "bundle_sid": null,
            })
        };
        pools.iter().enumerate().map(pool).collect()
    })
}

#[test]
fn any_pool_message_is_read_or_refused_by_a_field_without_a_value() {
    let pools = Pools::parse(r#"[{"id":"id-jkt"}]"#).unwrap();
    check(200, anything_or(nearly_right_pool_message()), |body| {
        if let Err(why) = PoolMessage::parse(&body, &pools) {
            let known = ["body", "type", "pool", "numbers", "numbers[]"];
            assert!(is_field(&why.field, &known), "{why}");
            assert_no_phone(&body, &why.to_string());
        }
    });
}

#[test]
fn a_refused_pool_message_changes_no_table() {
    let stage = Stage::new(async {
        let world = World::new();
        world.given_numbers("id-jkt", 0..6).await;
        world
    });
    let pools = Pools::parse(r#"[{"id":"id-jkt"}]"#).unwrap();
    // Lists with one item that is not a number.
    let spoilt = (vec(like("\\+62215[0-9]{5}"), 0..6), any_json(), any::<Index>(), any::<bool>());
    let spoilt = spoilt.prop_map(|(numbers, wrong, at, import)| {
        let mut numbers: Vec<Value> = numbers.into_iter().map(Value::from).collect();
        numbers.insert(at.index(numbers.len() + 1), wrong);
        let kind = if import { "pool.import" } else { "pool.withdraw" };
        json!({"type": kind, "pool": "id-jkt", "numbers": numbers}).to_string()
    });
    let refused = prop_oneof![anything_or(nearly_right_pool_message()), spoilt]
        .prop_filter("is refused", |body| PoolMessage::parse(body, &pools).is_err());
    let rows = stage.rows();
    check(20, refused, |body| {
        let reason = PoolMessage::parse(&body, &pools).unwrap_err().to_string();
        let log = stage.log_of(|| {
            let handled = stage.run(async |world| world.when_refill_receives(&body).await);
            assert_eq!((handled.refused, handled.again), (vec![reason], 0));
        });
        assert_no_phone(&body, &log);
        assert_eq!(stage.rows(), rows);
    });
}

#[test]
fn any_pools_parameter_is_read_or_refused_by_a_field() {
    check(200, anything_or(mutated(right_pools(), 0..=3)), |text| match Pools::parse(&text) {
        Ok(pools) => {
            let ids: BTreeSet<&str> = pools.iter().map(|pool| pool.id.as_str()).collect();
            assert_eq!(ids.len(), pools.iter().count());
            assert_eq!(pools.iter().filter(|pool| pool.default).count(), 1);
            for pool in pools.iter() {
                assert!(pool.min_free <= pool.target_free && 0 < pool.shards);
                assert!(0 < pool.low_water_per_shard());
                pool.shortfall(u64::MAX, 0);
                pool.shortfall(0, u64::MAX);
            }
        }
        Err(why) => assert!(why.field.starts_with("Pools") && !why.to_string().contains('\n')),
    });
}
