//! The keyed hash that stands for a real phone in table keys.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::Phone;
use crate::field::{self, Invalid};

/// The secret key of the hash. A new key changes every hash, so that no live route is
/// found any more.
#[derive(Clone)]
pub struct PhoneHashKey(Hmac<Sha256>);

/// The keyed hash that stands for a person's real phone in tables: HMAC-SHA-256, as 43
/// characters of base64url without padding. Fields that hold one are named `caller`.
/// Without the key nobody can compute the hash of a phone, and so nobody can find the
/// phone of a hash by trying all phones.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PhoneHash(String);

/// The shortest key, in bytes. A key that is shorter than the hash's output of 32 bytes
/// weakens the hash. Source: RFC 2104, section 3.
const SHORTEST_KEY: usize = 32;

impl PhoneHashKey {
    /// Parses the service's secret, `{"caller_key":"…"}`.
    ///
    /// # Errors
    ///
    /// The secret is not a JSON object, or has no key of at least 32 bytes.
    pub fn parse(secret: &str) -> Result<Self, Invalid> {
        let fields = field::object(secret, "ServiceSecret")?;
        let key = field::string(&fields, "caller_key")?;
        if key.len() < SHORTEST_KEY {
            return Err(Invalid::new("caller_key", "must have at least 32 characters"));
        }
        Hmac::new_from_slice(key.as_bytes())
            .map(Self)
            .map_err(|_| Invalid::new("caller_key", "must be usable as a key"))
    }

    /// Hashes a phone.
    pub fn hash(&self, phone: &Phone) -> PhoneHash {
        let mut hash = self.0.clone();
        hash.update(phone.reveal().as_bytes());
        PhoneHash(URL_SAFE_NO_PAD.encode(hash.finalize().into_bytes()))
    }

    /// A short hash of a text that may hold a phone, for the log. It shows that two texts
    /// are the same, and is another one than the phone's hash in the tables.
    pub fn fingerprint(&self, text: &str) -> String {
        let mut hash = self.0.clone();
        hash.update(b"fingerprint of ");
        hash.update(text.as_bytes());
        let mut hash = URL_SAFE_NO_PAD.encode(hash.finalize().into_bytes());
        // 60 bits: two of a million calls have the same one in one of two million logs.
        hash.truncate(10);
        hash
    }
}

impl fmt::Debug for PhoneHashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PhoneHashKey(hidden)")
    }
}

impl PhoneHash {
    /// Wraps a hash that was read from a table.
    pub fn from_stored(hash: String) -> Self {
        Self(hash)
    }

    /// Returns the text that tables store.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_depends_on_the_phone_and_the_key_alone() {
        let phone: Phone = "+6281211112222".parse().unwrap();
        let [one, other] = ["0", "1"].map(|digit| {
            PhoneHashKey::parse(&format!(r#"{{"caller_key":"{}"}}"#, digit.repeat(32))).unwrap()
        });
        assert_eq!(one.hash(&phone), one.clone().hash(&phone));
        assert_ne!(one.hash(&phone), other.hash(&phone));
        assert_eq!(one.hash(&phone).as_str().len(), 43);
        // printf %s +6281211112222 | openssl dgst -sha256 -hmac 00000000000000000000000000000000 -binary | basenc --base64url
        assert_eq!(one.hash(&phone).as_str(), "6Kc6hExEo9sfjLPuc3O9hvV7DpCCdBT9sUe-Nkne12Q");
    }

    #[test]
    fn a_fingerprint_depends_on_the_text_and_the_key_and_is_not_the_hash_of_the_tables() {
        let [one, other] = ["0", "1"].map(|digit| {
            PhoneHashKey::parse(&format!(r#"{{"caller_key":"{}"}}"#, digit.repeat(32))).unwrap()
        });
        let text = "+6281211112222";
        assert_eq!(one.fingerprint(text), one.fingerprint(text));
        assert_ne!(one.fingerprint(text), one.fingerprint("+6281211112223"));
        assert_ne!(one.fingerprint(text), other.fingerprint(text));
        assert_eq!(one.fingerprint(text).len(), 10);
        let in_tables = one.hash(&text.parse().unwrap());
        assert!(!in_tables.as_str().starts_with(&one.fingerprint(text)));
    }

    #[test]
    fn a_secret_without_a_usable_key_is_refused_with_the_name_of_the_field() {
        for (secret, error) in [
            ("", "ServiceSecret: must be JSON"),
            ("[]", "ServiceSecret: must be a JSON object"),
            ("{}", "caller_key: is missing"),
            (r#"{"caller_key":7}"#, "caller_key: must be a string"),
            (r#"{"caller_key":"short"}"#, "caller_key: must have at least 32 characters"),
        ] {
            assert_eq!(PhoneHashKey::parse(secret).unwrap_err().to_string(), error);
        }
    }
}
