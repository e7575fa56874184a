//! Packed bytes in, text out: a little at a time, whatever the ratio.

use std::io::{self, Write};

use bytes::{Buf, Bytes};
use flate2::Crc;
use flate2::write::{DeflateDecoder, MultiGzDecoder};

use super::archive::{Entry, Method};

/// The most bytes that are handed on at once where nothing is packed. The decoders' own buffers have
/// the same size.
const STEP: usize = 32 << 10;

/// Unpacks one file.
pub(super) enum Unpacker {
    Plain(Vec<u8>),
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
    Deflated(Box<DeflateDecoder<Checked>>),
    Stored(Checked),
}

impl Unpacker {
    pub(super) fn plain() -> Self {
        Self::Plain(Vec::new())
    }

    pub(super) fn gzip() -> Self {
        Self::Gzip(Box::new(MultiGzDecoder::new(Vec::new())))
    }

    pub(super) fn zip(entry: &Entry) -> Self {
        let checked = Checked::new(entry);
        match entry.method {
            Method::Deflated => Self::Deflated(Box::new(DeflateDecoder::new(checked))),
            Method::Stored => Self::Stored(checked),
        }
    }

    /// Takes some of the packed bytes and appends what they give to [`Unpacker::text`]: at most some
    /// 64 KB.
    ///
    /// # Errors
    /// The decoder's, for what is not packed as it should be.
    pub(super) fn push(&mut self, packed: &mut Bytes) -> io::Result<()> {
        let step = &packed[..packed.len().min(STEP)];
        // One call of these decoders gives at most their own buffer.
        let taken = match self {
            Self::Plain(text) => text.write(step),
            Self::Stored(checked) => checked.write(step),
            Self::Gzip(decoder) => decoder.write(step),
            Self::Deflated(decoder) => decoder.write(step),
        }?;
        if taken == 0 {
            return Err(io::Error::other("there is something behind its end"));
        }
        packed.advance(taken);
        Ok(())
    }

    /// Appends what is left, after the last packed byte.
    ///
    /// # Errors
    /// When the end is missing, or a checksum is wrong.
    pub(super) fn finish(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(_) => Ok(()),
            Self::Stored(checked) => checked.check(),
            Self::Gzip(decoder) => decoder.try_finish(),
            Self::Deflated(decoder) => {
                decoder.try_finish()?;
                decoder.get_ref().check()
            }
        }
    }

    /// The text that was not taken yet.
    pub(super) fn text(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Plain(text) => text,
            Self::Stored(checked) => &mut checked.text,
            Self::Gzip(decoder) => decoder.get_mut(),
            Self::Deflated(decoder) => &mut decoder.get_mut().text,
        }
    }
}

/// Text of an archive's entry, whose length and checksum the archive tells.
pub(super) struct Checked {
    text: Vec<u8>,
    crc: Crc,
    length: u64,
    wanted: (u64, u32),
}

impl Checked {
    fn new(entry: &Entry) -> Self {
        Self {
            text: Vec::new(),
            crc: Crc::new(),
            length: 0,
            wanted: (entry.unpacked, entry.crc),
        }
    }

    fn check(&self) -> io::Result<()> {
        match (self.length, self.crc.sum()) == self.wanted {
            true => Ok(()),
            false => Err(io::Error::other("its length or checksum is wrong")),
        }
    }
}

impl Write for Checked {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.crc.update(text);
        self.length += text.len() as u64;
        self.text.extend_from_slice(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
