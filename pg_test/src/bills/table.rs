//! Tables whose columns are functions of a line.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    ArrayBuilder, ArrayRef, BooleanArray, Decimal128Array, Float64Array, Float64Builder,
    MapBuilder, MapFieldNames, RecordBatch, StringArray, StringBuilder, TimestampMillisecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::calendar::instant;

/// What a column holds. Every one may be NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Double,
    /// Decimals of 38 digits, 18 of them behind the point: as Azure's Parquet has its amounts.
    Decimal,
    Flag,
    /// An instant in UTC, to the millisecond.
    Time,
    /// A day as text, month first: `09/30/2025`.
    UsDate,
    /// `MAP<string, string>`.
    Map,
    /// `MAP<string, double>`.
    Numbers,
}

/// Decimals behind the point of [`Kind::Decimal`].
const SCALE: u32 = 18;

/// A cell.
#[derive(Clone, Debug)]
pub(super) enum Value<'a> {
    Null,
    Text(Cow<'a, str>),
    Number(f64),
    Flag(bool),
    /// Milliseconds since 1970; of a date the first of its day.
    Time(i64),
    Map(Vec<(String, Cow<'a, str>)>),
    Numbers(Vec<(String, f64)>),
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Self {
        Value::Text(text.into())
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Value::Text(text.into())
    }
}

impl From<f64> for Value<'_> {
    fn from(number: f64) -> Self {
        Value::Number(number)
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Into::into)
    }
}

/// A column of lines `L`.
pub(super) struct Column<L> {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) value: for<'a> fn(&'a L) -> Value<'a>,
}

impl<L> Column<L> {
    pub(super) const fn new(
        name: &'static str,
        kind: Kind,
        value: for<'a> fn(&'a L) -> Value<'a>,
    ) -> Self {
        Column { name, kind, value }
    }
}

pub(super) fn schema<L>(columns: &[Column<L>]) -> SchemaRef {
    let fields = columns
        .iter()
        .map(|column| Field::new(column.name, data_type(column.kind), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

pub(super) fn batch<L>(columns: &[Column<L>], schema: &SchemaRef, lines: &[L]) -> RecordBatch {
    let arrays = columns
        .iter()
        .map(|column| array(column.kind, lines.iter().map(column.value)))
        .collect();
    RecordBatch::try_new(Arc::clone(schema), arrays).expect("columns are made from the schema")
}

pub(super) fn data_type(kind: Kind) -> DataType {
    match kind {
        Kind::Text | Kind::UsDate => DataType::Utf8,
        Kind::Double => DataType::Float64,
        Kind::Decimal => DataType::Decimal128(38, SCALE as i8),
        Kind::Flag => DataType::Boolean,
        Kind::Time => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
        Kind::Map => map_type(DataType::Utf8),
        Kind::Numbers => map_type(DataType::Float64),
    }
}

/// A map as Parquet names its parts.
fn map_type(value: DataType) -> DataType {
    let entry = DataType::Struct(
        vec![
            Field::new("key", DataType::Utf8, false),
            Field::new("value", value, true),
        ]
        .into(),
    );
    DataType::Map(Arc::new(Field::new("key_value", entry, false)), false)
}

fn names() -> Option<MapFieldNames> {
    Some(MapFieldNames {
        entry: "key_value".to_owned(),
        key: "key".to_owned(),
        value: "value".to_owned(),
    })
}

/// The column of these cells; a cell of another kind is NULL.
pub(super) fn array<'a>(kind: Kind, values: impl Iterator<Item = Value<'a>>) -> ArrayRef {
    let number = |value| match value {
        Value::Number(number) => Some(number),
        _ => None,
    };
    let time = |value| match value {
        Value::Time(at) => Some(at),
        _ => None,
    };
    match kind {
        Kind::Text => {
            let mut texts = StringBuilder::new();
            values.for_each(|value| match value {
                Value::Text(text) if !text.is_empty() => texts.append_value(text),
                _ => texts.append_null(),
            });
            Arc::new(texts.finish())
        }
        Kind::Double => Arc::new(values.map(number).collect::<Float64Array>()),
        Kind::Decimal => {
            let decimals = values.map(|value| number(value).map(exact));
            let decimals = decimals.collect::<Decimal128Array>();
            let sized = decimals.with_precision_and_scale(38, SCALE as i8);
            Arc::new(sized.expect("38 digits are an i128's"))
        }
        Kind::Flag => Arc::new(
            values
                .map(|value| match value {
                    Value::Flag(flag) => Some(flag),
                    _ => None,
                })
                .collect::<BooleanArray>(),
        ),
        Kind::Time => {
            let times = values.map(time).collect::<TimestampMillisecondArray>();
            Arc::new(times.with_timezone("UTC"))
        }
        Kind::UsDate => {
            let days = values.map(|value| time(value).map(us_date));
            Arc::new(days.collect::<StringArray>())
        }
        Kind::Map => {
            let pairs = values.map(|value| match value {
                Value::Map(pairs) => Some(pairs),
                _ => None,
            });
            maps(pairs, StringBuilder::new(), |texts, text| {
                texts.append_value(text);
            })
        }
        Kind::Numbers => {
            let pairs = values.map(|value| match value {
                Value::Numbers(pairs) => Some(pairs),
                _ => None,
            });
            maps(pairs, Float64Builder::new(), Float64Builder::append_value)
        }
    }
}

/// The column of these maps; None is NULL.
fn maps<V, B: ArrayBuilder>(
    values: impl Iterator<Item = Option<Vec<(String, V)>>>,
    builder: B,
    append: impl Fn(&mut B, V),
) -> ArrayRef {
    let mut maps = MapBuilder::new(names(), StringBuilder::new(), builder);
    for pairs in values {
        let present = pairs.is_some();
        for (key, value) in pairs.into_iter().flatten() {
            maps.keys().append_value(key);
            append(maps.values(), value);
        }
        maps.append(present).expect("keys and values come in pairs");
    }
    Arc::new(maps.finish())
}

fn us_date(at: i64) -> String {
    let day = instant(at);
    format!("{}/{}/{}", &day[5..7], &day[8..10], &day[..4])
}

/// The decimal that a double prints as, in units of 10^-18. What is finer than that is lost, so
/// that amounts for such a column must not be.
fn exact(value: f64) -> i128 {
    let text = format!("{value}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    assert!(
        fraction.len() <= SCALE as usize,
        "{value} has too many decimals"
    );
    format!("{whole}{fraction:0<18}")
        .parse()
        .expect("digits with a sign")
}

/// An all-NULL column, or one taken as it is.
pub(super) fn nulls(kind: Kind, rows: usize) -> ArrayRef {
    match kind {
        Kind::Text => Arc::new(StringArray::new_null(rows)),
        kind => array(kind, (0..rows).map(|_| Value::Null)),
    }
}
