//! Footers and page indexes are looked at before the decoder believes them.
//!
//! The decoder makes room for as many row groups, columns and pages as a number announces, and follows
//! nested columns as deep as they go. An allocation that fails ends the process, and so does a stack
//! that overflows: for Postgres that means all sessions.

use std::ops::Range;

use parquet::errors::{ParquetError, Result};
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

use crate::thrift::Holds::{Binary, Bool, Byte, Double, List, Number, Struct};
use crate::thrift::{Fields, Thrift};

/// Columns and what they are nested in. A table of Postgres has at most 1600.
const MOST_ELEMENTS: usize = 65_536;

/// Nested columns go no deeper: bills have four levels.
const DEEPEST: usize = 32;

/// Bytes of the columns' names together, each with those it is nested in: as many copies are made.
const LONGEST_PATHS: usize = 16 << 20;

/// More row groups than the decoder takes, which numbers them with 16 bits.
const MOST_GROUPS: usize = i16::MAX as usize;

/// Page indexes of a file: a hundred bytes for a page of 20,000 values.
const LARGEST_INDEXES: u64 = 256 << 20;

/// Refuses a footer that announces more than it has or than a bill can have.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn footer(bytes: &[u8]) -> Result<()> {
    let mut why = "it ends too early or is not in order";
    let mut thrift = Thrift(bytes);
    let walked = thrift.fields(|thrift, id, kind| match id {
        SCHEMA => schema(thrift, &mut why),
        ROW_GROUPS => groups(thrift, &mut why),
        _ => thrift.field(FILE, id, kind),
    });
    walked.ok_or_else(|| refused("the footer", why))
}

fn refused(what: &str, why: &str) -> ParquetError {
    ParquetError::General(format!("{what} cannot be believed: {why}"))
}

fn schema(thrift: &mut Thrift<'_>, why: &mut &'static str) -> Option<()> {
    let mut check = |holds: bool, otherwise| {
        if !holds {
            *why = otherwise;
        }
        holds.then_some(())
    };
    let count = thrift.list()?;
    check(count <= MOST_ELEMENTS, "it has more columns than any bill")?;
    // Of each struct that is open, the fields that are to come and the length of its path.
    let mut open: Vec<(usize, usize)> = Vec::new();
    let mut paths = 0;
    for _ in 0..count {
        let (name, children) = element(thrift)?;
        while open.pop_if(|(left, _)| *left == 0).is_some() {}
        let path = open.last().map_or(0, |(_, path)| *path) + name;
        if let Some((left, _)) = open.last_mut() {
            *left -= 1;
        }
        paths += path;
        check(paths <= LONGEST_PATHS, "its columns' names are too long")?;
        check(children <= count, "a column has more parts than there are")?;
        if children > 0 {
            open.push((children, path));
        }
        check(open.len() <= DEEPEST, "its columns are nested too deeply")?;
    }
    Some(())
}

/// The length of a column's name and the number of its parts, which if negative is an error of the
/// decoder's.
fn element(thrift: &mut Thrift<'_>) -> Option<(usize, usize)> {
    let (mut name, mut children) = (0, 0);
    thrift.fields(|thrift, id, kind| match id {
        NAME => thrift.binary().map(|bytes| name = bytes.len()),
        CHILDREN => thrift.i32().map(|number| children = number),
        _ => thrift.field(SCHEMA_ELEMENT, id, kind),
    })?;
    Some((name, usize::try_from(children).unwrap_or(0)))
}

fn groups(thrift: &mut Thrift<'_>, why: &mut &'static str) -> Option<()> {
    let count = thrift.list()?;
    if count > MOST_GROUPS {
        *why = "it has too many row groups";
        return None;
    }
    (0..count).try_for_each(|_| thrift.structure(ROW_GROUP))
}

/// Refuses page indexes of more bytes than a bill's can have.
///
/// # Errors
/// That they do.
pub(crate) fn page_index_size(bytes: u64) -> Result<()> {
    match bytes > LARGEST_INDEXES {
        true => Err(refused("the page index", "it has too many bytes")),
        false => Ok(()),
    }
}

/// Refuses page indexes, the bytes of a file from `start` on, that announce more pages than they have,
/// or that are more than those bytes: many columns may say that the same index is theirs.
///
/// # Errors
/// What is wrong with them.
pub(crate) fn page_indexes(metadata: &ParquetMetaData, start: u64, bytes: &[u8]) -> Result<()> {
    let groups = metadata.row_groups().iter();
    let columns = groups.flat_map(|group| group.columns());
    let mut indexed = 0;
    for column in columns {
        let index = index_range(column);
        let pages = offsets_range(column);
        indexed += [&index, &pages].into_iter().flatten().map(len).sum::<u64>();
        if indexed > bytes.len() as u64 {
            return Err(refused("the page index", "columns share one"));
        }
        let Some(pages) = pages else {
            continue;
        };
        let place = |at: u64| usize::try_from(at.checked_sub(start)?).ok();
        let pages = place(pages.start).zip(place(pages.end));
        // What lies elsewhere the decoder does not find either.
        let Some(pages) = pages.and_then(|(from, to)| bytes.get(from..to)) else {
            continue;
        };
        let mut thrift = Thrift(pages);
        let walked = thrift.structure(OFFSET_INDEX);
        walked.ok_or_else(|| refused("the page index", "it ends too early or is not in order"))?;
    }
    Ok(())
}

fn len(range: &Range<u64>) -> u64 {
    range.end - range.start
}

fn index_range(column: &ColumnChunkMetaData) -> Option<Range<u64>> {
    range(column.column_index_offset(), column.column_index_length())
}

fn offsets_range(column: &ColumnChunkMetaData) -> Option<Range<u64>> {
    range(column.offset_index_offset(), column.offset_index_length())
}

fn range(offset: Option<i64>, length: Option<i32>) -> Option<Range<u64>> {
    let start = u64::try_from(offset?).ok()?;
    Some(start..start + u64::try_from(length?).ok()?)
}

/// Fields of `FileMetaData` and `SchemaElement` that are looked at.
const SCHEMA: i16 = 2;
const ROW_GROUPS: i16 = 4;
const NAME: i16 = 4;
const CHILDREN: i16 = 5;

/// The structs of a footer (parquet.thrift), without the fields that are looked at and those that the
/// decoder passes over.
const FILE: Fields = &[
    (1, Number),
    (3, Number),
    (5, List(&Struct(&[(1, Binary), (2, Binary)]))),
    (6, Binary),
    (7, List(&Struct(&[(1, Struct(&[]))]))),
];

const SCHEMA_ELEMENT: Fields = &[
    (1, Number),
    (2, Number),
    (3, Number),
    (6, Number),
    (7, Number),
    (8, Number),
    (9, Number),
    (10, Struct(LOGICAL_TYPE)),
];

const LOGICAL_TYPE: Fields = &[
    (1, Struct(&[])),
    (2, Struct(&[])),
    (3, Struct(&[])),
    (4, Struct(&[])),
    (5, Struct(&[(1, Number), (2, Number)])),
    (6, Struct(&[])),
    (7, Struct(TIME)),
    (8, Struct(TIME)),
    (10, Struct(&[(1, Byte), (2, Bool)])),
    (11, Struct(&[])),
    (12, Struct(&[])),
    (13, Struct(&[])),
    (14, Struct(&[])),
    (15, Struct(&[])),
    (16, Struct(&[(1, Byte)])),
    (17, Struct(&[(1, Binary)])),
    (18, Struct(&[(1, Binary), (2, Number)])),
];

const TIME: Fields = &[
    (1, Bool),
    (
        2,
        Struct(&[(1, Struct(&[])), (2, Struct(&[])), (3, Struct(&[]))]),
    ),
];

const ROW_GROUP: Fields = &[
    (1, List(&Struct(COLUMN_CHUNK))),
    (2, Number),
    (3, Number),
    (4, List(&Struct(&[(1, Number), (2, Bool), (3, Bool)]))),
    (5, Number),
    (7, Number),
];

const COLUMN_CHUNK: Fields = &[
    (1, Binary),
    (2, Number),
    (3, Struct(COLUMN)),
    (4, Number),
    (5, Number),
    (6, Number),
    (7, Number),
];

const COLUMN: Fields = &[
    (1, Number),
    (2, List(&Number)),
    (4, Number),
    (5, Number),
    (6, Number),
    (7, Number),
    (9, Number),
    (10, Number),
    (11, Number),
    (12, Struct(STATISTICS)),
    (13, List(&Struct(&[(1, Number), (2, Number), (3, Number)]))),
    (14, Number),
    (15, Number),
    (16, Struct(SIZES)),
    (17, Struct(&[(1, Struct(BOX)), (2, List(&Number))])),
];

const STATISTICS: Fields = &[
    (1, Binary),
    (2, Binary),
    (3, Number),
    (4, Number),
    (5, Binary),
    (6, Binary),
    (7, Bool),
    (8, Bool),
];

const SIZES: Fields = &[(1, Number), (2, List(&Number)), (3, List(&Number))];

const BOX: Fields = &[
    (1, Double),
    (2, Double),
    (3, Double),
    (4, Double),
    (5, Double),
    (6, Double),
    (7, Double),
    (8, Double),
];

const OFFSET_INDEX: Fields = &[
    (1, List(&Struct(&[(1, Number), (2, Number), (3, Number)]))),
    (2, List(&Number)),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// A list's header, of structs.
    fn list(count: u32) -> Vec<u8> {
        let mut header = vec![0xFC];
        let mut rest = count;
        while rest >= 0x80 {
            header.push(rest as u8 | 0x80);
            rest >>= 7;
        }
        header.push(rest as u8);
        header
    }

    /// A column: its name, and the number of its parts as it is written.
    fn element(name: &[u8], children: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x48, name.len() as u8];
        bytes.extend(name);
        bytes.push(0x15);
        bytes.extend(children);
        bytes.push(0);
        bytes
    }

    /// A footer of these columns and this many row groups, which are empty.
    fn footer_of(elements: &[Vec<u8>], groups: u32) -> Vec<u8> {
        let mut bytes = vec![0x15, 2, 0x19];
        bytes.extend(list(elements.len() as u32));
        bytes.extend(elements.concat());
        bytes.extend([0x16, 0, 0x19]);
        bytes.extend(list(groups));
        bytes.extend(vec![0; groups.min(1000) as usize]);
        bytes.push(0);
        bytes
    }

    fn why(footer_bytes: &[u8]) -> String {
        footer(footer_bytes).unwrap_err().to_string()
    }

    const LARGEST: [u8; 5] = [0xFE, 0xFF, 0xFF, 0xFF, 0x0F];

    #[test]
    fn an_honest_footer_passes() {
        let columns = [
            element(b"bill", &[4]),
            element(b"a", &[0]),
            element(b"b", &[0]),
        ];
        footer(&footer_of(&columns, 3)).unwrap();
    }

    #[test]
    fn more_row_groups_than_bytes_are_refused_wherever_the_list_stands() {
        let columns = [element(b"bill", &[2]), element(b"a", &[0])];
        assert!(why(&footer_of(&columns, i32::MAX as u32)).contains("too early"));
        // A second list, and a first field that says that it is a struct but is read as a number.
        let mut twice = footer_of(&columns, 1);
        twice.pop();
        twice.extend([0x09, 8]);
        twice.extend(list(i32::MAX as u32));
        twice.push(0);
        assert!(why(&twice).contains("too early"));
        let mut disguised = footer_of(&columns, i32::MAX as u32);
        disguised[0] = 0x1C;
        assert!(why(&disguised).contains("too early"));
    }

    #[test]
    fn a_column_of_more_parts_than_there_are_is_refused() {
        let columns = [element(b"bill", &LARGEST), element(b"a", &[0])];
        assert!(why(&footer_of(&columns, 0)).contains("more parts"));
    }

    #[test]
    fn columns_nested_without_end_are_refused() {
        let nested = |depth| -> Vec<_> {
            let outer = (0..depth).map(|_| element(b"a", &[2]));
            outer.chain([element(b"a", &[0])]).collect()
        };
        footer(&footer_of(&nested(DEEPEST), 0)).unwrap();
        assert!(why(&footer_of(&nested(60_000), 0)).contains("too deeply"));
    }

    #[test]
    fn names_that_become_gigabytes_are_refused() {
        let mut columns = vec![element(b"bill", &LARGEST[..0])];
        columns[0] = element(&[b'a'; 120], &[0x80, 0x80, 0x01]);
        columns.extend((0..8192).map(|_| element(&[b'a'; 120], &[0])));
        footer(&footer_of(&columns, 0)).unwrap();
        let outer = (0..20).map(|_| element(&[b'a'; 120], &[2]));
        let columns: Vec<_> = outer.chain(columns).collect();
        assert!(why(&footer_of(&columns, 0)).contains("names"));
    }
}
