//! What is wrong with a record of a CSV file.

/// The longest part of a value that a message shows, in characters.
const SHOWN: usize = 60;

/// A record that cannot be read, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}, line {line}: {problem}")]
pub struct Malformed {
    /// The file, as `s3://bucket/key`.
    pub file: String,
    /// The line on which the record begins, from 1, line breaks inside of quotes counted.
    pub line: u64,
    /// What is wrong.
    pub problem: Problem,
}

/// What is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Too few or too many fields.
    #[error("the record has {}{found} fields, but the header has {wanted}", if *.more { "at least " } else { "" })]
    FieldCount {
        /// Fields of the record.
        found: usize,
        /// Whether it may have more than were counted.
        more: bool,
        /// Fields of the header.
        wanted: usize,
    },
    /// A quote that is not closed before the file ends.
    #[error("a quote that opens in this record is not closed before the file ends")]
    OpenQuote,
    /// More bytes than a record can have.
    #[error("the record has more than {limit} bytes")]
    TooLong {
        /// The most that is read.
        limit: usize,
    },
    /// A header of more fields than an export has columns.
    #[error("the header has more than {limit} columns")]
    TooManyColumns {
        /// The most that are read.
        limit: usize,
    },
    /// Bytes that are no text.
    #[error("column \"{column}\" is not UTF-8: \"{value}\"")]
    NotUtf8 {
        /// The column's name in the file.
        column: String,
        /// The value's first characters.
        value: String,
    },
    /// A value that is none of the column's type.
    #[error("column \"{column}\" holds \"{value}\", which is no {wanted}")]
    Value {
        /// The column's name in the file.
        column: String,
        /// The value's first characters.
        value: String,
        /// The type, as SQL names it.
        wanted: &'static str,
    },
}

impl Malformed {
    /// The next step for the user.
    pub fn hint(&self) -> String {
        match &self.problem {
            Problem::FieldCount { .. }
            | Problem::OpenQuote
            | Problem::TooLong { .. }
            | Problem::TooManyColumns { .. } => {
                "The file is cut off, or a quote or comma in it is wrong. Have the month delivered again, or copy the file again.".to_owned()
            }
            Problem::NotUtf8 { .. } => {
                "Exports are UTF-8. If a tool has saved the file again, have it save UTF-8.".to_owned()
            }
            Problem::Value { column, .. } => format!(
                "Correct the file, or take the column as it is with ALTER FOREIGN TABLE … ALTER COLUMN \"{column}\" TYPE text."
            ),
        }
    }
}

/// A value's first characters on one line.
pub(crate) fn shown(value: &[u8]) -> String {
    let start = &value[..value.len().min(SHOWN * 4)];
    let text = String::from_utf8_lossy(start);
    let mut shown: String = text
        .chars()
        .take(SHOWN)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().count() > SHOWN || start.len() < value.len() {
        shown.push('…');
    }
    shown
}
