//! What a month costs.

use crate::figures::real;
use crate::replay::Replayed;

/// What is charged, in dollars.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Prices {
    /// A number, for a month.
    pub(crate) number: f64,
    /// A million write units.
    pub(crate) million_writes: f64,
    /// A million read units.
    pub(crate) million_reads: f64,
}

/// The bill of a month of 30 days.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bill {
    /// Write units.
    pub(crate) write_units: f64,
    /// Read units.
    pub(crate) read_units: f64,
    /// The rent of the numbers.
    pub(crate) numbers: f64,
    /// What the tables charge for both kinds of unit.
    pub(crate) tables: f64,
}

impl Bill {
    /// The bill of a month of days like those that were replayed.
    pub(crate) fn of(replayed: &Replayed, days: f64, prices: &Prices) -> Self {
        let a_month = |units: u64| real(units) / days * 30.0;
        let write_units = a_month(replayed.units_to_assign + replayed.units_to_complete);
        let read_units = a_month(replayed.units_to_read);
        Self {
            write_units,
            read_units,
            numbers: real(replayed.numbers) * prices.number,
            tables: (write_units * prices.million_writes + read_units * prices.million_reads) / 1e6,
        }
    }

    /// All of it.
    pub(crate) fn total(&self) -> f64 {
        self.numbers + self.tables
    }
}
