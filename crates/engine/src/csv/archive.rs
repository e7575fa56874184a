//! Where in a zip archive its one file is.

use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::ops::Range;

use bytes::Bytes;
use datafusion::common::Result;
use zip::result::ZipError;
use zip::{CompressionMethod, ZipArchive};

use super::pieces::Pieces;

/// The longest header before an entry, and the longest directory of one entry with its comments:
/// three variable parts of 64 KB each.
const EDGE: u64 = 256 << 10;

/// How an entry is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Stored,
    Deflated,
}

/// The one file of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// Where its packed bytes are.
    pub(super) packed: Range<u64>,
    pub(super) method: Method,
    /// Bytes of its text.
    pub(super) unpacked: u64,
    /// The checksum of its text.
    pub(super) crc: u32,
}

/// Finds the entry of an archive of `size` bytes. The inner error says what is wrong with the archive.
///
/// # Errors
/// The store's.
pub(super) async fn entry(
    pieces: &Pieces,
    size: u64,
) -> Result<std::result::Result<Entry, String>> {
    // In one piece if the two would meet, so that nothing lies across.
    let (first_to, last_from) = match size <= 2 * EDGE {
        true => (size, size),
        false => (EDGE, size - EDGE),
    };
    let first = pieces.range(0..first_to).await?;
    let last = match last_from < size {
        true => pieces.range(last_from..size).await?,
        false => Bytes::new(),
    };
    let edges = Edges {
        size,
        first,
        last_from,
        last,
        position: 0,
    };
    Ok(only_entry(edges, size))
}

fn only_entry(edges: Edges, size: u64) -> std::result::Result<Entry, String> {
    if claims_many([&edges.first, &edges.last]) {
        return Err("it says that it holds more than 65535 files".to_owned());
    }
    let damaged = |error: ZipError| format!("its directory cannot be read ({error})");
    let mut archive = ZipArchive::new(edges).map_err(damaged)?;
    if archive.len() != 1 {
        return Err(format!("it holds {} files instead of one", archive.len()));
    }
    let file = archive.by_index_raw(0).map_err(damaged)?;
    if file.encrypted() {
        return Err("it is encrypted".to_owned());
    }
    let method = match file.compression() {
        CompressionMethod::STORE => Method::Stored,
        CompressionMethod::DEFLATE => Method::Deflated,
        other => return Err(format!("it is packed as {other}, not deflated")),
    };
    let start = file.data_start().unwrap_or(size);
    let end = start.checked_add(file.compressed_size());
    match end {
        Some(end) if end <= size => Ok(Entry {
            packed: start..end,
            method,
            unpacked: file.size(),
            crc: file.crc32(),
        }),
        _ => Err("it is cut off".to_owned()),
    }
}

/// Whether a directory says that it has more entries than fit 16 bits. The library makes room for as
/// many as the record of large archives says, and one that asks for more than there is ends the
/// process. Other bytes may look like such a record, but hardly like its locator, too.
fn claims_many(edges: [&[u8]; 2]) -> bool {
    const END: &[u8] = b"PK\x06\x06";
    const LOCATOR: &[u8] = b"PK\x06\x07";
    let is_many = |count: &[u8]| count[2..].iter().any(|byte| *byte != 0);
    let any_many = |bytes: &[u8]| {
        memchr::memmem::find_iter(bytes, END).any(|at| {
            // Entries of this disk and of all: 64 bits each, 24 bytes into the record (APPNOTE.TXT,
            // 4.3.14). One that is cut off here is not looked at again.
            let counts = bytes.get(at + 24..at + 40);
            counts.is_none_or(|counts| counts.chunks(8).any(is_many))
        })
    };
    let located = |bytes: &[u8]| memchr::memmem::find(bytes, LOCATOR).is_some();
    edges.into_iter().any(located) && edges.into_iter().any(any_many)
}

/// The archive's first and last bytes, which hold all but the packed bytes themselves.
struct Edges {
    size: u64,
    first: Bytes,
    last_from: u64,
    last: Bytes,
    position: u64,
}

impl Read for Edges {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (from, bytes) = match self.position >= self.last_from {
            true => (self.last_from, &self.last),
            false => (0, &self.first),
        };
        let mut cursor = Cursor::new(bytes);
        cursor.set_position(self.position - from);
        let read = cursor.read(buffer)?;
        if read == 0 && !buffer.is_empty() && self.position < self.size {
            return Err(io::Error::other("more than one file is in it"));
        }
        self.position += read as u64;
        Ok(read)
    }
}

impl Seek for Edges {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.size.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        let before_start = || io::Error::from(io::ErrorKind::InvalidInput);
        self.position = position.ok_or_else(before_start)?;
        Ok(self.position)
    }
}
