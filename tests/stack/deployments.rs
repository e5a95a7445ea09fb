//! Deployments that must fail: what they say, and what goes on after them.

use std::time::Duration;

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::{Capability, Parameter};
use lambda_support::{AwsError, aws};
use serde_json::{Value, json};
use support::deployed::{PATIENCE, Result, Surprise, check, eventually};
use support::story::assigned;

use crate::Scene;

/// The name that `infra/local` gives the stack.
const STACK: &str = "local";

pub(crate) async fn settings_that_can_not_be_used_fail_the_deployment(
    scene: &'static Scene,
) -> Result {
    let config = aws::config(Duration::from_secs(10), Duration::from_secs(30)).await;
    let cloudformation = Client::new(&config);
    let before = pools(&cloudformation).await?;
    let mut lowered: Value = serde_json::from_str(&before).unwrap_or_default();
    let number = lowered.as_array().map_or(0, Vec::len) - 1;
    let shards = lowered[number]["shards"].as_u64().unwrap_or_default();
    lowered[number]["shards"] = json!(shards + 1);
    deploy(&cloudformation, &lowered.to_string()).await?;
    check("raised", &status(&cloudformation).await?.as_str(), &"UPDATE_COMPLETE")?;

    for (pools, reason) in [
        (
            before.as_str(),
            format!(
                "Pools[{number}].shards: must not be lowered from {} to {shards}: numbers would \
                 not be found",
                shards + 1
            ),
        ),
        ("[]", "Pools: must hold at least one pool".to_owned()),
    ] {
        deploy(&cloudformation, pools).await?;
        let status = status(&cloudformation).await?;
        check(&reason, &status.as_str(), &"UPDATE_ROLLBACK_COMPLETE")?;
        check("the reason", &last_reason(&cloudformation).await?, &reason)?;
    }

    // The stack goes on with what it had.
    check("Pools", &self::pools(&cloudformation).await?, &lowered.to_string())?;
    let stack = &scene.stack;
    let (customer, agent) = (stack.phone(), stack.phone());
    let people = [("customer", customer.as_str()), ("agent", agent.as_str())];
    stack.tell(&assigned("after-failures", 1, &people)).await?;
    stack.announced("after-failures", "assigned", 1).await?;
    Ok(())
}

/// Deploys other pools, and waits for the end.
async fn deploy(cloudformation: &Client, pools: &str) -> Result {
    let others = parameters(cloudformation).await?.into_iter().filter_map(|it| it.parameter_key);
    let others = others
        .filter(|key| key != "Pools")
        .map(|key| Parameter::builder().parameter_key(key).use_previous_value(true).build());
    let pools = Parameter::builder().parameter_key("Pools").parameter_value(pools).build();
    let update = cloudformation.update_stack().stack_name(STACK).use_previous_template(true);
    let update = update
        .capabilities(Capability::CapabilityIam)
        .capabilities(Capability::CapabilityAutoExpand)
        .set_parameters(Some(others.chain([pools]).collect()));
    update.send().await.map_err(AwsError::of("UpdateStack")).map_err(|it| surprise(&it))?;
    eventually("the end of a deployment", PATIENCE, async || {
        let under_way = status(cloudformation).await?.ends_with("IN_PROGRESS");
        check("under way", &under_way, &false)
    })
    .await
}

async fn pools(cloudformation: &Client) -> Result<String> {
    let parameters = parameters(cloudformation).await?;
    let pools = parameters.into_iter().find(|it| it.parameter_key() == Some("Pools"));
    pools.and_then(|it| it.parameter_value).ok_or_else(|| Surprise::new("no parameter Pools"))
}

async fn parameters(cloudformation: &Client) -> Result<Vec<Parameter>> {
    let answer = cloudformation.describe_stacks().stack_name(STACK).send().await;
    let answer = answer.map_err(AwsError::of("DescribeStacks")).map_err(|it| surprise(&it))?;
    Ok(answer.stacks().first().map(|stack| stack.parameters().to_vec()).unwrap_or_default())
}

async fn status(cloudformation: &Client) -> Result<String> {
    let answer = cloudformation.describe_stacks().stack_name(STACK).send().await;
    let answer = answer.map_err(AwsError::of("DescribeStacks")).map_err(|it| surprise(&it))?;
    let status = answer.stacks().first().and_then(|stack| stack.stack_status());
    Ok(status.map(|it| it.as_str().to_owned()).unwrap_or_default())
}

/// Why the check of the settings failed last. The newest event is the first.
async fn last_reason(cloudformation: &Client) -> Result<String> {
    let answer = cloudformation.describe_stack_events().stack_name(STACK).send().await;
    let answer = answer.map_err(AwsError::of("DescribeStackEvents")).map_err(|it| surprise(&it))?;
    let failed = answer.stack_events().iter().find(|event| {
        event.logical_resource_id() == Some("SettingsCheck")
            && event.resource_status().is_some_and(|it| it.as_str() == "UPDATE_FAILED")
    });
    let reason = failed.and_then(|event| event.resource_status_reason());
    Ok(reason.unwrap_or_default().to_owned())
}

fn surprise(error: &AwsError) -> Surprise {
    Surprise::new(error.to_string())
}
