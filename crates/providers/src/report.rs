//! The report trait: the route on which a provider says what became of a call. Each
//! provider's folder implements it.

use std::fmt;

use masking::{CallOutcome, Number, Phone};

use crate::call_id::CallId;
use crate::question::NoParties;
use crate::route::Route;
use crate::secret::ProviderSecret;
use crate::webhook::{Refusal, Reply, Request};

/// One route on which a provider reports calls that ended.
pub trait Reports: fmt::Debug + Sync {
    /// The API's route.
    fn route(&self) -> Route;

    /// Reads the report of a request that proves to come from the provider.
    ///
    /// # Errors
    ///
    /// [`Refusal`] says what the request lacks.
    fn admit(&self, request: &Request<'_>, secret: &ProviderSecret) -> Result<Report, Refusal>;

    /// The answer to a report. No caller hears it.
    fn thanks(&self) -> Reply {
        Reply::ok("text/plain", String::new())
    }
}

/// A call that ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The phone of one of the two, and the number of the route that leads from it.
    pub parties: Result<(Phone, Number), NoParties>,
    /// Whether the phone was rung. Otherwise it called.
    pub was_rung: bool,
    /// The order, if the provider was told it with the call.
    pub order_id: Option<String>,
    /// The provider's id of the call.
    pub call_id: CallId,
    /// What became of the call. None if nobody was rung.
    pub outcome: Option<CallOutcome>,
    /// How long the two talked, in seconds.
    pub talk_seconds: u64,
}
