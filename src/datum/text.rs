//! `text`: the values of a batch in one piece of memory, equal neighbours once.

use arrow::array::{Array, RecordBatch, StringViewArray};
use pgrx::pg_sys::{self, Datum};

use super::{Cells, Target};
use crate::error::Error;

/// The longest text with a one-byte header: 7 bits hold the size, header included
/// (Postgres, varatt.h).
pub(super) const SHORT: usize = 126;

/// Header and alignment of one text.
const OVERHEAD: usize = 8;

/// Memory that does not move while datums point into it.
#[derive(Debug, Default)]
pub(super) struct Arena {
    bytes: Vec<u8>,
}

impl Arena {
    /// Empties the arena and reserves what the batch's texts can need at most, so that no later
    /// push moves an earlier text.
    pub(super) fn make_room_for(&mut self, batch: &RecordBatch) {
        let needed = batch
            .columns()
            .iter()
            .filter_map(|c| c.as_any().downcast_ref())
            .map(room);
        self.bytes.clear();
        self.bytes.reserve(needed.sum());
    }

    /// Stores a text as Postgres lays it out and returns a pointer to it.
    fn push(&mut self, text: &[u8]) -> Datum {
        if text.len() > SHORT {
            // A four-byte header is read as one aligned word.
            let misaligned = self.bytes.as_ptr().wrapping_add(self.bytes.len()) as usize % 4;
            self.bytes
                .resize(self.bytes.len() + (4 - misaligned) % 4, 0);
        }
        let start = self.bytes.len();
        let header = if text.len() > SHORT { 4 } else { 1 };
        self.bytes.resize(start + header, 0);
        self.bytes.extend_from_slice(text);
        let pointer = self.bytes[start..].as_mut_ptr().cast::<pg_sys::varlena>();
        let size = (header + text.len()) as i32;
        // SAFETY: `pointer` is the start of `size` initialised bytes, aligned for the header that
        // is written.
        unsafe {
            match header {
                4 => pgrx::set_varsize_4b(pointer, size),
                _ => pgrx::set_varsize_short(pointer, size),
            }
        }
        Datum::from(pointer)
    }
}

fn room(array: &StringViewArray) -> usize {
    array
        .lengths()
        .map(|length| length as usize + OVERHEAD)
        .sum()
}

/// No text of Postgres's holds one.
pub(super) fn no_nul(text: &[u8], target: &Target) -> Result<(), Error> {
    if text.contains(&0) {
        return Err(Error::NulByte {
            column: target.name.clone(),
        });
    }
    Ok(())
}

pub(super) fn texts(
    array: &StringViewArray,
    target: &Target,
    mut cells: Cells<'_>,
    arena: &mut Arena,
) -> Result<(), Error> {
    // Bills repeat themselves: most columns of most rows hold what the row before held. Equal
    // views are equal texts, whether inlined or pointing into the same page dictionary.
    let mut previous: Option<(u128, Datum)> = None;
    for (row, view) in array.views().iter().enumerate() {
        if array.is_null(row) {
            continue;
        }
        let datum = match previous {
            Some((same, datum)) if same == *view => datum,
            _ => {
                let text = array.value(row).as_bytes();
                no_nul(text, target)?;
                arena.push(text)
            }
        };
        previous = Some((*view, datum));
        cells.set(row, datum);
    }
    Ok(())
}
