//! Planning what comes above a scan: groups, DISTINCT, order and limit.

use engine::{Aggregate, Expr, Function, Key, Kind, Order, OrderBy, Shape};
use pgrx::pg_sys::{self, NodeTag};
use pgrx::prelude::*;

use super::aggregates::{self, Call};
use super::plan::{
    Planned, STARTUP_COST, engine_cost, node_list, owned_by_planner, planned, private_of,
};
use super::private::{Output, OutputValue, Private};
use super::translate::{Translation, is_bytewise, is_c, own_operator};
use super::{Visit, elements, walk};
use crate::datum::kind_of;
use crate::gucs;

/// The steps above a scan that the engine takes.
#[derive(Clone, Debug, Default)]
pub struct Upper {
    groups: Option<Groups>,
    order: Vec<Order>,
    /// The parameters whose sum is the most rows that come back.
    limit: Vec<usize>,
}

/// Groups, and how their rows look to Postgres.
#[derive(Clone, Debug)]
struct Groups {
    keys: Vec<Key>,
    aggregates: Vec<Aggregate>,
    /// The attributes of the scan's rows: Postgres's expressions and where their values come from.
    entries: Vec<(*mut pg_sys::Node, Entry)>,
    /// The conditions of HAVING, which Postgres keeps.
    having: *mut pg_sys::List,
}

#[derive(Clone, Copy, Debug)]
enum Entry {
    Key(usize),
    Aggregate(usize),
    Quotient(usize, usize),
}

impl Upper {
    /// Whether rows are groups.
    pub fn is_grouped(&self) -> bool {
        self.groups.is_some()
    }

    /// The order of the rows.
    pub fn order(&self) -> &[Order] {
        &self.order
    }

    /// The parameters whose sum is the most rows that come back.
    pub fn limit(&self) -> &[usize] {
        &self.limit
    }

    /// The conditions on groups that Postgres keeps.
    pub fn local_conditions(&self) -> *mut pg_sys::List {
        self.groups
            .as_ref()
            .map_or(std::ptr::null_mut(), |groups| groups.having)
    }

    /// `fdw_scan_tlist`: what the attributes of the scan's rows are.
    pub fn scan_tlist(&self) -> *mut pg_sys::List {
        let entries = self.groups.iter().flat_map(|groups| &groups.entries);
        let targets = entries.enumerate().map(|(index, (node, _))| {
            // SAFETY: makeTargetEntry only stores what it is given; copied, for setrefs changes it.
            unsafe {
                let node = pg_sys::copyObjectImpl(node.cast());
                pg_sys::makeTargetEntry(node.cast(), index as i16 + 1, std::ptr::null_mut(), false)
            }
        });
        node_list(&targets.collect::<Vec<_>>())
    }

    /// The private data of a plan with groups.
    pub fn private(&self, planned: &Planned) -> Private {
        let (keys, aggregates) = match &self.groups {
            Some(groups) => (groups.keys.clone(), groups.aggregates.clone()),
            None => (Vec::new(), Vec::new()),
        };
        let aggregate = |index: usize| keys.len() + index;
        let entries = self.groups.iter().flat_map(|groups| &groups.entries);
        let outputs = entries.enumerate().map(|(index, (_, entry))| Output {
            attribute: index as i16 + 1,
            value: match *entry {
                Entry::Key(key) => OutputValue::Column(key),
                Entry::Aggregate(a) => OutputValue::Column(aggregate(a)),
                Entry::Quotient(sum, count) => OutputValue::Quotient {
                    sum: aggregate(sum),
                    count: aggregate(count),
                },
            },
        });
        let outputs = outputs.collect();
        private_of(planned, Shape::Groups { keys, aggregates }, outputs)
    }
}

#[pg_guard]
pub unsafe extern "C-unwind" fn get_foreign_upper_paths(
    root: *mut pg_sys::PlannerInfo,
    stage: pg_sys::UpperRelationKind::Type,
    input: *mut pg_sys::RelOptInfo,
    output: *mut pg_sys::RelOptInfo,
    extra: *mut std::ffi::c_void,
) {
    use pg_sys::UpperRelationKind as Stage;
    // SAFETY: Postgres passes valid planner nodes, and the extra data of the stage.
    unsafe {
        let below = match planned(input) {
            Some(below) if gucs::enable_pushdown() => below,
            _ => return,
        };
        let parse = &*(*root).parse;
        let impossible = !below.local.is_empty()
            || parse.hasTargetSRFs
            || parse.commandType != pg_sys::CmdType::CMD_SELECT
            || !parse.rowMarks.is_null()
            || !(*output).fdw_private.is_null();
        if impossible {
            return;
        }
        let stage = match stage {
            Stage::UPPERREL_GROUP_AGG => grouped(root, below, output, extra.cast()),
            Stage::UPPERREL_DISTINCT => distinct(root, below, output),
            Stage::UPPERREL_ORDERED => ordered(root, below).map(|planned| {
                (*output).fdw_private = owned_by_planner(planned).cast();
            }),
            Stage::UPPERREL_FINAL => limited(root, below, input, output, extra.cast()),
            _ => None,
        };
        // A stage that the engine cannot take has Postgres's own paths.
        stage.unwrap_or(());
    }
}

/// GROUP BY and aggregates.
unsafe fn grouped(
    root: *mut pg_sys::PlannerInfo,
    below: &Planned,
    output: *mut pg_sys::RelOptInfo,
    extra: *mut pg_sys::GroupPathExtraData,
) -> Option<()> {
    // SAFETY: the caller passes what Postgres passed.
    unsafe {
        let parse = &*(*root).parse;
        if !parse.groupingSets.is_null() || !takes_rows(below) {
            return None;
        }
        if (*extra).patype == pg_sys::PartitionwiseAggregateType::PARTITIONWISE_AGGREGATE_PARTIAL {
            return None;
        }
        let target = (*output).reltarget;
        let mut planned = below.clone();
        let mut grouping = Grouping::new(&mut planned.translation);
        grouping.add_target(target, parse.groupClause)?;
        let having: Vec<_> = elements::<pg_sys::Node>((*extra).havingQual.cast()).collect();
        for condition in &having {
            grouping.cover(*condition)?;
        }
        let groups = grouping.finish(node_list(&having))?;
        add_grouped_path(root, planned, groups, output, target);
        Some(())
    }
}

/// SELECT DISTINCT, which is a group for each row of the result.
unsafe fn distinct(
    root: *mut pg_sys::PlannerInfo,
    below: &Planned,
    output: *mut pg_sys::RelOptInfo,
) -> Option<()> {
    // SAFETY: the caller passes what Postgres passed.
    unsafe {
        let parse = &*(*root).parse;
        if parse.hasDistinctOn || !takes_rows(below) {
            return None;
        }
        let target = (*root).upper_targets[pg_sys::UpperRelationKind::UPPERREL_DISTINCT as usize];
        let mut planned = below.clone();
        let mut grouping = Grouping::new(&mut planned.translation);
        grouping.add_target(target, parse.distinctClause)?;
        let groups = grouping.finish(std::ptr::null_mut())?;
        if groups.entries.len() != groups.keys.len() {
            return None;
        }
        add_grouped_path(root, planned, groups, output, target);
        Some(())
    }
}

/// Whether a step reads the rows of the table, and not what another step made of them.
fn takes_rows(below: &Planned) -> bool {
    !below.upper.is_grouped() && below.upper.order.is_empty() && below.upper.limit.is_empty()
}

unsafe fn add_grouped_path(
    root: *mut pg_sys::PlannerInfo,
    mut planned: Planned,
    groups: Groups,
    output: *mut pg_sys::RelOptInfo,
    target: *mut pg_sys::PathTarget,
) {
    // SAFETY: the caller passes valid planner nodes.
    unsafe {
        let keys = groups.entries.iter();
        let keys = keys.filter(|(_, entry)| matches!(entry, Entry::Key(_)));
        let keys: Vec<_> = keys.map(|(node, _)| *node).collect();
        let rows = match keys.is_empty() {
            true => 1.0,
            false => pg_sys::estimate_num_groups(
                root,
                node_list(&keys),
                (*planned.rel).rows,
                std::ptr::null_mut(),
                std::ptr::null_mut(),
            )
            .min((*planned.rel).rows),
        };
        planned.upper.groups = Some(groups);
        let cost = engine_cost(planned.rel);
        (*output).fdw_private = owned_by_planner(planned).cast();
        let total = cost + rows * pg_sys::cpu_tuple_cost;
        let path = foreign_path(
            root,
            output,
            target,
            rows,
            cost,
            total,
            std::ptr::null_mut(),
        );
        pg_sys::add_path(output, path.cast());
    }
}

/// Notes the order of the whole query, if the engine sorts as Postgres does. A sort alone gains
/// nothing; with a limit it does.
unsafe fn ordered(root: *mut pg_sys::PlannerInfo, below: &Planned) -> Option<Planned> {
    // SAFETY: the caller passes what Postgres passed.
    unsafe {
        let parse = &*(*root).parse;
        if !below.upper.order.is_empty() || !below.upper.limit.is_empty() {
            return None;
        }
        let mut planned = below.clone();
        for clause in elements::<pg_sys::SortGroupClause>(parse.sortClause) {
            let node = pg_sys::get_sortgroupclause_expr(clause, (*root).processed_tlist);
            let order = order_by(&mut planned, clause, node)?;
            planned.upper.order.push(order);
        }
        Some(planned)
    }
}

unsafe fn order_by(
    planned: &mut Planned,
    clause: *mut pg_sys::SortGroupClause,
    node: *mut pg_sys::Node,
) -> Option<Order> {
    // SAFETY: the caller passes a clause of the query and its expression.
    unsafe {
        let kind = kind_of(pg_sys::exprType(node), -1)?;
        let descending = match own_operator((*clause).sortop)?.as_str() {
            "<" => false,
            ">" => true,
            _ => return None,
        };
        if kind == Kind::Text && !is_c(pg_sys::exprCollation(node)) {
            return None;
        }
        let by = match &planned.upper.groups {
            Some(groups) => groups.sortable(node)?,
            None if !kind.is_comparable() => return None,
            None => OrderBy::Expr(planned.translation.expr(node)?, kind),
        };
        Some(Order {
            by,
            descending,
            nulls_first: (*clause).nulls_first,
        })
    }
}

/// LIMIT: no more than its rows and those of OFFSET need leave the engine. Postgres's own Limit
/// stays above, so its errors and its OFFSET are its own.
unsafe fn limited(
    root: *mut pg_sys::PlannerInfo,
    below: &Planned,
    input: *mut pg_sys::RelOptInfo,
    output: *mut pg_sys::RelOptInfo,
    extra: *mut pg_sys::FinalPathExtraData,
) -> Option<()> {
    // SAFETY: the caller passes what Postgres passed.
    unsafe {
        let parse = &*(*root).parse;
        let bounded = !extra.is_null()
            && (*extra).limit_needed
            && !parse.limitCount.is_null()
            && parse.limitOption == pg_sys::LimitOption::LIMIT_OPTION_COUNT;
        let sorted = parse.sortClause.is_null() || !below.upper.order.is_empty();
        if !bounded || !sorted || !below.upper.local_conditions().is_null() {
            return None;
        }
        let mut planned = below.clone();
        planned
            .upper
            .limit
            .push(planned.translation.param(parse.limitCount)?);
        if !parse.limitOffset.is_null() {
            planned
                .upper
                .limit
                .push(planned.translation.param(parse.limitOffset)?);
        }
        // Rows of the table are read by a scan of the table, groups by one of the step below.
        let parent = match planned.upper.is_grouped() {
            true => input,
            false if (*planned.rel).lateral_relids.is_null() => planned.rel,
            false => return None,
        };
        let all = (*planned.rel).rows.max(1.0);
        let rows = match (*extra).limit_tuples {
            estimated if estimated > 0.0 => estimated.min(all),
            _ => all,
        };
        // Groups and sorts take all rows; a plain limit ends the download.
        let takes_all = planned.upper.is_grouped() || !planned.upper.order.is_empty();
        let cost = match takes_all {
            true => engine_cost(planned.rel),
            false => STARTUP_COST + (engine_cost(planned.rel) - STARTUP_COST) * rows / all,
        };
        let total = cost + rows * pg_sys::cpu_tuple_cost;
        let target = (*root).upper_targets[pg_sys::UpperRelationKind::UPPERREL_FINAL as usize];
        let pathkeys = (*root).sort_pathkeys;
        let scan = foreign_path(root, parent, target, rows, STARTUP_COST, total, pathkeys);
        (*scan).fdw_private = node_list(&[owned_by_planner(planned)]);
        let limit = pg_sys::create_limit_path(
            root,
            output,
            scan.cast(),
            parse.limitOffset,
            parse.limitCount,
            parse.limitOption,
            (*extra).offset_est,
            (*extra).count_est,
        );
        pg_sys::add_path(output, limit.cast());
        Some(())
    }
}

unsafe fn foreign_path(
    root: *mut pg_sys::PlannerInfo,
    parent: *mut pg_sys::RelOptInfo,
    target: *mut pg_sys::PathTarget,
    rows: f64,
    startup: f64,
    total: f64,
    pathkeys: *mut pg_sys::List,
) -> *mut pg_sys::ForeignPath {
    // SAFETY: the caller passes valid planner nodes; the other arguments are those of Postgres's
    // own for a path without outer path.
    unsafe {
        pg_sys::create_foreign_upper_path(
            root,
            parent,
            target,
            rows,
            #[cfg(feature = "pg18")]
            0,
            startup,
            total,
            pathkeys,
            std::ptr::null_mut(),
            #[cfg(any(feature = "pg17", feature = "pg18"))]
            std::ptr::null_mut(),
            std::ptr::null_mut(),
        )
    }
}

/// Groups in the making.
struct Grouping<'a> {
    translation: &'a mut Translation,
    keys: Vec<Key>,
    /// Whether a constant is among the keys, which Postgres puts into the rows itself.
    has_constant_key: bool,
    aggregates: Vec<Aggregate>,
    entries: Vec<(*mut pg_sys::Node, Entry)>,
}

impl<'a> Grouping<'a> {
    fn new(translation: &'a mut Translation) -> Self {
        Self {
            translation,
            keys: Vec::new(),
            has_constant_key: false,
            aggregates: Vec::new(),
            entries: Vec::new(),
        }
    }

    /// The keys of a step's target, then the aggregates in the rest of it.
    unsafe fn add_target(
        &mut self,
        target: *mut pg_sys::PathTarget,
        clause: *mut pg_sys::List,
    ) -> Option<()> {
        // SAFETY: the caller passes a target, whose references are as many as its expressions.
        unsafe {
            let mut rest = Vec::new();
            for (index, node) in elements::<pg_sys::Node>((*target).exprs).enumerate() {
                let reference = match (*target).sortgrouprefs.is_null() {
                    true => 0,
                    false => *(*target).sortgrouprefs.add(index),
                };
                let is_key = reference != 0
                    && !pg_sys::get_sortgroupref_clause_noerr(reference, clause).is_null();
                match is_key {
                    true if (*node).type_ == NodeTag::T_Const => self.has_constant_key = true,
                    true => self.add_key(node)?,
                    false => rest.push(node),
                }
            }
            rest.into_iter().try_for_each(|node| self.cover(node))
        }
    }

    unsafe fn add_key(&mut self, node: *mut pg_sys::Node) -> Option<()> {
        // SAFETY: the caller passes an expression.
        unsafe {
            let kind = kind_of(pg_sys::exprType(node), -1)?;
            let expr = self.translation.expr(node)?;
            let exact = match kind {
                Kind::Text => is_bytewise(pg_sys::exprCollation(node)),
                // Zeros are equal but do not look the same.
                Kind::Float4 | Kind::Float8 => false,
                Kind::Numeric => matches!(expr, Expr::Extract(..)),
                Kind::Jsonb => false,
                _ => true,
            };
            // What is known only when the query runs is no column of a row.
            if !exact || matches!(expr, Expr::Param(_)) {
                return None;
            }
            self.entries.push((node, Entry::Key(self.keys.len())));
            self.keys.push(Key { expr, kind });
            Some(())
        }
    }

    /// Makes sure that Postgres can compute an expression of keys and aggregates.
    unsafe fn cover(&mut self, node: *mut pg_sys::Node) -> Option<()> {
        // SAFETY: the caller passes an expression.
        let stopped = unsafe {
            walk(node, |part| {
                if self.entries.iter().any(|(known, _)| equal(*known, part)) {
                    return Visit::Past;
                }
                match (*part).type_ {
                    NodeTag::T_Aggref => match self.add_aggregate(part.cast()) {
                        Some(()) => Visit::Past,
                        None => Visit::Stop,
                    },
                    NodeTag::T_Var | NodeTag::T_PlaceHolderVar => Visit::Stop,
                    NodeTag::T_SubPlan | NodeTag::T_AlternativeSubPlan => Visit::Stop,
                    _ => Visit::Into,
                }
            })
        };
        (!stopped).then_some(())
    }

    unsafe fn add_aggregate(&mut self, call: *mut pg_sys::Aggref) -> Option<()> {
        // SAFETY: the caller passes an Aggref.
        let entry = match unsafe { aggregates::call(self.translation, call)? } {
            Call::Value(aggregate) => Entry::Aggregate(self.aggregate(aggregate)),
            Call::Quotient(sum, count) => {
                Entry::Quotient(self.aggregate(sum), self.aggregate(count))
            }
        };
        self.entries.push((call.cast(), entry));
        Some(())
    }

    fn aggregate(&mut self, aggregate: Aggregate) -> usize {
        self.aggregates.push(aggregate);
        self.aggregates.len() - 1
    }

    fn finish(self, having: *mut pg_sys::List) -> Option<Groups> {
        // Without rows there is no group of a constant, but there is one of all rows.
        if self.entries.is_empty() || (self.has_constant_key && self.keys.is_empty()) {
            return None;
        }
        Some(Groups {
            keys: self.keys,
            aggregates: self.aggregates,
            entries: self.entries,
            having,
        })
    }
}

impl Groups {
    /// The engine's column of an expression, if the engine can sort by it.
    fn sortable(&self, node: *mut pg_sys::Node) -> Option<OrderBy> {
        let entry = self.entries.iter().find(|(known, _)| equal(*known, node));
        match entry?.1 {
            Entry::Key(key) => Some(OrderBy::Output(key)),
            // It comes as text, which does not sort as the number does.
            Entry::Aggregate(aggregate)
                if matches!(self.aggregates[aggregate].function, Function::SumExact(_)) =>
            {
                None
            }
            Entry::Aggregate(aggregate) => Some(OrderBy::Output(self.keys.len() + aggregate)),
            Entry::Quotient(..) => None,
        }
    }
}

fn equal(a: *mut pg_sys::Node, b: *mut pg_sys::Node) -> bool {
    // SAFETY: both are nodes of the planner's.
    unsafe { pg_sys::equal(a.cast(), b.cast()) }
}
