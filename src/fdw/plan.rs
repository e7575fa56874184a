//! Planning a scan of the table: which conditions the engine takes, which Postgres keeps.
//!
//! Nothing is opened here.

use engine::{Expr, Query, Shape};
use pgrx::prelude::*;
use pgrx::{PgMemoryContexts, pg_sys};

use super::columns::{Column, columns_of};
use super::estimate;
use super::private::{Output, OutputValue, Private};
use super::relation::OpenRelation;
use super::translate::Translation;
use super::upper::Upper;
use super::{any_node, attributes_in, elements, prune, string};
use crate::error::OrRaise;
use crate::gucs;

/// Rows of an export that was never analyzed, nor read as a whole by this session: a middling bill, so that joins hash it.
const ROWS_UNKNOWN: f64 = 1_000_000.0;

/// Requests before the first row: a listing, a manifest, a footer.
pub const STARTUP_COST: f64 = 1_000.0;

/// What the engine does to a row costs this part of what Postgres would pay for it.
const ENGINE_SHARE: f64 = 0.02;

/// What is known of a base relation or of a step above it while planning. Lives in the planner's
/// memory context, behind `RelOptInfo.fdw_private`.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The base relation.
    pub rel: *mut pg_sys::RelOptInfo,
    /// The foreign table.
    pub relation: pg_sys::Oid,
    /// The query so far.
    pub translation: Translation,
    /// The conditions that the engine takes.
    pub filters: Vec<Expr>,
    /// The same, and those on the path, as Postgres's expressions.
    pub shipped: Vec<*mut pg_sys::Node>,
    /// The conditions on columns of the path, which choose the months.
    pub months: Vec<*mut pg_sys::Node>,
    /// The conditions that Postgres keeps.
    pub local: Vec<*mut pg_sys::RestrictInfo>,
    /// Steps above the scan that the engine takes too.
    pub upper: Upper,
}

/// What [`get_foreign_rel_size`] or an upper step left for a relation.
///
/// # Safety
/// `rel` is a planner's relation; the reference does not outlive planning.
pub unsafe fn planned<'a>(rel: *mut pg_sys::RelOptInfo) -> Option<&'a Planned> {
    // SAFETY: fdw_private is NULL or what `keep` put there.
    unsafe { (*rel).fdw_private.cast::<Planned>().as_ref() }
}

/// Hands something to the planner's memory context, which is current while planning.
pub fn owned_by_planner(planned: Planned) -> *mut Planned {
    PgMemoryContexts::CurrentMemoryContext.leak_and_drop_on_delete(planned)
}

#[pg_guard]
pub unsafe extern "C-unwind" fn get_foreign_rel_size(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    table: pg_sys::Oid,
) {
    // SAFETY: Postgres passes valid planner nodes.
    unsafe {
        if (*rel).tuples <= 0.0 {
            (*rel).tuples = estimate::rows_of(table.to_u32()).unwrap_or(ROWS_UNKNOWN);
        }
        pg_sys::set_baserel_size_estimates(root, rel);
        let relation = OpenRelation::new(table);
        let columns = columns_of(relation.0, &[]).or_raise();
        let planned = classify(root, rel, table, columns);
        (*rel).fdw_private = owned_by_planner(planned).cast();
    }
}

/// Sorts the conditions of a base relation by who takes them.
unsafe fn classify(
    root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    table: pg_sys::Oid,
    columns: Vec<Column>,
) -> Planned {
    // SAFETY: the caller passes valid planner nodes.
    unsafe {
        let mut planned = Planned {
            rel,
            relation: table,
            translation: Translation::new(root, (*rel).relid, columns),
            filters: Vec::new(),
            shipped: Vec::new(),
            months: Vec::new(),
            local: Vec::new(),
            upper: Upper::default(),
        };
        for info in elements::<pg_sys::RestrictInfo>((*rel).baserestrictinfo) {
            let clause = (*info).clause.cast::<pg_sys::Node>();
            // Such a condition decides about the whole scan; Postgres asks it once. Behind a security
            // barrier, one whose errors could tell of rows must see none that the barrier hides, and
            // the engine does not keep the order of conditions.
            let may_leak =
                (*info).security_level > (*rel).baserestrict_min_security && !(*info).leakproof;
            if (*info).pseudoconstant || may_leak {
                planned.local.push(info);
                continue;
            }
            if prune::looks_at_path_only(clause, (*rel).relid, planned.translation.table()) {
                planned.months.push(clause);
                planned.shipped.push(clause);
                continue;
            }
            let filter = match gucs::enable_pushdown() {
                true => planned.translation.expr(clause),
                false => None,
            };
            match filter {
                Some(filter) => {
                    planned.filters.push(filter);
                    planned.shipped.push(clause);
                }
                None => planned.local.push(info),
            }
        }
        planned
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
        let (startup, total) = scan_cost(rel);
        let path = pg_sys::create_foreignscan_path(
            root,
            rel,
            std::ptr::null_mut(),
            (*rel).rows,
            #[cfg(feature = "pg18")]
            0,
            startup,
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

/// Startup and total cost of a scan: every row passes the engine, those that match pass Postgres.
///
/// # Safety
/// `rel` is a base relation with its size estimated.
pub unsafe fn scan_cost(rel: *mut pg_sys::RelOptInfo) -> (f64, f64) {
    // SAFETY: the caller's promise; the costs are plain variables.
    unsafe {
        let engine = engine_cost(rel);
        let per_row = pg_sys::cpu_tuple_cost + (*rel).baserestrictcost.per_tuple;
        (STARTUP_COST, engine + (*rel).rows * per_row)
    }
}

/// The cost of a scan whose rows stay in the engine.
///
/// # Safety
/// As for [`scan_cost`].
pub unsafe fn engine_cost(rel: *mut pg_sys::RelOptInfo) -> f64 {
    // SAFETY: the caller's promise.
    unsafe { STARTUP_COST + (*rel).tuples * pg_sys::cpu_tuple_cost * ENGINE_SHARE }
}

#[pg_guard]
pub unsafe extern "C-unwind" fn get_foreign_plan(
    _root: *mut pg_sys::PlannerInfo,
    rel: *mut pg_sys::RelOptInfo,
    _table: pg_sys::Oid,
    path: *mut pg_sys::ForeignPath,
    tlist: *mut pg_sys::List,
    clauses: *mut pg_sys::List,
    outer_plan: *mut pg_sys::Plan,
) -> *mut pg_sys::ForeignScan {
    // SAFETY: Postgres passes valid planner nodes. The path carries what this extension put there.
    unsafe {
        // A path of an upper step may know more than its relation.
        let of_path = elements::<Planned>((*path).fdw_private).next();
        let of_path = of_path.and_then(|p| p.as_ref()).or(planned(rel));
        let mut planned = match of_path {
            Some(planned) => planned.clone(),
            None => pgrx::error!("cur_fdw planned no scan for this path"),
        };
        if !planned.upper.is_grouped() {
            let scan = Rows::of(&mut planned, clauses);
            let (private, months) = (scan.private(&planned), node_list(&planned.months));
            return pg_sys::make_foreignscan(
                tlist,
                scan.local,
                (*planned.rel).relid,
                expressions(&planned),
                private.to_list(months),
                std::ptr::null_mut(),
                node_list(&planned.shipped),
                outer_plan,
            );
        }
        let private = planned.upper.private(&planned);
        pg_sys::make_foreignscan(
            tlist,
            planned.upper.local_conditions(),
            0,
            expressions(&planned),
            private.to_list(node_list(&planned.months)),
            planned.upper.scan_tlist(),
            std::ptr::null_mut(),
            outer_plan,
        )
    }
}

/// The rows of a base relation that come back to Postgres.
struct Rows {
    local: *mut pg_sys::List,
    outputs: Vec<Output>,
    returned: Vec<usize>,
}

impl Rows {
    /// Splits the clauses of a scan, and finds the columns that Postgres needs.
    unsafe fn of(planned: &mut Planned, clauses: *mut pg_sys::List) -> Self {
        // SAFETY: the caller passes the clauses of the relation's scan.
        unsafe {
            let is_shipped = |info: &*mut pg_sys::RestrictInfo| {
                planned.shipped.contains(&(**info).clause.cast())
            };
            let kept: Vec<_> = elements::<pg_sys::RestrictInfo>(clauses)
                .filter(|info| !is_shipped(info))
                .collect();
            let local = pg_sys::extract_actual_clauses(node_list(&kept), false);
            let mut rows = Self {
                local,
                outputs: Vec::new(),
                returned: Vec::new(),
            };
            for attnum in needed_attributes(planned, local) {
                if let Some(column) = planned.translation.column(attnum) {
                    rows.outputs.push(Output {
                        attribute: attnum,
                        value: OutputValue::Column(rows.returned.len()),
                    });
                    rows.returned.push(column);
                }
            }
            rows
        }
    }

    fn private(&self, planned: &Planned) -> Private {
        private_of(
            planned,
            Shape::Rows(self.returned.clone()),
            self.outputs.clone(),
        )
    }
}

/// The private data of a plan.
pub fn private_of(planned: &Planned, shape: Shape, outputs: Vec<Output>) -> Private {
    let translation = &planned.translation;
    Private {
        relation: planned.relation.to_u32(),
        query: Query {
            columns: translation.fields(),
            params: translation.param_kinds(),
            filters: planned.filters.clone(),
            shape,
            order: planned.upper.order().to_vec(),
        },
        names: translation
            .columns()
            .map(|c| c.target.name.clone())
            .collect(),
        months: planned
            .months
            .iter()
            .map(|m| spelled(planned, *m))
            .collect(),
        outputs,
        limit: planned.upper.limit().to_vec(),
        needs_utc: translation.needs_utc,
    }
}

/// A condition of the base relation as SQL spells it.
fn spelled(planned: &Planned, condition: *mut pg_sys::Node) -> String {
    // SAFETY: the condition is copied, and its columns then belong to the first and only relation
    // of the context.
    unsafe {
        let condition = pg_sys::copyObjectImpl(condition.cast()).cast::<pg_sys::Node>();
        any_node(condition, |node| {
            match (*node).type_ {
                pg_sys::NodeTag::T_Var => {
                    let var = node.cast::<pg_sys::Var>();
                    (*var).varno = 1;
                    (*var).varnosyn = 1;
                }
                // Postgres would look for the node that sets it, in a plan that is not there yet.
                pg_sys::NodeTag::T_Param => {
                    let param = node.cast::<pg_sys::Param>();
                    (*param).paramkind = pg_sys::ParamKind::PARAM_EXTERN;
                }
                _ => (),
            }
            false
        });
        let name = pg_sys::get_rel_name(planned.relation);
        let context = pg_sys::deparse_context_for(name, planned.relation);
        string(pg_sys::deparse_expression(condition, context, false, false))
    }
}

/// `fdw_exprs`: the query's parameters, then whatever else the plan depends on: the parameters in
/// conditions on the path.
unsafe fn expressions(planned: &Planned) -> *mut pg_sys::List {
    let mut all: Vec<_> = planned.translation.params().collect();
    for condition in &planned.months {
        // SAFETY: a planned condition; the visitor only looks at nodes.
        unsafe {
            any_node(*condition, |node| {
                if (*node).type_ == pg_sys::NodeTag::T_Param {
                    all.push(node);
                }
                false
            });
        }
    }
    node_list(&all)
}

/// A `List` of nodes.
pub fn node_list<T>(nodes: &[*mut T]) -> *mut pg_sys::List {
    // SAFETY: lappend accepts NIL and any pointer.
    nodes
        .iter()
        .fold(std::ptr::null_mut(), |list, node| unsafe {
            pg_sys::lappend(list, node.cast())
        })
}

/// The attributes that the select list or a condition of Postgres's uses; all for a whole row.
unsafe fn needed_attributes(planned: &Planned, local: *mut pg_sys::List) -> Vec<i16> {
    let mut used: *mut pg_sys::Bitmapset = std::ptr::null_mut();
    // SAFETY: the caller passes a valid base relation and its conditions.
    let used = unsafe {
        let rel = planned.rel;
        pg_sys::pull_varattnos((*(*rel).reltarget).exprs.cast(), (*rel).relid, &mut used);
        pg_sys::pull_varattnos(local.cast(), (*rel).relid, &mut used);
        attributes_in(used)
    };
    let all = planned.translation.table().iter().map(|c| c.attnum);
    all.filter(|attnum| used.contains(&0) || used.contains(&i32::from(*attnum)))
        .collect()
}
