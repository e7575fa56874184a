//! Which months a query can match.
//!
//! Every condition that only looks at `billing_period`, `year` and `month` is evaluated by
//! Postgres itself on a row that holds the month's values. That covers every operator, IN and date
//! arithmetic, and cannot disagree with Postgres.

use billing::BillingPeriod;
use engine::Source;
use pgrx::pg_sys;
use pgrx::prelude::*;

use super::columns::Column;
use super::{attributes_in, elements};
use crate::datum::EPOCH_DAYS;

/// The conditions on path columns of a scan, compiled.
#[derive(Debug)]
pub struct MonthFilter {
    conditions: *mut pg_sys::ExprState,
}

impl MonthFilter {
    /// Compiles the conditions of a scan. With `explain_only`, conditions with parameters are left
    /// out: their values are not there.
    ///
    /// # Safety
    /// `node` is a scan being initialised.
    pub unsafe fn new(
        node: *mut pg_sys::ForeignScanState,
        columns: &[Column],
        explain_only: bool,
    ) -> Self {
        // SAFETY: the plan node of a foreign scan with its list of conditions; ExecInitQual makes
        // NULL, which matches everything, of NIL.
        unsafe {
            let plan = (*node).ss.ps.plan.cast::<pg_sys::ForeignScan>();
            let relid = (*plan).scan.scanrelid;
            let mut usable: *mut pg_sys::List = std::ptr::null_mut();
            for condition in elements::<pg_sys::Node>((*plan).scan.plan.qual) {
                if looks_at_path_only(condition, relid, columns)
                    && !(explain_only && has_param(condition))
                {
                    usable = pg_sys::lappend(usable, condition.cast());
                }
            }
            Self {
                conditions: pg_sys::ExecInitQual(usable, &mut (*node).ss.ps),
            }
        }
    }

    /// Whether rows of this month can match.
    ///
    /// # Safety
    /// `node` is the scan this filter was made for, and is running.
    pub unsafe fn admits(
        &self,
        node: *mut pg_sys::ForeignScanState,
        columns: &[Column],
        period: BillingPeriod,
    ) -> bool {
        if self.conditions.is_null() {
            return true;
        }
        // SAFETY: the scan's slot and expression context are valid while it runs; the slot is
        // filled completely before it is stored, and cleared afterwards.
        unsafe {
            let slot = (*node).ss.ss_ScanTupleSlot;
            let context = (*node).ss.ps.ps_ExprContext;
            let old = pg_sys::MemoryContextSwitchTo((*context).ecxt_per_tuple_memory);
            pg_sys::ExecClearTuple(slot);
            let width = (*(*slot).tts_tupleDescriptor).natts as usize;
            std::slice::from_raw_parts_mut((*slot).tts_isnull, width).fill(true);
            for column in columns {
                if let Some(datum) = path_value(&column.source, period) {
                    let index = column.attnum as usize - 1;
                    *(*slot).tts_values.add(index) = datum;
                    *(*slot).tts_isnull.add(index) = false;
                }
            }
            pg_sys::ExecStoreVirtualTuple(slot);
            (*context).ecxt_scantuple = slot;
            let admitted = pg_sys::ExecQual(self.conditions, context);
            pg_sys::ExecClearTuple(slot);
            pg_sys::MemoryContextSwitchTo(old);
            pg_sys::MemoryContextReset((*context).ecxt_per_tuple_memory);
            admitted
        }
    }
}

fn path_value(source: &Source, period: BillingPeriod) -> Option<pg_sys::Datum> {
    match source {
        Source::File(_) => None,
        Source::BillingPeriod => Some(pg_sys::Datum::from(period.days_since_epoch() - EPOCH_DAYS)),
        Source::Year => period.year().to_string().into_datum(),
        Source::Month => period.month().to_string().into_datum(),
    }
}

/// Whether a condition has columns, all of them from the path, and gives the same answer each time.
unsafe fn looks_at_path_only(
    condition: *mut pg_sys::Node,
    relid: pg_sys::Index,
    columns: &[Column],
) -> bool {
    let mut used: *mut pg_sys::Bitmapset = std::ptr::null_mut();
    // SAFETY: the caller passes a planned expression.
    unsafe {
        pg_sys::pull_varattnos(condition, relid, &mut used);
        let attributes = attributes_in(used);
        let from_path = |attnum: &i32| {
            let column = columns.iter().find(|c| i32::from(c.attnum) == *attnum);
            column.is_some_and(|c| !matches!(c.source, Source::File(_)))
        };
        !attributes.is_empty()
            && attributes.iter().all(from_path)
            && !pg_sys::contain_volatile_functions(condition)
            && !pg_sys::contain_subplans(condition)
    }
}

unsafe fn has_param(node: *mut pg_sys::Node) -> bool {
    #[pg_guard]
    unsafe extern "C-unwind" fn walk(
        node: *mut pg_sys::Node,
        context: *mut std::ffi::c_void,
    ) -> bool {
        // SAFETY: Postgres's walker passes valid nodes, or NULL.
        unsafe {
            if node.is_null() {
                return false;
            }
            if (*node).type_ == pg_sys::NodeTag::T_Param {
                return true;
            }
            expression_tree_walker(node, Some(walk), context)
        }
    }
    // SAFETY: the caller passes a planned expression.
    unsafe { walk(node, std::ptr::null_mut()) }
}

#[cfg(feature = "pg15")]
use pg_sys::expression_tree_walker;
#[cfg(not(feature = "pg15"))]
use pg_sys::expression_tree_walker_impl as expression_tree_walker;
