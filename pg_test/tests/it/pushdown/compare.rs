//! When two answers are the same.

use postgres::error::SqlState;
use postgres::{Client, SimpleQueryMessage};
use std::cmp::Ordering;

/// What must be the same in two cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// Every character, so also the sign of a zero and the digits of a numeric.
    Text,
    /// The number. Of equal values one stands for its group, and which one is not determined:
    /// 0 or -0, 1.5 or 1.50.
    Number,
    /// The text as a collation sees it that ignores case.
    Folded,
    /// The number but for the rounding that another order of additions gives.
    Rounded,
    /// [`Compare::Rounded`], cut to two decimals afterwards.
    Cents,
}

/// A query's answer: rows of texts, or an error's SQLSTATE and message.
pub type Answer = Result<Vec<Vec<Option<String>>>, (String, String)>;

/// Asks for all rows as text.
pub fn ask(client: &mut Client, sql: &str) -> Answer {
    let messages = client.simple_query(sql).map_err(|error| {
        let code = error.code().map_or("none", SqlState::code).to_owned();
        let message = error.as_db_error().map(|e| e.message().to_owned());
        (code, message.unwrap_or_else(|| error.to_string()))
    })?;
    let rows = messages.iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    let cells = |row: &postgres::SimpleQueryRow| {
        let cells = (0..row.len()).map(|column| row.get(column).map(str::to_owned));
        cells.collect()
    };
    Ok(rows.map(cells).collect())
}

/// How two answers differ, or nothing. An internal error is a difference even from itself.
pub fn difference(
    outputs: &[Compare],
    ordered: bool,
    truth: &Answer,
    found: &Answer,
) -> Option<String> {
    match (truth, found) {
        (Err((code, message)), _) | (_, Err((code, message))) if is_a_bug(code) => {
            Some(format!("error {code}: {message}"))
        }
        (Err((truth, _)), Err((found, _))) if truth == found => None,
        (Err((code, message)), _) => Some(format!(
            "error {code} expected ({message}), found {}",
            shown(found)
        )),
        (_, Err((code, message))) => Some(format!("error {code}: {message}")),
        (Ok(truth), Ok(found)) => {
            let (truth, found) = (
                Table::of(outputs, ordered, truth),
                Table::of(outputs, ordered, found),
            );
            truth.difference(&found)
        }
    }
}

/// Internal errors, lost connections and time-outs.
fn is_a_bug(code: &str) -> bool {
    code == "none"
        || ["XX", "08", "57", "53"]
            .iter()
            .any(|class| code.starts_with(class))
}

/// Whether the answer holds anything but NULL and 0.
pub fn says_something(answer: &Answer) -> bool {
    let says = |cell: &Option<String>| cell.as_deref().is_some_and(|cell| cell != "0");
    answer
        .as_ref()
        .is_ok_and(|rows| rows.iter().flatten().any(says))
}

/// An answer in a few lines.
pub fn shown(answer: &Answer) -> String {
    const ROWS: usize = 8;
    match answer {
        Err((code, message)) => format!("error {code}: {message}"),
        Ok(rows) => {
            let first: Vec<String> = rows.iter().take(ROWS).map(|row| spell(row)).collect();
            format!("{} rows\n    {}", rows.len(), first.join("\n    "))
        }
    }
}

fn spell(row: &[Option<String>]) -> String {
    let cells: Vec<String> = row
        .iter()
        .map(|cell| match cell {
            None => "NULL".to_owned(),
            Some(text) => format!("{:?}", text.chars().take(40).collect::<String>()),
        })
        .collect();
    cells.join(" | ")
}

/// Rows in an order of their own, unless the query's is determined.
struct Table {
    rows: Vec<Row>,
}

struct Row {
    /// Cells that must be the same, as they are compared.
    exact: Vec<Option<String>>,
    /// The others, with what a difference may be.
    rounded: Vec<(Option<f64>, f64)>,
    spelled: String,
}

impl Table {
    fn of(outputs: &[Compare], ordered: bool, rows: &[Vec<Option<String>>]) -> Self {
        let mut rows: Vec<Row> = rows.iter().map(|row| Row::of(outputs, row)).collect();
        if !ordered {
            rows.sort_by(Row::order);
        }
        Table { rows }
    }

    fn difference(&self, other: &Table) -> Option<String> {
        let pairs = self.rows.iter().zip(&other.rows);
        let different = pairs
            .enumerate()
            .find(|(_, (truth, found))| !truth.same(found));
        match different {
            Some((number, (truth, found))) => Some(format!(
                "row {number} is\n    {}\n  for\n    {}\n  ({} rows for {})",
                found.spelled,
                truth.spelled,
                other.rows.len(),
                self.rows.len()
            )),
            None if self.rows.len() != other.rows.len() => {
                Some(format!("{} rows for {}", other.rows.len(), self.rows.len()))
            }
            None => None,
        }
    }
}

impl Row {
    fn of(outputs: &[Compare], row: &[Option<String>]) -> Self {
        assert_eq!(
            outputs.len(),
            row.len(),
            "every output says how to compare it"
        );
        let (mut exact, mut rounded) = (Vec::new(), Vec::new());
        for (compare, cell) in outputs.iter().zip(row) {
            let number = || cell.as_deref().and_then(|text| text.parse().ok());
            match compare {
                Compare::Text => exact.push(cell.clone()),
                Compare::Number => exact.push(cell.as_deref().map(number_alone)),
                Compare::Folded => exact.push(cell.as_deref().map(folded)),
                Compare::Rounded => rounded.push((number(), 0.0)),
                Compare::Cents => rounded.push((number(), 0.0101)),
            }
        }
        Row {
            exact,
            rounded,
            spelled: spell(row),
        }
    }

    fn order(&self, other: &Row) -> Ordering {
        let numbers = |row: &Row| -> Vec<f64> {
            let numbers = row.rounded.iter();
            numbers
                .map(|(number, _)| number.unwrap_or(f64::NAN))
                .collect()
        };
        self.exact.cmp(&other.exact).then_with(|| {
            let (one, other) = (numbers(self), numbers(other));
            let orders = one
                .iter()
                .zip(&other)
                .map(|(one, other)| one.total_cmp(other));
            orders.fold(Ordering::Equal, Ordering::then)
        })
    }

    fn same(&self, other: &Row) -> bool {
        let mut pairs = self.rounded.iter().zip(&other.rounded);
        self.exact == other.exact
            && pairs.all(|((one, slack), (other, _))| match (one, other) {
                (Some(one), Some(other)) => close(*one, *other, *slack),
                (one, other) => one.is_none() && other.is_none(),
            })
    }
}

/// Sums compared so have no negative terms: their error is small beside them.
fn close(one: f64, other: f64, slack: f64) -> bool {
    if !one.is_finite() || !other.is_finite() {
        return one == other || (one.is_nan() && other.is_nan());
    }
    (one - other).abs() <= one.abs().max(other.abs()) * 1e-9 + slack
}

fn number_alone(text: &str) -> String {
    let text = match text.contains('.') && !text.contains('e') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => text,
    };
    if text == "-0" { "0" } else { text }.to_owned()
}

/// For the texts that `data` has; not a normalisation of all Unicode.
fn folded(text: &str) -> String {
    text.to_lowercase().replace("e\u{301}", "\u{e9}")
}
