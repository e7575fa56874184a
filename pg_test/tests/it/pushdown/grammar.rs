//! Random queries, each with an answer that SQL determines.

use super::compare::Compare;
use super::predicate::{FIELDS, Generator, UNITS};
use super::query::Query;
use super::table::{Column, Sum, Table, Type};

const TIME_ZONES: &[&str] = &[
    "UTC",
    "UTC",
    "Europe/London",
    "America/St_Johns",
    "Asia/Kathmandu",
];
const DIRECTIONS: &[&str] = &["", " DESC", " ASC NULLS FIRST", " DESC NULLS LAST"];
const COUNTS: &[&str] = &[
    "count(*)",
    "count(*)",
    "count(u.cost)",
    "count(DISTINCT u.account)",
];

/// How deep conditions are nested.
const DEPTH: usize = 2;

/// An expression to select.
struct Output {
    sql: String,
    compare: Compare,
}

impl Output {
    fn new(sql: impl Into<String>, compare: Compare) -> Self {
        Output {
            sql: sql.into(),
            compare,
        }
    }
}

/// The query that follows from a seed.
pub fn query(table: &Table, seed: u64) -> Query {
    let mut generator = Generator::new(table, seed);
    let time_zone = generator.pick(TIME_ZONES);
    let shape = generator.shape();
    Query {
        template: shape.sql,
        constants: generator.constants,
        outputs: shape.outputs,
        ordered: shape.ordered,
        time_zone,
    }
}

/// A query's text and how to judge its answer.
struct Shape {
    sql: String,
    outputs: Vec<Compare>,
    ordered: bool,
}

impl Shape {
    fn unordered(sql: String, outputs: &[Output]) -> Self {
        Shape {
            sql,
            outputs: outputs.iter().map(|output| output.compare).collect(),
            ordered: false,
        }
    }

    fn ordered(sql: String, outputs: &[Output]) -> Self {
        Shape {
            ordered: true,
            ..Shape::unordered(sql, outputs)
        }
    }
}

impl Generator<'_> {
    fn shape(&mut self) -> Shape {
        match self.rng.below(32) {
            0..=5 => self.rows(),
            6..=9 => self.total(),
            10..=17 => self.groups(),
            18 | 19 => self.distinct_rows(),
            20 => self.rollup(),
            21 => self.in_subquery(),
            22 => self.exists(),
            23 => self.lateral(),
            24 => self.scalar_subquery(),
            25 => self.union(),
            26 | 27 => self.join(),
            28 => self.nested(),
            29 => self.with_query(),
            30 => self.window(),
            _ => self.erring(),
        }
    }

    /// ` WHERE …`, or sometimes nothing.
    fn filter(&mut self) -> String {
        match self.rng.chance(15) {
            true => String::new(),
            false => format!(" WHERE {}", self.predicate(DEPTH)),
        }
    }

    /// ` LIMIT … OFFSET …`, or sometimes nothing. For a total order only.
    fn limit(&mut self) -> String {
        let mut sql = String::new();
        if self.rng.chance(60) {
            let limit = self.constant("bigint", |g| {
                g.pick(&["'0'", "'1'", "'5'", "'20'", "'100'", "'100000'", "NULL"])
                    .to_owned()
            });
            sql = format!(" LIMIT {limit}");
        }
        if self.rng.chance(25) {
            let offset = self.constant("bigint", |g| {
                g.pick(&["'0'", "'1'", "'3'", "'50'", "'4000'"]).to_owned()
            });
            sql = format!("{sql} OFFSET {offset}");
        }
        sql
    }

    /// Some of the output columns, each once, in any order and direction.
    fn order_by(&mut self, outputs: &[usize]) -> String {
        let mut left = outputs.to_vec();
        let mut items = Vec::new();
        while !left.is_empty() {
            let position = left.swap_remove(self.rng.below(left.len()));
            items.push(format!("{}{}", position + 1, self.pick(DIRECTIONS)));
        }
        items.join(", ")
    }

    fn plain_columns(&mut self) -> Vec<Output> {
        let mut outputs = vec![Output::new(format!("{}.id", self.alias), Compare::Text)];
        for _ in 0..self.rng.below(5) {
            let column = self.any_column();
            outputs.push(Output::new(self.named(column), Compare::Text));
        }
        if self.rng.chance(25) {
            let key = self.key();
            outputs.push(Output::new(key.sql, Compare::Text));
        }
        if self.rng.chance(10) {
            // NaN has one spelling, but many bit patterns.
            let bits = format!("float8send({}.odd8)", self.alias);
            outputs.push(Output::new(bits, Compare::Text));
        }
        outputs
    }

    /// Rows as they are; in a total order, or in none and without a limit.
    fn rows(&mut self) -> Shape {
        let outputs = self.plain_columns();
        let sql = format!("SELECT {} FROM usage u{}", list(&outputs), self.filter());
        if self.rng.chance(35) {
            return Shape::unordered(sql, &outputs);
        }
        let mut order = Vec::new();
        for _ in 0..self.rng.below(3) {
            let column = self.any_column();
            order.push(format!("{}{}", self.named(column), self.pick(DIRECTIONS)));
        }
        order.push(format!("u.id{}", self.pick(DIRECTIONS)));
        let sql = format!("{sql} ORDER BY {}{}", order.join(", "), self.limit());
        Shape::ordered(sql, &outputs)
    }

    /// One row over all.
    fn total(&mut self) -> Shape {
        let outputs: Vec<Output> = (0..1 + self.rng.below(4))
            .map(|_| self.aggregate())
            .collect();
        let sql = format!("SELECT {} FROM usage u{}", list(&outputs), self.filter());
        Shape::unordered(format!("{sql}{}", self.having(10)), &outputs)
    }

    fn groups(&mut self) -> Shape {
        let keys: Vec<Output> = (0..1 + self.rng.below(3)).map(|_| self.key()).collect();
        self.grouped("usage u", keys)
    }

    /// Groups by the keys, which come first in the output.
    fn grouped(&mut self, from: &str, keys: Vec<Output>) -> Shape {
        let (count, mut outputs) = (keys.len(), keys);
        outputs.extend((0..self.rng.below(4)).map(|_| self.aggregate()));
        let ordinals: Vec<String> = (1..=count).map(|n| n.to_string()).collect();
        let sql = format!(
            "SELECT {} FROM {from}{} GROUP BY {}{}",
            list(&outputs),
            self.filter(),
            ordinals.join(", "),
            self.having(20)
        );
        if self.rng.chance(40) {
            return Shape::unordered(sql, &outputs);
        }
        // The keys make the order total, whatever comes before them.
        let is_exact =
            |n: &usize| !matches!(outputs[*n].compare, Compare::Rounded | Compare::Cents);
        let aggregates: Vec<usize> = (count..outputs.len()).filter(is_exact).collect();
        let mut order = Vec::new();
        if !aggregates.is_empty() && self.rng.chance(50) {
            let first = *self.rng.pick(&aggregates);
            order.push(self.order_by(&[first]));
        }
        let keys: Vec<usize> = (0..count).collect();
        order.push(self.order_by(&keys));
        let sql = format!("{sql} ORDER BY {}{}", order.join(", "), self.limit());
        Shape::ordered(sql, &outputs)
    }

    /// What rows are grouped by.
    fn key(&mut self) -> Output {
        let u = self.alias;
        match self.rng.below(20) {
            0..=8 => {
                let column = self.column_where(|c| c.name != "id");
                Output::new(self.named(column), one_of(column))
            }
            9 | 10 => {
                let (unit, column) = (
                    self.pick(UNITS),
                    self.pick(&["usage_start", "usage_start", "seen"]),
                );
                Output::new(format!("date_trunc('{unit}', {u}.{column})"), Compare::Text)
            }
            11 | 12 => Output::new(format!("{u}.usage_start::date"), Compare::Text),
            13 | 14 => {
                let (field, column) = (
                    self.pick(FIELDS),
                    self.pick(&["usage_start", "usage_start", "day"]),
                );
                let field = match column {
                    "day" if matches!(field, "hour" | "minute") => "year",
                    _ => field,
                };
                Output::new(
                    format!("extract({field} FROM {u}.{column})"),
                    Compare::Number,
                )
            }
            15 | 16 => {
                let (one, other) = (self.predicate(1), self.predicate(1));
                let names = ["cheap", "dear", "other"].map(|name| {
                    self.constant("text", move |g| format!("'{name}{}'", g.rng.below(2)))
                });
                let [cheap, dear, otherwise] = names;
                let sql = format!(
                    "CASE WHEN {one} THEN {cheap} WHEN {other} THEN {dear} ELSE {otherwise} END"
                );
                Output::new(sql, Compare::Text)
            }
            17 => Output::new(self.first_text(), Compare::Text),
            18 => {
                let column = self.column_where(|c| c.name != "id");
                let value = self.own_value(column);
                Output::new(
                    format!("coalesce({}, {value})", self.named(column)),
                    one_of(column),
                )
            }
            _ => {
                let n = self.integer(2, 9);
                Output::new(format!("{u}.id % {n}"), Compare::Text)
            }
        }
    }

    fn aggregate(&mut self) -> Output {
        let filter = match self.rng.chance(15) {
            true => format!(" FILTER (WHERE {})", self.predicate(1)),
            false => String::new(),
        };
        let exact = |c: &Column| c.sum == Sum::Exact;
        match self.rng.below(24) {
            0..=2 => Output::new(format!("count(*){filter}"), Compare::Text),
            3 | 4 => {
                let column = self.any_column();
                Output::new(
                    format!("count({}){filter}", self.named(column)),
                    Compare::Text,
                )
            }
            5 => {
                let column = self.any_column();
                let sql = format!("count(DISTINCT {}){filter}", self.named(column));
                Output::new(sql, Compare::Text)
            }
            6..=9 => {
                let column = self.column_where(exact);
                Output::new(
                    format!("sum({}){filter}", self.named(column)),
                    one_of_sums(column),
                )
            }
            10 | 11 => {
                let column = self.column_where(exact);
                Output::new(
                    format!("avg({}){filter}", self.named(column)),
                    Compare::Number,
                )
            }
            12 => {
                let column = self.column_where(|c| c.sum == Sum::Rounded);
                Output::new(
                    format!("sum({}){filter}", self.named(column)),
                    Compare::Rounded,
                )
            }
            13 => Output::new(
                format!("avg({}.price){filter}", self.alias),
                Compare::Rounded,
            ),
            14..=17 => {
                let column = self.column_where(|c| c.ty != Type::Bool);
                let function = self.pick(&["min", "max"]);
                let sql = format!("{function}({}){filter}", self.named(column));
                Output::new(sql, one_of(column))
            }
            18 => {
                let function = self.pick(&["bool_and", "bool_or", "every"]);
                Output::new(
                    format!("{function}({}.flag){filter}", self.alias),
                    Compare::Text,
                )
            }
            _ => self.computed_aggregate(),
        }
    }

    fn computed_aggregate(&mut self) -> Output {
        let u = self.alias;
        match self.rng.below(9) {
            0 => Output::new(format!("round(sum({u}.price)::numeric, 2)"), Compare::Cents),
            1 => Output::new(format!("round(sum({u}.cost)::numeric, 2)"), Compare::Number),
            2 => Output::new(
                format!("sum({u}.cost) / nullif(count(*), 0)"),
                Compare::Number,
            ),
            3 => Output::new(
                format!("sum({u}.units) / nullif(count(*), 0)"),
                Compare::Text,
            ),
            4 => Output::new(format!("max({u}.id) - min({u}.id)"), Compare::Text),
            5 => Output::new(format!("coalesce(sum({u}.dec), 0)"), Compare::Number),
            6 => Output::new(
                format!("sum({u}.units * 2::bigint) + count({u}.note)"),
                Compare::Text,
            ),
            7 => {
                let when = self.predicate(1);
                Output::new(
                    format!("sum(CASE WHEN {when} THEN {u}.cost ELSE 0 END)"),
                    Compare::Number,
                )
            }
            _ => Output::new(
                format!("count(DISTINCT {u}.usage_start::date)"),
                Compare::Text,
            ),
        }
    }

    fn having(&mut self, percent: u64) -> String {
        if !self.rng.chance(percent) {
            return String::new();
        }
        let (u, number) = (self.alias, self.integer(-100, 300));
        let operator = self.pick(&["<", ">", ">=", "<>"]);
        let aggregate = match self.rng.below(5) {
            0 | 1 => "count(*)".to_owned(),
            2 => format!("sum({u}.units)"),
            3 => format!("sum({u}.cost)"),
            _ => format!("max({u}.small)"),
        };
        format!(" HAVING {aggregate} {operator} {number}")
    }

    fn distinct_rows(&mut self) -> Shape {
        let outputs: Vec<Output> = (0..1 + self.rng.below(3)).map(|_| self.key()).collect();
        let sql = format!(
            "SELECT DISTINCT {} FROM usage u{}",
            list(&outputs),
            self.filter()
        );
        if self.rng.chance(40) {
            return Shape::unordered(sql, &outputs);
        }
        let all: Vec<usize> = (0..outputs.len()).collect();
        let sql = format!("{sql} ORDER BY {}{}", self.order_by(&all), self.limit());
        Shape::ordered(sql, &outputs)
    }

    fn rollup(&mut self) -> Shape {
        let columns = ["service", "account", "flag", "billing_period"];
        let first = self.rng.below(columns.len());
        let second = (first + 1 + self.rng.below(columns.len() - 1)) % columns.len();
        let (one, other) = (columns[first], columns[second]);
        let mut outputs = vec![
            Output::new(format!("u.{one}"), Compare::Text),
            Output::new(format!("u.{other}"), Compare::Text),
            Output::new(format!("grouping(u.{one}, u.{other})"), Compare::Text),
        ];
        outputs.extend((0..1 + self.rng.below(2)).map(|_| self.aggregate()));
        let sets = match self.rng.below(3) {
            0 => format!("ROLLUP (u.{one}, u.{other})"),
            1 => format!("CUBE (u.{one}, u.{other})"),
            _ => format!("GROUPING SETS ((u.{one}), (u.{other}), ())"),
        };
        let sql = format!(
            "SELECT {} FROM usage u{} GROUP BY {sets}",
            list(&outputs),
            self.filter()
        );
        let sql = format!(
            "{sql} ORDER BY {}{}",
            self.order_by(&[0, 1, 2]),
            self.limit()
        );
        Shape::ordered(sql, &outputs)
    }

    /// A condition over `usage` under another name.
    fn inner_filter(&mut self) -> String {
        let outer = std::mem::replace(&mut self.alias, "v");
        let filter = self.predicate(2);
        self.alias = outer;
        filter
    }

    fn in_subquery(&mut self) -> Shape {
        let outputs = self.plain_columns();
        let inner = match self.rng.below(3) {
            0 => "SELECT a.account FROM accounts a WHERE a.budget > 15".to_owned(),
            1 => format!(
                "SELECT v.account FROM usage v WHERE {} GROUP BY 1 HAVING count(*) > {}",
                self.inner_filter(),
                self.integer(0, 200)
            ),
            _ => format!(
                "SELECT v.account FROM usage v WHERE {}",
                self.inner_filter()
            ),
        };
        let operator = self.pick(&["IN", "IN", "NOT IN"]);
        let sql = format!(
            "SELECT {} FROM usage u WHERE u.account {operator} ({inner}) AND {}",
            list(&outputs),
            self.predicate(1)
        );
        Shape::unordered(sql, &outputs)
    }

    fn exists(&mut self) -> Shape {
        let outputs = [
            Output::new("a.owner", Compare::Text),
            Output::new("a.budget", Compare::Text),
        ];
        let exists = self.pick(&["EXISTS", "NOT EXISTS"]);
        let also = self.pick(&[
            "",
            " AND u.units > a.budget",
            " AND u.id % 10 = a.budget % 7",
        ]);
        let sql = format!(
            "SELECT a.owner, a.budget FROM accounts a WHERE {exists} \
               (SELECT FROM usage u WHERE u.account = a.account{also} AND {})",
            self.predicate(2)
        );
        Shape::unordered(sql, &outputs)
    }

    fn lateral(&mut self) -> Shape {
        let outputs = [
            Output::new("a.owner", Compare::Text),
            Output::new("l.id", Compare::Text),
            Output::new("l.cost", Compare::Text),
        ];
        let also = self.pick(&["", " AND u.units > a.budget", " AND u.small < a.budget"]);
        let limit = self.constant("bigint", |g| format!("'{}'", g.rng.below(5)));
        let sql = format!(
            "SELECT a.owner, l.id, l.cost FROM accounts a, LATERAL \
               (SELECT u.id, u.cost FROM usage u WHERE u.account = a.account{also} AND {} \
                 ORDER BY u.cost DESC, u.id LIMIT {limit}) AS l",
            self.predicate(1)
        );
        Shape::unordered(sql, &outputs)
    }

    fn scalar_subquery(&mut self) -> Shape {
        let aggregate = self.aggregate();
        let sql = format!(
            "SELECT a.owner, (SELECT {} FROM usage u WHERE u.account = a.account AND {}) FROM accounts a",
            aggregate.sql,
            self.predicate(1)
        );
        let outputs = [Output::new("a.owner", Compare::Text), aggregate];
        Shape::unordered(sql, &outputs)
    }

    fn union(&mut self) -> Shape {
        let column = self.column_where(|c| c.name != "id");
        let outputs = [
            Output::new(self.named(column), one_of(column)),
            Output::new("count(*)", Compare::Text),
        ];
        let (one, other) = (self.filter(), self.filter());
        let columns = list(&outputs);
        let sql = format!(
            "SELECT {columns} FROM usage u{one} GROUP BY 1 \
             UNION ALL SELECT {columns} FROM usage u{other} GROUP BY 1"
        );
        Shape::unordered(sql, &outputs)
    }

    fn join(&mut self) -> Shape {
        let join = self.pick(&["JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN"]);
        let from = format!("usage u {join} accounts a ON u.account = a.account");
        if self.rng.chance(50) {
            let mut keys = vec![Output::new("a.owner", Compare::Text)];
            if self.rng.chance(50) {
                keys.push(self.key());
            }
            return self.grouped(&from, keys);
        }
        let mut outputs = self.plain_columns();
        outputs.push(Output::new("a.owner", Compare::Text));
        let sql = format!("SELECT {} FROM {from}{}", list(&outputs), self.filter());
        Shape::unordered(sql, &outputs)
    }

    /// An aggregate of an aggregate, or a limit below one.
    fn nested(&mut self) -> Shape {
        let outputs = [
            Output::new("count(*)", Compare::Text),
            Output::new("sum(s.n)", Compare::Text),
            Output::new("max(s.n)", Compare::Text),
        ];
        let inner = match self.rng.chance(50) {
            true => {
                let (key, count) = (self.key(), self.pick(COUNTS));
                format!(
                    "SELECT {} AS k, {count} AS n FROM usage u{} GROUP BY 1",
                    key.sql,
                    self.filter()
                )
            }
            false => {
                let filter = self.filter();
                format!(
                    "SELECT u.units AS n FROM usage u{filter} ORDER BY u.id{}",
                    self.limit()
                )
            }
        };
        Shape::unordered(
            format!("SELECT {} FROM ({inner}) AS s", list(&outputs)),
            &outputs,
        )
    }

    fn with_query(&mut self) -> Shape {
        let key = self.key();
        let outputs = [
            Output::new("one.k", key.compare),
            Output::new("one.n", Compare::Text),
            Output::new("other.n", Compare::Text),
        ];
        let materialized = self.pick(&["", "MATERIALIZED ", "NOT MATERIALIZED "]);
        let sql = format!(
            "WITH one AS {materialized}(SELECT {key} AS k, count(*) AS n FROM usage u{} GROUP BY 1), \
                  other AS (SELECT count(*) AS n FROM usage u{}) \
             SELECT {} FROM one, other WHERE one.n * 50 > other.n",
            self.filter(),
            self.filter(),
            list(&outputs),
            key = key.sql,
        );
        Shape::unordered(sql, &outputs)
    }

    fn window(&mut self) -> Shape {
        let column = self.any_column();
        let outputs = [
            Output::new("u.id", Compare::Text),
            Output::new(
                format!(
                    "row_number() OVER (PARTITION BY {} ORDER BY u.id)",
                    self.named(column)
                ),
                Compare::Text,
            ),
        ];
        let sql = format!("SELECT {} FROM usage u{}", list(&outputs), self.filter());
        Shape::unordered(sql, &outputs)
    }

    /// A query with one thing in it that may raise an error, evaluated for every row, so that it
    /// does not matter in which order conditions are looked at.
    fn erring(&mut self) -> Shape {
        let count = [Output::new("count(*)", Compare::Text)];
        let condition = match self.rng.below(9) {
            0 | 1 => {
                let pattern = self.constant("text", |g| {
                    format!("'{}\\'", g.pick(&["%", "a", "%a_", "", "long %", "never"]))
                });
                let like = self.pick(&["LIKE", "NOT LIKE", "ILIKE"]);
                format!("u.note {like} {pattern}")
            }
            2 => format!("100 / u.small > {}", self.integer(-9, 9)),
            3 => format!("u.units + {} > 0", self.integer(-5, 5)),
            4 => format!("u.big * {} > 0", self.integer(0, 3)),
            5 => "u.odd_day::timestamp > u.usage_start".to_owned(),
            6 => format!("u.odd8::integer > {}", self.integer(-2, 2)),
            7 => format!("u.tag LIKE '{}'", self.pick(&["p%", "%", "prod"])),
            _ => {
                let average = [Output::new("avg(u.large)", Compare::Rounded)];
                return Shape::unordered("SELECT avg(u.large) FROM usage u".to_owned(), &average);
            }
        };
        Shape::unordered(
            format!("SELECT count(*) FROM usage u WHERE {condition}"),
            &count,
        )
    }
}

fn list(outputs: &[Output]) -> String {
    let outputs: Vec<&str> = outputs.iter().map(|output| &*output.sql).collect();
    outputs.join(", ")
}

/// How to compare one of several equal values of a column, when any of them may be shown.
fn one_of(column: &Column) -> Compare {
    match column.ty {
        Type::Float4 | Type::Float8 | Type::Numeric => Compare::Number,
        Type::Text if column.is_folded() => Compare::Folded,
        _ => Compare::Text,
    }
}

fn one_of_sums(column: &Column) -> Compare {
    match column.ty {
        Type::Int2 | Type::Int4 | Type::Int8 => Compare::Text,
        _ => Compare::Number,
    }
}
