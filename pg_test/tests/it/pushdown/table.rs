//! The table that is asked: every type the extension reads, in a foreign table and in a heap.

use super::data;
use crate::env::Env;
use pg_test::bills::rng::Rng;
use pg_test::process::{self, User};
use pg_test::{Error, Result};
use postgres::Client;
use tempfile::TempDir;

/// Schemas that each have a `usage`: a query is told by `search_path` which one it asks.
pub const FOREIGN: &str = "foreign_side";
pub const HEAP: &str = "heap_side";

/// What the `accounts` joined with `usage` are called. The last one has no usage.
const ACCOUNTS: [&str; 5] = ["1001", "1002", "1003", "", "9999"];

/// The values that repeat come first. Many more would hide them.
const POOL_LIMIT: usize = 40;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Numeric,
    Text,
    Date,
    Timestamp,
    Timestamptz,
}

impl Type {
    pub fn sql(self) -> &'static str {
        match self {
            Type::Bool => "boolean",
            Type::Int2 => "smallint",
            Type::Int4 => "integer",
            Type::Int8 => "bigint",
            Type::Float4 => "real",
            Type::Float8 => "double precision",
            Type::Numeric => "numeric",
            Type::Text => "text",
            Type::Date => "date",
            Type::Timestamp => "timestamp",
            Type::Timestamptz => "timestamptz",
        }
    }

    /// The types whose constants this one is compared with.
    pub fn comparable(self) -> &'static [Type] {
        use Type::*;
        match self {
            Bool => &[Bool],
            Int2 | Int4 | Int8 => &[Int2, Int4, Int8, Int4, Int8, Numeric, Float8],
            Float4 | Float8 => &[Float4, Float8, Float8, Int4, Numeric],
            Numeric => &[Numeric, Numeric, Int4, Int8, Float8],
            Text => &[Text],
            Date | Timestamp | Timestamptz => &[Date, Timestamp, Timestamptz],
        }
    }

    pub fn is_integer(self) -> bool {
        matches!(self, Type::Int2 | Type::Int4 | Type::Int8)
    }
}

/// What the sum of a column depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sum {
    /// It has none, or one that may or may not overflow with the order of the rows.
    No,
    /// The rows alone: every partial sum is exact.
    Exact,
    /// Also the order of the rows, in the last digits.
    Rounded,
}

pub struct Column {
    pub name: &'static str,
    pub ty: Type,
    collation: Collation,
    pub sum: Sum,
    /// How often it is asked about, beside the others.
    weight: usize,
    /// Values of the column, to compare with.
    pub pool: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Collation {
    Default,
    C,
    Icu,
    IgnoringCase,
}

impl Column {
    /// Whether equal values can be different texts.
    pub fn is_folded(&self) -> bool {
        self.collation == Collation::IgnoringCase
    }

    /// One of its values as a literal, without a cast.
    pub fn literal(&self, rng: &mut Rng) -> String {
        quoted(rng.pick::<String>(&self.pool))
    }

    /// Whether both can be compared without saying by which collation.
    pub fn has_collation_of(&self, other: &Column) -> bool {
        self.ty == Type::Text && self.collation == other.collation
    }
}

fn column(name: &'static str, ty: Type) -> Column {
    Column {
        name,
        ty,
        collation: Collation::Default,
        sum: Sum::No,
        weight: 1,
        pool: Vec::new(),
    }
}

/// A column with values that are handled apart.
fn often(column: Column) -> Column {
    Column {
        weight: 4,
        ..column
    }
}

fn summed(name: &'static str, ty: Type, sum: Sum) -> Column {
    Column {
        sum,
        ..column(name, ty)
    }
}

fn text(name: &'static str, collation: Collation) -> Column {
    Column {
        collation,
        ..column(name, Type::Text)
    }
}

/// The columns, in the table's order. `data` says what is in them.
fn columns() -> Vec<Column> {
    use Type::*;
    vec![
        summed("id", Int8, Sum::Exact),
        column("flag", Bool),
        summed("small", Int2, Sum::Exact),
        summed("units", Int4, Sum::Exact),
        often(summed("big", Int8, Sum::Exact)),
        often(summed("share", Float4, Sum::Exact)),
        often(column("odd4", Float4)),
        summed("cost", Float8, Sum::Exact),
        summed("price", Float8, Sum::Rounded),
        summed("large", Float8, Sum::Rounded),
        often(column("odd8", Float8)),
        summed("amount", Numeric, Sum::Exact),
        summed("dec", Numeric, Sum::Exact),
        often(column("odd_num", Numeric)),
        text("service", Collation::C),
        text("account", Collation::C),
        text("region", Collation::Default),
        often(text("name", Collation::Icu)),
        often(text("tag", Collation::IgnoringCase)),
        often(text("note", Collation::Default)),
        column("gone", Text),
        column("day", Date),
        column("odd_day", Date),
        often(column("usage_start", Timestamp)),
        column("odd_ts", Timestamp),
        column("seen", Timestamptz),
        column("billing_period", Date),
        text("year", Collation::Default),
        text("month", Collation::Default),
    ]
}

/// The table in a database of its own.
pub struct Table {
    columns: Vec<Column>,
    /// Holds the files the foreign table reads.
    _files: TempDir,
}

impl Table {
    /// Writes the export, makes the foreign table over it, the heap with the same rows, and the
    /// `accounts`.
    pub fn make(env: &Env, client: &mut Client) -> Result<Self> {
        let files = process::directory("cur_fdw-pushdown-", User::for_servers()?)?;
        data::write(&files.path().join("usage"))?;
        let has_icu: bool = client
            .query_one(
                "SELECT EXISTS (SELECT FROM pg_collation WHERE collname = 'und-x-icu')",
                &[],
            )?
            .get(0);
        if !has_icu {
            eprintln!(
                "Postgres {} is built without ICU: no ICU and no nondeterministic collation",
                env.installation.major
            );
        }
        let mut columns = columns();
        if has_icu {
            // Equal are texts that differ in case, or in how an accent is encoded.
            client.batch_execute(
                "CREATE COLLATION public.ignoring_case \
                   (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
            )?;
        } else {
            for column in &mut columns {
                if matches!(column.collation, Collation::Icu | Collation::IgnoringCase) {
                    column.collation = Collation::Default;
                }
            }
        }
        client.batch_execute(&definition(&columns, &files))?;
        for column in &mut columns {
            column.pool = pool(client, column)?;
        }
        Ok(Table {
            columns,
            _files: files,
        })
    }

    /// A column that fits.
    pub fn draw(&self, rng: &mut Rng, fits: impl Fn(&Column) -> bool) -> &Column {
        let fitting = self.columns.iter().filter(|column| fits(column));
        let weighted = fitting.flat_map(|column| std::iter::repeat_n(column, column.weight));
        rng.pick::<&Column>(&weighted.collect::<Vec<_>>())
    }

    /// A literal of the type, without a cast: a value of some column, or one from the type's edge.
    pub fn literal(&self, rng: &mut Rng, ty: Type) -> String {
        if rng.chance(12) {
            return rng.pick(edges(ty)).to_string();
        }
        self.draw(rng, |column| column.ty == ty).literal(rng)
    }
}

fn definition(columns: &[Column], files: &TempDir) -> String {
    let definitions = columns.iter().map(|column| {
        let collation = match column.collation {
            Collation::Default => "",
            Collation::C => " COLLATE \"C\"",
            Collation::Icu => " COLLATE \"und-x-icu\"",
            Collation::IgnoringCase => " COLLATE public.ignoring_case",
        };
        format!("{} {}{collation}", column.name, column.ty.sql())
    });
    let definitions: Vec<String> = definitions.collect();
    let accounts = ACCOUNTS.iter().zip(1..);
    let accounts = accounts.map(|(account, n)| format!("('{account}', 'owner {n}', {})", n * 10));
    let accounts: Vec<String> = accounts.collect();
    format!(
        "CREATE SERVER files FOREIGN DATA WRAPPER cur_fdw OPTIONS (url 'file://{files}'); \
         CREATE SCHEMA {FOREIGN}; \
         CREATE FOREIGN TABLE {FOREIGN}.usage ({columns}) SERVER files OPTIONS (prefix 'usage'); \
         CREATE SCHEMA {HEAP}; \
         CREATE TABLE {HEAP}.usage (LIKE {FOREIGN}.usage); \
         INSERT INTO {HEAP}.usage SELECT * FROM {FOREIGN}.usage; \
         ANALYZE {HEAP}.usage; \
         CREATE TABLE public.accounts (account text COLLATE \"C\", owner text, budget integer); \
         INSERT INTO public.accounts VALUES {accounts}, (NULL, 'nobody', 7); \
         ANALYZE public.accounts",
        files = files.path().display(),
        columns = definitions.join(", "),
        accounts = accounts.join(", ")
    )
}

fn pool(client: &mut Client, column: &Column) -> Result<Vec<String>, Error> {
    let rows = client.query(
        &format!(
            "SELECT value FROM (SELECT {}::text COLLATE \"C\" AS value FROM {HEAP}.usage) AS v \
               WHERE value IS NOT NULL GROUP BY value ORDER BY count(*) DESC, md5(value) LIMIT {POOL_LIMIT}",
            column.name
        ),
        &[],
    )?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// A literal, as standard_conforming_strings has it.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Values where types end or algorithms turn, whether or not the table has them.
fn edges(ty: Type) -> &'static [&'static str] {
    match ty {
        Type::Bool => &["true", "false", "NULL"],
        Type::Int2 => &["'-32768'", "'32767'", "'0'", "NULL"],
        Type::Int4 => &["'-2147483648'", "'2147483647'", "'0'", "'-1'", "NULL"],
        Type::Int8 => &[
            "'-9223372036854775808'",
            "'9223372036854775807'",
            "'9007199254740993'",
            "'0'",
            "NULL",
        ],
        Type::Float4 => &[
            "'NaN'",
            "'-0'",
            "'0'",
            "'Infinity'",
            "'0.1'",
            "'16777217'",
            "NULL",
        ],
        Type::Float8 => &[
            "'NaN'",
            "'-0'",
            "'0'",
            "'Infinity'",
            "'-Infinity'",
            "'9007199254740993'",
            "'0.1'",
            "NULL",
        ],
        Type::Numeric => &[
            "'NaN'",
            "'0.00'",
            "'Infinity'",
            "'0.1'",
            "'1e30'",
            "'-1e-30'",
            "NULL",
        ],
        Type::Text => &["''", "' '", "'\u{10FFFF}'", "'~'", "'1'", "NULL"],
        Type::Date => &[
            "'infinity'",
            "'-infinity'",
            "'1970-01-01'",
            "'2025-10-01'",
            "NULL",
        ],
        Type::Timestamp => &[
            "'infinity'",
            "'-infinity'",
            "'2025-10-01'",
            "'1999-12-31 23:59:59.999999'",
            "NULL",
        ],
        Type::Timestamptz => &[
            "'infinity'",
            "'-infinity'",
            "'2025-10-01 00:00+00'",
            "'2025-10-26 01:30+01'",
            "NULL",
        ],
    }
}
