//! The types of table columns and of expressions.

use arrow::datatypes::{DataType, TimeUnit};
use serde::{Deserialize, Serialize};

/// A Postgres type that files can fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// `boolean`
    Bool,
    /// `smallint`
    Int2,
    /// `integer`
    Int4,
    /// `bigint`
    Int8,
    /// `real`
    Float4,
    /// `double precision`
    Float8,
    /// `numeric`, of any precision and scale
    Numeric,
    /// `text`, `varchar`
    Text,
    /// `jsonb`
    Jsonb,
    /// `date`
    Date,
    /// `timestamp`, in UTC
    Timestamp,
    /// `timestamptz`
    Timestamptz,
}

impl Kind {
    /// The Arrow type of a batch's column of this kind.
    pub fn arrow(self) -> DataType {
        match self {
            Self::Bool => DataType::Boolean,
            Self::Int2 => DataType::Int16,
            Self::Int4 => DataType::Int32,
            Self::Int8 => DataType::Int64,
            Self::Float4 => DataType::Float32,
            Self::Float8 => DataType::Float64,
            // As text, in which doubles have their shortest exact spelling.
            Self::Numeric | Self::Text => DataType::Utf8View,
            // So that it is told from text, for which no map or list is taken.
            Self::Jsonb => DataType::Utf8,
            Self::Date => DataType::Date32,
            Self::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
            Self::Timestamptz => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        }
    }

    /// The Arrow type whose values a column of this kind holds. Not always what a batch has: numeric
    /// and jsonb arrive as text.
    pub fn held(self) -> DataType {
        match self {
            Self::Numeric => crate::NUMERIC,
            Self::Jsonb => crate::types::map(),
            _ => self.arrow(),
        }
    }

    /// Whether the engine compares and orders values of this kind as Postgres does, given a suitable
    /// collation for texts. What arrives as text is neither equal nor ordered by its spelling.
    pub fn is_comparable(self) -> bool {
        !matches!(self, Self::Numeric | Self::Jsonb)
    }

    /// Whether this is one of the three integer types.
    pub fn is_integer(self) -> bool {
        matches!(self, Self::Int2 | Self::Int4 | Self::Int8)
    }

    /// Whether this is one of the two binary floating point types.
    pub fn is_float(self) -> bool {
        matches!(self, Self::Float4 | Self::Float8)
    }
}
