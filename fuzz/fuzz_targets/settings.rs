//! Fuzzes the pools, the three secrets and timestamps: each is read or refused, and a
//! timestamp that was read can be written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use masking::{PhoneHashKey, Pools, Timestamp};
use providers::{ProviderSecret, RentalSecret};

fuzz_target!(|text: &str| {
    let _ = (Pools::parse(text), PhoneHashKey::parse(text));
    let (secret, problems) = ProviderSecret::parse(text);
    if problems.is_empty() {
        assert_eq!(secret.updated(text), (secret.clone(), problems));
    }
    let (secret, problems) = RentalSecret::parse(text);
    if problems.is_empty() {
        assert_eq!(secret.updated(text), (secret.clone(), problems));
    }
    if let Some(moment) = Timestamp::parse(text) {
        assert_eq!(Timestamp::parse(&moment.to_string()), Some(moment));
    }
});
