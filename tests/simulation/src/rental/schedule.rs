//! The steps of a simulation of refill, drawn from a seed.

use fastrand::Rng;

use super::PLACES;

/// The settings of a simulation, and its steps.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// The provider of all pools.
    pub(crate) provider: &'static str,
    /// Whether an order of a number that the account has succeeds and overwrites it.
    pub(crate) resells: bool,
    /// Whether the account stores tags in another form.
    pub(crate) renames: bool,
    pub(crate) page_size: usize,
    /// How many of a thousand requests fail.
    pub(crate) fault_rate: u32,
    /// The steps.
    pub ops: Vec<Op>,
}

/// A step, with a seed for its faults.
#[derive(Clone, Debug)]
pub struct Op {
    pub(crate) seed: u64,
    pub(crate) kind: Kind,
}

/// A kind of step. Pools are indices of [`PLACES`].
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// These pools are checked at the same moment.
    Check { places: Vec<usize>, dies_after: Option<u32> },
    /// Seconds pass.
    Pass(u64),
    /// An order takes two numbers of the pool for an hour.
    Serve(usize),
    /// An operator tells this of a number of the pool `of`.
    Tell { kind: &'static str, place: usize, of: usize },
    /// Somebody does something at the provider.
    ByHand(Deed),
    /// Listings are like this from now on.
    Mood(Mood),
}

/// How the account shows itself in lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mood {
    /// As it is.
    Fresh,
    /// As it was this many seconds ago.
    Lagging(u64),
    /// Without any number, for this many seconds.
    Blank(u64),
    /// No page after the first can be read.
    CutShort,
}

/// Something that is done at the provider, by hand. Pools are indices of [`PLACES`].
#[derive(Clone, Copy, Debug)]
pub(crate) enum Deed {
    /// A number of the pool is given back.
    GiveBack(usize),
    /// A number is renamed to another pool.
    Rename { from: usize, to: usize },
    /// A number of the pool becomes a support hotline.
    Reuse(usize),
    /// A number is bought for a support hotline.
    BuyForOthers,
}

const OPS: usize = 30;

impl Schedule {
    pub(super) fn drawn(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let provider = if rng.bool() { "twilio" } else { "exotel" };
        let renames = provider == "twilio" && rng.u32(0..10) == 0;
        let fault_rate = *rng.choice(&[0, 50, 150, 300]).expect("a choice");
        Self {
            provider,
            resells: provider == "twilio" && rng.bool(),
            renames,
            page_size: *rng.choice(&[2, 50]).expect("a choice"),
            fault_rate,
            ops: (0..OPS)
                .map(|_| {
                    let kind = kind(&mut rng, fault_rate);
                    Op { seed: rng.u64(..), kind }
                })
                .collect(),
        }
    }

    pub(super) fn settings(&self) -> String {
        let Self { provider, resells, renames, page_size, fault_rate, .. } = self;
        format!(
            "{provider}, sells again {resells}, renames {renames}, pages of {page_size}, \
             {fault_rate} of 1000 requests fail"
        )
    }
}

fn kind(rng: &mut Rng, fault_rate: u32) -> Kind {
    let place = rng.usize(0..PLACES.len());
    let other = rng.usize(0..PLACES.len());
    match rng.u32(0..100) {
        0..45 => {
            let mut places: Vec<usize> = (0..PLACES.len()).collect();
            rng.shuffle(&mut places);
            places.truncate(rng.usize(1..=PLACES.len()));
            let dies = rng.u32(0..1000) < fault_rate;
            Kind::Check { places, dies_after: dies.then(|| rng.u32(1..40)) }
        }
        45..65 => {
            Kind::Pass(*rng.choice(&[10, 60, 300, 900, 900, 3600, 30_000]).expect("a choice"))
        }
        65..74 => Kind::Serve(place),
        74..80 => {
            let kind = ["pool.withdraw", "pool.retire", "pool.import"];
            Kind::Tell { kind: rng.choice(kind).expect("a choice"), place, of: other }
        }
        80..90 => Kind::ByHand(match rng.u32(0..4) {
            0 => Deed::GiveBack(place),
            1 => Deed::Rename { from: place, to: other },
            2 => Deed::Reuse(place),
            _ => Deed::BuyForOthers,
        }),
        _ => Kind::Mood(match rng.u32(0..5) {
            0 | 1 => Mood::Fresh,
            2 => Mood::Lagging(rng.u64(1..3300)),
            3 => Mood::Blank(rng.u64(60..20_000)),
            _ => Mood::CutShort,
        }),
    }
}
