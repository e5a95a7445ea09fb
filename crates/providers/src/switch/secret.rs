//! The part `resolve` of the provider secret: `{"tokens":["…"]}`.

use masking::Invalid;

use crate::credential::Tokens;
use crate::fields::{Fields, tokens};
use crate::route::Route;

/// The route that the bearer tokens switch on.
pub(crate) const ROUTE: Route = Route::new("POST /calls/resolve");
/// The route of reports, which they switch on too.
pub(crate) const REPORT_ROUTE: Route = Route::new("POST /calls/resolve/ended");
/// The name of the part.
pub(crate) const PART: &str = "resolve";
/// The fields of the part.
pub(crate) const WEBHOOK_FIELDS: &[&str] = &["tokens"];

/// Reads the bearer tokens from the provider secret.
pub(crate) fn webhook(
    secret: &Fields,
    problems: &mut Vec<Invalid>,
) -> Result<Option<Tokens>, Invalid> {
    tokens(secret, PART, "tokens", ROUTE, problems)
}
