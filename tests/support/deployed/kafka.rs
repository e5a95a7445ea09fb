//! Records on the Kafka topic of a stack that has one.

use std::process::Stdio;

use lambda_support::env;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;

use super::mailbox::Message;
use super::stack::{process_id, variable};
use super::surprise::json_of;
use super::{Result, Stack, Surprise, check, processes};

/// The topic and the consumer group of `infra/local`.
const TOPIC: &str = "order-events";
const GROUP: &str = "virtual-numbers";

/// A record, or one without a value: a tombstone.
#[derive(Clone, Debug)]
pub struct Record {
    pub key: String,
    pub value: Option<Vec<u8>>,
}

/// A Kafka client in another process: `kafka.py`, which says what it understands.
#[derive(Debug)]
pub(super) struct Topic {
    /// Ends with this value.
    _client: Child,
    /// Requests, and their answers.
    lines: Mutex<(ChildStdin, Lines<BufReader<ChildStdout>>)>,
}

impl Topic {
    /// Opens the topic of the stack that the environment names, if it has one.
    pub(super) fn open(python: &str) -> Result<Option<Self>> {
        let Some(servers) = env::process("VN_KAFKA") else { return Ok(None) };
        let mut command = Command::new(python);
        command.args(["-c", include_str!("kafka.py"), &servers, TOPIC, GROUP]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut client = command.spawn().map_err(Surprise::of("starting the Kafka client"))?;
        let (Some(requests), Some(answers)) = (client.stdin.take(), client.stdout.take()) else {
            return Err(Surprise::new("the Kafka client has no input or output"));
        };
        let lines = Mutex::new((requests, BufReader::new(answers).lines()));
        Ok(Some(Self { _client: client, lines }))
    }

    pub(super) async fn produce(&self, records: &[Record]) -> Result<Vec<String>> {
        let records = records.iter().map(|Record { key, value }| {
            let bytes = value.as_ref().map(|it| it.iter().copied().map(char::from));
            json!([key, bytes.map(String::from_iter)])
        });
        let positions = self.ask(&records.collect()).await?;
        serde_json::from_value(positions).map_err(Surprise::of("the positions of records"))
    }

    /// How many records wait to be read.
    pub(super) async fn unread(&self) -> Result<u64> {
        let unread = self.ask(&json!("unread")).await?;
        serde_json::from_value(unread).map_err(Surprise::of("how many records wait"))
    }

    async fn ask(&self, request: &Value) -> Result<Value> {
        let mut lines = self.lines.lock().await;
        let (requests, answers) = &mut *lines;
        let sent = requests.write_all(format!("{request}\n").as_bytes()).await;
        sent.map_err(Surprise::of("asking the Kafka client"))?;
        let answer = answers.next_line().await.map_err(Surprise::of("the Kafka client"))?;
        let answer = answer.ok_or_else(|| Surprise::new("the Kafka client has ended"))?;
        json_of(&answer)
    }
}

impl Record {
    /// An event or what is no event, under the key of its order.
    pub fn of(text: &str) -> Self {
        let event: Value = serde_json::from_str(text).unwrap_or_default();
        let key = event["order_id"].as_str().unwrap_or_default().to_owned();
        Self { key, value: Some(text.as_bytes().to_owned()) }
    }
}

impl Stack {
    /// Whether order events are taken from a topic too.
    pub fn has_topic(&self) -> bool {
        self.topic.is_some()
    }

    /// Puts records on the topic. Returns the position of each, such as `order-events-3:4711`.
    pub async fn produce(&self, records: &[Record]) -> Result<Vec<String>> {
        let topic = self.topic.as_ref().ok_or_else(|| Surprise::new("the stack has no topic"))?;
        topic.produce(records).await
    }

    /// Kills the broker, which is started again a second later.
    pub async fn kill_broker(&self) -> Result {
        let keeper = process_id("VN_KAFKA_PID")?;
        let children = std::fs::read_to_string(format!("/proc/{keeper}/task/{keeper}/children"));
        let children = children.map_err(Surprise::of("finding the broker"))?;
        let broker = children.split_whitespace().next().and_then(|it| it.parse().ok());
        let broker = broker.ok_or_else(|| Surprise::new("the broker does not run"))?;
        let killed = processes::kill(broker).await?;
        check("the broker was killed", &killed, &true)
    }

    /// How many batches the function has failed so far.
    pub fn failed_batches(&self) -> Result<usize> {
        let log = std::fs::read_to_string(variable("VN_KAFKA_LOG")?);
        let log = log.map_err(Surprise::of("the log of batches that failed"))?;
        Ok(log.lines().filter(|line| line.contains("a batch failed: ")).count())
    }

    /// All dead letters of the topic so far.
    pub fn forward_dead_letters(&self) -> Vec<Message> {
        let letters = self.forward_dead_letters.as_ref();
        letters.map(|it| it.messages.borrow().clone()).unwrap_or_default()
    }

    /// How many records of the topic wait to be read.
    pub async fn unread(&self) -> Result<u64> {
        match &self.topic {
            Some(topic) => topic.unread().await,
            None => Ok(0),
        }
    }
}
