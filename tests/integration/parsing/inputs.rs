//! Random input: any text, any JSON, and messages that are nearly right.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::string::{RegexGeneratorStrategy, string_regex};
use serde_json::{Map, Value, json};

/// Texts of this pattern. Parsing it once is faster than a pattern as a strategy.
pub(crate) fn like(pattern: &str) -> RegexGeneratorStrategy<String> {
    string_regex(pattern).unwrap()
}

pub(crate) fn phone() -> RegexGeneratorStrategy<String> {
    like("\\+[1-9][0-9]{7,14}")
}

/// Texts, and among them texts that look like numbers, JSON, phones or ids.
pub(crate) fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => like("\\PC*"),
        2 => like("[ -~]{0,40}"),
        2 => phone(),
        1 => phone().prop_map(|phone| phone.replace('+', "")),
        1 => phone().prop_map(|phone| phone.replace('1', "\u{661}").replace('2', "\u{ff12}")),
        1 => (phone(), like("[\u{0}\u{a0}\u{feff}\t\r\n ]{1,3}")).prop_map(|(phone, odd)| phone + &odd),
        2 => select(vec![
            "", "0", "-1", "+", "null", "true", "{}", "[]", "anonymous", "+266696687", "sip:a@b",
            "id-jkt", "o-1", "customer", "order.created", "pool.import", "2026-11-23T10:00:00Z",
            "\u{0}", "\u{202e}+6281", "%2B62", "../..", "1e400",
        ])
        .prop_map(str::to_owned),
        1 => ("[a-z0-9é]", 100_usize..600).prop_map(|(text, times)| text.repeat(times)),
    ]
}

pub(crate) fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        2 => any::<u64>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        4 => text().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..7).prop_map(Value::from),
            btree_map(key(), inner, 0..5).prop_map(|fields| Map::from_iter(fields).into()),
        ]
    })
}

/// Names of fields, most of them known to some message.
pub(crate) fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        1 => text(),
        4 => select(vec![
            "type", "order_id", "version", "pool", "expires_at", "participants", "role", "phone",
            "numbers", "id", "default", "provider", "country", "shards", "min_free", "caller",
            "called", "call_id", "resolve", "tokens", "twilio", "auth_tokens", "account_sid",
            "exotel", "webhook_tokens", "caller_key", "sid", "phone_number", "friendly_name",
            "incoming_phone_numbers", "available_phone_numbers", "next_page_uri", "code",
        ])
        .prop_map(str::to_owned),
    ]
}

/// A change of a message.
#[derive(Clone, Debug)]
pub(crate) enum Mutation {
    Remove(Index),
    Replace(Index, Value),
    /// A literal that no serializer writes.
    Literal(Index, &'static str),
    Deepen(Index, usize),
    Add(Index, String, Value),
    Swap(Index, Index),
    /// Repeats a key of the outermost object, before or after the others.
    Repeat(String, Value, bool),
    Cut(Index),
    Insert(Index, char),
}

pub(crate) fn mutation() -> impl Strategy<Value = Mutation> {
    let literal = select(vec![
        "1e400",
        "-0",
        "1E2",
        "18446744073709551616",
        "00012",
        "0x10",
        "+5",
        "1_000",
        "NaN",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "99999999999999999999999999999999999999999999",
        ".5",
    ]);
    prop_oneof![
        2 => any::<Index>().prop_map(Mutation::Remove),
        4 => (any::<Index>(), any_json()).prop_map(|(at, value)| Mutation::Replace(at, value)),
        2 => (any::<Index>(), literal).prop_map(|(at, text)| Mutation::Literal(at, text)),
        1 => (any::<Index>(), 1_usize..300).prop_map(|(at, depth)| Mutation::Deepen(at, depth)),
        1 => (any::<Index>(), key(), any_json())
            .prop_map(|(at, key, value)| Mutation::Add(at, key, value)),
        2 => (any::<Index>(), any::<Index>()).prop_map(|(one, other)| Mutation::Swap(one, other)),
        1 => (key(), any_json(), any::<bool>())
            .prop_map(|(key, value, before)| Mutation::Repeat(key, value, before)),
        1 => any::<Index>().prop_map(Mutation::Cut),
        1 => (any::<Index>(), any::<char>()).prop_map(|(at, char)| Mutation::Insert(at, char)),
    ]
}

/// The text of a message after this number of mutations.
pub(crate) fn mutated(
    message: impl Strategy<Value = Value>,
    times: std::ops::RangeInclusive<usize>,
) -> impl Strategy<Value = String> {
    (message, vec(mutation(), times)).prop_map(|(message, mutations)| mutate(message, &mutations))
}

pub(crate) fn mutate(mut message: Value, mutations: &[Mutation]) -> String {
    const LITERAL: &str = "\u{1}written as it is: ";
    for mutation in mutations {
        let paths = paths(&message);
        let at = |index: &Index| index.get(&paths).as_str();
        match mutation {
            Mutation::Remove(index) => remove(&mut message, at(index)),
            Mutation::Replace(index, value) => {
                *message.pointer_mut(at(index)).unwrap() = value.clone();
            }
            Mutation::Literal(index, text) => {
                *message.pointer_mut(at(index)).unwrap() = format!("{LITERAL}{text}").into();
            }
            Mutation::Deepen(index, depth) => {
                let place = message.pointer_mut(at(index)).unwrap();
                *place = (0..*depth).fold(place.take(), |inner, _| json!([inner]));
            }
            Mutation::Add(index, key, value) => {
                if let Some(fields) = message.pointer_mut(at(index)).unwrap().as_object_mut() {
                    fields.insert(key.clone(), value.clone());
                }
            }
            Mutation::Swap(one, other) => {
                let value = message.pointer(at(one)).unwrap().clone();
                *message.pointer_mut(at(other)).unwrap() = value;
            }
            Mutation::Repeat(..) | Mutation::Cut(_) | Mutation::Insert(..) => {}
        }
    }
    let mut text = message.to_string();
    for mutation in mutations {
        match mutation {
            Mutation::Literal(_, literal) => {
                let written = Value::from(format!("{LITERAL}{literal}")).to_string();
                text = text.replace(&written, literal);
            }
            Mutation::Repeat(key, value, before) => repeat(&mut text, key, value, *before),
            Mutation::Cut(index) => {
                text = text.chars().take(index.index(text.chars().count() + 1)).collect();
            }
            Mutation::Insert(index, char) => {
                let index = index.index(text.chars().count() + 1);
                let at = text.char_indices().nth(index).map_or(text.len(), |(at, _)| at);
                text.insert(at, *char);
            }
            _ => {}
        }
    }
    text
}

fn repeat(text: &mut String, key: &str, value: &Value, before: bool) {
    let field = format!("{}:{value}", Value::from(key));
    if !(text.starts_with('{') && text.ends_with('}')) || text == "{}" {
    } else if before {
        text.insert_str(1, &format!("{field},"));
    } else {
        text.insert_str(text.len() - 1, &format!(",{field}"));
    }
}

fn remove(message: &mut Value, path: &str) {
    let Some((parent, name)) = path.rsplit_once('/') else { return };
    match message.pointer_mut(parent) {
        Some(Value::Object(fields)) => {
            fields.remove(&name.replace("~1", "/").replace("~0", "~"));
        }
        Some(Value::Array(values)) => {
            values.remove(name.parse().unwrap());
        }
        _ => {}
    }
}

/// The JSON pointers of a value and of all values in it.
pub(crate) fn paths(value: &Value) -> Vec<String> {
    let mut paths = vec![String::new()];
    let mut inside = |name: &str, value: &Value| {
        let name = name.replace('~', "~0").replace('/', "~1");
        paths.extend(self::paths(value).into_iter().map(|path| format!("/{name}{path}")));
    };
    match value {
        Value::Object(fields) => fields.iter().for_each(|(name, value)| inside(name, value)),
        Value::Array(values) => {
            values.iter().enumerate().for_each(|(at, value)| inside(&at.to_string(), value));
        }
        _ => {}
    }
    paths
}

/// Any text, any JSON, or (mostly) a text that is nearly right.
pub(crate) fn anything_or(
    nearly_right: impl Strategy<Value = String>,
) -> impl Strategy<Value = String> {
    prop_oneof![
        1 => text(),
        2 => any_json().prop_map(|value| value.to_string()),
        9 => nearly_right,
    ]
}
