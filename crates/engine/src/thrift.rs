//! Bytes in Thrift's compact protocol, as the Parquet decoder reads them.
//!
//! What is looked at before the decoder believes it must be what the decoder sees: a field's number
//! says what it holds, whatever type its header names, and only fields that are not known are passed
//! over by that type. Where the decoder would fail, it does not matter what is seen here.

/// What a field of a known number holds.
pub(crate) enum Holds {
    /// In its header, as fields have it.
    Bool,
    Byte,
    /// Of 16, 32 or 64 bits, and every enum.
    Number,
    Double,
    Binary,
    List(&'static Holds),
    Struct(Fields),
}

/// The fields of a struct, a union too, by their numbers.
pub(crate) type Fields = &'static [(i16, Holds)];

/// As deep as the decoder passes over what it does not know.
const DEEPEST: usize = 64;

/// Bytes that are left. The methods return None where the decoder fails.
pub(crate) struct Thrift<'a>(pub(crate) &'a [u8]);

impl<'a> Thrift<'a> {
    /// Calls `field` with the number and type of each field of a struct.
    pub(crate) fn fields(
        &mut self,
        mut field: impl FnMut(&mut Self, i16, u8) -> Option<()>,
    ) -> Option<()> {
        let mut id = 0i16;
        loop {
            let byte = self.byte()?;
            let kind = byte & 0x0F;
            if kind == STOP {
                return Some(());
            }
            id = match byte >> 4 {
                0 => self.number()? as i16,
                step => id.checked_add(i16::from(step))?,
            };
            field(self, id, kind)?;
        }
    }

    /// Passes over a field of a struct that has these.
    pub(crate) fn field(&mut self, known: Fields, id: i16, kind: u8) -> Option<()> {
        match known.iter().find(|(known, _)| *known == id) {
            Some((_, holds)) => self.value(holds),
            None => self.skip(kind, DEEPEST),
        }
    }

    /// Passes over a struct.
    pub(crate) fn structure(&mut self, known: Fields) -> Option<()> {
        self.fields(|thrift, id, kind| thrift.field(known, id, kind))
    }

    fn value(&mut self, holds: &Holds) -> Option<()> {
        match holds {
            Holds::Bool => Some(()),
            Holds::Byte => self.take(1).map(drop),
            Holds::Number => self.varint().map(drop),
            Holds::Double => self.take(8).map(drop),
            Holds::Binary => self.binary().map(drop),
            Holds::List(element) => {
                let count = self.list()?;
                (0..count).try_for_each(|_| self.value(element))
            }
            Holds::Struct(fields) => self.structure(fields),
        }
    }

    /// The number of a list's elements, of which each has a byte at least.
    pub(crate) fn list(&mut self) -> Option<usize> {
        let count = usize::try_from(self.list_header()?.0).ok()?;
        (count <= self.0.len()).then_some(count)
    }

    /// The number and type of a list's elements.
    fn list_header(&mut self) -> Option<(u64, u8)> {
        let byte = self.byte()?;
        let count = match byte >> 4 {
            15 => self.varint()?,
            count => u64::from(count),
        };
        (count <= i32::MAX as u64).then_some((count, byte & 0x0F))
    }

    pub(crate) fn binary(&mut self) -> Option<&'a [u8]> {
        let length = self.varint()?;
        self.take(length)
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            // In the header; the decoder takes elements of lists to be there, too.
            TRUE | FALSE => Some(()),
            BYTE => self.take(1).map(drop),
            I16 | I32 | I64 => self.varint().map(drop),
            DOUBLE => self.take(8).map(drop),
            BINARY => self.binary().map(drop),
            LIST | SET => match self.list_header()? {
                (_, TRUE | FALSE) => Some(()),
                (count, element) => (0..count).try_for_each(|_| self.skip(element, depth)),
            },
            MAP => self.skip_map(depth),
            STRUCT => self.fields(|thrift, _, kind| thrift.skip(kind, depth)),
            UUID => self.take(16).map(drop),
            _ => None,
        }
    }

    fn skip_map(&mut self, depth: usize) -> Option<()> {
        let count = self.varint()?;
        if count == 0 {
            return Some(());
        }
        let kinds = self.byte()?;
        let (key, value) = (kinds >> 4, kinds & 0x0F);
        if matches!((key, value), (TRUE | FALSE, TRUE | FALSE)) {
            return Some(());
        }
        (0..count).try_for_each(|_| {
            self.skip(key, depth)?;
            self.skip(value, depth)
        })
    }

    pub(crate) fn i32(&mut self) -> Option<i32> {
        self.number().map(|number| number as i32)
    }

    fn number(&mut self) -> Option<i64> {
        let raw = self.varint()?;
        Some((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    /// Of any length, as in the decoder: bits beyond the 64th wrap around.
    fn varint(&mut self) -> Option<u64> {
        let mut value = 0u64;
        for shift in (0u32..).step_by(7) {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7F).wrapping_shl(shift);
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn take(&mut self, count: u64) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(usize::try_from(count).ok()?)?;
        self.0 = rest;
        Some(taken)
    }
}

/// Types of the compact protocol, as field headers have them.
const STOP: u8 = 0;
const TRUE: u8 = 1;
const FALSE: u8 = 2;
const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const MAP: u8 = 11;
const STRUCT: u8 = 12;
const UUID: u8 = 13;
