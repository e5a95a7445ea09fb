//! The account of the simulation: a stateful stand-in of the provider, behind a layer that
//! shows it wrong, loses requests and answers, and sells late.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use fastrand::Rng;
use providers::{NoReply, ProviderReply, Transport};
use serde_json::json;
use support::provider::{Call, FakeProvider, OwnedNumber, Stock, reply_from, request_from};
use tokio::time::{Instant, sleep};

use super::schedule::{Mood, Schedule};
use super::{MOST, PLACES, letters};
use crate::report::Report;

/// The first second of a simulation.
const BEGINNING: u64 = 1_795_420_800;

/// A step of an environment's life.
pub(super) type Step = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The provider, and what is wrong with it.
pub(crate) struct Account {
    pub(crate) provider: FakeProvider,
    began: Instant,
    state: Mutex<State>,
    /// Requests are carried out one after the other.
    turn: tokio::sync::Mutex<()>,
}

struct State {
    rng: Rng,
    fault_rate: u32,
    mood: Mood,
    /// When a mood that ends is over.
    mood_until: u64,
    /// The account's numbers at moments of the past.
    past: VecDeque<(u64, Vec<OwnedNumber>)>,
    /// When each stack last asked for a number, and was told that it is not there.
    asked: HashMap<(usize, String), u64>,
    /// The ids of the numbers that people put under each tag by hand.
    by_hand: HashMap<String, HashSet<String>>,
    counted: BTreeMap<&'static str, u64>,
    faults: BTreeMap<&'static str, u64>,
    requests: u64,
    violations: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Fine,
    NotSent,
    LoseRequest,
    LoseAnswer,
    Late,
    Refuse(u16),
    Silence,
    WebPage,
}

impl Account {
    pub(super) fn open(schedule: &Schedule) -> Arc<Self> {
        let mut stock = Stock::new();
        stock.now = BEGINNING;
        stock.resells = schedule.resells;
        stock.renames = schedule.renames;
        stock.page_size = schedule.page_size;
        stock.for_sale = (0..60).map(|n| format!("+9180000001{n:02}")).collect();
        Arc::new(Self {
            provider: FakeProvider::with(stock),
            began: Instant::now(),
            turn: tokio::sync::Mutex::new(()),
            state: Mutex::new(State {
                rng: Rng::with_seed(0),
                fault_rate: schedule.fault_rate,
                mood: Mood::Fresh,
                mood_until: u64::MAX,
                past: VecDeque::from([(BEGINNING, Vec::new())]),
                asked: HashMap::new(),
                by_hand: HashMap::new(),
                counted: BTreeMap::new(),
                faults: BTreeMap::new(),
                requests: 0,
                violations: Vec::new(),
            }),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nobody panicked")
    }

    pub(super) fn reseed(&self, seed: u64) {
        self.state().rng = Rng::with_seed(seed);
    }

    pub(super) fn elapsed(&self) -> u64 {
        self.began.elapsed().as_secs()
    }

    pub(super) fn now(&self) -> u64 {
        BEGINNING + self.elapsed()
    }

    pub(super) async fn seconds_pass(&self, seconds: u64) {
        sleep(Duration::from_secs(seconds)).await;
    }

    pub(super) fn set_mood(&self, mood: Mood) {
        let until = if let Mood::Blank(seconds) = mood { self.now() + seconds } else { u64::MAX };
        let mut state = self.state();
        (state.mood, state.mood_until) = (mood, until);
    }

    /// No request fails any more, and lists show the account as it is.
    pub(super) fn calm(&self) {
        self.set_mood(Mood::Fresh);
        self.state().fault_rate = 0;
    }

    /// Whether one more request fails.
    pub(super) fn fails(&self) -> bool {
        let mut state = self.state();
        let rate = state.fault_rate;
        state.rng.u32(0..1000) < rate
    }

    pub(super) fn pick(&self, count: usize) -> usize {
        self.state().rng.usize(0..count)
    }

    pub(super) fn verdict(&self) -> Result<(), Vec<String>> {
        let found = self.state().violations.clone();
        if found.is_empty() { Ok(()) } else { Err(found) }
    }

    /// How many numbers the account has under each tag.
    pub(super) fn tally(&self) -> String {
        let mut tally = BTreeMap::<String, usize>::new();
        for owned in self.provider.owned() {
            *tally.entry(owned.tag).or_default() += 1;
        }
        format!("{tally:?}")
    }

    pub(super) fn moved_by_hand(&self, sid: &str, tag: &str) {
        self.state().by_hand.entry(letters(tag)).or_default().insert(sid.to_owned());
    }

    pub(super) fn report(&self) -> Report {
        let state = self.state();
        let mut counted = state.counted.clone();
        *counted.entry("numbers bought").or_default() +=
            u64::try_from(self.provider.purchases().len()).unwrap_or(0);
        let (checks, faults) = (state.requests, state.faults.clone());
        Report { checks, faults, counted, ..Report::default() }
    }

    /// The way of a stack to the provider.
    pub(super) fn transport(
        self: &Arc<Self>,
        stack: usize,
        step: impl Fn() -> Step + Send + Sync + 'static,
    ) -> Transport {
        let this = Arc::clone(self);
        let step = Arc::new(step);
        Transport::new(move |request| {
            let (this, step) = (Arc::clone(&this), Arc::clone(&step));
            Box::pin(async move {
                step().await;
                let answer = this.answer(stack, request).await;
                step().await;
                answer
            })
        })
    }

    async fn answer(
        self: Arc<Self>,
        stack: usize,
        request: http::Request<Vec<u8>>,
    ) -> Result<ProviderReply, NoReply> {
        let call = Call::of(&request);
        let (fate, delay, late) = {
            let mut state = self.state();
            let fate = state.draw(call);
            (fate, state.rng.u64(1..400), state.rng.u64(1..3000))
        };
        sleep(Duration::from_millis(delay)).await;
        match fate {
            Fate::Fine => Ok(self.apply(stack, call, request).await),
            Fate::NotSent => Err(NoReply::NotSent("no connection".into())),
            Fate::LoseRequest => Err(NoReply::Lost("the request was lost".into())),
            Fate::LoseAnswer => {
                self.apply(stack, call, request).await;
                Err(NoReply::Lost("the answer was lost".into()))
            }
            Fate::Late => {
                tokio::spawn(async move {
                    sleep(Duration::from_secs(late)).await;
                    self.apply(stack, call, request).await;
                });
                Err(NoReply::Lost("the request was given up".into()))
            }
            Fate::Refuse(status) => Ok(refusal(status)),
            Fate::Silence => std::future::pending().await,
            Fate::WebPage => Ok(ProviderReply { body: b"<html>".to_vec(), ..refusal(200) }),
        }
    }

    /// Carries a request out, and checks what it changed.
    async fn apply(
        &self,
        stack: usize,
        call: Call,
        request: http::Request<Vec<u8>>,
    ) -> ProviderReply {
        let _turn = self.turn.lock().await;
        let now = self.now();
        self.provider.stock().now = now;
        let number = asked_number(&request);
        let reply = match self.view(call, &request) {
            View::Real => reply_from(self.provider.answer_to(request_from(request)).await).await,
            View::Other(stock) => {
                reply_from(FakeProvider::with(*stock).answer_to(request_from(request)).await).await
            }
            View::Error => refusal(500),
        };
        let mut state = self.state();
        state.requests += 1;
        if let (Call::Ask, Some(number)) = (call, number) {
            state.asked.insert((stack, number), now);
        }
        let before = state.past.back().map(|(_, owned)| owned.clone()).unwrap_or_default();
        let after = self.provider.owned();
        state.inspect(stack, &before, &after);
        state.remember(now, after);
        reply
    }

    fn view(&self, call: Call, request: &http::Request<Vec<u8>>) -> View {
        let now = self.now();
        let mut state = self.state();
        if state.mood_until <= now {
            (state.mood, state.mood_until) = (Mood::Fresh, u64::MAX);
        }
        let with = |owned: Vec<OwnedNumber>| {
            let mut stock = self.provider.stock().clone();
            stock.owned = owned;
            View::Other(Box::new(stock))
        };
        match (call, state.mood) {
            (Call::List, Mood::Lagging(seconds)) => {
                let moment = now - seconds.min(now - BEGINNING);
                let past = state.past.iter().rev().find(|(at, _)| *at <= moment);
                with(past.map(|(_, owned)| owned.clone()).unwrap_or_default())
            }
            (Call::List | Call::Read, Mood::Blank(_)) => with(Vec::new()),
            (Call::List, Mood::CutShort) if is_later_page(request) => View::Error,
            _ => View::Real,
        }
    }

    /// Notes a change by hand, which nobody has to answer for.
    pub(super) fn changed_by_hand(&self) {
        let (now, owned) = (self.now(), self.provider.owned());
        self.state().remember(now, owned);
    }
}

enum View {
    Real,
    Other(Box<Stock>),
    Error,
}

impl State {
    fn draw(&mut self, call: Call) -> Fate {
        if self.fault_rate <= self.rng.u32(0..1000) {
            return Fate::Fine;
        }
        let (name, fate) = match self.rng.u32(0..8) {
            0 => ("requests were not sent", Fate::NotSent),
            1 => ("requests were lost", Fate::LoseRequest),
            2 => ("answers were lost", Fate::LoseAnswer),
            3 if call == Call::Buy => ("orders were carried out late", Fate::Late),
            3 | 4 => ("requests were refused with 429", Fate::Refuse(429)),
            5 => ("requests were refused with 500", Fate::Refuse(500)),
            6 => ("requests were never answered", Fate::Silence),
            _ => ("answers were web pages", Fate::WebPage),
        };
        *self.faults.entry(name).or_default() += 1;
        fate
    }

    /// Checks what a request of a stack changed.
    fn inspect(&mut self, stack: usize, before: &[OwnedNumber], after: &[OwnedNumber]) {
        let is_own = |tag: &str| {
            let own = PLACES.iter().filter(|place| place.stack == stack);
            tag == "unclaimed"
                || own.map(|place| place.tag()).any(|own| letters(&own) == letters(tag))
        };
        for old in before {
            let new = after.iter().find(|new| new.sid == old.sid);
            let is_same =
                new.is_some_and(|new| new.tag == old.tag && new.voice_url == old.voice_url);
            if is_same || is_own(&old.tag) {
                continue;
            }
            // Between the question whether the account has a number and the moment in which
            // its order is carried out, somebody else may buy it. Nothing prevents that.
            let asked = self.asked.get(&(stack, old.number.clone()));
            if new.is_some() && asked.is_some_and(|asked| *asked <= old.since) {
                *self
                    .counted
                    .entry("numbers taken in the moment of their purchase")
                    .or_default() += 1;
                continue;
            }
            self.violations.push(format!("stack {stack} changed {old:?} to {new:?}"));
        }
        for place in PLACES {
            let tag = letters(&place.tag());
            let of_the_pool: Vec<_> =
                after.iter().filter(|owned| letters(&owned.tag) == tag).collect();
            let by_hand = self.by_hand.get(&tag);
            let by_hand =
                of_the_pool.iter().filter(|it| by_hand.is_some_and(|ids| ids.contains(&it.sid)));
            let (paid, most) = (of_the_pool.len(), MOST + by_hand.count());
            if most < paid {
                self.violations.push(format!("{place:?} has {paid} numbers of at most {most}"));
            }
        }
    }

    fn remember(&mut self, now: u64, owned: Vec<OwnedNumber>) {
        if self.past.back().is_none_or(|(_, last)| *last != owned) {
            self.past.push_back((now, owned));
        }
    }
}

fn refusal(status: u16) -> ProviderReply {
    let mut headers = http::HeaderMap::new();
    if status == 429 {
        headers.insert(http::header::RETRY_AFTER, http::HeaderValue::from_static("90"));
    }
    let status = http::StatusCode::from_u16(status).expect("a status");
    ProviderReply { status, headers, body: json!({"code": 1}).to_string().into_bytes() }
}

fn asked_number(request: &http::Request<Vec<u8>>) -> Option<String> {
    let query = request.uri().query()?;
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.find(|(name, _)| name == "PhoneNumber").map(|(_, number)| number.into_owned())
}

fn is_later_page(request: &http::Request<Vec<u8>>) -> bool {
    let query = request.uri().query().unwrap_or_default();
    let mut pairs = form_urlencoded::parse(query.as_bytes());
    pairs.any(|(name, page)| name == "Page" && page != "0")
}
