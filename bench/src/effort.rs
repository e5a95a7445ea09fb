//! How much a run measures.

pub(crate) struct Effort {
    /// Starts of each function, over HTTP and over HTTPS.
    pub(crate) starts: usize,
    /// Events to a function before it counts as warm.
    pub(crate) warm_up: usize,
    /// Turns of each function, and of each kind of call.
    pub(crate) rounds: usize,
    /// Events in a turn.
    pub(crate) invokes: usize,
    /// Batches of ten orders for each figure.
    pub(crate) batches: usize,
    /// The sizes of the pools whose growth is measured.
    pub(crate) pools: &'static [u64],
    /// Orders for each number of concurrent assigners.
    pub(crate) crowd_orders: usize,
    /// Orders that share a pool; three tenths as many agents.
    pub(crate) sharing_orders: u64,
    /// Orders that wait for a dry pool.
    pub(crate) waiting_orders: usize,
    /// Orders of another pool that are timed beside them.
    pub(crate) timed_orders: usize,
}

impl Effort {
    /// For the figures in docs/performance.md.
    pub(crate) const FULL: Self = Self {
        starts: 40,
        warm_up: 200,
        rounds: 20,
        invokes: 100,
        batches: 40,
        pools: &[1_000, 10_000, 100_000, 1_000_000],
        crowd_orders: 6_400,
        sharing_orders: 10_000,
        waiting_orders: 5_000,
        timed_orders: 10_000,
    };

    /// Enough to see that everything works. The times mean little.
    pub(crate) const QUICK: Self = Self {
        starts: 3,
        warm_up: 10,
        rounds: 2,
        invokes: 20,
        batches: 3,
        pools: &[1_000, 10_000],
        crowd_orders: 1_280,
        sharing_orders: 1_000,
        waiting_orders: 500,
        timed_orders: 1_000,
    };
}
