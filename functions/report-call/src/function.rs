//! The function: finds the order of a call that ended, and tells what became of it.

use std::error::Error;
use std::time::Duration;

use aws_sdk_sqs::Client;
use front_door::{Admitted, Event, FrontDoor, response};
use journal::Journal;
use lambda_http::aws_lambda_events::apigw::ApiGatewayV2httpResponse;
use lambda_http::http::StatusCode;
use lambda_support::{Chain, Clock, sqs};
use masking::{CallEnded, CallOutcome, Roles, Route, Timestamp};
use masking_store::Routes;
use providers::{ProviderSecret, Reply, Report, Reports, Request};
use serde_json::json;

use crate::Settings;

/// Reports calls that ended.
#[derive(Debug)]
pub struct ReportCall {
    routes: Routes,
    front_door: FrontDoor,
    sqs: Client,
    call_events_queue_url: String,
    clock: Clock,
    journal: Journal,
}

/// The log message of a report that is lost unless the provider sends it again. The
/// template's `ReportLostFilter` matches it.
const REPORT_LOST: &str = "a report of a call could not be passed on";

/// What became of a report: told, or of a call that no order has.
const UNKNOWN_CALL: &str = "unknown_call";

impl ReportCall {
    /// Makes the function from its settings, clients, clock and journal.
    pub fn new(
        settings: Settings,
        dynamodb: aws_sdk_dynamodb::Client,
        sqs: Client,
        secrets: aws_sdk_secretsmanager::Client,
        clock: Clock,
        journal: Journal,
    ) -> Self {
        Self {
            routes: Routes::new(dynamodb, settings.routes_table),
            front_door: FrontDoor::new(
                secrets,
                settings.service_secret,
                settings.provider_secret,
                settings.public_base_url,
                journal.clone(),
            ),
            sqs,
            call_events_queue_url: settings.call_events_queue_url,
            clock,
            journal,
        }
    }

    /// Handles an event of the HTTP API, given as the JSON that Lambda delivers.
    pub async fn handle(&self, event: &str) -> ApiGatewayV2httpResponse {
        response(self.reply(&Event::read(event)).await)
    }

    async fn reply(&self, event: &Event) -> Reply {
        let method = event.method();
        let found = method.and_then(|method| providers::reports(&method, event.path()));
        let Some(reports) = found else { return self.front_door.nowhere() };
        let read = |request: &Request<'_>, secret: &ProviderSecret| reports.admit(request, secret);
        let admitted = match self.front_door.admit(reports.route(), event, read).await {
            Ok(admitted) => admitted,
            Err(reply) => return reply,
        };
        match self.pass_on(reports, &admitted).await {
            Ok(()) => reports.thanks(),
            Err(error) => lost(&*error),
        }
    }

    /// Tells the order system, unless no order has the call.
    async fn pass_on(
        &self,
        reports: &dyn Reports,
        admitted: &Admitted<Report>,
    ) -> Result<(), Box<dyn Error>> {
        let unreadable = "the secrets could not be read";
        let report = admitted.said.as_ref().ok_or(unreadable)?;
        let caller_key = admitted.caller_key.as_ref().ok_or(unreadable)?;
        let route = match &report.parties {
            Ok((phone, number)) => self.routes.route(number, &caller_key.hash(phone)).await?,
            Err(_) => None,
        };
        let call_id = admitted.told(&report.call_id).ok_or(unreadable)?;

        let now = Timestamp::from_seconds(self.clock.unix_seconds());
        let ended = route.and_then(|route| ended(report, route, &call_id, now));
        let outcome = ended.as_ref().map_or(UNKNOWN_CALL, |ended| ended.outcome.as_str());
        let mut line = journal::Report::new(reports.route().as_str(), outcome);
        line.call_id = Some(call_id);
        if let Some(ended) = ended {
            let body = ended.to_json().to_string();
            sqs::send(&self.sqs, &self.call_events_queue_url, body).await?;
            line.order_id = Some(ended.order_id);
            line.talk_time = Some(Duration::from_secs(ended.talk_seconds));
        }
        self.journal.write(line);
        Ok(())
    }
}

/// What is told of a report, by the route that it is about. `None` if nobody was rung, or
/// if the route is another order's by now. A provider that was told the order with the call
/// proves it; for another, it is the order that the route belongs to until it may be
/// claimed again.
fn ended(report: &Report, route: Route, call_id: &str, now: Timestamp) -> Option<CallEnded> {
    let is_its_orders = match &report.order_id {
        Some(order_id) => *order_id == route.order_id,
        None => now < route.reusable_at,
    };
    if !is_its_orders {
        return None;
    }
    let outcome = report.outcome?;
    let Roles { caller, callee } = route.roles?;
    // The route of a phone that was rung leads back to the person who called.
    let (caller, callee) = if report.was_rung { (callee, caller) } else { (caller, callee) };
    Some(CallEnded {
        order_id: route.order_id,
        call_id: call_id.to_owned(),
        roles: Roles { caller, callee },
        outcome,
        // Providers count the ringing, too.
        talk_seconds: if outcome == CallOutcome::Completed { report.talk_seconds } else { 0 },
        at: now,
    })
}

/// The reply to a report that could not be passed on. A provider that repeats requests may
/// send it again.
fn lost(error: &dyn Error) -> Reply {
    tracing::error!(error = %Chain(error), "{REPORT_LOST}");
    let status = StatusCode::SERVICE_UNAVAILABLE;
    let body = json!({ "error": "try again" }).to_string();
    Reply { status, content_type: "application/json", body }
}

#[cfg(test)]
mod tests {
    use masking::Role;
    use providers::CallId;

    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    fn report(was_rung: bool, order_id: Option<&str>) -> Report {
        Report {
            parties: Ok(("+6281211112222".parse().unwrap(), "+622150001".parse().unwrap())),
            was_rung,
            order_id: order_id.map(str::to_owned),
            call_id: CallId::Plain("c".to_owned()),
            outcome: Some(CallOutcome::Busy),
            talk_seconds: 30,
        }
    }

    fn route(roles: Option<Roles>) -> Route {
        Route {
            connect_to: None,
            shown_number: "+622150002".parse().unwrap(),
            order_id: "o-1".to_owned(),
            roles,
            expires_at: at(100),
            reusable_at: at(200),
        }
    }

    #[test]
    fn the_roles_are_those_of_the_route_and_turned_round_if_the_phone_was_rung() {
        let role = |role| Role::parse(role).unwrap();
        let roles = Roles { caller: role("customer"), callee: role("agent") };
        let told = |was_rung| {
            let ended = ended(&report(was_rung, None), route(Some(roles.clone())), "c", at(150));
            let roles = ended.unwrap().roles;
            (roles.caller.as_str().to_owned(), roles.callee.as_str().to_owned())
        };
        assert_eq!(told(false), ("customer".to_owned(), "agent".to_owned()));
        assert_eq!(told(true), ("agent".to_owned(), "customer".to_owned()));
        assert_eq!(ended(&report(false, None), route(None), "c", at(150)), None);
    }

    #[test]
    fn only_a_completed_call_has_talk_time_and_one_that_rang_nobody_is_not_told() {
        let role = |role| Role::parse(role).unwrap();
        let roles = Some(Roles { caller: role("customer"), callee: role("agent") });
        let told = |outcome| {
            let report = Report { outcome, ..report(false, None) };
            ended(&report, route(roles.clone()), "c", at(150)).map(|it| it.talk_seconds)
        };
        assert_eq!(told(Some(CallOutcome::Completed)), Some(30));
        assert_eq!(told(Some(CallOutcome::NoAnswer)), Some(0));
        assert_eq!(told(None), None);
    }

    #[test]
    fn nothing_is_told_of_a_route_that_may_be_another_orders() {
        let role = |role| Role::parse(role).unwrap();
        let roles = Some(Roles { caller: role("customer"), callee: role("agent") });
        let is_told = |order_id, now| {
            ended(&report(false, order_id), route(roles.clone()), "c", at(now)).is_some()
        };
        assert!(is_told(Some("o-1"), 199));
        assert!(!is_told(Some("o-2"), 199));
        assert!(is_told(Some("o-1"), 200), "it proves the order");
        assert!(!is_told(None, 200));
    }
}
