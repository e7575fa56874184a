//! Random conditions, none of which can raise an error.

use super::query::{Constant, place};
use super::table::{Column, Table, Type, quoted};
use pg_test::bills::rng::Rng;

/// Conditions and queries over one table, all following from one seed.
pub struct Generator<'t> {
    pub rng: Rng,
    pub table: &'t Table,
    pub constants: Vec<Constant>,
    /// What `usage` is called where the next expression stands.
    pub alias: &'static str,
}

const COMPARISONS: &[&str] = &["=", "=", "=", "<>", "<", "<=", ">", ">="];
pub const UNITS: &[&str] = &["hour", "day", "week", "month", "quarter", "year"];
pub const FIELDS: &[&str] = &[
    "year", "month", "day", "dow", "doy", "week", "quarter", "hour", "minute", "isodow", "isoyear",
];

impl<'t> Generator<'t> {
    pub fn new(table: &'t Table, seed: u64) -> Self {
        Generator {
            rng: Rng::new(seed, &[0x9E4]),
            table,
            constants: Vec::new(),
            alias: "u",
        }
    }

    pub fn pick<'a>(&mut self, items: &[&'a str]) -> &'a str {
        self.rng.pick::<&'a str>(items)
    }

    /// A constant of a type; `draw` gives a literal without a cast, and is asked twice.
    pub fn constant(
        &mut self,
        sql_type: &str,
        mut draw: impl FnMut(&mut Self) -> String,
    ) -> String {
        let values = [draw(self), draw(self)];
        self.constants.push(Constant {
            sql_type: sql_type.to_owned(),
            values,
        });
        place(self.constants.len() - 1)
    }

    pub fn integer(&mut self, low: i64, high: i64) -> String {
        let range = (high - low) as usize + 1;
        self.constant("integer", |g| {
            format!("'{}'", low + g.rng.below(range) as i64)
        })
    }

    /// A value to compare the column with, not always of its type.
    fn value(&mut self, column: &Column) -> String {
        let ty = match self.rng.chance(60) {
            true => column.ty,
            false => *self.rng.pick(column.ty.comparable()),
        };
        // Values of the column itself are found more often than others of its type.
        if ty == column.ty && self.rng.chance(70) {
            return self.constant(ty.sql(), |g| column.literal(&mut g.rng));
        }
        self.of_type(ty)
    }

    pub fn own_value(&mut self, column: &Column) -> String {
        self.constant(column.ty.sql(), |g| column.literal(&mut g.rng))
    }

    pub fn of_type(&mut self, ty: Type) -> String {
        self.constant(ty.sql(), |g| g.table.literal(&mut g.rng, ty))
    }

    pub fn any_column(&mut self) -> &'t Column {
        self.column_where(|_| true)
    }

    pub fn column_where(&mut self, fits: impl Fn(&Column) -> bool) -> &'t Column {
        self.table.draw(&mut self.rng, fits)
    }

    pub fn named(&self, column: &Column) -> String {
        format!("{}.{}", self.alias, column.name)
    }

    /// A condition; `depth` limits how deep AND, OR and NOT are nested.
    pub fn predicate(&mut self, depth: usize) -> String {
        if depth == 0 || self.rng.chance(50) {
            return self.leaf();
        }
        match self.rng.below(12) {
            0 => format!("NOT ({})", self.predicate(depth - 1)),
            1 => {
                let test = self.pick(&[
                    "IS TRUE",
                    "IS NOT TRUE",
                    "IS FALSE",
                    "IS NOT FALSE",
                    "IS UNKNOWN",
                    "IS NOT UNKNOWN",
                ]);
                format!("({}) {test}", self.predicate(depth - 1))
            }
            n => {
                let operator = if n < 6 { " AND " } else { " OR " };
                let parts: Vec<String> = (0..2 + self.rng.below(2))
                    .map(|_| self.predicate(depth - 1))
                    .collect();
                format!("({})", parts.join(operator))
            }
        }
    }

    fn leaf(&mut self) -> String {
        match self.rng.below(24) {
            0..=5 => self.comparison(),
            6 => self.two_columns(),
            7 | 8 => self.list(),
            9 => self.between(),
            10 => self.null(),
            11 => self.truth(),
            12 => self.distinct(),
            13 | 14 => self.like(),
            15..=17 => self.moment(),
            18 => self.conditional(),
            19..=21 => self.computed(),
            _ => self.path(),
        }
    }

    fn comparison(&mut self) -> String {
        let column = self.any_column();
        let (name, value) = (self.named(column), self.value(column));
        let operator = self.pick(COMPARISONS);
        match self.rng.chance(15) {
            true => format!("{value} {operator} {name}"),
            false => format!("{name} {operator} {value}"),
        }
    }

    fn two_columns(&mut self) -> String {
        let one = self.any_column();
        let other = self.column_where(|other| match one.ty {
            Type::Text => other.has_collation_of(one),
            ty => ty.comparable().contains(&other.ty),
        });
        let operator = self.pick(COMPARISONS);
        format!("{} {operator} {}", self.named(one), self.named(other))
    }

    fn list(&mut self) -> String {
        let column = self.any_column();
        let name = self.named(column);
        if self.rng.chance(50) {
            let mut values: Vec<String> = (0..1 + self.rng.below(4))
                .map(|_| self.own_value(column))
                .collect();
            if self.rng.chance(15) {
                values.push("NULL".to_owned());
            }
            let operator = self.pick(&["IN", "IN", "NOT IN"]);
            return format!("{name} {operator} ({})", values.join(", "));
        }
        let ty = *self.rng.pick(column.ty.comparable());
        let array = self.constant(&format!("{}[]", ty.sql()), |g| {
            let mut values: Vec<String> = (0..g.rng.below(5))
                .map(|_| g.table.literal(&mut g.rng, ty))
                .collect();
            if ty == column.ty && g.rng.chance(80) {
                values.push(column.literal(&mut g.rng));
            }
            match g.rng.below(12) {
                0 => "NULL".to_owned(),
                1 => "'{}'".to_owned(),
                _ => format!("ARRAY[{}]", values.join(", ")),
            }
        });
        match self.rng.below(8) {
            0 => format!("{name} <> ALL ({array})"),
            1 => format!("{name} < ANY ({array})"),
            2 => format!("{name} >= ALL ({array})"),
            _ => format!("{name} = ANY ({array})"),
        }
    }

    fn between(&mut self) -> String {
        let column = self.any_column();
        let (low, high) = (self.value(column), self.value(column));
        let between = self.pick(&["BETWEEN", "BETWEEN", "NOT BETWEEN", "BETWEEN SYMMETRIC"]);
        format!("{} {between} {low} AND {high}", self.named(column))
    }

    fn null(&mut self) -> String {
        let column = self.any_column();
        let test = self.pick(&["IS NULL", "IS NOT NULL"]);
        format!("{} {test}", self.named(column))
    }

    fn truth(&mut self) -> String {
        let flag = format!("{}.flag", self.alias);
        match self.rng.below(4) {
            0 => flag,
            1 => format!("NOT {flag}"),
            2 => {
                let test = self.pick(&["TRUE", "NOT TRUE", "FALSE", "NOT FALSE", "UNKNOWN"]);
                format!("{flag} IS {test}")
            }
            _ => format!("({}) IS UNKNOWN", self.comparison()),
        }
    }

    fn distinct(&mut self) -> String {
        let column = self.any_column();
        let test = self.pick(&["IS DISTINCT FROM", "IS NOT DISTINCT FROM"]);
        format!("{} {test} {}", self.named(column), self.value(column))
    }

    fn like(&mut self) -> String {
        // LIKE knows no nondeterministic collation before PostgreSQL 18.
        let column = self.column_where(|c| c.ty == Type::Text && !c.is_folded());
        let name = self.named(column);
        if self.rng.chance(20) {
            let start = self.constant("text", |g| {
                let start = g.pick(&[
                    "", "a", "A", "eu-", "Amazon", "\\", "%", "i-", "long ", "zü",
                ]);
                format!("'{start}'")
            });
            return match self.rng.chance(50) {
                true => format!("starts_with({name}, {start})"),
                false => format!("{name} ^@ {start}"),
            };
        }
        let pattern = self.constant("text", |g| match g.rng.chance(60) {
            true => quoted(&pattern_of(&mut g.rng, column)),
            false => {
                let count = 1 + g.rng.below(4);
                let pieces: Vec<&str> = (0..count).map(|_| g.pick(PATTERNS)).collect();
                quoted(&pieces.concat())
            }
        });
        let like = self.pick(&["LIKE", "LIKE", "LIKE", "NOT LIKE", "ILIKE", "NOT ILIKE"]);
        match self.rng.below(10) {
            // Whatever precedes it, the x makes sure that the pattern does not end in an escape.
            0 => format!("{name} {like} {pattern} || 'x' ESCAPE '!'"),
            1 => format!("{name} {like} {pattern} ESCAPE ''"),
            _ => format!("{name} {like} {pattern}"),
        }
    }

    /// A day in or near the months of the export.
    pub fn near_day(&mut self) -> String {
        self.constant("date", |g| format!("'{}'", g.day()))
    }

    fn near_time(&mut self, ty: Type) -> String {
        self.constant(ty.sql(), |g| match g.rng.below(4) {
            0 => format!("'{} 00:00:00'", g.day()),
            1 => format!("'{} {:02}:59:59.999999'", g.day(), g.rng.below(24)),
            _ => format!("'{} {:02}:00:00'", g.day(), g.rng.below(24)),
        })
    }

    fn day(&mut self) -> String {
        let (month, day) = (8 + self.rng.below(5), 1 + self.rng.below(30));
        match self.rng.chance(30) {
            true => format!("2025-{month:02}-01"),
            false => format!("2025-{month:02}-{day:02}"),
        }
    }

    fn interval(&mut self) -> String {
        self.constant("interval", |g| {
            let interval = g.pick(&[
                "1 day",
                "3 days 04:05:06.000007",
                "1 month",
                "-1 month",
                "1 hour",
                "2 weeks",
                "1 month -1 day",
                "00:00:00.000001",
            ]);
            format!("'{interval}'")
        })
    }

    /// Conditions on times as dashboards write them.
    fn moment(&mut self) -> String {
        let (u, operator) = (self.alias, self.pick(COMPARISONS));
        match self.rng.below(18) {
            0 => {
                let (day, interval) = (self.near_day(), self.interval());
                format!("{u}.usage_start {operator} {day} + {interval}")
            }
            1 | 2 => {
                let (day, interval) = (self.near_day(), self.interval());
                format!("({u}.usage_start >= {day} AND {u}.usage_start < {day} + {interval})")
            }
            3 | 4 => format!("{u}.usage_start::date {operator} {}", self.near_day()),
            5 => {
                // 2025-10 in a year from when this was written; any time will do.
                let ago = self.constant("interval", |g| format!("'{} days'", g.rng.below(800)));
                let now = self.pick(&[
                    "now()",
                    "current_timestamp",
                    "localtimestamp",
                    "current_date",
                ]);
                let column = self.pick(&["usage_start", "seen", "day"]);
                format!("{u}.{column} {operator} {now} - {ago}")
            }
            6 => {
                let unit = self.pick(UNITS);
                let time = self.near_time(Type::Timestamp);
                format!("date_trunc('{unit}', {u}.usage_start) {operator} {time}")
            }
            7 | 8 => {
                let field = self.pick(FIELDS);
                let number = match field {
                    "year" | "isoyear" => self.integer(2024, 2026),
                    _ => self.integer(0, 23),
                };
                format!("extract({field} FROM {u}.usage_start) {operator} {number}")
            }
            9 => format!("{u}.seen::date {operator} {}", self.near_day()),
            10 => {
                let time = self.near_time(Type::Timestamp);
                format!("{u}.seen {operator} {time}")
            }
            11 => {
                let (interval, time) = (self.interval(), self.near_time(Type::Timestamp));
                format!("{u}.usage_start + {interval} {operator} {time}")
            }
            12 => {
                let (days, day) = (self.integer(-40, 40), self.near_day());
                format!("{u}.day + {days} {operator} {day}")
            }
            13 => {
                let (day, days) = (self.near_day(), self.integer(-40, 40));
                format!("{u}.day - {day} {operator} {days}")
            }
            14 => {
                let month = self.constant("text", |g| format!("'2025-{:02}'", 8 + g.rng.below(5)));
                format!("to_char({u}.usage_start, 'YYYY-MM') {operator} {month}")
            }
            15 => {
                let (low, high) = (self.near_time(Type::Timestamp), self.near_day());
                format!("{u}.usage_start BETWEEN SYMMETRIC {low} AND {high}")
            }
            16 => {
                let time = self.near_time(Type::Timestamptz);
                format!("{u}.usage_start {operator} {time}")
            }
            _ => {
                let time = self.near_time(Type::Timestamptz);
                format!("{u}.seen {operator} {time}")
            }
        }
    }

    /// What bills are normalized with: the first of several texts that says something.
    pub(super) fn first_text(&mut self) -> String {
        let text = self.column_where(|c| c.ty == Type::Text && !c.is_folded());
        let parts = (0..1 + self.rng.below(3)).map(|_| {
            let other = self.column_where(|c| c.has_collation_of(text));
            let nothing = match self.rng.chance(70) {
                true => "''".to_owned(),
                false => self.own_value(other),
            };
            match self.rng.chance(85) {
                true => format!("nullif({}, {nothing})", self.named(other)),
                false => self.named(other),
            }
        });
        let mut parts: Vec<String> = parts.collect();
        if self.rng.chance(60) {
            parts.push(self.own_value(text));
        }
        match &parts[..] {
            [one] => one.clone(),
            _ => format!("coalesce({})", parts.join(", ")),
        }
    }

    fn conditional(&mut self) -> String {
        let column = self.any_column();
        let (name, operator) = (self.named(column), self.pick(COMPARISONS));
        match self.rng.below(7) {
            6 => {
                let test = match self.rng.chance(30) {
                    true => self.pick(&["IS NULL", "IS NOT NULL"]).to_owned(),
                    false => format!("{operator} {}", self.of_type(Type::Text)),
                };
                format!("{} {test}", self.first_text())
            }
            0 | 1 => {
                let (one, other) = (self.own_value(column), self.own_value(column));
                format!("coalesce({name}, {one}) {operator} {other}")
            }
            2 => {
                let (value, test) = (
                    self.own_value(column),
                    self.pick(&["IS NULL", "IS NOT NULL"]),
                );
                format!("nullif({name}, {value}) {test}")
            }
            3 => {
                let (when, one) = (self.leaf(), self.own_value(column));
                let other = self.own_value(column);
                format!("CASE WHEN {when} THEN {name} ELSE {one} END {operator} {other}")
            }
            4 => {
                let (one, other) = (self.own_value(column), self.own_value(column));
                let choose = self.pick(&["greatest", "least"]);
                format!("{choose}({name}, {one}) {operator} {other}")
            }
            // Raises an error for whoever divides before looking.
            _ => {
                let (u, number) = (self.alias, self.integer(-50, 50));
                format!(
                    "CASE WHEN {u}.small <> 0 THEN 100 / {u}.small ELSE -1 END {operator} {number}"
                )
            }
        }
    }

    fn computed(&mut self) -> String {
        let (u, operator) = (self.alias, self.pick(COMPARISONS));
        let integer = self
            .column_where(|c| c.ty.is_integer() && c.name != "big")
            .name;
        let float = self.pick(&["cost", "price", "share"]);
        let text = self.column_where(|c| c.ty == Type::Text).name;
        let text_value = |g: &mut Self| g.of_type(Type::Text);
        match self.rng.below(20) {
            0 => {
                let (by, rest) = (self.integer(1, 9), self.integer(-8, 8));
                format!("{u}.{integer} % {by} {operator} {rest}")
            }
            1 => {
                let (by, rest) = (self.integer(2, 9), self.integer(-100, 100));
                format!("{u}.{integer} / {by} {operator} {rest}")
            }
            2 => {
                let (add, number) = (self.integer(-9, 9), self.integer(-30, 30));
                format!("{u}.small + {add} {operator} {number}")
            }
            3 => {
                let number = self.of_type(Type::Int8);
                format!("{u}.{integer}::bigint * 3 {operator} {number}")
            }
            4 => {
                let number = self.integer(-200, 3000);
                format!("{u}.{float} * 2 {operator} {number}")
            }
            5 => {
                let number = self.integer(-100, 1000);
                let function = self.pick(&["round", "floor", "ceil", "trunc", "abs", "sign", "-"]);
                format!("{function}({u}.{float}) {operator} {number}")
            }
            6 => format!("{u}.cost + {u}.price {operator} {u}.share"),
            7 => {
                let number = self.of_type(Type::Numeric);
                format!("{u}.{float}::numeric {operator} {number}")
            }
            8 => {
                let number = self.integer(-100, 1000);
                format!("{u}.{float}::integer {operator} {number}")
            }
            9 => {
                let number = self.of_type(Type::Float4);
                format!("{u}.{float}::real {operator} {number}")
            }
            10 => {
                let text = text_value(self);
                format!("{u}.{integer}::text {operator} {text}")
            }
            11 => {
                let digit = self.integer(0, 9);
                format!("{u}.{float}::text LIKE '%' || {digit} || '%'")
            }
            12 => {
                let bit = self.integer(0, 1);
                format!("{u}.flag::integer {operator} {bit}")
            }
            13 => {
                let length = self.integer(0, 20);
                let function = self.pick(&["length", "octet_length"]);
                format!("{function}({u}.{text}) {operator} {length}")
            }
            14 => {
                let text_value = text_value(self);
                let function = self.pick(&["lower", "upper", "btrim", "rtrim", "initcap"]);
                format!("{function}({u}.{text}) {operator} {text_value}")
            }
            15 => {
                let count = self.integer(-2, 6);
                let text_value = text_value(self);
                format!("left({u}.{text}, {count}) {operator} {text_value}")
            }
            16 => {
                let text_value = text_value(self);
                format!("{u}.service || {u}.region {operator} {text_value}")
            }
            17 => {
                let number = self.integer(-1000, 1000);
                format!("{u}.amount * {u}.dec {operator} {number}")
            }
            18 => {
                let day = self.constant("text", |g| format!("'{}%'", g.day()));
                format!("{u}.usage_start::text LIKE {day}")
            }
            _ => {
                let text_value = text_value(self);
                format!("{u}.{text}::varchar {operator} {text_value}")
            }
        }
    }

    /// Conditions that prune months.
    fn path(&mut self) -> String {
        let (u, operator) = (self.alias, self.pick(COMPARISONS));
        let month = |g: &mut Self| format!("'{}'", g.pick(&["9", "10", "11", "09", "12"]));
        match self.rng.below(7) {
            0 | 1 => format!("{u}.billing_period {operator} {}", self.near_day()),
            2 => {
                let year = self.constant("text", |g| format!("'{}'", 2024 + g.rng.below(2)));
                format!("{u}.year = {year}")
            }
            3 => {
                let month = self.constant("text", month);
                format!("({u}.year = '2025' AND {u}.month = {month})")
            }
            4 => {
                let months =
                    self.constant("text[]", |g| format!("ARRAY[{}, {}]", month(g), month(g)));
                format!("{u}.month = ANY ({months})")
            }
            5 => {
                let number = self.integer(8, 12);
                format!("{u}.month::integer {operator} {number}")
            }
            _ => {
                let month = self.constant("text", |g| format!("'2025-{}'", 9 + g.rng.below(3)));
                format!("{u}.year || '-' || {u}.month {operator} {month}")
            }
        }
    }
}

/// A pattern that one of the column's values matches, or nearly.
fn pattern_of(rng: &mut Rng, column: &Column) -> String {
    let mut pattern = String::new();
    if rng.chance(20) {
        pattern.push('%');
    }
    let value = rng.pick(&column.pool).clone();
    let keep = if rng.chance(50) {
        usize::MAX
    } else {
        rng.below(6)
    };
    for character in value.chars().take(keep) {
        match character {
            '\\' => pattern.push_str("\\\\"),
            '%' | '_' if rng.chance(60) => pattern.extend(['\\', character]),
            _ if rng.chance(12) => pattern.push('_'),
            _ if rng.chance(10) => pattern.extend(character.to_uppercase()),
            _ if rng.chance(10) => pattern.extend(character.to_lowercase()),
            _ => pattern.push(character),
        }
    }
    if keep < usize::MAX || rng.chance(10) {
        pattern.push('%');
    }
    pattern
}

/// Pieces of patterns. None ends in a single backslash, which is an error.
const PATTERNS: &[&str] = &[
    "%",
    "%",
    "%",
    "_",
    "_",
    "a",
    "b",
    "A",
    "1",
    "\\%",
    "\\_",
    "\\\\",
    "\\a",
    "!",
    "!%",
    "100",
    "amazon",
    "zür",
    "Zu\u{308}",
    "i-",
    "long ",
    "ü",
    "😀",
    " ",
    "-",
    "eu",
    "e\u{301}",
    "trailing",
    "\n",
    "İ",
    "ß",
];
