//! The tag: the name under which a provider's account lists the numbers of a pool. It
//! links a number to its pool even after a crash between paying and storing.

use masking::PoolId;
use sha2::{Digest as _, Sha256};

/// The longest tag, in bytes. Twilio takes names of at most 64 characters. Source:
/// Twilio's reference of the `IncomingPhoneNumber` resource, `FriendlyName`.
const LONGEST: usize = 64;

/// The tag of a number that a purchase took by mistake from somebody whom it can't name.
/// Whoever misses the number takes it back. It is no pool's tag, since it has no `/`.
pub(crate) const UNCLAIMED: &str = "unclaimed";

/// Whether a tag is the one that was asked for. The account may store it in another form:
/// with capitals, or without `/`.
pub(crate) fn same(actual: &str, tag: &str) -> bool {
    actual.eq_ignore_ascii_case(tag) || actual.eq_ignore_ascii_case(&tag.replace('/', ""))
}

/// The tag of a pool of a stack: `<stack>/<pool>`. If that is too long, a hash stands for
/// the stack's name.
pub(crate) fn of(stack: &str, pool: &PoolId) -> String {
    let tag = format!("{stack}/{pool}");
    if tag.len() <= LONGEST {
        return tag;
    }
    let digest: [u8; 32] = Sha256::digest(stack.as_bytes()).into();
    let hash = u64::from_be_bytes(digest.first_chunk().copied().unwrap_or_default());
    format!("{hash:016x}/{pool}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_never_changes_or_the_numbers_under_it_would_count_as_lost() {
        let pool = PoolId::parse("id-jkt").unwrap();
        let longest = "a".repeat(LONGEST - "/id-jkt".len());
        assert_eq!(of(&longest, &pool), format!("{longest}/id-jkt"));
        // printf a%.0s {1..128} | sha256sum | cut -c 1-16
        assert_eq!(of(&"a".repeat(128), &pool), "6836cf13bac400e9/id-jkt");
        assert_ne!(of(&format!("{longest}a"), &pool), format!("{longest}a/id-jkt"));
    }

    #[test]
    fn a_tag_in_another_form_is_the_same_tag() {
        for (actual, is_same) in [
            ("masking/us", true),
            ("MASKING/US", true),
            ("MaskingUs", true),
            ("maskin/gus", false),
            ("masking/us2", false),
            ("", false),
        ] {
            assert_eq!(same(actual, "masking/us"), is_same, "{actual}");
        }
    }

    #[test]
    fn a_tag_fits_and_distinguishes_stacks_and_pools() {
        let pool = PoolId::parse("a-pool-with-an-id-of-32-letters-").unwrap();
        assert_eq!(of("numbers", &pool), "numbers/a-pool-with-an-id-of-32-letters-");
        let (one, other) = ("a".repeat(128), "b".repeat(128));
        assert!(of(&one, &pool).len() <= LONGEST);
        assert_ne!(of(&one, &pool), of(&other, &pool));
    }
}
