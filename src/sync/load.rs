//! One month's rows into a table of its own.

use arrow::array::{Array, RecordBatch};
use billing::ExactSum;
use engine::{Delivery, Field, Query, Request, Scan};
use pgrx::datum::Date;
use pgrx::prelude::*;
use pgrx::{AnyNumeric, pg_sys};

use super::costs::Costs;
use super::insert::{Inserter, Rows};
use super::looking::bill_of;
use super::money::numeric;
use crate::datum::{Indirect, Tuples};
use crate::error::{Error, OrRaise};
use crate::fdw::{self, Column, OpenRelation, columns_of};
use crate::{backend, gucs};

/// What was loaded.
struct Loaded {
    rows: u64,
    unblended: ExactSum,
}

/// `load_month(foreign_table, billing_period, target)`.
#[pg_extern(sql = false)]
#[allow(
    clippy::type_complexity,
    reason = "pgrx reads the columns from the type"
)]
fn load_month(
    foreign_table: pg_sys::Oid,
    billing_period: Date,
    target: pg_sys::Oid,
) -> TableIterator<
    'static,
    (
        name!(rows, i64),
        name!(files, i64),
        name!(bytes, AnyNumeric),
        name!(unblended, AnyNumeric),
        name!(fingerprint, String),
        name!(manifest_id, Option<String>),
    ),
> {
    fdw::check_encoding().or_raise();
    let period = super::period(billing_period);
    let bill = bill_of(foreign_table).or_raise();
    let fingerprint = bill.fingerprint(period).or_raise();
    let reading = bill.clone();
    let delivery = backend::run(async move { reading.delivery(period).await }).or_raise();
    let columns = file_columns(foreign_table).or_raise();
    let loaded = load(bill.store(), &delivery, columns, target).or_raise();
    TableIterator::once((
        loaded.rows as i64,
        delivery.files.len() as i64,
        AnyNumeric::from(delivery.bytes()),
        numeric(&loaded.unblended.to_string()),
        fingerprint,
        delivery.manifest_id.clone(),
    ))
}

fn file_columns(foreign_table: pg_sys::Oid) -> Result<Vec<Column>, Error> {
    let relation = OpenRelation::new(foreign_table);
    // SAFETY: the relation is open until the end of this function.
    unsafe { columns_of(relation.0, &[]) }
}

fn load(
    store: &store::Store,
    delivery: &Delivery,
    columns: Vec<Column>,
    target: pg_sys::Oid,
) -> Result<Loaded, Error> {
    let fields: Vec<Field> = columns.iter().map(Column::field).collect();
    let names: Vec<&str> = columns.iter().map(|c| c.target.name.as_str()).collect();
    let costs = Costs::of(&names);
    let of_costs = costs.names().collect::<Vec<_>>().join(" | ");
    let mut inserter = Inserter::open(target, &columns, costs.names())?;
    let request = Request {
        query: Query::of(fields),
        values: Vec::new(),
        limit: None,
        deliveries: vec![delivery.clone()],
        concurrency: gucs::threads(),
    };
    let preparing = Preparing {
        tuples: inserter.tuples().clone(),
        filled: inserter.filled().to_vec(),
        costs,
    };
    let engine = backend::engine()?;
    let mut scan = Scan::start_with(engine, store, request, move |batch| preparing.part(batch));
    let mut progress = Progress::start(target, delivery.bytes());
    let mut loaded = Loaded {
        rows: 0,
        unblended: ExactSum::default(),
    };
    while let Some(part) = backend::next_batch(&mut scan)? {
        let part = part?;
        inserter.insert(part.rows)?;
        loaded.rows += part.count as u64;
        loaded.unblended.merge(&part.unblended);
        progress.report(scan.traffic().bytes(), loaded.rows);
        backend::honour_interrupts();
    }
    if !loaded.unblended.is_finite() {
        return Err(Error::NotMoney {
            column: of_costs,
            found: loaded.unblended.to_string(),
        });
    }
    let (rows, unblended) = inserter.finish();
    let stored = (rows, unblended.to_string());
    let read = (loaded.rows, loaded.unblended.to_string());
    match stored == read {
        true => Ok(loaded),
        false => Err(Error::Stored { read, stored }),
    }
}

/// What the engine's threads do with each batch, so that the backend is left with what only it can do.
struct Preparing {
    tuples: Tuples,
    /// Columns of a batch that must have a value in each row, with their names.
    filled: Vec<(usize, String)>,
    costs: Costs,
}

/// A batch on its way into the table.
struct Part {
    rows: Rows,
    count: usize,
    unblended: ExactSum,
}

impl Preparing {
    fn part(&self, batch: RecordBatch) -> Result<Part, Error> {
        let mut filled = self.filled.iter();
        if let Some((_, column)) = filled.find(|(i, _)| batch.column(*i).null_count() > 0) {
            return Err(Error::NotNull {
                column: column.clone(),
            });
        }
        let mut unblended = ExactSum::default();
        self.costs.add(&mut unblended, &batch)?;
        Ok(Part {
            count: batch.num_rows(),
            rows: match self.tuples.are_direct() {
                true => Rows::Formed(self.tuples.form(&batch, &Indirect::default())?),
                false => Rows::Unformed(batch),
            },
            unblended,
        })
    }
}

/// What other sessions see in `pg_stat_progress_copy`. Postgres ends it with the transaction.
struct Progress;

impl Progress {
    fn start(target: pg_sys::Oid, bytes: u64) -> Self {
        // SAFETY: sets fields of this backend's own status entry.
        unsafe {
            pg_sys::pgstat_progress_start_command(
                pg_sys::ProgressCommandType::PROGRESS_COMMAND_COPY,
                target,
            );
            pg_sys::pgstat_progress_update_param(
                pg_sys::PROGRESS_COPY_BYTES_TOTAL as i32,
                bytes as i64,
            );
        }
        Self
    }

    fn report(&mut self, bytes: u64, rows: u64) {
        // SAFETY: as above.
        unsafe {
            pg_sys::pgstat_progress_update_param(
                pg_sys::PROGRESS_COPY_BYTES_PROCESSED as i32,
                bytes as i64,
            );
            pg_sys::pgstat_progress_update_param(
                pg_sys::PROGRESS_COPY_TUPLES_PROCESSED as i32,
                rows as i64,
            );
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        // SAFETY: as above; does nothing when Postgres has ended it already.
        unsafe { pg_sys::pgstat_progress_end_command() }
    }
}
