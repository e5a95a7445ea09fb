//! What the handlers log during a test, at the level and in the form in which they
//! log when deployed.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

/// The lines logged on this thread while it exists.
#[derive(Debug)]
pub struct Logs {
    lines: Lines,
    _guard: DefaultGuard,
}

#[derive(Clone, Debug, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Logs {
    /// Begins to listen.
    pub fn listen() -> Self {
        let lines = Lines::default();
        let subscriber =
            tracing_subscriber::fmt().json().with_writer(lines.clone()).with_ansi(false).finish();
        Self { _guard: tracing::subscriber::set_default(subscriber), lines }
    }

    /// What was logged so far.
    pub fn text(&self) -> String {
        let bytes = self.lines.0.lock().expect("nobody panicked").clone();
        String::from_utf8(bytes).expect("logs are UTF-8")
    }
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

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}
