//! One month's rows into a table of its own.

use arrow::array::{Array, ArrayRef, Float64Array, RecordBatch, StringViewArray};
use arrow::datatypes::DataType;
use billing::ExactSum;
use engine::{Delivery, Field, Query, Request, Scan};
use pgrx::datum::Date;
use pgrx::prelude::*;
use pgrx::{AnyNumeric, PgTupleDesc, pg_sys};

use super::looking::bill_of;
use super::money::numeric;
use crate::datum::{Block, Indirect, Origin, Tuples};
use crate::error::{Error, OrRaise};
use crate::fdw::{self, Column, OpenRelation, columns_of};
use crate::{backend, gucs};

const SYNC_TIMESTAMP: &str = "sync_timestamp";

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
    let mut inserter = Inserter::open(target, &columns)?;
    let fields: Vec<Field> = columns.iter().map(Column::field).collect();
    let names: Vec<&str> = columns.iter().map(|c| c.target.name.as_str()).collect();
    let cost = billing::cost_column(&names);
    let request = Request {
        query: Query::of(fields),
        values: Vec::new(),
        limit: None,
        deliveries: vec![delivery.clone()],
        concurrency: gucs::threads(),
    };
    let preparing = Preparing {
        tuples: inserter.tuples.clone(),
        filled: inserter.filled.clone(),
        cost: cost.map(|cost| (cost, names[cost].to_owned())),
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
            column: cost.map_or("", |cost| names[cost]).to_owned(),
            found: loaded.unblended.to_string(),
        });
    }
    inserter.finish();
    Ok(loaded)
}

/// What the engine's threads do with each batch, so that the backend is left with what only it can do.
struct Preparing {
    tuples: Tuples,
    /// Columns of a batch that must have a value in each row, with their names.
    filled: Vec<(usize, String)>,
    /// The column of the total, and its name.
    cost: Option<(usize, String)>,
}

/// A batch on its way into the table.
struct Part {
    rows: Rows,
    count: usize,
    unblended: ExactSum,
}

enum Rows {
    Formed(Vec<Block>),
    /// With columns that only the backend can make datums of.
    Unformed(RecordBatch),
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
        if let Some((index, name)) = &self.cost {
            add_costs(&mut unblended, batch.column(*index), name)?;
        }
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

/// Costs are doubles in most files. Where a column was widened they come in other types, and count as
/// what they print as, too.
fn add_costs(sum: &mut ExactSum, column: &ArrayRef, name: &str) -> Result<(), Error> {
    if let Some(costs) = column.as_any().downcast_ref::<Float64Array>() {
        costs.iter().flatten().for_each(|cost| sum.add(cost));
        return Ok(());
    }
    let shape = || Error::Shape {
        column: name.to_owned(),
        found: column.data_type().to_string(),
    };
    let texts = arrow::compute::cast(column, &DataType::Utf8View).map_err(|_| shape())?;
    let texts = texts.as_any().downcast_ref::<StringViewArray>();
    for text in texts.ok_or_else(shape)?.iter().flatten() {
        let text = text.trim();
        if !text.is_empty() && !sum.add_decimal(text) {
            return Err(Error::NotMoney {
                column: name.to_owned(),
                found: text.to_owned(),
            });
        }
    }
    Ok(())
}

/// Inserts many rows at once, past the executor: the table is ours, so there is nothing the
/// executor would check that [`Inserter::open`] has not.
struct Inserter {
    relation: pg_sys::Relation,
    bulk: pg_sys::BulkInsertState,
    slots: Vec<*mut pg_sys::TupleTableSlot>,
    tuples: Tuples,
    filled: Vec<(usize, String)>,
    /// Holds what inserting needs, reset for each batch.
    memory: pg_sys::MemoryContext,
    command: pg_sys::CommandId,
    options: u32,
}

impl Inserter {
    fn open(target: pg_sys::Oid, columns: &[Column]) -> Result<Self, Error> {
        // SAFETY: table_open raises for an OID that is no table. All that is allocated here lives
        // in the current memory context, which outlives the function call.
        unsafe {
            let relation = pg_sys::table_open(target, pg_sys::RowExclusiveLock as i32);
            check_target(relation)?;
            let origins = origins(relation, columns)?;
            let filled = filled(relation, &origins)?;
            let targets = columns.iter().map(|c| c.target.clone());
            Ok(Self {
                relation,
                bulk: pg_sys::GetBulkInsertState(),
                slots: (0..Tuples::BLOCK)
                    .map(|_| {
                        pg_sys::MakeSingleTupleTableSlot(
                            (*relation).rd_att,
                            &raw const pg_sys::TTSOpsHeapTuple,
                        )
                    })
                    .collect(),
                tuples: Tuples::new(origins, targets.collect()),
                filled,
                memory: fdw::batch_context(pg_sys::CurrentMemoryContext),
                command: pg_sys::GetCurrentCommandId(true),
                options: pg_sys::TABLE_INSERT_SKIP_FSM | frozen(relation),
            })
        }
    }

    fn insert(&mut self, rows: Rows) -> Result<(), Error> {
        // SAFETY: the context is ours; what is allocated in it is used until the next reset only.
        unsafe {
            pg_sys::MemoryContextReset(self.memory);
            let old = pg_sys::MemoryContextSwitchTo(self.memory);
            let inserted = self.formed(rows).map(|blocks| self.insert_blocks(blocks));
            pg_sys::MemoryContextSwitchTo(old);
            inserted
        }
    }

    fn formed(&self, rows: Rows) -> Result<Vec<Block>, Error> {
        match rows {
            Rows::Formed(blocks) => Ok(blocks),
            Rows::Unformed(batch) => {
                let mut indirect = Indirect::default();
                self.tuples.prepare(&mut indirect, &batch)?;
                self.tuples.form(&batch, &indirect)
            }
        }
    }

    fn insert_blocks(&mut self, blocks: Vec<Block>) {
        for mut block in blocks {
            let mut tuples = block.tuples();
            for (tuple, slot) in tuples.iter_mut().zip(&self.slots) {
                // SAFETY: the tuple is valid until the next block; inserting copies it.
                unsafe { pg_sys::ExecStoreHeapTuple(tuple, *slot, false) };
            }
            // SAFETY: as many slots hold tuples of the relation, which is open and locked.
            unsafe {
                pg_sys::table_multi_insert(
                    self.relation,
                    self.slots.as_mut_ptr(),
                    tuples.len() as i32,
                    self.command,
                    self.options as i32,
                    self.bulk,
                );
            }
        }
    }

    /// Ends the load. Not a Drop: on ERROR Postgres itself releases relation and buffers.
    fn finish(self) {
        // SAFETY: opened by `open`, and used no more.
        unsafe {
            for slot in self.slots {
                pg_sys::ExecDropSingleTupleTableSlot(slot);
            }
            pg_sys::FreeBulkInsertState(self.bulk);
            pg_sys::table_finish_bulk_insert(self.relation, self.options as i32);
            pg_sys::table_close(self.relation, pg_sys::NoLock as i32);
            pg_sys::CommandCounterIncrement();
        }
    }
}

/// Rows of a table that was made in the same subtransaction need no freezing later: nobody can see
/// them before it commits, and if it does not the table goes with them (Postgres, copyfrom.c, on
/// COPY FREEZE). A transaction whose snapshot is older than the load sees them once the month is
/// swapped in; without, it would see neither the old month nor the new one.
fn frozen(relation: pg_sys::Relation) -> u32 {
    // SAFETY: the relation is open.
    let made_here = unsafe { (*relation).rd_createSubid == pg_sys::GetCurrentSubTransactionId() };
    match made_here {
        true => pg_sys::TABLE_INSERT_FROZEN,
        false => 0,
    }
}

/// A plain, indexless table of the current user's, without triggers, rules and generated columns.
#[allow(
    clippy::useless_conversion,
    reason = "AclMode has 64 bits from Postgres 16 on"
)]
unsafe fn check_target(relation: pg_sys::Relation) -> Result<(), Error> {
    // SAFETY: the caller passes an open relation.
    unsafe {
        let class = &*(*relation).rd_rel;
        let name = std::ffi::CStr::from_ptr(class.relname.data.as_ptr()).to_string_lossy();
        let refuse = |why: &str| {
            Err(Error::Target {
                relation: name.clone().into_owned(),
                why: why.to_owned(),
            })
        };
        if class.relkind as u8 != pg_sys::RELKIND_RELATION {
            return refuse("it is not a plain table");
        }
        if class.relam != pg_sys::HEAP_TABLE_AM_OID {
            return refuse("it is not stored as a heap");
        }
        if class.relhastriggers || class.relhasrules || class.relhasindex {
            return refuse("it has triggers, rules or indexes");
        }
        let constraints = (*(*relation).rd_att).constr;
        if !constraints.is_null() && (*constraints).has_generated_stored {
            return refuse("it has generated columns");
        }
        let mode = pg_sys::ACL_INSERT.into();
        let user = pg_sys::GetUserId();
        if pg_sys::pg_class_aclcheck((*relation).rd_id, user, mode)
            != pg_sys::AclResult::ACLCHECK_OK
        {
            return Err(Error::Permission {
                relation: name.into_owned(),
            });
        }
        Ok(())
    }
}

/// Where each column of the table, dropped ones included, gets its values from.
fn origins(relation: pg_sys::Relation, columns: &[Column]) -> Result<Vec<Origin>, Error> {
    // SAFETY: the relation is open.
    let (of_table, width, now) = unsafe {
        (
            columns_of(relation, &[SYNC_TIMESTAMP])?,
            (*(*relation).rd_att).natts as usize,
            pg_sys::GetCurrentTransactionStartTimestamp(),
        )
    };
    let mut origins = vec![Origin::Nothing; width];
    if let Some(index) = position_of(relation, SYNC_TIMESTAMP) {
        if attributes(relation)[index].atttypid != pg_sys::TIMESTAMPTZOID {
            return Err(Error::Target {
                relation: relation_name(relation),
                why: format!("column \"{SYNC_TIMESTAMP}\" is not of type timestamptz"),
            });
        }
        origins[index] = Origin::Constant(now);
    }
    for (index, column) in columns.iter().enumerate() {
        let same = |c: &&Column| c.target.name == column.target.name;
        let why = match of_table.iter().find(same) {
            Some(found) if found.target.kind == column.target.kind => {
                origins[found.attnum as usize - 1] = Origin::Batch(index);
                continue;
            }
            Some(_) => format!("column \"{}\" has another type", column.target.name),
            None => format!("it lacks the column \"{}\"", column.target.name),
        };
        return Err(Error::Target {
            relation: relation_name(relation),
            why,
        });
    }
    Ok(origins)
}

/// The columns of a batch that go where NULL is not allowed, with their names. Postgres trusts such
/// columns without looking.
fn filled(relation: pg_sys::Relation, origins: &[Origin]) -> Result<Vec<(usize, String)>, Error> {
    let mut filled = Vec::new();
    for (attribute, origin) in attributes(relation).iter().zip(origins) {
        match origin {
            Origin::Batch(index) if attribute.attnotnull => {
                filled.push((*index, attribute.name().to_owned()));
            }
            Origin::Nothing if attribute.attnotnull => {
                return Err(Error::Target {
                    relation: relation_name(relation),
                    why: format!(
                        "column \"{}\" is NOT NULL and not in the files",
                        attribute.name()
                    ),
                });
            }
            _ => {}
        }
    }
    Ok(filled)
}

/// All columns by attribute number, dropped ones included.
fn attributes(relation: pg_sys::Relation) -> Vec<pg_sys::FormData_pg_attribute> {
    // SAFETY: the relation is open, and its descriptor is copied here.
    let descriptor = unsafe { PgTupleDesc::from_pg_copy((*relation).rd_att) };
    descriptor.iter().copied().collect()
}

fn position_of(relation: pg_sys::Relation, name: &str) -> Option<usize> {
    let name = std::ffi::CString::new(name).ok()?;
    // SAFETY: the relation is open.
    let attnum = unsafe { pg_sys::get_attnum((*relation).rd_id, name.as_ptr()) };
    usize::try_from(attnum).ok()?.checked_sub(1)
}

fn relation_name(relation: pg_sys::Relation) -> String {
    // SAFETY: the relation is open; its name ends in NUL.
    unsafe { std::ffi::CStr::from_ptr((*(*relation).rd_rel).relname.data.as_ptr()) }
        .to_string_lossy()
        .into_owned()
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
