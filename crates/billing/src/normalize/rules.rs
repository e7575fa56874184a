//! What a rule looks like, and the SQL it becomes over the columns of one table.

use super::table::{Column, ColumnKind, Table};

/// All that is known about a dialect.
pub(super) struct Rules {
    /// Where the UTC day comes from; columns that are no dates are passed over.
    pub(super) date: &'static [&'static str],
    /// Every text that tells rows apart.
    pub(super) texts: &'static [Text],
    /// The month on whose invoice a row is, as a date; `""`: the one it was delivered with.
    pub(super) invoice_month: &'static str,
    /// The file's cost columns, parted by `|`; a row's first that is not NULL is what it is billed.
    pub(super) cost_in_files: &'static str,
    /// A condition for rows whose amounts are parts of other rows'. They stay, and count nothing.
    pub(super) parts: &'static str,
    /// Every amount; one that is missing is NULL.
    pub(super) sums: &'static [Sum],
    pub(super) tags: Labels,
    pub(super) cost_categories: Labels,
}

/// A normalized text: where it comes from, best first, row by row.
///
/// A candidate is the name of a column; `map->key`, a key of a `jsonb` column; or SQL with columns
/// in braces, which counts if the table has them all. `{?column}` is NULL where it is missing, and
/// `{!column}` has its own type, where the others are texts.
pub(super) struct Text {
    pub(super) name: &'static str,
    pub(super) candidates: &'static [&'static str],
    /// SQL for rows of which no candidate says anything; `""` is NULL.
    pub(super) otherwise: &'static str,
}

/// A [`Text`] in a line.
pub(super) const fn text(
    name: &'static str,
    candidates: &'static [&'static str],
    otherwise: &'static str,
) -> Text {
    Text {
        name,
        candidates,
        otherwise,
    }
}

/// A normalized amount: a sum of sums.
pub(super) struct Sum {
    pub(super) name: &'static str,
    pub(super) terms: &'static [Term],
    pub(super) empty: Empty,
}

/// What an amount is to which nothing adds anything.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Empty {
    /// 0, also where its columns are missing: then it is not NULL but nothing.
    Zero,
    /// 0 where the table has a column of it; NULL where it has none, for then it is not known.
    Known,
    /// NULL: of charges that use nothing there is no amount, not even 0.
    Null,
}

/// One sum over all rows. Each row adds what its first matching case names.
pub(super) struct Term {
    pub(super) sign: Sign,
    pub(super) cases: &'static [Case],
    /// What all other rows add; `""` is nothing.
    pub(super) otherwise: &'static str,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    Plus,
    Minus,
}

pub(super) struct Case {
    /// SQL with columns in braces.
    pub(super) when: &'static str,
    /// Columns parted by `|`, of which each row adds the first that is not NULL; `""` is nothing.
    /// SQL with columns in braces is a numeric.
    pub(super) then: &'static str,
    /// The case counts only where the table has all of these columns.
    pub(super) given: &'static [&'static str],
}

/// Key-value pairs: tags, cost categories.
pub(super) struct Labels {
    /// What the names of columns that hold one value each start with.
    pub(super) columns: &'static str,
    /// Columns that hold all of them, best first, each with what its keys start with; the first that
    /// is there counts.
    pub(super) maps: &'static [(&'static str, &'static str)],
}

impl Rules {
    /// The expression of a column that tells rows apart.
    pub(super) fn dimension(&self, name: &str, table: &Table<'_>) -> String {
        match name {
            "date" => {
                let columns = self.date.iter().filter_map(|name| table.find(name));
                coalesced(columns.filter_map(Column::day), "billing_period", "date")
            }
            "invoice_month" => {
                let month = filled(self.invoice_month, table).filter(|sql| !sql.is_empty());
                coalesced(month.into_iter(), "billing_period", "date")
            }
            _ => {
                let rule = self.texts.iter().find(|text| text.name == name);
                rule.map_or_else(|| "NULL::text".to_owned(), |rule| rule.sql(table))
            }
        }
    }

    /// The expression of an amount.
    pub(super) fn sum(&self, name: &str, table: &Table<'_>) -> String {
        let rule = self.sums.iter().find(|sum| sum.name == name);
        rule.map_or_else(|| NULL.to_owned(), |rule| rule.sql(table, self.parts))
    }

    /// The columns of which each row's first that is not NULL is what it is billed.
    pub(super) fn costs_in_files<'a>(&self, table: &Table<'a>) -> Vec<&'a Column> {
        found(self.cost_in_files, table)
    }

    /// The sum over all rows: what the files come to.
    pub(super) fn sum_in_files(&self, table: &Table<'_>) -> String {
        match self.costs_in_files(table) {
            columns if columns.is_empty() => "0::numeric".to_owned(),
            columns => {
                let addend = Addend::Columns(columns);
                let sql = addend.sql(addend.is_double());
                format!("coalesce({}, 0)", aggregate(&sql, addend.is_double()))
            }
        }
    }
}

const NULL: &str = "NULL::numeric";

impl Sum {
    /// An amount that is not known without its columns.
    pub(super) const fn known(name: &'static str, terms: &'static [Term]) -> Self {
        Sum {
            name,
            terms,
            empty: Empty::Known,
        }
    }

    fn sql(&self, table: &Table<'_>, parts: &str) -> String {
        let mut sql = String::new();
        for term in self.terms {
            let Some(aggregate) = term.sql(table, parts) else {
                continue;
            };
            sql += match (term.sign, sql.is_empty()) {
                (Sign::Plus, true) => "",
                (Sign::Plus, false) => " + ",
                (Sign::Minus, true) => "-",
                (Sign::Minus, false) => " - ",
            };
            sql += &match self.empty {
                Empty::Null => aggregate,
                Empty::Zero | Empty::Known => format!("coalesce({aggregate}, 0)"),
            };
        }
        match (sql.is_empty(), self.empty) {
            (false, _) => sql,
            (true, Empty::Zero) => "0::numeric".to_owned(),
            (true, Empty::Known | Empty::Null) => NULL.to_owned(),
        }
    }
}

impl Text {
    fn sql(&self, table: &Table<'_>) -> String {
        let candidates = self.candidates.iter();
        let there = candidates.filter_map(|text| candidate(text, table));
        coalesced(there, self.otherwise, "text")
    }
}

/// One candidate, if the table has what it needs.
fn candidate(candidate: &str, table: &Table<'_>) -> Option<String> {
    if candidate.contains('{') {
        return filled(candidate, table);
    }
    match candidate.split_once("->") {
        Some((map, key)) => table.key(map, key),
        None => table.find(candidate).map(Column::text),
    }
    .map(|text| format!("nullif({text}, '')"))
}

/// The first that says something.
fn coalesced(there: impl Iterator<Item = String>, otherwise: &str, of_type: &str) -> String {
    let mut tried: Vec<String> = there.collect();
    if !otherwise.is_empty() {
        tried.push(otherwise.to_owned());
    }
    match tried.as_slice() {
        [] => format!("NULL::{of_type}"),
        [only] if only.starts_with('\'') => format!("{only}::{of_type}"),
        [only] => only.clone(),
        several => format!("coalesce({})", several.join(", ")),
    }
}

/// SQL with the columns in braces put in as text; `None` if one is missing that must be there.
fn filled(template: &str, table: &Table<'_>) -> Option<String> {
    let mut sql = String::new();
    let mut rest = template;
    while let Some((before, from)) = rest.split_once('{') {
        let (name, after) = from.split_once('}')?;
        sql += before;
        let (name, is_optional) = marked(name, '?');
        let (name, is_plain) = marked(name, '!');
        sql += &match table.find(name) {
            Some(column) if is_plain => column.quoted.clone(),
            Some(column) => column.text(),
            None if is_optional => "NULL::text".to_owned(),
            None => return None,
        };
        rest = after;
    }
    Some(sql + rest)
}

/// A name without a mark, and whether it had it.
fn marked(name: &str, mark: char) -> (&str, bool) {
    name.strip_prefix(mark)
        .map_or((name, false), |name| (name, true))
}

/// What a case adds.
#[derive(Clone)]
enum Addend<'a> {
    Nothing,
    Columns(Vec<&'a Column>),
    Numeric(String),
}

impl Addend<'_> {
    fn is_double(&self) -> bool {
        match self {
            Addend::Nothing => true,
            Addend::Columns(columns) => columns.iter().all(|c| c.kind == ColumnKind::Double),
            Addend::Numeric(_) => false,
        }
    }

    /// As doubles where all are, else as the decimals they print as.
    fn sql(&self, as_doubles: bool) -> String {
        let columns = match self {
            Addend::Nothing => return "NULL".to_owned(),
            Addend::Numeric(sql) => return sql.clone(),
            Addend::Columns(columns) => columns.iter(),
        };
        let each: Vec<String> = columns
            .map(|c| match (as_doubles, c.kind) {
                (true, _) | (false, ColumnKind::Numeric) => c.quoted.clone(),
                (false, _) => format!("cost_analytics.exact_numeric({})", c.quoted),
            })
            .collect();
        match each.as_slice() {
            [only] => only.clone(),
            several => format!("coalesce({})", several.join(", ")),
        }
    }
}

/// Those of the columns, parted by `|`, that the table has.
fn found<'a>(names: &str, table: &Table<'a>) -> Vec<&'a Column> {
    let names = names.split('|').map(str::trim);
    names.filter_map(|name| table.find(name)).collect()
}

/// `None` where the table has none of the columns.
fn addend<'a>(then: &str, table: &Table<'a>) -> Option<Addend<'a>> {
    if then.is_empty() {
        return Some(Addend::Nothing);
    }
    if then.contains('{') {
        return filled(then, table).map(Addend::Numeric);
    }
    let columns = found(then, table);
    (!columns.is_empty()).then_some(Addend::Columns(columns))
}

impl Term {
    /// Of every row.
    pub(super) const fn all(columns: &'static str) -> Self {
        Term {
            sign: Sign::Plus,
            cases: &[],
            otherwise: columns,
        }
    }

    /// The aggregate; `None` where no row adds anything.
    fn sql(&self, table: &Table<'_>, parts: &str) -> Option<String> {
        let otherwise = match self.otherwise {
            "" => Addend::Nothing,
            columns => addend(columns, table).unwrap_or(Addend::Nothing),
        };
        let mut cases: Vec<(String, Addend<'_>)> = Vec::new();
        if !parts.is_empty()
            && let Some(when) = filled(parts, table)
        {
            cases.push((when, Addend::Nothing));
        }
        for case in self.cases {
            let given = case.given.iter().all(|name| table.find(name).is_some());
            if let (true, Some(when), Some(then)) =
                (given, filled(case.when, table), addend(case.then, table))
            {
                cases.push((when, then));
            }
        }
        let mut addends = cases.iter().map(|(_, then)| then).chain([&otherwise]);
        if addends.clone().all(|a| matches!(a, Addend::Nothing)) {
            return None;
        }
        let as_doubles = addends.all(Addend::is_double);
        let mut each = String::new();
        for (when, then) in &cases {
            each += &format!(" WHEN {when} THEN {}", then.sql(as_doubles));
        }
        let each = match (cases.is_empty(), &otherwise) {
            (true, only) => only.sql(as_doubles),
            (false, Addend::Nothing) => format!("CASE{each} END"),
            (false, rest) => format!("CASE{each} ELSE {} END", rest.sql(as_doubles)),
        };
        Some(aggregate(&each, as_doubles))
    }
}

fn aggregate(each: &str, as_doubles: bool) -> String {
    match as_doubles {
        true => format!("cost_analytics.exact_sum({each})"),
        false => format!("sum({each})"),
    }
}

impl Labels {
    pub(super) const NONE: Labels = Labels {
        columns: "",
        maps: &[],
    };

    /// In these columns alone.
    pub(super) const fn maps(maps: &'static [(&'static str, &'static str)]) -> Self {
        Labels { columns: "", maps }
    }

    /// The document, and the columns it is made of. No labels are `{}`, never NULL.
    pub(super) fn sql(&self, table: &Table<'_>) -> (String, Vec<String>) {
        let mut made_of = Vec::new();
        let mut documents = Vec::new();
        let mut maps = self.maps.iter();
        if let Some((map, start)) = maps.find_map(|(map, start)| Some((table.find(map)?, start))) {
            documents.push(format!("cost_analytics.labels({}, '{start}')", map.quoted));
            made_of.push(map.quoted.clone());
        }
        let start = |c: &&Column| {
            let name = c.name.to_ascii_lowercase();
            !self.columns.is_empty()
                && name.len() > self.columns.len()
                && name.starts_with(self.columns)
        };
        let single: Vec<&Column> = table.columns.iter().filter(start).collect();
        if !single.is_empty() {
            let keys = single.iter().map(|c| {
                let key = &c.name[self.columns.len()..];
                let key = key.strip_prefix("user_").unwrap_or(key);
                format!("'{}'", key.replace('\'', "''"))
            });
            let values = single.iter().map(|c| format!("nullif({}, '')", c.text()));
            documents.push(format!(
                "jsonb_strip_nulls(jsonb_object(ARRAY[{}], ARRAY[{}]))",
                keys.collect::<Vec<_>>().join(", "),
                values.collect::<Vec<_>>().join(", ")
            ));
            made_of.extend(single.iter().map(|c| c.quoted.clone()));
        }
        match documents.is_empty() {
            true => ("'{}'::jsonb".to_owned(), made_of),
            false => (documents.join(" || "), made_of),
        }
    }
}
