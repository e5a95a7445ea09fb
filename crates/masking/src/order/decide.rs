//! Decides what an event does to an order. Delivery order and duplicates do not matter.
//! This is the table of `docs/contract.md`, "What an event does", in code.

use super::announcement::Announcement;
use super::row::{ClaimTerms, Closed, Holding, KnownRow, Order, Person, State, Unassigned};
use crate::{Invalid, Pool, Pools, Timestamp};

/// The request that an event makes of an order.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum OrderRequest<'a> {
    /// Give these people numbers and routes to each other.
    Assign(AssignmentRequest<'a>),
    /// Take all people off the order.
    Unassign,
    /// End the order for good.
    Close(Closed),
}

/// The request to assign an order: its people, their pool and their end. Phones are hashed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AssignmentRequest<'a> {
    /// The pool to take numbers from.
    pub pool: PoolChoice<'a>,
    /// When the event ends the assignment, if it has a time.
    pub expires_at: Option<Timestamp>,
    /// Two to five people. All roles differ, and all phones.
    pub people: Vec<Person>,
}

/// The pool that an event chooses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PoolChoice<'a> {
    /// The event names this pool.
    Named(&'a Pool),
    /// The event names no pool: the order stays in the pool of its row. An order that has none
    /// gets the default of these pools.
    OrdersOwn(&'a Pools),
}

/// The decision on an event: its effect on the order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision<'a> {
    /// The event does nothing, and nothing is announced.
    Ignore {
        /// Why the event does nothing.
        why: Ignored,
        /// The version of the order's row.
        stored_version: u64,
    },
    /// The event is a duplicate: the row stays, and is announced again.
    AnnounceAgain(Announcement),
    /// The order changes to this. Roles without a number need one first.
    Become(Next<'a>),
}

/// Why an event does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ignored {
    /// The order is closed.
    Closed,
    /// The row has taken in an event of a higher version.
    Stale,
    /// The row has taken in an event of another kind with the same version.
    SameVersion,
}

/// The next state of an order, before its numbers are chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next<'a> {
    /// The order holds numbers for the people of the request.
    Assigned {
        /// The people.
        request: &'a AssignmentRequest<'a>,
        /// The pool of the order.
        pool: &'a Pool,
        /// The pool's rules for the order: those of its claim.
        terms: ClaimTerms,
        /// When the order's numbers end.
        expires_at: Timestamp,
    },
    /// The order holds no numbers: the requested assignment has already expired.
    Expired {
        /// The pool of the order.
        pool: &'a Pool,
    },
    /// The order holds no numbers for now.
    Unassigned,
    /// The order is over for good.
    Closed(Closed),
}

impl OrderRequest<'_> {
    /// Whether the state comes from an event of this kind.
    fn is_kind_that_made(&self, state: &State) -> bool {
        matches!(
            (self, state),
            (Self::Assign(_), State::Assigned(_) | State::Unassigned(Unassigned::Expired))
                | (Self::Unassign, State::Unassigned(Unassigned::ByEvent))
        )
    }
}

impl<'a> PoolChoice<'a> {
    /// Finds the pool for an order, whose row is not given if it does not exist or is not known.
    fn of(self, order: Option<&Order>) -> Result<&'a Pool, Invalid> {
        let own = order.and_then(|order| order.pool.as_ref());
        match (self, own) {
            (Self::Named(pool), Some(own)) if pool.id != *own => {
                Err(Invalid::new("pool", "must be the pool of the order's earlier assignments"))
            }
            (Self::Named(pool), _) => Ok(pool),
            (Self::OrdersOwn(pools), Some(own)) => pools.by_id(own).ok_or_else(|| {
                Invalid::new("pool", "is that of the order, which this stack no longer has")
            }),
            (Self::OrdersOwn(pools), None) => pools.named(None),
        }
    }
}

/// Decides what an event does to the order's row. As in the contract's table, the first rule
/// that fits decides.
///
/// # Errors
///
/// The request assigns from another pool than the order's earlier assignments, the pool of the
/// order is gone, or it may not ring one of the phones.
pub(crate) fn decide<'a>(
    row: &KnownRow,
    version: u64,
    request: &'a OrderRequest<'_>,
    now: Timestamp,
) -> Result<Decision<'a>, Invalid> {
    if let Some(order) = row.order() {
        let announce_again = || Ok(Decision::AnnounceAgain(order.announcement(now)));
        let ignore = |why| Ok(Decision::Ignore { why, stored_version: order.version });
        match (&order.state, request) {
            (State::Closed(_), OrderRequest::Close(_)) => return announce_again(),
            (State::Closed(_), _) => return ignore(Ignored::Closed),
            // A close is final, even if its version is stale.
            (_, OrderRequest::Close(_)) => {}
            _ if version < order.version => return ignore(Ignored::Stale),
            _ if version > order.version => {}
            (State::Assigned(Holding { waiting: true, .. }), OrderRequest::Assign(_)) => {}
            (state, _) if request.is_kind_that_made(state) => return announce_again(),
            _ => return ignore(Ignored::SameVersion),
        }
    }

    let next = match request {
        OrderRequest::Close(closed) => Next::Closed(*closed),
        OrderRequest::Unassign => Next::Unassigned,
        OrderRequest::Assign(request) => assign(row.order(), request, now)?,
    };
    Ok(Decision::Become(next))
}

fn assign<'a>(
    order: Option<&Order>,
    request: &'a AssignmentRequest<'_>,
    now: Timestamp,
) -> Result<Next<'a>, Invalid> {
    let pool = request.pool.of(order)?;
    if let Some(index) = request.people.iter().position(|person| !pool.may_ring(&person.phone)) {
        let field = format!("participants[{index}].phone");
        return Err(Invalid::new(field, "must begin with one of the pool's dial_prefixes"));
    }
    let latest = now.after(pool.max_order_seconds);
    let expires_at = request.expires_at.map_or(latest, |expires_at| expires_at.min(latest));
    if expires_at <= now {
        return Ok(Next::Expired { pool });
    }
    // An amendment keeps the terms of the order's claim.
    let terms = order
        .and_then(|order| order.holding(now))
        .map_or_else(|| ClaimTerms::of(pool), |holding| holding.terms);
    Ok(Next::Assigned { request, pool, terms, expires_at })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order::row::{HeldNumber, Holding};
    use crate::{OrderId, PhoneHashKey, PoolId, Pools, Role};

    const NOW: u64 = 1000;

    fn pools() -> Pools {
        Pools::parse(r#"[{"id":"a","default":true,"max_order_seconds":500},{"id":"b"}]"#).unwrap()
    }

    fn person(role: &str, phone: &str) -> Person {
        let key =
            PhoneHashKey::parse(&format!(r#"{{"caller_key":"{}"}}"#, "k".repeat(32))).unwrap();
        let phone = phone.parse().unwrap();
        Person { role: Role::parse(role).unwrap(), caller: key.hash(&phone), phone }
    }

    fn assign(pool: &Pool, expires_at: Option<u64>) -> OrderRequest<'_> {
        assign_from(PoolChoice::Named(pool), expires_at)
    }

    fn assign_from(pool: PoolChoice<'_>, expires_at: Option<u64>) -> OrderRequest<'_> {
        let people = vec![person("customer", "+6281211112222"), person("agent", "+6281333334444")];
        OrderRequest::Assign(AssignmentRequest {
            pool,
            expires_at: expires_at.map(Timestamp::from_seconds),
            people,
        })
    }

    fn row(state: State) -> KnownRow {
        KnownRow::Present(Order {
            order_id: OrderId::parse("o-1").unwrap(),
            version: 5,
            revision: 7,
            pool: PoolId::parse("a"),
            state,
        })
    }

    fn holding(expires_at: u64, waiting: bool) -> State {
        let pools = pools();
        let terms =
            ClaimTerms { cooldown_seconds: 11, ..ClaimTerms::of(pools.named(None).unwrap()) };
        let held = |person: Person, number: &str| HeldNumber {
            role: person.role,
            number: number.parse().unwrap(),
            caller: Some(person.caller),
        };
        let participants = vec![
            held(person("customer", "+6281211112222"), "+622150001"),
            held(person("agent", "+6281333334444"), "+622150002"),
        ];
        let expires_at = Timestamp::from_seconds(expires_at);
        State::Assigned(Holding { terms, participants, expires_at, waiting })
    }

    /// Checks the decision, named by a word.
    #[track_caller]
    fn check(row: &KnownRow, version: u64, request: &OrderRequest<'_>, expected: &str) {
        let decision = decide(row, version, request, Timestamp::from_seconds(NOW)).unwrap();
        let word = match decision {
            Decision::Ignore { why: Ignored::Closed, .. } => "ignored: closed",
            Decision::Ignore { why: Ignored::Stale, .. } => "ignored: stale",
            Decision::Ignore { why: Ignored::SameVersion, .. } => "ignored: same version",
            Decision::AnnounceAgain(_) => "announced again",
            Decision::Become(Next::Assigned { .. }) => "assigned",
            Decision::Become(Next::Expired { .. }) => "expired",
            Decision::Become(Next::Unassigned) => "unassigned",
            Decision::Become(Next::Closed(_)) => "closed",
        };
        assert_eq!(word, expected, "version {version} of {request:?} on {row:?}");
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let pools = pools();
        let assign = &assign(pools.named(None).unwrap(), None);
        let unassign = &OrderRequest::Unassign;
        let close = &OrderRequest::Close(Closed::Completed);

        let closed = &row(State::Closed(Closed::Cancelled));
        for version in [4, 5, 6] {
            check(closed, version, assign, "ignored: closed");
            check(closed, version, unassign, "ignored: closed");
            check(closed, version, close, "announced again");
        }
        let live = &row(holding(NOW + 1, false));
        let over = &row(holding(NOW, false));
        let unassigned = &row(State::Unassigned(Unassigned::ByEvent));
        let expired = &row(State::Unassigned(Unassigned::Expired));
        for row in [live, over, unassigned, expired] {
            check(row, 4, assign, "ignored: stale");
            check(row, 4, unassign, "ignored: stale");
            check(row, 6, assign, "assigned");
            check(row, 6, unassign, "unassigned");
            for version in [4, 5, 6] {
                check(row, version, close, "closed");
            }
        }
        for row in [live, over, expired] {
            check(row, 5, assign, "announced again");
            check(row, 5, unassign, "ignored: same version");
        }
        check(unassigned, 5, assign, "ignored: same version");
        check(unassigned, 5, unassign, "announced again");
        for none in [&KnownRow::Absent, &KnownRow::Unread] {
            check(none, 1, assign, "assigned");
            check(none, 1, unassign, "unassigned");
            check(none, 1, close, "closed");
        }
    }

    #[test]
    fn an_order_that_waits_for_numbers_continues_with_the_same_version() {
        let pools = pools();
        let assign = &assign(pools.named(None).unwrap(), None);
        for expires_at in [NOW, NOW + 1] {
            let waiting = &row(holding(expires_at, true));
            check(waiting, 4, assign, "ignored: stale");
            check(waiting, 5, assign, "assigned");
            check(waiting, 5, &OrderRequest::Unassign, "ignored: same version");
        }
    }

    #[test]
    fn an_assignment_ends_when_its_event_says_but_no_later_than_the_pool_allows() {
        let pools = pools();
        let pool = pools.named(None).unwrap();
        for (request, end) in [(None, 1500), (Some(1200), 1200), (Some(1501), 1500)] {
            let request = assign(pool, request);
            let decision =
                decide(&KnownRow::Absent, 1, &request, Timestamp::from_seconds(NOW)).unwrap();
            let Decision::Become(Next::Assigned { expires_at, .. }) = decision else { panic!() };
            assert_eq!(expires_at.seconds(), end);
        }
        for over in [0, NOW] {
            check(&KnownRow::Absent, 1, &assign(pool, Some(over)), "expired");
        }
    }

    #[test]
    fn an_amendment_keeps_the_terms_of_the_claim_and_a_new_claim_takes_the_pools() {
        let pools = pools();
        let request = assign(pools.named(None).unwrap(), None);
        for (end, cooldown) in [(NOW + 1, 11), (NOW, 600)] {
            let row = row(holding(end, false));
            let decision = decide(&row, 6, &request, Timestamp::from_seconds(NOW)).unwrap();
            let Decision::Become(Next::Assigned { terms, .. }) = decision else { panic!() };
            assert_eq!(terms.cooldown_seconds, cooldown);
        }
    }

    #[test]
    fn an_event_that_names_another_pool_is_refused_unless_it_is_ignored() {
        let pools = pools();
        let request = assign(pools.named(Some("b")).unwrap(), None);
        let now = Timestamp::from_seconds(NOW);
        for state in [holding(NOW + 1, false), State::Unassigned(Unassigned::ByEvent)] {
            let row = row(state);
            let refusal = decide(&row, 6, &request, now).unwrap_err().to_string();
            assert_eq!(refusal, "pool: must be the pool of the order's earlier assignments");
            check(&row, 4, &request, "ignored: stale");
        }
    }

    #[test]
    fn an_event_without_a_pool_means_the_pool_of_its_order_and_for_a_new_order_the_default() {
        // The order's pool is `a`. The default was `a` too, and has changed.
        let pools = Pools::parse(r#"[{"id":"a"},{"id":"b","default":true}]"#).unwrap();
        let request = assign_from(PoolChoice::OrdersOwn(&pools), None);
        let now = Timestamp::from_seconds(NOW);
        let of_a = row(State::Unassigned(Unassigned::ByEvent));
        for (row, id) in [
            (&row(holding(NOW + 1, false)), "a"),
            (&row(holding(NOW, false)), "a"),
            (&of_a, "a"),
            (&KnownRow::Absent, "b"),
            (&KnownRow::Unread, "b"),
        ] {
            let decision = decide(row, 6, &request, now).unwrap();
            let Decision::Become(Next::Assigned { pool, .. }) = decision else { panic!() };
            assert_eq!(pool.id.as_str(), id, "{row:?}");
        }
        let over = assign_from(PoolChoice::OrdersOwn(&pools), Some(NOW));
        let decision = decide(&of_a, 6, &over, now).unwrap();
        let Decision::Become(Next::Expired { pool }) = decision else { panic!() };
        assert_eq!(pool.id.as_str(), "a");

        let without_a = Pools::parse(r#"[{"id":"b"}]"#).unwrap();
        let request = assign_from(PoolChoice::OrdersOwn(&without_a), None);
        let refusal = decide(&of_a, 6, &request, now).unwrap_err().to_string();
        assert_eq!(refusal, "pool: is that of the order, which this stack no longer has");
    }

    #[test]
    fn a_phone_that_the_orders_own_pool_may_not_ring_is_refused_unless_the_event_is_ignored() {
        let pools = Pools::parse(
            r#"[{"id":"a","dial_prefixes":["+1","+62812"]},{"id":"b","default":true}]"#,
        )
        .unwrap();
        let refused = "participants[1].phone: must begin with one of the pool's dial_prefixes";
        let now = Timestamp::from_seconds(NOW);
        let of_a = &row(State::Unassigned(Unassigned::ByEvent));
        let request = assign_from(PoolChoice::OrdersOwn(&pools), None);
        assert_eq!(decide(of_a, 6, &request, now).unwrap_err().to_string(), refused);
        check(&KnownRow::Absent, 6, &request, "assigned");
        check(of_a, 4, &request, "ignored: stale");
        let named = assign(pools.named(Some("a")).unwrap(), Some(NOW));
        assert_eq!(decide(&KnownRow::Absent, 6, &named, now).unwrap_err().to_string(), refused);
    }
}
