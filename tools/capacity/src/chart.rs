//! The numbers in use over time, as a picture (SVG).
//!
//! The axis of numbers is logarithmic, so that both allocations are visible: one takes hundreds
//! of times as many numbers as the other.

use std::fmt::Write as _;

use masking::Timestamp;

use crate::figures::{grouped, real};
use crate::replay::Sample;

/// A line of the chart.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    /// Its name in the legend.
    pub(crate) name: &'a str,
    /// Its CSS class: the colour and kind of the stroke.
    pub(crate) class: &'a str,
    /// The points in time.
    pub(crate) samples: &'a [Sample],
    /// The value at a point.
    pub(crate) value: fn(&Sample) -> u64,
    /// The highest value, which may lie between two samples.
    pub(crate) most: u64,
}

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 540.0;
const LEFT: f64 = 90.0;
const RIGHT: f64 = 930.0;
const TOP: f64 = 140.0;
const BOTTOM: f64 = 480.0;

const STYLE: &str = "\
text{font:14px system-ui,sans-serif;fill:#333}.title{font-size:21px;font-weight:600;fill:#111}\
.note{fill:#666}.tick{fill:#666;font-size:13px}.grid,.axis{stroke:#e4e4e4;stroke-width:1}.axis{stroke:#999}\
path{fill:none;stroke-width:2.2;stroke-linejoin:round}.dotted{stroke-dasharray:2 4}\
.exclusive{stroke:#1f6fb4}.orders{stroke:#888;stroke-width:1.5}.shared{stroke:#d2601a}\
.person{stroke:#d2601a;stroke-width:1.5}";

/// Draws lines over the same time.
pub(crate) fn svg(title: &str, note: &str, lines: &[Line<'_>]) -> String {
    let most = lines.iter().map(|line| line.most).max().unwrap_or(1).max(10);
    let decades = u64::from(most.ilog10()) + u64::from(!is_power_of_ten(most));
    let moments = || lines.iter().flat_map(|line| line.samples.iter().map(|it| it.at.seconds()));
    let (begin, end) = (moments().min().unwrap_or(0), moments().max().unwrap_or(1));

    let x =
        |seconds: u64| LEFT + (RIGHT - LEFT) * real(seconds - begin) / real((end - begin).max(1));
    let y = |value: u64| BOTTOM - (BOTTOM - TOP) * real(value.max(1)).log10() / real(decades);

    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n\
         <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"#fff\"/>\n\
         <text x=\"24\" y=\"36\" class=\"title\">{title}</text>\n\
         <text x=\"24\" y=\"60\" class=\"note\">{note}</text>\n"
    );
    let mut add = |element: std::fmt::Arguments<'_>| {
        // Writing to a string does not fail.
        let _ = writeln!(svg, "{element}");
    };
    for decade in 0..=decades {
        let value = 10_u64.pow(u32::try_from(decade).unwrap_or(u32::MAX));
        let (y, label) = (y(value), grouped(value));
        add(format_args!("<path class=\"grid\" d=\"M{LEFT} {y:.1}H{RIGHT}\"/>"));
        add(format_args!(
            "<text class=\"tick\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{label}</text>",
            LEFT - 10.0,
            y + 4.5
        ));
    }
    for (at, label) in ticks(begin, end) {
        let x = x(at);
        add(format_args!("<path class=\"axis\" d=\"M{x:.1} {BOTTOM}v6\"/>"));
        add(format_args!(
            "<text class=\"tick\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{label}</text>",
            BOTTOM + 24.0
        ));
    }
    add(format_args!("<path class=\"axis\" d=\"M{LEFT} {BOTTOM}H{RIGHT}\"/>"));
    add(format_args!(
        "<text class=\"note\" transform=\"translate(24 {:.1}) rotate(-90)\" \
         text-anchor=\"middle\">numbers, orders (logarithmic)</text>",
        f64::midpoint(TOP, BOTTOM)
    ));
    add(format_args!(
        "<text class=\"note\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">time, UTC</text>",
        f64::midpoint(LEFT, RIGHT),
        BOTTOM + 46.0
    ));

    for (place, line) in (0_u32..).zip(lines) {
        let points: Vec<String> = line
            .samples
            .iter()
            .map(|it| format!("{:.1} {:.1}", x(it.at.seconds()), y((line.value)(it))))
            .collect();
        add(format_args!("<path class=\"{}\" d=\"M{}\"/>", line.class, points.join("L")));

        let (left, top) = (LEFT + f64::from(place % 2) * 430.0, 88.0 + f64::from(place / 2) * 24.0);
        add(format_args!(
            "<path class=\"{}\" d=\"M{left:.1} {:.1}h28\"/>\
             <text x=\"{:.1}\" y=\"{top:.1}\">{}: at most {}</text>",
            line.class,
            top - 5.0,
            left + 38.0,
            line.name,
            grouped(line.most),
        ));
    }
    svg.push_str("</svg>\n");
    svg
}

fn is_power_of_ten(value: u64) -> bool {
    10_u64.pow(value.ilog10()) == value
}

/// Seven to twelve round moments with their labels.
fn ticks(begin: u64, end: u64) -> impl Iterator<Item = (u64, String)> {
    const STEPS: [u64; 12] =
        [60, 300, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800];
    let span = end - begin;
    let step = STEPS.into_iter().find(|step| span / step <= 12).unwrap_or(span / 10);
    let is_of_days = 86_400 * 2 < span;
    (begin.div_ceil(step)..=end / step).map(move |place| {
        let at = place * step;
        let text = Timestamp::from_seconds(at).to_string();
        // Of `2026-11-23T10:00:00Z`, the day or the hour.
        let part = if is_of_days { text.get(5..10) } else { text.get(11..16) };
        (at, part.unwrap_or_default().to_owned())
    })
}
