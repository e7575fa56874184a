//! Ways to damage a file.

#![allow(clippy::ptr_arg)] // one signature for all, and some change the length

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};

use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataWriter};

use crate::corpus::{Corpus, Valid};
use crate::csv;
use crate::random::Random;

/// What one case reads.
pub struct Case {
    /// Which file, and what was done to it.
    pub description: String,
    /// What it is.
    pub damaged: Damaged,
}

/// The damaged thing; everything around it is whole.
pub enum Damaged {
    /// A data file.
    File(Vec<u8>),
    /// The month's manifest.
    Manifest(Vec<u8>),
    /// Keys of a listing.
    Keys(Vec<String>),
    /// A CSV file.
    Csv(Vec<u8>),
}

impl Case {
    /// The case of this number: the same whenever it is asked for.
    pub fn of(corpus: &Corpus, seed: u64, number: u64) -> Self {
        let random = &mut Random::new(seed, number);
        match number % 20 {
            0 => manifest(corpus, random),
            1 => keys(random),
            2..8 => csv(corpus, random),
            _ => file(corpus, random),
        }
    }
}

fn csv(corpus: &Corpus, random: &mut Random) -> Case {
    let (description, bytes) = csv::damaged(&corpus.csv, random);
    Case {
        description,
        damaged: Damaged::Csv(bytes),
    }
}

type Mutation = fn(&Corpus, &Valid, &mut Vec<u8>, &mut Random) -> String;

const MUTATIONS: &[Mutation] = &[
    flip_anywhere,
    flip_in_footer,
    flip_at_landmark,
    cut,
    splice,
    fill,
    lie_about_footer_length,
    number_in_footer,
    number_at_landmark,
    lie_in_metadata,
    lie_in_metadata,
    lie_in_metadata,
    announce_in_footer,
    announce_in_footer,
    nest,
    announce_pages,
    lie_in_page,
    lie_in_page,
    lie_in_page,
];

fn file(corpus: &Corpus, random: &mut Random) -> Case {
    let valid = random.pick(&corpus.files);
    let mut bytes = valid.bytes.clone();
    let mut done = Vec::new();
    // Mostly one: the more damage, the earlier it is noticed.
    for _ in 0..1 + random.below(10) / 8 {
        let mutate = random.pick(MUTATIONS);
        done.push(mutate(corpus, valid, &mut bytes, random));
    }
    Case {
        description: format!("{}: {}", valid.name, done.join(", ")),
        damaged: Damaged::File(bytes),
    }
}

fn flip(bytes: &mut [u8], from: usize, to: usize, random: &mut Random) {
    let at = from + random.below(to.min(bytes.len()).saturating_sub(from));
    if let Some(byte) = bytes.get_mut(at) {
        *byte ^= 1 << random.below(8);
    }
}

fn flip_anywhere(_: &Corpus, _: &Valid, bytes: &mut Vec<u8>, random: &mut Random) -> String {
    let count = 1 + random.below(8);
    for _ in 0..count {
        flip(bytes, 0, usize::MAX, random);
    }
    format!("{count} bits anywhere")
}

fn flip_in_footer(_: &Corpus, valid: &Valid, bytes: &mut Vec<u8>, random: &mut Random) -> String {
    let count = 1 + random.below(4);
    for _ in 0..count {
        flip(bytes, valid.footer, usize::MAX, random);
    }
    format!("{count} bits in the footer")
}

fn flip_at_landmark(_: &Corpus, valid: &Valid, bytes: &mut Vec<u8>, random: &mut Random) -> String {
    let at = *random.pick(&valid.landmarks);
    flip(bytes, at, at + 24, random);
    format!("a bit after {at}")
}

fn cut(_: &Corpus, _: &Valid, bytes: &mut Vec<u8>, random: &mut Random) -> String {
    let length = random.below(bytes.len());
    bytes.truncate(length);
    format!("cut to {length}")
}

/// Takes a piece out, puts one of any file in.
fn splice(corpus: &Corpus, _: &Valid, bytes: &mut Vec<u8>, random: &mut Random) -> String {
    let other = &random.pick(&corpus.files).bytes;
    let at = random.below(bytes.len());
    let removed = random.below(300).min(bytes.len() - at);
    let from = random.below(other.len());
    let inserted = other[from..].iter().copied().take(random.below(300));
    let inserted: Vec<u8> = inserted.collect();
    let count = inserted.len();
    bytes.splice(at..at + removed, inserted);
    format!("{removed} for {count} bytes at {at}")
}

fn fill(_: &Corpus, _: &Valid, bytes: &mut Vec<u8>, random: &mut Random) -> String {
    let at = random.below(bytes.len());
    let count = (1 + random.below(200)).min(bytes.len() - at);
    let with = *random.pick(&[0, 0xFF, 0x80, 0x7F]);
    bytes[at..at + count].fill(with);
    format!("{count} times {with:#x} at {at}")
}

fn lie_about_footer_length(
    _: &Corpus,
    _: &Valid,
    bytes: &mut Vec<u8>,
    random: &mut Random,
) -> String {
    let Some(field) = bytes.len().checked_sub(8) else {
        return "too short".to_owned();
    };
    let honest = i64::from(u32::from_le_bytes(
        bytes[field..field + 4].try_into().unwrap(),
    ));
    let lie = random.lie(honest) as u32;
    bytes[field..field + 4].copy_from_slice(&lie.to_le_bytes());
    format!("footer length {lie}")
}

fn encoded(number: i64) -> Vec<u8> {
    unsigned(((number << 1) ^ (number >> 63)) as u64)
}

fn unsigned(mut rest: u64) -> Vec<u8> {
    let mut encoded = Vec::new();
    while rest >= 0x80 {
        encoded.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    encoded.push(rest as u8);
    encoded
}

/// Writes a number of Thrift's compact protocol over whatever is at a place, or before it.
fn number_at(bytes: &mut Vec<u8>, at: usize, random: &mut Random) -> (i64, isize) {
    let number = random.lie(1000);
    let encoded = encoded(number);
    let at = at.min(bytes.len());
    let replaced = (random.below(2) * encoded.len().min(1 + random.below(5))).min(bytes.len() - at);
    let grown = encoded.len() as isize - replaced as isize;
    bytes.splice(at..at + replaced, encoded);
    (number, grown)
}

fn number_in_footer(_: &Corpus, valid: &Valid, bytes: &mut Vec<u8>, random: &mut Random) -> String {
    let length = bytes.len().saturating_sub(valid.footer + 8);
    let at = valid.footer + random.below(length);
    let (number, grown) = number_at(bytes, at, random);
    // The length stays honest, or the lie would be found at once.
    if let Some(field) = bytes.len().checked_sub(8) {
        let length = (length as isize + grown) as u32;
        bytes[field..field + 4].copy_from_slice(&length.to_le_bytes());
    }
    format!("number {number} at {at} in the footer")
}

/// Page headers keep their place: what is inserted goes from the page.
fn number_at_landmark(
    _: &Corpus,
    valid: &Valid,
    bytes: &mut Vec<u8>,
    random: &mut Random,
) -> String {
    let at = *random.pick(&valid.landmarks) + random.below(20);
    let (number, grown) = number_at(bytes, at, random);
    let after = (at + 30).min(bytes.len());
    if let Ok(grown) = usize::try_from(grown) {
        bytes.drain(after..(after + grown).min(bytes.len()));
    }
    format!("number {number} at {at}")
}

/// A footer in perfect order that says what is not so.
fn lie_in_metadata(_: &Corpus, valid: &Valid, bytes: &mut Vec<u8>, random: &mut Random) -> String {
    // Sizes are added up on the way, and may overflow.
    let lied = catch_unwind(AssertUnwindSafe(|| {
        let (metadata, lie) = lying(&valid.metadata, random);
        (written(&metadata), lie)
    }));
    let Ok((footer, lie)) = lied else {
        return "a lie that cannot be written".to_owned();
    };
    bytes.truncate(valid.footer);
    bytes.extend(footer);
    lie
}

/// The footer, written by hand in the same order.
fn replace_footer(valid: &Valid, bytes: &mut Vec<u8>, footer: &[u8]) {
    bytes.truncate(valid.footer);
    bytes.extend(footer);
    bytes.extend((footer.len() as u32).to_le_bytes());
    bytes.extend(b"PAR1");
}

/// Writes a lie over the count of a list, or a column's number of parts. Everything else stays.
fn announce_in_footer(
    _: &Corpus,
    valid: &Valid,
    bytes: &mut Vec<u8>,
    random: &mut Random,
) -> String {
    let footer = &valid.bytes[valid.footer..valid.bytes.len() - 8];
    let mut counts = counts_of_footer(footer);
    // Mostly the outermost: columns' chunks have many lists.
    if random.below(4) > 0 {
        counts.retain(|count| count.is_outermost);
    }
    let Count { place, is_list, .. } = random.pick(&counts).clone();
    let count = *random.pick(&[1 << 10, 1 << 16, 1 << 20, 1 << 27, i64::from(i32::MAX)]);
    let lie = match is_list {
        // The element's type stays, and the count moves behind it.
        true => {
            let mut header = vec![0xF0 | footer[place.start] & 0x0F];
            header.extend(unsigned(count as u64));
            header
        }
        false => encoded(count),
    };
    let mut footer = footer.to_vec();
    footer.splice(place.clone(), lie);
    replace_footer(valid, bytes, &footer);
    format!("{count} announced at {} of the footer", place.start)
}

/// A schema as deep as the footer is long.
fn nest(_: &Corpus, valid: &Valid, bytes: &mut Vec<u8>, random: &mut Random) -> String {
    let depth = *random.pick(&[10, 31, 33, 100, 10_000, 60_000, 200_000]);
    let mut footer = vec![0x15, 2, 0x19, 0xFC];
    footer.extend(unsigned(depth + 1));
    // A group that is optional, its name, and its one part.
    let group = [0x35, 2, 0x18, 1, b'a', 0x15, 2, 0];
    (0..depth).for_each(|_| footer.extend(group));
    // Text.
    footer.extend([0x15, 12, 0x25, 2, 0x18, 1, b'a', 0]);
    // No rows, no row groups.
    footer.extend([0x16, 0, 0x19, 0x0C, 0]);
    replace_footer(valid, bytes, &footer);
    format!("{depth} columns in each other")
}

/// Writes a lie over the count of a page index.
fn announce_pages(_: &Corpus, valid: &Valid, bytes: &mut Vec<u8>, random: &mut Random) -> String {
    let groups = valid.metadata.row_groups().iter();
    let indexes: Vec<_> = groups
        .flat_map(|group| group.columns())
        .flat_map(|column| [column.offset_index_offset(), column.column_index_offset()])
        .flatten()
        .collect();
    if indexes.is_empty() {
        return "no index".to_owned();
    }
    let at = *random.pick(&indexes) as usize;
    let count = *random.pick(&[1 << 16, 1 << 24, i32::MAX as u64]);
    let mut header = vec![0x19, 0xF0 | bytes.get(at + 1).unwrap_or(&0) & 0x0F];
    header.extend(unsigned(count));
    let end = (at + header.len()).min(bytes.len());
    bytes.splice(at.min(end)..end, header);
    format!("{count} pages announced at {at}")
}

/// Where a footer says how many elements a list has, or parts a column.
#[derive(Clone)]
struct Count {
    place: Range<usize>,
    is_list: bool,
    is_outermost: bool,
}

/// Walks Thrift's compact protocol.
fn counts_of_footer(footer: &[u8]) -> Vec<Count> {
    let mut counts = Vec::new();
    structure(footer, &mut 0, &[], &mut counts);
    counts
}

/// A column's number of parts: field 5 of the structs of field 2.
const PARTS: [i64; 2] = [2, 5];

fn structure(footer: &[u8], at: &mut usize, path: &[i64], counts: &mut Vec<Count>) {
    let mut id = 0;
    loop {
        let byte = footer[*at];
        *at += 1;
        match byte {
            0 => return,
            // Fields of a struct are no further apart here.
            byte => id += i64::from(byte >> 4),
        }
        let path = [path, &[id]].concat();
        field(footer, at, byte & 0x0F, &path, counts);
    }
}

fn field(footer: &[u8], at: &mut usize, kind: u8, path: &[i64], counts: &mut Vec<Count>) {
    let from = *at;
    match kind {
        1 | 2 => {}
        3 => *at += 1,
        4..=6 => {
            number(footer, at);
            if path == PARTS {
                counts.push(Count {
                    place: from..*at,
                    is_list: false,
                    is_outermost: true,
                });
            }
        }
        7 => *at += 8,
        8 => {
            let length = number(footer, at);
            *at += length as usize;
        }
        9 => {
            let byte = footer[*at];
            *at += 1;
            let count = match byte >> 4 {
                15 => number(footer, at),
                count => u64::from(count),
            };
            counts.push(Count {
                place: from..*at,
                is_list: true,
                is_outermost: path.len() == 1,
            });
            (0..count).for_each(|_| field(footer, at, byte & 0x0F, path, counts));
        }
        12 => structure(footer, at, path, counts),
        _ => panic!("type {kind} is in no footer"),
    }
}

fn number(footer: &[u8], at: &mut usize) -> u64 {
    let mut value = 0;
    for shift in (0..).step_by(7) {
        let byte = footer[*at];
        *at += 1;
        value |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            break;
        }
    }
    value
}

fn written(metadata: &ParquetMetaData) -> Vec<u8> {
    let mut footer = Vec::new();
    let writer = ParquetMetaDataWriter::new(&mut footer, metadata);
    writer.finish().expect("memory takes writes");
    footer
}

fn lying(honest: &ParquetMetaData, random: &mut Random) -> (ParquetMetaData, String) {
    let mut groups = honest.row_groups().to_vec();
    let index = random.below(groups.len());
    let group = groups.swap_remove(index);
    let (group, lie) = match random.below(5) {
        0 => {
            let lie = random.lie(group.num_rows());
            let group = group.into_builder().set_num_rows(lie).build();
            (group, format!("{lie} rows"))
        }
        _ => {
            let mut columns = group.columns().to_vec();
            let index = random.below(columns.len());
            let (column, lie) = lying_column(columns[index].clone(), random);
            columns[index] = column;
            let group = group.into_builder().set_column_metadata(columns).build();
            (group, format!("column {index}: {lie}"))
        }
    };
    // A group that cannot be built has other columns than the schema, which none has here.
    groups.insert(index.min(groups.len()), group.unwrap());
    let metadata = honest.clone().into_builder().set_row_groups(groups).build();
    (metadata, lie)
}

fn lying_column(column: ColumnChunkMetaData, random: &mut Random) -> (ColumnChunkMetaData, String) {
    let page = random.lie(column.data_page_offset());
    let values = random.lie(column.num_values());
    let packed = random.lie(column.compressed_size());
    let unpacked = random.lie(column.uncompressed_size());
    let builder = column.into_builder();
    let (builder, lie) = match random.below(8) {
        0 => (builder.set_num_values(values), format!("{values} values")),
        1 => (
            builder.set_total_compressed_size(packed),
            format!("{packed} bytes"),
        ),
        2 => (
            builder.set_total_uncompressed_size(unpacked),
            format!("{unpacked} bytes unpacked"),
        ),
        3 => (
            builder.set_data_page_offset(page),
            format!("pages at {page}"),
        ),
        4 => (
            builder.set_dictionary_page_offset(Some(page)),
            format!("dictionary at {page}"),
        ),
        5 => (
            builder
                .set_offset_index_offset(Some(page))
                .set_offset_index_length(Some(values as i32)),
            format!("offsets at {page}"),
        ),
        6 => (
            builder
                .set_bloom_filter_offset(Some(page))
                .set_bloom_filter_length(Some(values as i32)),
            format!("Bloom filter at {page}"),
        ),
        _ => (
            builder
                .set_column_index_offset(Some(page))
                .set_column_index_length(Some(values as i32)),
            format!("index at {page}"),
        ),
    };
    (builder.build().unwrap(), lie)
}

/// A page header in perfect order that says what is not so; everything behind it is moved, and the
/// footer knows.
fn lie_in_page(_: &Corpus, valid: &Valid, bytes: &mut Vec<u8>, random: &mut Random) -> String {
    let group = random.pick(valid.metadata.row_groups());
    let column = random.pick(group.columns());
    let data = column.data_page_offset();
    let page = *random.pick(&[data, column.dictionary_page_offset().unwrap_or(data)]) as usize;
    let numbers = numbers_of_header(&valid.bytes, page);
    let number = random.pick(&numbers).clone();
    let lie = i64::from(random.lie(i64::from(valid.bytes[number.start])) as i32);
    let encoded = encoded(lie);
    let grown = encoded.len() as i64 - number.len() as i64;
    *bytes = valid.bytes.clone();
    bytes.splice(number.clone(), encoded);
    bytes.truncate((valid.footer as i64 + grown) as usize);
    bytes.extend(written(&moved(&valid.metadata, page as i64, grown)));
    let index = numbers.iter().position(|other| *other == number);
    format!(
        "number {} of the page header at {page}: {lie}",
        index.unwrap()
    )
}

/// Where the integers of a page header are: Thrift's compact protocol, as far as headers use it.
fn numbers_of_header(bytes: &[u8], mut at: usize) -> Vec<Range<usize>> {
    let mut numbers = Vec::new();
    let mut depth = 1;
    while depth > 0 {
        let kind = bytes[at] & 0x0F;
        at += 1;
        let from = at;
        match kind {
            0 => depth -= 1,
            1 | 2 => {} // true and false
            5 | 6 => {
                while bytes[at] & 0x80 != 0 {
                    at += 1;
                }
                at += 1;
                numbers.push(from..at);
            }
            8 => at += 1 + usize::from(bytes[at]), // short texts only
            12 => depth += 1,
            _ => break,
        }
    }
    numbers
}

/// The metadata of a file that has grown by some bytes in the page at `page`.
fn moved(honest: &ParquetMetaData, page: i64, grown: i64) -> ParquetMetaData {
    let after = |offset: i64| {
        if offset > page {
            offset + grown
        } else {
            offset
        }
    };
    let groups = honest.row_groups().iter().map(|group| {
        let columns = group.columns().iter().map(|column| {
            let (start, length) = column.byte_range();
            let contains = (start..start + length).contains(&(page as u64));
            let size = column.compressed_size() + if contains { grown } else { 0 };
            let dictionary = column.dictionary_page_offset();
            let builder = column.clone().into_builder();
            builder
                .set_data_page_offset(after(column.data_page_offset()))
                .set_dictionary_page_offset(dictionary.map(after))
                .set_total_compressed_size(size)
                .set_bloom_filter_offset(None)
                .set_offset_index_offset(None)
                .set_column_index_offset(None)
                .build()
                .unwrap()
        });
        let columns = columns.collect();
        let builder = group.clone().into_builder();
        builder.set_column_metadata(columns).build().unwrap()
    });
    let groups = groups.collect();
    honest.clone().into_builder().set_row_groups(groups).build()
}

/// Bytes, or pieces of JSON.
fn manifest(corpus: &Corpus, random: &mut Random) -> Case {
    const PIECES: [&str; 14] = [
        "null",
        "[]",
        "{}",
        "\"\"",
        "-1",
        "1e999",
        "true",
        "[[[[[[[[",
        "\"../../x\"",
        "\"s3://b/k\"",
        "\"\\u0000\"",
        "\\",
        ",",
        "99999999999999999999",
    ];
    let mut bytes = corpus.manifest.clone().into_bytes();
    let mut done = Vec::new();
    for _ in 0..1 + random.below(3) {
        let at = random.below(bytes.len());
        match random.below(4) {
            0 => {
                flip(&mut bytes, at, usize::MAX, random);
                done.push("a bit".to_owned());
            }
            1 => {
                bytes.truncate(at);
                done.push(format!("cut to {at}"));
            }
            2 => {
                let piece = *random.pick(&PIECES);
                bytes.splice(at..at, piece.bytes());
                done.push(format!("{piece} at {at}"));
            }
            // A whole value, found by the punctuation before it.
            _ => {
                let piece = *random.pick(&PIECES);
                let values = bytes.iter().enumerate().filter(|(_, byte)| **byte == b':');
                let values: Vec<usize> = values.map(|(at, _)| at + 1).collect();
                if !values.is_empty() {
                    let from = *random.pick(&values);
                    let to = bytes[from..].iter().position(|byte| b",}]".contains(byte));
                    bytes.splice(from..from + to.unwrap_or(0), piece.bytes());
                }
                done.push(format!("a value becomes {piece}"));
            }
        }
    }
    Case {
        description: format!("manifest: {}", done.join(", ")),
        damaged: Damaged::Manifest(bytes),
    }
}

fn keys(random: &mut Random) -> Case {
    const PARTS: [&str; 26] = [
        "cur",
        "Report",
        "year=2025",
        "month=9",
        "month=09",
        "month=13",
        "month=-1",
        "year=",
        "year=99999",
        "year=18446744073709551616",
        "20250901-20251001",
        "20251001-20250901",
        "20251301-20251401",
        "00000000-00000000",
        "BILLING_PERIOD=2025-09",
        "metadata",
        "data",
        "Report-Manifest.json",
        "Manifest.json",
        "a.parquet",
        "a.snappy.parquet",
        "a.csv.gz",
        ".parquet",
        "é",
        "",
        "..",
    ];
    let mut keys = Vec::new();
    for _ in 0..1 + random.below(6) {
        let parts = (0..1 + random.below(7)).map(|_| *random.pick(&PARTS));
        let mut key = parts.collect::<Vec<_>>().join("/").into_bytes();
        if random.below(3) == 0 {
            flip(&mut key, 0, usize::MAX, random);
        }
        keys.push(String::from_utf8_lossy(&key).into_owned());
    }
    Case {
        description: format!("keys {keys:?}"),
        damaged: Damaged::Keys(keys),
    }
}
