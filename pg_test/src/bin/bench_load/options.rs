//! What the command line asks for.

use pg_test::Result;

pub const HELP: &str = "\
Loading a month of 178 columns from S3: cost_sync, CTAS, COPY BINARY and DuckDB's Postgres writer.

  --rows N      rows of the month (1000000)
  --rounds N    timed rounds (3)
  --sparse      with NULL for nothing, instead of '' and 0 as AWS has it
  --only-ours   without the others
  --readers     how long a query of costs takes before and during a load
  --months N    instead: N months, rollup only, beside DuckDB's GROUP BY over the same files
";

/// The options, with their defaults.
pub struct Options {
    pub rows: usize,
    pub rounds: usize,
    pub sparse: bool,
    pub others: bool,
    pub readers: bool,
    /// For the rollup alone.
    pub months: Option<u32>,
}

impl Options {
    /// Reads the arguments; an unknown one is an error that shows them all.
    pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Options {
            rows: 1_000_000,
            rounds: 3,
            sparse: false,
            others: true,
            readers: false,
            months: None,
        };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--rows" => options.rows = number(arguments.next())?,
                "--rounds" => options.rounds = number(arguments.next())?,
                "--months" => options.months = Some(number(arguments.next())?.try_into()?),
                "--sparse" => options.sparse = true,
                "--only-ours" => options.others = false,
                "--readers" => options.readers = true,
                _ => return Err(format!("unknown argument {argument}\n\n{HELP}").into()),
            }
        }
        Ok(options)
    }
}

fn number(value: Option<String>) -> Result<usize> {
    let value = value.unwrap_or_default();
    match value.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("{value:?} is not a number above 0\n\n{HELP}").into()),
    }
}
