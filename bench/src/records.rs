//! Records of a Kafka topic through one environment of forward-events: how many a second, and
//! what each costs.

use support::cloud::Cloud;
use support::events::{Queue, records};
use support::functions::{FORWARD_DEAD_LETTERS, url};

use crate::effort::Effort;
use crate::endpoint::{Endpoint, cloud};
use crate::environment::Environment;
use crate::events::{assigned, completed};
use crate::function::{Function, POOL};
use crate::progress::step;
use crate::sample::Sample;

/// Records in a batch, as in the template's mapping.
pub(crate) const BATCH: usize = 100;
/// One record of three is a release, and goes to another queue.
const RELEASES: usize = 3;
/// Messages in a request to SQS.
const MOST_MESSAGES: usize = 10;

/// The measurements of batches of one size. Times are milliseconds for a batch.
pub(crate) struct Records {
    pub(crate) size: usize,
    pub(crate) time: Sample,
    pub(crate) processor: Sample,
    /// Requests to SQS for each record.
    pub(crate) requests: f64,
    /// Bytes of a record's value, which SQS gets.
    pub(crate) value: f64,
    /// Bytes of a record in the event that the function gets.
    pub(crate) event: f64,
}

impl Records {
    /// Records a second, by the median batch.
    pub(crate) fn a_second(&self) -> f64 {
        self.size as f64 * 1000.0 / self.time.median()
    }
}

/// The requests to SQS that a batch makes one after the other: it sends to both queues at once,
/// and more records go to the assign queue.
pub(crate) fn requests_in_a_row() -> usize {
    (BATCH - BATCH / RELEASES).div_ceil(MOST_MESSAGES)
}

/// Measures single records and full batches in turns.
pub(crate) async fn measure(function: &Function, effort: &Effort) -> [Records; 2] {
    let cloud = cloud();
    let endpoint = Endpoint::http(&cloud).await;
    let mut environment = Environment::start(function, &endpoint).await;
    let mut warm_up = Records::of(1);
    for _ in 0..effort.warm_up {
        warm_up.add_batch(&cloud, &mut environment).await;
    }
    let mut sizes = [1, BATCH].map(Records::of);
    for batch in 1..=effort.batches {
        step(&format!("forwarding records, {batch} of {}", effort.batches));
        for records in &mut sizes {
            records.add_batch(&cloud, &mut environment).await;
        }
    }
    sizes
}

impl Records {
    fn of(size: usize) -> Self {
        let (time, processor) = Default::default();
        Self { size, time, processor, requests: 0.0, value: 0.0, event: 0.0 }
    }

    async fn add_batch(&mut self, cloud: &Cloud, environment: &mut Environment) {
        let value = |record: usize| match (record + 1) % RELEASES {
            0 => completed(record as u64),
            _ => assigned(record as u64, POOL),
        };
        let values: Vec<String> = (0..self.size).map(value).collect();
        let event = records(values.iter().map(|value| Some(value.as_bytes()))).to_string();
        let size = self.size as f64;
        self.value = values.iter().map(String::len).sum::<usize>() as f64 / size;
        self.event = event.len() as f64 / size;

        cloud.take_other_requests();
        let before = environment.processor_time();
        let (time, answer) = environment.invoke(event).await;
        self.time.add(time);
        self.processor.add(environment.processor_time() - before);
        self.requests = cloud.take_other_requests() as f64 / size;

        assert_eq!(answer, "null", "the batch is forwarded");
        let sent = [Queue::Assign, Queue::Release].map(|queue| cloud.queues.take(url(queue)).len());
        assert_eq!(sent, [self.size - self.size / RELEASES, self.size / RELEASES]);
        assert_eq!(cloud.queues.take(FORWARD_DEAD_LETTERS), []);
    }
}
