//! Decides about numbers that a listing lacks. One listing alone withdraws nothing: the
//! whole account is listed, then each number is asked for by itself, and a check that
//! would withdraw many withdraws none.

use std::collections::HashMap;

use providers::{Owned, Tagged};

use crate::reconcile::Missing;
use crate::tag;

/// A check may withdraw this many numbers of any pool, however small.
const FEW: usize = 3;
/// A check may withdraw one number in this many.
const ONE_IN: usize = 10;

/// What a list of the whole account says of missing numbers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Suspicion {
    /// The account has them under the pool's tag: the listing was wrong.
    pub(crate) unfounded: Vec<Missing>,
    /// A purchase of somebody else took them by mistake, and said so: take them back.
    pub(crate) unclaimed: Vec<Missing>,
    /// The account lacks them, or has them under another tag: each is to be asked for by
    /// itself.
    pub(crate) doubtful: Vec<Missing>,
}

/// The numbers that the account has under the tag in another form. No listing under the
/// tag shows them.
pub(crate) fn renamed(account: &[Tagged], tag: &str) -> Vec<Owned> {
    let renamed = account.iter().filter(|it| it.tag != tag && tag::same(&it.tag, tag));
    let owned = |it: &Tagged| {
        Some(Owned { number: it.number.clone()?, provider_id: it.provider_id.clone() })
    };
    renamed.filter_map(owned).collect()
}

/// How many numbers the account has under the tag, in whatever form.
pub(crate) fn count_of(account: &[Tagged], tag: &str) -> u64 {
    let count = account.iter().filter(|it| tag::same(&it.tag, tag)).count();
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// Compares missing numbers with the whole account.
pub(crate) fn suspect(missing: Vec<Missing>, account: &[Tagged], tag: &str) -> Suspicion {
    let tags: HashMap<&str, &str> =
        account.iter().map(|it| (it.provider_id.as_str(), it.tag.as_str())).collect();
    let mut suspicion = Suspicion::default();
    for missing in missing {
        let found = tags.get(missing.provider_id.as_str());
        match found.map(|actual| place(actual, tag)) {
            Some(Place::Here) => suspicion.unfounded.push(missing),
            Some(Place::Nowhere) => suspicion.unclaimed.push(missing),
            Some(Place::Elsewhere) | None => suspicion.doubtful.push(missing),
        }
    }
    suspicion
}

/// Whether the account has a number for us, as its answer about that number says.
pub(crate) fn has_it(answer: Option<&Tagged>, tag: &str) -> bool {
    answer.is_some_and(|answer| place(&answer.tag, tag) == Place::Here)
}

/// The most numbers that a check may withdraw from a pool with this many in circulation.
pub(crate) fn most_withdrawn(in_circulation: usize) -> usize {
    FEW.max(in_circulation / ONE_IN)
}

#[derive(PartialEq, Eq)]
enum Place {
    Here,
    Nowhere,
    Elsewhere,
}

fn place(actual: &str, tag: &str) -> Place {
    if tag::same(actual, tag) {
        Place::Here
    } else if actual.eq_ignore_ascii_case(tag::UNCLAIMED) {
        Place::Nowhere
    } else {
        Place::Elsewhere
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn missing(id: &str) -> Missing {
        Missing { number: "+622150001".parse().unwrap(), provider_id: id.to_owned() }
    }

    fn tagged(id: &str, tag: &str) -> Tagged {
        Tagged { number: None, provider_id: id.to_owned(), tag: tag.to_owned() }
    }

    #[test]
    fn the_whole_account_says_where_a_missing_number_is() {
        let account = [
            tagged("PN1", "masking/us"),
            tagged("PN2", "MASKINGUS"),
            tagged("PN3", "masking/eu"),
            tagged("PN4", "UNCLAIMED"),
        ];
        assert_eq!(count_of(&account, "masking/us"), 2);
        let all = ["PN1", "PN2", "PN3", "PN4", "PN5"].map(missing).to_vec();
        assert_eq!(
            suspect(all, &account, "masking/us"),
            Suspicion {
                unfounded: vec![missing("PN1"), missing("PN2")],
                unclaimed: vec![missing("PN4")],
                doubtful: vec![missing("PN3"), missing("PN5")],
            }
        );
    }

    #[test]
    fn a_number_is_gone_if_its_own_answer_has_another_tag_or_none() {
        for (answer, has) in [
            (Some(tagged("PN1", "masking/us")), true),
            (Some(tagged("PN1", "maskingus")), true),
            (Some(tagged("PN1", "masking/eu")), false),
            (None, false),
        ] {
            assert_eq!(has_it(answer.as_ref(), "masking/us"), has, "{answer:?}");
        }
    }

    #[test]
    fn a_check_withdraws_three_numbers_or_a_tenth_of_a_pool() {
        for (in_circulation, most) in [(0, 3), (30, 3), (39, 3), (40, 4), (1000, 100)] {
            assert_eq!(most_withdrawn(in_circulation), most, "{in_circulation}");
        }
    }
}
