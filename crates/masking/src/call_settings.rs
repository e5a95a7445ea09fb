//! How calls are connected, and what a caller hears who is not: the stack's parameters
//! `RingSeconds`, `MaxCallSeconds` and `Sentences`.

use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::field::{self, Invalid};

/// How long a phone may ring. Longer, and a voicemail answers with a name or a number; much
/// shorter, and nobody gets to the phone.
const RING_SECONDS: RangeInclusive<u64> = 5..=60;
/// How long a call may last: at least long enough to find each other, and four hours at
/// most, which is where TwiML ends calls by itself.
const MAX_CALL_SECONDS: RangeInclusive<u64> = 60..=14_400;
/// The most characters of a sentence and of an address. Both sentences have to fit into a
/// function's 4 KB of environment, and a caller hangs up on longer ones.
const LONGEST_TEXT: usize = 300;
/// The most characters of a language or a voice.
const LONGEST_NAME: usize = 64;

/// The parameters of the stack for calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSettings {
    /// How long a phone rings, in seconds.
    pub ring_seconds: u64,
    /// How long a call may last, in seconds.
    pub max_call_seconds: u64,
    /// What a caller hears who is not connected, where this service speaks.
    pub sentences: Sentences,
}

/// What a caller hears who is not connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sentences {
    /// For a caller who reaches nobody on this number. Does not say why.
    pub not_connected: Sentence,
    /// For a caller whose call could not be decided.
    pub try_again: Sentence,
}

/// One thing that a caller hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sentence {
    /// A text that is read out.
    Say {
        /// The text; it has no control characters.
        text: String,
        /// Its language, such as `id-ID`. The provider's default if there is none.
        language: Option<String>,
        /// The provider's name of the voice. The provider's default if there is none.
        voice: Option<String>,
    },
    /// A recording at an `https` address.
    Play(String),
}

impl Default for CallSettings {
    fn default() -> Self {
        Self { ring_seconds: 20, max_call_seconds: 3600, sentences: Sentences::default() }
    }
}

impl Default for Sentences {
    fn default() -> Self {
        let english =
            |text: &str| Sentence::Say { text: text.to_owned(), language: None, voice: None };
        Self {
            not_connected: english("This number can not be reached from your phone."),
            try_again: english(
                "Your call can not be connected at the moment. Please try again in a minute.",
            ),
        }
    }
}

impl CallSettings {
    /// Parses the three parameters. One that is missing or empty has its default.
    ///
    /// # Errors
    ///
    /// A parameter can't be used. The error names its field, such as
    /// `Sentences.not_connected.language`.
    pub fn parse(
        ring_seconds: Option<&str>,
        max_call_seconds: Option<&str>,
        sentences: Option<&str>,
    ) -> Result<Self, Invalid> {
        let default = Self::default();
        let amount = |name, text: Option<&str>, range: &RangeInclusive<u64>, default| {
            let Some(text) = filled(text) else { return Ok(default) };
            let reason = || format!("must be a whole number, {} to {}", range.start(), range.end());
            let amount = text.parse().ok().filter(|amount| range.contains(amount));
            amount.ok_or_else(|| Invalid::new(name, reason()))
        };
        Ok(Self {
            ring_seconds: amount("RingSeconds", ring_seconds, &RING_SECONDS, default.ring_seconds)?,
            max_call_seconds: amount(
                "MaxCallSeconds",
                max_call_seconds,
                &MAX_CALL_SECONDS,
                default.max_call_seconds,
            )?,
            sentences: match filled(sentences) {
                None => default.sentences,
                Some(text) => Sentences::parse(text)?,
            },
        })
    }
}

impl Sentences {
    /// Parses the parameter `Sentences`: `{"not_connected":{"say":"…"},"try_again":{"play":"…"}}`.
    /// A sentence that is left out is spoken in English.
    fn parse(text: &str) -> Result<Self, Invalid> {
        let fields = field::object(text, "Sentences")?;
        let inside = |invalid: Invalid| invalid.inside("Sentences");
        only(&fields, &["not_connected", "try_again"]).map_err(inside)?;
        let default = Self::default();
        let sentence = |name, default| sentence(&fields, name, default).map_err(inside);
        Ok(Self {
            not_connected: sentence("not_connected", default.not_connected)?,
            try_again: sentence("try_again", default.try_again)?,
        })
    }
}

fn sentence(
    fields: &Map<String, Value>,
    name: &str,
    default: Sentence,
) -> Result<Sentence, Invalid> {
    match fields.get(name) {
        None | Some(Value::Null) => Ok(default),
        Some(Value::Object(fields)) => say_or_play(fields).map_err(|invalid| invalid.inside(name)),
        Some(_) => Err(Invalid::new(name, "must be a JSON object")),
    }
}

fn say_or_play(fields: &Map<String, Value>) -> Result<Sentence, Invalid> {
    only(fields, &["say", "language", "voice", "play"])?;
    let [say, language, voice, play] =
        ["say", "language", "voice", "play"].map(|name| field::optional_string(fields, name));
    match (say?, language?, voice?, play?) {
        (Some(text), language, voice, None) => Ok(Sentence::Say {
            text: spoken(text)?,
            language: language.map(|it| named("language", it, "-")).transpose()?,
            voice: voice.map(|it| named("voice", it, "-._")).transpose()?,
        }),
        (None, None, None, Some(url)) => Ok(Sentence::Play(recording(url)?)),
        (None, Some(_), _, _) => Err(Invalid::new("language", "needs `say` beside it")),
        (None, _, Some(_), _) => Err(Invalid::new("voice", "needs `say` beside it")),
        (None, None, None, None) => Err(Invalid::new("say", "is missing, and so is `play`")),
        (Some(_), _, _, Some(_)) => Err(Invalid::new("play", "must not stand beside `say`")),
    }
}

/// A text that can be read out: XML 1.0 has no control characters but tabs and line breaks,
/// and neither of the two last characters of the basic plane.
fn spoken(text: &str) -> Result<String, Invalid> {
    let speakable = |c: char| !c.is_control() && c != '\u{fffe}' && c != '\u{ffff}';
    if text.trim().is_empty() || LONGEST_TEXT < text.chars().count() {
        return Err(Invalid::new("say", format!("must have 1 to {LONGEST_TEXT} characters")));
    }
    if !text.chars().all(speakable) {
        return Err(Invalid::new("say", "must have no control characters"));
    }
    Ok(text.to_owned())
}

/// The name of a language or a voice.
fn named(field: &str, name: &str, marks: &str) -> Result<String, Invalid> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || marks.contains(c);
    if (2..=LONGEST_NAME).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(name.to_owned());
    }
    let reason = match field {
        "language" => "must be a language tag, such as `id-ID`",
        _ => "must be 2 to 64 letters, digits, `-`, `.` and `_`",
    };
    Err(Invalid::new(field, reason))
}

/// The address of a recording.
fn recording(url: &str) -> Result<String, Invalid> {
    let host = url.strip_prefix("https://").and_then(|rest| rest.split(['/', '?', '#']).next());
    let plain = url.chars().all(|c| c.is_ascii_graphic() && !r#"<>"'`\^{|}"#.contains(c));
    if host.is_some_and(|host| !host.is_empty()) && plain && url.len() <= LONGEST_TEXT {
        return Ok(url.to_owned());
    }
    let reason = format!("must be an `https` address of at most {LONGEST_TEXT} characters");
    Err(Invalid::new("play", reason))
}

/// Fails for a field that is not known. It is named if it looks like a name.
fn only(fields: &Map<String, Value>, known: &[&str]) -> Result<(), Invalid> {
    let Some(unknown) = fields.keys().find(|key| !known.contains(&key.as_str())) else {
        return Ok(());
    };
    let is_name = unknown.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    let name = if is_name { unknown } else { "(a field)" };
    Err(Invalid::new(name, format!("is not known; known are {}", known.join(", "))))
}

fn filled(text: Option<&str>) -> Option<&str> {
    text.map(str::trim).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(sentences: &str) -> Result<Sentences, String> {
        let parsed = CallSettings::parse(None, None, Some(sentences));
        parsed.map(|settings| settings.sentences).map_err(|invalid| invalid.to_string())
    }

    #[test]
    fn what_is_left_out_has_its_default() {
        let default = CallSettings::default();
        assert_eq!((default.ring_seconds, default.max_call_seconds), (20, 3600));
        for empty in [None, Some(""), Some(" ")] {
            assert_eq!(CallSettings::parse(empty, empty, empty).as_ref(), Ok(&default));
        }
        assert_eq!(parse("{}"), Ok(Sentences::default()));
        assert_eq!(parse(r#"{"not_connected":null}"#), Ok(Sentences::default()));
    }

    #[test]
    fn seconds_must_be_within_their_range() {
        let ring = |text| CallSettings::parse(Some(text), None, None).map(|it| it.ring_seconds);
        let last = |text| CallSettings::parse(None, Some(text), None).map(|it| it.max_call_seconds);
        assert_eq!(
            (ring("5"), ring("60"), last("60"), last("14400")),
            (Ok(5), Ok(60), Ok(60), Ok(14_400))
        );
        for text in ["4", "61", "-5", "20.5", "x", "99999999999999999999"] {
            let error = ring(text).unwrap_err().to_string();
            assert_eq!(error, "RingSeconds: must be a whole number, 5 to 60");
        }
        for text in ["59", "14401", "1h"] {
            let error = last(text).unwrap_err().to_string();
            assert_eq!(error, "MaxCallSeconds: must be a whole number, 60 to 14400");
        }
    }

    #[test]
    fn a_sentence_is_said_or_played() {
        let text = r#"{
            "not_connected":{"say":"Nomor ini \"tidak\" <aktif>.","language":"id-ID","voice":"Google.id-ID-Wavenet_A"},
            "try_again":{"play":"https://example.com/a.mp3?x=1&y=2"}}"#;
        let sentences = parse(text).unwrap();
        let say = Sentence::Say {
            text: r#"Nomor ini "tidak" <aktif>."#.to_owned(),
            language: Some("id-ID".to_owned()),
            voice: Some("Google.id-ID-Wavenet_A".to_owned()),
        };
        assert_eq!(sentences.not_connected, say);
        let play = Sentence::Play("https://example.com/a.mp3?x=1&y=2".to_owned());
        assert_eq!(sentences.try_again, play);
    }

    #[test]
    fn what_can_not_be_used_is_named_and_not_quoted() {
        let long = format!(r#"{{"try_again":{{"say":"{}"}}}}"#, "a".repeat(301));
        for (text, error) in [
            ("x", "Sentences: must be JSON"),
            ("[]", "Sentences: must be a JSON object"),
            (r#"{"not_connected":"x"}"#, "Sentences.not_connected: must be a JSON object"),
            (
                r#"{"sorry":{}}"#,
                "Sentences.sorry: is not known; known are not_connected, try_again",
            ),
            (
                r#"{"try_again":{"say":"x","+6281211112222":1}}"#,
                "Sentences.try_again.(a field): is not known; known are say, language, voice, play",
            ),
            (r#"{"try_again":{}}"#, "Sentences.try_again.say: is missing, and so is `play`"),
            (r#"{"try_again":{"say":7}}"#, "Sentences.try_again.say: must be a string"),
            (
                r#"{"try_again":{"say":" "}}"#,
                "Sentences.try_again.say: must have 1 to 300 characters",
            ),
            (&long, "Sentences.try_again.say: must have 1 to 300 characters"),
            (
                r#"{"try_again":{"say":"a\u0007b"}}"#,
                "Sentences.try_again.say: must have no control characters",
            ),
            (
                r#"{"not_connected":{"say":"x","language":"id\"ID"}}"#,
                "Sentences.not_connected.language: must be a language tag, such as `id-ID`",
            ),
            (
                r#"{"not_connected":{"say":"x","voice":"a b"}}"#,
                "Sentences.not_connected.voice: must be 2 to 64 letters, digits, `-`, `.` and `_`",
            ),
            (
                r#"{"not_connected":{"play":"https://a/b","language":"id-ID"}}"#,
                "Sentences.not_connected.language: needs `say` beside it",
            ),
            (
                r#"{"not_connected":{"play":"https://a/b","voice":"alice"}}"#,
                "Sentences.not_connected.voice: needs `say` beside it",
            ),
            (
                r#"{"not_connected":{"say":"x","play":"https://a/b"}}"#,
                "Sentences.not_connected.play: must not stand beside `say`",
            ),
        ] {
            assert_eq!(parse(text).unwrap_err(), error, "{text}");
        }
        for url in
            ["http://a/b", "https://", "https:///b", "https://a/b c", "https://a/\\u0022", ""]
        {
            let error = parse(&format!(r#"{{"try_again":{{"play":"{url}"}}}}"#)).unwrap_err();
            let reason = "must be an `https` address of at most 300 characters";
            assert_eq!(error, format!("Sentences.try_again.play: {reason}"), "{url}");
        }
    }

    #[test]
    fn a_text_may_be_as_long_as_is_said() {
        let sentences = |length| format!(r#"{{"try_again":{{"say":"{}"}}}}"#, "a".repeat(length));
        assert!(parse(&sentences(LONGEST_TEXT)).is_ok());
        assert!(parse(&sentences(LONGEST_TEXT + 1)).is_err());
    }
}
