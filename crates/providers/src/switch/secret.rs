//! The part `resolve` of the provider secret: `{"tokens":["…"]}`.

use masking::Invalid;

use crate::credential::Tokens;
use crate::fields::{Fields, or_last, part, tokens};
use crate::route::Route;

/// The route that the bearer tokens switch on.
pub(crate) const ROUTE: Route = Route::new("POST /calls/resolve");

/// The contents of the secret for switches.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The bearer tokens.
    pub tokens: Option<Tokens>,
}

impl Credentials {
    pub(crate) fn read(fields: &Fields, last: &Self, problems: &mut Vec<Invalid>) -> Self {
        let read = part(fields, "resolve", |part| tokens(part, "tokens"));
        Self { tokens: or_last(read, last.tokens.as_ref(), problems) }
    }
}
