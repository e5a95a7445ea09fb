//! What alarms listen to: each log line that a metric filter counts is written by the real
//! handlers here, and each metric of AWS is one that AWS documents.

use std::collections::BTreeSet;

use serde_json::json;
use support::World;
use support::alarms::{Metric, access_log, alarms, filters, resources, text};
use support::events::{records, switch_report};
use support::functions::RENTAL_SECRET;
use support::provider::{Call, FakeProvider, Fault};
use support::world::{FIRST, SWITCH_TOKEN, assigned};

use crate::people::{AGENT, CUSTOMER, PAIR};

/// How many lines of a log the filter of this name counts.
#[track_caller]
fn counted(filter: &str, log: &str) -> usize {
    let filters = filters();
    let filter = filters.iter().find(|it| it.name == filter);
    filter.unwrap_or_else(|| unreachable!("the template has no such filter")).count(log)
}

/// A world whose pool `us` is rented, up to five numbers, which the provider has for sale.
async fn world_that_rents() -> (World, FakeProvider) {
    let pools = json!([{
        "id": "us", "provider": "twilio", "country": "US", "min_free": 2, "target_free": 5,
        "max_numbers": 8, "shards": 1,
    }]);
    let world = World::with_pools(&pools);
    let provider = FakeProvider::start().await;
    world.given_rental_secret(&json!({"twilio": provider.twilio_part()}));
    let numbers: Vec<String> = (0..9).map(|n| format!("+141555501{n:02}")).collect();
    provider.given_available(&numbers.iter().map(String::as_str).collect::<Vec<_>>());
    (world, provider)
}

async fn check(world: &World, pool: &str) {
    world.when_pool_told(&json!({"type": "pool.check", "pool": pool})).await;
}

// ---------------------------------------------------------------- Calls

#[tokio::test]
async fn a_call_that_can_not_be_resolved_is_counted() {
    let world = World::without_tables();
    world.when_called(CUSTOMER, "+622150001").await;
    assert_eq!(counted("CallUnresolvedFilter", &world.log()), 1);
    let world = World::new();
    world.when_called(CUSTOMER, "+622150001").await;
    assert_eq!(counted("CallUnresolvedFilter", &world.log()), 0);
}

#[tokio::test]
async fn a_request_that_is_refused_is_counted() {
    let world = World::new();
    world.when_called(CUSTOMER, "+622150001").await;
    assert_eq!(counted("RequestRefusedFilter", &world.log()), 0);
    let body = json!({"caller": CUSTOMER, "called": "+622150001"}).to_string();
    world.when_switch_asks(&body, "Bearer another-token-of-sixteen").await;
    assert_eq!(counted("RequestRefusedFilter", &world.log()), 1, "{}", world.log());
}

#[tokio::test]
async fn a_report_that_is_refused_or_lost_is_counted() {
    let world = World::without_tables();
    let body = json!({
        "caller": CUSTOMER, "called": "+622150001", "call_id": "c", "outcome": "busy",
        "talk_seconds": 0,
    });
    world.when_reported(&switch_report("Bearer another-token-of-sixteen", &body.to_string())).await;
    let log = world.log();
    assert_eq!(counted("ReportRefusedFilter", &log), 1, "{log}");
    assert_eq!(counted("ReportLostFilter", &log), 0, "{log}");
    let authorization = format!("Bearer {SWITCH_TOKEN}");
    world.when_reported(&switch_report(&authorization, &body.to_string())).await;
    assert_eq!(counted("ReportLostFilter", &world.log()), 1);

    let world = World::new();
    world.given_provider_secret(None);
    world.when_reported(&switch_report(&authorization, &body.to_string())).await;
    assert!(0 < counted("ReportSecretFilter", &world.log()));
}

#[test]
fn a_call_that_the_api_turned_away_is_counted() {
    let line = |status| access_log().replace("$context.status", status);
    assert_eq!(counted("CallThrottledFilter", &line("429")), 1);
    assert_eq!(counted("CallThrottledFilter", &line("200")), 0);
}

// ---------------------------------------------------------------- Order events, pool messages

#[tokio::test]
async fn a_message_that_is_refused_is_counted() {
    let bad = ["no JSON".to_owned()];
    let world = World::new();
    world.when_assign_receives(&bad, FIRST).await;
    assert_eq!(counted("AssignRefusedFilter", &world.log()), 1);
    let world = World::new();
    world.when_release_receives(&bad, FIRST).await;
    assert_eq!(counted("ReleaseRefusedFilter", &world.log()), 1);
    let world = World::new();
    world.when_refill_receives(&bad[0]).await;
    assert_eq!(counted("RefillRefusedFilter", &world.log()), 1);
}

#[tokio::test]
async fn a_record_that_is_refused_is_counted() {
    let world = World::new();
    world.when_topic_has(&records([None])).await.unwrap();
    assert_eq!(counted("ForwardRefusedFilter", &world.log()), 1);
}

// ---------------------------------------------------------------- Pools

#[tokio::test]
async fn an_order_that_finds_its_pool_dry_is_counted() {
    let world = World::new();
    world.when_told(&assigned("o-1", 1, &PAIR)).await;
    assert_eq!(counted("PoolDryFilter", &world.log()), 1);
}

#[tokio::test]
async fn a_pool_below_min_free_is_counted_at_each_check() {
    let world = World::with_pools(&json!([{"id": "id-jkt", "min_free": 3, "shards": 1}]));
    world.given_numbers("id-jkt", 0..2).await;
    check(&world, "id-jkt").await;
    assert_eq!(counted("PoolBelowMinFreeFilter", &world.log()), 1, "{}", world.log());
    world.given_numbers("id-jkt", 2..3).await;
    check(&world, "id-jkt").await;
    assert_eq!(counted("PoolBelowMinFreeFilter", &world.log()), 1, "{}", world.log());
}

#[tokio::test]
async fn a_check_that_stopped_is_counted() {
    let (world, provider) = world_that_rents().await;
    provider.fail_next(Call::List, Fault::Status(403, 20003));
    check(&world, "us").await;
    assert_eq!(counted("CheckStoppedFilter", &world.log()), 1, "{}", world.log());
    check(&world, "us").await;
    assert_eq!(counted("CheckStoppedFilter", &world.log()), 1, "{}", world.log());
}

#[tokio::test]
async fn a_number_that_the_account_lacks_is_counted() {
    let (world, provider) = world_that_rents().await;
    check(&world, "us").await;
    // Whatever is young is not withdrawn.
    world.seconds_pass(7200);
    provider.stock().owned.remove(0);
    check(&world, "us").await;
    assert_eq!(counted("NumbersWithdrawnFilter", &world.log()), 1, "{}", world.log());
}

// ---------------------------------------------------------------- Secrets

#[tokio::test]
async fn a_secret_that_can_not_be_read_is_counted() {
    let world = World::new();
    world.given_provider_secret(None);
    world.when_called(CUSTOMER, "+622150001").await;
    assert!(0 < counted("ResolveSecretFilter", &world.log()));

    let world = World::new();
    world.given_service_secret(None);
    world.when_told(&assigned("o-1", 1, &[("customer", CUSTOMER), ("agent", AGENT)])).await;
    assert!(0 < counted("AssignSecretFilter", &world.log()));

    let (world, _) = world_that_rents().await;
    world.cloud.secrets.given(RENTAL_SECRET, None);
    check(&world, "us").await;
    assert!(0 < counted("RefillSecretFilter", &world.log()));
}

// ---------------------------------------------------------------- All of them

#[test]
fn each_filter_is_driven_by_a_test_of_this_file() {
    let tests = include_str!("alarms.rs");
    for filter in filters() {
        let name = &filter.name;
        assert!(tests.contains(&format!("counted(\"{name}\"")), "no test makes {name} count");
    }
}

#[test]
fn each_metric_of_a_filter_has_an_alarm_and_each_alarm_a_metric() {
    let of_filters: BTreeSet<String> = filters().into_iter().map(|it| it.metric).collect();
    let own = |metric: &Metric| metric.namespace == "AWS::StackName";
    let of_alarms: BTreeSet<String> = alarms()
        .into_iter()
        .map(|alarm| alarm.metric)
        .filter(own)
        .map(|metric| metric.name)
        .collect();
    assert_eq!(of_filters, of_alarms);
}

/// The metrics of AWS that alarms use, with their dimensions.
/// Sources: <https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html>,
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-available-cloudwatch-metrics.html>,
/// <https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html>.
const DOCUMENTED: [(&str, &str, &str); 6] = [
    ("AWS/Lambda", "Errors", "FunctionName"),
    ("AWS/Lambda", "Throttles", "FunctionName"),
    ("AWS/Lambda", "OffsetLag", "FunctionName"),
    ("AWS/SQS", "ApproximateAgeOfOldestMessage", "QueueName"),
    ("AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName"),
    ("AWS/ApiGateway", "5xx", "ApiId"),
];

#[test]
fn each_metric_of_aws_is_documented_with_its_dimension() {
    let all = alarms().into_iter().map(|alarm| alarm.metric);
    for metric in all.filter(|metric| metric.namespace.starts_with("AWS/")) {
        let [(dimension, value)] = &metric.dimensions[..] else {
            unreachable!("one dimension: {metric:?}");
        };
        let known = (metric.namespace.as_str(), metric.name.as_str(), dimension.as_str());
        assert!(DOCUMENTED.contains(&known), "{metric:?}");
        // A queue is known by its name, and `!Ref` of a queue is its URL.
        assert_eq!(dimension == "QueueName", value.ends_with(".QueueName"), "{metric:?}");
    }
}

/// Whether an alarm looks at this metric of this resource.
fn watched(name: &str, resource: &str) -> bool {
    let of = |value: &str| value == resource || value == format!("{resource}.QueueName");
    let is = |metric: &Metric| {
        metric.name == name && metric.dimensions.iter().any(|(_, value)| of(value))
    };
    alarms().iter().any(|alarm| is(&alarm.metric))
}

#[test]
fn each_function_is_watched_for_errors_and_throttles() {
    for (function, _) in resources("AWS::Serverless::Function") {
        // The deployment that runs it fails with it.
        if function != "CheckSettings" {
            assert!(watched("Errors", function), "{function}");
            assert!(watched("Throttles", function), "{function}");
        }
    }
}

#[test]
fn each_queue_of_a_function_is_watched_for_the_age_of_its_messages() {
    let mut queues = 0;
    for (_, function) in resources("AWS::Serverless::Function") {
        let events = function["Properties"]["Events"].as_hash();
        for event in events.into_iter().flat_map(|it| it.values()) {
            let queue = text(&event["Properties"]["Queue"]);
            let queue = queue.trim_end_matches(".Arn");
            assert!(watched("ApproximateAgeOfOldestMessage", queue), "{queue}");
            queues += 1;
        }
    }
    assert!(2 < queues);
}

#[test]
fn each_dead_letter_queue_is_watched() {
    let mut queues = 0;
    for (_, queue) in resources("AWS::SQS::Queue") {
        if let Some(target) = queue["Properties"]["RedrivePolicy"]["deadLetterTargetArn"].as_str() {
            let target = target.trim_end_matches(".Arn");
            assert!(watched("ApproximateNumberOfMessagesVisible", target), "{target}");
            queues += 1;
        }
    }
    assert!(2 < queues);
}

#[test]
fn each_function_that_reads_secrets_or_refuses_messages_is_listened_to() {
    let has = |metric: &str, log_group: &str| {
        filters().iter().any(|it| it.metric == metric && it.log_group == log_group)
    };
    for (name, function) in resources("AWS::Serverless::Function") {
        let log_group = text(&function["Properties"]["LoggingConfig"]["LogGroup"]);
        let variables = function["Properties"]["Environment"]["Variables"].as_hash();
        for variable in variables.into_iter().flat_map(|it| it.keys()).filter_map(|it| it.as_str())
        {
            if variable.ends_with("_SECRET_ARN") {
                assert!(has("SecretUnreadable", &log_group), "{name} reads a secret");
            }
            if variable == "DEAD_LETTER_QUEUE_URL" {
                assert!(has("MessageRefused", &log_group), "{name} refuses messages");
            }
        }
    }
}
