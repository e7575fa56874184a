//! What the command line asks for.

use pg_test::Result;
use pg_test::bench::Arguments;

const HELP: &str = "\
Loading a month of 178 columns from S3: cost_sync, CTAS, COPY BINARY and DuckDB's Postgres writer.

  --rows N      rows of the month (1000000)
  --file N      rows of a file, and of its row group (a quarter, at most 1000000)
  --rounds N    timed rounds (3)
  --sparse      with NULL for nothing, instead of '' and 0 as AWS has it
  --csv         120 of the columns as gzip CSV
  --only-ours   without the others
  --readers     how long a query of costs takes before and during a load
  --months N    instead: N months, rollup only, beside DuckDB's GROUP BY over the same files
  --raw         with --months: raw rows, too, one month after the other and side by side
  --workers N   with --months: so many side by side (1; with --raw 2)
";

/// How the month is delivered.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    Parquet,
    Sparse,
    Csv,
}

/// The options, with their defaults.
pub struct Options {
    pub rows: usize,
    pub rows_a_file: Option<usize>,
    pub rounds: usize,
    pub shape: Shape,
    pub others: bool,
    pub readers: bool,
    /// For the rollup alone.
    pub months: Option<u32>,
    /// For months with their rows.
    pub raw: bool,
    /// Of these, how many side by side.
    pub workers: Option<usize>,
}

impl Options {
    /// Reads the arguments, of which some exclude each other.
    pub fn parse() -> Result<Self> {
        let mut arguments = Arguments::of_process(HELP);
        let mut options = Options {
            rows: 1_000_000,
            rows_a_file: None,
            rounds: 3,
            shape: Shape::Parquet,
            others: true,
            readers: false,
            months: None,
            raw: false,
            workers: None,
        };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--rows" => options.rows = arguments.number()?,
                "--file" => options.rows_a_file = Some(arguments.number()?),
                "--rounds" => options.rounds = arguments.number()?,
                "--months" => options.months = Some(arguments.number()?.try_into()?),
                "--raw" => options.raw = true,
                "--workers" => options.workers = Some(arguments.number()?),
                "--sparse" => options.shape = Shape::Sparse,
                "--csv" => options.shape = Shape::Csv,
                "--only-ours" => options.others = false,
                "--readers" => options.readers = true,
                _ => return Err(arguments.wrong(&format!("unknown argument {argument}"))),
            }
        }
        let measurements = [
            ("--months", options.months.is_some()),
            ("--readers", options.readers),
            ("--only-ours", !options.others),
        ];
        if options.months.is_some() && options.shape == Shape::Csv {
            return Err(arguments.wrong("--csv is of one month"));
        }
        if options.months.is_none() && (options.raw || options.workers.is_some()) {
            return Err(arguments.wrong("--raw and --workers are of --months"));
        }
        let given: Vec<_> = measurements.iter().filter(|(_, given)| *given).collect();
        if let [(one, _), (other, _), ..] = given[..] {
            return Err(arguments.wrong(&format!("{one} and {other} are different measurements")));
        }
        Ok(options)
    }
}
