//! The list of the parts of both secrets, with the names of their fields.

use crate::fields::Part;
use crate::{exotel, switch, twilio};

/// The parts of the provider secret.
pub(crate) const OF_PROVIDER_SECRET: [Part; 3] = [
    (switch::secret::PART, switch::secret::WEBHOOK_FIELDS),
    (twilio::secret::PART, twilio::secret::WEBHOOK_FIELDS),
    (exotel::secret::PART, exotel::secret::WEBHOOK_FIELDS),
];

/// The parts of the rental secret.
pub(crate) const OF_RENTAL_SECRET: [Part; 2] = [
    (twilio::secret::PART, twilio::secret::ACCOUNT_FIELDS),
    (exotel::secret::PART, exotel::secret::ACCOUNT_FIELDS),
];
