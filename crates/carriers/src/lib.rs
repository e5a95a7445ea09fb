//! The telecom providers: what they ask when someone dials, how they want to be
//! answered, and the APIs through which numbers are found and rented.
//!
//! | module | what it knows |
//! | --- | --- |
//! | [`question`] | what a provider asks, whoever it is |
//! | [`secret`] | the credentials of all providers, as the operator fills them in |
//! | [`twilio::webhook`] | Twilio's voice webhook: signature, form, `TwiML` |
//! | [`exotel::webhook`] | Exotel's Connect applet: query, national numbers, JSON |
//! | [`numbers`] | finding, buying and listing numbers at either |
//!
//! It knows nothing of tables and orders.

pub mod exotel;
mod http;
pub mod numbers;
pub mod question;
pub mod secret;
pub mod twilio;

pub use self::http::{ApiError, Problem, client};
pub use self::numbers::{BuyError, Listing, NumberApi, Owned, Terms};
pub use self::question::Question;
pub use self::secret::{ProviderSecret, Secret, Tokens};
