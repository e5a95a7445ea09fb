//! Decides a call: which phone to ring, and which number to show, when a caller dials a
//! number.

use crate::{NotE164, Number, Phone, Role, Timestamp};

/// The calling party as a provider reports it: a real phone, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallingParty {
    /// The provider reports the caller's real phone.
    Shown(Phone),
    /// The caller withheld the phone. The provider then reports an empty text, a word such
    /// as `anonymous`, or the digits of such a word.
    Withheld,
}

/// The words `anonymous`, `restricted`, `blocked`, `unknown`, `unavailable` and
/// `private` as keypad digits. Twilio reports them for a caller who withheld the phone.
/// Some look like real numbers of a country, so [`CallingParty::parse`] compares them
/// before it parses a phone.
/// Source: support threads and public handlers. A test below derives them from the keypad.
const WORDS_AS_DIGITS: [&str; 6] =
    ["+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253", "+7748283"];

impl CallingParty {
    /// Parses the calling party as the provider writes it.
    ///
    /// # Errors
    ///
    /// The text is neither a phone in E.164 form nor a mark of a withheld one.
    pub fn parse(text: &str) -> Result<Self, NotE164> {
        let text = text.trim();
        let word = text.is_empty() || text.chars().any(char::is_alphabetic);
        if word || WORDS_AS_DIGITS.contains(&text) {
            return Ok(Self::Withheld);
        }
        text.parse().map(Self::Shown)
    }
}

/// A row of the routes table, without its key: "when this caller dials this number, ring
/// that phone and show that number". The key is the number and the caller's hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The phone to ring. The row loses it when the route ends.
    pub connect_to: Option<Phone>,
    /// The number that the person who is rung sees.
    pub shown_number: Number,
    /// The order that the route belongs to.
    pub order_id: String,
    /// Who calls whom. None in a row of a version that did not store it.
    pub roles: Option<Roles>,
    /// From this moment on, the route connects nobody.
    pub expires_at: Timestamp,
    /// From this moment on, another order may claim the route.
    pub reusable_at: Timestamp,
}

/// The two people of a route, by their roles on the order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Roles {
    /// The role of the person who calls.
    pub caller: Role,
    /// The role of the person who is rung.
    pub callee: Role,
}

/// The answer to a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Connect the call.
    Connect {
        /// The phone to ring.
        connect_to: Phone,
        /// The number that the person who is rung sees.
        shown_number: Number,
        /// The order that the route belongs to.
        order_id: String,
        /// From this moment on, the route connects nobody.
        expires_at: Timestamp,
    },
    /// Connect nobody.
    Reject(Reason),
}

/// Why a call connects nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The route has ended, and no other order may claim it yet.
    Ended,
    /// No route exists for this caller and number. A number that is in no pool gets the
    /// same answer.
    NoRoute,
    /// The caller withheld the phone, and so cannot be recognised.
    CallerHidden,
    /// The tables could not be read in time.
    Unavailable,
}

impl Reason {
    /// Returns the word for the reason in answers and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::NoRoute => "no_route",
            Self::CallerHidden => "caller_hidden",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Decides a call from the route's row. DynamoDB deletes an expired row days late, so the
/// answer compares both of the row's times with now.
pub fn answer(route: Option<Route>, now: Timestamp) -> Answer {
    let Some(route) = route else { return Answer::Reject(Reason::NoRoute) };
    match route.connect_to {
        Some(connect_to) if now < route.expires_at => Answer::Connect {
            connect_to,
            shown_number: route.shown_number,
            order_id: route.order_id,
            expires_at: route.expires_at,
        },
        _ if now < route.reusable_at => Answer::Reject(Reason::Ended),
        _ => Answer::Reject(Reason::NoRoute),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_a_withheld_phone_is_recognised() {
        for text in
            ["", "  ", "anonymous", "ANONYMOUS", "Private", "unknown", "sip:a@b", "client:x"]
                .into_iter()
                .chain(WORDS_AS_DIGITS)
        {
            assert_eq!(CallingParty::parse(text), Ok(CallingParty::Withheld), "{text}");
        }
        let phone: Phone = "+6281211112222".parse().unwrap();
        assert_eq!(CallingParty::parse("+6281211112222"), Ok(CallingParty::Shown(phone)));
        for text in ["12345678", "+1234567", "+"] {
            assert_eq!(CallingParty::parse(text), Err(NotE164), "{text}");
        }
    }

    #[test]
    fn the_digits_of_withheld_phones_are_words_on_a_keypad() {
        let keys = ["abc", "def", "ghi", "jkl", "mno", "pqrs", "tuv", "wxyz"];
        let words = ["anonymous", "restricted", "blocked", "unknown", "unavailable", "private"];
        for (word, digits) in words.iter().zip(WORDS_AS_DIGITS) {
            let keyed: String = word
                .chars()
                .map(|c| (keys.iter().position(|key| key.contains(c)).unwrap() + 2).to_string())
                .collect();
            assert_eq!(format!("+{keyed}"), digits);
        }
    }

    #[test]
    fn a_route_connects_until_it_expires_and_is_called_ended_until_it_is_reusable() {
        let phone: Phone = "+6281211112222".parse().unwrap();
        let at = Timestamp::from_seconds;
        let route = |connect_to| {
            Some(Route {
                connect_to,
                shown_number: "+622150001".parse().unwrap(),
                order_id: "o-1".to_owned(),
                roles: None,
                expires_at: at(100),
                reusable_at: at(200),
            })
        };
        let reason = |route, now| match answer(route, at(now)) {
            Answer::Connect { .. } => "connect",
            Answer::Reject(reason) => reason.as_str(),
        };
        for (now, expected) in
            [(99, "connect"), (100, "ended"), (199, "ended"), (200, "no_route"), (900, "no_route")]
        {
            assert_eq!(reason(route(Some(phone.clone())), now), expected, "at {now}");
        }
        assert_eq!(reason(route(None), 99), "ended", "a stripped route connects nobody");
        assert_eq!(reason(None, 0), "no_route");
    }
}
