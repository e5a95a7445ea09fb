//! AWS in the test's own process: DynamoDB, SQS and Secrets Manager, as their clients see
//! them. It answers at once and does not fail by itself: wrappers add faults and latency.

mod queues;
mod secrets;
mod tables;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};

pub use self::queues::{EntryFault, Message, Queues};
pub use self::secrets::Secrets;
pub use self::tables::{Bill, TABLES, Tables};

/// Everything that the functions use of AWS.
#[derive(Debug)]
pub struct Cloud {
    pub tables: Tables,
    pub queues: Queues,
    pub secrets: Secrets,
    /// How many requests queues and secrets got. The bill counts those to tables.
    others: AtomicU64,
}

impl Cloud {
    /// A cloud on these tables, with empty queues and no secrets.
    pub fn on(tables: Tables) -> Arc<Self> {
        let (queues, secrets) = (Queues::default(), Secrets::default());
        Arc::new(Self { tables, queues, secrets, others: AtomicU64::new(0) })
    }

    /// Carries a request out. It is atomic: nothing else happens meanwhile.
    pub fn answer(&self, request: Request) -> Reply {
        let Request { service, operation, body } = request;
        if service != Service::DynamoDb {
            self.others.fetch_add(1, Ordering::Relaxed);
        }
        match service {
            Service::DynamoDb => self.tables.answer(&operation, body),
            Service::Sqs => self.queues.answer(&operation, &body),
            Service::SecretsManager => self.secrets.answer(&operation, &body),
        }
    }

    /// Returns the count of requests to queues and secrets, and starts a new one.
    pub fn take_other_requests(&self) -> u64 {
        self.others.swap(0, Ordering::Relaxed)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    DynamoDb,
    Sqs,
    SecretsManager,
}

/// A request in the JSON protocol of these services.
#[derive(Clone, Debug)]
pub struct Request {
    pub service: Service,
    /// Such as `GetItem`.
    pub operation: String,
    pub body: Value,
}

impl Request {
    /// Parses a request. `target` is the header `X-Amz-Target`.
    pub fn read(target: &str, body: &[u8]) -> Self {
        let (service, operation) = target.split_once('.').expect("a service and an operation");
        let service = match service {
            "DynamoDB_20120810" => Service::DynamoDb,
            "AmazonSQS" => Service::Sqs,
            "secretsmanager" => Service::SecretsManager,
            other => unreachable!("no function asks {other}"),
        };
        let body = serde_json::from_slice(body).expect("JSON");
        Self { service, operation: operation.to_owned(), body }
    }

    pub fn is_write(&self) -> bool {
        self.service == Service::DynamoDb && tables::is_write(&self.operation)
    }

    /// The tables and keys of the rows that an update, or a transaction of updates, writes.
    pub fn rows(&self) -> Vec<(&str, &Value)> {
        fn row(update: &Value) -> (&str, &Value) {
            (update["TableName"].as_str().expect("a table"), &update["Key"])
        }
        match self.body["TransactItems"].as_array() {
            Some(items) => items.iter().map(|item| row(&item["Update"])).collect(),
            None => vec![row(&self.body)],
        }
    }
}

/// An answer: an HTTP status and a body of JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub status: u16,
    pub body: String,
}

impl Reply {
    pub fn done(body: impl Into<String>) -> Self {
        Self { status: 200, body: body.into() }
    }

    /// An error with this code, in the form that all three services share.
    pub fn refused(code: &str) -> Self {
        let status = if code.starts_with("Internal") { 500 } else { 400 };
        Self { status, body: json!({"__type": code, "message": "refused"}).to_string() }
    }

    /// The refusal of a transaction that conflicts with another one on the rows that are `true`.
    pub fn conflict(taken: impl IntoIterator<Item = bool>) -> Self {
        let code = |taken| if taken { "TransactionConflict" } else { "None" };
        let reasons: Vec<Value> = taken.into_iter().map(|it| json!({"Code": code(it)})).collect();
        let body = json!({
            "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            "Message": "Transaction cancelled",
            "CancellationReasons": reasons,
        });
        Self { status: 400, body: body.to_string() }
    }

    pub fn is_done(&self) -> bool {
        self.status == 200
    }
}
