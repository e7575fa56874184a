//! A series: lines that are equal but for their time and how much was used. A bill is a list of
//! series; that is what makes a million rows cheap to write.

use super::calendar::{DAY, HOUR, Month, iso};
use super::rng::Rng;
use super::schema::Schema;
use super::totals::Key;

/// What a column holds in all lines of a series.
#[derive(Clone, Debug, Default)]
pub(super) enum Cell {
    /// `''`, or 0.0: AWS writes no nulls.
    #[default]
    Empty,
    Text(String),
    Fixed(f64),
    /// So much for every unit used.
    PerUse(f64),
    Time(i64),
    /// `start/end` of the line.
    Interval,
    Start,
    End,
}

impl Cell {
    /// The number in a line that used `usage`. AWS keeps ten decimals, more where the price of
    /// one unit is next to nothing.
    pub(super) fn number(&self, usage: f64) -> f64 {
        match self {
            Cell::Fixed(value) => *value,
            Cell::PerUse(rate) if rate.abs() < 1e-4 => rate * usage,
            Cell::PerUse(rate) => round10(rate * usage),
            _ => 0.0,
        }
    }
}

/// Ten decimals; symmetric, so that a negation cancels its row exactly.
pub(super) fn round10(value: f64) -> f64 {
    if value.abs() < 900_000.0 {
        (value * 1e10).round() / 1e10
    } else {
        value
    }
}

/// Which intervals the lines of a series cover.
#[derive(Clone, Copy, Debug)]
pub(super) enum Clock {
    /// Every hour.
    Hourly,
    /// Every day, as a whole.
    Daily,
    /// This one hour of every day.
    HourOfDay(i64),
    /// One line.
    Once { start: i64, end: i64 },
}

impl Clock {
    /// Start and end of line `n`.
    pub(super) fn interval(self, month: Month, n: usize) -> (i64, i64) {
        let n = n as i64;
        let (start, length) = match self {
            Clock::Hourly => (n * HOUR, HOUR),
            Clock::Daily => (n * DAY, DAY),
            Clock::HourOfDay(hour) => (n * DAY + hour * HOUR, HOUR),
            Clock::Once { start, end } => return (start, end),
        };
        (month.start() + start, month.start() + start + length)
    }

    /// Hours in one line.
    pub(super) fn hours(self) -> f64 {
        match self {
            Clock::Daily => 24.0,
            _ => 1.0,
        }
    }
}

/// How much is used in an hour: the same always, or a draw for every line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Amount {
    pub(super) low: f64,
    pub(super) high: f64,
    pub(super) seed: u64,
}

impl Amount {
    pub(super) fn steady(amount: f64) -> Self {
        Amount {
            low: amount,
            high: amount,
            seed: 0,
        }
    }

    /// What line `n` used over `hours`.
    pub(super) fn used(&self, n: usize, hours: f64) -> f64 {
        if self.low == self.high {
            return self.low * hours;
        }
        let hourly = Rng::new(self.seed, &[n as u64]).between(self.low, self.high);
        round10(hourly * hours)
    }
}

/// Equal lines.
#[derive(Debug)]
pub(super) struct Series {
    /// One cell a column.
    pub(super) cells: Vec<Cell>,
    pub(super) clock: Clock,
    pub(super) amount: Amount,
    pub(super) key: Key,
}

/// A series being filled in, by column name. Names the month has no column for are passed over:
/// so do columns come and go with the data in a real bill.
pub(super) struct Sheet<'a> {
    schema: &'a Schema,
    cells: Vec<Cell>,
}

impl<'a> Sheet<'a> {
    pub(super) fn new(schema: &'a Schema) -> Self {
        Sheet {
            schema,
            cells: vec![Cell::Empty; schema.columns.len()],
        }
    }

    pub(super) fn set(&mut self, name: &str, cell: Cell) -> &mut Self {
        if let Some(index) = self.schema.index(name) {
            self.cells[index] = cell;
        }
        self
    }

    pub(super) fn text(&mut self, name: &str, value: impl Into<String>) -> &mut Self {
        self.set(name, Cell::Text(value.into()))
    }

    pub(super) fn texts(&mut self, cells: &[(&str, &str)]) -> &mut Self {
        for (name, value) in cells {
            self.text(name, *value);
        }
        self
    }

    pub(super) fn fixed(&mut self, name: &str, value: f64) -> &mut Self {
        self.set(name, Cell::Fixed(round10(value)))
    }

    pub(super) fn per_use(&mut self, name: &str, rate: f64) -> &mut Self {
        self.set(name, Cell::PerUse(rate))
    }

    fn get(&self, name: &str) -> &str {
        match self.schema.index(name).map(|index| &self.cells[index]) {
            Some(Cell::Text(value)) => value,
            _ => "",
        }
    }

    /// Done: puts in the times and finds what the rows are told apart by.
    pub(super) fn finish(mut self, month: Month, clock: Clock, amount: Amount) -> Series {
        let interval = match clock {
            Clock::Once { start, end } => {
                Cell::Text(format!("{}/{}", iso(month, start), iso(month, end)))
            }
            _ => Cell::Interval,
        };
        self.set("identity_time_interval", interval)
            .set("line_item_usage_start_date", Cell::Start)
            .set("line_item_usage_end_date", Cell::End)
            .per_use("line_item_usage_amount", 1.0);
        let names = [
            "product_product_name",
            "product_servicename",
            "line_item_product_code",
        ];
        let service = names
            .map(|name| self.get(name))
            .into_iter()
            .find(|name| !name.is_empty());
        let key = Key {
            account: self.get("line_item_usage_account_id").to_owned(),
            service: service.unwrap_or_default().to_owned(),
            line_item_type: self.get("line_item_line_item_type").to_owned(),
            currency: self.get("line_item_currency_code").to_owned(),
        };
        Series {
            cells: self.cells,
            clock,
            amount,
            key,
        }
    }
}
