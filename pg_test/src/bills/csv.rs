//! Record batches as CSV.

use std::fmt::Write as _;
use std::io::{Error, Write};

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{
    DataType, Decimal128Type, Float64Type, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType,
};
use serde_json::{Map, Value};

use super::calendar::instant;
use super::format::CsvStyle;

/// How instants are spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Times {
    /// `2025-09-01T00:00:00Z`, AWS's.
    Zulu,
    /// `2025-09-01 00:00:00`, FOCUS's sample.
    Bare,
    /// `2025-09-01 00:00:00.123000+00:00`, Python's way with BigQuery's.
    Offset,
}

/// A CSV file being written: header first, then rows.
pub(super) struct CsvFile<W: Write> {
    file: W,
    style: CsvStyle,
    times: Times,
    line: String,
}

impl<W: Write> CsvFile<W> {
    /// Writes the header.
    pub(super) fn new(
        mut file: W,
        style: CsvStyle,
        times: Times,
        headers: &[String],
    ) -> Result<Self, Error> {
        if style.bom {
            file.write_all("\u{feff}".as_bytes())?;
        }
        let mut csv = CsvFile {
            file,
            style,
            times,
            line: String::new(),
        };
        for (n, header) in headers.iter().enumerate() {
            csv.separate(n);
            csv.text(header);
        }
        csv.end()?;
        Ok(csv)
    }

    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<(), Error> {
        let schema = batch.schema();
        let breaks: Vec<bool> = schema
            .fields()
            .iter()
            .map(|f| self.style.line_breaks && f.name().to_lowercase().contains("description"))
            .collect();
        for row in 0..batch.num_rows() {
            for (n, column) in batch.columns().iter().enumerate() {
                self.separate(n);
                self.cell(column, row, breaks[n]);
            }
            self.end()?;
        }
        Ok(())
    }

    pub(super) fn finish(self) -> W {
        self.file
    }

    fn separate(&mut self, n: usize) {
        if n > 0 {
            self.line.push(',');
        }
    }

    fn end(&mut self) -> Result<(), Error> {
        self.line
            .push_str(if self.style.crlf { "\r\n" } else { "\n" });
        self.file.write_all(self.line.as_bytes())?;
        self.line.clear();
        Ok(())
    }

    fn cell(&mut self, column: &ArrayRef, row: usize, line_breaks: bool) {
        if column.is_null(row) {
            self.line.push_str(self.style.null);
            return;
        }
        match column.data_type() {
            DataType::Utf8 if line_breaks => {
                let text = column.as_string::<i32>().value(row);
                self.text(&text.replacen(' ', "\n", 1));
            }
            DataType::Utf8 => self.text(column.as_string::<i32>().value(row)),
            DataType::Float64 => {
                number(
                    &mut self.line,
                    column.as_primitive::<Float64Type>().value(row),
                );
            }
            DataType::Boolean => self.line.push_str(match column.as_boolean().value(row) {
                true => "True",
                false => "False",
            }),
            DataType::Timestamp(TimeUnit::Millisecond, _) => {
                let at = column.as_primitive::<TimestampMillisecondType>().value(row);
                self.time(at, at.rem_euclid(1000) * 1000);
            }
            DataType::Timestamp(TimeUnit::Microsecond, _) => {
                let at = column.as_primitive::<TimestampMicrosecondType>().value(row);
                self.time(at.div_euclid(1000), at.rem_euclid(1_000_000));
            }
            DataType::Decimal128(_, scale) => {
                let value = column.as_primitive::<Decimal128Type>().value(row);
                decimal(&mut self.line, value, *scale as usize);
            }
            _ => self.text(&json(column, row).to_string()),
        }
    }

    fn time(&mut self, at: i64, micros: i64) {
        let text = instant(at);
        let (day, time) = (&text[..10], &text[11..19]);
        let written = match self.times {
            Times::Zulu => write!(self.line, "{day}T{time}Z"),
            Times::Bare => write!(self.line, "{day} {time}"),
            Times::Offset if micros == 0 => write!(self.line, "{day} {time}+00:00"),
            Times::Offset => write!(self.line, "{day} {time}.{micros:06}+00:00"),
        };
        written.expect("a string takes writes");
    }

    fn text(&mut self, text: &str) {
        let quote = !self.style.null.is_empty() || text.contains(['"', ',', '\n', '\r']);
        if !quote {
            self.line.push_str(text);
            return;
        }
        self.line.push('"');
        self.line.push_str(&text.replace('"', "\"\""));
        self.line.push('"');
    }
}

/// Ten decimals where that says it all, as AWS prints amounts; else the shortest decimal that reads
/// back as the same double, with an exponent where there would be many zeros.
fn number(line: &mut String, value: f64) {
    let from = line.len();
    let mut put = |text: std::fmt::Arguments<'_>| {
        line.truncate(from);
        line.write_fmt(text).expect("a string takes writes");
        line[from..].parse() == Ok(value)
    };
    if value == 0.0 || (value.abs() >= 1e-10 && put(format_args!("{value:.10}"))) {
        if value == 0.0 {
            put(format_args!("0"));
        }
    } else if value.abs() < 1e-6 {
        put(format_args!("{value:E}"));
    } else {
        put(format_args!("{value}"));
    }
}

/// A decimal without the zeros behind.
fn decimal(line: &mut String, value: i128, scale: usize) {
    let digits = format!("{:0width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    let fraction = fraction.trim_end_matches('0');
    let (sign, point) = (
        if value < 0 { "-" } else { "" },
        if fraction.is_empty() { "" } else { "." },
    );
    write!(line, "{sign}{whole}{point}{fraction}").expect("a string takes writes");
}

/// What CSV has no cells for: maps become objects, lists arrays, structs objects.
fn json(column: &dyn Array, row: usize) -> Value {
    if column.is_null(row) {
        return Value::Null;
    }
    match column.data_type() {
        DataType::Utf8 => column.as_string::<i32>().value(row).into(),
        DataType::Float64 => column.as_primitive::<Float64Type>().value(row).into(),
        DataType::Boolean => column.as_boolean().value(row).into(),
        DataType::Map(..) => {
            let entries = column.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            let pairs = (0..entries.len())
                .map(|n| (keys.as_string::<i32>().value(n).to_owned(), json(values, n)));
            Value::Object(pairs.collect::<Map<_, _>>())
        }
        DataType::List(_) => {
            let items = column.as_list::<i32>().value(row);
            (0..items.len()).map(|n| json(&items, n)).collect()
        }
        DataType::Struct(fields) => {
            let columns = column.as_struct();
            let pairs = fields
                .iter()
                .zip(columns.columns())
                .map(|(field, column)| (field.name().clone(), json(column, row)));
            Value::Object(pairs.collect::<Map<_, _>>())
        }
        other => unreachable!("no JSON is made of {other}"),
    }
}
