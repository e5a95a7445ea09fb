//! The settings of a pool that a plan recommends, with a reserve.

use std::fmt::{self, Display, Formatter};

use crate::figures::{real, whole};

/// The reserve, as a share of the numbers needed: a tenth, since days differ.
pub(crate) const SPARE: f64 = 0.1;
/// The reserve of a shared pool for claims: a half, since numbers are drawn at random and a
/// larger reserve is cheap.
pub(crate) const SPARE_FOR_CLAIMS: f64 = 0.5;

/// The settings of a pool. Prints itself as the fields of the parameter `Pools`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) target_free: u64,
    pub(crate) min_free: u64,
    pub(crate) max_numbers: u64,
}

impl Settings {
    /// Of an exclusive pool of which `needed` numbers are held or cool at once, and whose
    /// busiest quarter of an hour asks for `of_busiest_quarter` free ones.
    ///
    /// Such a day leaves the reserve free, so `min_free` is the reserve: low water is a sign
    /// that the day is busier.
    pub(crate) fn exclusive(needed: u64, of_busiest_quarter: u64) -> Self {
        let spare = part(needed, SPARE);
        let target_free = of_busiest_quarter + spare;
        Self { target_free, min_free: spare, max_numbers: needed + target_free }
    }

    /// Of a shared pool of which claims need `for_claims` numbers and people, if they need
    /// more, `for_people`. Each has its own reserve.
    pub(crate) fn shared(for_claims: u64, for_people: Option<u64>) -> Self {
        let with_reserve = |needed, share| needed + part(needed, share);
        let target_free = with_reserve(for_claims, SPARE_FOR_CLAIMS)
            .max(for_people.map_or(0, |needed| with_reserve(needed, SPARE)));
        let min_free = for_people.unwrap_or(for_claims);
        Self { target_free, min_free, max_numbers: target_free }
    }
}

impl Display for Settings {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self { target_free, min_free, max_numbers } = self;
        write!(
            f,
            "\"target_free\":{target_free}, \"min_free\":{min_free}, \"max_numbers\":{max_numbers}"
        )
    }
}

fn part(needed: u64, share: f64) -> u64 {
    whole((real(needed) * share).ceil())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exclusive_pool_has_its_reserve_above_the_busiest_quarter_and_room_for_all_numbers() {
        let settings = Settings::exclusive(1000, 70);
        assert_eq!(
            settings.to_string(),
            r#""target_free":170, "min_free":100, "max_numbers":1170"#
        );
    }

    #[test]
    fn a_shared_pool_has_a_half_more_for_claims_and_a_tenth_more_for_people() {
        for (people, expected) in [
            (None, r#""target_free":80, "min_free":53, "max_numbers":80"#),
            (Some(60), r#""target_free":80, "min_free":60, "max_numbers":80"#),
            (Some(500), r#""target_free":550, "min_free":500, "max_numbers":550"#),
        ] {
            assert_eq!(Settings::shared(53, people).to_string(), expected);
        }
    }
}
