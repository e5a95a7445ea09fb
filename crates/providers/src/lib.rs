//! Telecom providers: the questions that they ask when someone dials, the answers in
//! their own forms, and the APIs that find and rent numbers.
//!
//! A provider is a folder: its webhook, its parts of the two secrets and, if it rents
//! numbers out, its number API.
//!
//! | folder | provider |
//! | --- | --- |
//! | `switch` | any switch that asks over plain JSON |
//! | `twilio` | Twilio: signed form, `TwiML` |
//! | `exotel` | Exotel: query with a token in the path, national numbers, JSON |
//!
//! The folders are private. The rest of the service finds a [`webhook()`] by its
//! route and a [`NumberApi`] by its pool's provider. `providers.rs`,
//! `secret.rs` and `rental_secret.rs` list the folders; the other files are what the folders share. The crate knows
//! nothing of tables and orders.

mod call_id;
mod credential;
mod exotel;
mod fields;
mod http;
mod parts;
mod providers;
mod question;
mod rental;
mod rental_secret;
mod report;
mod route;
mod secret;
mod switch;
mod time;
mod transport;
mod twilio;
mod webhook;

pub use self::call_id::CallId;
pub use self::http::{ApiError, Problem};
pub use self::providers::{NumberApi, REPORTS, WEBHOOKS, reports, webhook};
pub use self::question::{NoParties, Question};
pub use self::rental::{BuyError, Listing, Owned, Purpose, Tagged};
pub use self::rental_secret::RentalSecret;
pub use self::report::{Report, Reports};
pub use self::route::Route;
pub use self::secret::ProviderSecret;
pub use self::transport::{
    Cause, Ended, NoReply, Reply as ProviderReply, Sending, Transport, client,
};
pub use self::webhook::{Refusal, Reply, Request, Webhook};
