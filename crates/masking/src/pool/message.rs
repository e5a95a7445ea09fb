//! Pool messages: JSON by which an operator or the schedule asks for a change of a pool.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::field::{self, Invalid};
use crate::{NotE164, Number, Pool, Pools};

/// A request of an operator or of the schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PoolMessage<'a> {
    /// Check every pool: send a [`PoolMessage::Check`] for each.
    CheckAll,
    /// Refill a pool up to its target.
    Check(&'a Pool),
    /// Put numbers that a person rented into circulation.
    Import(&'a Pool, BTreeSet<Number>),
    /// Take numbers out of circulation.
    Withdraw(&'a Pool, BTreeSet<Number>),
    /// Take numbers out of circulation, and give them back to the provider.
    Retire(&'a Pool, BTreeSet<Number>),
}

impl<'a> PoolMessage<'a> {
    /// Parses a message.
    ///
    /// # Errors
    ///
    /// Names the first wrong field. One wrong number refuses the whole message.
    pub fn parse(body: &str, pools: &'a Pools) -> Result<Self, Invalid> {
        let fields = field::message(body)?;
        let named = field::optional_string(&fields, "pool")?;
        // A message must name its pool: numbers that went to the default pool by mistake
        // would serve the wrong orders.
        let pool = || match named {
            Some(_) => pools.named(named),
            None => Err(Invalid::new("pool", "is missing")),
        };
        let numbers = || -> Result<BTreeSet<Number>, Invalid> {
            let entries = field::list(&fields, "numbers")?;
            entries.iter().enumerate().map(number).collect()
        };
        match field::string(&fields, "type")? {
            "pool.check" if named.is_none() => Ok(Self::CheckAll),
            "pool.check" => Ok(Self::Check(pool()?)),
            "pool.import" => Ok(Self::Import(pool()?, numbers()?)),
            "pool.withdraw" => Ok(Self::Withdraw(pool()?, numbers()?)),
            "pool.retire" => Ok(Self::Retire(pool()?, numbers()?)),
            _ => Err(Invalid::new("type", "is not a known type of pool message")),
        }
    }

    /// The message group that the message must have: its pool, so that the messages of one pool
    /// are handled one after the other. Two checks at the same time would both buy what is
    /// missing.
    pub fn group(&self) -> &str {
        match self {
            Self::CheckAll => "all",
            Self::Check(pool)
            | Self::Import(pool, _)
            | Self::Withdraw(pool, _)
            | Self::Retire(pool, _) => pool.id.as_str(),
        }
    }
}

fn number((index, entry): (usize, &Value)) -> Result<Number, Invalid> {
    let text = entry.as_str().unwrap_or_default();
    text.parse()
        .map_err(|error: NotE164| Invalid::new(format!("numbers[{index}]"), error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_type_of_message() {
        let pools = Pools::parse(r#"[{"id":"a"}]"#).unwrap();
        let a = pools.named(Some("a")).unwrap();
        let numbers = || BTreeSet::from(["+622150001".parse().unwrap()]);
        for (body, message) in [
            (r#"{"type":"pool.check"}"#, PoolMessage::CheckAll),
            (r#"{"type":"pool.check","pool":"a"}"#, PoolMessage::Check(a)),
            (
                r#"{"type":"pool.import","pool":"a","numbers":["+622150001","+622150001"]}"#,
                PoolMessage::Import(a, numbers()),
            ),
            (
                r#"{"type":"pool.withdraw","pool":"a","numbers":["+622150001"]}"#,
                PoolMessage::Withdraw(a, numbers()),
            ),
            (
                r#"{"type":"pool.retire","pool":"a","numbers":["+622150001"]}"#,
                PoolMessage::Retire(a, numbers()),
            ),
        ] {
            assert_eq!(PoolMessage::parse(body, &pools), Ok(message));
        }
    }

    #[test]
    fn an_error_names_the_field_and_hides_its_value() {
        let pools = Pools::parse(r#"[{"id":"a"}]"#).unwrap();
        for (body, error) in [
            ("no", "body: must be JSON"),
            ("{}", "type: is missing"),
            (r#"{"type":"+6281299998888"}"#, "type: is not a known type of pool message"),
            (
                r#"{"type":"pool.check","pool":"+6281299998888"}"#,
                "pool: must be the id of a pool of this stack",
            ),
            (r#"{"type":"pool.import","numbers":[]}"#, "pool: is missing"),
            (r#"{"type":"pool.import","pool":"a"}"#, "numbers: is missing"),
            (
                r#"{"type":"pool.import","pool":"a","numbers":"+6281299998888"}"#,
                "numbers: must be a list",
            ),
            (
                r#"{"type":"pool.import","pool":"a","numbers":["+622150001","6281299998888"]}"#,
                "numbers[1]: must be a phone number in E.164 form: `+`, then 8 to 15 digits",
            ),
            (
                r#"{"type":"pool.withdraw","pool":"a","numbers":[7]}"#,
                "numbers[0]: must be a phone number in E.164 form: `+`, then 8 to 15 digits",
            ),
        ] {
            assert_eq!(PoolMessage::parse(body, &pools).unwrap_err().to_string(), error);
        }
    }
}
