//! The deployed stack: its addresses, phones, secrets and tables.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use lambda_support::{aws, clock, env};
use masking::PhoneHashKey;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::Instant;

use super::kafka::Topic;
use super::mailbox::Mailbox;
use super::queues::{dead_letter_queue_url, queue_url, waiting_queue_url};
use super::surprise::output_of;
use super::{PATIENCE, Processes, Result, Surprise, check, eventually};
use crate::events::Queue;
use crate::oracle;
use crate::rows::{self, Row, word};

/// A stack, and all messages of its queues so far.
#[derive(Debug)]
pub struct Stack {
    pub(super) sqs: aws_sdk_sqs::Client,
    pub(super) dynamodb: aws_sdk_dynamodb::Client,
    pub(super) secrets: aws_sdk_secretsmanager::Client,
    pub(super) http: reqwest::Client,
    pub(super) outputs: Value,
    pub(super) waiting_queue_url: String,
    pub(super) api_base: String,
    pub(super) api_domain: String,
    pub(super) logs_command: String,
    pub(super) python: String,
    pub(super) announcements: Mailbox,
    pub(super) call_events: Mailbox,
    /// By queue, in the order of [`Queue`].
    pub(super) dead_letters: [Mailbox; 3],
    /// Where order events may come from too, and the dead letters of its records.
    pub(super) topic: Option<Topic>,
    pub(super) forward_dead_letters: Option<Mailbox>,
    phones: Mutex<BTreeSet<String>>,
    pub(super) last_logs: tokio::sync::Mutex<(Option<Instant>, String)>,
}

impl Stack {
    /// Connects to the stack that the environment names (`infra/local.py run` sets it), and
    /// sets its provider secret before a function reads another one.
    pub async fn connect(provider_secret: &Value) -> Result<Self> {
        let outputs = std::fs::read_to_string(variable("VN_OUTPUTS")?)
            .map_err(Surprise::of("reading the outputs"))?;
        let outputs = serde_json::from_str(&outputs).map_err(Surprise::of("the outputs"))?;
        // Longer than the long polls of the queues.
        let config = aws::config(Duration::from_secs(20), Duration::from_mins(1)).await;
        let sqs = aws_sdk_sqs::Client::new(&config);
        let mailbox = async |queue, name| {
            let url = dead_letter_queue_url(&sqs, queue_url(&outputs, queue)?).await?;
            Ok::<_, Surprise>(Mailbox::open(&sqs, name, &url))
        };
        let announcements = output(&outputs, "NumberEventsQueueUrl")?;
        let call_events = output(&outputs, "CallEventsQueueUrl")?;
        let python = variable("VN_PYTHON")?;
        let forward_dead_letters = outputs["ForwardDeadLetterQueueUrl"].as_str();
        let stack = Self {
            topic: Topic::open(&python)?,
            forward_dead_letters: forward_dead_letters
                .map(|url| Mailbox::open(&sqs, "the topic's dead letters", url)),
            announcements: Mailbox::open(&sqs, "the announcements", announcements),
            call_events: Mailbox::open(&sqs, "the calls that ended", call_events),
            dead_letters: [
                mailbox(Queue::Assign, "the assign queue's dead letters").await?,
                mailbox(Queue::Release, "the release queue's dead letters").await?,
                mailbox(Queue::Refill, "the refill queue's dead letters").await?,
            ],
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            secrets: aws_sdk_secretsmanager::Client::new(&config),
            http: providers::client().map_err(Surprise::of("an HTTP client"))?,
            waiting_queue_url: waiting_queue_url(&sqs).await?,
            outputs,
            api_base: variable("VN_API_BASE")?,
            api_domain: variable("VN_API_DOMAIN")?,
            logs_command: variable("VN_LOGS")?,
            python,
            phones: Mutex::default(),
            last_logs: tokio::sync::Mutex::default(),
            sqs,
        };
        stack.given_provider_secret(provider_secret).await?;
        Ok(stack)
    }

    /// Sets the provider secret. A function that has read the old one reads it again when a
    /// check fails, but only every few seconds.
    pub async fn given_provider_secret(&self, secret: &Value) -> Result {
        self.given_secret("ProviderSecretArn", secret).await
    }

    /// Sets the rental secret, which each check of a pool reads.
    pub async fn given_rental_secret(&self, secret: &Value) -> Result {
        self.given_secret("RentalSecretArn", secret).await
    }

    async fn given_secret(&self, arn: &str, secret: &Value) -> Result {
        let arn = output(&self.outputs, arn)?;
        let request = self.secrets.put_secret_value().secret_id(arn);
        let done = request.secret_string(secret.to_string()).send().await;
        done.map_err(Surprise::of("setting a secret"))?;
        Ok(())
    }

    /// A new phone.
    pub fn phone(&self) -> String {
        let mut phones = self.phones.lock().unwrap_or_else(PoisonError::into_inner);
        // No round number, which the digits of a duration in a log could be: 1.9820000000000002.
        let phone = format!("+9198{:08}", 20_314_159 + 4321 * phones.len());
        phones.insert(phone.clone());
        phone
    }

    /// All phones so far.
    pub fn phones(&self) -> BTreeSet<String> {
        self.phones.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Imports numbers, and waits until the table has them.
    pub async fn import(&self, pool: &str, numbers: &[String]) -> Result {
        let message = json!({"type": "pool.import", "pool": pool, "numbers": numbers});
        self.tell_pool(pool, &message).await?;
        eventually(&format!("import into {pool}"), PATIENCE, async || {
            let rows = self.rows("NumbersTable").await?;
            let known: BTreeSet<&str> = rows.iter().map(|row| word(row, "number")).collect();
            let missing = numbers.iter().filter(|number| !known.contains(number.as_str())).count();
            check("numbers that are missing", &missing, &0)
        })
        .await
    }

    /// The folder with the built functions.
    pub fn built(&self) -> Result<PathBuf> {
        variable("VN_BUILD").map(PathBuf::from)
    }

    /// The processes of the function that reads a queue.
    pub fn processes(&self, queue: Queue) -> Result<Processes> {
        let url = queue_url(&self.outputs, queue)?;
        let queue = url.rsplit('/').next().unwrap_or_default();
        let died = [format!("failed processing SQS batch from {queue} "), EXIT.to_owned()];
        let log = variable("VN_EMULATOR_LOG")?.into();
        Ok(Processes::new(process_id("VN_EMULATOR_PID")?, format!("QUEUE_URL={url}"), log, died))
    }

    /// The processes of the function that reads the topic.
    pub fn forwarding_processes(&self) -> Result<Processes> {
        let url = output(&self.outputs, "ForwardDeadLetterQueueUrl")?;
        let variable_of_it = format!("DEAD_LETTER_QUEUE_URL={url}");
        let died = ["a batch failed: ".to_owned(), EXIT.to_owned()];
        let log = variable("VN_KAFKA_LOG")?.into();
        Ok(Processes::new(process_id("VN_EMULATOR_PID")?, variable_of_it, log, died))
    }

    /// Runs a Python program that uses the tools of `infra/local`. Returns its output.
    pub async fn python(&self, program: &str, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(&self.python);
        output_of("a Python program", command.args(["-c", program]).args(arguments)).await
    }

    /// All phones so far, by their callers (the hashes in the tables).
    pub async fn callers(&self) -> Result<BTreeMap<String, String>> {
        let arn = output(&self.outputs, "ServiceSecretArn")?;
        let secret = self.secrets.get_secret_value().secret_id(arn).send().await;
        let secret = secret.map_err(Surprise::of("reading the service's secret"))?;
        let key = PhoneHashKey::parse(secret.secret_string().unwrap_or_default());
        let key = key.map_err(Surprise::of("the service's secret"))?;
        Ok(oracle::by_caller(&key, self.phones()))
    }

    /// The API's address in the settings of providers.
    pub fn api_url(&self) -> Result<&str> {
        output(&self.outputs, "ApiUrl")
    }

    /// All rows of a table, given by the name of its output.
    pub async fn rows(&self, table: &str) -> Result<Vec<Row>> {
        let scanned = rows::scan(&self.dynamodb, output(&self.outputs, table)?).await;
        scanned.map_err(|error| Surprise::new(format!("reading a table: {error}")))
    }

    /// The free numbers of a pool that are in circulation.
    pub async fn free_numbers(&self, pool: &str) -> Result<BTreeSet<String>> {
        let now = clock::unix_seconds();
        let in_circulation = format!("{pool}#");
        let mut free = BTreeSet::new();
        for row in self.rows("NumbersTable").await? {
            let available_at: u64 = word(&row, "available_at").parse().unwrap_or(u64::MAX);
            if word(&row, "pool_shard").starts_with(&in_circulation) && available_at <= now {
                free.insert(word(&row, "number").to_owned());
            }
        }
        Ok(free)
    }
}

/// How the logs name the death of a function's process.
const EXIT: &str = "Runtime.ExitError";

pub(super) fn process_id(name: &'static str) -> Result<u32> {
    variable(name)?.parse().map_err(Surprise::of(name))
}

pub(super) fn variable(name: &'static str) -> Result<String> {
    env::required(env::process, name).map_err(|_| {
        let how = "run this by `infra/local.py run -- …`, or by make";
        Surprise::new(format!("{name} is not set: {how}"))
    })
}

/// An output of the template.
pub(super) fn output<'a>(outputs: &'a Value, name: &str) -> Result<&'a str> {
    let output = outputs[name].as_str();
    output.ok_or_else(|| Surprise::new(format!("the template has no output {name}")))
}
