//! Times by percentile, as SVG that is readable on light and dark pages.
//!
//! The axis of percentiles is logarithmic in what lies above, as is usual for tails: 90 %, 99 % and 99.9 % are evenly
//! spaced. The axis of times is logarithmic too.

use std::fmt::Write as _;

use super::fill::float;
use super::json::Report;
use crate::tools::bench::record::Times;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 720.0;
const TOP: f64 = 64.0;
const BOTTOM: f64 = 360.0;
/// Points of a curve for each factor of ten in what lies above.
const STEPS: u32 = 40;
const MILLISECOND: f64 = 1e6;
/// Distinct for people who do not see all colors, on white and on black.
const COLORS: [&str; 4] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"];

const STYLE: &str = "<style>\
    svg{background:#fff;color:#222;font:12px system-ui,sans-serif}\
    text{fill:currentColor}\
    .grid{stroke:currentColor;stroke-opacity:.18}\
    .axis{stroke:currentColor}\
    @media(prefers-color-scheme:dark){svg{background:#161616;color:#ddd}}\
    </style>";

/// Returns what the plot is called.
pub(super) fn title(report: &Report) -> String {
    let plan = &report.plan;
    let load = match (plan.rate, plan.window) {
        (_, Some(window)) => format!("{window} under way each"),
        (Some(rate), None) => format!("{rate} messages/s"),
        (None, None) => "idle".to_owned(),
    };
    let what = format!(
        "{}: {} rooms x {} members, {load}, {} bytes",
        report.protocol, plan.rooms, plan.members, plan.payload
    );
    if report.label.is_empty() {
        what
    } else {
        format!("{} - {what}", report.label)
    }
}

/// Returns the plot of some times.
pub(super) fn plot(title: &str, curves: &[(&str, Times)]) -> String {
    let scale = Scale::of(curves);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\">\n\
         <title>{0}</title>\n{STYLE}\n<text x=\"{LEFT}\" y=\"24\" font-size=\"15\">{0}</text>\n",
        escape(title)
    );
    scale.axes(&mut svg);
    for (index, (name, times)) in curves.iter().enumerate() {
        let color = COLORS[index % COLORS.len()];
        let points = scale.points(times);
        let x = LEFT + 150.0 * float(index as u64);
        let _ = writeln!(
            svg,
            "<polyline fill=\"none\" stroke=\"{color}\" stroke-width=\"2\" points=\"{points}\"/>\n\
             <rect x=\"{x}\" y=\"38\" width=\"14\" height=\"4\" fill=\"{color}\"/>\
             <text x=\"{}\" y=\"45\">{}</text>",
            x + 20.0,
            escape(name)
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// Where percentiles and times lie.
#[derive(Debug)]
struct Scale {
    /// Factors of ten in what lies above the last percentile.
    tens: u32,
    /// Powers of ten of the shortest and the longest time, in milliseconds.
    shortest: i32,
    longest: i32,
}

impl Scale {
    fn of(curves: &[(&str, Times)]) -> Self {
        let histograms = || curves.iter().map(|(_, times)| times.histogram());
        let most = histograms()
            .map(hdrhistogram::Histogram::len)
            .max()
            .unwrap_or(1);
        let shortest = histograms()
            .map(hdrhistogram::Histogram::min)
            .min()
            .unwrap_or(1);
        let longest = histograms()
            .map(hdrhistogram::Histogram::max)
            .max()
            .unwrap_or(1);
        let power = |time: u64| (float(time.max(1)) / MILLISECOND).log10();
        #[expect(
            clippy::cast_possible_truncation,
            reason = "powers of ten of times are small"
        )]
        let (shortest, longest) = (power(shortest).floor() as i32, power(longest).ceil() as i32);
        Self {
            // Beyond that a curve shows single deliveries.
            tens: most.max(10).ilog10().clamp(1, 6),
            shortest,
            longest: longest.max(shortest + 1),
        }
    }

    /// Returns the place of what has one in `10^tens` above it.
    fn x(&self, tens: f64) -> f64 {
        LEFT + (RIGHT - LEFT) * tens / f64::from(self.tens)
    }

    /// Returns the place of a time in milliseconds.
    fn y(&self, time: f64) -> f64 {
        let all = f64::from(self.longest - self.shortest);
        let part = (time.log10() - f64::from(self.shortest)) / all;
        BOTTOM - (BOTTOM - TOP) * part.clamp(0.0, 1.0)
    }

    fn axes(&self, svg: &mut String) {
        for power in self.shortest..=self.longest {
            let time = 10_f64.powi(power);
            let y = self.y(time);
            let _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{RIGHT}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>\
                 <text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{time}</text>",
                LEFT - 8.0,
                y + 4.0
            );
        }
        for tens in 0..=self.tens {
            let x = self.x(tens.into());
            let percentile = 100.0 - 100.0 / 10_f64.powi(i32::try_from(tens).unwrap_or(0));
            let decimals = tens.saturating_sub(2) as usize;
            let _ = writeln!(
                svg,
                "<line class=\"grid\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{BOTTOM}\"/>\
                 <text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{percentile:.decimals$} %</text>",
                BOTTOM + 18.0
            );
        }
        let _ = writeln!(
            svg,
            "<path class=\"axis\" fill=\"none\" d=\"M{LEFT} {TOP}V{BOTTOM}H{RIGHT}\"/>\n\
             <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">percentile</text>\n\
             <text transform=\"translate(18 {}) rotate(-90)\" text-anchor=\"middle\">milliseconds</text>",
            f64::midpoint(LEFT, RIGHT),
            BOTTOM + 44.0,
            f64::midpoint(TOP, BOTTOM)
        );
    }

    fn points(&self, times: &Times) -> String {
        let mut points = String::new();
        for step in 0..=self.tens * STEPS {
            let tens = f64::from(step) / f64::from(STEPS);
            let quantile = 1.0 - 10_f64.powf(-tens);
            let time = float(times.histogram().value_at_quantile(quantile)) / MILLISECOND;
            let _ = write!(points, "{:.1},{:.1} ", self.x(tens), self.y(time));
        }
        points.trim_end().to_owned()
    }
}

fn escape(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    text.replace('"', "&quot;")
}
