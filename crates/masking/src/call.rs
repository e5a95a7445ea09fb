//! A call: who dialled which number, and whom that reaches.

use crate::{NotE164, Number, Phone, Timestamp};

/// What a provider says about who is calling.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallingParty {
    /// The caller's phone.
    Shown(Phone),
    /// The caller withheld it: nothing, a word, or the digits that stand for a word.
    Withheld,
}

/// The words `anonymous`, `restricted`, `blocked`, `unknown`, `unavailable` and
/// `private` as keypad digits, which is how Twilio writes a caller who withheld
/// the number. Some look like real numbers of a country, so they are compared
/// before anything is parsed.
/// Source: support threads and public handlers; checked by the keypad's own arithmetic.
const WORDS_AS_DIGITS: [&str; 6] =
    ["+266696687", "+7378742833", "+2562533", "+8656696", "+86282452253", "+7748283"];

impl CallingParty {
    /// Reads the caller as the provider wrote it.
    pub fn parse(text: &str) -> Result<Self, NotE164> {
        let text = text.trim();
        let word = text.is_empty() || text.chars().any(char::is_alphabetic);
        if word || WORDS_AS_DIGITS.contains(&text) {
            return Ok(Self::Withheld);
        }
        text.parse().map(Self::Shown)
    }
}

/// "When this caller dials this number, connect to that phone and show that
/// number": a row of the routes table, without its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The phone to ring; gone from the row once the route has ended.
    pub connect_to: Option<Phone>,
    /// The number to show to whom is rung.
    pub shown_number: Number,
    /// The order that the route belongs to.
    pub order_id: String,
    /// From this moment on, the route connects nobody.
    pub expires_at: Timestamp,
    /// From this moment on, the route may be claimed by another order.
    pub reusable_at: Timestamp,
}

/// What to do with a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Ring that phone and show that number.
    Connect {
        /// The phone to ring.
        connect_to: Phone,
        /// The number to show.
        shown_number: Number,
        /// The order that connects the two.
        order_id: String,
        /// Until when it does.
        expires_at: Timestamp,
    },
    /// Connect nobody.
    Reject(Reason),
}

/// Why a call connects nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// There was a route, and it has ended.
    Ended,
    /// There is none; whether the number is ours is not told.
    NoRoute,
    /// The caller withheld the number, and so can't be recognised.
    CallerHidden,
    /// The tables could not be read in time.
    Unavailable,
}

impl Reason {
    /// The word for it in answers and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ended => "ended",
            Self::NoRoute => "no_route",
            Self::CallerHidden => "caller_hidden",
            Self::Unavailable => "unavailable",
        }
    }
}

/// Decides a call from the route's row. The row may outlive its times by days
/// (the table's own expiry lags), so that both are compared with now.
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
    fn a_withheld_caller_is_recognised_in_all_its_spellings() {
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
    fn the_digits_that_stand_for_words_are_what_a_keypad_makes_of_them() {
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
    fn a_route_connects_until_it_expires_and_says_ended_until_it_is_reusable() {
        let phone: Phone = "+6281211112222".parse().unwrap();
        let at = Timestamp::from_seconds;
        let route = |connect_to| {
            Some(Route {
                connect_to,
                shown_number: "+622150001".parse().unwrap(),
                order_id: "o-1".to_owned(),
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
