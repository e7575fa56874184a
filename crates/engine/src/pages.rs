//! Page headers are looked at before the decoder believes them.
//!
//! The decoder allocates what a header announces before it decodes anything: one damaged byte asks
//! for 34 GB. An allocation that fails ends the process, which for Postgres means all sessions.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::parquet::ParquetFileReaderFactory;
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;
use parquet::arrow::arrow_reader::ArrowReaderOptions;
use parquet::arrow::async_reader::AsyncFileReader;
use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::ParquetMetaData;

/// A page of up to this size may be compressed to any ratio: constant pages are. Writers aim at
/// 1 MB.
const ANY_RATIO: u64 = 64 << 20;

/// Deflate reaches 1032 to 1, Snappy 21 to 1.
const HIGHEST_RATIO: u64 = 1100;

/// Makes readers that check page headers.
#[derive(Debug)]
pub(crate) struct CheckedPages<F>(pub(crate) F);

impl<F: ParquetFileReaderFactory> ParquetFileReaderFactory for CheckedPages<F> {
    fn create_reader(
        &self,
        partition_index: usize,
        file: PartitionedFile,
        metadata_size_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> datafusion::common::Result<Box<dyn AsyncFileReader + Send>> {
        let reader = self
            .0
            .create_reader(partition_index, file, metadata_size_hint, metrics)?;
        Ok(Box::new(CheckedReader(reader)))
    }
}

struct CheckedReader(Box<dyn AsyncFileReader + Send>);

impl AsyncFileReader for CheckedReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        self.0.get_bytes(range)
    }

    /// What DataFusion reads columns with: each range is a column chunk, or whole pages of one.
    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        async move {
            let chunks = self.0.get_byte_ranges(ranges).await?;
            chunks.iter().try_for_each(|chunk| check(chunk))?;
            Ok(chunks)
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        self.0.get_metadata(options)
    }
}

/// Checks the headers of all pages. What cannot be parsed is left to the decoder, which knows how
/// many values it needs and need not come that far.
fn check(chunk: &[u8]) -> Result<()> {
    let mut rest = chunk;
    while !rest.is_empty() {
        let mut header = Header::default();
        let mut thrift = Thrift(rest);
        if thrift.page(&mut header).is_none() {
            return Ok(());
        }
        header.check()?;
        let Some(after) = thrift.0.get(header.packed as usize..) else {
            return Ok(());
        };
        rest = after;
    }
    Ok(())
}

/// What matters of a `PageHeader` (parquet.thrift). As in the decoder, the last of a repeated field
/// counts, and numbers are cut to 32 bits.
#[derive(Debug, Default, PartialEq, Eq)]
struct Header {
    /// `compressed_page_size`, bytes.
    packed: i32,
    /// `uncompressed_page_size`, bytes.
    unpacked: i32,
    /// `dictionary_page_header.num_values`.
    dictionary_values: i32,
}

impl Header {
    fn check(&self) -> Result<()> {
        let refused = |what: &str| Err(ParquetError::General(format!("a page header {what}")));
        let sizes = (u64::try_from(self.packed), u64::try_from(self.unpacked));
        let (Ok(packed), Ok(unpacked)) = sizes else {
            return refused("has a negative size");
        };
        if unpacked > ANY_RATIO.max(packed.saturating_mul(HIGHEST_RATIO)) {
            return refused(&format!("says that {packed} bytes become {unpacked}"));
        }
        // A value of a dictionary has at least a byte.
        if !(0..=self.unpacked).contains(&self.dictionary_values) {
            let values = self.dictionary_values;
            return refused(&format!("says that {unpacked} bytes hold {values} values"));
        }
        Ok(())
    }
}

/// Field numbers of `PageHeader` and `DictionaryPageHeader`.
const UNPACKED: i64 = 2;
const PACKED: i64 = 3;
const DICTIONARY: i64 = 7;
const DICTIONARY_VALUES: i64 = 1;

/// Deeper than any header nests, and shallow enough for any stack.
const DEEPEST: usize = 8;

/// Bytes in Thrift's compact protocol. The methods return None where they are not that.
struct Thrift<'a>(&'a [u8]);

impl Thrift<'_> {
    fn page(&mut self, header: &mut Header) -> Option<()> {
        self.fields(|thrift, id, kind| match (id, kind) {
            (UNPACKED, I32) => thrift.i32().map(|value| header.unpacked = value),
            (PACKED, I32) => thrift.i32().map(|value| header.packed = value),
            (DICTIONARY, STRUCT) => thrift.fields(|thrift, id, kind| match (id, kind) {
                (DICTIONARY_VALUES, I32) => {
                    thrift.i32().map(|value| header.dictionary_values = value)
                }
                _ => thrift.skip(kind, DEEPEST),
            }),
            _ => thrift.skip(kind, DEEPEST),
        })
    }

    /// Calls `field` with the number and type of each field of a struct.
    fn fields(&mut self, mut field: impl FnMut(&mut Self, i64, u8) -> Option<()>) -> Option<()> {
        let mut id = 0i64;
        loop {
            let byte = self.byte()?;
            let kind = byte & 0x0F;
            if kind == STOP {
                return Some(());
            }
            id = match byte >> 4 {
                0 => self.number()?,
                step => id.wrapping_add(i64::from(step)),
            };
            field(self, id, kind)?;
        }
    }

    fn skip(&mut self, kind: u8, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        match kind {
            TRUE | FALSE => Some(()),
            BYTE => self.take(1),
            I16 | I32 | I64 => self.varint().map(drop),
            DOUBLE => self.take(8),
            BINARY => {
                let length = self.varint()?;
                self.take(length)
            }
            LIST | SET => {
                let byte = self.byte()?;
                let count = match byte >> 4 {
                    15 => self.varint()?,
                    count => u64::from(count),
                };
                // A boolean is a byte of its own here.
                let element = match byte & 0x0F {
                    TRUE | FALSE => BYTE,
                    other => other,
                };
                (0..count).try_for_each(|_| self.skip(element, depth))
            }
            STRUCT => self.fields(|thrift, _, kind| thrift.skip(kind, depth)),
            UUID => self.take(16),
            // Maps are nowhere in a page header.
            _ => None,
        }
    }

    fn i32(&mut self) -> Option<i32> {
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

    fn take(&mut self, count: u64) -> Option<()> {
        self.0 = self.0.get(usize::try_from(count).ok()?..)?;
        Some(())
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
const STRUCT: u8 = 12;
const UUID: u8 = 13;

#[cfg(test)]
mod tests {
    use super::*;

    /// A dictionary page: its type, both sizes, the dictionary's header, and the page itself.
    fn page(unpacked: &[u8], packed: u8, values: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x15, 4, 0x15];
        bytes.extend(unpacked);
        bytes.extend([0x15, packed << 1, 0x4C, 0x15]);
        bytes.extend(values);
        bytes.extend([0x15, 0, 0, 0]);
        bytes.extend(vec![0xEE; packed.into()]);
        bytes
    }

    const LARGEST: [u8; 5] = [0xFE, 0xFF, 0xFF, 0xFF, 0x0F];

    #[test]
    fn an_honest_header_passes_and_the_next_page_is_found() {
        let honest = page(&[40], 10, &[10]);
        let mut header = Header::default();
        Thrift(&honest).page(&mut header).unwrap();
        let expected = Header {
            packed: 10,
            unpacked: 20,
            dictionary_values: 5,
        };
        assert_eq!(header, expected);
        check(&honest).unwrap();
        let lying = page(&[40], 10, &LARGEST);
        assert!(check(&[honest, lying].concat()).is_err());
    }

    #[test]
    fn a_dictionary_of_more_values_than_bytes_is_refused() {
        let error = check(&page(&[40], 10, &LARGEST)).unwrap_err().to_string();
        assert!(error.contains("20 bytes hold 2147483647 values"), "{error}");
        assert!(check(&page(&[40], 10, &[1])).is_err(), "-1 values");
    }

    #[test]
    fn a_page_that_would_become_gigabytes_is_refused() {
        let error = check(&page(&LARGEST, 10, &[10])).unwrap_err().to_string();
        assert!(error.contains("10 bytes become 2147483647"), "{error}");
        assert!(check(&page(&[39], 10, &[10])).is_err(), "-20 bytes");
    }

    #[test]
    fn what_is_no_header_is_left_to_the_decoder() {
        check(&[0xFF; 100]).unwrap();
        check(&[0x1C; 100]).unwrap();
        check(&page(&[40], 10, &[10])[..5]).unwrap();
    }
}
