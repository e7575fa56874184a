//! Postgres's side of a foreign scan.

mod aggregates;
mod analyze;
mod clients;
mod columns;
mod estimate;
mod explain;
mod import;
mod mapping;
mod options;
mod plan;
mod private;
mod prune;
mod relation;
mod scan;
mod server;
mod translate;
mod upper;
mod values;
mod vault;

use std::ffi::c_char;

use pgrx::pg_sys;
use pgrx::prelude::*;

pub use columns::{Column, columns_of, quote};
pub use import::{create_table_sql, month_columns};
pub use relation::OpenRelation;
pub use scan::{batch_context, check_encoding};
pub use server::{ForeignTable, open_server};

/// Postgres calls this to learn the version of [`cur_fdw_handler`]'s calling convention.
#[unsafe(no_mangle)]
pub extern "C" fn pg_finfo_cur_fdw_handler() -> &'static pg_sys::Pg_finfo_record {
    const V1: pg_sys::Pg_finfo_record = pg_sys::Pg_finfo_record { api_version: 1 };
    &V1
}

/// `cur_fdw_handler() RETURNS fdw_handler`: the callbacks of a foreign scan (Postgres
/// documentation, "Foreign Data Wrapper Callback Routines").
#[pg_guard]
#[unsafe(no_mangle)]
pub unsafe extern "C-unwind" fn cur_fdw_handler(_call: pg_sys::FunctionCallInfo) -> pg_sys::Datum {
    // SAFETY: the node is allocated zeroed with its own tag and size, and only its fields are set.
    let mut routine =
        unsafe { PgBox::<pg_sys::FdwRoutine>::alloc_node(pg_sys::NodeTag::T_FdwRoutine) };
    routine.GetForeignRelSize = Some(plan::get_foreign_rel_size);
    routine.GetForeignPaths = Some(plan::get_foreign_paths);
    routine.GetForeignPlan = Some(plan::get_foreign_plan);
    routine.GetForeignUpperPaths = Some(upper::get_foreign_upper_paths);
    routine.BeginForeignScan = Some(scan::begin_foreign_scan);
    routine.IterateForeignScan = Some(scan::iterate_foreign_scan);
    routine.ReScanForeignScan = Some(scan::rescan_foreign_scan);
    routine.EndForeignScan = Some(scan::end_foreign_scan);
    routine.ExplainForeignScan = Some(explain::explain_foreign_scan);
    routine.AnalyzeForeignTable = Some(analyze::analyze_foreign_table);
    routine.ImportForeignSchema = Some(import::import_foreign_schema);
    pg_sys::Datum::from(routine.into_pg())
}

/// Copies a C string of Postgres.
///
/// # Safety
/// `text` is NULL or a NUL-terminated string.
pub unsafe fn string(text: *const c_char) -> String {
    if text.is_null() {
        return String::new();
    }
    // SAFETY: the caller's promise.
    unsafe { std::ffi::CStr::from_ptr(text) }
        .to_string_lossy()
        .into_owned()
}

/// The elements of a `List` of pointers.
///
/// # Safety
/// `list` is NIL or a list of pointers to `T` that outlive the iterator.
unsafe fn elements<T>(list: *mut pg_sys::List) -> impl Iterator<Item = *mut T> {
    // SAFETY: the caller's promise; NIL is a null pointer.
    let length = unsafe { list.as_ref() }.map_or(0, |list| list.length);
    (0..length).map(move |i| {
        // SAFETY: the index lies within the list.
        unsafe { pg_sys::list_nth(list, i).cast::<T>() }
    })
}

/// The attribute numbers in a set made by pull_varattnos, which offsets them by the lowest.
///
/// # Safety
/// `set` is NULL or a valid set.
unsafe fn attributes_in(set: *mut pg_sys::Bitmapset) -> Vec<i32> {
    // SAFETY: the caller's promise; bms_next_member accepts NULL and ends with a negative number.
    let next = |member: &i32| Some(unsafe { pg_sys::bms_next_member(set, *member) });
    std::iter::successors(next(&-1), next)
        .take_while(|member| *member >= 0)
        .map(|member| member + pg_sys::FirstLowInvalidHeapAttributeNumber)
        .collect()
}

/// What a visitor of [`walk`] wants next.
enum Visit {
    /// To see the parts of this node.
    Into,
    /// To see what follows, but not the parts of this node.
    Past,
    /// To see nothing more.
    Stop,
}

/// Shows a visitor the nodes of an expression from the outside in, and says whether it stopped.
///
/// # Safety
/// `node` is NULL, an expression or a list of expressions.
unsafe fn walk(node: *mut pg_sys::Node, mut visit: impl FnMut(*mut pg_sys::Node) -> Visit) -> bool {
    type Visitor<'a> = &'a mut dyn FnMut(*mut pg_sys::Node) -> Visit;
    #[pg_guard]
    unsafe extern "C-unwind" fn step(
        node: *mut pg_sys::Node,
        context: *mut std::ffi::c_void,
    ) -> bool {
        // SAFETY: Postgres's walker passes valid nodes or NULL, and the context it was given.
        unsafe {
            if node.is_null() {
                return false;
            }
            let visitor = &mut *context.cast::<Visitor<'_>>();
            match visitor(node) {
                Visit::Into => expression_tree_walker(node, Some(step), context),
                Visit::Past => false,
                Visit::Stop => true,
            }
        }
    }
    let mut visitor: Visitor<'_> = &mut visit;
    // SAFETY: the caller passes an expression; the visitor outlives the walk.
    unsafe { step(node, (&raw mut visitor).cast()) }
}

/// Whether any node of an expression meets a condition.
///
/// # Safety
/// As for [`walk`].
unsafe fn any_node(
    node: *mut pg_sys::Node,
    mut condition: impl FnMut(*mut pg_sys::Node) -> bool,
) -> bool {
    // SAFETY: the caller's promise.
    unsafe {
        walk(node, |node| match condition(node) {
            true => Visit::Stop,
            false => Visit::Into,
        })
    }
}

#[cfg(feature = "pg15")]
use pg_sys::expression_tree_walker;
#[cfg(not(feature = "pg15"))]
use pg_sys::expression_tree_walker_impl as expression_tree_walker;
