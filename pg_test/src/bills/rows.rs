//! From series to record batches, a column at a time.

use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBufferBuilder, Float64Array, RecordBatch, StringArray, StringBuilder,
    TimestampMillisecondArray,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::SchemaRef;

use super::calendar::{HOUR, Month, iso};
use super::estate::Estate;
use super::schema::{Column, Kind, Schema, nullable};
use super::series::{Cell, Series};
use super::totals::Tally;

/// Most rows of a batch.
pub(super) const BATCH_ROWS: usize = 16_384;

/// What stands where a line has nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// `''` and 0.0, as in AWS's legacy Parquet.
    Blank,
    /// NULL, except in [`ALWAYS`].
    Null,
}

/// The amount that no line is without, even when it is zero.
const ALWAYS: &str = "line_item_unblended_cost";

/// Lines of one series in a batch.
struct Run {
    series: Rc<Series>,
    rows: Range<usize>,
}

/// Rows on their way into a batch.
struct Rows<'a> {
    estate: &'a Estate<'a>,
    schema: SchemaRef,
    missing: Missing,
    runs: Vec<Run>,
    usage: Vec<f64>,
    start: Vec<i64>,
    end: Vec<i64>,
    intervals: Intervals,
    blank: Blank,
}

/// Makes the month's rows in order, in batches of at most [`BATCH_ROWS`], and adds them up.
///
/// # Errors
/// Only those of `each`.
pub(super) fn stream<E>(
    estate: &Estate<'_>,
    missing: Missing,
    each: &mut dyn FnMut(RecordBatch) -> Result<(), E>,
) -> Result<Tally, E> {
    let mut tally = Tally::default();
    let mut rows = Rows::new(estate, missing);
    for &(entry, lines) in &estate.entries {
        let series = Rc::new(estate.series(entry));
        let mut line = 0;
        while line < lines {
            let to = lines.min(line + BATCH_ROWS - rows.usage.len());
            rows.add(&series, line..to);
            line = to;
            if rows.usage.len() == BATCH_ROWS {
                each(rows.batch(&mut tally))?;
            }
        }
    }
    if !rows.usage.is_empty() {
        each(rows.batch(&mut tally))?;
    }
    Ok(tally)
}

impl<'a> Rows<'a> {
    fn new(estate: &'a Estate<'a>, missing: Missing) -> Self {
        let schema = &estate.schema.arrow;
        Rows {
            estate,
            schema: match missing {
                Missing::Blank => Arc::clone(schema),
                Missing::Null => nullable(schema),
            },
            missing,
            runs: Vec::new(),
            usage: Vec::with_capacity(BATCH_ROWS),
            start: Vec::with_capacity(BATCH_ROWS),
            end: Vec::with_capacity(BATCH_ROWS),
            intervals: Intervals::new(estate.month),
            blank: Blank::new(0, missing),
        }
    }

    fn add(&mut self, series: &Rc<Series>, lines: Range<usize>) {
        let from = self.usage.len();
        for line in lines {
            let (start, end) = series.clock.interval(self.estate.month, line);
            self.usage
                .push(series.amount.used(line, series.clock.hours()));
            self.start.push(start);
            self.end.push(end);
        }
        self.runs.push(Run {
            series: Rc::clone(series),
            rows: from..self.usage.len(),
        });
    }

    /// The batch of all rows so far; starts anew.
    fn batch(&mut self, tally: &mut Tally) -> RecordBatch {
        self.blank.fit(self.usage.len(), self.missing);
        let columns: Vec<ArrayRef> = self
            .estate
            .schema
            .columns
            .iter()
            .enumerate()
            .map(|(at, c)| self.column(at, c))
            .collect();
        self.tally(tally);
        self.runs.clear();
        self.usage.clear();
        self.start.clear();
        self.end.clear();
        RecordBatch::try_new(Arc::clone(&self.schema), columns)
            .expect("columns are made from the schema")
    }

    fn tally(&self, tally: &mut Tally) {
        let schema = &self.estate.schema;
        let Some(cost) = schema.index(ALWAYS) else {
            return;
        };
        for run in &self.runs {
            let usage = &self.usage[run.rows.clone()];
            let number = |at: usize| {
                let cell = &run.series.cells[at];
                usage.iter().map(move |used| cell.number(*used))
            };
            let sums = tally.entry(&run.series.key);
            sums.rows += usage.len() as u64;
            number(cost).for_each(|value| sums.cash.add(value));
            for (name, sign) in amortized(&run.series, schema) {
                let Some(at) = schema.index(name) else {
                    continue;
                };
                number(at).for_each(|value| sums.amortized.add(sign * value));
            }
        }
    }

    fn column(&self, at: usize, column: &Column) -> ArrayRef {
        let empty = self
            .runs
            .iter()
            .all(|run| matches!(run.series.cells[at], Cell::Empty));
        match column.kind {
            // Most columns of a bill are empty most of the time: one array serves them all.
            Kind::Text if empty => Arc::clone(&self.blank.text),
            Kind::Double if empty && column.name != ALWAYS => Arc::clone(&self.blank.number),
            Kind::Text => self.text(at),
            Kind::Double => self.double(at, column.name == ALWAYS),
            Kind::Time => self.time(at),
        }
    }

    fn text(&self, at: usize) -> ArrayRef {
        let rows = self.usage.len();
        let mut builder = StringBuilder::with_capacity(rows, rows * 8);
        for run in &self.runs {
            match &run.series.cells[at] {
                Cell::Text(text) if !text.is_empty() => {
                    run.rows.clone().for_each(|_| builder.append_value(text));
                }
                Cell::Interval => {
                    for row in run.rows.clone() {
                        builder.append_value(self.intervals.get(self.start[row], self.end[row]));
                    }
                }
                _ => run.rows.clone().for_each(|_| match self.missing {
                    Missing::Blank => builder.append_value(""),
                    Missing::Null => builder.append_null(),
                }),
            }
        }
        Arc::new(builder.finish())
    }

    fn double(&self, at: usize, always: bool) -> ArrayRef {
        let mut values = Vec::with_capacity(self.usage.len());
        let mut present = BooleanBufferBuilder::new(self.usage.len());
        for run in &self.runs {
            let cell = &run.series.cells[at];
            let here = always || !matches!(cell, Cell::Empty);
            present.append_n(run.rows.len(), here);
            values.extend(
                self.usage[run.rows.clone()]
                    .iter()
                    .map(|used| cell.number(*used)),
            );
        }
        let nulls = (self.missing == Missing::Null).then(|| NullBuffer::new(present.finish()));
        Arc::new(Float64Array::new(values.into(), nulls))
    }

    fn time(&self, at: usize) -> ArrayRef {
        let mut values = Vec::with_capacity(self.usage.len());
        for run in &self.runs {
            match run.series.cells[at] {
                Cell::Start => values.extend_from_slice(&self.start[run.rows.clone()]),
                Cell::End => values.extend_from_slice(&self.end[run.rows.clone()]),
                Cell::Time(time) => values.extend(run.rows.clone().map(|_| time)),
                _ => values.extend(run.rows.clone().map(|_| 0)),
            }
        }
        Arc::new(TimestampMillisecondArray::from(values).with_timezone("UTC"))
    }
}

/// The texts of a month's hours and days, made once.
struct Intervals {
    from: i64,
    hours: Vec<String>,
    days: Vec<String>,
}

impl Intervals {
    fn new(month: Month) -> Self {
        let texts = |count: usize, length: i64| {
            let starts = (0..count as i64).map(|n| month.start() + n * length);
            starts
                .map(|at| format!("{}/{}", iso(month, at), iso(month, at + length)))
                .collect()
        };
        Intervals {
            from: month.start(),
            hours: texts(month.days() * 24, HOUR),
            days: texts(month.days(), 24 * HOUR),
        }
    }

    fn get(&self, start: i64, end: i64) -> &str {
        let hour = ((start - self.from) / HOUR) as usize;
        if end - start == HOUR {
            &self.hours[hour]
        } else {
            &self.days[hour / 24]
        }
    }
}

/// Columns with nothing in them.
struct Blank {
    rows: usize,
    text: ArrayRef,
    number: ArrayRef,
}

impl Blank {
    fn new(rows: usize, missing: Missing) -> Self {
        match missing {
            Missing::Blank => Blank {
                rows,
                text: Arc::new(StringArray::from(vec![""; rows])),
                number: Arc::new(Float64Array::from(vec![0.0; rows])),
            },
            Missing::Null => Blank {
                rows,
                text: Arc::new(StringArray::new_null(rows)),
                number: Arc::new(Float64Array::new_null(rows)),
            },
        }
    }

    fn fit(&mut self, rows: usize, missing: Missing) {
        if self.rows != rows {
            *self = Blank::new(rows, missing);
        }
    }
}

/// The columns whose sum, each with its sign, is a line's amortized cost.
fn amortized(series: &Series, schema: &Schema) -> &'static [(&'static str, f64)] {
    let reserved = schema.index("reservation_reservation_a_r_n");
    let reserved = reserved.is_some_and(|at| !matches!(series.cells[at], Cell::Empty));
    match series.key.line_item_type.as_str() {
        "SavingsPlanCoveredUsage" => &[("savings_plan_savings_plan_effective_cost", 1.0)],
        // What of the commitment nothing used.
        "SavingsPlanRecurringFee" => &[
            ("savings_plan_total_commitment_to_date", 1.0),
            ("savings_plan_used_commitment", -1.0),
        ],
        "SavingsPlanNegation" | "SavingsPlanUpfrontFee" => &[],
        "DiscountedUsage" => &[("reservation_effective_cost", 1.0)],
        "RIFee" => &[
            (
                "reservation_unused_amortized_upfront_fee_for_billing_period",
                1.0,
            ),
            ("reservation_unused_recurring_fee", 1.0),
        ],
        "Fee" if reserved => &[],
        _ => &[(ALWAYS, 1.0)],
    }
}
