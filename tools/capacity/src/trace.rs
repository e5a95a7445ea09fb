//! A trace: the orders of a day or more, from a CSV file.

use std::collections::{HashMap, HashSet};
use std::io::Read;

use csv::{ErrorKind, ReaderBuilder, StringRecord, Trim};
use masking::{Phone, Role, Timestamp};

/// Orders, and who was on them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trace {
    /// In the order of the file.
    pub(crate) orders: Vec<Order>,
    /// The people. Orders refer to them by index.
    pub(crate) people: Vec<Person>,
}

/// An order of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Order {
    /// When its people are assigned.
    pub(crate) start: Timestamp,
    /// When it is completed.
    pub(crate) end: Timestamp,
    /// Its people: role, and index in [`Trace::people`].
    pub(crate) people: Vec<(Role, usize)>,
}

/// A person of a trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Person {
    /// The id in the trace, which may be a phone: see [`Person::name`].
    id: String,
    /// The role of the first appearance.
    role: Role,
    /// The line of the first appearance.
    line: u64,
}

/// Why a file is not a trace. It quotes no value, since values may be phones.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, {field}: {reason}")]
pub(crate) struct NotATrace {
    line: u64,
    field: String,
    reason: &'static str,
}

impl Person {
    pub(crate) fn new(id: String, role: Role, line: u64) -> Self {
        Self { id, role, line }
    }

    /// The name for reports. An id that could be a phone, also in national form, is not shown.
    pub(crate) fn name(&self) -> String {
        let is_separator = |c: char| c.is_whitespace() || "+-.()/".contains(c);
        let bare: String = self.id.chars().filter(|c| !is_separator(*c)).collect();
        if format!("+{}", bare.trim_start_matches('0')).parse::<Phone>().is_ok() {
            return format!("the {} of line {}", self.role.as_str(), self.line);
        }
        self.id.clone()
    }
}

impl Trace {
    /// Reads a trace: a header `start,end,ROLE,ROLE…`, then a line for each order.
    pub(crate) fn read(file: impl Read) -> Result<Self, NotATrace> {
        let mut reader = ReaderBuilder::new().trim(Trim::All).from_reader(file);
        let header = reader.headers().map_err(|error| not_csv(&error))?.clone();
        let roles = roles(&header)?;
        let mut trace = Self::default();
        let mut known = HashMap::new();
        for record in reader.records() {
            let record = record.map_err(|error| not_csv(&error))?;
            let order = trace.order(&record, &roles, &mut known)?;
            trace.orders.push(order);
        }
        if trace.orders.is_empty() {
            return Err(NotATrace { line: 2, field: "start".to_owned(), reason: "is missing" });
        }
        Ok(trace)
    }

    fn order(
        &mut self,
        record: &StringRecord,
        roles: &[Role],
        known: &mut HashMap<String, usize>,
    ) -> Result<Order, NotATrace> {
        let line = record.position().map_or(0, csv::Position::line);
        let wrong = |field: &str, reason| Err(NotATrace { line, field: field.to_owned(), reason });
        let moment = |index| record.get(index).and_then(Timestamp::parse);

        let reason = "must be a date and time with its offset, as 2026-11-23T10:00:00Z";
        let Some(start) = moment(0) else { return wrong("start", reason) };
        let Some(end) = moment(1) else { return wrong("end", reason) };
        if end <= start {
            return wrong("end", "must be later than start");
        }
        let mut people = Vec::new();
        for (role, id) in roles.iter().zip(record.iter().skip(2)) {
            if id.is_empty() {
                continue;
            }
            let person = *known.entry(id.to_owned()).or_insert_with(|| {
                self.people.push(Person::new(id.to_owned(), role.clone(), line));
                self.people.len() - 1
            });
            if people.iter().any(|(_, it)| *it == person) {
                return wrong(role.as_str(), "must differ from the others of the order");
            }
            people.push((role.clone(), person));
        }
        if !(2..=5).contains(&people.len()) {
            return wrong("participants", "must be 2 to 5");
        }
        Ok(Order { start, end, people })
    }
}

fn roles(header: &StringRecord) -> Result<Vec<Role>, NotATrace> {
    let wrong = |field: &str, reason| NotATrace { line: 1, field: field.to_owned(), reason };
    for (index, name) in ["start", "end"].into_iter().enumerate() {
        if header.get(index) != Some(name) {
            return Err(wrong(name, "must be the header's columns: start, end, then the roles"));
        }
    }
    let roles = header.iter().skip(2).map(Role::parse).collect::<Option<Vec<_>>>();
    let roles = roles.ok_or_else(|| {
        wrong("roles", "must begin with a-z and go on with up to 31 of a-z, 0-9 and _")
    })?;
    let differing: HashSet<&Role> = roles.iter().collect();
    if roles.len() < 2 || differing.len() < roles.len() {
        return Err(wrong("roles", "must be two or more, all different"));
    }
    Ok(roles)
}

fn not_csv(error: &csv::Error) -> NotATrace {
    let line = error.position().map_or(1, csv::Position::line);
    let reason = match error.kind() {
        ErrorKind::UnequalLengths { .. } => "must have as many fields as the header",
        ErrorKind::Utf8 { .. } => "must be UTF-8",
        _ => "can't be read",
    };
    NotATrace { line, field: "(line)".to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        Trace::read(text.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn people_are_known_by_their_id_in_any_role() {
        let trace = Trace::read(
            "start,end,customer,agent,merchant\n\
             2026-11-23T10:00:00Z,2026-11-23T10:25:00Z,c-1,a-1,\n\
             2026-11-23T17:05:00+07:00,2026-11-23T10:30:00Z,a-1,a-2,c-1\n"
                .as_bytes(),
        )
        .unwrap();
        let people = |at: usize| -> Vec<(&str, usize)> {
            trace.orders[at].people.iter().map(|(role, it)| (role.as_str(), *it)).collect()
        };
        assert_eq!(people(0), [("customer", 0), ("agent", 1)]);
        assert_eq!(people(1), [("customer", 1), ("agent", 2), ("merchant", 0)]);
        assert_eq!(trace.orders[1].start.to_string(), "2026-11-23T10:05:00Z");
        assert_eq!(trace.people[1].name(), "a-1");
    }

    #[test]
    fn a_mistake_is_reported_by_line_and_field_and_never_by_its_value() {
        const HEADER: &str = "start,end,customer,agent\n";
        const GOOD: &str = "2026-11-23T10:00:00Z,2026-11-23T10:25:00Z,c-1,a-1\n";
        const DATE: &str = "must be a date and time with its offset, as 2026-11-23T10:00:00Z";
        for (line, expected) in [
            ("+6281211112222,2026-11-23T10:25:00Z,c-1,a-1", format!("start: {DATE}")),
            ("2026-11-23T10:00:00Z,+6281211112222,c-1,a-1", format!("end: {DATE}")),
            (
                "2026-11-23T10:00:00Z,2026-11-23T10:00:00Z,c-1,a-1",
                "end: must be later than start".to_owned(),
            ),
            (
                "2026-11-23T10:00:00Z,2026-11-23T10:25:00Z,+6281211112222,+6281211112222",
                "agent: must differ from the others of the order".to_owned(),
            ),
            (
                "2026-11-23T10:00:00Z,2026-11-23T10:25:00Z,+6281211112222,",
                "participants: must be 2 to 5".to_owned(),
            ),
            (
                "2026-11-23T10:00:00Z,2026-11-23T10:25:00Z,+6281211112222",
                "(line): must have as many fields as the header".to_owned(),
            ),
        ] {
            assert_eq!(error(&format!("{HEADER}{GOOD}{line}\n")), format!("line 3, {expected}"));
        }
        assert_eq!(
            error("start,ends,customer,agent\n"),
            "line 1, end: must be the header's columns: start, end, then the roles"
        );
        assert_eq!(
            error("start,end,+6281211112222,agent\n"),
            "line 1, roles: must begin with a-z and go on with up to 31 of a-z, 0-9 and _"
        );
        assert_eq!(error("start,end,agent\n"), "line 1, roles: must be two or more, all different");
        assert_eq!(error(HEADER), "line 2, start: is missing");
    }

    #[test]
    fn a_person_whose_id_is_a_phone_is_named_by_the_line() {
        let person = |id: &str| Person::new(id.to_owned(), Role::parse("agent").unwrap(), 7).name();
        for phone in ["+6281211112222", "6281211112222", "0812-1111-2222", "+62 812 1111 2222"] {
            assert_eq!(person(phone), "the agent of line 7", "{phone}");
        }
        for id in ["a-7", "agent 1234", "1234567", "d81211112222"] {
            assert_eq!(person(id), id);
        }
    }
}
