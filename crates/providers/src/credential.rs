//! Credentials, which are compared in constant time and never printed.

use std::fmt;

use subtle::{Choice, ConstantTimeEq};

/// A credential. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credential(String);

/// A list of credentials, each of which is accepted, so that they can be rotated. Never
/// empty.
#[derive(Clone, PartialEq, Eq)]
pub struct Tokens(Vec<Credential>);

impl Credential {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.to_owned())
    }

    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl Tokens {
    /// `None` if the list is empty.
    pub(crate) fn new(tokens: Vec<Credential>) -> Option<Self> {
        (!tokens.is_empty()).then_some(Self(tokens))
    }

    /// Whether the given token is one of these. Takes as long for a wrong token as for
    /// a right one. The time may reveal a token's length, which does not help to guess
    /// a random token.
    pub(crate) fn matches_any(&self, given: &str) -> bool {
        let matches = |token: &Credential| token.0.as_bytes().ct_eq(given.as_bytes());
        self.0.iter().map(matches).fold(Choice::from(0), |any, one| any | one).into()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Credential> {
        self.0.iter()
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(hidden)")
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tokens({} hidden)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(texts: &[&str]) -> Tokens {
        Tokens::new(texts.iter().map(|text| Credential::new(text)).collect()).unwrap()
    }

    #[test]
    fn only_the_tokens_of_the_list_match() {
        let tokens = tokens(&["bearer-1", "bearer-2"]);
        assert!(tokens.matches_any("bearer-1") && tokens.matches_any("bearer-2"));
        for wrong in ["", "bearer-", "bearer-3", "bearer-11", "BEARER-1", "bearer-1,bearer-2"] {
            assert!(!tokens.matches_any(wrong), "{wrong}");
        }
    }

    #[test]
    fn a_token_that_is_listed_twice_matches() {
        assert!(tokens(&["bearer-1", "bearer-1"]).matches_any("bearer-1"));
    }

    #[test]
    fn no_credential_is_printed() {
        let printed = format!("{:?} {:?}", Credential::new("bearer-1"), tokens(&["bearer-1"]));
        assert_eq!(printed, "Credential(hidden) Tokens(1 hidden)");
    }
}
