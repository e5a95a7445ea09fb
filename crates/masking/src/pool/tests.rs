//! Tests of parsing `Pools`, and of a pool's shortfall.

use super::*;

#[test]
fn every_field_except_the_id_has_a_default() {
    let pools = Pools::parse(r#"[{"id":"id-jkt"}]"#).unwrap();
    let written_out = Pools::parse(
        r#"[{"id":"id-jkt","default":true,"provider":"manual","number_type":"local",
             "allocation":"exclusive","min_free":50,"target_free":200,"max_numbers":5000,
             "cooldown_seconds":600,"grace_seconds":0,"max_order_seconds":86400,"shards":16,
             "address_sid":"","bundle_sid":"","country":""}]"#,
    )
    .unwrap();
    assert_eq!(pools.0, written_out.0);
}

#[test]
fn an_event_that_names_no_pool_gets_the_default_pool() {
    let pools = Pools::parse(r#"[{"id":"a"},{"id":"b","default":true}]"#).unwrap();
    assert_eq!(pools.named(None).unwrap().id.as_str(), "b");
    assert_eq!(pools.named(Some("a")).unwrap().id.as_str(), "a");
    for unknown in ["c", "", "A", "+6281211112222"] {
        let error = pools.named(Some(unknown)).unwrap_err();
        assert_eq!(error.to_string(), "pool: must be the id of a pool of this stack");
    }
}

#[test]
fn a_refill_stops_at_the_target_and_at_the_maximum_of_the_account() {
    let pools = Pools::parse(r#"[{"id":"a","min_free":0,"target_free":10,"max_numbers":15}]"#);
    let pools = pools.unwrap();
    let pool = pools.named(None).unwrap();
    for (free, owned, shortfall) in
        [(0, 0, 10), (4, 4, 6), (10, 10, 0), (11, 11, 0), (4, 12, 3), (0, 15, 0), (0, 16, 0)]
    {
        assert_eq!(pool.shortfall(free, owned), shortfall, "{free} free of {owned}");
    }
}

#[test]
fn an_error_names_the_wrong_field() {
    for (text, error) in [
        ("", "Pools: must be a JSON list of pools"),
        ("{}", "Pools: must be a JSON list of pools"),
        ("[]", "Pools: must hold at least one pool"),
        ("[7]", "Pools[0]: must be a JSON object"),
        ("[{}]", "Pools[0].id: is missing"),
        (r#"[{"id":"A"}]"#, "Pools[0].id: must be 1 to 32 of a-z, 0-9 and -"),
        (
            r#"[{"id":"a","default":true},{"id":"a"}]"#,
            "Pools[1].id: must differ from the other pools'",
        ),
        (
            r#"[{"id":"a"},{"id":"b"}]"#,
            "Pools[].default: must be true for exactly one of several pools",
        ),
        (
            r#"[{"id":"a","default":true},{"id":"b","default":true}]"#,
            "Pools[].default: must be true for exactly one of several pools",
        ),
        (r#"[{"id":"a","default":"yes"}]"#, "Pools[0].default: must be true or false"),
        (
            r#"[{"id":"a","provider":"acme"}]"#,
            "Pools[0].provider: must be one of: manual, twilio, exotel",
        ),
        (
            r#"[{"id":"a","allocation":"both"}]"#,
            "Pools[0].allocation: must be one of: exclusive, shared",
        ),
        (
            r#"[{"id":"a","number_type":"fax"}]"#,
            "Pools[0].number_type: must be one of: local, mobile, toll_free",
        ),
        (r#"[{"id":"a","shards":0}]"#, "Pools[0].shards: must be 1 to 256"),
        (
            r#"[{"id":"a","cooldown_seconds":-1}]"#,
            "Pools[0].cooldown_seconds: must be an unsigned 64-bit whole number",
        ),
        (
            r#"[{"id":"a","country":"Indonesia"}]"#,
            "Pools[0].country: must be a two-letter ISO 3166 code in capitals",
        ),
        (
            r#"[{"id":"a","min_free":9,"target_free":8}]"#,
            "Pools[0].target_free: must be at least min_free",
        ),
    ] {
        assert_eq!(Pools::parse(text).unwrap_err().to_string(), error);
    }
    for (field, named) in [
        ("cooldown", "cooldown"),
        ("cool_down", "cool_down"),
        ("cool-down", "(a field)"),
        ("+6281299998888", "(a field)"),
    ] {
        let unknown = Pools::parse(&format!(r#"[{{"id":"a","{field}":60}}]"#)).unwrap_err();
        let expected = format!("Pools[0].{named}: is not known; known are id, default");
        assert!(unknown.to_string().starts_with(&expected), "{unknown}");
    }
}
