//! Page headers are looked at before the decoder believes them.
//!
//! The decoder allocates what a header announces before it decodes anything: one damaged byte asks
//! for 34 GB. An allocation that fails ends the process, which for Postgres means all sessions.

use parquet::errors::{ParquetError, Result};

use crate::thrift::Holds::{Bool, Number, Struct};
use crate::thrift::{Fields, Thrift};

/// A page of up to this size may be compressed to any ratio: constant pages are. Writers aim at
/// 1 MB.
const ANY_RATIO: u64 = 64 << 20;

/// Deflate reaches 1032 to 1, Snappy 21 to 1.
const HIGHEST_RATIO: u64 = 1100;

/// Checks the headers of all pages. What cannot be parsed is left to the decoder, which knows how
/// many values it needs and need not come that far.
pub(crate) fn check(chunk: &[u8]) -> Result<()> {
    let mut rest = chunk;
    while !rest.is_empty() {
        let mut header = Header::default();
        let mut thrift = Thrift(rest);
        if page(&mut thrift, &mut header).is_none() {
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
const UNPACKED: i16 = 2;
const PACKED: i16 = 3;
const DICTIONARY: i16 = 7;
const DICTIONARY_VALUES: i16 = 1;

/// The other fields of a page header, and those within it that the decoder reads.
const PAGE: Fields = &[
    (1, Number),
    (4, Number),
    (
        5,
        Struct(&[(1, Number), (2, Number), (3, Number), (4, Number)]),
    ),
    (6, Struct(&[])),
    (
        8,
        Struct(&[
            (1, Number),
            (2, Number),
            (3, Number),
            (4, Number),
            (5, Number),
            (6, Number),
            (7, Bool),
        ]),
    ),
];
const DICTIONARY_PAGE: Fields = &[(2, Number), (3, Bool)];

fn page(thrift: &mut Thrift<'_>, header: &mut Header) -> Option<()> {
    thrift.fields(|thrift, id, kind| match id {
        UNPACKED => thrift.i32().map(|value| header.unpacked = value),
        PACKED => thrift.i32().map(|value| header.packed = value),
        DICTIONARY => thrift.fields(|thrift, id, kind| match id {
            DICTIONARY_VALUES => thrift.i32().map(|value| header.dictionary_values = value),
            _ => thrift.field(DICTIONARY_PAGE, id, kind),
        }),
        _ => thrift.field(PAGE, id, kind),
    })
}

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
        super::page(&mut Thrift(&honest), &mut header).unwrap();
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
    fn what_hides_in_unknown_fields_is_found_as_the_decoder_finds_it() {
        let lying = page(&LARGEST, 10, &[10]);
        // A map of numbers, and a list of booleans, of which the decoder takes no bytes.
        for unknown in [
            &[0x0B, 40, 1, 0x55, 2, 2][..],
            &[0x09, 40, 0xF1, 200, 1][..],
        ] {
            let hidden = [unknown, &[0x05, 2, 4], &lying[2..]].concat();
            assert!(check(&hidden).is_err(), "{unknown:?}");
        }
        // A page's type that calls itself a struct is a number to the decoder.
        let mut disguised = lying;
        disguised[0] = 0x1C;
        assert!(check(&disguised).is_err());
    }

    #[test]
    fn what_is_no_header_is_left_to_the_decoder() {
        check(&[0xFF; 100]).unwrap();
        check(&[0x1C; 100]).unwrap();
        check(&page(&[40], 10, &[10])[..5]).unwrap();
    }
}
