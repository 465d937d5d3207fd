//! A plot of latencies by percentile, as SVG.

use super::json::Report;
use crate::tools::bench::record::Record;

/// Returns the plot.
pub(super) fn plot(_report: &Report, _record: &Record) -> String {
    String::new()
}
