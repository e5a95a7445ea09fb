//! Repeated measurements of one thing, and their statistics.

/// Measurements in one unit. Times are in milliseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sample(Vec<f64>);

impl Sample {
    pub(crate) fn add(&mut self, value: f64) {
        self.0.push(value);
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The measured value below which this share of all values lies, in percent.
    pub(crate) fn percentile(&self, percent: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1);
        let rank = (percent / 100.0 * last as f64).round() as usize;
        sorted.get(rank).copied().unwrap_or(f64::NAN)
    }

    pub(crate) fn mean(&self) -> f64 {
        self.0.iter().sum::<f64>() / self.0.len() as f64
    }

    pub(crate) fn median(&self) -> f64 {
        self.percentile(50.0)
    }

    /// The median, with the middle half of the values in brackets.
    pub(crate) fn shown(&self, unit: &str) -> String {
        let [low, median, high] = [25.0, 50.0, 75.0].map(|it| figure(self.percentile(it)));
        format!("{median}{unit} ({low}–{high})")
    }

    /// Whether the middle halves of both overlap.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.percentile(25.0) <= other.percentile(75.0)
            && other.percentile(25.0) <= self.percentile(75.0)
    }
}

/// A figure with three significant digits.
pub(crate) fn figure(value: f64) -> String {
    match value.abs() {
        _ if value.is_nan() => "–".to_owned(),
        size if size >= 1000.0 => thousands(value.round()),
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// A whole number with thousands separators.
pub(crate) fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index != 0 && (digits.len() - index) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(values: impl IntoIterator<Item = u32>) -> Sample {
        let mut sample = Sample::default();
        values.into_iter().for_each(|value| sample.add(value.into()));
        sample
    }

    #[test]
    fn shows_the_median_and_the_middle_half() {
        assert_eq!(sample([5, 1, 4, 2, 3]).shown(" ms"), "3.00 ms (2.00–4.00)");
        assert_eq!(Sample::default().shown(" ms"), "– ms (–––)");
    }

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let sample = sample(1..=100);
        assert_eq!((sample.percentile(99.0), sample.percentile(100.0)), (99.0, 100.0));
    }

    #[test]
    fn figures_keep_three_digits() {
        let figures = [0.123, 12.34, 123.4, 1234.4, 1_234_567.0].map(figure);
        assert_eq!(figures, ["0.12", "12.3", "123", "1,234", "1,234,567"]);
    }
}
