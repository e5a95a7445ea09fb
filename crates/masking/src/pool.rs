//! Pools and their rules, parsed from the `Pools` parameter of the stack.

pub(crate) mod message;

use std::fmt;

use serde_json::{Map, Value};

use crate::Phone;
use crate::field::{self, Invalid};

/// The id of a pool: 1 to 32 of `a–z 0–9 -`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PoolId(String);

/// The provider that a pool's numbers are rented from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provider {
    /// No API: a person rents the numbers and imports them.
    Manual,
    /// Twilio's API.
    Twilio,
    /// Exotel's API.
    Exotel,
}

/// The kind of number that a pool rents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NumberType {
    /// A landline number of a city or region.
    Local,
    /// A mobile number.
    Mobile,
    /// A number that is free of charge for the person who dials it.
    TollFree,
}

/// How a pool allocates its numbers to orders.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Allocation {
    /// A number serves one order at a time.
    Exclusive,
    /// A number serves many orders at a time, but only one order of each caller. These
    /// orders claim routes, and no numbers.
    Shared,
}

/// A pool and its rules.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pool {
    /// The pool's id in events, messages and tables.
    pub id: PoolId,
    /// Whether the pool serves the events that name no pool.
    pub default: bool,
    /// Where the numbers are rented.
    pub provider: Provider,
    /// The two-letter ISO 3166 code of the country to rent numbers of. Needed for buying.
    pub country: Option<String>,
    /// The kind of number that is bought.
    pub number_type: NumberType,
    /// Whether a number serves one order or many at a time.
    pub allocation: Allocation,
    /// Low water: with fewer free numbers, the pool needs a refill. In a shared pool all
    /// numbers count as free.
    pub min_free: u64,
    /// A refill stops at this many free numbers. In a shared pool all numbers count as free.
    pub target_free: u64,
    /// The most numbers that the provider's account may hold for this pool.
    pub max_numbers: u64,
    /// How long a released number or route stays unused, in seconds.
    pub cooldown_seconds: u64,
    /// How long the routes of a completed order still connect, in seconds.
    pub grace_seconds: u64,
    /// The longest time that an assignment may hold its numbers, in seconds.
    pub max_order_seconds: u64,
    /// The beginnings of the phones that the pool's orders may ring, such as `+62`. None: all
    /// phones.
    pub dial_prefixes: Vec<String>,
    /// How many keys of the index `available` the pool's numbers are spread over. May grow,
    /// but never shrink: the numbers of a dropped shard would not be found.
    pub shards: u64,
    /// Twilio's id of an address, which some countries require of a buyer.
    pub address_sid: Option<String>,
    /// Twilio's id of a regulatory bundle, which some countries require of a buyer.
    pub bundle_sid: Option<String>,
}

/// All pools of the stack: at least one, exactly one of them the default.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pools(Vec<Pool>);

const FIELDS: [&str; 16] = [
    "id",
    "default",
    "provider",
    "country",
    "number_type",
    "allocation",
    "min_free",
    "target_free",
    "max_numbers",
    "cooldown_seconds",
    "grace_seconds",
    "max_order_seconds",
    "dial_prefixes",
    "shards",
    "address_sid",
    "bundle_sid",
];

/// The longest time in `Pools`: ten years. More seconds are milliseconds by mistake.
const LONGEST_SECONDS: u64 = 315_360_000;
/// The most shards of a pool. An event queries every shard before it believes that the
/// pool is dry; more queries would outlast the function's time.
const MOST_SHARDS: u64 = 256;

impl Provider {
    const ALL: [Self; 3] = [Self::Manual, Self::Twilio, Self::Exotel];

    /// Returns the name in `Pools` and in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Twilio => "twilio",
            Self::Exotel => "exotel",
        }
    }

    /// Parses a name of `Pools` or of a table.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }
}

impl NumberType {
    const ALL: [Self; 3] = [Self::Local, Self::Mobile, Self::TollFree];

    /// Returns the name in `Pools` and in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Mobile => "mobile",
            Self::TollFree => "toll_free",
        }
    }

    /// Parses a name of `Pools` or of a table.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }
}

impl Allocation {
    const ALL: [Self; 2] = [Self::Exclusive, Self::Shared];

    /// Returns the name in `Pools` and in tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Exclusive => "exclusive",
            Self::Shared => "shared",
        }
    }

    /// Parses a name of `Pools` or of a table.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == name)
    }
}

impl PoolId {
    /// Parses the id of a pool.
    pub fn parse(text: &str) -> Option<Self> {
        let valid = (1..=32).contains(&text.len())
            && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        valid.then(|| Self(text.to_owned()))
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Pools {
    /// Parses the `Pools` parameter, a JSON list of pools.
    ///
    /// # Errors
    ///
    /// Names the first wrong field, such as `Pools[0].shards`.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        let Ok(Value::Array(entries)) = serde_json::from_str(text) else {
            return Err(Invalid::new("Pools", "must be a JSON list of pools"));
        };
        let mut pools = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let name = format!("Pools[{index}]");
            let Value::Object(fields) = entry else {
                return Err(Invalid::new(name, "must be a JSON object"));
            };
            let pool = parse_pool(fields).map_err(|error| error.inside(&name))?;
            if pools.iter().any(|other: &Pool| other.id == pool.id) {
                return Err(Invalid::new(
                    format!("{name}.id"),
                    "must differ from the other pools'",
                ));
            }
            pools.push(pool);
        }
        match pools.as_mut_slice() {
            [] => return Err(Invalid::new("Pools", "must hold at least one pool")),
            [only] => only.default = true,
            several if several.iter().filter(|pool| pool.default).count() == 1 => {}
            _ => {
                return Err(Invalid::new(
                    "Pools[].default",
                    "must be true for exactly one of several pools",
                ));
            }
        }
        Ok(Self(pools))
    }

    /// Finds a pool by its id.
    pub fn by_id(&self, id: &PoolId) -> Option<&Pool> {
        self.0.iter().find(|pool| pool.id == *id)
    }

    /// Finds the pool of an event: the pool that the event names, or else the default.
    ///
    /// # Errors
    ///
    /// No pool of the stack has that name.
    pub fn named(&self, name: Option<&str>) -> Result<&Pool, Invalid> {
        let pool = match name {
            Some(name) => PoolId::parse(name).and_then(|id| self.by_id(&id)),
            None => self.0.iter().find(|pool| pool.default),
        };
        pool.ok_or_else(|| Invalid::new("pool", "must be the id of a pool of this stack"))
    }

    /// All pools, in the order of the parameter.
    pub fn iter(&self) -> impl Iterator<Item = &Pool> {
        self.0.iter()
    }
}

impl Pool {
    /// Returns the index key of one of the pool's shards.
    pub fn shard(&self, shard: u64) -> String {
        format!("{}#{shard}", self.id)
    }

    /// Whether a phone begins with one of the pool's prefixes, or the pool has none.
    pub fn may_ring(&self, phone: &Phone) -> bool {
        let prefixes = &self.dial_prefixes;
        prefixes.is_empty() || prefixes.iter().any(|prefix| phone.begins_with(prefix))
    }

    /// How many numbers to buy, when `usable` numbers are free now or before the next check,
    /// and the provider's account holds `owned` numbers for the pool.
    pub fn shortfall(&self, usable: u64, owned: u64) -> u64 {
        let wanted = self.target_free.saturating_sub(usable);
        wanted.min(self.max_numbers.saturating_sub(owned))
    }

    /// Low water of one shard: with fewer free numbers in a shard, the pool needs a refill.
    pub fn low_water_per_shard(&self) -> u64 {
        (self.min_free / self.shards).max(1)
    }
}

/// Parses one pool. `docs/contract.md` explains the defaults.
fn parse_pool(fields: &Map<String, Value>) -> Result<Pool, Invalid> {
    if let Some(unknown) = fields.keys().find(|key| !FIELDS.contains(&key.as_str())) {
        let known = unknown.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        let name = if known { unknown } else { "(a field)" };
        return Err(Invalid::new(name, format!("is not known; known are {}", FIELDS.join(", "))));
    }
    let id = PoolId::parse(field::string(fields, "id")?)
        .ok_or_else(|| Invalid::new("id", "must be 1 to 32 of a-z, 0-9 and -"))?;
    let default = match fields.get("default") {
        None | Some(Value::Null) => false,
        Some(Value::Bool(default)) => *default,
        Some(_) => return Err(Invalid::new("default", "must be true or false")),
    };
    let pool = Pool {
        id,
        default,
        provider: one_of(fields, "provider", &Provider::ALL.map(|it| (it.as_str(), it)))?,
        country: country(fields)?,
        number_type: one_of(fields, "number_type", &NumberType::ALL.map(|it| (it.as_str(), it)))?,
        allocation: one_of(fields, "allocation", &Allocation::ALL.map(|it| (it.as_str(), it)))?,
        min_free: amount(fields, "min_free", 50, 0..=u64::MAX)?,
        target_free: amount(fields, "target_free", 200, 0..=u64::MAX)?,
        max_numbers: amount(fields, "max_numbers", 5000, 0..=u64::MAX)?,
        cooldown_seconds: amount(fields, "cooldown_seconds", 600, 0..=LONGEST_SECONDS)?,
        grace_seconds: amount(fields, "grace_seconds", 0, 0..=LONGEST_SECONDS)?,
        max_order_seconds: amount(fields, "max_order_seconds", 86_400, 1..=LONGEST_SECONDS)?,
        dial_prefixes: dial_prefixes(fields)?,
        shards: amount(fields, "shards", 16, 1..=MOST_SHARDS)?,
        address_sid: non_empty(fields, "address_sid")?,
        bundle_sid: non_empty(fields, "bundle_sid")?,
    };
    if pool.target_free < pool.min_free {
        return Err(Invalid::new("target_free", "must be at least min_free"));
    }
    Ok(pool)
}

/// Parses a field that must be one of the known words. The first word is the default.
fn one_of<T: Copy>(
    fields: &Map<String, Value>,
    name: &str,
    known: &[(&str, T)],
) -> Result<T, Invalid> {
    let word = field::optional_string(fields, name)?;
    known
        .iter()
        .find(|(known_word, _)| word.is_none_or(|word| word == *known_word))
        .map(|(_, value)| *value)
        .ok_or_else(|| {
            let words: Vec<&str> = known.iter().map(|(word, _)| *word).collect();
            Invalid::new(name, format!("must be one of: {}", words.join(", ")))
        })
}

fn amount(
    fields: &Map<String, Value>,
    name: &str,
    default: u64,
    range: std::ops::RangeInclusive<u64>,
) -> Result<u64, Invalid> {
    let amount = field::optional_unsigned(fields, name)?.unwrap_or(default);
    if range.contains(&amount) {
        return Ok(amount);
    }
    Err(Invalid::new(name, format!("must be {} to {}", range.start(), range.end())))
}

fn country(fields: &Map<String, Value>) -> Result<Option<String>, Invalid> {
    let country = non_empty(fields, "country")?;
    match &country {
        Some(code) if code.len() != 2 || !code.bytes().all(|byte| byte.is_ascii_uppercase()) => {
            Err(Invalid::new("country", "must be a two-letter ISO 3166 code in capitals"))
        }
        _ => Ok(country),
    }
}

fn dial_prefixes(fields: &Map<String, Value>) -> Result<Vec<String>, Invalid> {
    if matches!(fields.get("dial_prefixes"), None | Some(Value::Null)) {
        return Ok(Vec::new());
    }
    let prefixes = field::list(fields, "dial_prefixes")?.iter().enumerate();
    prefixes
        .map(|(index, prefix)| {
            let prefix = prefix.as_str().filter(|prefix| is_dial_prefix(prefix));
            prefix.map(str::to_owned).ok_or_else(|| {
                Invalid::new(format!("dial_prefixes[{index}]"), "must be `+`, then 1 to 7 digits")
            })
        })
        .collect()
}

/// Whether a phone can begin so. Seven digits tell any operator or service apart; the shortest
/// phones have eight.
fn is_dial_prefix(text: &str) -> bool {
    text.strip_prefix('+').is_some_and(|digits| {
        (1..=7).contains(&digits.len())
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && !digits.starts_with('0')
    })
}

fn non_empty(fields: &Map<String, Value>, name: &str) -> Result<Option<String>, Invalid> {
    let text = field::optional_string(fields, name)?;
    Ok(text.filter(|text| !text.is_empty()).map(str::to_owned))
}

#[cfg(test)]
mod tests;
