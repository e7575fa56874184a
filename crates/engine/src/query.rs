//! What to read and what to compute of it.

use serde::{Deserialize, Serialize};

use crate::{Expr, Kind};

/// Where a requested column's values come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Source {
    /// The file's column of this name; NULL in files that lack it.
    File(String),
    /// The first day of the delivery's billing period, a date.
    BillingPeriod,
    /// The billing period's year as text, as AWS writes it in the path: `2018`.
    Year,
    /// The billing period's month as text, as AWS writes it in the path: `9`, not `09`.
    Month,
}

/// A column that is read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// Where its values come from.
    pub source: Source,
    /// The type the caller wants them in.
    pub kind: Kind,
}

/// What to read and what to compute of it. Plain data: a plan may be cached, copied and stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Query {
    /// The columns that the expressions use, by index.
    pub columns: Vec<Field>,
    /// The kinds of the parameters; for a list the kind of its elements.
    pub params: Vec<Kind>,
    /// The conditions a row must meet, all of them.
    pub filters: Vec<Expr>,
    /// What comes back.
    pub shape: Shape,
    /// The order of the rows that come back, most significant first. Empty: any order.
    pub order: Vec<Order>,
}

/// What comes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Shape {
    /// The rows, with these columns of the query. Without columns, batches only count rows.
    Rows(Vec<usize>),
    /// One row a group: the keys, then the aggregates. Without keys, exactly one row.
    Groups {
        /// What rows of a group have in common. No floats.
        keys: Vec<Key>,
        /// What is computed of each group.
        aggregates: Vec<Aggregate>,
    },
}

/// A key of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// The key.
    pub expr: Expr,
    /// Its kind in the result. An integer may come back as [`Kind::Numeric`].
    pub kind: Kind,
}

/// An aggregate.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Aggregate {
    /// What it computes.
    pub function: Function,
    /// The rows of the group that count; all without it.
    pub filter: Option<Expr>,
}

/// What an aggregate computes. All but the counts are NULL for a group without values.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Function {
    /// `count(*)`
    CountRows,
    /// `count(x)`
    Count(Expr),
    /// `count(DISTINCT x)`
    CountDistinct(Expr, Kind),
    /// `sum` of `smallint` or `integer`, as `bigint`.
    SumInt(Expr),
    /// `sum` of `bigint`, as `numeric`.
    SumBig(Expr),
    /// `sum` of `double precision`. The order of additions is open, as it is in Postgres; the
    /// rounding error is that of one addition, and an overflow is an error.
    SumFloat(Expr),
    /// The sum of the decimals that `double precision` values print as, as `numeric`.
    SumExact(Expr),
    /// `avg` of `real` or `double precision`.
    MeanFloat(Expr),
    /// `min`, of the kind.
    Min(Expr, Kind),
    /// `max`, of the kind.
    Max(Expr, Kind),
    /// `bool_and`
    Every(Expr),
    /// `bool_or`
    Any(Expr),
}

impl Function {
    /// The kind of the result.
    pub fn kind(&self) -> Kind {
        match self {
            Self::CountRows | Self::Count(_) | Self::CountDistinct(..) | Self::SumInt(_) => {
                Kind::Int8
            }
            Self::SumBig(_) | Self::SumExact(_) => Kind::Numeric,
            Self::SumFloat(_) | Self::MeanFloat(_) => Kind::Float8,
            Self::Min(_, kind) | Self::Max(_, kind) => *kind,
            Self::Every(_) | Self::Any(_) => Kind::Bool,
        }
    }
}

/// A column of the order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// What is compared.
    pub by: OrderBy,
    /// Greatest first.
    pub descending: bool,
    /// NULL before everything else.
    pub nulls_first: bool,
}

/// What an order compares.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OrderBy {
    /// An expression of this kind over the columns; for [`Shape::Rows`].
    Expr(Expr, Kind),
    /// A column of the result; for [`Shape::Groups`].
    Output(usize),
}

impl Query {
    /// Reads columns, all rows of them.
    pub fn of(columns: Vec<Field>) -> Self {
        Self {
            shape: Shape::Rows((0..columns.len()).collect()),
            columns,
            params: Vec::new(),
            filters: Vec::new(),
            order: Vec::new(),
        }
    }

    /// The rows that this query needs, with all its columns.
    pub(crate) fn rows_only(&self) -> Self {
        Self {
            params: self.params.clone(),
            filters: self.filters.clone(),
            ..Self::of(self.columns.clone())
        }
    }

    /// The kinds of the columns that come back.
    pub fn output(&self) -> Vec<Kind> {
        match &self.shape {
            Shape::Rows(returned) => returned.iter().map(|i| self.columns[*i].kind).collect(),
            Shape::Groups { keys, aggregates } => {
                let aggregates = aggregates.iter().map(|a| a.function.kind());
                keys.iter().map(|k| k.kind).chain(aggregates).collect()
            }
        }
    }
}
