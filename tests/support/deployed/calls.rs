//! Calls on the three routes, and what the caller hears.

use serde_json::Value;

use super::mailbox::Message;
use super::surprise::json_of;
use super::{Result, Stack, Surprise, check};
use crate::events::{encoded, exotel_query, switch_body, twilio_form};
use crate::story::{EXOTEL_TOKEN, SWITCH_TOKEN, TWILIO_TOKEN};

/// Signs a form with Twilio's own library.
const SIGN: &str = "
import sys
from twilio.request_validator import RequestValidator
token, url, *form = sys.argv[1:]
print(RequestValidator(token).compute_signature(url, dict(zip(form[::2], form[1::2]))))
";

/// The answer to an HTTP request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub content_type: String,
    pub body: String,
}

/// The result of a call at a telephone provider.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallResult {
    /// It rings this phone, which shows that number.
    Rings { phone: String, shown: String },
    /// It rings nobody, and says this to the caller.
    Sentence(String),
    /// It rings nobody. What it says is set up at the provider.
    Nobody,
}

impl Stack {
    /// Sends a body as a switch does, with or without `Authorization`.
    pub async fn ask(&self, authorization: Option<&str>, body: &str) -> Result<Answer> {
        let mut request = self.http.post(format!("{}/calls/resolve", self.api_base));
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        let request = request.header("content-type", "application/json");
        answer(request.body(body.to_owned())).await
    }

    /// Asks as an authorized switch does. Returns the status and the JSON.
    pub async fn resolve(&self, caller: &str, called: &str) -> Result<(u16, Value)> {
        let body = switch_body(caller, called);
        let answer = self.ask(Some(&format!("Bearer {SWITCH_TOKEN}")), &body).await?;
        check("content type", &answer.content_type.as_str(), &"application/json")?;
        Ok((answer.status, json_of(&answer.body)?))
    }

    /// Signs a form for the stack's own address.
    pub async fn sign(&self, auth_token: &str, form: &[(&str, &str)]) -> Result<String> {
        self.sign_for("/calls/twilio", auth_token, form).await
    }

    /// Signs a form for this path of the stack's own address.
    async fn sign_for(
        &self,
        path: &str,
        auth_token: &str,
        form: &[(&str, &str)],
    ) -> Result<String> {
        let url = format!("https://{}{path}", self.api_domain);
        let form = form.iter().flat_map(|(name, value)| [*name, *value]);
        let arguments: Vec<&str> = [auth_token, &url].into_iter().chain(form).collect();
        Ok(self.python(SIGN, &arguments).await?.trim().to_owned())
    }

    /// Posts a form as Twilio does, with or without a signature.
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

    /// Asks as Twilio does when `caller` dials `called`.
    pub async fn twilio_call(&self, caller: &str, called: &str) -> Result<CallResult> {
        let form = twilio_form(caller, called);
        let signature = self.sign(TWILIO_TOKEN, &form).await?;
        let answer = self.post_twilio(&form, Some(&signature)).await?;
        check("status", &answer.status, &200)?;
        check("content type", &answer.content_type.as_str(), &"text/xml; charset=utf-8")?;
        twilio_result(&answer.body, &self.api_domain)
    }

    /// Reports as a switch does that a call ended.
    pub async fn switch_reports(&self, authorization: &str, body: &Value) -> Result<Answer> {
        let request = self.http.post(format!("{}/calls/resolve/ended", self.api_base));
        answer(request.header("authorization", authorization).body(body.to_string())).await
    }

    /// Reports as Twilio does that the leg of an order's call ended, signed with this token.
    pub async fn twilio_reports(
        &self,
        auth_token: &str,
        order: &str,
        form: &[(&str, &str)],
    ) -> Result<Answer> {
        let path = format!("/calls/twilio/ended?order={order}");
        let signature = self.sign_for(&path, auth_token, form).await?;
        let request = self.http.post(format!("{}{path}", self.api_base));
        answer(request.header("X-Twilio-Signature", signature).form(form)).await
    }

    /// Reports as Exotel does that a call ended.
    pub async fn exotel_reports(&self, token: &str, query: &[(&str, &str)]) -> Result<Answer> {
        let url = format!("{}/calls/exotel/{token}/ended?{}", self.api_base, encoded(query));
        answer(self.http.get(url)).await
    }

    /// Waits until the order system was told of a call of an order.
    pub async fn told_of_call(&self, call_id: &str) -> Result<Value> {
        let wanted = |message: &Message| {
            let told: Value = serde_json::from_str(&message.body).ok()?;
            (told["call_id"] == call_id).then_some(told)
        };
        let what = format!("what became of {call_id}");
        self.call_events.wait_for(&what, &format!("\"{call_id}\""), wanted).await
    }

    /// All that was told of calls so far.
    pub fn call_events(&self) -> Vec<String> {
        self.call_events.messages.borrow().iter().map(|it| it.body.clone()).collect()
    }

    pub async fn get_exotel(&self, token: &str, query: &[(&str, &str)]) -> Result<Answer> {
        let url = format!("{}/calls/exotel/{token}?{}", self.api_base, encoded(query));
        answer(self.http.get(url)).await
    }

    /// Asks as Exotel does, in India's national form, when `caller` dials `called`.
    pub async fn exotel_call(&self, caller: &str, called: &str) -> Result<CallResult> {
        let query = exotel_query("+91", caller, called);
        let query: Vec<(&str, &str)> =
            query.iter().map(|(name, it)| (*name, it.as_str())).collect();
        let answer = self.get_exotel(EXOTEL_TOKEN, &query).await?;
        check("status", &answer.status, &200)?;
        check("content type", &answer.content_type.as_str(), &"application/json")?;
        exotel_result(&json_of(&answer.body)?)
    }
}

/// Reads TwiML. Every byte must be as expected.
fn twilio_result(twiml: &str, domain: &str) -> Result<CallResult> {
    let between = |start: &str, end: &str| {
        let (_, rest) = twiml.split_once(start)?;
        Some(rest.split_once(end)?.0.to_owned())
    };
    let connects = between("callerId=\"", "\"").zip(between("\"completed\">", "</Number>"));
    let (heard, verbs) = match (connects, between("<Say>", "</Say>")) {
        (Some((shown, phone)), None) => {
            let dial = format!(
                "<Dial callerId=\"{shown}\" timeout=\"20\" timeLimit=\"3600\" answerOnBridge=\"true\">"
            );
            let order = between("/calls/twilio/ended?order=", "\"").unwrap_or_default();
            let number = format!(
                "<Number statusCallback=\"https://{domain}/calls/twilio/ended?order={order}\" \
                 statusCallbackMethod=\"POST\" statusCallbackEvent=\"completed\">"
            );
            let verbs = format!("{dial}{number}{phone}</Number></Dial>");
            (CallResult::Rings { phone, shown }, verbs)
        }
        (None, Some(words)) => {
            let verbs = format!("<Say>{words}</Say><Hangup/>");
            (CallResult::Sentence(words), verbs)
        }
        _ => return Err(Surprise::new(format!("TwiML of no known form: {twiml}"))),
    };
    let whole = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>{verbs}</Response>");
    check("TwiML", &twiml, &whole.as_str())?;
    Ok(heard)
}

fn exotel_result(answer: &Value) -> Result<CallResult> {
    let shown = answer["outgoing_phone_number"].as_str().map(str::to_owned);
    match (answer["destination"]["numbers"].as_array().map(Vec::as_slice), shown) {
        (Some([]), None) => Ok(CallResult::Nobody),
        (Some([Value::String(phone)]), Some(shown)) => {
            Ok(CallResult::Rings { phone: phone.clone(), shown })
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
