//! What EXPLAIN says of a scan.

use std::ffi::{CStr, CString};

use engine::{Aggregate, Expr, Function, OrderBy, Shape};
use pgrx::pg_sys;
use pgrx::prelude::*;

use super::private::Private;
use super::scan::{self, ScanState};
use super::{elements, string};
use crate::backend;
use crate::error::OrRaise;

/// Shows the export, what the engine computes, and how much of the export the query can touch; after
/// a run, what it took. Lists the store and reads the manifests of the matching months, but opens no
/// data file.
#[pg_guard]
pub unsafe extern "C-unwind" fn explain_foreign_scan(
    node: *mut pg_sys::ForeignScanState,
    explain: *mut pg_sys::ExplainState,
) {
    // SAFETY: Postgres passes a scan that was begun, and its EXPLAIN state.
    unsafe {
        let Some(state) = scan::state(node) else {
            return;
        };
        let work = state.work();
        let ran = state.is_resolved();
        // A scan that was never started, as in a subplan that no row asked for, must not start now:
        // its parameters have no values, and nobody asked for its listing.
        if !state.explain_only && !ran {
            text(explain, c"Export", &state.table.prefix);
            pushed(node, explain, &state.private);
            return;
        }
        export(node, explain, state);
        pushed(node, explain, &state.private);
        if !(*explain).analyze || !ran {
            return;
        }
        let read = format!("{} bytes in {} requests", work.bytes, work.requests);
        text(explain, c"Read", &read);
        let counters = work.counters;
        let groups = format!(
            "{} read, {} pruned",
            counters.row_groups_read, counters.row_groups_pruned
        );
        text(explain, c"Row Groups", &groups);
        if (*explain).verbose {
            integer(explain, c"Rows Pruned by Pages", counters.page_rows_pruned);
            integer(
                explain,
                c"Rows Filtered while Reading",
                counters.rows_filtered,
            );
            text(explain, c"Storage Wait", &format!("{} ms", work.waited_ms));
            if let Ok(engine) = backend::engine() {
                integer(explain, c"Peak Memory", engine.take_peak_memory());
            }
            integer(explain, c"Spilled", counters.spilled_bytes);
        }
    }
}

unsafe fn export(
    node: *mut pg_sys::ForeignScanState,
    explain: *mut pg_sys::ExplainState,
    state: &mut ScanState,
) {
    let prefix = state.table.prefix.clone();
    // SAFETY: the caller passes the scan of the state.
    unsafe {
        let resolved = state.resolve(node).or_raise();
        let files: usize = resolved.deliveries.iter().map(|d| d.files.len()).sum();
        let bytes: u64 = resolved.deliveries.iter().map(|d| d.bytes()).sum();
        let export = format!("{}/{prefix}", resolved.bill.store().name());
        text(explain, c"Export", &export);
        let files = format!(
            "{files}, {bytes} bytes, {} of {} months",
            resolved.deliveries.len(),
            resolved.bill.export().months.len()
        );
        text(explain, c"Files", &files);
    }
}

/// What the engine computes.
unsafe fn pushed(
    node: *mut pg_sys::ForeignScanState,
    explain: *mut pg_sys::ExplainState,
    private: &Private,
) {
    // SAFETY: the caller passes the scan of the plan.
    let params = unsafe { params(node, explain) };
    let spell = |expr: &Expr| expr.spell(&private.names, &params);
    let show = |label: &CStr, parts: Vec<String>, between: &str| {
        if !parts.is_empty() {
            // SAFETY: the caller passes EXPLAIN's state.
            unsafe { text(explain, label, &parts.join(between)) };
        }
    };
    let query = &private.query;
    show(c"Month Filter", private.months.clone(), " AND ");
    show(
        c"Pushed Filter",
        query.filters.iter().map(spell).collect(),
        " AND ",
    );
    let mut outputs = Vec::new();
    if let Shape::Groups { keys, aggregates } = &query.shape {
        outputs = keys.iter().map(|key| spell(&key.expr)).collect();
        show(c"Pushed Group Key", outputs.clone(), ", ");
        let calls: Vec<_> = aggregates.iter().map(|a| aggregate(a, &spell)).collect();
        show(c"Pushed Aggregates", calls.clone(), ", ");
        outputs.extend(calls);
    }
    let order = query.order.iter().map(|order| {
        let by = match &order.by {
            OrderBy::Expr(expr, _) => spell(expr),
            OrderBy::Output(index) => outputs.get(*index).cloned().unwrap_or_default(),
        };
        let direction = if order.descending { " DESC" } else { "" };
        let nulls = match (order.descending, order.nulls_first) {
            (true, false) => " NULLS LAST",
            (false, true) => " NULLS FIRST",
            _ => "",
        };
        format!("{by}{direction}{nulls}")
    });
    show(c"Pushed Sort", order.collect(), ", ");
    let limit = private.limit.iter().filter_map(|i| params.get(*i).cloned());
    show(c"Pushed Limit", limit.collect(), " + ");
}

fn aggregate(aggregate: &Aggregate, spell: &impl Fn(&Expr) -> String) -> String {
    let call = match &aggregate.function {
        Function::CountRows => "count(*)".to_owned(),
        Function::Count(x) => format!("count({})", spell(x)),
        Function::CountDistinct(x, _) => format!("count(DISTINCT {})", spell(x)),
        Function::SumInt(x) | Function::SumBig(x) | Function::SumFloat(x) => {
            format!("sum({})", spell(x))
        }
        Function::SumExact(x) => format!("exact_sum({})", spell(x)),
        Function::MeanFloat(x) => format!("avg({})", spell(x)),
        Function::Min(x, _) => format!("min({})", spell(x)),
        Function::Max(x, _) => format!("max({})", spell(x)),
        Function::Every(x) => format!("bool_and({})", spell(x)),
        Function::Any(x) => format!("bool_or({})", spell(x)),
    };
    match &aggregate.filter {
        Some(filter) => format!("{call} FILTER (WHERE {})", spell(filter)),
        None => call,
    }
}

/// The parameters as Postgres spells them.
unsafe fn params(
    node: *mut pg_sys::ForeignScanState,
    explain: *mut pg_sys::ExplainState,
) -> Vec<String> {
    // SAFETY: the caller passes a scan and EXPLAIN's state; the expressions have no columns, so
    // that spelling them needs the plan only for parameters that an outer node sets.
    unsafe {
        let plan = (*node).ss.ps.plan.cast::<pg_sys::ForeignScan>();
        let context = pg_sys::set_deparse_context_plan(
            (*explain).deparse_cxt,
            (*node).ss.ps.plan,
            std::ptr::null_mut(),
        );
        elements::<pg_sys::Node>((*plan).fdw_exprs)
            .map(|param| match (*param).type_ {
                // Where an outer node sets it, only Postgres's own EXPLAIN can find out.
                pg_sys::NodeTag::T_Param => {
                    let param = param.cast::<pg_sys::Param>();
                    format!("${}", (*param).paramid)
                }
                _ => string(pg_sys::deparse_expression(param, context, true, false)),
            })
            .collect()
    }
}

unsafe fn text(explain: *mut pg_sys::ExplainState, label: &CStr, value: &str) {
    let value = CString::new(value).unwrap_or_default();
    // SAFETY: the caller passes EXPLAIN's state; both strings end in NUL and are copied.
    unsafe { pg_sys::ExplainPropertyText(label.as_ptr(), value.as_ptr(), explain) }
}

unsafe fn integer(explain: *mut pg_sys::ExplainState, label: &CStr, value: usize) {
    // SAFETY: as for text.
    unsafe {
        pg_sys::ExplainPropertyInteger(label.as_ptr(), std::ptr::null(), value as i64, explain);
    }
}
