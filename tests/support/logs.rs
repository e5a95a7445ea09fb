//! The log of the handlers during a test, at the level and in the form of a deployed function.

use std::cell::RefCell;
use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use journal::Journal;
use tracing::subscriber::DefaultGuard;

/// The log of this thread while the value exists.
#[derive(Debug)]
pub struct Logs {
    lines: Lines,
    _guard: DefaultGuard,
}

#[derive(Clone, Debug, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Logs {
    pub fn listen() -> Self {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt().json().with_ansi(false);
        let subscriber = subscriber.with_writer(move || writer.clone()).finish();
        JOURNAL.set(Some(lines.clone()));
        Self { _guard: tracing::subscriber::set_default(subscriber), lines }
    }

    pub fn text(&self) -> String {
        let bytes = self.lines.0.lock().expect("nobody panicked").clone();
        String::from_utf8(bytes).expect("logs are UTF-8")
    }
}

thread_local! {
    /// Where the journals of this thread write, if somebody listens.
    static JOURNAL: RefCell<Option<Lines>> = RefCell::default();
}

/// A journal that writes into the log of the thread on which it is used.
pub fn journal() -> Journal {
    Journal::new("masking", || -> Box<dyn Write> {
        match JOURNAL.with_borrow(Option::clone) {
            Some(lines) => Box::new(lines),
            None => Box::new(io::sink()),
        }
    })
}

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("nobody panicked").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
