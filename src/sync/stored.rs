//! What a load has stored, read back from its pages while they are in memory: whoever writes tuples
//! past the executor does not take his own word for it.

use billing::ExactSum;
use pgrx::pg_sys::{self, Datum};

use crate::error::Error;

/// Reads what was added to a table behind what it read before.
pub struct Stored {
    relation: pg_sys::Relation,
    /// Reading must not make the pages seem more wanted than they are: they would stay in memory, and
    /// what others need would go.
    strategy: pg_sys::BufferAccessStrategy,
    slot: *mut pg_sys::TupleTableSlot,
    /// The first of them that says something is a row's.
    costs: Vec<Cost>,
    /// Block and offset of the last row that was read.
    last: (pg_sys::BlockNumber, pg_sys::OffsetNumber),
    /// Rows so far.
    pub rows: u64,
    /// The exact decimal total of their costs so far.
    pub unblended: ExactSum,
}

/// A column of costs.
struct Cost {
    attnum: i32,
    type_oid: pg_sys::Oid,
    name: String,
}

impl Stored {
    /// For an empty heap that nothing but this load adds to.
    ///
    /// # Safety
    /// `relation` is open until [`Stored::finish`], and the current memory context lives as long.
    pub unsafe fn new(relation: pg_sys::Relation, costs: Vec<(i32, String)>) -> Self {
        // SAFETY: the caller's promise; `costs` are columns of the relation.
        unsafe {
            let costs = costs.into_iter().map(|(attnum, name)| Cost {
                attnum,
                type_oid: pg_sys::get_atttype((*relation).rd_id, attnum as i16),
                name,
            });
            Self {
                relation,
                strategy: pg_sys::GetAccessStrategy(pg_sys::BufferAccessStrategyType::BAS_BULKREAD),
                slot: pg_sys::MakeSingleTupleTableSlot(
                    (*relation).rd_att,
                    &raw const pg_sys::TTSOpsHeapTuple,
                ),
                costs: costs.collect(),
                last: (0, 0),
                rows: 0,
                unblended: ExactSum::default(),
            }
        }
    }

    /// Reads on to the table's end.
    ///
    /// # Errors
    /// [`Error::NotMoney`].
    pub fn read_on(&mut self) -> Result<(), Error> {
        for block in self.last.0..blocks(self.relation) {
            // SAFETY: the block is one of the open relation's; its buffer is pinned and locked until it
            // is released. While an ERROR unwinds, Postgres releases it.
            unsafe {
                let buffer = pg_sys::ReadBufferExtended(
                    self.relation,
                    pg_sys::ForkNumber::MAIN_FORKNUM,
                    block,
                    pg_sys::ReadBufferMode::RBM_NORMAL,
                    self.strategy,
                );
                pg_sys::LockBuffer(buffer, pg_sys::BUFFER_LOCK_SHARE as i32);
                let read = self.read_page(block, pg_sys::BufferGetPage(buffer));
                pg_sys::UnlockReleaseBuffer(buffer);
                read?;
            }
        }
        Ok(())
    }

    /// # Safety
    /// The page is of a heap, and its buffer locked.
    unsafe fn read_page(
        &mut self,
        block: pg_sys::BlockNumber,
        page: pg_sys::Page,
    ) -> Result<(), Error> {
        // SAFETY: the caller's promise; a page that was made ahead has no items.
        unsafe {
            for offset in 1..=pg_sys::PageGetMaxOffsetNumber(page) {
                let item = pg_sys::PageGetItemId(page, offset);
                if (block, offset) <= self.last {
                    continue;
                }
                let mut tuple = pg_sys::HeapTupleData {
                    t_len: (*item).lp_len(),
                    t_data: pg_sys::PageGetItem(page, item).cast(),
                    ..Default::default()
                };
                pg_sys::ExecStoreHeapTuple(&raw mut tuple, self.slot, false);
                self.last = (block, offset);
                self.rows += 1;
                self.add_cost()?;
                pg_sys::ExecClearTuple(self.slot);
            }
        }
        Ok(())
    }

    fn add_cost(&mut self) -> Result<(), Error> {
        for cost in &self.costs {
            let mut is_null = false;
            // SAFETY: the slot holds a row of the relation, which has the column.
            let value = unsafe { pg_sys::slot_getattr(self.slot, cost.attnum, &mut is_null) };
            if is_null {
                continue;
            }
            if cost.type_oid == pg_sys::FLOAT8OID {
                self.unblended.add(f64::from_bits(value.value() as u64));
                return Ok(());
            }
            let text = printed(value, cost.type_oid);
            let text = text.trim();
            if text.is_empty() {
                continue;
            }
            return match self.unblended.add_decimal(text) {
                true => Ok(()),
                false => Err(Error::NotMoney {
                    column: cost.name.clone(),
                    found: text.to_owned(),
                }),
            };
        }
        Ok(())
    }

    /// Ends the reading. Not a Drop: on ERROR Postgres itself releases what was open.
    pub fn finish(self) {
        // SAFETY: made by `new`, and used no more.
        unsafe {
            pg_sys::ExecDropSingleTupleTableSlot(self.slot);
            pg_sys::FreeAccessStrategy(self.strategy);
        }
    }
}

/// The pages of an open relation.
pub fn blocks(relation: pg_sys::Relation) -> pg_sys::BlockNumber {
    // SAFETY: the relation is open.
    unsafe { pg_sys::RelationGetNumberOfBlocksInFork(relation, pg_sys::ForkNumber::MAIN_FORKNUM) }
}

/// A value as its type prints it.
fn printed(value: Datum, type_oid: pg_sys::Oid) -> String {
    let (mut output, mut is_varlena) = (pg_sys::InvalidOid, false);
    // SAFETY: the value is of the type, and the output function returns a new C string.
    unsafe {
        pg_sys::getTypeOutputInfo(type_oid, &mut output, &mut is_varlena);
        let text = pg_sys::OidOutputFunctionCall(output, value);
        let printed = std::ffi::CStr::from_ptr(text)
            .to_string_lossy()
            .into_owned();
        pg_sys::pfree(text.cast());
        printed
    }
}
