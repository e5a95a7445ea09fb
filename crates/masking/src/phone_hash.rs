//! The keyed hash under which a phone stands in table keys.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::Phone;
use crate::field::{self, Invalid};

/// The secret key of the hash. Changing it cuts every live route off.
#[derive(Clone)]
pub struct PhoneHashKey(Hmac<Sha256>);

/// The keyed hash that stands for a phone: HMAC-SHA-256, base64url without
/// padding. Without the key it can neither be made nor be reversed by trying all
/// phones.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PhoneHash(String);

/// Shorter keys could be guessed.
const SHORTEST_KEY: usize = 32;

impl PhoneHashKey {
    /// Reads the key out of the service's secret, `{"caller_key":"…"}`.
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
}

impl fmt::Debug for PhoneHashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CallerKey(hidden)")
    }
}

impl PhoneHash {
    /// Takes a hash as a table holds it.
    pub fn from_stored(hash: String) -> Self {
        Self(hash)
    }

    /// The hash as tables hold it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_phone_under_the_same_key_is_the_same_caller() {
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
    fn a_secret_without_a_usable_key_is_refused_by_field() {
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
