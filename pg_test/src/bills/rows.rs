//! From series to record batches, a column at a time.

use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Float64Array, RecordBatch, StringArray, StringBuilder, TimestampMillisecondArray,
};

use super::calendar::{HOUR, Month, iso};
use super::estate::Estate;
use super::schema::{Column, Kind};
use super::series::{Cell, Series};
use super::totals::Tally;

/// Most rows of a batch.
pub(super) const BATCH_ROWS: usize = 16_384;

/// Lines of one series in a batch.
struct Run {
    series: Rc<Series>,
    rows: Range<usize>,
}

/// Rows on their way into a batch.
struct Rows<'a> {
    estate: &'a Estate<'a>,
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
    each: &mut dyn FnMut(RecordBatch) -> Result<(), E>,
) -> Result<Tally, E> {
    let mut tally = Tally::default();
    let mut rows = Rows::new(estate);
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
    fn new(estate: &'a Estate<'a>) -> Self {
        Rows {
            estate,
            runs: Vec::new(),
            usage: Vec::with_capacity(BATCH_ROWS),
            start: Vec::with_capacity(BATCH_ROWS),
            end: Vec::with_capacity(BATCH_ROWS),
            intervals: Intervals::new(estate.month),
            blank: Blank::new(0),
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
        self.blank.fit(self.usage.len());
        let schema = &self.estate.schema;
        let columns: Vec<ArrayRef> = schema
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
        RecordBatch::try_new(Arc::clone(&schema.arrow), columns)
            .expect("columns are made from the schema")
    }

    fn tally(&self, tally: &mut Tally) {
        let Some(cost) = self.estate.schema.index("line_item_unblended_cost") else {
            return;
        };
        for run in &self.runs {
            let cell = &run.series.cells[cost];
            let usage = &self.usage[run.rows.clone()];
            tally.add(&run.series.key, usage.iter().map(|used| cell.number(*used)));
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
            Kind::Double if empty => Arc::clone(&self.blank.zero),
            Kind::Text => self.text(at),
            Kind::Double => self.double(at),
            Kind::Time => self.time(at),
        }
    }

    fn text(&self, at: usize) -> ArrayRef {
        let rows = self.usage.len();
        let mut builder = StringBuilder::with_capacity(rows, rows * 8);
        for run in &self.runs {
            match &run.series.cells[at] {
                Cell::Text(text) => run.rows.clone().for_each(|_| builder.append_value(text)),
                Cell::Interval => {
                    for row in run.rows.clone() {
                        builder.append_value(self.intervals.get(self.start[row], self.end[row]));
                    }
                }
                _ => run.rows.clone().for_each(|_| builder.append_value("")),
            }
        }
        Arc::new(builder.finish())
    }

    fn double(&self, at: usize) -> ArrayRef {
        let mut values = Vec::with_capacity(self.usage.len());
        for run in &self.runs {
            let cell = &run.series.cells[at];
            values.extend(
                self.usage[run.rows.clone()]
                    .iter()
                    .map(|used| cell.number(*used)),
            );
        }
        Arc::new(Float64Array::from(values))
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
    zero: ArrayRef,
}

impl Blank {
    fn new(rows: usize) -> Self {
        Blank {
            rows,
            text: Arc::new(StringArray::from(vec![""; rows])),
            zero: Arc::new(Float64Array::from(vec![0.0; rows])),
        }
    }

    fn fit(&mut self, rows: usize) {
        if self.rows != rows {
            *self = Blank::new(rows);
        }
    }
}
