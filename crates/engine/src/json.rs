//! Text that holds JSON, as exporters and their users' tools write it.

use std::borrow::Cow;

use arrow::array::{Array, ArrayRef, AsArray, StringArray, StringBuilder};
use arrow::compute::CastOptions;
use arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result};
use serde::de::IgnoredAny;

use crate::Error;
use crate::csv::shown;

/// The JSON that a column of texts means, empty ones nothing as in CSV files.
///
/// # Errors
/// [`Error::TypeMismatch`] without the file.
pub(crate) fn of_text(array: &dyn Array, column: &str) -> Result<ArrayRef> {
    let strict = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let texts = arrow::compute::cast_with_options(array, &DataType::Utf8View, &strict)?;
    let texts = texts.as_string_view();
    let some = texts.iter().map(|text| text.filter(|t| !t.is_empty()));
    match array_of(some) {
        Ok(jsons) => Ok(std::sync::Arc::new(jsons)),
        Err(row) => Err(DataFusionError::External(Box::new(Error::TypeMismatch {
            column: column.to_owned(),
            file: String::new(),
            found: format!(
                "\"{}\", which is no JSON,",
                shown(texts.value(row).as_bytes())
            ),
            wanted: "jsonb".to_owned(),
        }))),
    }
}

/// The JSON that each cell means; one that says what the one above it says is not looked at again.
///
/// # Errors
/// The first cell that means none.
pub(crate) fn array_of<'a>(
    cells: impl ExactSizeIterator<Item = Option<&'a str>>,
) -> Result<StringArray, usize> {
    let mut builder = StringBuilder::with_capacity(cells.len(), 0);
    let mut last = ("", Cow::Borrowed(""));
    for (row, cell) in cells.enumerate() {
        match cell {
            None => builder.append_null(),
            Some(cell) => {
                if cell != last.0 {
                    last = (cell, json(cell).ok_or(row)?);
                }
                builder.append_value(&last.1);
            }
        }
    }
    Ok(builder.finish())
}

/// The JSON that a cell means, or `None` if it means none.
///
/// Azure writes tags without the braces around them (`"k":"v","k2":"v2"`), and Python writes lists
/// and dictionaries in its own spelling (`[{'key': 'v', 'n': None}]`) when a table from BigQuery is
/// saved as CSV.
fn json(cell: &str) -> Option<Cow<'_, str>> {
    if is_json(cell) {
        return Some(Cow::Borrowed(cell));
    }
    let meant = match cell.trim_start().chars().next()? {
        '"' => format!("{{{cell}}}"),
        '{' | '[' => from_python(cell)?,
        _ => return None,
    };
    is_json(&meant).then_some(Cow::Owned(meant))
}

fn is_json(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

/// A literal of Python in JSON's spelling, or something that is no JSON.
fn from_python(literal: &str) -> Option<String> {
    let mut json = String::with_capacity(literal.len() + 16);
    let mut rest = literal;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' | '"' => string(rest, first, &mut json)?,
            _ if first.is_alphabetic() => word(rest, &mut json)?,
            _ => {
                json.push(first);
                first.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    Some(json)
}

/// Appends the string at the start of `rest`; its length there.
fn string(rest: &str, quote: char, json: &mut String) -> Option<usize> {
    let mut text = String::new();
    let mut characters = rest.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' => text.push(escaped(&mut characters)?),
            _ if character == quote => {
                json.push_str(&serde_json::Value::String(text).to_string());
                return Some(at + 1);
            }
            _ => text.push(character),
        }
    }
    None
}

fn escaped(rest: &mut impl Iterator<Item = (usize, char)>) -> Option<char> {
    let (_, kind) = rest.next()?;
    let mut code = |digits| {
        let digits: String = rest.take(digits).map(|(_, digit)| digit).collect();
        char::from_u32(u32::from_str_radix(&digits, 16).ok()?)
    };
    Some(match kind {
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'x' => code(2)?,
        'u' => code(4)?,
        'U' => code(8)?,
        '\\' | '\'' | '"' => kind,
        _ => return None,
    })
}

/// Appends the word at the start of `rest`; its length there. The `e` of a number stands behind a
/// digit and is no word of its own, but is written as it is like one.
fn word(rest: &str, json: &mut String) -> Option<usize> {
    let length = rest.find(|c: char| !c.is_alphanumeric());
    let word = &rest[..length.unwrap_or(rest.len())];
    json.push_str(match word {
        "None" => "null",
        "True" => "true",
        "False" => "false",
        _ if word.starts_with(['e', 'E']) => word,
        _ => return None,
    });
    Some(word.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn azures_tags_get_their_braces() {
        assert_eq!(
            json(r#""k":"v","k2":"v2""#).unwrap(),
            r#"{"k":"v","k2":"v2"}"#
        );
        assert_eq!(json(r#"{"k":"v"}"#).unwrap(), r#"{"k":"v"}"#);
    }

    #[test]
    fn pythons_spelling_is_read() {
        let credits = r#"[{'name': "it's", 'amount': -5e-06, 'full_name': None, 'on': True, 'x': 'a"b\'\\\u00e9'}]"#;
        let read: serde_json::Value = serde_json::from_str(&json(credits).unwrap()).unwrap();
        let meant = serde_json::json!([{
            "name": "it's", "amount": -5e-06, "full_name": null, "on": true, "x": "a\"b'\\é"
        }]);
        assert_eq!(read, meant);
    }

    #[test]
    fn what_means_nothing_is_none() {
        for cell in [
            "x",
            "{",
            "{'a'",
            "[Decimal('1')]",
            "{k: v}",
            "'a'",
            r#""k":"#,
            "[nan]",
            "{'a': '\\q'}",
        ] {
            assert_eq!(json(cell), None, "{cell}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_back_is_json(cell in r#"[\[\]{}'":,\\neENTuxé1 -]{0,40}"#) {
            if let Some(json) = json(&cell) {
                prop_assert!(is_json(&json));
            }
        }
    }
}
