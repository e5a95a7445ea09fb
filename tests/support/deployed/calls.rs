//! Calls, as a switch, Twilio and Exotel ask about them, and what the caller hears.

use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use super::surprise::json_of;
use super::{Result, Stack, Surprise, check};
use crate::events::{encoded, exotel_query, switch_body, twilio_form};
use crate::story::{EXOTEL_TOKEN, SWITCH_TOKEN, TWILIO_TOKEN};

/// Signs a form the way the provider does: with its own library.
const SIGN: &str = "
import sys
from twilio.request_validator import RequestValidator
token, url, *form = sys.argv[1:]
print(RequestValidator(token).compute_signature(url, dict(zip(form[::2], form[1::2]))))
";

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
        let body = switch_body(caller, called);
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
            return Err(Surprise::new(format!(
                "signer: {}",
                String::from_utf8_lossy(&done.stderr)
            )));
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
        let url = format!("{}/calls/exotel/{token}?{}", self.api_base, encoded(query));
        answer(self.http.get(url)).await
    }

    /// Has someone dial an Indian number of Exotel's, which writes numbers as they are
    /// dialled there.
    pub async fn exotel_call(&self, caller: &str, called: &str) -> Result<Heard> {
        let query = exotel_query("+91", caller, called);
        let query: Vec<(&str, &str)> =
            query.iter().map(|(name, it)| (*name, it.as_str())).collect();
        let answer = self.get_exotel(EXOTEL_TOKEN, &query).await?;
        check("status", &answer.status, &200)?;
        check("content type", &answer.content_type.as_str(), &"application/json")?;
        heard_in_json(&json_of(&answer.body)?)
    }
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
        _ => return Err(Surprise::new(format!("TwiML of no known form: {twiml}"))),
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
        _ => Err(Surprise::new(format!("an answer of no known form: {answer}"))),
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
