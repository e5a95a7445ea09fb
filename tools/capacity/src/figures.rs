//! Conversions between counts and real numbers, and formats for people.

/// A count as a real number.
#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^52")]
pub(crate) fn real(count: u64) -> f64 {
    count as f64
}

/// The nearest whole number.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the cast saturates, and nothing here is negative"
)]
pub(crate) fn whole(value: f64) -> u64 {
    value.round() as u64
}

/// A count with thousands separators: `25,114`.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if 0 < at && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// An amount of money: `$1,234.50`.
pub(crate) fn dollars(amount: f64) -> String {
    let cents = whole(amount * 100.0);
    format!("${}.{:02}", grouped(cents / 100), cents % 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_set_apart() {
        for (count, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(grouped(count), text);
        }
        assert_eq!(dollars(1234.499), "$1,234.50");
        assert_eq!(dollars(0.046), "$0.05");
    }
}
