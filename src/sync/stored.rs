//! What a load has stored, read back from its pages while they are in memory: whoever writes tuples
//! past the executor does not take his own word for it.

use billing::ExactSum;
use pgrx::itemptr::item_pointer_get_both;
use pgrx::pg_sys::{self, Datum};

use crate::error::Error;

/// Reads what was added to a table behind what it read before.
pub struct Stored {
    relation: pg_sys::Relation,
    scan: pg_sys::TableScanDesc,
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
    /// For a heap that nothing but this load adds to.
    ///
    /// # Errors
    /// [`Error::NotMoney`], of rows that are there already.
    ///
    /// # Safety
    /// `relation` is open until [`Stored::finish`], and the current memory context lives as long.
    pub unsafe fn new(
        relation: pg_sys::Relation,
        costs: Vec<(i32, String)>,
    ) -> Result<Self, Error> {
        // SAFETY: the caller's promise; `costs` are columns of the relation.
        unsafe {
            // Without a ring of buffers: the pages are in memory, and a rescan would allocate the ring
            // in whatever context it is called from.
            let flags = pg_sys::ScanOptions::SO_TYPE_SEQSCAN;
            let end =
                pg_sys::RelationGetNumberOfBlocksInFork(relation, pg_sys::ForkNumber::MAIN_FORKNUM);
            let mut stored = Self {
                relation,
                // Rows are there for whoever wrote them, whatever a snapshot says.
                scan: pg_sys::heap_beginscan(
                    relation,
                    &raw mut pg_sys::SnapshotAnyData,
                    0,
                    std::ptr::null_mut(),
                    std::ptr::null_mut(),
                    flags,
                ),
                slot: pg_sys::MakeSingleTupleTableSlot(
                    (*relation).rd_att,
                    &raw const pg_sys::TTSOpsBufferHeapTuple,
                ),
                costs: costs
                    .into_iter()
                    .map(|(attnum, name)| Cost {
                        attnum,
                        type_oid: pg_sys::get_atttype((*relation).rd_id, attnum as i16),
                        name,
                    })
                    .collect(),
                last: (end.saturating_sub(1), 0),
                rows: 0,
                unblended: ExactSum::default(),
            };
            // The load goes on in the last page.
            stored.read_on()?;
            stored.rows = 0;
            stored.unblended = ExactSum::default();
            Ok(stored)
        }
    }

    /// Reads on to the table's end.
    ///
    /// # Errors
    /// [`Error::NotMoney`].
    pub fn read_on(&mut self) -> Result<(), Error> {
        let (start, _) = self.last;
        // SAFETY: relation, scan and slot are open; the limits lie within the table.
        unsafe {
            let end = pg_sys::RelationGetNumberOfBlocksInFork(
                self.relation,
                pg_sys::ForkNumber::MAIN_FORKNUM,
            );
            if start >= end {
                return Ok(());
            }
            pg_sys::heap_rescan(self.scan, std::ptr::null_mut(), true, false, false, false);
            pg_sys::heap_setscanlimits(self.scan, start, end - start);
            let forward = pg_sys::ScanDirection::ForwardScanDirection;
            while pg_sys::heap_getnextslot(self.scan, forward, self.slot) {
                let at = item_pointer_get_both((*self.slot).tts_tid);
                if at > self.last {
                    self.last = at;
                    self.rows += 1;
                    self.add_cost()?;
                }
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

    /// Ends the scan. Not a Drop: on ERROR Postgres itself releases what was open.
    pub fn finish(self) {
        // SAFETY: opened by `new`, and used no more.
        unsafe {
            pg_sys::ExecDropSingleTupleTableSlot(self.slot);
            pg_sys::heap_endscan(self.scan);
        }
    }
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
