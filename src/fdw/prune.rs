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
use super::plan::node_list;
use super::{any_node, attributes_in, elements};
use crate::datum::EPOCH_DAYS;

/// The conditions on path columns of a scan, compiled.
#[derive(Debug)]
pub struct MonthFilter {
    conditions: *mut pg_sys::ExprState,
    /// Has room for a row of the table.
    slot: *mut pg_sys::TupleTableSlot,
}

impl MonthFilter {
    /// Compiles the conditions of a scan. With `explain_only`, conditions with parameters are left
    /// out: their values are not there.
    ///
    /// # Safety
    /// `node` is a scan being initialised, `conditions` a list of planned expressions of `relation`.
    pub unsafe fn new(
        node: *mut pg_sys::ForeignScanState,
        relation: pg_sys::Relation,
        conditions: *mut pg_sys::List,
        explain_only: bool,
    ) -> Self {
        // SAFETY: the caller's promise; ExecInitQual makes NULL, which matches everything, of NIL,
        // and the slot lives in the query's memory context, as this struct does.
        unsafe {
            let has_param = |node| any_node(node, |n| (*n).type_ == pg_sys::NodeTag::T_Param);
            let usable: Vec<_> = elements::<pg_sys::Node>(conditions)
                .filter(|condition| !(explain_only && has_param(*condition)))
                .collect();
            let usable = node_list(&usable);
            pg_sys::fix_opfuncids(usable.cast());
            let descriptor = pg_sys::CreateTupleDescCopy((*relation).rd_att);
            Self {
                conditions: pg_sys::ExecInitQual(usable, &mut (*node).ss.ps),
                slot: pg_sys::MakeSingleTupleTableSlot(descriptor, &pg_sys::TTSOpsVirtual),
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
        // SAFETY: the scan's expression context is valid while it runs; the slot is filled
        // completely before it is stored, and cleared afterwards.
        unsafe {
            let slot = self.slot;
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
            let outer = std::mem::replace(&mut (*context).ecxt_scantuple, slot);
            let admitted = pg_sys::ExecQual(self.conditions, context);
            (*context).ecxt_scantuple = outer;
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
///
/// # Safety
/// `condition` is a planned expression.
pub unsafe fn looks_at_path_only(
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
            // Postgres takes these out of the conditions it keeps only.
            && !any_node(condition, |node| {
                (*node).type_ == pg_sys::NodeTag::T_PlaceHolderVar
            })
            && !pg_sys::contain_subplans(condition)
    }
}
