//! Fuzzes order events and pool messages: each is read or refused, and no refusal quotes a
//! phone.
#![no_main]

use libfuzzer_sys::fuzz_target;
use masking::{OrderEvent, PoolMessage, Pools};

fuzz_target!(|body: &str| {
    let pools = Pools::parse(r#"[{"id":"id-jkt"}]"#).unwrap();
    let order_event = OrderEvent::parse(body).err().map(|refused| refused.invalid);
    let refusals = [order_event, PoolMessage::parse(body, &pools).err()];
    for why in refusals.into_iter().flatten().map(|why| why.to_string()) {
        let mut phones = body.split(|c: char| !c.is_numeric()).filter(|digits| 7 <= digits.len());
        assert!(!phones.any(|digits| why.contains(digits)), "{why}");
    }
});
