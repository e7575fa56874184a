//! Planning: one path, the columns that are needed, nothing opened.

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::{attributes_in, elements};

/// Rows of an export that was never analyzed: a middling bill, so that joins hash it.
const ROWS_UNKNOWN: f64 = 1_000_000.0;

/// Requests before the first row: a listing, a manifest, a footer.
const STARTUP_COST: f64 = 1_000.0;

#[pg_guard]
pub unsafe extern "C-unwind" fn get_foreign_rel_size(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    _table: pg_sys::Oid,
) {
    // SAFETY: Postgres passes valid planner nodes.
    unsafe {
        if (*rel).tuples <= 0.0 {
            (*rel).tuples = ROWS_UNKNOWN;
        }
        pg_sys::set_baserel_size_estimates(root, rel);
    }
}

#[pg_guard]
pub unsafe extern "C-unwind" fn get_foreign_paths(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    _table: pg_sys::Oid,
) {
    // SAFETY: Postgres passes valid planner nodes; the arguments are those of its own
    // create_foreignscan_path for a path without parameters, order or outer path.
    unsafe {
        let per_row = pg_sys::cpu_tuple_cost + (*rel).baserestrictcost.per_tuple;
        let total = STARTUP_COST + (*rel).tuples * per_row;
        let path = pg_sys::create_foreignscan_path(
            root,
            rel,
            std::ptr::null_mut(),
            (*rel).rows,
            #[cfg(feature = "pg18")]
            0,
            STARTUP_COST,
            total,
            std::ptr::null_mut(),
            (*rel).lateral_relids,
            std::ptr::null_mut(),
            #[cfg(any(feature = "pg17", feature = "pg18"))]
            std::ptr::null_mut(),
            std::ptr::null_mut(),
        );
        pg_sys::add_path(rel, path.cast());
    }
}

/// `fdw_private` is a list of the attribute numbers to read: plain nodes only, because a cached
/// plan outlives the transaction and is copied.
#[pg_guard]
pub unsafe extern "C-unwind" fn get_foreign_plan(
    _root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    _table: pg_sys::Oid,
    _path: *mut pg_sys::ForeignPath,
    tlist: *mut pg_sys::List,
    clauses: *mut pg_sys::List,
    outer_plan: *mut pg_sys::Plan,
) -> *mut pg_sys::ForeignScan {
    // SAFETY: Postgres passes valid planner nodes.
    unsafe {
        let needed = needed_attributes(rel);
        let clauses = pg_sys::extract_actual_clauses(clauses, false);
        pg_sys::make_foreignscan(
            tlist,
            clauses,
            (*rel).relid,
            std::ptr::null_mut(),
            needed,
            std::ptr::null_mut(),
            std::ptr::null_mut(),
            outer_plan,
        )
    }
}

/// An integer list of the attributes that the select list or a condition uses; 0 stands for the
/// whole row.
unsafe fn needed_attributes(rel: *mut pg_sys::RelOptInfo) -> *mut pg_sys::List {
    let mut used: *mut pg_sys::Bitmapset = std::ptr::null_mut();
    let mut list: *mut pg_sys::List = std::ptr::null_mut();
    // SAFETY: the caller passes a valid base relation.
    unsafe {
        pg_sys::pull_varattnos((*(*rel).reltarget).exprs.cast(), (*rel).relid, &mut used);
        for clause in elements::<pg_sys::RestrictInfo>((*rel).baserestrictinfo) {
            pg_sys::pull_varattnos((*clause).clause.cast(), (*rel).relid, &mut used);
        }
        for attnum in attributes_in(used)
            .into_iter()
            .filter(|attnum| *attnum >= 0)
        {
            list = pg_sys::lappend_int(list, attnum);
        }
    }
    list
}
