//! The bill of a month.

use crate::figures::real;
use crate::replay::ReplayResult;

/// Prices in dollars.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Prices {
    /// The rent of a number for a month.
    pub(crate) number: f64,
    /// A million write units.
    pub(crate) million_writes: f64,
    /// A million read units.
    pub(crate) million_reads: f64,
}

/// The bill of a month of 30 days.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Bill {
    /// Write units of the tables.
    pub(crate) write_units: f64,
    /// Read units of the tables, without those of calls.
    pub(crate) read_units: f64,
    /// The rent of the numbers, in dollars.
    pub(crate) numbers: f64,
    /// The price of both kinds of unit, in dollars.
    pub(crate) tables: f64,
}

impl Bill {
    /// The bill of a month of days like the replayed ones.
    pub(crate) fn of(replayed: &ReplayResult, days: f64, prices: &Prices) -> Self {
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

    /// The sum, in dollars.
    pub(crate) fn total(&self) -> f64 {
        self.numbers + self.tables
    }
}
