//! Time that passes only while something is waited for: computing takes none.
//!
//! 64 processes on a few processors would wait for the processors, not for DynamoDB. So the
//! real handlers and SDK clients run in this process, and each request takes as long as
//! DynamoDB takes, on tokio's paused clock.

use lambda_support::Clock;
use tokio::time::Instant;

/// The first second of the virtual clock.
const BEGINNING: u64 = 1_795_420_800;

/// Runs something on a paused clock, which skips idle time. It needs a thread of its own,
/// since this one runs another runtime.
pub(crate) fn in_virtual_time<Work, T>(work: impl FnOnce() -> Work + Send) -> T
where
    Work: Future<Output = T>,
    T: Send,
{
    let work = || {
        // The same draws in every run.
        fastrand::seed(1);
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.enable_time().start_paused(true).build().expect("a runtime");
        runtime.block_on(work())
    };
    std::thread::scope(|scope| scope.spawn(work).join().expect("it works"))
}

/// A clock of functions that run in virtual time. It begins now.
pub(crate) fn clock() -> Clock {
    let begun = Instant::now();
    Clock::new(move || BEGINNING + begun.elapsed().as_secs())
}
