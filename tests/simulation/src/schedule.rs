//! What happens in a world, drawn from a seed.

use fastrand::Rng;
use masking::Allocation;
use serde_json::{Value, json};
use support::story;

/// A world's settings and what happens in it.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The seed that it was drawn from.
    pub seed: u64,
    /// How the pool's numbers are shared out at first.
    pub allocation: Allocation,
    /// The pool's cool-down, in seconds.
    pub cooldown: u64,
    /// The pool's grace, in seconds.
    pub grace: u64,
    /// Numbers that the pool begins with.
    pub numbers: usize,
    /// How often a request fails, in thousandths.
    pub fault_rate: u32,
    /// What happens.
    pub ops: Vec<Op>,
}

/// One thing that happens. Each carries what its own faults are drawn from, so
/// that leaving one out changes no other.
#[derive(Clone, Debug)]
pub struct Op {
    /// What the faults and choices in it are drawn from.
    pub seed: u64,
    /// What it is.
    pub kind: Kind,
}

/// What can happen.
#[derive(Clone, Debug)]
pub enum Kind {
    /// The order system tells something, on the queue where it belongs.
    Tell(Value),
    /// Functions take messages and work at the same time, while people call.
    Work {
        /// How many batches are taken.
        batches: usize,
        /// Who calls meanwhile: phone and number by index.
        calls: Vec<(usize, usize)>,
    },
    /// Time goes by, in seconds.
    Pass(u64),
    /// An operator imports numbers.
    Import(usize),
    /// An operator withdraws the number of that index.
    Withdraw(usize),
    /// A pool is checked.
    Check,
    /// The pool becomes shared, or exclusive; environments learn of it one by one.
    Move(Allocation),
}

/// The phones of the world; orders share them.
pub(crate) fn phone(index: usize) -> String {
    format!("+62812000{index:05}")
}

/// The numbers of the world.
pub(crate) fn number(index: usize) -> String {
    format!("+62215{index:05}")
}

pub(crate) const PHONES: usize = 6;
const OPS: usize = 50;

impl Schedule {
    /// Draws a world.
    pub fn draw(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let orders = rng.usize(1..=3);
        let numbers = rng.usize(2..=10);
        let both = [Allocation::Exclusive, Allocation::Shared];
        let mut world = Drawing {
            versions: vec![0; orders],
            closed: vec![false; orders],
            moves: rng.u32(0..4) == 0,
        };
        let ops = (0..OPS).map(|_| {
            let kind = world.kind(&mut rng);
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
    /// As many calls as there are people who might.
    fn work(rng: &mut Rng) -> Self {
        let calls = (0..rng.usize(0..3)).map(|_| (rng.usize(0..PHONES), rng.usize(0..12)));
        let calls = calls.collect();
        Self::Work { batches: rng.usize(1..=3), calls }
    }
}

/// What the order system has told so far.
struct Drawing {
    versions: Vec<u64>,
    closed: Vec<bool>,
    /// Whether the pool's allocation changes while orders live.
    moves: bool,
}

impl Drawing {
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

    /// An order's next event. Its versions grow, though events may be told late.
    fn tell(&mut self, rng: &mut Rng) -> Kind {
        let order = rng.usize(0..self.versions.len());
        self.versions[order] += rng.u64(1..4);
        let (order_id, version) = (format!("o-{order}"), self.versions[order]);
        let kind = match rng.u32(0..100) {
            // Few orders are told anything after their end.
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
            // Resolved when it is told: seconds from then.
            event["lives"] = (*rng.choice(&[0, 30, 120, 3600, 80_000]).expect("a choice")).into();
        }
        Kind::Tell(event)
    }
}
