//! What a scan read and what it could leave out.

use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::metrics::{MetricValue, MetricsSet};

/// Sums over all files of a scan.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Row groups that were read.
    pub row_groups_read: usize,
    /// Row groups that statistics ruled out.
    pub row_groups_pruned: usize,
    /// Rows that the page index ruled out.
    pub page_rows_pruned: usize,
    /// Rows that a filter removed before the other columns were decoded.
    pub rows_filtered: usize,
    /// Bytes written to temporary files.
    pub spilled_bytes: usize,
}

impl std::ops::Add for Counters {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            row_groups_read: self.row_groups_read + other.row_groups_read,
            row_groups_pruned: self.row_groups_pruned + other.row_groups_pruned,
            page_rows_pruned: self.page_rows_pruned + other.page_rows_pruned,
            rows_filtered: self.rows_filtered + other.rows_filtered,
            spilled_bytes: self.spilled_bytes + other.spilled_bytes,
        }
    }
}

impl Counters {
    /// The counters of a plan that ran, or is running.
    pub(crate) fn of(plan: &Arc<dyn ExecutionPlan>) -> Self {
        let mut counters = Self::default();
        counters.collect(plan);
        counters
    }

    fn collect(&mut self, plan: &Arc<dyn ExecutionPlan>) {
        if let Some(metrics) = plan.metrics() {
            let (pruned, matched) = pruning(&metrics, "row_groups_pruned_statistics");
            self.row_groups_pruned += pruned;
            self.row_groups_read += matched;
            self.page_rows_pruned += pruning(&metrics, "page_index_rows_pruned").0;
            self.rows_filtered += count(&metrics, "pushdown_rows_pruned");
            self.spilled_bytes += metrics.spilled_bytes().unwrap_or(0);
        }
        for child in plan.children() {
            self.collect(child);
        }
    }
}

fn count(metrics: &MetricsSet, name: &str) -> usize {
    metrics
        .sum_by_name(name)
        .map_or(0, |value| value.as_usize())
}

fn pruning(metrics: &MetricsSet, name: &str) -> (usize, usize) {
    let of_name = metrics.iter().map(|metric| metric.value());
    let sums = of_name.filter_map(|value| match value {
        MetricValue::PruningMetrics {
            name: of,
            pruning_metrics,
        } if of == name => Some((pruning_metrics.pruned(), pruning_metrics.matched())),
        _ => None,
    });
    sums.fold((0, 0), |sum, part| (sum.0 + part.0, sum.1 + part.1))
}
