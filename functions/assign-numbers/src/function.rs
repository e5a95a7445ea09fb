//! The parts of the function, which are made once while it starts.

use journal::Journal;
use lambda_support::sqs::SourceQueue;
use lambda_support::{CachedSecret, Clock};
use masking::{PhoneHashKey, Pools, Timestamp};
use masking_store::{Numbers, Orders};
use order_events::Intake;

use crate::Settings;
use crate::dry_pools::DryPools;
use crate::low_water::LowWater;
use crate::roster::Rosters;

/// Gives orders their numbers.
#[derive(Debug)]
pub struct AssignNumbers {
    pub(crate) pools: Pools,
    /// Finds free numbers.
    pub(crate) numbers: Numbers,
    /// The exclusive pools that were just found dry.
    pub(crate) dry_pools: DryPools,
    /// The numbers of shared pools.
    pub(crate) rosters: Rosters,
    /// Reads and commits orders.
    pub(crate) orders: Orders,
    /// The key of the phone hash.
    pub(crate) caller_key: CachedSecret<PhoneHashKey>,
    pub(crate) intake: Intake,
    pub(crate) low_water: LowWater,
    pub(crate) clock: Clock,
    pub(crate) journal: Journal,
}

impl AssignNumbers {
    /// Makes the function from its settings, clients, clock and journal.
    pub fn new(
        settings: Settings,
        dynamodb: aws_sdk_dynamodb::Client,
        sqs: aws_sdk_sqs::Client,
        secrets: aws_sdk_secretsmanager::Client,
        clock: Clock,
        journal: Journal,
    ) -> Self {
        let queue =
            SourceQueue::new(sqs.clone(), settings.queue_url, settings.dead_letter_queue_url)
                .with_waiting_queue(settings.waiting_queue_url);
        Self {
            pools: settings.pools,
            numbers: Numbers::new(dynamodb.clone(), &settings.tables.numbers),
            dry_pools: DryPools::default(),
            rosters: Rosters::default(),
            orders: Orders::new(dynamodb, settings.tables),
            caller_key: CachedSecret::new(secrets, settings.service_secret, |_, text| {
                PhoneHashKey::parse(text).map_err(|error| error.to_string())
            }),
            intake: Intake::new(queue, sqs.clone(), settings.number_events_queue_url),
            low_water: LowWater::new(sqs, settings.refill_queue_url, clock.clone()),
            clock,
            journal,
        }
    }

    /// Reads the secret and opens the connections, so that the first event does not wait
    /// for them.
    pub async fn warm_up(&self) {
        tokio::join!(self.caller_key.current(), self.orders.warm_up(), self.intake.warm_up());
    }

    /// The current time.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.clock.unix_seconds())
    }
}
