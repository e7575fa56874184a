//! Heap tuples straight from columns, for loading: the executor's way over datums of single cells
//! and back into a row passes five times over values that a bill has 178 of in each row.
//!
//! The layout is that of `heap_form_tuple` (Postgres, access/common/heaptuple.c; storage/htup_details.h):
//! a header, the bits of what is not null if anything is, and the values, each aligned as its type
//! asks, texts of up to 126 bytes with a header of one byte.

use std::ops::Range;

use arrow::array::{
    Array, AsArray, BooleanArray, Date32Array, RecordBatch, StringViewArray,
    TimestampMicrosecondArray,
};
use arrow::datatypes::{
    ArrowPrimitiveType, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type,
};
use engine::Kind;
use pgrx::pg_sys;

use super::text::{SHORT, no_nul};
use super::{Rows, Target, downcast, time};
use crate::error::Error;

/// Of tuples and of the widest values (Postgres, MAXIMUM_ALIGNOF).
const ALIGNMENT: usize = 8;

/// The longest value that is written without asking for its length first: what a view holds itself.
const INLINE: usize = 12;

/// Where a table's column gets its values from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The batch's column of this index.
    Batch(usize),
    /// The same eight bytes in every row.
    Constant(i64),
    /// NULL.
    Nothing,
}

/// Forms the tuples of one table.
#[derive(Clone, Debug)]
pub struct Tuples {
    /// The table's columns, dropped ones included.
    columns: Vec<Origin>,
    /// What batches hold.
    targets: Vec<Target>,
    /// The batch's columns that have no layout of their own here.
    indirect: Vec<usize>,
    /// Bytes of a row besides the header and what is in its texts.
    fixed_room: usize,
}

/// Tuples of some rows. Without a pointer into it, so that it is formed in one thread and inserted in
/// another.
#[derive(Debug)]
pub struct Block {
    bytes: Vec<u8>,
    /// For each row its start after the first aligned byte, and how far it is written.
    starts: Vec<usize>,
    ends: Vec<usize>,
}

/// The datums of the columns that are not written directly, of one whole batch.
#[derive(Debug, Default)]
pub struct Indirect {
    rows: Rows,
}

impl Tuples {
    /// The most rows of a block: few enough that the ends of all of them stay in the processor's
    /// first-level cache while the columns are appended one after the other.
    pub const BLOCK: usize = 128;

    /// For a table whose columns, by attribute number, come from there, and batches of these targets.
    pub fn new(columns: Vec<Origin>, targets: Vec<Target>) -> Self {
        let indirect = (0..targets.len()).filter(|i| !is_direct(targets[*i].kind));
        Self {
            indirect: indirect.collect(),
            fixed_room: fixed_room(&columns, &targets),
            columns,
            targets,
        }
    }

    /// Whether all values are written without becoming datums, which only the backend can make.
    pub fn are_direct(&self) -> bool {
        self.indirect.is_empty()
    }

    /// Makes datums of what is not written directly. They live in the current memory context and in
    /// `indirect`.
    ///
    /// # Errors
    /// Those of [`Rows::fill`].
    pub fn prepare(&self, indirect: &mut Indirect, batch: &RecordBatch) -> Result<(), Error> {
        if self.are_direct() {
            return Ok(());
        }
        let targets = self.indirect.iter().map(|i| self.targets[*i].clone());
        let targets: Vec<_> = targets.collect();
        let columns = batch.project(&self.indirect).map_err(|_| Error::Shape {
            column: targets[0].name.clone(),
            found: "nothing".to_owned(),
        })?;
        indirect.rows.fill(&columns, &targets)
    }

    /// Forms the tuples of a batch, in blocks.
    ///
    /// # Errors
    /// [`Error::NulByte`], [`Error::DateOutOfRange`], [`Error::Shape`].
    pub fn form(&self, batch: &RecordBatch, indirect: &Indirect) -> Result<Vec<Block>, Error> {
        let rows = batch.num_rows();
        let starts = (0..rows).step_by(Self::BLOCK);
        starts
            .map(|start| self.form_block(batch, indirect, start..(start + Self::BLOCK).min(rows)))
            .collect()
    }

    fn form_block(
        &self,
        batch: &RecordBatch,
        indirect: &Indirect,
        rows: Range<usize>,
    ) -> Result<Block, Error> {
        let has_nulls = self.has_nulls(batch);
        let header = header_size(has_nulls.then_some(self.columns.len()));
        let room = self.room(batch, indirect, &rows);
        let mut block = Block::new(header, &room);
        let aligned = block.first_aligned();
        for attribute in 0..self.columns.len() {
            let mut column = Appending {
                bytes: &mut block.bytes[aligned..],
                starts: &block.starts,
                ends: &mut block.ends,
                bit: has_nulls.then_some(attribute),
            };
            match self.columns[attribute] {
                Origin::Nothing => {}
                Origin::Constant(value) => {
                    (0..rows.len()).for_each(|row| column.fixed(row, value.to_ne_bytes()));
                }
                Origin::Batch(index) => match self.indirect.iter().position(|i| *i == index) {
                    Some(position) => append_datums(&mut column, indirect, position, &rows),
                    None => {
                        let array = batch.column(index).slice(rows.start, rows.len());
                        append(&mut column, array.as_ref(), &self.targets[index])?;
                    }
                },
            }
        }
        block.write_headers(self.columns.len(), has_nulls);
        Ok(block)
    }

    fn has_nulls(&self, batch: &RecordBatch) -> bool {
        self.columns.iter().any(|origin| match origin {
            Origin::Batch(index) => batch.column(*index).null_count() > 0,
            Origin::Constant(_) => false,
            Origin::Nothing => true,
        })
    }

    /// The most bytes that the values of each row may need.
    fn room(&self, batch: &RecordBatch, indirect: &Indirect, rows: &Range<usize>) -> Vec<usize> {
        let mut rooms = vec![self.fixed_room; rows.len()];
        for origin in &self.columns {
            let Origin::Batch(index) = origin else {
                continue;
            };
            if let Some(texts) = batch.column(*index).as_string_view_opt() {
                let views = &texts.views()[rows.clone()];
                for (room, view) in rooms.iter_mut().zip(views) {
                    *room += *view as u32 as usize;
                }
            }
        }
        for (position, _) in self.indirect.iter().enumerate() {
            for (room, row) in rooms.iter_mut().zip(rows.clone()) {
                *room += indirect.value(row, position).map_or(0, <[u8]>::len);
            }
        }
        rooms
    }
}

impl Block {
    /// Rows with nothing but room for a header and so many bytes of values.
    fn new(header: usize, rooms: &[usize]) -> Self {
        let (mut starts, mut ends) = (Vec::new(), Vec::new());
        let mut start = 0;
        for room in rooms {
            starts.push(start);
            ends.push(start + header);
            start += (header + room).next_multiple_of(ALIGNMENT);
        }
        Self {
            bytes: vec![0; start + ALIGNMENT],
            starts,
            ends,
        }
    }

    fn first_aligned(&self) -> usize {
        self.bytes.as_ptr().align_offset(ALIGNMENT)
    }

    fn write_headers(&mut self, width: usize, has_nulls: bool) {
        let aligned = self.first_aligned();
        let flags = pg_sys::HEAP_HASVARWIDTH | if has_nulls { pg_sys::HEAP_HASNULL } else { 0 };
        for start in &self.starts {
            let header = self.bytes[aligned + start..].as_mut_ptr();
            let header = header.cast::<pg_sys::HeapTupleHeaderData>();
            // SAFETY: the row begins at a multiple of eight bytes after an aligned one, and has at
            // least a header's bytes, which were set to zero.
            unsafe {
                (*header).t_infomask2 = width as u16;
                (*header).t_infomask = flags as u16;
                (*header).t_hoff = header_size(has_nulls.then_some(width)) as u8;
            }
        }
    }

    /// The tuples, valid as long as the block.
    pub fn tuples(&mut self) -> Vec<pg_sys::HeapTupleData> {
        let aligned = self.first_aligned();
        let rows = self.starts.iter().zip(&self.ends);
        rows.map(|(start, end)| {
            let mut tuple = pg_sys::HeapTupleData {
                t_len: (end - start) as u32,
                t_data: self.bytes[aligned + start..].as_mut_ptr().cast(),
                ..Default::default()
            };
            tuple.t_self.ip_blkid.bi_hi = u16::MAX;
            tuple.t_self.ip_blkid.bi_lo = u16::MAX;
            tuple
        })
        .collect()
    }
}

impl Indirect {
    /// A value without its header.
    fn value(&self, row: usize, column: usize) -> Option<&[u8]> {
        let (values, nulls) = self.rows.row(row);
        if nulls[column] {
            return None;
        }
        let value = values[column].cast_mut_ptr::<pg_sys::varlena>();
        // SAFETY: all kinds without a layout here are varlenas, made by their types' own functions,
        // neither compressed nor out of line, and alive until the context is reset.
        Some(unsafe { pgrx::varlena_to_byte_slice(value) })
    }
}

/// Whether values are written without becoming datums first.
fn is_direct(kind: Kind) -> bool {
    kind == Kind::Text || fixed_size(kind).is_some()
}

/// Bytes of a row's values and of the padding before them, without what is in texts.
fn fixed_room(columns: &[Origin], targets: &[Target]) -> usize {
    let (mut room, mut aligned) = (INLINE, ALIGNMENT);
    for origin in columns {
        let size = match origin {
            Origin::Batch(index) => fixed_size(targets[*index].kind),
            Origin::Constant(_) => Some(ALIGNMENT),
            Origin::Nothing => continue,
        };
        match size {
            Some(size) => {
                room += size + size.saturating_sub(aligned);
                aligned = size;
            }
            // A header of four bytes after three of padding.
            None => {
                room += 7;
                aligned = 1;
            }
        }
    }
    room
}

/// The size of a kind's values, which is also how they are aligned; `None` if they differ.
fn fixed_size(kind: Kind) -> Option<usize> {
    use Kind as K;
    Some(match kind {
        K::Bool => 1,
        K::Int2 => 2,
        K::Int4 | K::Float4 | K::Date => 4,
        K::Int8 | K::Float8 | K::Timestamp | K::Timestamptz => 8,
        _ => return None,
    })
}

/// Bytes before the values, with the bits of so many columns if there are nulls.
fn header_size(bits: Option<usize>) -> usize {
    let bits = bits.map_or(0, |columns| columns.div_ceil(8));
    (std::mem::offset_of!(pg_sys::HeapTupleHeaderData, t_bits) + bits).next_multiple_of(ALIGNMENT)
}

/// One column being appended to the rows of a block.
struct Appending<'a> {
    bytes: &'a mut [u8],
    starts: &'a [usize],
    ends: &'a mut [usize],
    /// The column's bit among those of what is not null, if rows have these.
    bit: Option<usize>,
}

impl Appending<'_> {
    #[inline]
    fn fixed<const N: usize>(&mut self, row: usize, value: [u8; N]) {
        let at = self.ends[row].next_multiple_of(N);
        self.bytes[at..at + N].copy_from_slice(&value);
        self.finish(row, at + N);
    }

    /// A text: `view` is its length and, if it is short, its bytes; else `long` gives them.
    #[inline]
    fn text<'b>(&mut self, row: usize, view: u128, long: impl FnOnce() -> &'b [u8]) {
        let length = view as u32 as usize;
        let at = self.ends[row];
        if length <= INLINE {
            self.bytes[at] = short_header(length);
            // Always twelve bytes, for a constant is copied faster; what is too much is overwritten
            // by the next value, or cut off.
            let inline = view.to_le_bytes();
            self.bytes[at + 1..at + 1 + INLINE].copy_from_slice(&inline[4..]);
            self.finish(row, at + 1 + length);
        } else {
            self.varlena(row, long());
        }
    }

    /// A value of variable length, without its header.
    #[inline]
    fn varlena(&mut self, row: usize, value: &[u8]) {
        let mut at = self.ends[row];
        if value.len() <= SHORT {
            self.bytes[at] = short_header(value.len());
            at += 1;
        } else {
            // Zeros before a header of four bytes tell it from one of one byte.
            let aligned = at.next_multiple_of(4);
            self.bytes[at..aligned].fill(0);
            let header = ((value.len() + 4) as u32) << 2;
            self.bytes[aligned..aligned + 4].copy_from_slice(&header.to_ne_bytes());
            at = aligned + 4;
        }
        self.bytes[at..at + value.len()].copy_from_slice(value);
        self.finish(row, at + value.len());
    }

    #[inline]
    fn finish(&mut self, row: usize, end: usize) {
        self.ends[row] = end;
        if let Some(bit) = self.bit {
            let bits = self.starts[row] + std::mem::offset_of!(pg_sys::HeapTupleHeaderData, t_bits);
            self.bytes[bits + bit / 8] |= 1 << (bit % 8);
        }
    }
}

/// The one-byte header of a text of at most [`SHORT`] bytes, as little-endian machines have it
/// (Postgres, varatt.h, SET_VARSIZE_1B).
#[inline]
fn short_header(length: usize) -> u8 {
    ((length as u8 + 1) << 1) | 1
}

#[cfg(target_endian = "big")]
compile_error!("the headers of texts are laid out for little-endian machines");

fn append(column: &mut Appending<'_>, array: &dyn Array, target: &Target) -> Result<(), Error> {
    match target.kind {
        Kind::Bool => {
            let array: &BooleanArray = downcast(array, target)?;
            for row in (0..array.len()).filter(|row| array.is_valid(*row)) {
                column.fixed(row, [u8::from(array.value(row))]);
            }
        }
        Kind::Int2 => primitives::<Int16Type, 2>(column, array, target, i16::to_ne_bytes)?,
        Kind::Int4 => primitives::<Int32Type, 4>(column, array, target, i32::to_ne_bytes)?,
        Kind::Int8 => primitives::<Int64Type, 8>(column, array, target, i64::to_ne_bytes)?,
        Kind::Float4 => primitives::<Float32Type, 4>(column, array, target, f32::to_ne_bytes)?,
        Kind::Float8 => primitives::<Float64Type, 8>(column, array, target, f64::to_ne_bytes)?,
        Kind::Date => {
            let array: &Date32Array = downcast(array, target)?;
            for row in (0..array.len()).filter(|row| array.is_valid(*row)) {
                let date = time::date(array.value(row), target)?;
                column.fixed(row, date.to_ne_bytes());
            }
        }
        Kind::Timestamp | Kind::Timestamptz => {
            let array: &TimestampMicrosecondArray = downcast(array, target)?;
            for row in (0..array.len()).filter(|row| array.is_valid(*row)) {
                let timestamp = time::timestamp(array.value(row), target)?;
                column.fixed(row, timestamp.to_ne_bytes());
            }
        }
        _ => texts(column, downcast(array, target)?, target)?,
    }
    Ok(())
}

fn primitives<T: ArrowPrimitiveType, const N: usize>(
    column: &mut Appending<'_>,
    array: &dyn Array,
    target: &Target,
    bytes: impl Fn(T::Native) -> [u8; N],
) -> Result<(), Error> {
    let array = downcast::<arrow::array::PrimitiveArray<T>>(array, target)?;
    for (row, value) in array.values().iter().enumerate() {
        if array.is_valid(row) {
            column.fixed(row, bytes(*value));
        }
    }
    Ok(())
}

fn texts(
    column: &mut Appending<'_>,
    array: &StringViewArray,
    target: &Target,
) -> Result<(), Error> {
    // Bills repeat themselves: what stands next to its equal needs no second look.
    let mut checked: Option<u128> = None;
    for (row, view) in array.views().iter().enumerate() {
        if array.is_null(row) {
            continue;
        }
        if checked != Some(*view) {
            no_nul(array.value(row).as_bytes(), target)?;
            checked = Some(*view);
        }
        column.text(row, *view, || array.value(row).as_bytes());
    }
    Ok(())
}

fn append_datums(
    column: &mut Appending<'_>,
    indirect: &Indirect,
    position: usize,
    rows: &Range<usize>,
) {
    for row in rows.clone() {
        if let Some(value) = indirect.value(row, position) {
            column.varlena(row - rows.start, value);
        }
    }
}
