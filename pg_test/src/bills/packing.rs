//! What is around a CSV: nothing, gzip in one or many members, or a zip archive.

use std::io::{Error, Write};

use flate2::write::{DeflateEncoder, GzEncoder};
use flate2::{Compression, Crc};

use super::format::Packing;

/// Bytes of text in one member, where a file has many. No multiple of anything in the text: members
/// end within lines, fields and characters.
const MEMBER: usize = 10_007;

/// A file that packs what is written to it.
pub(super) enum Packed<W: Write> {
    Plain(W),
    Gzip(GzEncoder<W>),
    Members {
        inner: Option<GzEncoder<W>>,
        room: usize,
    },
    Zip(Box<Zip<W>>),
}

impl<W: Write> Packed<W> {
    /// `name` is the entry's name in an archive.
    pub(super) fn new(file: W, packing: Packing, name: &str) -> Result<Self, Error> {
        let gzip = |file| GzEncoder::new(file, Compression::default());
        Ok(match packing {
            Packing::Plain => Packed::Plain(file),
            Packing::Gzip => Packed::Gzip(gzip(file)),
            Packing::GzipMembers => Packed::Members {
                inner: Some(gzip(file)),
                room: MEMBER,
            },
            Packing::Zip => Packed::Zip(Box::new(Zip::new(file, name)?)),
        })
    }

    /// Ends the file.
    pub(super) fn finish(self) -> Result<W, Error> {
        match self {
            Packed::Plain(file) => Ok(file),
            Packed::Gzip(encoder) => encoder.finish(),
            Packed::Members { inner, .. } => inner.ok_or_else(broken)?.finish(),
            Packed::Zip(zip) => zip.finish(),
        }
    }
}

fn broken() -> Error {
    Error::other("a member before failed to be written")
}

impl<W: Write> Write for Packed<W> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        match self {
            Packed::Plain(file) => file.write(bytes),
            Packed::Gzip(encoder) => encoder.write(bytes),
            Packed::Members { inner, room } => {
                if *room == 0 {
                    let file = inner.take().ok_or_else(broken)?.finish()?;
                    *inner = Some(GzEncoder::new(file, Compression::default()));
                    *room = MEMBER;
                }
                let part = &bytes[..bytes.len().min(*room)];
                let written = inner.as_mut().ok_or_else(broken)?.write(part)?;
                *room -= written;
                Ok(written)
            }
            Packed::Zip(zip) => zip.write(bytes),
        }
    }

    fn flush(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

/// A zip archive with one entry, written in one go: sizes and checksum are behind the data, as
/// Java's writer has them.
pub(super) struct Zip<W: Write> {
    encoder: DeflateEncoder<W>,
    name: String,
    checksum: Crc,
    /// Bytes of text.
    size: u64,
}

/// Bit 3: sizes come behind the data. Bit 11: the name is UTF-8.
const FLAGS: u16 = 0x0808;
const DEFLATED: u16 = 8;
const VERSION: u16 = 20;
/// 1980-01-01 00:00, the first instant an archive can name.
const TIME: [u8; 4] = [0, 0, 0x21, 0];

impl<W: Write> Zip<W> {
    fn new(mut file: W, name: &str) -> Result<Self, Error> {
        let mut head = b"PK\x03\x04".to_vec();
        head.extend(VERSION.to_le_bytes());
        head.extend(FLAGS.to_le_bytes());
        head.extend(DEFLATED.to_le_bytes());
        head.extend(TIME);
        head.extend([0; 12]);
        head.extend((name.len() as u16).to_le_bytes());
        head.extend([0; 2]);
        head.extend(name.as_bytes());
        file.write_all(&head)?;
        Ok(Zip {
            encoder: DeflateEncoder::new(file, Compression::default()),
            name: name.to_owned(),
            checksum: Crc::new(),
            size: 0,
        })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        let written = self.encoder.write(bytes)?;
        self.checksum.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn finish(mut self) -> Result<W, Error> {
        self.encoder.try_finish()?;
        let sizes = [
            self.checksum.sum(),
            self.encoder.total_out() as u32,
            self.size as u32,
        ];
        let sizes: Vec<u8> = sizes.iter().flat_map(|n| n.to_le_bytes()).collect();
        let mut tail = b"PK\x07\x08".to_vec();
        tail.extend(&sizes);
        let local = 30 + self.name.len() as u64;
        let directory = local + self.encoder.total_out() + tail.len() as u64;
        let entry = tail.len();
        tail.extend(b"PK\x01\x02");
        tail.extend(VERSION.to_le_bytes());
        tail.extend(VERSION.to_le_bytes());
        tail.extend(FLAGS.to_le_bytes());
        tail.extend(DEFLATED.to_le_bytes());
        tail.extend(TIME);
        tail.extend(&sizes);
        tail.extend((self.name.len() as u16).to_le_bytes());
        tail.extend([0; 16]);
        tail.extend(self.name.as_bytes());
        let entry = (tail.len() - entry) as u32;
        tail.extend(b"PK\x05\x06");
        tail.extend([0; 4]);
        tail.extend(1u16.to_le_bytes());
        tail.extend(1u16.to_le_bytes());
        tail.extend(entry.to_le_bytes());
        tail.extend((directory as u32).to_le_bytes());
        tail.extend([0; 2]);
        let mut file = self.encoder.finish()?;
        file.write_all(&tail)?;
        Ok(file)
    }
}
