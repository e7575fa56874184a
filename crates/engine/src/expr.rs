//! What a query may compute while it reads, in a few words with exactly Postgres's meaning.
//!
//! Everything here gives the answer Postgres gives, for every value, or the same error. What cannot
//! be said in these words is not pushed down. Comparisons are Postgres's: NaN equals NaN and is
//! greater than any other number, -0 equals 0, text compares as bytes, NULL gives NULL.

use serde::{Deserialize, Serialize};

use crate::Kind;

/// An expression over the columns of a [`Query`](crate::Query).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Expr {
    /// A column, by its index in the query's columns.
    Column(usize),
    /// A value that is known when reading starts, by its index in the query's parameters.
    Param(usize),
    /// A comparison. Both sides are integers, floats, texts, booleans, or dates and timestamps.
    Compare {
        /// The operator.
        comparison: Comparison,
        /// Its left side.
        left: Box<Expr>,
        /// Its right side.
        right: Box<Expr>,
    },
    /// `value = ANY (list)`, the list being a parameter.
    AnyOf {
        /// The left side.
        value: Box<Expr>,
        /// The index of the parameter that holds a list.
        list: usize,
    },
    /// `text LIKE pattern` with the escape character `\`.
    Like {
        /// The text.
        text: Box<Expr>,
        /// The index of the parameter that holds the pattern.
        pattern: usize,
    },
    /// `starts_with(text, prefix)`
    StartsWith {
        /// The text.
        text: Box<Expr>,
        /// The index of the parameter that holds the prefix.
        prefix: usize,
    },
    /// All of the conditions, in three-valued logic.
    And(Vec<Expr>),
    /// Any of the conditions, in three-valued logic.
    Or(Vec<Expr>),
    /// The negation; NULL stays NULL.
    Not(Box<Expr>),
    /// `IS NULL`
    IsNull(Box<Expr>),
    /// `IS TRUE`: NULL counts as false.
    IsTrue(Box<Expr>),
    /// `IS FALSE`: NULL counts as not false.
    IsFalse(Box<Expr>),
    /// `IS DISTINCT FROM`
    IsDistinct(Box<Expr>, Box<Expr>),
    /// The first that is not NULL; all have one kind.
    Coalesce(Vec<Expr>),
    /// The value of the first condition that is true; all values have one kind.
    Case {
        /// Conditions and values.
        branches: Vec<(Expr, Expr)>,
        /// The value when no condition is true; NULL if there is none.
        otherwise: Option<Box<Expr>>,
    },
    /// A conversion that loses nothing: integer to wider integer or to `double precision` (which
    /// holds each `integer`), `real` to `double precision`, `date` to `timestamp`.
    Widen(Box<Expr>, Kind),
    /// `date_trunc(unit, timestamp)`
    DateTrunc(Unit, Box<Expr>),
    /// `timestamp::date`
    ToDate(Box<Expr>),
    /// `extract(part FROM timestamp)`, for parts that are whole numbers, as `bigint`.
    Extract(Part, Box<Expr>),
    /// The region of an AWS availability zone ([`billing::region_of_zone`]).
    RegionOfZone(Box<Expr>),
}

/// An operator of comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

impl Comparison {
    /// The operator of this name.
    pub fn of(operator: &str) -> Option<Self> {
        Some(match operator {
            "=" => Self::Equal,
            "<>" => Self::NotEqual,
            "<" => Self::Less,
            "<=" => Self::LessOrEqual,
            ">" => Self::Greater,
            ">=" => Self::GreaterOrEqual,
            _ => return None,
        })
    }

    /// The operator's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
        }
    }

    /// Whether the operator needs an order, and not only equality.
    pub fn is_ordering(self) -> bool {
        !matches!(self, Self::Equal | Self::NotEqual)
    }

    /// The operator that says the same with its sides exchanged.
    pub fn mirrored(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessOrEqual => Self::GreaterOrEqual,
            Self::Greater => Self::Less,
            Self::GreaterOrEqual => Self::LessOrEqual,
            same => same,
        }
    }
}

/// A unit of `date_trunc`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Unit {
    /// Whole seconds.
    Second,
    /// Whole minutes.
    Minute,
    /// Whole hours.
    Hour,
    /// Midnight.
    Day,
    /// Monday, midnight (ISO 8601).
    Week,
    /// The first of the month.
    Month,
    /// The first of January, April, July or October.
    Quarter,
    /// The first of January.
    Year,
}

impl Unit {
    /// The unit of this name, as Postgres spells it.
    pub fn of(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "second" => Self::Second,
            "minute" => Self::Minute,
            "hour" => Self::Hour,
            "day" => Self::Day,
            "week" => Self::Week,
            "month" => Self::Month,
            "quarter" => Self::Quarter,
            "year" => Self::Year,
            _ => return None,
        })
    }

    /// The unit's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Second => "second",
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
            Self::Quarter => "quarter",
            Self::Year => "year",
        }
    }
}

/// A part of a timestamp that is a whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Part {
    /// The year; there is no year 0, 1 BC is -1.
    Year,
    /// The year of the ISO week.
    IsoYear,
    /// 1 to 4.
    Quarter,
    /// 1 to 12.
    Month,
    /// The ISO week, 1 to 53.
    Week,
    /// 1 to 31.
    Day,
    /// 1 to 366.
    DayOfYear,
    /// 0 (Sunday) to 6.
    DayOfWeek,
    /// 1 (Monday) to 7.
    IsoDayOfWeek,
    /// 0 to 23.
    Hour,
    /// 0 to 59.
    Minute,
}

impl Part {
    /// The part of this name, as Postgres spells it.
    pub fn of(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "year" => Self::Year,
            "isoyear" => Self::IsoYear,
            "quarter" => Self::Quarter,
            "month" => Self::Month,
            "week" => Self::Week,
            "day" => Self::Day,
            "doy" => Self::DayOfYear,
            "dow" => Self::DayOfWeek,
            "isodow" => Self::IsoDayOfWeek,
            "hour" => Self::Hour,
            "minute" => Self::Minute,
            _ => return None,
        })
    }

    /// The part's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Year => "year",
            Self::IsoYear => "isoyear",
            Self::Quarter => "quarter",
            Self::Month => "month",
            Self::Week => "week",
            Self::Day => "day",
            Self::DayOfYear => "doy",
            Self::DayOfWeek => "dow",
            Self::IsoDayOfWeek => "isodow",
            Self::Hour => "hour",
            Self::Minute => "minute",
        }
    }
}

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// NULL, of any kind.
    Null,
    /// `boolean`
    Bool(bool),
    /// Any of the integers.
    Int(i64),
    /// Any of the floats.
    Float(f64),
    /// `text`
    Text(String),
    /// Days since 1970-01-01; the extremes of the type are the infinities.
    Date(i32),
    /// Microseconds since 1970-01-01 in UTC; the least is `-infinity`.
    Timestamp(i64),
    /// A timestamp later than any in a file: `infinity`, or one beyond the year 294247.
    Later,
    /// An array's elements.
    List(Vec<Value>),
}

impl Expr {
    /// Spells the expression as SQL does, for people to read.
    pub fn spell(&self, columns: &[String], params: &[String]) -> String {
        let spell = |e: &Expr| e.spell(columns, params);
        let name = |names: &[String], i: usize| names.get(i).cloned().unwrap_or_default();
        let joined = |parts: &[Expr], with: &str| {
            let parts: Vec<_> = parts.iter().map(spell).collect();
            format!("({})", parts.join(with))
        };
        match self {
            Self::Column(i) => name(columns, *i),
            Self::Param(i) => name(params, *i),
            Self::Compare {
                comparison,
                left,
                right,
            } => format!("({} {} {})", spell(left), comparison.name(), spell(right)),
            Self::AnyOf { value, list } => {
                format!("({} = ANY ({}))", spell(value), name(params, *list))
            }
            Self::Like { text, pattern } => {
                format!("({} LIKE {})", spell(text), name(params, *pattern))
            }
            Self::StartsWith { text, prefix } => {
                format!("starts_with({}, {})", spell(text), name(params, *prefix))
            }
            Self::And(parts) => joined(parts, " AND "),
            Self::Or(parts) => joined(parts, " OR "),
            Self::Not(inner) => format!("(NOT {})", spell(inner)),
            Self::IsNull(inner) => format!("({} IS NULL)", spell(inner)),
            Self::IsTrue(inner) => format!("({} IS TRUE)", spell(inner)),
            Self::IsFalse(inner) => format!("({} IS FALSE)", spell(inner)),
            Self::IsDistinct(left, right) => {
                format!("({} IS DISTINCT FROM {})", spell(left), spell(right))
            }
            Self::Coalesce(parts) => format!("COALESCE{}", joined(parts, ", ")),
            Self::Case {
                branches,
                otherwise,
            } => {
                let branch = |(when, then): &(Expr, Expr)| {
                    format!(" WHEN {} THEN {}", spell(when), spell(then))
                };
                let otherwise = otherwise.as_ref().map(|e| format!(" ELSE {}", spell(e)));
                format!(
                    "CASE{}{} END",
                    branches.iter().map(branch).collect::<String>(),
                    otherwise.unwrap_or_default()
                )
            }
            Self::Widen(inner, _) => spell(inner),
            Self::DateTrunc(unit, inner) => {
                format!("date_trunc('{}', {})", unit.name(), spell(inner))
            }
            Self::ToDate(inner) => format!("({})::date", spell(inner)),
            Self::Extract(part, inner) => {
                format!("EXTRACT({} FROM {})", part.name(), spell(inner))
            }
            Self::RegionOfZone(inner) => format!("zone_region({})", spell(inner)),
        }
    }
}
