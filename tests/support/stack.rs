//! The deployed stack as an outsider meets it: events go in, announcements come
//! out, calls are answered. What is wrong is told in words, not by a panic, since
//! the demo tells it to a person.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use aws_sdk_sqs::types::{
    DeleteMessageBatchRequestEntry, QueueAttributeName, SendMessageBatchRequestEntry,
};
use lambda_support::{aws, clock, env};
use masking::{CallerKey, Phone, Timestamp};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::processes::Processes;
use crate::rows::{Row, text};
use crate::story::{EXOTEL_TOKEN, SWITCH_TOKEN, TWILIO_TOKEN};

/// How long something may take that happens at once on an idle machine, on a busy one.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// Signs a form the way the provider does: with its own library.
const SIGN: &str = "
import sys
from twilio.request_validator import RequestValidator
token, url, *form = sys.argv[1:]
print(RequestValidator(token).compute_signature(url, dict(zip(form[::2], form[1::2]))))
";

/// Something is not as the contract says.
#[derive(Debug)]
pub struct Surprise(String);

/// What a story comes to.
pub type Result<T = ()> = std::result::Result<T, Surprise>;

impl Surprise {
    /// Says what is wrong.
    pub fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }

    pub(crate) fn of<E: std::error::Error>(doing: &str) -> impl FnOnce(E) -> Self {
        move |error| {
            let mut text = format!("{doing}: {error}");
            let mut cause = error.source();
            while let Some(error) = cause {
                text = format!("{text}: {error}");
                cause = error.source();
            }
            Self(text)
        }
    }
}

impl fmt::Display for Surprise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Surprise {}

/// Compares what was seen with what the contract says.
pub fn check<T: PartialEq + fmt::Debug>(what: &str, seen: &T, expected: &T) -> Result {
    if seen == expected {
        return Ok(());
    }
    Err(Surprise(format!("{what}\n  expected: {expected:?}\n      seen: {seen:?}")))
}

/// Compares two pieces of JSON.
pub fn check_json(what: &str, seen: &Value, expected: &Value) -> Result {
    if seen == expected {
        return Ok(());
    }
    Err(Surprise(format!("{what}\n  expected: {expected}\n      seen: {seen}")))
}

/// Tries until there is no surprise, and tells the last one if there always is.
pub async fn eventually<T>(
    what: &str,
    patience: Duration,
    mut attempt: impl AsyncFnMut() -> Result<T>,
) -> Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        match attempt().await {
            Ok(value) => return Ok(value),
            Err(last) if deadline <= Instant::now() => {
                let seconds = patience.as_secs();
                return Err(Surprise(format!("{what}: not within {seconds} s\n  {last}")));
            }
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

/// A stack, and what came out of its queues so far.
#[derive(Debug)]
pub struct Stack {
    sqs: aws_sdk_sqs::Client,
    dynamodb: aws_sdk_dynamodb::Client,
    secrets: aws_sdk_secretsmanager::Client,
    http: reqwest::Client,
    outputs: Value,
    api_base: String,
    api_domain: String,
    logs_command: String,
    python: String,
    announcements: Mailbox,
    dead_assigns: Mailbox,
    dead_releases: Mailbox,
    dead_refills: Mailbox,
    phones: Mutex<BTreeSet<String>>,
    last_logs: tokio::sync::Mutex<(Option<Instant>, String)>,
}

/// The queues whose dead letters a stack keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    /// Takes `order.created` and `order.agent_assigned`.
    Assign,
    /// Takes what ends an assignment.
    Release,
    /// Takes pool messages.
    Refill,
}

/// What an HTTP request was answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The header.
    pub content_type: String,
    /// The body.
    pub body: String,
}

/// What becomes of a call at a telephone provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// This phone rings, and shows that number.
    Rings {
        /// The phone.
        phone: String,
        /// The number on its screen.
        shown: String,
    },
    /// Nobody is rung; the caller hears this.
    Sentence(String),
    /// Nobody is rung; the words are in the provider's own flow.
    Nobody,
}

impl Stack {
    /// Connects to the stack that the environment names, as `infra/local.py run` sets
    /// it, and gives it this provider secret before anything can have read another.
    pub async fn connect(provider_secret: &Value) -> Result<Self> {
        let outputs = std::fs::read_to_string(variable("VN_OUTPUTS")?)
            .map_err(Surprise::of("reading the outputs"))?;
        let outputs = serde_json::from_str(&outputs).map_err(Surprise::of("the outputs"))?;
        // Longer than the queues are polled for.
        let config = aws::config(Duration::from_secs(20), Duration::from_mins(1)).await;
        let sqs = aws_sdk_sqs::Client::new(&config);
        let mailbox = async |queue, name| {
            let url = dead_letter_queue_url(&sqs, queue_url(&outputs, queue)?).await?;
            Ok::<_, Surprise>(Mailbox::open(&sqs, name, &url))
        };
        let announcements = output(&outputs, "NumberEventsQueueUrl")?;
        let stack = Self {
            announcements: Mailbox::open(&sqs, "the announcements", announcements),
            dead_assigns: mailbox(Queue::Assign, "the assign queue's dead letters").await?,
            dead_releases: mailbox(Queue::Release, "the release queue's dead letters").await?,
            dead_refills: mailbox(Queue::Refill, "the refill queue's dead letters").await?,
            dynamodb: aws_sdk_dynamodb::Client::new(&config),
            secrets: aws_sdk_secretsmanager::Client::new(&config),
            http: carriers::client().map_err(Surprise::of("an HTTP client"))?,
            outputs,
            api_base: variable("VN_API_BASE")?,
            api_domain: variable("VN_API_DOMAIN")?,
            logs_command: variable("VN_LOGS")?,
            python: variable("VN_PYTHON")?,
            phones: Mutex::default(),
            last_logs: tokio::sync::Mutex::default(),
            sqs,
        };
        stack.given_provider_secret(provider_secret).await?;
        Ok(stack)
    }

    /// Sets the provider secret. Functions that have read it before read it again when
    /// a check fails, but not more often than every few seconds.
    pub async fn given_provider_secret(&self, secret: &Value) -> Result {
        let arn = output(&self.outputs, "ProviderSecretArn")?;
        let request = self.secrets.put_secret_value().secret_id(arn);
        let done = request.secret_string(secret.to_string()).send().await;
        done.map_err(Surprise::of("setting the provider secret"))?;
        Ok(())
    }

    /// A real phone that nobody has had yet; all of them are known to [`Self::phones`].
    pub fn phone(&self) -> String {
        let mut phones = self.phones.lock().unwrap_or_else(PoisonError::into_inner);
        let phone = format!("+9198{:08}", 20_000_000 + 4321 * phones.len());
        phones.insert(phone.clone());
        phone
    }

    /// All real phones so far.
    pub fn phones(&self) -> BTreeSet<String> {
        self.phones.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sends an event to the queue where its type belongs.
    pub async fn tell(&self, event: &Value) -> Result {
        self.tell_all(std::slice::from_ref(event)).await
    }

    /// Sends events to the queues where their types belong.
    pub async fn tell_all(&self, events: &[Value]) -> Result {
        let assigns = ["order.created", "order.agent_assigned"].map(Value::from);
        let (assigns, releases): (Vec<&Value>, Vec<&Value>) =
            events.iter().partition(|event| assigns.contains(&event["type"]));
        for (queue, events) in [(Queue::Assign, assigns), (Queue::Release, releases)] {
            let bodies: Vec<String> = events.into_iter().map(Value::to_string).collect();
            self.send(queue, &bodies).await?;
        }
        Ok(())
    }

    /// Sends bodies to a queue, ten at a time.
    pub async fn send(&self, queue: Queue, bodies: &[String]) -> Result {
        for (page, bodies) in bodies.chunks(10).enumerate() {
            let mut request =
                self.sqs.send_message_batch().queue_url(queue_url(&self.outputs, queue)?);
            for (index, body) in bodies.iter().enumerate() {
                let entry = SendMessageBatchRequestEntry::builder()
                    .id(format!("{page}-{index}"))
                    .message_body(body)
                    .build()
                    .map_err(Surprise::of("a message"))?;
                request = request.entries(entry);
            }
            let sent = request.send().await.map_err(Surprise::of("sending events"))?;
            check("messages that the queue did not take", &sent.failed.len(), &0)?;
        }
        Ok(())
    }

    /// Sends a message about a pool.
    pub async fn tell_pool(&self, pool: &str, message: &Value) -> Result {
        let request = self.sqs.send_message().queue_url(queue_url(&self.outputs, Queue::Refill)?);
        // Even what is said twice is meant twice.
        let id = format!("{}-{:016x}", clock::unix_seconds(), fastrand::u64(..));
        let request = request.message_group_id(pool).message_deduplication_id(id);
        let sent = request.message_body(message.to_string()).send().await;
        sent.map_err(Surprise::of("sending a pool message"))?;
        Ok(())
    }

    /// Imports numbers into a pool, and waits until they are in it.
    pub async fn import(&self, pool: &str, numbers: &[String]) -> Result {
        let message = json!({"type": "pool.import", "pool": pool, "numbers": numbers});
        self.tell_pool(pool, &message).await?;
        eventually(&format!("import into {pool}"), PATIENCE, async || {
            let rows = self.rows("NumbersTable").await?;
            let known: BTreeSet<&str> = rows.iter().filter_map(|row| text(row, "number")).collect();
            let missing = numbers.iter().filter(|number| !known.contains(number.as_str())).count();
            check("numbers that are missing", &missing, &0)
        })
        .await
    }

    /// Waits for an announcement about an order: its kind, as `assigned`, and version.
    pub async fn announced(&self, order_id: &str, kind: &str, version: u64) -> Result<Value> {
        let type_ = format!("numbers.{kind}");
        let what = format!("{type_} of {order_id}, version {version}");
        let wanted = |message: &Message| {
            let value: Value = serde_json::from_str(&message.body).ok()?;
            let fits = value["type"] == *type_ && value["version"] == version;
            (fits && value["order_id"] == order_id).then_some(value)
        };
        self.announcements.wait_for(&what, &format!("\"{order_id}\""), wanted).await
    }

    /// Everything that was announced so far.
    pub fn announcements(&self) -> Vec<String> {
        self.announcements.messages.borrow().iter().map(|it| it.body.clone()).collect()
    }

    /// Checks that no event waits or is being handled, and that all announcements
    /// were read.
    pub async fn check_at_rest(&self) -> Result {
        let counts = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        for name in ["AssignQueueUrl", "ReleaseQueueUrl", "NumberEventsQueueUrl"] {
            let url = output(&self.outputs, name)?;
            let seen = queue_attributes(&self.sqs, url, counts.clone()).await?;
            check(&format!("messages of {name}"), &seen.each_ref().map(String::as_str), &["0"; 3])?;
        }
        Ok(())
    }

    /// Sets after how many seconds a queue hands out again what nobody finished, and
    /// returns how many they were.
    pub async fn set_visibility_timeout(&self, queue: Queue, seconds: &str) -> Result<String> {
        let (url, name) = (queue_url(&self.outputs, queue)?, QueueAttributeName::VisibilityTimeout);
        let [before] = queue_attributes(&self.sqs, url, [name.clone()]).await?;
        let request = self.sqs.set_queue_attributes().queue_url(url);
        let done = request.attributes(name, seconds).send().await;
        done.map_err(Surprise::of("setting a queue's attribute"))?;
        Ok(before)
    }

    /// The folder of the functions as they were built for the stack.
    pub fn built(&self) -> Result<PathBuf> {
        variable("VN_BUILD").map(PathBuf::from)
    }

    /// The processes of the function that takes from a queue.
    pub fn processes(&self, queue: Queue) -> Result<Processes> {
        let emulator = variable("VN_EMULATOR_PID")?;
        let emulator = emulator.parse().map_err(Surprise::of("VN_EMULATOR_PID"))?;
        let log = variable("VN_EMULATOR_LOG")?.into();
        Ok(Processes::new(emulator, log, queue_url(&self.outputs, queue)?.to_owned()))
    }

    /// All real phones so far, by the callers that stand for them in the tables.
    pub async fn callers(&self) -> Result<BTreeMap<String, String>> {
        let arn = output(&self.outputs, "ServiceSecretArn")?;
        let secret = self.secrets.get_secret_value().secret_id(arn).send().await;
        let secret = secret.map_err(Surprise::of("reading the service's secret"))?;
        let key = CallerKey::parse(secret.secret_string().unwrap_or_default());
        let key = key.map_err(Surprise::of("the service's secret"))?;
        let mut callers = BTreeMap::new();
        for text in self.phones() {
            let phone: Phone = text.parse().map_err(Surprise::of("a phone"))?;
            callers.insert(key.caller(&phone).as_str().to_owned(), text);
        }
        Ok(callers)
    }

    /// Waits for the message of which `part` is a part in a dead-letter queue, and
    /// returns the reason that came with it.
    pub async fn dead_letter(&self, queue: Queue, part: &str) -> Result<String> {
        let mailbox = match queue {
            Queue::Assign => &self.dead_assigns,
            Queue::Release => &self.dead_releases,
            Queue::Refill => &self.dead_refills,
        };
        let wanted = |message: &Message| message.body.contains(part).then(|| message.clone());
        let message = mailbox.wait_for("a dead letter", part, wanted).await?;
        message.reason.ok_or_else(|| Surprise(format!("a dead letter without a reason: {part}")))
    }

    /// Where providers are told that the API is.
    pub fn api_url(&self) -> Result<&str> {
        output(&self.outputs, "ApiUrl")
    }

    /// Asks as a switch does, with this `Authorization`, if any, and this body.
    pub async fn ask(&self, authorization: Option<&str>, body: &str) -> Result<Answer> {
        let mut request = self.http.post(format!("{}/calls/resolve", self.api_base));
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let request = request.header("content-type", "application/json");
        answer(request.body(body.to_owned())).await
    }

    /// Asks as a switch does that may; returns status and JSON.
    pub async fn resolve(&self, caller: &str, called: &str) -> Result<(u16, Value)> {
        let body = json!({"caller": caller, "called": called, "call_id": "a-call"}).to_string();
        let answer = self.ask(Some(&format!("Bearer {SWITCH_TOKEN}")), &body).await?;
        check("content type", &answer.content_type.as_str(), &"application/json")?;
        Ok((answer.status, json_of(&answer.body)?))
    }

    /// Signs a form for the stack's own address, as Twilio does.
    pub async fn sign(&self, auth_token: &str, form: &[(&str, &str)]) -> Result<String> {
        let url = format!("https://{}/calls/twilio", self.api_domain);
        let mut command = Command::new(&self.python);
        command.args(["-c", SIGN, auth_token, &url]);
        command.args(form.iter().flat_map(|(name, value)| [name, value]));
        let done = command.stdin(Stdio::null()).output().await;
        let done = done.map_err(Surprise::of("the signer"))?;
        let printed = String::from_utf8_lossy(&done.stdout).trim().to_owned();
        if !done.status.success() || printed.is_empty() {
            return Err(Surprise(format!("signer: {}", String::from_utf8_lossy(&done.stderr))));
        }
        Ok(printed)
    }

    /// Posts a form as Twilio does, with this signature, if any.
    pub async fn post_twilio(
        &self,
        form: &[(&str, &str)],
        signature: Option<&str>,
    ) -> Result<Answer> {
        let mut request = self.http.post(format!("{}/calls/twilio", self.api_base));
        if let Some(signature) = signature {
            request = request.header("X-Twilio-Signature", signature);
        }
        answer(request.form(form)).await
    }

    /// Has someone dial a number of Twilio's.
    pub async fn twilio_call(&self, caller: &str, called: &str) -> Result<Heard> {
        let form = twilio_form(caller, called);
        let signature = self.sign(TWILIO_TOKEN, &form).await?;
        let answer = self.post_twilio(&form, Some(&signature)).await?;
        check("status", &answer.status, &200)?;
        check("content type", &answer.content_type.as_str(), &"text/xml; charset=utf-8")?;
        heard_in_twiml(&answer.body)
    }

    /// Asks as Exotel does, with this token and query.
    pub async fn get_exotel(&self, token: &str, query: &[(&str, &str)]) -> Result<Answer> {
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(query).finish();
        let url = format!("{}/calls/exotel/{token}?{query}", self.api_base);
        answer(self.http.get(url)).await
    }

    /// Has someone dial an Indian number of Exotel's, which writes numbers as they are
    /// dialled there.
    pub async fn exotel_call(&self, caller: &str, called: &str) -> Result<Heard> {
        let query = exotel_query(caller, called);
        let query: Vec<(&str, &str)> =
            query.iter().map(|(name, it)| (*name, it.as_str())).collect();
        let answer = self.get_exotel(EXOTEL_TOKEN, &query).await?;
        check("status", &answer.status, &200)?;
        check("content type", &answer.content_type.as_str(), &"application/json")?;
        heard_in_json(&json_of(&answer.body)?)
    }

    /// All rows of a table, named as in the outputs.
    pub async fn rows(&self, table: &str) -> Result<Vec<Row>> {
        let table = output(&self.outputs, table)?;
        let scan = self.dynamodb.scan().table_name(table).consistent_read(true);
        let mut pages = scan.into_paginator().items().send();
        let mut rows = Vec::new();
        while let Some(row) = pages.next().await {
            rows.push(row.map_err(Surprise::of("reading a table"))?);
        }
        Ok(rows)
    }

    /// The numbers of a pool that are free now and may be handed out.
    pub async fn free_numbers(&self, pool: &str) -> Result<BTreeSet<String>> {
        let now = clock::unix_seconds();
        let in_circulation = format!("{pool}#");
        let mut free = BTreeSet::new();
        for row in self.rows("NumbersTable").await? {
            let read = |name| text(&row, name).unwrap_or_default();
            let available_at: u64 = read("available_at").parse().unwrap_or(u64::MAX);
            if read("pool_shard").starts_with(&in_circulation) && available_at <= now {
                free.insert(read("number").to_owned());
            }
        }
        Ok(free)
    }

    /// Waits for a line of a function's log that has all of these parts.
    pub async fn logged(&self, parts: &[&str]) -> Result {
        eventually(&format!("a log line with {}", parts.join(", ")), PATIENCE, async || {
            let mut last = self.last_logs.lock().await;
            // Everyone who waits may share a reading, which takes most of a second.
            if last.0.is_none_or(|read_at| Duration::from_secs(1) < read_at.elapsed()) {
                last.1 = self.logs().await?;
                last.0 = Some(Instant::now());
            }
            let found = last.1.lines().any(|line| parts.iter().all(|part| line.contains(part)));
            check("logged", &found, &true)
        })
        .await
    }

    /// What the functions logged as warnings and errors, in short.
    pub async fn problems(&self) -> Vec<String> {
        let logs = self.logs().await.unwrap_or_else(|surprise| surprise.to_string());
        let in_short = |line: &str| {
            let (function, line) = line.split_once(char::is_whitespace)?;
            let line: Value = serde_json::from_str(line.trim()).ok()?;
            let level = line["level"].as_str().filter(|it| ["ERROR", "WARN"].contains(it))?;
            Some(format!("{function}: {level} {}", line["fields"]))
        };
        logs.lines().filter_map(in_short).collect()
    }

    /// Every line that the functions logged.
    pub async fn logs(&self) -> Result<String> {
        let mut command = Command::new("sh");
        let done = command.args(["-c", &self.logs_command]).stdin(Stdio::null()).output().await;
        let done = done.map_err(Surprise::of("reading the logs"))?;
        if !done.status.success() {
            return Err(Surprise(format!("logs: {}", String::from_utf8_lossy(&done.stderr))));
        }
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }
}

fn variable(name: &'static str) -> Result<String> {
    env::process(name).ok_or_else(|| {
        let how = "run this by `infra/local.py run -- …`, or by make";
        Surprise(format!("{name} is not set: {how}"))
    })
}

fn queue_url(outputs: &Value, queue: Queue) -> Result<&str> {
    let name = match queue {
        Queue::Assign => "AssignQueueUrl",
        Queue::Release => "ReleaseQueueUrl",
        Queue::Refill => "RefillQueueUrl",
    };
    output(outputs, name)
}

/// The dead-letter queues are no outputs: the queues themselves say where theirs is.
async fn dead_letter_queue_url(client: &aws_sdk_sqs::Client, queue_url: &str) -> Result<String> {
    let policy = [QueueAttributeName::RedrivePolicy];
    let [policy] = queue_attributes(client, queue_url, policy).await?;
    let policy = json_of(&policy)?;
    let arn = policy["deadLetterTargetArn"].as_str().unwrap_or_default();
    let name = arn.rsplit(':').next().unwrap_or_default();
    let answer = client.get_queue_url().queue_name(name).send().await;
    let answer = answer.map_err(Surprise::of("finding a dead-letter queue"))?;
    answer.queue_url.ok_or_else(|| Surprise(format!("no dead-letter queue named {name}")))
}

/// Attributes of a queue, at one moment; one that it does not have is empty.
async fn queue_attributes<const N: usize>(
    client: &aws_sdk_sqs::Client,
    queue_url: &str,
    names: [QueueAttributeName; N],
) -> Result<[String; N]> {
    let request = client.get_queue_attributes().queue_url(queue_url);
    let answer = request.set_attribute_names(Some(names.to_vec())).send().await;
    let answer = answer.map_err(Surprise::of("reading a queue's attributes"))?;
    let mut attributes = answer.attributes.unwrap_or_default();
    Ok(names.map(|name| attributes.remove(&name).unwrap_or_default()))
}

/// A message that was taken from a queue.
#[derive(Clone, Debug)]
struct Message {
    body: String,
    reason: Option<String>,
}

/// All that came out of a queue, for everyone who waits for something in it.
#[derive(Debug)]
struct Mailbox {
    name: &'static str,
    messages: watch::Receiver<Vec<Message>>,
}

impl Mailbox {
    /// Empties the queue into the mailbox, as long as the mailbox exists.
    fn open(client: &aws_sdk_sqs::Client, name: &'static str, url: &str) -> Self {
        let (sender, messages) = watch::channel(Vec::new());
        let (client, url) = (client.clone(), url.to_owned());
        tokio::spawn(async move {
            while !sender.is_closed() {
                let request = client.receive_message().queue_url(&url).max_number_of_messages(10);
                let request = request.message_attribute_names("All").wait_time_seconds(1);
                let Ok(received) = request.send().await else {
                    sleep(Duration::from_millis(200)).await;
                    continue;
                };
                let mut done = client.delete_message_batch().queue_url(&url);
                for message in received.messages.unwrap_or_default() {
                    let entry = DeleteMessageBatchRequestEntry::builder()
                        .set_id(message.message_id)
                        .set_receipt_handle(message.receipt_handle);
                    if let Ok(entry) = entry.build() {
                        done = done.entries(entry);
                    }
                    let mut attributes = message.message_attributes.unwrap_or_default();
                    let reason = attributes.remove("reason").and_then(|it| it.string_value);
                    let body = message.body.unwrap_or_default();
                    sender.send_modify(|messages| messages.push(Message { body, reason }));
                }
                // One that is not deleted comes again, which is allowed of announcements.
                if done.get_entries().is_some() {
                    let _ = done.send().await;
                }
            }
        });
        Self { name, messages }
    }

    /// Waits for the message that `find` finds. The error tells the messages that are
    /// there and have `about` in their body.
    async fn wait_for<T>(
        &self,
        what: &str,
        about: &str,
        find: impl Fn(&Message) -> Option<T>,
    ) -> Result<T> {
        let mut messages = self.messages.clone();
        let found = async {
            let any = |all: &Vec<Message>| all.iter().any(|message| find(message).is_some());
            let all = messages.wait_for(any).await.ok()?;
            all.iter().find_map(&find)
        };
        if let Ok(Some(found)) = timeout(PATIENCE, found).await {
            return Ok(found);
        }
        let all = self.messages.borrow();
        let others: Vec<&str> =
            all.iter().map(|it| it.body.as_str()).filter(|it| it.contains(about)).collect();
        let (name, seconds, others) = (self.name, PATIENCE.as_secs(), others.join("\n    "));
        Err(Surprise(format!(
            "{what}\n  expected: within {seconds} s in {name}\n      seen: {others}"
        )))
    }
}

/// The provider secret of a stack that answers calls on every route; numbers in
/// national form are Indian ones.
pub fn provider_secret() -> Value {
    json!({
        "resolve": {"tokens": [SWITCH_TOKEN]},
        "twilio": {"auth_tokens": [TWILIO_TOKEN]},
        "exotel": {"webhook_tokens": [EXOTEL_TOKEN], "country": "IN"},
    })
}

/// What Twilio posts when someone dials one of its numbers.
pub fn twilio_form<'a>(caller: &'a str, called: &'a str) -> [(&'a str, &'a str); 8] {
    [
        ("AccountSid", "AC00000000000000000000000000000001"),
        ("ApiVersion", "2010-04-01"),
        ("CallSid", "CA00000000000000000000000000000001"),
        ("CallStatus", "ringing"),
        ("CallerName", "José & Søn"),
        ("Direction", "inbound"),
        ("From", caller),
        ("To", called),
    ]
}

/// What Exotel asks when someone dials one of its numbers in India.
pub fn exotel_query(caller: &str, called: &str) -> [(&'static str, String); 6] {
    let national = |number: &str| {
        number.strip_prefix("+91").map_or_else(|| number.to_owned(), |rest| format!("0{rest}"))
    };
    [
        ("CallSid", "9953aa22bb33cc44dd55ee66ff778899".to_owned()),
        ("CallFrom", national(caller)),
        ("CallTo", national(called)),
        ("Direction", "incoming".to_owned()),
        ("From", national(caller)),
        ("To", national(called)),
    ]
}

/// The moment that many seconds from now, as events write it.
pub fn in_seconds(seconds: u64) -> String {
    Timestamp::from_seconds(clock::unix_seconds() + seconds).to_string()
}

/// Reads the answer to Twilio, every byte of which has to be as expected.
fn heard_in_twiml(twiml: &str) -> Result<Heard> {
    let between = |start: &str, end: &str| {
        let (_, rest) = twiml.split_once(start)?;
        Some(rest.split_once(end)?.0.to_owned())
    };
    let connects = between("callerId=\"", "\"").zip(between("<Number>", "</Number>"));
    let (heard, verbs) = match (connects, between("<Say>", "</Say>")) {
        (Some((shown, phone)), None) => {
            let dial = format!("<Dial callerId=\"{shown}\" answerOnBridge=\"true\">");
            let verbs = format!("{dial}<Number>{phone}</Number></Dial>");
            (Heard::Rings { phone, shown }, verbs)
        }
        (None, Some(words)) => {
            let verbs = format!("<Say>{words}</Say><Hangup/>");
            (Heard::Sentence(words), verbs)
        }
        _ => return Err(Surprise(format!("TwiML of no known form: {twiml}"))),
    };
    let whole = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>{verbs}</Response>");
    check("TwiML", &twiml, &whole.as_str())?;
    Ok(heard)
}

/// Reads the answer to Exotel.
fn heard_in_json(answer: &Value) -> Result<Heard> {
    let shown = answer["outgoing_phone_number"].as_str().map(str::to_owned);
    match (answer["destination"]["numbers"].as_array().map(Vec::as_slice), shown) {
        (Some([]), None) => Ok(Heard::Nobody),
        (Some([Value::String(phone)]), Some(shown)) => {
            Ok(Heard::Rings { phone: phone.clone(), shown })
        }
        _ => Err(Surprise(format!("an answer of no known form: {answer}"))),
    }
}

async fn answer(request: reqwest::RequestBuilder) -> Result<Answer> {
    let response = request.send().await.map_err(Surprise::of("calling the API"))?;
    let content_type = response.headers().get("content-type");
    let content_type = content_type.and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned();
    let status = response.status().as_u16();
    let body = response.text().await.map_err(Surprise::of("calling the API"))?;
    Ok(Answer { status, content_type, body })
}

fn json_of(text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|_| Surprise(format!("not JSON: {text}")))
}

fn output<'a>(outputs: &'a Value, name: &str) -> Result<&'a str> {
    outputs[name].as_str().ok_or_else(|| Surprise(format!("the template has no output {name}")))
}
