//! Calls in the world of a test: what a switch, Twilio or Exotel asks, and is answered.

use serde_json::Value;

use super::World;
use crate::events;
use crate::functions::CALL_EVENTS;
use crate::story::{SWITCH_TOKEN, TWILIO_TOKEN};
use crate::twilio;

impl World {
    /// The phone that a call reaches by the answer to a switch, or the reason of a rejection.
    pub async fn decision(&self, caller: &str, called: &str) -> String {
        let (_, answer) = self.when_called(caller, called).await;
        let decision = answer["connect_to"].as_str().or(answer["reason"].as_str());
        decision.expect("a phone or a reason").to_owned()
    }

    /// Asks as an authorized switch does. Returns the status and the JSON.
    pub async fn when_called(&self, caller: &str, called: &str) -> (u16, Value) {
        let body = events::switch_body(caller, called);
        self.when_switch_asks(&body, &format!("Bearer {SWITCH_TOKEN}")).await
    }

    pub async fn when_switch_asks(&self, body: &str, authorization: &str) -> (u16, Value) {
        self.when_json_requested(&events::switch_call(authorization, body)).await
    }

    /// Asks as Twilio does, with the right signature. Returns the status and the TwiML.
    pub async fn when_twilio_calls(&self, form: &[(&str, &str)]) -> (u16, String) {
        let url = "https://calls.example.com/calls/twilio";
        let signature = twilio::signature(TWILIO_TOKEN, url, form);
        self.when_twilio_sends(form, &signature).await
    }

    pub async fn when_twilio_sends(&self, form: &[(&str, &str)], signature: &str) -> (u16, String) {
        self.when_requested(&events::twilio_call(form, signature)).await
    }

    /// Asks as Exotel does. Returns the status and the JSON.
    pub async fn when_exotel_calls(&self, token: &str, query: &[(&str, &str)]) -> (u16, Value) {
        self.when_json_requested(&events::exotel_call(token, query)).await
    }

    pub async fn when_requested(&self, event: &Value) -> (u16, String) {
        self.functions.call(event).await
    }

    /// Hands a report of a call that ended to report-call. Returns the status and the body.
    pub async fn when_reported(&self, event: &Value) -> (u16, String) {
        self.functions.report(&event.to_string()).await
    }

    /// Hands any text to report-call in place of an event.
    pub async fn when_anything_is_reported(&self, text: &str) -> (u16, String) {
        self.functions.report(text).await
    }

    /// The messages about calls that ended, since the last look.
    pub fn take_call_events(&self) -> Vec<Value> {
        self.cloud.queues.take_json(CALL_EVENTS)
    }

    /// Hands any text to resolve-call in place of an event.
    pub async fn when_anything_arrives(&self, text: &str) -> (u16, String) {
        self.functions.call_raw(text).await
    }

    async fn when_json_requested(&self, event: &Value) -> (u16, Value) {
        let (status, body) = self.when_requested(event).await;
        (status, serde_json::from_str(&body).expect("JSON"))
    }
}
