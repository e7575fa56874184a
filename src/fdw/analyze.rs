//! ANALYZE: the number of rows from the footers, and a random sample of the rows.

use engine::{Bill, Delivery, Query, Request, Scan};
use pgrx::pg_sys;
use pgrx::prelude::*;

use super::columns::{Column, columns_of};
use super::scan::{batch_context, check_encoding};
use super::server::ForeignTable;
use crate::datum::{Rows, Target};
use crate::error::{Error, OrRaise};
use crate::{backend, gucs};

/// The files that are read hold this many rows for each row of the sample. A file holds what AWS
/// wrote together, so a sample from the fewest files that could fill it would be lopsided.
const ROWS_READ_PER_SAMPLED: u64 = 10;

/// Bytes of a row where a file does not tell its rows: packed CSV, on the small side, so that too many
/// rows are read rather than too few.
const BYTES_PER_ROW: u64 = 32;

/// Tells Postgres how large the table is, and how to sample it. Opens no data file.
#[pg_guard]
pub unsafe extern "C-unwind" fn analyze_foreign_table(
    relation: pg_sys::Relation,
    acquire: *mut pg_sys::AcquireSampleRowsFunc,
    pages: *mut pg_sys::BlockNumber,
) -> bool {
    // SAFETY: Postgres passes an open relation and places for the results.
    unsafe {
        let export = Export::of(relation).or_raise();
        let bytes: u64 = export.deliveries.iter().map(Delivery::bytes).sum();
        let blocks = bytes.div_ceil(u64::from(pg_sys::BLCKSZ));
        // InvalidBlockNumber is no count.
        *pages = u32::try_from(blocks).unwrap_or(u32::MAX).min(u32::MAX - 1);
        *acquire = Some(acquire_sample_rows);
    }
    true
}

/// Fills Postgres's array with a random sample, and says how many rows there are
/// (Postgres documentation, AcquireSampleRowsFunc).
#[pg_guard]
unsafe extern "C-unwind" fn acquire_sample_rows(
    relation: pg_sys::Relation,
    level: std::ffi::c_int,
    rows: *mut pg_sys::HeapTuple,
    wanted: std::ffi::c_int,
    total_rows: *mut f64,
    total_dead_rows: *mut f64,
) -> std::ffi::c_int {
    // SAFETY: Postgres passes an open relation, an array of `wanted` tuples and places for the
    // results.
    unsafe {
        check_encoding().or_raise();
        let export = Export::of(relation).or_raise();
        let counted = export.count().or_raise();
        let columns = columns_of(relation, &[]).or_raise();
        let wanted = usize::try_from(wanted).unwrap_or(0);
        let chosen = export.choose(&counted, wanted as u64 * ROWS_READ_PER_SAMPLED);
        let mut reservoir = Reservoir::new((*relation).rd_att, rows, wanted, &columns);
        export
            .read(chosen.deliveries.clone(), &columns, &mut reservoir)
            .or_raise();
        let total = export.total(&counted, &chosen, reservoir.seen as u64);
        *total_rows = total as f64;
        *total_dead_rows = 0.0;
        let name = (*(*relation).rd_rel).relname.data;
        let said = format!(
            "\"{}\": {total} rows in {} files, {} rows read, {} rows in sample",
            super::string(name.as_ptr()),
            counted.len(),
            reservoir.seen,
            reservoir.filled,
        );
        pgrx::ereport!(
            pgrx::PgLogLevel::from(level),
            PgSqlErrorCode::ERRCODE_SUCCESSFUL_COMPLETION,
            said
        );
        reservoir.filled as std::ffi::c_int
    }
}

/// A table's export, all months of it.
struct Export {
    bill: Bill,
    deliveries: Vec<Delivery>,
}

impl Export {
    /// Lists the export as the table's owner, whose statistics these are, as contrib/postgres_fdw
    /// does.
    ///
    /// # Safety
    /// `relation` is open.
    unsafe fn of(relation: pg_sys::Relation) -> Result<Self, Error> {
        // SAFETY: the caller's promise.
        let (table, owner) = unsafe { ((*relation).rd_id, (*(*relation).rd_rel).relowner) };
        let bill = ForeignTable::of(table)?.bill(owner)?;
        let months: Vec<_> = bill.export().months.keys().copied().collect();
        let reading = bill.clone();
        let deliveries = backend::run(async move { reading.deliveries(&months).await })?;
        Ok(Self { bill, deliveries })
    }

    /// The rows of each file, where it tells them.
    fn count(&self) -> Result<Vec<Option<u64>>, Error> {
        let (bill, deliveries) = (self.bill.clone(), self.deliveries.clone());
        let footers = backend::run(async move { bill.footers(&deliveries).await })?;
        Ok(footers.iter().map(|footer| footer.rows).collect())
    }

    /// Files at random, until they hold this many rows; `counted` has the rows of each file.
    fn choose(&self, counted: &[Option<u64>], rows: u64) -> Chosen {
        let months = self.deliveries.iter().enumerate();
        let files = months.flat_map(|(month, d)| d.files.iter().map(move |file| (month, file)));
        let mut files: Vec<_> = files.zip(counted).collect();
        let mut chosen = Chosen {
            deliveries: self.deliveries.clone(),
            counted: 0,
            uncounted_bytes: 0,
        };
        let deliveries = &mut chosen.deliveries;
        deliveries
            .iter_mut()
            .for_each(|delivery| delivery.files.clear());
        let mut held = 0;
        while held < rows && !files.is_empty() {
            let ((month, file), count) = files.swap_remove(random_below(files.len()));
            deliveries[month].files.push(file.clone());
            held += count.unwrap_or(file.size / BYTES_PER_ROW);
            match count {
                Some(count) => chosen.counted += count,
                None => chosen.uncounted_bytes += file.size,
            }
        }
        deliveries.retain(|delivery| !delivery.files.is_empty());
        chosen
    }

    /// The rows of all files: files that do not tell theirs have as many for their size as those of
    /// them that were read.
    fn total(&self, counted: &[Option<u64>], chosen: &Chosen, seen: u64) -> u64 {
        let files = self.deliveries.iter().flat_map(|delivery| &delivery.files);
        let uncounted = files.zip(counted).filter(|(_, count)| count.is_none());
        let bytes: u64 = uncounted.map(|(file, _)| file.size).sum();
        let seen = seen.saturating_sub(chosen.counted) as f64;
        let rows = seen * bytes as f64 / chosen.uncounted_bytes.max(1) as f64;
        counted.iter().flatten().sum::<u64>() + rows.round() as u64
    }

    fn read(
        &self,
        deliveries: Vec<Delivery>,
        columns: &[Column],
        reservoir: &mut Reservoir,
    ) -> Result<(), Error> {
        let request = Request {
            query: Query::of(columns.iter().map(Column::field).collect()),
            values: Vec::new(),
            limit: None,
            deliveries,
            concurrency: gucs::threads(),
        };
        let mut scan = Scan::start(backend::engine()?, self.bill.store(), request);
        while let Some(batch) = backend::next_batch(&mut scan)? {
            reservoir.add(&batch)?;
            backend::honour_interrupts();
        }
        Ok(())
    }
}

/// Files to read a sample from.
struct Chosen {
    deliveries: Vec<Delivery>,
    /// Rows of those that tell them.
    counted: u64,
    /// Bytes of those that do not.
    uncounted_bytes: u64,
}

/// As many rows as fit, each row seen as likely as any other (Vitter's algorithm R).
struct Reservoir {
    descriptor: pg_sys::TupleDesc,
    /// Postgres's array, with room for `size` tuples of which `filled` are there.
    tuples: *mut pg_sys::HeapTuple,
    size: usize,
    filled: usize,
    seen: usize,
    targets: Vec<Target>,
    attributes: Vec<usize>,
    rows: Rows,
    /// Holds the datums of one batch. The tuples go where they are wanted, into the context that
    /// was current when Postgres asked.
    memory: pg_sys::MemoryContext,
}

impl Reservoir {
    /// # Safety
    /// `tuples` has room for `size` tuples of the descriptor, whose columns `columns` are.
    unsafe fn new(
        descriptor: pg_sys::TupleDesc,
        tuples: *mut pg_sys::HeapTuple,
        size: usize,
        columns: &[Column],
    ) -> Self {
        Self {
            descriptor,
            tuples,
            size,
            filled: 0,
            seen: 0,
            targets: columns.iter().map(|c| c.target.clone()).collect(),
            attributes: columns.iter().map(|c| c.attnum as usize - 1).collect(),
            rows: Rows::default(),
            // SAFETY: reads a backend variable, which is a live context.
            memory: unsafe { batch_context(pg_sys::CurrentMemoryContext) },
        }
    }

    fn add(&mut self, batch: &arrow::array::RecordBatch) -> Result<(), Error> {
        // SAFETY: the context is ours, and no datum of the last batch is in use: tuples are copies.
        unsafe {
            pg_sys::MemoryContextReset(self.memory);
            let old = pg_sys::MemoryContextSwitchTo(self.memory);
            let filled = self.rows.fill(batch, &self.targets);
            pg_sys::MemoryContextSwitchTo(old);
            filled?;
        }
        for row in 0..self.rows.len() {
            self.seen += 1;
            let place = match self.filled < self.size {
                true => self.filled,
                false => random_below(self.seen),
            };
            if place < self.size {
                self.put(row, place);
            }
        }
        Ok(())
    }

    fn put(&mut self, row: usize, place: usize) {
        let (values, nulls) = self.rows.row(row);
        // SAFETY: `place` lies within the array, and below `filled` it holds a tuple of ours. The
        // attributes lie within the descriptor; dropped ones stay NULL.
        unsafe {
            let width = (*self.descriptor).natts as usize;
            let mut row_values = vec![pg_sys::Datum::null(); width];
            let mut row_nulls = vec![true; width];
            for ((attribute, value), null) in self.attributes.iter().zip(values).zip(nulls) {
                row_values[*attribute] = *value;
                row_nulls[*attribute] = *null;
            }
            let tuple = self.tuples.add(place);
            match place < self.filled {
                true => pg_sys::heap_freetuple(*tuple),
                false => self.filled += 1,
            }
            *tuple = pg_sys::heap_form_tuple(
                self.descriptor,
                row_values.as_mut_ptr(),
                row_nulls.as_mut_ptr(),
            );
        }
    }
}

/// A random number from 0 to one below `limit`, which is not 0.
fn random_below(limit: usize) -> usize {
    // SAFETY: draws from Postgres's generator, a number above 0 and below 1.
    let fraction = unsafe { pg_sys::anl_random_fract() };
    ((fraction * limit as f64) as usize).min(limit - 1)
}
