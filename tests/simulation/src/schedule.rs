//! The steps of a simulation, drawn from a seed.

use fastrand::Rng;
use masking::Allocation;
use serde_json::{Value, json};
use support::story;

/// The settings of a simulation, and its steps.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The seed of all random choices.
    pub seed: u64,
    /// The pool's allocation at the beginning.
    pub allocation: Allocation,
    /// The pool's cool-down, in seconds.
    pub cooldown: u64,
    /// The pool's grace, in seconds.
    pub grace: u64,
    /// The pool's numbers at the beginning.
    pub numbers: usize,
    /// How many of a thousand requests fail.
    pub fault_rate: u32,
    /// The steps.
    pub ops: Vec<Op>,
}

/// A step. It has its own seed, so that removing a step does not change the faults of others.
#[derive(Clone, Debug)]
pub struct Op {
    /// The seed of its faults and choices.
    pub seed: u64,
    /// The action of the step.
    pub kind: Kind,
}

/// A kind of step.
#[derive(Clone, Debug)]
pub enum Kind {
    /// The order system sends an event to its queue.
    Tell(Value),
    /// Functions handle batches at the same time, while people call.
    Work {
        /// The number of batches.
        batches: usize,
        /// The calls meanwhile: indices of phone and number.
        calls: Vec<(usize, usize)>,
    },
    /// Seconds pass.
    Pass(u64),
    /// An operator imports this number of numbers.
    Import(usize),
    /// An operator withdraws the number with this index.
    Withdraw(usize),
    /// A pool is checked.
    Check,
    /// The pool becomes shared or exclusive. Some environments keep the old settings.
    Move(Allocation),
}

/// The nth phone. Orders share phones.
pub(crate) fn phone(index: usize) -> String {
    format!("+62812000{index:05}")
}

/// The nth number.
pub(crate) fn number(index: usize) -> String {
    format!("+62215{index:05}")
}

pub(crate) const PHONES: usize = 6;
const OPS: usize = 50;

impl Schedule {
    /// Draws a schedule.
    pub(crate) fn drawn(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let orders = rng.usize(1..=3);
        let numbers = rng.usize(2..=10);
        let both = [Allocation::Exclusive, Allocation::Shared];
        let mut system = OrderSystem {
            versions: vec![0; orders],
            closed: vec![false; orders],
            moves: rng.u32(0..4) == 0,
        };
        let ops = (0..OPS).map(|_| {
            let kind = system.kind(&mut rng);
            Op { seed: rng.u64(..), kind }
        });
        let ops = ops.collect();
        Self {
            seed,
            allocation: *rng.choice(&both).expect("a choice"),
            cooldown: *rng.choice(&[0, 30, 600]).expect("a choice"),
            grace: *rng.choice(&[0, 0, 60]).expect("a choice"),
            numbers,
            fault_rate: *rng.choice(&[0, 50, 150, 300]).expect("a choice"),
            ops,
        }
    }
}

impl Kind {
    /// Up to three batches, with up to two calls meanwhile.
    fn work(rng: &mut Rng) -> Self {
        let calls = (0..rng.usize(0..3)).map(|_| (rng.usize(0..PHONES), rng.usize(0..12)));
        let calls = calls.collect();
        Self::Work { batches: rng.usize(1..=3), calls }
    }
}

/// The events of the order system so far.
struct OrderSystem {
    versions: Vec<u64>,
    closed: Vec<bool>,
    /// Whether the pool's allocation changes while orders live.
    moves: bool,
}

impl OrderSystem {
    fn kind(&mut self, rng: &mut Rng) -> Kind {
        match rng.u32(0..100) {
            0..38 => self.tell(rng),
            38..80 => Kind::work(rng),
            80..90 => Kind::Pass(*rng.choice(&[1, 5, 20, 61, 600, 3700]).expect("a choice")),
            90..93 => Kind::Import(rng.usize(1..4)),
            93..96 => Kind::Withdraw(rng.usize(0..10)),
            96..98 if self.moves => {
                Kind::Move(if rng.bool() { Allocation::Shared } else { Allocation::Exclusive })
            }
            96..98 => Kind::Check,
            _ => Kind::Pass(90_000),
        }
    }

    /// The next event of a random order. Versions grow, though deliveries may be late.
    fn tell(&mut self, rng: &mut Rng) -> Kind {
        let order = rng.usize(0..self.versions.len());
        self.versions[order] += rng.u64(1..4);
        let (order_id, version) = (format!("o-{order}"), self.versions[order]);
        let kind = match rng.u32(0..100) {
            // Few orders get an event after their end.
            _ if self.closed[order] && rng.u32(0..4) != 0 => "created",
            0..62 => "agent_assigned",
            62..80 => "agent_unassigned",
            80..88 => "completed",
            88..96 => "cancelled",
            _ => "created",
        };
        self.closed[order] |= ["completed", "cancelled"].contains(&kind);
        let mut event = story::event(kind, &order_id, version);
        if kind == "agent_assigned" {
            let mut phones: Vec<usize> = (0..PHONES).collect();
            rng.shuffle(&mut phones);
            let count = *rng.choice(&[2, 2, 2, 3, 4]).expect("a choice");
            let roles = ["customer", "agent", "merchant", "helper"];
            event["participants"] = phones
                .iter()
                .zip(roles)
                .take(count)
                .map(|(phone_index, role)| json!({"role": role, "phone": phone(*phone_index)}))
                .collect();
            // Seconds from the moment when the event is sent.
            event["lives"] = (*rng.choice(&[0, 30, 120, 3600, 80_000]).expect("a choice")).into();
        }
        Kind::Tell(event)
    }
}
