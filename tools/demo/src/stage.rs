//! The output of the demo at a terminal.

use std::io::{IsTerminal as _, Write as _, stderr, stdout};
use std::time::Duration;

use lambda_support::env;
use tokio::time::Instant;

/// Prints a line. A closed output, as behind `head`, is not a failure.
macro_rules! show {
    ($($text:tt)*) => {{
        let _ = writeln!(stdout(), $($text)*);
    }};
}

/// The column of the time of a step.
const WIDTH: usize = 84;
/// The width of a phone's screen, in characters.
const SCREEN: usize = 19;

/// A person of the story. All people and phones are fictional.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Person {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) phone: &'static str,
}

/// Prints the story, step by step.
pub(crate) struct Stage {
    colour: bool,
    steps: usize,
    title: String,
    began: Instant,
    step_began: Instant,
}

#[derive(Clone, Copy)]
enum Paint {
    Bold,
    Dim,
    Good,
    Bad,
}

impl Stage {
    pub(crate) fn new() -> Self {
        let now = Instant::now();
        let colour = stdout().is_terminal() && env::process("NO_COLOR").is_none();
        Self { colour, steps: 0, title: String::new(), began: now, step_began: now }
    }

    /// Prints the title and the people.
    pub(crate) fn introduce(&self, people: &[Person]) {
        show!("  {}", self.paint(Paint::Bold, "Two people on one order phone each other."));
        show!("  {}", self.paint(Paint::Bold, "Neither learns the other's real number."));
        show!("");
        show!("  These people are made up. Their real phones, which no other phone will show:");
        show!("");
        for person in people {
            let phone = self.paint(Paint::Dim, &spaced(person.phone));
            show!("    {:7}{:28}{phone}", person.name, person.what);
        }
    }

    /// Begins a step. Its time is printed when it is [`Self::done`].
    pub(crate) fn begin(&mut self, title: &str) {
        self.steps += 1;
        self.step_began = Instant::now();
        title.clone_into(&mut self.title);
        let line = format!("{:>4}  {title}", self.steps);
        let _ = write!(stdout(), "\n{}{}", self.paint(Paint::Bold, &line), gap(&line, WIDTH - 6));
        // The step may take a while: show its title at once.
        let _ = stdout().flush();
    }

    /// Ends a step, and prints its time.
    pub(crate) fn done(&self) {
        show!("{}", self.paint(Paint::Dim, &seconds(self.step_began.elapsed())));
    }

    /// Shows a message to the stack, and its effect.
    pub(crate) fn messages(&self, sent: &str, came: &str) {
        let arrow = self.paint(Paint::Dim, "──▶");
        show!("      {sent}  {arrow}  {came}");
    }

    /// Shows the apps of a customer and an agent, with the number that each dials.
    pub(crate) fn apps(&self, people: (&Person, &Person), numbers: (&str, &str)) {
        show!("");
        names(&format!("{}'s app", people.0.name), &format!("{}'s app", people.1.name));
        self.edges('┌', '┐', true);
        self.screens("your agent", "", Some("your customer"));
        self.screens(&spaced(numbers.0), "", Some(&spaced(numbers.1)));
        self.edges('└', '┘', true);
    }

    /// Shows a call that rings somebody.
    pub(crate) fn rings(
        &self,
        provider: &str,
        caller: &Person,
        dialled: &str,
        rung: &Person,
        shown: &str,
    ) {
        show!("");
        names(caller.name, rung.name);
        self.edges('┌', '┐', true);
        self.screens("dials", "", Some("rings, and shows"));
        let arrow = self.paint(Paint::Good, "── connected ──▶");
        self.screens(&spaced(dialled), &arrow, Some(&spaced(shown)));
        self.edges('└', '┘', true);
        let words = format!(
            "{provider} was told to ring {} and to show {}",
            spaced(rung.phone),
            spaced(shown)
        );
        say(&self.paint(Paint::Dim, &words));
    }

    /// Shows a call that rings nobody, and what the caller hears.
    pub(crate) fn nowhere(&self, caller: &str, dialled: &str, hears: &str) {
        show!("");
        names(caller, "");
        self.edges('┌', '┐', false);
        self.screens("dials", "", None);
        let cross = self.paint(Paint::Bad, "──✗");
        let dialled = self.screen(&spaced(dialled));
        show!("      {dialled}  {cross}  {hears}");
        self.edges('└', '┘', false);
    }

    /// Prints a summary, and where to go next.
    pub(crate) fn conclude(&self, announcements: usize) {
        let (steps, time) = (self.steps, seconds(self.began.elapsed()));
        let all = format!("All {steps} steps went as the contract says, in {}.", time.trim());
        show!("");
        show!("  {}", self.paint(Paint::Good, &all));
        show!("");
        show!(
            "  Shown: the template deployed whole, events on its queues and on a Kafka topic, numbers"
        );
        show!(
            "  announced for the apps ({announcements} announcements, searched: no real phone in any),"
        );
        show!("  calls asked about with real signatures and answered in the providers' own forms.");
        show!("");
        show!("  Next:  make up      keeps the same stack running, to play with");
        show!("         README.md    shows a few calls, and how to deploy to AWS");
        show!("");
    }

    /// Prints what went wrong, on the error stream.
    pub(crate) fn fail(&self, what: &str, logged: &[String]) {
        let step = if self.steps == 0 {
            "Before the first step:".to_owned()
        } else {
            format!("Step {} failed: {}", self.steps, self.title)
        };
        let _ = writeln!(stderr(), "\n\n  {step}\n");
        for line in what.lines() {
            let _ = writeln!(stderr(), "    {line}");
        }
        if !logged.is_empty() {
            let _ = writeln!(stderr(), "\n    The functions logged:");
        }
        for line in logged {
            let _ = writeln!(stderr(), "      {line}");
        }
    }

    fn edges(&self, left: char, right: char, both: bool) {
        let edge = format!("{left}{}{right}", "─".repeat(SCREEN + 2));
        let edge = self.paint(Paint::Dim, &edge);
        let second = if both { format!("{}{edge}", " ".repeat(20)) } else { String::new() };
        show!("      {edge}{second}");
    }

    fn screens(&self, left: &str, middle: &str, right: Option<&str>) {
        let (left, right) = (self.screen(left), right.map(|right| self.screen(right)));
        let middle = if middle.is_empty() { " ".repeat(16) } else { middle.to_owned() };
        show!("{}", format!("      {left}  {middle}  {}", right.unwrap_or_default()).trim_end());
    }

    fn screen(&self, text: &str) -> String {
        let side = self.paint(Paint::Dim, "│");
        format!("{side} {text}{} {side}", gap(text, SCREEN))
    }

    fn paint(&self, paint: Paint, text: &str) -> String {
        let code = match paint {
            Paint::Bold => 1,
            Paint::Dim => 2,
            Paint::Good => 32,
            Paint::Bad => 31,
        };
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

/// Prints a line about the step.
pub(crate) fn say(text: &str) {
    show!("      {text}");
}

/// The names above two phones.
fn names(left: &str, right: &str) {
    show!("{}", format!("       {left}{}{right}", gap(left, SCREEN + 24)).trim_end());
}

/// A number in the usual Indian notation.
pub(crate) fn spaced(number: &str) -> String {
    match (number.get(..3), number.get(3..8), number.get(8..)) {
        (Some(country), Some(first), Some(second)) => format!("{country} {first} {second}"),
        _ => number.to_owned(),
    }
}

/// The spaces that pad a text to a width.
fn gap(text: &str, width: usize) -> String {
    " ".repeat(width.saturating_sub(text.chars().count()))
}

fn seconds(duration: Duration) -> String {
    format!("{:4.1} s", duration.as_secs_f64())
}
