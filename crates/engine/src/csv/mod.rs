//! Reading CSV files: an object in, record batches out, in bounded memory.
//!
//! The grammar is csv-core's, gzip and deflate are flate2's, the archive's directory is zip's. What is
//! here joins them: pieces of an object ([`pieces`]), unpacked ([`unpack`]), cut into records
//! ([`records`]), and made into columns of the types that a query asks for ([`cells`]). Text is
//! parsed only where a column is asked for.

mod archive;
mod cells;
mod file;
mod header;
mod instant;
mod malformed;
mod pieces;
mod records;
mod source;
mod unpack;

pub use malformed::{Malformed, Problem};

pub(crate) use file::{Object, Wanted, columns};
pub(crate) use malformed::shown;
pub(crate) use source::CsvFiles;
