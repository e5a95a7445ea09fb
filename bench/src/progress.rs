//! Shows the current step to a person at a terminal, on one line.

use std::io::{IsTerminal as _, Write as _, stderr};
use std::sync::Mutex;
use std::time::Instant;

/// The time of the last message.
static LAST: Mutex<Option<Instant>> = Mutex::new(None);

/// Shows the current step. Without a terminal, prints a line a few times a minute.
pub(crate) fn step(what: &str) {
    let mut last = LAST.lock().expect("nobody panicked");
    let watched = stderr().is_terminal();
    let pause = if watched { 0.05 } else { 15.0 };
    if last.is_some_and(|last| last.elapsed().as_secs_f64() < pause) {
        return;
    }
    *last = Some(Instant::now());
    let mut stderr = stderr();
    let _ = if watched {
        write!(stderr, "\r\x1b[2K  {what}").and_then(|()| stderr.flush())
    } else {
        writeln!(stderr, "  {what}")
    };
}

/// Clears the line.
pub(crate) fn done() {
    if stderr().is_terminal() {
        let _ = write!(stderr(), "\r\x1b[2K");
    }
}
