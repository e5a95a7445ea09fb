//! Tests of parsing `Pools`, and of a pool's shortfall.

use super::*;

#[test]
fn every_field_except_the_id_has_a_default() {
    let pools = Pools::parse(r#"[{"id":"id-jkt"}]"#).unwrap();
    let written_out = Pools::parse(
        r#"[{"id":"id-jkt","default":true,"provider":"manual","number_type":"local",
             "allocation":"exclusive","min_free":50,"target_free":200,"max_numbers":5000,
             "cooldown_seconds":600,"grace_seconds":0,"max_order_seconds":86400,"shards":16,
             "dial_prefixes":[],"address_sid":"","bundle_sid":"","country":""}]"#,
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

#[test]
fn every_word_is_parsed_as_it_is_written() {
    for it in Provider::ALL {
        assert_eq!(Provider::parse(it.as_str()), Some(it));
    }
    for it in NumberType::ALL {
        assert_eq!(NumberType::parse(it.as_str()), Some(it));
    }
    for it in Allocation::ALL {
        assert_eq!(Allocation::parse(it.as_str()), Some(it));
    }
    assert_eq!((Provider::parse("Twilio"), NumberType::parse("fax")), (None, None));
    assert_eq!(Allocation::parse(""), None);
}

#[test]
fn all_pools_are_listed_in_the_order_of_the_parameter() {
    let pools = Pools::parse(r#"[{"id":"b"},{"id":"a","default":true}]"#).unwrap();
    let ids: Vec<String> = pools.iter().map(|pool| pool.id.to_string()).collect();
    assert_eq!(ids, ["b", "a"]);
}

#[test]
fn a_shard_has_its_share_of_the_low_water_and_one_number_at_least() {
    for (min_free, shards, share) in [(50, 16, 3), (64, 16, 4), (5, 16, 1), (0, 16, 1), (7, 1, 7)] {
        let pools = format!(r#"[{{"id":"a","min_free":{min_free},"shards":{shards}}}]"#);
        let pools = Pools::parse(&pools).unwrap();
        let pool = pools.named(None).unwrap();
        assert_eq!(pool.low_water_per_shard(), share, "{min_free} over {shards}");
        assert_eq!(pool.shard(3), "a#3");
    }
}

#[test]
fn a_country_is_two_capital_letters() {
    let country = |code: &str| {
        let pools = Pools::parse(&format!(r#"[{{"id":"a","country":"{code}"}}]"#));
        pools.map(|pools| pools.named(None).unwrap().country.clone())
    };
    assert_eq!(country("ID"), Ok(Some("ID".to_owned())));
    assert_eq!(country(""), Ok(None));
    for wrong in ["I", "IDN", "id", "Id", "I1"] {
        let field = country(wrong).unwrap_err().field;
        assert_eq!(field, "Pools[0].country", "{wrong}");
    }
}

#[test]
fn the_target_may_be_the_minimum() {
    assert!(Pools::parse(r#"[{"id":"a","min_free":9,"target_free":9}]"#).is_ok());
}

#[test]
fn an_unknown_field_is_named_unless_its_name_may_be_a_value() {
    for (field, named) in
        [("cool_down", "cool_down"), ("Cooldown", "(a field)"), ("+628", "(a field)")]
    {
        let error = Pools::parse(&format!(r#"[{{"id":"a","{field}":1}}]"#)).unwrap_err();
        assert_eq!(error.field, format!("Pools[0].{named}"));
    }
}

#[test]
fn a_pool_rings_phones_that_begin_with_one_of_its_prefixes_or_all_if_it_has_none() {
    let may_ring = |prefixes: &str, phone: &str| {
        let pools = Pools::parse(&format!(r#"[{{"id":"a","dial_prefixes":{prefixes}}}]"#)).unwrap();
        pools.named(None).unwrap().may_ring(&phone.parse().unwrap())
    };
    for (prefixes, phone, may) in [
        (r#"["+62","+65"]"#, "+6281211112222", true),
        (r#"["+62","+65"]"#, "+6591112222", true),
        (r#"["+62","+65"]"#, "+8821112222", false),
        (r#"["+1234567"]"#, "+12345678", true),
        ("[]", "+8821112222", true),
        ("null", "+8821112222", true),
    ] {
        assert_eq!(may_ring(prefixes, phone), may, "{prefixes} {phone}");
    }
    for (prefixes, error) in [
        (r#""+62""#, "Pools[0].dial_prefixes: must be a list"),
        (r#"["+62","62"]"#, "Pools[0].dial_prefixes[1]: must be `+`, then 1 to 7 digits"),
        (r#"["+"]"#, "Pools[0].dial_prefixes[0]: must be `+`, then 1 to 7 digits"),
        (r#"["+08"]"#, "Pools[0].dial_prefixes[0]: must be `+`, then 1 to 7 digits"),
        (r#"["+12345678"]"#, "Pools[0].dial_prefixes[0]: must be `+`, then 1 to 7 digits"),
        (r#"["+6 2"]"#, "Pools[0].dial_prefixes[0]: must be `+`, then 1 to 7 digits"),
        ("[62]", "Pools[0].dial_prefixes[0]: must be `+`, then 1 to 7 digits"),
    ] {
        let pools = Pools::parse(&format!(r#"[{{"id":"a","dial_prefixes":{prefixes}}}]"#));
        assert_eq!(pools.unwrap_err().to_string(), error);
    }
}
