//! Execution: begin, iterate, rescan, end.

use std::collections::BTreeMap;

use billing::BillingPeriod;
use engine::{Bill, Counters, Delivery, Request, Scan, Shape, Value};
use pgrx::prelude::*;
use pgrx::{PgMemoryContexts, pg_sys};

use super::columns::{Column, columns_of};
use super::estimate;
use super::private::{OutputValue, Private};
use super::prune::MonthFilter;
use super::relation::OpenRelation;
use super::server::ForeignTable;
use super::translate::session_is_utc;
use super::values::Params;
use crate::datum::{Rows, Target, quotient};
use crate::error::{Error, OrRaise};
use crate::{backend, gucs};

/// A running scan. Owned by the query's memory context, and dropped with it on success, error and
/// cancel alike: dropping stops the threads and closes the connections.
pub struct ScanState {
    /// The table's export.
    pub table: ForeignTable,
    /// What the plan says.
    pub private: Private,
    /// The role whose credentials are used.
    user: pg_sys::Oid,
    /// All columns of the table, for pruning.
    columns: Vec<Column>,
    /// What comes back from the engine.
    targets: Vec<Target>,
    params: Params,
    filter: MonthFilter,
    /// Whether only the plan is wanted. Parameters have no values then.
    pub explain_only: bool,
    listed: Option<Listed>,
    /// The months that can match, once it is known.
    months: Option<Vec<BillingPeriod>>,
    scan: Option<Scan>,
    /// What earlier scans of this node did.
    before: Work,
    rows: Rows,
    next_row: usize,
    /// Rows that the running scan has brought, before those in `rows`.
    rows_before: usize,
    /// Holds the datums of one batch that are not in `rows`.
    batch_memory: pg_sys::MemoryContext,
}

/// The export, as it was when the query first asked.
struct Listed {
    bill: Bill,
    deliveries: BTreeMap<BillingPeriod, Delivery>,
}

/// What reading took.
#[derive(Clone, Copy, Debug, Default)]
pub struct Work {
    /// Requests for parts of files.
    pub requests: u64,
    /// Bytes asked for.
    pub bytes: u64,
    /// Milliseconds that requests took, all threads together.
    pub waited_ms: u64,
    /// Row groups, rows and spilled bytes.
    pub counters: Counters,
}

/// The months that can match.
pub struct Resolved<'a> {
    /// The export.
    pub bill: &'a Bill,
    /// Their deliveries, oldest first.
    pub deliveries: Vec<Delivery>,
}

impl ScanState {
    /// The months that can match, listed at first use.
    ///
    /// # Safety
    /// `node` is the scan of this state, and is running or being explained.
    pub unsafe fn resolve(
        &mut self,
        node: *mut pg_sys::ForeignScanState,
    ) -> Result<Resolved<'_>, Error> {
        let mut listed = match self.listed.take() {
            Some(listed) => listed,
            None => Listed {
                bill: self.table.bill(self.user)?,
                deliveries: BTreeMap::new(),
            },
        };
        if self.months.is_none() {
            let all = listed.bill.export().months.keys().copied();
            // SAFETY: the caller passes the scan of this state.
            let admitted = all.filter(|m| unsafe { self.filter.admits(node, &self.columns, *m) });
            self.months = Some(admitted.collect());
        }
        let months = self.months.clone().unwrap_or_default();
        listed.read_manifests(&months)?;
        let listed = self.listed.insert(listed);
        let deliveries = months.iter().filter_map(|m| listed.deliveries.get(m));
        Ok(Resolved {
            bill: &listed.bill,
            deliveries: deliveries.cloned().collect(),
        })
    }

    /// Whether it is known which files the scan reads.
    pub fn is_resolved(&self) -> bool {
        self.months.is_some()
    }

    /// What all scans of this node did so far.
    pub fn work(&self) -> Work {
        match &self.scan {
            Some(scan) => self.before.and(scan),
            None => self.before,
        }
    }

    unsafe fn start(&mut self, node: *mut pg_sys::ForeignScanState) -> Result<(), Error> {
        if self.private.needs_utc && !session_is_utc() {
            return Err(Error::Plan {
                why: "it compares times and holds only while TimeZone is UTC".to_owned(),
            });
        }
        // SAFETY: the caller passes the scan of this state.
        let (values, resolved) = unsafe { (self.params.values(node), self.resolve(node)?) };
        let deliveries = resolved.deliveries;
        let store = resolved.bill.store().clone();
        let request = Request {
            query: self.private.query.clone(),
            limit: bound(&self.private.limit, &values),
            values,
            deliveries,
            concurrency: gucs::threads(),
        };
        self.scan = Some(Scan::start(backend::engine()?, &store, request));
        Ok(())
    }

    /// Stops reading and starts over at the next row.
    fn stop(&mut self) {
        self.before = self.work();
        self.scan = None;
        self.rows = Rows::default();
        self.next_row = 0;
        self.rows_before = 0;
    }

    /// Makes the next row current. False at the end.
    unsafe fn advance(&mut self, node: *mut pg_sys::ForeignScanState) -> Result<bool, Error> {
        if self.scan.is_none() {
            // SAFETY: the caller passes the scan of this state.
            unsafe { self.start(node) }?;
        }
        while self.next_row == self.rows.len() {
            let Some(scan) = &mut self.scan else {
                return Ok(false);
            };
            let Some(batch) = backend::next_batch(scan)? else {
                self.remember_size();
                return Ok(false);
            };
            self.rows_before += self.rows.len();
            // SAFETY: the context belongs to this state, and no row of the last batch is in use:
            // Postgres copies what it keeps of a row before it asks for the next one.
            unsafe {
                pg_sys::MemoryContextReset(self.batch_memory);
                let old = pg_sys::MemoryContextSwitchTo(self.batch_memory);
                let filled = self.rows.fill(&batch, &self.targets);
                pg_sys::MemoryContextSwitchTo(old);
                filled?;
            }
            self.next_row = 0;
        }
        self.next_row += 1;
        Ok(true)
    }

    /// After all rows of all months went by, the planner may know how many they were.
    fn remember_size(&self) {
        let query = &self.private.query;
        let months = self.months.as_ref().map(Vec::len);
        let listed = self.listed.as_ref().map(|l| l.bill.export().months.len());
        let is_whole = matches!(query.shape, Shape::Rows(_))
            && query.filters.is_empty()
            && self.private.limit.is_empty()
            && months == listed;
        if is_whole {
            estimate::remember(self.private.relation, self.rows_before + self.rows.len());
        }
    }

    /// Writes the current row into a slot that has room for the scan's width.
    unsafe fn store_into(&self, slot: *mut pg_sys::TupleTableSlot) {
        let (values, nulls) = self.rows.row(self.next_row - 1);
        // SAFETY: a slot of the scan's descriptor has `natts` values and flags, and the attribute
        // numbers of the outputs lie within. A quotient's sum comes as numeric, its count as bigint.
        unsafe {
            let width = (*(*slot).tts_tupleDescriptor).natts as usize;
            std::slice::from_raw_parts_mut((*slot).tts_isnull, width).fill(true);
            for output in &self.private.outputs {
                let (value, null) = match output.value {
                    OutputValue::Column(column) => (values[column], nulls[column]),
                    OutputValue::Quotient { sum, .. } if nulls[sum] => (values[sum], true),
                    OutputValue::Quotient { sum, count } => (
                        quotient(values[sum], values[count], self.batch_memory),
                        false,
                    ),
                };
                let attribute = output.attribute as usize - 1;
                *(*slot).tts_values.add(attribute) = value;
                *(*slot).tts_isnull.add(attribute) = null;
            }
            pg_sys::ExecStoreVirtualTuple(slot);
        }
    }
}

impl Listed {
    fn read_manifests(&mut self, months: &[BillingPeriod]) -> Result<(), Error> {
        let unread = months.iter().filter(|m| !self.deliveries.contains_key(m));
        let unread: Vec<_> = unread.copied().collect();
        if unread.is_empty() {
            return Ok(());
        }
        let bill = self.bill.clone();
        let read = backend::run(async move { bill.deliveries(&unread).await })?;
        self.deliveries
            .extend(read.into_iter().map(|d| (d.period, d)));
        Ok(())
    }
}

impl Work {
    fn and(&self, scan: &Scan) -> Self {
        let traffic = scan.traffic();
        Self {
            requests: self.requests + traffic.requests(),
            bytes: self.bytes + traffic.bytes(),
            waited_ms: self.waited_ms + traffic.waited().as_millis() as u64,
            counters: self.counters + scan.counters(),
        }
    }
}

/// The sum of LIMIT and OFFSET. Without a bound for NULL and for what Postgres's Limit refuses.
fn bound(params: &[usize], values: &[Value]) -> Option<usize> {
    if params.is_empty() {
        return None;
    }
    let rows = params.iter().map(|param| match values.get(*param) {
        Some(Value::Int(rows)) => usize::try_from(*rows).ok(),
        // No offset.
        Some(Value::Null) if params[0] != *param => Some(0),
        _ => None,
    });
    let rows: Option<usize> = rows.sum();
    rows.filter(|rows| i64::try_from(*rows).is_ok())
}

/// The state of a scan.
///
/// # Safety
/// `node` went through [`begin_foreign_scan`], and the reference does not outlive the call.
pub unsafe fn state<'a>(node: *mut pg_sys::ForeignScanState) -> Option<&'a mut ScanState> {
    // SAFETY: fdw_state is NULL or what begin_foreign_scan put there.
    unsafe { (*node).fdw_state.cast::<ScanState>().as_mut() }
}

#[pg_guard]
pub unsafe extern "C-unwind" fn begin_foreign_scan(
    node: *mut pg_sys::ForeignScanState,
    flags: std::ffi::c_int,
) {
    // SAFETY: Postgres passes a foreign scan with its plan set, whose table it has locked.
    unsafe {
        let explain_only = flags & pg_sys::EXEC_FLAG_EXPLAIN_ONLY as i32 != 0;
        let plan = (*node).ss.ps.plan.cast::<pg_sys::ForeignScan>();
        let (private, months) = Private::of_list((*plan).fdw_private).or_raise();
        let oid = pg_sys::Oid::from(private.relation);
        let relation = OpenRelation::new(oid);
        let query = (*(*node).ss.ps.state).es_query_cxt;
        let state = ScanState {
            table: ForeignTable::of(oid).or_raise(),
            user: checked_user(node),
            targets: targets(&private),
            params: Params::new(node, (*plan).fdw_exprs, &private.query.params),
            filter: MonthFilter::new(node, relation.0, months, explain_only),
            columns: columns_of(relation.0, &[]).or_raise(),
            private,
            explain_only,
            listed: None,
            months: None,
            scan: None,
            before: Work::default(),
            rows: Rows::default(),
            next_row: 0,
            rows_before: 0,
            batch_memory: batch_context(query),
        };
        check_encoding().or_raise();
        let state = PgMemoryContexts::For(query).leak_and_drop_on_delete(state);
        (*node).fdw_state = state.cast();
    }
}

/// Names and kinds of what comes back from the engine.
fn targets(private: &Private) -> Vec<Target> {
    let name = |index: usize| match &private.query.shape {
        Shape::Rows(returned) => private.names[returned[index]].clone(),
        Shape::Groups { .. } => format!("column {} of the groups", index + 1),
    };
    let kinds = private.query.output().into_iter().enumerate();
    kinds
        .map(|(index, kind)| Target {
            name: name(index),
            kind,
        })
        .collect()
}

#[pg_guard]
pub unsafe extern "C-unwind" fn iterate_foreign_scan(
    node: *mut pg_sys::ForeignScanState,
) -> *mut pg_sys::TupleTableSlot {
    // SAFETY: Postgres passes a scan that was begun, with its slot.
    unsafe {
        let slot = (*node).ss.ss_ScanTupleSlot;
        pg_sys::ExecClearTuple(slot);
        if let Some(state) = state(node)
            && state.advance(node).or_raise()
        {
            state.store_into(slot);
        }
        slot
    }
}

/// Starts over. What the listing said is kept: a query sees one state of the export. A parameter
/// that changed may decide about the months.
#[pg_guard]
pub unsafe extern "C-unwind" fn rescan_foreign_scan(node: *mut pg_sys::ForeignScanState) {
    // SAFETY: Postgres passes a scan that was begun.
    unsafe {
        if let Some(state) = state(node) {
            state.stop();
            if !(*node).ss.ps.chgParam.is_null() {
                state.months = None;
            }
        }
    }
}

#[pg_guard]
pub unsafe extern "C-unwind" fn end_foreign_scan(node: *mut pg_sys::ForeignScanState) {
    // SAFETY: Postgres passes a scan that was begun. The state itself goes with its memory
    // context; here only the threads stop, which need not wait for that.
    unsafe {
        if let Some(state) = state(node) {
            state.stop();
        }
    }
}

/// The role whose privileges count: the view's owner for a scan through a view, else the current
/// user (Postgres documentation, GetForeignPlan; contrib/postgres_fdw does the same).
unsafe fn checked_user(node: *mut pg_sys::ForeignScanState) -> pg_sys::Oid {
    // SAFETY: Postgres passes a scan with plan and executor state.
    let checked = unsafe {
        let plan = (*node).ss.ps.plan.cast::<pg_sys::ForeignScan>();
        #[cfg(feature = "pg15")]
        {
            // Groups have no range table entry of their own, but that of their table.
            let entry = match (*plan).scan.scanrelid {
                0 => pg_sys::bms_next_member((*plan).fs_relids, -1) as pg_sys::Index,
                table => table,
            };
            (*pg_sys::exec_rt_fetch(entry, (*node).ss.ps.state)).checkAsUser
        }
        #[cfg(not(feature = "pg15"))]
        (*plan).checkAsUser
    };
    if checked != pg_sys::InvalidOid {
        return checked;
    }
    // SAFETY: reads a backend variable.
    unsafe { pg_sys::GetUserId() }
}

/// A context below the query's, reset for each batch.
pub unsafe fn batch_context(parent: pg_sys::MemoryContext) -> pg_sys::MemoryContext {
    // SAFETY: the caller passes a live context; the name is static.
    unsafe {
        pg_sys::AllocSetContextCreateInternal(
            parent,
            c"cur_fdw batch".as_ptr(),
            pg_sys::ALLOCSET_DEFAULT_MINSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_INITSIZE as usize,
            pg_sys::ALLOCSET_DEFAULT_MAXSIZE as usize,
        )
    }
}

/// Files are UTF-8, and are stored as they are.
pub fn check_encoding() -> Result<(), Error> {
    // SAFETY: reads a backend variable.
    let encoding = unsafe { pg_sys::GetDatabaseEncoding() };
    if encoding as u32 == pg_sys::pg_enc::PG_UTF8 {
        Ok(())
    } else {
        Err(Error::Encoding)
    }
}
