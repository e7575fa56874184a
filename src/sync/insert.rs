//! Rows into a table, past the executor: only into tables where there is nothing the executor would do.

use arrow::array::RecordBatch;
use billing::ExactSum;
use pgrx::prelude::*;
use pgrx::{PgTupleDesc, pg_sys};

use super::stored::{self, Stored};
use crate::datum::{Block, Indirect, Origin, Tuples};
use crate::error::Error;
use crate::fdw::{self, Column, OpenRelation, columns_of};

const SYNC_TIMESTAMP: &str = "sync_timestamp";

/// Rows of a batch.
pub enum Rows {
    /// As tuples.
    Formed(Vec<Block>),
    /// With columns that only the backend can make datums of.
    Unformed(RecordBatch),
}

/// `is_plain(regclass)`.
#[pg_extern(sql = false)]
fn is_plain(relation: pg_sys::Oid) -> bool {
    check_plain(OpenRelation::new(relation).0).is_ok()
}

/// Inserts many rows at once.
pub struct Inserter {
    relation: pg_sys::Relation,
    bulk: pg_sys::BulkInsertState,
    slots: Vec<*mut pg_sys::TupleTableSlot>,
    tuples: Tuples,
    filled: Vec<(usize, String)>,
    stored: Stored,
    /// Holds what inserting needs, reset for each batch.
    memory: pg_sys::MemoryContext,
    command: pg_sys::CommandId,
    options: u32,
}

impl Inserter {
    /// Opens a table for the columns of batches to come; of some of them each row's first is its cost.
    ///
    /// # Errors
    /// [`Error::Target`], [`Error::Permission`], [`Error::ColumnType`].
    pub fn open<'a>(
        target: pg_sys::Oid,
        columns: &[Column],
        costs: impl Iterator<Item = &'a str>,
    ) -> Result<Self, Error> {
        // SAFETY: table_open raises for an OID that is no table. All that is allocated here lives
        // in the current memory context, which outlives the function call.
        unsafe {
            let relation = pg_sys::table_open(target, pg_sys::RowExclusiveLock as i32);
            check_plain(relation)?;
            check_permission(relation)?;
            if stored::blocks(relation) > 0 {
                return Err(Error::Target {
                    relation: relation_name(relation),
                    why: "it is not empty".to_owned(),
                });
            }
            let origins = origins(relation, columns)?;
            let filled = filled(relation, &origins)?;
            let costs = costs.filter_map(|name| Some((position_of(relation, name)?, name)));
            let costs = costs.map(|(index, name)| (index as i32 + 1, name.to_owned()));
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
                stored: Stored::new(relation, costs.collect()),
                memory: fdw::batch_context(pg_sys::CurrentMemoryContext),
                command: pg_sys::GetCurrentCommandId(true),
                options: pg_sys::TABLE_INSERT_SKIP_FSM | frozen(relation),
            })
        }
    }

    /// What forms the table's tuples.
    pub fn tuples(&self) -> &Tuples {
        &self.tuples
    }

    /// Columns of a batch, with their names, that must have a value in each row: Postgres trusts such
    /// columns without looking, and this here does not look.
    pub fn filled(&self) -> &[(usize, String)] {
        &self.filled
    }

    /// Inserts the rows of a batch.
    ///
    /// # Errors
    /// Those of [`Tuples::form`], and [`Error::NotMoney`].
    pub fn insert(&mut self, rows: Rows) -> Result<(), Error> {
        // SAFETY: the context is ours; what is allocated in it is used until the next reset only.
        unsafe {
            pg_sys::MemoryContextReset(self.memory);
            let old = pg_sys::MemoryContextSwitchTo(self.memory);
            let inserted = self.formed(rows).and_then(|blocks| {
                self.insert_blocks(blocks);
                self.stored.read_on()
            });
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
                // SAFETY: the tuple outlives its stay in the slot. Said to be the slot's own, it is not
                // copied before it is inserted (executor/execTuples.c, tts_heap_materialize).
                unsafe {
                    pg_sys::ExecStoreHeapTuple(tuple, *slot, false);
                    (**slot).tts_flags |= pg_sys::TTS_FLAG_SHOULDFREE as u16;
                }
            }
            // SAFETY: as many slots hold tuples of the relation, which is open and locked. Cleared while
            // the tuples are not the slots' own again, they are not freed.
            unsafe {
                pg_sys::table_multi_insert(
                    self.relation,
                    self.slots.as_mut_ptr(),
                    tuples.len() as i32,
                    self.command,
                    self.options as i32,
                    self.bulk,
                );
                for slot in &self.slots[..tuples.len()] {
                    (**slot).tts_flags &= !(pg_sys::TTS_FLAG_SHOULDFREE as u16);
                    pg_sys::ExecClearTuple(*slot);
                }
            }
        }
    }

    /// Ends the load, and says how many rows the table was found to have been given, and the exact
    /// decimal total of their costs. Not a Drop: on ERROR Postgres itself releases relation and buffers.
    pub fn finish(self) -> (u64, ExactSum) {
        let found = (self.stored.rows, self.stored.unblended.clone());
        self.stored.finish();
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
        found
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

/// A heap without indexes, triggers, rules and generated columns.
fn check_plain(relation: pg_sys::Relation) -> Result<(), Error> {
    // SAFETY: the relation is open.
    unsafe {
        let class = &*(*relation).rd_rel;
        let refuse = |why: &str| {
            Err(Error::Target {
                relation: relation_name(relation),
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
        Ok(())
    }
}

#[allow(
    clippy::useless_conversion,
    reason = "AclMode has 64 bits from Postgres 16 on"
)]
fn check_permission(relation: pg_sys::Relation) -> Result<(), Error> {
    // SAFETY: the relation is open.
    let allowed = unsafe {
        let mode = pg_sys::ACL_INSERT.into();
        pg_sys::pg_class_aclcheck((*relation).rd_id, pg_sys::GetUserId(), mode)
    };
    match allowed {
        pg_sys::AclResult::ACLCHECK_OK => Ok(()),
        _ => Err(Error::Permission {
            relation: relation_name(relation),
        }),
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

/// What [`Inserter::filled`] gives.
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
