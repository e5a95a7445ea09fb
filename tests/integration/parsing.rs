//! Whatever others send: anything at all, and messages that are nearly right. Nothing
//! panics, a telephone provider gets an answer that it understands, what is refused
//! changes nothing, and no phone comes back out of it.
//!
//! Each property is tried on as many cases as it says, the same in every run.
//! `PROPTEST_CASES` (256 when not given) multiplies them, and `PROPTEST_RNG_SEED`
//! makes others: `PROPTEST_CASES=25600 PROPTEST_RNG_SEED=7 cargo test parsing` tries
//! a hundred times as many.
#![expect(clippy::panic, reason = "a test stops at the first surprise")]

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use aws_lambda_events::sqs::SqsMessage;
use axum::Router;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use carriers::exotel::Country;
use carriers::{NumberApi, ProviderSecret, Terms, Tokens, exotel, twilio};
use masking::{
    Assignment, CallerId, CallerKey, EventKind, Number, NumberType, OrderEvent, OrderId,
    Participant, Phone, PoolMessage, Pools, Role, Timestamp,
};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::string::{RegexGeneratorStrategy, string_regex};
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::{Map, Value, json};
use support::World;
use support::cloud::TABLES;
use support::events::Route;
use support::functions::PROVIDER_SECRET;
use support::provider::{ACCOUNT, API_KEY, PASSWORD};
use support::rows::{self, Row};
use support::world::{EXOTEL_TOKEN, FIRST, TWILIO_TOKEN, assigned, event};
use tokio::net::TcpListener;

use crate::people::{AGENT, CUSTOMER};

// ---------------------------------------------------------------- Trying many cases

/// Tries a property on so many cases, times what `PROPTEST_CASES` asks for.
#[track_caller]
fn check<S: Strategy<Value: Debug>>(cases: u32, cases_of: S, property: impl Fn(S::Value)) {
    let asked_for = Config::default();
    let config = Config {
        cases: cases.saturating_mul(asked_for.cases).div_ceil(256),
        failure_persistence: None,
        rng_seed: match asked_for.rng_seed {
            RngSeed::Random => RngSeed::Fixed(1),
            seed @ RngSeed::Fixed(_) => seed,
        },
        ..asked_for
    };
    let tried = TestRunner::new(config).run(&cases_of, |case| {
        property(case);
        Ok(())
    });
    if let Err(error) = tried {
        panic!("{error}");
    }
}

/// A world that many cases are tried in, one after the other.
struct Stage {
    runtime: tokio::runtime::Runtime,
    world: World,
}

impl Stage {
    fn new(world: impl Future<Output = World>) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let world = runtime.block_on(world);
        Self { runtime, world }
    }

    fn run<T>(&self, act: impl AsyncFnOnce(&World) -> T) -> T {
        self.runtime.block_on(act(&self.world))
    }

    /// All rows of all tables, by their keys.
    fn rows(&self) -> BTreeMap<String, Row> {
        self.run(async |world| {
            let mut rows = BTreeMap::new();
            for table in TABLES {
                for row in world.rows(table).await {
                    let key = ["order_id", "number", "caller"].map(|name| rows::text(&row, name));
                    rows.insert(format!("{table} {key:?}"), row);
                }
            }
            rows
        })
    }

    /// Does something, and returns what was logged meanwhile.
    fn log_of(&self, act: impl FnOnce()) -> String {
        let before = self.world.log().len();
        act();
        self.world.log().split_off(before)
    }
}

// ---------------------------------------------------------------- Anything at all

/// Texts of this form; read once, unlike a pattern that stands for itself.
fn like(pattern: &str) -> RegexGeneratorStrategy<String> {
    string_regex(pattern).unwrap()
}

fn phone() -> RegexGeneratorStrategy<String> {
    like("\\+[1-9][0-9]{7,14}")
}

/// Texts, and among them such as look like something else.
fn text() -> impl Strategy<Value = String> {
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

fn any_json() -> impl Strategy<Value = Value> {
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

/// Names of fields, most of them known somewhere.
fn key() -> impl Strategy<Value = String> {
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

// ---------------------------------------------------------------- Nearly right

/// Something that happens to a message on its way here.
#[derive(Clone, Debug)]
enum Mutation {
    Remove(Index),
    Replace(Index, Value),
    /// Written as no serializer would.
    Literal(Index, &'static str),
    Deepen(Index, usize),
    Add(Index, String, Value),
    Swap(Index, Index),
    /// Says a key of the outermost object once more, before or after.
    Repeat(String, Value, bool),
    Cut(Index),
    Insert(Index, char),
}

fn mutation() -> impl Strategy<Value = Mutation> {
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

/// The text of a message to which so many things happened.
fn mutated(
    message: impl Strategy<Value = Value>,
    times: std::ops::RangeInclusive<usize>,
) -> impl Strategy<Value = String> {
    (message, vec(mutation(), times)).prop_map(|(message, mutations)| mutate(message, &mutations))
}

fn mutate(mut message: Value, mutations: &[Mutation]) -> String {
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

/// The JSON pointers of a value and of all that is in it.
fn paths(value: &Value) -> Vec<String> {
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

// ---------------------------------------------------------------- Right

/// A moment, and a way to write it.
fn moment() -> impl Strategy<Value = (String, Timestamp)> {
    let spelling =
        (select(vec!["T", "t"]), like("(\\.[0-9]{1,12})?"), -1439_i64..=1439, any::<bool>());
    (100_000_u64..253_402_200_000, spelling).prop_map(
        |(seconds, (separator, fraction, offset, zulu))| {
            let offset = if zulu { 0 } else { offset };
            let local = seconds.checked_add_signed(offset * 60).unwrap();
            let local = Timestamp::from_seconds(local).to_string();
            let local = local.strip_suffix('Z').unwrap().replace('T', separator);
            let zone = match (zulu, separator) {
                (true, "t") => "z".to_owned(),
                (true, _) => "Z".to_owned(),
                _ => {
                    let sign = if offset < 0 { '-' } else { '+' };
                    format!("{sign}{:02}:{:02}", offset.abs() / 60, offset.abs() % 60)
                }
            };
            (format!("{local}{fraction}{zone}"), Timestamp::from_seconds(seconds))
        },
    )
}

fn people() -> impl Strategy<Value = Vec<(String, String)>> {
    btree_map(phone(), like("[a-z][a-z0-9_]{0,31}"), 2..=5)
        .prop_map(|people| people.into_iter().map(|(phone, role)| (role, phone)).collect())
        .prop_filter("roles differ", |people: &Vec<(String, String)>| {
            people.iter().map(|(role, _)| role).collect::<BTreeSet<_>>().len() == people.len()
        })
}

/// An event as it is written, and what it says.
fn right_event() -> impl Strategy<Value = (Value, OrderEvent)> {
    let kind = prop_oneof![
        1 => proptest::option::of(like("[a-z0-9-]{1,32}")).prop_map(|pool| {
            (json!({"type": "order.created", "pool": pool}), EventKind::Created { pool })
        }),
        4 => (proptest::option::of(like("[a-z0-9-]{1,32}")), proptest::option::of(moment()), people())
            .prop_map(assignment),
        1 => Just((json!({"type": "order.agent_unassigned"}), EventKind::AgentUnassigned)),
        1 => Just((json!({"type": "order.completed"}), EventKind::Completed)),
        1 => Just((json!({"type": "order.cancelled"}), EventKind::Cancelled)),
    ];
    let version = prop_oneof![any::<u64>(), 0_u64..5, Just(u64::MAX)];
    (like("[A-Za-z0-9._:-]{1,128}"), version, kind).prop_map(|(id, version, (mut event, kind))| {
        event["order_id"] = id.as_str().into();
        event["version"] = version.into();
        (event, OrderEvent { order_id: OrderId::parse(&id).unwrap(), version, kind })
    })
}

type People = Vec<(String, String)>;

fn assignment(
    (pool, expires_at, people): (Option<String>, Option<(String, Timestamp)>, People),
) -> (Value, EventKind) {
    let written: Vec<Value> =
        people.iter().map(|(role, phone)| json!({"role": role, "phone": phone})).collect();
    let event = json!({
        "type": "order.agent_assigned", "pool": pool, "participants": written,
        "expires_at": expires_at.as_ref().map(|(text, _)| text),
    });
    let participants = people.iter().map(|(role, phone)| Participant {
        role: Role::parse(role).unwrap(),
        phone: phone.parse().unwrap(),
    });
    let expires_at = expires_at.map(|(_, moment)| moment);
    let participants = participants.collect();
    (event, EventKind::AgentAssigned(Assignment { pool, expires_at, participants }))
}

/// An event of an order of the pool that the world has.
fn nearly_right_event() -> impl Strategy<Value = String> {
    mutated(right_event().prop_map(|(event, _)| event), 1..=3)
}

fn nearly_right_pool_message() -> impl Strategy<Value = String> {
    let message =
        (select(vec!["check", "import", "withdraw"]), vec(like("\\+62215[0-9]{5}"), 0..5));
    let message = message.prop_map(|(kind, numbers)| {
        json!({"type": format!("pool.{kind}"), "pool": "id-jkt", "numbers": numbers})
    });
    mutated(message, 1..=3)
}

fn right_pools() -> impl Strategy<Value = Value> {
    vec((like("[a-z0-9-]{1,32}"), 0_u64..100, 1_u64..=256), 1..4).prop_map(|pools| {
        let pool = |(index, (id, amount, shards)): (usize, &(String, u64, u64))| {
            json!({
                "id": id, "default": index == 0, "provider": "manual", "country": "ID",
                "number_type": "local", "allocation": "exclusive", "min_free": amount,
                "target_free": 2 * amount, "max_numbers": amount, "cooldown_seconds": amount,
                "grace_seconds": amount, "max_order_seconds": 1 + amount, "shards": shards,
                "address_sid": "", "bundle_sid": null,
            })
        };
        pools.iter().enumerate().map(pool).collect()
    })
}

fn right_secret() -> Value {
    json!({
        "resolve": {"tokens": ["bearer-token-1", "bearer-token-2"]},
        "twilio": {"account_sid": "AC1", "auth_tokens": ["auth-token-1"]},
        "exotel": {"account_sid": "shop", "api_key": "api-key-1", "api_token": "api-token-1",
                   "subdomain": "api.exotel.com", "app_id": "42", "country": "IN",
                   "webhook_tokens": ["path-token-1"]},
    })
}

/// Anything, or something that is nearly this.
fn anything_or(nearly_right: impl Strategy<Value = String>) -> impl Strategy<Value = String> {
    prop_oneof![
        1 => text(),
        2 => any_json().prop_map(|value| value.to_string()),
        9 => nearly_right,
    ]
}

// ---------------------------------------------------------------- What is told

/// The runs of seven digits and more in a text: what could be a phone.
fn phones_in(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_numeric()).filter(|digits| 7 <= digits.chars().count())
}

#[track_caller]
fn assert_no_phone(given: &str, told: &str) {
    for digits in phones_in(given) {
        assert!(!told.contains(digits), "{digits} comes back in {told}");
    }
}

/// Whether this is one of the names, where `[]` stands for any place in a list.
fn is_field(field: &str, names: &[&str]) -> bool {
    let places_left_out: String = field
        .split('[')
        .map(|it| it.trim_start_matches(|c: char| c.is_ascii_digit()))
        .fold(String::new(), |mut all, it| {
            if !all.is_empty() {
                all.push('[');
            }
            all.push_str(it);
            all
        });
    names.contains(&places_left_out.as_str())
}

const EVENT_FIELDS: [&str; 10] = [
    "body",
    "type",
    "order_id",
    "version",
    "pool",
    "expires_at",
    "participants",
    "participants[]",
    "participants[].role",
    "participants[].phone",
];

// ---------------------------------------------------------------- Order events

#[test]
fn an_event_is_read_as_it_was_written() {
    check(200, right_event(), |(written, event)| {
        assert_eq!(OrderEvent::parse(&written.to_string()), Ok(event));
    });
}

#[test]
fn an_event_may_be_written_in_any_way_and_hold_more_than_is_known() {
    let more = (key(), any_json(), any::<bool>());
    check(150, (right_event(), more), |((mut written, event), (key, value, nulls))| {
        // Every character escaped, and with it the names.
        let pretty = serde_json::to_string_pretty(&written).unwrap();
        let escaped = escape_strings(&pretty);
        assert_eq!(OrderEvent::parse(&escaped).as_ref(), Ok(&event), "{escaped}");

        for path in paths(&written) {
            if let Some(fields) = written.pointer_mut(&path).and_then(Value::as_object_mut) {
                if !fields.contains_key(&key) && !known_in_event(&key) {
                    fields.insert(key.clone(), value.clone());
                }
                if !nulls {
                    fields.retain(|_, value| !value.is_null());
                }
            }
        }
        assert_eq!(OrderEvent::parse(&written.to_string()), Ok(event));
    });
}

fn known_in_event(key: &str) -> bool {
    EVENT_FIELDS.contains(&key) || ["role", "phone"].contains(&key)
}

/// Writes every character of every string as `\uXXXX`.
fn escape_strings(text: &str) -> String {
    let mut escaped = String::new();
    let mut inside = false;
    for char in text.chars() {
        match char {
            '"' => {
                inside = !inside;
                escaped.push(char);
            }
            _ if inside => write!(escaped, "\\u{:04x}", u32::from(char)).unwrap(),
            _ => escaped.push(char),
        }
    }
    escaped
}

#[test]
fn whatever_an_event_holds_it_is_read_or_refused_by_a_field_without_a_value() {
    check(200, anything_or(nearly_right_event()), |body| match OrderEvent::parse(&body) {
        Ok(event) => assert_is_within_the_rules(&event),
        Err(why) => {
            assert!(is_field(&why.field, &EVENT_FIELDS), "{why}");
            assert_no_phone(&body, &why.to_string());
        }
    });
}

fn assert_is_within_the_rules(event: &OrderEvent) {
    assert!(OrderId::parse(event.order_id.as_str()).is_some());
    if let EventKind::AgentAssigned(assignment) = &event.kind {
        let people = &assignment.participants;
        assert!((2..=5).contains(&people.len()));
        let roles: BTreeSet<&str> = people.iter().map(|it| it.role.as_str()).collect();
        let phones: BTreeSet<&str> = people.iter().map(|it| it.phone.reveal()).collect();
        assert_eq!((roles.len(), phones.len()), (people.len(), people.len()));
        assert!(phones.iter().all(|phone| is_e164(phone)));
    }
}

#[test]
fn a_field_that_breaks_its_rule_is_the_one_that_is_named() {
    let assigned = right_event()
        .prop_filter("has people", |(_, event)| matches!(event.kind, EventKind::AgentAssigned(_)));
    let no_text = any_json().prop_filter("no text", |it| !it.is_string() && !it.is_null()).boxed();
    let breaks = prop_oneof![
        no_text.clone().prop_map(|value| ("/order_id", value)),
        like("[A-Za-z0-9._:-]{129,200}|[a-z]{0,9}[^A-Za-z0-9._:-][a-z]{0,9}")
            .prop_map(|text| ("/order_id", text.into())),
        any_json()
            .prop_filter("no version", |it| !it.is_u64() && !it.is_null())
            .prop_map(|value| ("/version", value)),
        no_text.clone().prop_map(|value| ("/type", value)),
        text().prop_map(|text| ("/type", format!("order.{text}!").into())),
        no_text.clone().prop_map(|value| ("/pool", value)),
        no_text.clone().prop_map(|value| ("/expires_at", value)),
        text()
            .prop_filter("no moment", |it| Timestamp::parse(it).is_none())
            .prop_map(|text| ("/expires_at", text.into())),
        no_text.clone().prop_map(|value| ("/participants/1/role", value)),
        like("[a-z][a-z0-9_]{32,40}|[A-Z0-9_é -].{0,9}|[a-z]{1,9}[^a-z0-9_]{1,3}")
            .prop_map(|text| ("/participants/1/role", text.into())),
        no_text.prop_map(|value| ("/participants/1/phone", value)),
        text()
            .prop_filter("no phone", |it| !is_e164(it))
            .prop_map(|text| ("/participants/1/phone", text.into())),
    ];
    check(200, (assigned, breaks), |((mut written, _), (path, value))| {
        *written.pointer_mut(path).unwrap() = value;
        let why = OrderEvent::parse(&written.to_string()).unwrap_err();
        assert_eq!(format!("/{}", why.field.replace("[1].", "/1/")), path, "{why}");
    });
}

#[test]
fn a_refused_event_changes_no_table_and_the_rest_of_its_batch_is_served() {
    let stage = Stage::new(async {
        let world = World::new();
        world.given_numbers("id-jkt", 0..6).await;
        let live = assigned("o-live", 1, &[("customer", CUSTOMER), ("agent", AGENT)]);
        assert_eq!(world.when_told(&live).await.announced.len(), 1);
        world
    });
    let refused = anything_or(nearly_right_event())
        .prop_filter("is refused", |body| OrderEvent::parse(body).is_err());
    let order = Cell::new(0);
    check(12, (vec(refused, 1..5), any::<Index>()), |(mut bodies, place)| {
        let mut reasons: Vec<String> =
            bodies.iter().map(|body| OrderEvent::parse(body).unwrap_err().to_string()).collect();
        reasons.sort();
        let rows = stage.rows();
        order.set(order.get() + 1);
        let order_id = format!("o-{}", order.get());
        let people = [("customer", "+819011112222"), ("agent", "+819033334444")];
        let log = stage.log_of(|| {
            stage.run(async |world| {
                for assigns in [true, false] {
                    let mut told = if assigns {
                        world.when_assign_receives(&bodies, FIRST).await
                    } else {
                        world.when_release_receives(&bodies, FIRST).await
                    };
                    told.refused.sort();
                    assert_eq!((&told.refused, told.announced.len(), told.again), (&reasons, 0, 0));
                }
            });
            assert_eq!(stage.rows(), rows, "nothing is done");

            stage.run(async |world| {
                bodies.insert(
                    place.index(bodies.len() + 1),
                    assigned(&order_id, 1, &people).to_string(),
                );
                let told = world.when_assign_receives(&bodies, FIRST).await;
                let served = (told.refused.len(), told.announced.len(), told.again);
                assert_eq!(served, (reasons.len(), 1, 0), "{told:?}");
                let ended = event("completed", &order_id, 2);
                assert_eq!(world.when_told(&ended).await.announced.len(), 1);
                // The numbers have rested when the next case asks for them.
                world.seconds_pass(601);
            });
        });
        for body in &bodies {
            assert_no_phone(body, &log);
        }
    });
}

// ---------------------------------------------------------------- Pools

#[test]
fn whatever_a_pool_message_holds_it_is_read_or_refused_by_a_field_without_a_value() {
    let pools = Pools::parse(r#"[{"id":"id-jkt"}]"#).unwrap();
    check(200, anything_or(nearly_right_pool_message()), |body| {
        if let Err(why) = PoolMessage::parse(&body, &pools) {
            let known = ["body", "type", "pool", "numbers", "numbers[]"];
            assert!(is_field(&why.field, &known), "{why}");
            assert_no_phone(&body, &why.to_string());
        }
    });
}

#[test]
fn a_refused_pool_message_changes_no_table() {
    let stage = Stage::new(async {
        let world = World::new();
        world.given_numbers("id-jkt", 0..6).await;
        world
    });
    let pools = Pools::parse(r#"[{"id":"id-jkt"}]"#).unwrap();
    // Lists of numbers of which one, somewhere, is none.
    let spoilt = (vec(like("\\+62215[0-9]{5}"), 0..6), any_json(), any::<Index>(), any::<bool>());
    let spoilt = spoilt.prop_map(|(numbers, wrong, at, import)| {
        let mut numbers: Vec<Value> = numbers.into_iter().map(Value::from).collect();
        numbers.insert(at.index(numbers.len() + 1), wrong);
        let kind = if import { "pool.import" } else { "pool.withdraw" };
        json!({"type": kind, "pool": "id-jkt", "numbers": numbers}).to_string()
    });
    let refused = prop_oneof![anything_or(nearly_right_pool_message()), spoilt]
        .prop_filter("is refused", |body| PoolMessage::parse(body, &pools).is_err());
    let rows = stage.rows();
    check(20, refused, |body| {
        let reason = PoolMessage::parse(&body, &pools).unwrap_err().to_string();
        let log = stage.log_of(|| {
            let told = stage.run(async |world| world.when_refill_receives(&body).await);
            assert_eq!((told.refused, told.again), (vec![reason], 0));
        });
        assert_no_phone(&body, &log);
        assert_eq!(stage.rows(), rows);
    });
}

#[test]
fn whatever_the_pools_parameter_holds_it_is_read_or_refused_by_a_field() {
    check(200, anything_or(mutated(right_pools(), 0..=3)), |text| match Pools::parse(&text) {
        Ok(pools) => {
            let ids: BTreeSet<&str> = pools.iter().map(|pool| pool.id.as_str()).collect();
            assert_eq!(ids.len(), pools.iter().count());
            assert_eq!(pools.iter().filter(|pool| pool.default).count(), 1);
            for pool in pools.iter() {
                assert!(pool.min_free <= pool.target_free && 0 < pool.shards);
                assert!(0 < pool.low_water_per_shard());
                pool.shortfall(u64::MAX, 0);
                pool.shortfall(0, u64::MAX);
            }
        }
        Err(why) => assert!(why.field.starts_with("Pools") && !why.to_string().contains('\n')),
    });
}

// ---------------------------------------------------------------- Secrets

#[test]
fn whatever_the_provider_secret_holds_its_values_are_not_told() {
    let before = ProviderSecret::parse(&right_secret().to_string()).0;
    let given = anything_or(mutated(Just(right_secret()), 1..=3));
    check(150, given, |text| {
        for (_, problems) in [ProviderSecret::parse(&text), before.updated(&text)] {
            let told = format!("{problems:?}");
            for value in ["bearer-token", "auth-token", "api-key", "api-token", "path-token"] {
                assert!(!told.contains(value), "{told}");
            }
            for problem in problems {
                assert_no_phone(&text, &problem.to_string());
                let part = problem.field.split('.').next().unwrap();
                assert!(["provider secret", "resolve", "twilio", "exotel"].contains(&part));
            }
        }
    });
}

#[test]
fn what_is_wrong_in_one_part_of_the_provider_secret_harms_no_other() {
    let right = ProviderSecret::parse(&right_secret().to_string()).0;
    let parts = (select(vec!["resolve", "twilio", "exotel"]), any_json(), mutation());
    check(150, parts, |(part, value, mutation)| {
        let nearly_right = mutate(right_secret()[part].clone(), &[mutation]);
        let nearly_right = serde_json::from_str(&nearly_right).unwrap_or(Value::Null);
        for value in [value, nearly_right] {
            let mut text = right_secret();
            text[part] = value;
            if serde_json::from_str::<Value>(&text.to_string()).is_err() {
                // Too deep: nothing of it can be read.
                continue;
            }
            for secret in [
                ProviderSecret::parse(&text.to_string()).0,
                ProviderSecret::default().updated(&text.to_string()).0,
            ] {
                let same = [
                    ("resolve", secret.resolve == right.resolve),
                    ("twilio", secret.twilio_webhook == right.twilio_webhook),
                    ("twilio", secret.twilio_account == right.twilio_account),
                    ("exotel", secret.exotel_webhook == right.exotel_webhook),
                    ("exotel", secret.exotel_account == right.exotel_account),
                ];
                assert!(same.iter().all(|(name, same)| *name == part || *same), "{part}");
            }
        }
    });
}

#[test]
fn whatever_the_service_secret_holds_its_value_is_not_told() {
    let right = like("[a-z]{20,64}").prop_map(|key| json!({ "caller_key": key }));
    let phone: Phone = CUSTOMER.parse().unwrap();
    check(200, anything_or(mutated(right, 0..=2)), |text| match CallerKey::parse(&text) {
        Ok(key) => assert_eq!(key.caller(&phone).as_str().len(), 43),
        Err(why) => {
            assert!(is_field(&why.field, &["ServiceSecret", "caller_key"]), "{why}");
            assert_no_phone(&text, &why.to_string());
        }
    });
}

#[test]
fn no_secret_takes_the_answer_from_a_telephone_provider() {
    let texts = (
        anything_or(mutated(Just(right_secret()), 1..=3)),
        anything_or(mutated(Just(json!({"caller_key": "k".repeat(64)})), 1..=2)),
    );
    check(8, texts, |(providers, service)| {
        let stage = Stage::new(async { World::without_tables() });
        stage.run(async |world| {
            world.cloud.secrets.given(PROVIDER_SECRET, Some(providers.clone()));
            world.given_service_secret(Some(&service));
            let form = [("From", CUSTOMER), ("To", "+622150001")];
            assert!([200, 403].contains(&world.when_twilio_calls(&form).await.0));
            let query = [("CallFrom", CUSTOMER), ("CallTo", "+622150001")];
            assert!([200, 403].contains(&world.when_exotel_calls(EXOTEL_TOKEN, &query).await.0));
            assert!([403, 503].contains(&world.when_called(CUSTOMER, "+622150001").await.0));
        });
        assert_no_phone(&providers, &stage.world.log());
        assert_no_phone(&service, &stage.world.log());
    });
}

// ---------------------------------------------------------------- Numbers and moments

/// The rule for a phone, written another way.
fn is_e164(text: &str) -> bool {
    let bytes = text.as_bytes();
    (9..=16).contains(&bytes.len())
        && bytes[0] == b'+'
        && (b'1'..=b'9').contains(&bytes[1])
        && bytes[2..].iter().all(u8::is_ascii_digit)
}

#[test]
fn a_phone_is_what_e164_says_and_never_shows() {
    let nearly = (phone(), any::<Index>(), any::<char>()).prop_map(|(phone, at, char)| {
        let mut chars: Vec<char> = phone.chars().collect();
        chars[at.index(phone.len())] = char;
        String::from_iter(chars)
    });
    check(1000, prop_oneof![text(), like("[+]?[0-9]{0,18}"), nearly], |text| {
        assert_eq!(text.parse::<Phone>().is_ok(), is_e164(&text));
        assert_eq!(text.parse::<Number>().is_ok(), is_e164(&text));
        match CallerId::parse(&text) {
            Ok(CallerId::Shown(phone)) => {
                assert_eq!(phone.reveal(), text.trim());
                assert_no_phone(&text, &format!("{phone:?}"));
            }
            Ok(CallerId::Withheld) => {}
            Err(error) => assert_no_phone(&text, &format!("{error} {error:?}")),
        }
    });
}

#[test]
fn a_moment_is_read_in_every_way_to_write_it() {
    check(1000, moment(), |(text, moment)| {
        assert_eq!(Timestamp::parse(&text), Some(moment));
        assert_eq!(Timestamp::parse(&moment.to_string()), Some(moment));
    });
}

#[test]
fn whatever_is_read_as_a_moment_can_be_written() {
    let nearly = like(
        "[0-9]{4}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9]\
                  (\\.[0-9]{0,20})?([Zz]|[+-][0-2][0-9]:[0-9]{2})?",
    );
    check(800, prop_oneof![text(), nearly], |text| {
        if let Some(moment) = Timestamp::parse(&text) {
            assert_eq!(Timestamp::parse(&moment.to_string()), Some(moment));
            assert_eq!(moment.after(u64::MAX).to_string(), "9999-12-31T23:59:59Z");
        }
    });
}

/// Countries, their calling codes, whether a trunk prefix is dialled, and how long
/// national numbers are.
const COUNTRIES: [(&str, &str, bool, &[usize]); 7] = [
    ("AE", "971", true, &[8, 9]),
    ("ID", "62", true, &[7, 8, 9, 10, 11, 12]),
    ("IN", "91", true, &[10, 11]),
    ("MY", "60", true, &[8, 9, 10]),
    ("PH", "63", true, &[8, 9, 10]),
    ("SA", "966", true, &[9, 10]),
    ("SG", "65", false, &[8, 10, 11]),
];

#[test]
fn exotel_may_write_the_same_number_in_the_way_of_any_country() {
    let digits = ("[1-9]", vec(0_u8..10, 12));
    let cases = (select(&COUNTRIES[..]), any::<Index>(), digits);
    check(1000, cases, |((iso, code, trunk, lengths), length, (first, rest))| {
        let mut national = first;
        national.extend(rest.iter().map(|digit| char::from(b'0' + digit)));
        national.truncate(*length.get(lengths));
        let expected = format!("+{code}{national}");

        let mut spellings =
            vec![expected.clone(), format!("{code}{national}"), format!("00{code}{national}")];
        if trunk {
            spellings.push(format!("0{national}"));
        }
        // Without a prefix, it may be read as one with the calling code.
        let ambiguous = national
            .strip_prefix(code)
            .is_some_and(|rest| lengths.contains(&rest.len()) && !rest.starts_with('0'));
        if !ambiguous {
            spellings.push(national);
        }
        let country = Country::parse(iso).unwrap();
        for spelling in spellings {
            let encoded = form_urlencoded::Serializer::new(String::new())
                .append_pair("CallFrom", &spelling)
                .append_pair("CallTo", &spelling)
                .finish();
            // A plus that was not escaped comes as a space.
            for query in [encoded.clone(), encoded.replace("%2B", "+")] {
                if query.contains("=+") && !trunk {
                    continue;
                }
                let question = exotel::webhook::question(&query, country);
                let Some((caller, called)) = question.parties() else { panic!("{iso} {query}") };
                let read = (caller.reveal(), called.as_str());
                assert_eq!(read, (expected.as_str(), expected.as_str()), "{iso} {query}");
            }
        }
    });
}

// ---------------------------------------------------------------- Calls

/// What came with a request, as the API hands it on.
#[derive(Clone, Debug)]
struct Asked {
    query: String,
    body: Vec<u8>,
    base64: bool,
    headers: Vec<(&'static str, String)>,
}

/// Texts that a header may hold.
fn header_text() -> impl Strategy<Value = String> {
    text().prop_map(|text| {
        let text: String = text.chars().filter(|c| !c.is_control()).collect();
        text.chars().take(300).collect()
    })
}

/// Queries as they are on the wire, where what is no part of a URL is escaped.
fn query() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        1 => text(),
        4 => select(vec!["CallFrom", "CallTo", "From", "To", "callfrom", "CALLTO", "CallSid"])
            .prop_map(str::to_owned),
    ];
    let pairs = vec((name, text()), 0..6).prop_map(|pairs| {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
    });
    prop_oneof![3 => pairs, 1 => like("[!$-;=?-~]{0,60}")]
}

fn asked(body: impl Strategy<Value = Vec<u8>>) -> impl Strategy<Value = Asked> {
    let names = select(vec!["user-agent", "cookie", "content-length", "x-forwarded-for"]);
    (query(), body, any::<bool>(), vec((names, header_text()), 0..3)).prop_map(
        |(query, body, base64, headers)| Asked {
            base64: base64 || std::str::from_utf8(&body).is_err(),
            query,
            body,
            headers,
        },
    )
}

impl Asked {
    /// The event of the HTTP API for it.
    fn event(&self, route: Route, path: &str) -> Value {
        let mut event = route.recorded();
        event["rawPath"] = path.into();
        event["rawQueryString"] = self.query.as_str().into();
        event["isBase64Encoded"] = self.base64.into();
        event["body"] = if self.base64 {
            STANDARD.encode(&self.body).into()
        } else {
            std::str::from_utf8(&self.body).unwrap().into()
        };
        for (name, value) in &self.headers {
            event["headers"][name] = value.as_str().into();
        }
        event
    }
}

/// A world with a live order, and one whose tables do not answer.
fn call_stages() -> [Stage; 2] {
    let with_an_order = async {
        let world = World::new();
        world.given_numbers("id-jkt", 0..2).await;
        let order = assigned("o-1", 1, &[("customer", CUSTOMER), ("agent", AGENT)]);
        assert_eq!(world.when_told(&order).await.announced.len(), 1);
        world
    };
    [Stage::new(with_an_order), Stage::new(async { World::without_tables() })]
}

/// Asks in both worlds; the property gets the statuses and bodies of the two, and
/// nothing that came with the request may be in the log.
fn ask(stages: &[Stage; 2], event: &Value, given: &str) -> [(u16, String); 2] {
    stages.each_ref().map(|stage| {
        let mut answer = (0, String::new());
        let log = stage.log_of(|| {
            answer = stage.run(async |world| world.when_requested(event).await);
        });
        for digits in phones_in(given).filter(|it| (8..=15).contains(&it.len())) {
            assert!(!log.contains(digits), "{digits} is in {log}");
        }
        answer
    })
}

#[test]
fn whatever_a_switch_asks_it_is_answered_in_json() {
    let stages = call_stages();
    let right = (phone(), phone(), text()).prop_map(
        |(caller, called, id)| json!({"caller": caller, "called": called, "call_id": id}),
    );
    let body = anything_or(mutated(right, 0..=2)).prop_map(String::into_bytes);
    let body = prop_oneof![5 => body, 1 => vec(any::<u8>(), 0..60)];
    check(80, (asked(body), proptest::option::weighted(0.2, header_text())), |(asked, token)| {
        let mut event = asked.event(Route::Switch, "/calls/resolve");
        if let Some(token) = &token {
            event["headers"]["authorization"] = token.as_str().into();
        }
        let given = String::from_utf8_lossy(&asked.body).into_owned();
        let [with_tables, without] = ask(&stages, &event, &given);
        for ((status, answer), expected) in
            [(with_tables, [200, 400, 400]), (without, [200, 400, 503])]
        {
            let answer: Value = serde_json::from_str(&answer).unwrap();
            if token.is_some() {
                assert_eq!((status, answer), (403, json!({"error": "forbidden"})));
            } else {
                assert!(expected.contains(&status), "{status} {answer}");
                assert_eq!(status == 400, answer["error"].is_string());
                assert_eq!(status == 503, answer["reason"] == "unavailable");
                if status == 400 {
                    assert_no_phone(&given, &answer.to_string());
                }
            }
        }
    });
}

#[test]
fn whatever_twilio_signs_is_answered_and_whatever_it_did_not_is_not() {
    let stages = call_stages();
    let name = prop_oneof![
        1 => text(),
        3 => select(vec!["From", "To", "CallSid", "Caller"]).prop_map(str::to_owned),
    ];
    let form = btree_map(name, text(), 0..6);
    let body = form.prop_map(|form| {
        form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish().into_bytes()
    });
    let body = prop_oneof![5 => body, 1 => vec(any::<u8>(), 0..60)];
    let header = proptest::option::weighted(0.3, header_text()).boxed();
    check(120, (asked(body), header.clone(), header), |(asked, signature, content_type)| {
        let mut event = asked.event(Route::Twilio, "/calls/twilio");
        let mut url = "https://calls.example.com/calls/twilio".to_owned();
        if !asked.query.is_empty() {
            write!(url, "?{}", asked.query).unwrap();
        }
        let form: BTreeSet<(String, String)> =
            form_urlencoded::parse(&asked.body).into_owned().collect();
        let form: Vec<(&str, &str)> = form.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let right = support::twilio::signature(TWILIO_TOKEN, &url, &form);
        event["headers"]["x-twilio-signature"] = signature.as_deref().unwrap_or(&right).into();
        if let Some(content_type) = &content_type {
            event["headers"]["content-type"] = content_type.as_str().into();
        }
        // A header that is no ASCII is as good as none.
        let signed = signature.as_ref().is_none_or(|it| it.is_ascii());
        let expected = match (&signature, &content_type) {
            (_, Some(_)) if signed => 400,
            (None, None) => 200,
            _ => 403,
        };
        let given: Vec<&str> = form.iter().map(|(_, value)| *value).collect();
        let given = given.join(" ");
        for (status, answer) in ask(&stages, &event, &given) {
            assert_eq!(status, expected, "{answer}");
            assert_eq!(status == 200, answer.starts_with("<?xml"), "{answer}");
            assert!(!answer.contains("<Dial"), "{answer}");
        }
    });
}

#[test]
fn whatever_exotel_asks_is_answered_if_it_has_the_token() {
    let stages = call_stages();
    let path_text = text().prop_map(|text| text.chars().take(300).collect::<String>());
    let token = prop_oneof![3 => Just(EXOTEL_TOKEN.to_owned()), 1 => path_text];
    check(120, (asked(Just(Vec::new())), token), |(asked, token)| {
        let event = asked.event(Route::Exotel, &format!("/calls/exotel/{token}"));
        let expected = if token == EXOTEL_TOKEN { 200 } else { 403 };
        let values = form_urlencoded::parse(asked.query.as_bytes()).map(|(_, value)| value);
        let given = values.collect::<Vec<_>>().join(" ");
        for (status, answer) in ask(&stages, &event, &given) {
            let answer: Value = serde_json::from_str(&answer).unwrap();
            assert_eq!(status, expected);
            if status == 200 {
                assert_eq!(answer["destination"]["numbers"], json!([]));
            }
        }
    });
}

#[test]
fn the_agent_is_rung_for_nobody_but_the_customer() {
    let [stage, _] = call_stages();
    let numbers = stage.run(async |world| {
        let order = assigned("o-1", 1, &[("customer", CUSTOMER), ("agent", AGENT)]);
        support::world::numbers_in(&world.when_told(&order).await.announced[0])
    });
    let number = numbers["agent"].clone();
    let nearly = |right: &str| {
        let right = right.to_owned();
        (any::<Index>(), any::<char>(), 0..4_u8).prop_map(move |(at, char, how)| {
            let mut chars: Vec<char> = right.chars().collect();
            let at = at.index(chars.len());
            match how {
                0 => chars[at] = char,
                1 => chars.insert(at, char),
                2 => drop(chars.remove(at)),
                _ => {}
            }
            String::from_iter(chars)
        })
    };
    check(80, (nearly(CUSTOMER), nearly(&number)), |(caller, called)| {
        let (status, answer) = stage.run(async |world| world.when_called(&caller, &called).await);
        let rung = caller.trim() == CUSTOMER && called == number;
        assert_eq!(answer["connect_to"] == AGENT, rung, "{answer}");
        assert!([200, 400].contains(&status));
    });
}

// ---------------------------------------------------------------- Signatures

fn tokens(token: &str) -> Tokens {
    let secret = json!({ "twilio": { "auth_tokens": [token] } });
    ProviderSecret::parse(&secret.to_string()).0.twilio_webhook.unwrap()
}

type Form = BTreeMap<String, String>;

fn is_signed(token: &str, url: &str, form: &Form, signature: &str) -> bool {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    twilio::webhook::is_signed(&tokens(token), url, body.as_bytes(), signature)
}

/// A URL in its parts: authority without port, port, path and query.
fn url() -> impl Strategy<Value = (String, String, String)> {
    (
        like("https?://[a-z0-9.-]{1,20}"),
        like("(:[1-9][0-9]{1,4})?"),
        like("(/[a-zA-Z0-9._~%-]{0,9}){0,3}/(\\?[a-zA-Z0-9=&%+'-]{1,20})?"),
    )
}

#[test]
fn what_was_signed_is_accepted_and_nothing_that_differs_from_it() {
    let form = btree_map(like("[a-zA-Z]{0,12}|\\PC{0,12}"), like("\\PC{0,20}"), 0..6);
    let change = (any::<Index>(), any::<Index>(), 1_u8..128);
    check(150, (url(), form, like("[0-9a-f]{1,40}"), change), |(url, form, token, change)| {
        let (host, port, path) = url;
        let url = format!("{host}{port}{path}");
        let fields: Vec<(&str, &str)> =
            form.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let signature = support::twilio::signature(&token, &url, &fields);
        assert!(is_signed(&token, &url, &form, &signature));

        // Known to be signed in more than one way: the port, and an apostrophe of the query.
        let (before_query, query) = path.split_once('?').unwrap_or((&path, ""));
        assert!(is_signed(&token, &format!("{host}:8443{path}"), &form, &{
            support::twilio::signature(&token, &format!("{host}{path}"), &fields)
        }));
        if !query.is_empty() {
            let escaped = format!("{host}{port}{before_query}?{}", query.replace('\'', "%27"));
            let signature = support::twilio::signature(&token, &escaped, &fields);
            assert!(is_signed(&token, &url, &form, &signature));
        }

        let (at, which, bits) = change;
        for (start, part) in [(0, &host), (host.len() + port.len(), &path)] {
            let at = start + at.index(part.len());
            let Some(changed) = with_another_byte(&url, at, bits) else { continue };
            assert!(!is_signed(&token, &changed, &form, &signature), "{changed}");
        }
        let changed = with_another_byte(&signature, at.index(signature.len()), bits);
        if let Some(changed) = changed {
            assert!(!is_signed(&token, &url, &form, &changed), "{changed}");
        }
        let changed = with_another_byte(&token, at.index(token.len()), bits);
        if let Some(changed) = changed {
            assert!(!is_signed(&changed, &url, &form, &signature), "{changed}");
        }
        if form.is_empty() {
            return;
        }
        let (key, value) = fields[which.index(fields.len())];
        let mut removed = form.clone();
        removed.remove(key);
        let mut others = vec![];
        if !(key.is_empty() && value.is_empty()) {
            others.push(removed.clone());
        }
        if let Some(changed) = with_another_byte(key, at.index(key.len().max(1)), bits)
            && !form.contains_key(&changed)
        {
            let mut other = removed.clone();
            other.insert(changed, value.to_owned());
            others.push(other);
        }
        if let Some(changed) = with_another_byte(value, at.index(value.len().max(1)), bits) {
            let mut other = removed;
            other.insert(key.to_owned(), changed);
            others.push(other);
        }
        for other in others {
            assert!(!is_signed(&token, &url, &other, &signature), "{other:?}");
        }
    });
}

/// The text with some bits of one byte turned; none if that makes no text.
fn with_another_byte(text: &str, at: usize, bits: u8) -> Option<String> {
    let mut bytes = text.as_bytes().to_vec();
    *bytes.get_mut(at)? ^= bits;
    String::from_utf8(bytes).ok()
}

// ---------------------------------------------------------------- Messages' attributes

#[test]
fn whatever_a_message_says_of_its_deliveries_does_no_harm() {
    check(500, (proptest::option::of(text()), text(), text()), |(body, count, first)| {
        let mut message = SqsMessage::default();
        message.body = body;
        message.attributes.insert("ApproximateReceiveCount".to_owned(), count);
        message.attributes.insert("ApproximateFirstReceiveTimestamp".to_owned(), first);
        let _ = lambda_support::sqs::receive_count(&message);
        let _ = lambda_support::sqs::first_received_at(&message);
        let _ = order_events::Intake::read(&message);
    });
}

// ---------------------------------------------------------------- Providers' answers

/// What a provider answers to whatever it is asked.
#[derive(Clone, Debug)]
struct Reply {
    status: u16,
    retry_after: Option<String>,
    body: Vec<u8>,
}

/// A provider that may answer anything.
#[derive(Clone)]
struct Odd {
    base_url: String,
    reply: Arc<Mutex<Reply>>,
}

impl Odd {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base_url = format!("http://{}", listener.local_addr().unwrap());
        let reply = Arc::new(Mutex::new(Reply { status: 200, retry_after: None, body: vec![] }));
        let answers = Arc::clone(&reply);
        let app = Router::new().fallback(move || std::future::ready(Self::answer(&answers)));
        tokio::spawn(async { axum::serve(listener, app).await });
        Self { base_url, reply }
    }

    fn answer(reply: &Mutex<Reply>) -> (StatusCode, [(HeaderName, HeaderValue); 1], Vec<u8>) {
        let reply = reply.lock().unwrap().clone();
        let header = match reply.retry_after {
            Some(wait) => ("retry-after", wait),
            None => ("x-none", String::new()),
        };
        let value = HeaderValue::from_str(&header.1).unwrap();
        let status = StatusCode::from_u16(reply.status).unwrap();
        (status, [(HeaderName::from_static(header.0), value)], reply.body)
    }

    fn secret(&self) -> Value {
        json!({
            "twilio": {"account_sid": ACCOUNT, "auth_tokens": [PASSWORD], "base_url": self.base_url},
            "exotel": {
                "account_sid": ACCOUNT, "api_key": API_KEY, "api_token": PASSWORD, "app_id": "42",
                "country": "IN", "base_url": self.base_url,
            },
        })
    }
}

const TAG: &str = "masking/in-blr";

/// A list of what the account has, in the way of both providers at once.
fn listed() -> impl Strategy<Value = Value> {
    let number = (phone(), like("PN[0-9]{4}"), select(vec![TAG, "other"]), any::<bool>());
    (vec(number, 0..4), any::<bool>()).prop_map(|(numbers, size)| {
        let entry = |(number, sid, tag, country): &(String, String, &str, bool)| {
            json!({
                "phone_number": number, "sid": sid, "friendly_name": tag,
                "country": country.then_some("IN"),
            })
        };
        let numbers: Vec<Value> = numbers.iter().map(entry).collect();
        json!({
            "incoming_phone_numbers": numbers, "available_phone_numbers": numbers,
            "next_page_uri": null, "page": 0, "page_size": size.then_some(50),
        })
    })
}

fn reply() -> impl Strategy<Value = Reply> {
    let error = (any::<i32>(), text(), any::<bool>()).prop_map(|(code, text, twilio)| {
        if twilio {
            json!({"code": code, "message": text, "status": 400})
        } else {
            json!({"RestException": {"Code": code.to_string(), "Message": text}})
        }
    });
    let body = prop_oneof![
        1 => vec(any::<u8>(), 0..60),
        1 => any_json().prop_map(|value| value.to_string().into_bytes()),
        2 => mutated(error, 0..=1).prop_map(String::into_bytes),
        4 => mutated(listed(), 0..=2).prop_map(String::into_bytes),
        1 => mutated(listed().prop_map(|list| list["incoming_phone_numbers"].clone()), 0..=2)
            .prop_map(String::into_bytes),
        1 => mutated(listed().prop_map(|list| list["incoming_phone_numbers"][0].clone()), 0..=2)
            .prop_map(String::into_bytes),
    ];
    let status = prop_oneof![
        4 => Just(200_u16),
        1 => select(vec![201, 204, 301, 304, 400, 401, 403, 404, 409, 429, 451, 500, 503, 599]),
    ];
    let retry_after = prop_oneof![
        3 => Just(None),
        1 => select(vec!["0", "-1", "18446744073709551615", "1e9", "soon", "", "60, 60"])
            .prop_map(|wait| Some(wait.to_owned())),
    ];
    (status, retry_after, body).prop_map(|(status, retry_after, body)| Reply {
        status,
        retry_after,
        body,
    })
}

/// Whether this list says all that there is, and says it in the documented form.
fn is_whole(reply: &Reply) -> bool {
    let list: Value = serde_json::from_slice(&reply.body).unwrap_or_default();
    let entries = list["incoming_phone_numbers"].as_array();
    (200..300).contains(&reply.status)
        && entries.is_some_and(|entries| {
            entries.iter().all(|entry| {
                entry["sid"].is_string()
                    && entry["phone_number"].is_string()
                    && (entry["friendly_name"].is_string() || entry["friendly_name"].is_null())
            })
        })
}

#[test]
fn whatever_a_provider_answers_its_list_is_whole_only_if_it_says_so_and_no_phone_is_told() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let odd = runtime.block_on(Odd::start());
    let secret = ProviderSecret::parse(&odd.secret().to_string()).0;
    let client = carriers::client().unwrap();
    let apis = [
        NumberApi::twilio(client.clone(), &secret.twilio_account.unwrap()),
        NumberApi::exotel(client, &secret.exotel_account.unwrap()),
    ];
    let terms = Terms {
        tag: TAG.to_owned(),
        voice_url: "https://calls.example.com/calls/twilio".to_owned(),
        fallback_url: None,
        address_sid: None,
        bundle_sid: None,
    };
    let number: Number = "+918000000001".parse().unwrap();
    check(80, reply(), |reply| {
        *odd.reply.lock().unwrap() = reply.clone();
        let mut told = String::new();
        for api in &apis {
            // Long enough for an answer, too short to ask again.
            let soon = || Instant::now() + Duration::from_millis(240);
            runtime.block_on(async {
                match api.owned(TAG, soon()).await {
                    Ok(listing) if listing.is_complete() => assert!(is_whole(&reply)),
                    Ok(listing) => write!(told, "{}", listing.cut_short.unwrap()).unwrap(),
                    Err(error) => write!(told, "{error} {}", error.problem).unwrap(),
                }
                match api.available("IN", NumberType::Local, 3, soon()).await {
                    Ok(numbers) => assert!(numbers.len() <= 3),
                    Err(error) => write!(told, "{error} {}", error.problem).unwrap(),
                }
                match api.buy(&number, &terms, soon()).await {
                    Ok(owned) => assert_eq!(owned.number, number),
                    Err(error) => write!(told, "{error}").unwrap(),
                }
            });
        }
        for digits in phones_in(&String::from_utf8_lossy(&reply.body)) {
            // A code of the provider's may have up to ten digits.
            assert!(digits.len() <= 10 || !told.contains(digits), "{told}");
        }
    });
}

/// A world whose one pool rents from a provider that may answer anything, and has one
/// number of it.
fn rented_stage(provider: &str) -> (Stage, Odd) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let (odd, world) = runtime.block_on(async {
        let pools = json!([{"id": "in-blr", "provider": provider, "country": "IN", "shards": 1}]);
        (Odd::start().await, World::with_pools(&pools))
    });
    world.given_provider_secret(Some(&odd.secret()));
    let stage = Stage { runtime, world };
    let list = json!({
        "incoming_phone_numbers": [
            {"sid": "PN1", "phone_number": "+918000000001", "friendly_name": TAG},
        ],
        "next_page_uri": null,
    });
    check_pool(
        &stage,
        &odd,
        &Reply { status: 200, retry_after: None, body: list.to_string().into() },
    );
    assert_eq!(stage.rows().len(), 1, "the number was added");
    (stage, odd)
}

fn check_pool(stage: &Stage, odd: &Odd, reply: &Reply) {
    *odd.reply.lock().unwrap() = reply.clone();
    let told = stage.run(async |world| {
        let check = json!({"type": "pool.check", "pool": "in-blr"}).to_string();
        world.when_refill_receives_within(&check, Duration::from_millis(240)).await
    });
    assert_eq!((told.again, told.refused.len()), (0, 0), "a check never fails");
}

#[test]
fn an_answer_of_a_provider_that_is_no_list_withdraws_no_number() {
    for provider in ["twilio", "exotel"] {
        let rented = RefCell::new(rented_stage(provider));
        check(20, reply().prop_filter("is no list", |it| !is_whole(it)), |reply| {
            let (rows, log, rows_before) = {
                let (stage, odd) = &*rented.borrow();
                let rows_before = stage.rows();
                let log = stage.log_of(|| check_pool(stage, odd, &reply));
                (stage.rows(), log, rows_before)
            };
            if rows != rows_before {
                // What comes next begins from the start.
                rented.replace(rented_stage(provider));
            }
            assert_eq!(rows, rows_before);
            assert!(log.contains("a check stopped"), "{log}");
        });
    }
}
