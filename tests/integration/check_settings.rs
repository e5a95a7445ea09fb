//! What a deployment is told about its settings. `CloudFormation` is a server in this
//! process: it tells the state of the stack, and takes the answers.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{post, put};
use check_settings::{CheckSettings, Request};
use serde_json::{Value, json};
use support::logs::Logs;
use support::wire::{self, Tries};
use tokio::net::TcpListener;

const EIGHT: &str = r#"[{"id":"id-jkt","shards":8}]"#;
const SIXTEEN: &str = r#"[{"id":"id-jkt","shards":16}]"#;
const LOWERED: &str =
    "Pools[0].shards: must not be lowered from 16 to 8: numbers would not be found";

/// A stack in some state, and the answers that it was given.
#[derive(Clone, Debug)]
struct Deployment {
    address: String,
    answers: Arc<Mutex<Vec<(Value, HeaderMap)>>>,
    logs: Arc<Logs>,
}

impl Deployment {
    async fn in_state(status: &'static str) -> Self {
        Self::that_takes_answers(status, vec![]).await
    }

    /// Takes an answer with each of these statuses first, and with 200 then.
    async fn that_takes_answers(status: &'static str, statuses: Vec<StatusCode>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let answers = Arc::new(Mutex::new(Vec::new()));
        let (taken, statuses) = (Arc::clone(&answers), Arc::new(Mutex::new(statuses)));
        let take = move |headers: HeaderMap, body: String| {
            taken.lock().unwrap().push((serde_json::from_str(&body).unwrap(), headers));
            let mut statuses = statuses.lock().unwrap();
            let status = if statuses.is_empty() { StatusCode::OK } else { statuses.remove(0) };
            async move { status }
        };
        let describe = async move || description(status);
        let app = Router::new().route("/", post(describe)).route("/answer", put(take));
        tokio::spawn(async { axum::serve(listener, app).await });
        Self { address, answers, logs: Arc::new(Logs::listen()) }
    }

    /// Hands the recorded request, with these properties, to the function.
    async fn asks(&self, kind: &str, old: Option<&str>, new: &str) -> Result<(), String> {
        let mut event: Value =
            serde_json::from_str(include_str!("../events/check-settings.json")).unwrap();
        event["RequestType"] = kind.into();
        event["ResponseURL"] = format!("{}/answer?X-Amz-Signature=secret", self.address).into();
        event["ResourceProperties"]["Pools"] = new.into();
        match old {
            Some(old) => event["OldResourceProperties"]["Pools"] = old.into(),
            None => drop(event.as_object_mut().unwrap().remove("OldResourceProperties")),
        }
        if kind == "Create" {
            event.as_object_mut().unwrap().remove("PhysicalResourceId");
        }
        let request: Request = serde_json::from_value(event).unwrap();
        let http = aws_smithy_http_client::Builder::new().build_http();
        let config = wire::config(http, &self.address, Tries::Once);
        let cloudformation = aws_sdk_cloudformation::Client::new(&config);
        let function = CheckSettings::new(cloudformation, providers::client().unwrap());
        let done = function.handle(&request).await;
        done.map_err(|error| lambda_support::Chain(&error).to_string())
    }

    fn answer(&self) -> Value {
        self.answers.lock().unwrap().last().unwrap().0.clone()
    }

    /// `SUCCESS`, or the reason of a failure.
    async fn told(&self, kind: &str, old: Option<&str>, new: &str) -> String {
        self.asks(kind, old, new).await.unwrap();
        let answer = self.answer();
        match answer["Status"].as_str().unwrap() {
            "FAILED" => answer["Reason"].as_str().unwrap().to_owned(),
            other => other.to_owned(),
        }
    }
}

/// The answer of `DescribeStacks`.
fn description(status: &str) -> (StatusCode, String) {
    if status == "unknown" {
        return (StatusCode::FORBIDDEN, String::new());
    }
    let stack = format!(
        "<member><StackName>virtual-numbers</StackName><StackStatus>{status}</StackStatus>\
         <CreationTime>2026-11-23T08:00:00Z</CreationTime></member>"
    );
    let body = format!(
        "<DescribeStacksResponse xmlns=\"http://cloudformation.amazonaws.com/doc/2010-05-15/\">\
         <DescribeStacksResult><Stacks>{stack}</Stacks></DescribeStacksResult>\
         </DescribeStacksResponse>"
    );
    (StatusCode::OK, body)
}

#[tokio::test]
async fn a_deployment_with_usable_settings_goes_on() {
    let deployment = Deployment::in_state("CREATE_IN_PROGRESS").await;
    assert_eq!(deployment.told("Create", None, EIGHT).await, "SUCCESS");
    let answer = deployment.answer();
    assert_eq!(
        answer,
        json!({
            "Status": "SUCCESS",
            "Reason": "the settings can be used",
            "PhysicalResourceId": "settings",
            "StackId": "arn:aws:cloudformation:ap-southeast-3:123456789012:stack/virtual-numbers/6f3e2b70-c84a-11f0-9d0a-0a1b2c3d4e5f",
            "RequestId": "63e8ffa2-3059-4607-a450-119d473c73bc",
            "LogicalResourceId": "SettingsCheck",
        })
    );
    // The URL was signed without a content type.
    let headers = deployment.answers.lock().unwrap()[0].1.clone();
    assert_eq!(headers["content-type"], "");
    assert_eq!(deployment.told("Update", Some(EIGHT), SIXTEEN).await, "SUCCESS");
}

#[tokio::test]
async fn a_deployment_with_pools_that_can_not_be_used_fails_and_names_the_field() {
    let deployment = Deployment::in_state("UPDATE_IN_PROGRESS").await;
    let bad = r#"[{"id":"id-jkt","shards":0}]"#;
    let reason = "Pools[0].shards: must be 1 to 256";
    assert_eq!(deployment.told("Create", None, bad).await, reason);
    assert_eq!(deployment.told("Update", Some(EIGHT), bad).await, reason);
    let log = deployment.logs.text();
    assert!(log.contains(r#""message":"refused a setting","field":"Pools[0].shards""#), "{log}");
}

#[tokio::test]
async fn a_deployment_that_lowers_shards_fails() {
    let deployment = Deployment::in_state("UPDATE_IN_PROGRESS").await;
    assert_eq!(deployment.told("Update", Some(SIXTEEN), EIGHT).await, LOWERED);
}

#[tokio::test]
async fn a_deployment_that_is_rolled_back_may_lower_shards_to_what_they_were() {
    let deployment = Deployment::in_state("UPDATE_ROLLBACK_IN_PROGRESS").await;
    assert_eq!(deployment.told("Update", Some(SIXTEEN), EIGHT).await, "SUCCESS");
    let log = deployment.logs.text();
    assert!(log.contains("let settings through, since the deployment is rolled back"), "{log}");
}

#[tokio::test]
async fn shards_are_not_lowered_while_the_state_of_the_stack_is_unknown() {
    let deployment = Deployment::in_state("unknown").await;
    assert_eq!(deployment.told("Update", Some(SIXTEEN), EIGHT).await, LOWERED);
    let log = deployment.logs.text();
    assert!(log.contains("the state of the stack could not be read"), "{log}");
}

#[tokio::test]
async fn a_stack_can_always_be_deleted() {
    let deployment = Deployment::in_state("DELETE_IN_PROGRESS").await;
    assert_eq!(deployment.told("Delete", None, "no JSON").await, "SUCCESS");
    assert_eq!(deployment.answer()["PhysicalResourceId"], "settings");
}

#[tokio::test]
async fn an_answer_that_is_not_taken_is_sent_again() {
    let refused = vec![StatusCode::SERVICE_UNAVAILABLE; 2];
    let deployment = Deployment::that_takes_answers("CREATE_IN_PROGRESS", refused).await;
    assert_eq!(deployment.told("Create", None, EIGHT).await, "SUCCESS");
    assert_eq!(deployment.answers.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn an_answer_that_is_never_taken_fails_the_function_and_its_url_stays_secret() {
    let refused = vec![StatusCode::FORBIDDEN; 3];
    let deployment = Deployment::that_takes_answers("CREATE_IN_PROGRESS", refused).await;
    let error = deployment.asks("Create", None, EIGHT).await.unwrap_err();
    assert_eq!(error, "the answer was refused with status 403");
    assert!(!deployment.logs.text().contains("secret"), "{}", deployment.logs.text());
}
