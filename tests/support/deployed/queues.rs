//! Messages to the queues of a stack, and messages from them.

use aws_sdk_sqs::types::{QueueAttributeName, SendMessageBatchRequestEntry};
use lambda_support::clock;
use serde_json::{Value, json};

use super::kafka::Record;
use super::mailbox::Message;
use super::stack::output;
use super::surprise::json_of;
use super::{Result, Stack, Surprise, check};
use crate::events::Queue;

impl Stack {
    /// Sends an order event: to the topic if the stack has one, else to the queue of its type.
    pub async fn tell(&self, event: &Value) -> Result {
        self.tell_all(std::slice::from_ref(event)).await
    }

    pub async fn tell_all(&self, events: &[Value]) -> Result {
        if !self.has_topic() {
            return self.tell_queues(events).await;
        }
        let records: Vec<Record> = events.iter().map(|it| Record::of(&it.to_string())).collect();
        self.produce(&records).await.map(drop)
    }

    /// Sends texts that may be no order events: to the topic if the stack has one, else to the
    /// assign queue, where the topic's function puts what it does not know.
    pub async fn tell_texts(&self, texts: &[String]) -> Result {
        if !self.has_topic() {
            return self.send(Queue::Assign, texts).await;
        }
        let records: Vec<Record> = texts.iter().map(|it| Record::of(it)).collect();
        self.produce(&records).await.map(drop)
    }

    /// Sends order events to the queues where they belong.
    pub async fn tell_queues(&self, events: &[Value]) -> Result {
        let (assigns, releases): (Vec<&Value>, Vec<&Value>) =
            events.iter().partition(|event| Queue::of(event) == Queue::Assign);
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

    pub async fn tell_pool(&self, pool: &str, message: &Value) -> Result {
        let request = self.sqs.send_message().queue_url(queue_url(&self.outputs, Queue::Refill)?);
        // A unique id: SQS must not drop a message that a story sends twice.
        let id = format!("{}-{:016x}", clock::unix_seconds(), fastrand::u64(..));
        let request = request.message_group_id(pool).message_deduplication_id(id);
        let sent = request.message_body(message.to_string()).send().await;
        sent.map_err(Surprise::of("sending a pool message"))?;
        Ok(())
    }

    /// Waits for the announcement of an order with this kind, such as `assigned`, and version.
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

    /// All announcements so far.
    pub fn announcements(&self) -> Vec<String> {
        self.announcements.messages.borrow().iter().map(|it| it.body.clone()).collect()
    }

    /// Waits for announcements beyond the first `seen`, and returns them.
    pub async fn announcements_after(&self, seen: usize) -> Result<Vec<String>> {
        self.announcements.after(seen).await
    }

    /// Checks that no event waits or is in progress, and that all announcements were read.
    pub async fn check_at_rest(&self) -> Result {
        check("records that nobody has read", &self.unread().await?, &0)?;
        let counts = [
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesDelayed,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        ];
        let names = ["AssignQueueUrl", "ReleaseQueueUrl", "NumberEventsQueueUrl"];
        let mut queues = vec![("WaitingQueue", self.waiting_queue_url.as_str())];
        for name in names {
            queues.push((name, output(&self.outputs, name)?));
        }
        for (name, url) in queues {
            let seen = queue_attributes(&self.sqs, url, counts.clone()).await?;
            check(&format!("messages of {name}"), &seen.each_ref().map(String::as_str), &["0"; 3])?;
        }
        Ok(())
    }

    /// Sets the visibility timeout of a queue in seconds. Returns the previous one.
    pub async fn set_visibility_timeout(&self, queue: Queue, seconds: &str) -> Result<String> {
        let (url, name) = (queue_url(&self.outputs, queue)?, QueueAttributeName::VisibilityTimeout);
        let [before] = queue_attributes(&self.sqs, url, [name.clone()]).await?;
        let request = self.sqs.set_queue_attributes().queue_url(url);
        let done = request.attributes(name, seconds).send().await;
        done.map_err(Surprise::of("setting a queue's attribute"))?;
        Ok(before)
    }

    /// Lets a queue take messages, or denies everybody to send any.
    pub async fn set_sending(&self, queue: Queue, allowed: bool) -> Result {
        let url = queue_url(&self.outputs, queue)?;
        let [arn] = queue_attributes(&self.sqs, url, [QueueAttributeName::QueueArn]).await?;
        let deny = json!({"Version": "2012-10-17", "Statement": [{
            "Effect": "Deny", "Principal": "*", "Action": "sqs:SendMessage*", "Resource": arn,
        }]});
        let policy = if allowed { String::new() } else { deny.to_string() };
        let request = self.sqs.set_queue_attributes().queue_url(url);
        let done = request.attributes(QueueAttributeName::Policy, policy).send().await;
        done.map_err(Surprise::of("setting a queue's policy"))?;
        Ok(())
    }

    /// Waits for the dead letter whose body contains `part`, and returns its reason.
    pub async fn dead_letter(&self, queue: Queue, part: &str) -> Result<String> {
        let mailbox = &self.dead_letters[queue as usize];
        let wanted = |message: &Message| message.body.contains(part).then(|| message.clone());
        let message = mailbox.wait_for("a dead letter", part, wanted).await?;
        message
            .reason
            .ok_or_else(|| Surprise::new(format!("a dead letter without a reason: {part}")))
    }
}

pub(super) fn queue_url(outputs: &Value, queue: Queue) -> Result<&str> {
    let name = match queue {
        Queue::Assign => "AssignQueueUrl",
        Queue::Release => "ReleaseQueueUrl",
        Queue::Refill => "RefillQueueUrl",
        Queue::Waiting => "WaitingQueueUrl",
    };
    output(outputs, name)
}

/// The template has no output for the waiting queue: nobody else sends to it.
pub(super) async fn waiting_queue_url(client: &aws_sdk_sqs::Client) -> Result<String> {
    let answer = client.list_queues().send().await.map_err(Surprise::of("listing the queues"))?;
    let mut urls = answer.queue_urls.unwrap_or_default().into_iter();
    let url = urls.find(|url| url.contains("WaitingQueue"));
    url.ok_or_else(|| Surprise::new("no queue is named WaitingQueue"))
}

/// The template has no output for a dead-letter queue: it is in the attributes of its queue.
pub(super) async fn dead_letter_queue_url(
    client: &aws_sdk_sqs::Client,
    queue_url: &str,
) -> Result<String> {
    let policy = [QueueAttributeName::RedrivePolicy];
    let [policy] = queue_attributes(client, queue_url, policy).await?;
    let policy = json_of(&policy)?;
    let arn = policy["deadLetterTargetArn"].as_str().unwrap_or_default();
    let name = arn.rsplit(':').next().unwrap_or_default();
    let answer = client.get_queue_url().queue_name(name).send().await;
    let answer = answer.map_err(Surprise::of("finding a dead-letter queue"))?;
    answer.queue_url.ok_or_else(|| Surprise::new(format!("no dead-letter queue named {name}")))
}

/// Attributes of a queue, read at one moment. An absent one is empty.
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
