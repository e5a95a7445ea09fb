//! What any switch may ask and is answered, in JSON.

use masking::{Answer, CallerId, Invalid, NotE164, Number, field};
use serde_json::{Value, json};

/// Who is calling, and which number was dialled.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) caller: CallerId,
    pub(crate) called: Number,
    pub(crate) call_id: Option<String>,
}

impl Question {
    /// Reads the body of a request. What is wrong is told by its field.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, Invalid> {
        let text = std::str::from_utf8(body).map_err(|_| Invalid::new("body", "must be UTF-8"))?;
        let fields = field::object(text, "body")?;
        let not_e164 = |name| move |error: NotE164| Invalid::new(name, error.to_string());
        let called = field::string(&fields, "called")?.parse().map_err(not_e164("called"))?;
        let caller =
            CallerId::parse(field::string(&fields, "caller")?).map_err(not_e164("caller"))?;
        let call_id = field::optional_string(&fields, "call_id")?;
        Ok(Self {
            caller,
            called,
            call_id: call_id.filter(|id| is_loggable(id)).map(str::to_owned),
        })
    }
}

/// The id goes to the log, where no phone may stand: an id that could be one, or
/// hold one, is left out.
fn is_loggable(call_id: &str) -> bool {
    let known =
        call_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:@".contains(&byte));
    let letters = call_id.bytes().filter(u8::is_ascii_alphabetic).count();
    known && call_id.len() <= 128 && 0 < letters && longest_run_of_digits(call_id) < 8
}

fn longest_run_of_digits(text: &str) -> usize {
    text.split(|c: char| !c.is_ascii_digit()).map(str::len).max().unwrap_or(0)
}

/// The answer as the contract words it.
pub(crate) fn answer(answer: &Answer) -> Value {
    match answer {
        Answer::Connect { connect_to, caller_id, order_id, expires_at } => json!({
            "decision": "connect",
            "connect_to": connect_to.reveal(),
            "caller_id": caller_id.as_str(),
            "order_id": order_id,
            "expires_at": expires_at.to_string(),
        }),
        Answer::Reject(reason) => json!({ "decision": "reject", "reason": reason.as_str() }),
    }
}
