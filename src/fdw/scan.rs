//! Execution: begin, iterate, rescan, end.

use engine::{Bill, Delivery, Request, Scan};
use pgrx::prelude::*;
use pgrx::{PgMemoryContexts, pg_sys};

use super::columns::{Column, columns_of};
use super::prune::MonthFilter;
use super::server::ForeignTable;
use crate::datum::{Rows, Target};
use crate::error::{Error, OrRaise};
use crate::{backend, gucs};

/// A running scan. Owned by the query's memory context, and dropped with it on success, error and
/// cancel alike: dropping stops the threads and closes the connections.
pub struct ScanState {
    /// The table's export.
    pub table: ForeignTable,
    /// The role whose credentials are used.
    user: pg_sys::Oid,
    /// All columns, for pruning.
    columns: Vec<Column>,
    /// Indexes into `columns` of those that are read.
    needed: Vec<usize>,
    targets: Vec<Target>,
    filter: MonthFilter,
    /// Whether only the plan is wanted. Parameters have no values then.
    pub explain_only: bool,
    /// The months that can match, once resolved.
    pub resolved: Option<Resolved>,
    scan: Option<Scan>,
    rows: Rows,
    next_row: usize,
    /// Holds the datums of one batch that are not in `rows`.
    batch_memory: pg_sys::MemoryContext,
}

/// What the listing and the manifests say about a query.
pub struct Resolved {
    /// The export.
    pub bill: Bill,
    /// The months that can match, oldest first.
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
    ) -> Result<&Resolved, Error> {
        let resolved = match self.resolved.take() {
            Some(resolved) => resolved,
            // SAFETY: the caller's promise.
            None => unsafe { self.list(node) }?,
        };
        Ok(self.resolved.insert(resolved))
    }

    unsafe fn list(&self, node: *mut pg_sys::ForeignScanState) -> Result<Resolved, Error> {
        let bill = self.table.bill(self.user)?;
        let months = bill.export().months.keys().copied();
        // SAFETY: the caller passes the scan of this state.
        let admitted: Vec<_> = months
            .filter(|m| unsafe { self.filter.admits(node, &self.columns, *m) })
            .collect();
        let reading = bill.clone();
        let deliveries = backend::run(async move {
            let mut deliveries = Vec::with_capacity(admitted.len());
            for period in admitted {
                deliveries.push(reading.delivery(period).await?);
            }
            Ok(deliveries)
        })?;
        Ok(Resolved { bill, deliveries })
    }

    /// The traffic of the running scan: requests and bytes.
    pub fn traffic(&self) -> Option<(u64, u64)> {
        self.scan
            .as_ref()
            .map(|s| (s.traffic().requests(), s.traffic().bytes()))
    }

    unsafe fn start(&mut self, node: *mut pg_sys::ForeignScanState) -> Result<(), Error> {
        let fields = self
            .needed
            .iter()
            .map(|i| self.columns[*i].field())
            .collect();
        // SAFETY: the caller passes the scan of this state.
        let resolved = unsafe { self.resolve(node) }?;
        let request = Request {
            fields,
            deliveries: resolved.deliveries.clone(),
            concurrency: gucs::threads(),
        };
        let store = resolved.bill.store().clone();
        self.scan = Some(Scan::start(backend::engine()?, &store, request));
        Ok(())
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
                return Ok(false);
            };
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

    /// Writes the current row into a slot that has room for the table's width.
    unsafe fn store_into(&self, slot: *mut pg_sys::TupleTableSlot) {
        let (values, nulls) = self.rows.row(self.next_row - 1);
        // SAFETY: a slot of the table's descriptor has `natts` values and flags, and attribute
        // numbers of `columns` lie within.
        unsafe {
            let width = (*(*slot).tts_tupleDescriptor).natts as usize;
            std::slice::from_raw_parts_mut((*slot).tts_isnull, width).fill(true);
            for ((index, value), null) in self.needed.iter().zip(values).zip(nulls) {
                let attribute = self.columns[*index].attnum as usize - 1;
                *(*slot).tts_values.add(attribute) = *value;
                *(*slot).tts_isnull.add(attribute) = *null;
            }
            pg_sys::ExecStoreVirtualTuple(slot);
        }
    }
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
    // SAFETY: Postgres passes a foreign scan with its relation open and its plan set.
    unsafe {
        let explain_only = flags & pg_sys::EXEC_FLAG_EXPLAIN_ONLY as i32 != 0;
        let relation = (*node).ss.ss_currentRelation;
        let columns = columns_of(relation, &[]).or_raise();
        let plan = (*node).ss.ps.plan.cast::<pg_sys::ForeignScan>();
        let needed = needed_columns((*plan).fdw_private, &columns);
        let query = (*(*node).ss.ps.state).es_query_cxt;
        let state = ScanState {
            table: ForeignTable::of((*relation).rd_id).or_raise(),
            user: checked_user(node),
            targets: needed.iter().map(|i| columns[*i].target.clone()).collect(),
            needed,
            filter: MonthFilter::new(node, &columns, explain_only),
            columns,
            explain_only,
            resolved: None,
            scan: None,
            rows: Rows::default(),
            next_row: 0,
            batch_memory: batch_context(query),
        };
        check_encoding().or_raise();
        let state = PgMemoryContexts::For(query).leak_and_drop_on_delete(state);
        (*node).fdw_state = state.cast();
    }
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

/// Starts over. What the listing said is kept, unless a parameter changed that may decide about
/// the months.
#[pg_guard]
pub unsafe extern "C-unwind" fn rescan_foreign_scan(node: *mut pg_sys::ForeignScanState) {
    // SAFETY: Postgres passes a scan that was begun.
    unsafe {
        if let Some(state) = state(node) {
            state.scan = None;
            state.rows = Rows::default();
            state.next_row = 0;
            if !(*node).ss.ps.chgParam.is_null() {
                state.resolved = None;
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
            state.scan = None;
        }
    }
}

unsafe fn needed_columns(attributes: *mut pg_sys::List, columns: &[Column]) -> Vec<usize> {
    // SAFETY: fdw_private is NIL or an integer list.
    let wanted: Vec<i32> = unsafe {
        let length = if attributes.is_null() {
            0
        } else {
            (*attributes).length
        };
        (0..length)
            .map(|i| pg_sys::list_nth_int(attributes, i))
            .collect()
    };
    let whole_row = wanted.contains(&0);
    let is_needed = |c: &Column| whole_row || wanted.contains(&i32::from(c.attnum));
    (0..columns.len())
        .filter(|i| is_needed(&columns[*i]))
        .collect()
}

/// The role whose privileges count: the view's owner for a scan through a view, else the current
/// user (Postgres documentation, GetForeignPlan; contrib/postgres_fdw does the same).
unsafe fn checked_user(node: *mut pg_sys::ForeignScanState) -> pg_sys::Oid {
    // SAFETY: Postgres passes a scan with plan and executor state.
    let checked = unsafe {
        let plan = (*node).ss.ps.plan.cast::<pg_sys::ForeignScan>();
        #[cfg(feature = "pg15")]
        {
            let entry = pg_sys::exec_rt_fetch((*plan).scan.scanrelid, (*node).ss.ps.state);
            (*entry).checkAsUser
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
