//! What the command line asks for.

use pg_test::Result;

pub const HELP: &str = "\
The seven queries on a bill where it lies: cur_fdw, DuckDB on the same files, and a heap table.

  --rows N      rows of a month (1000000)
  --months N    months of the bill (1)
  --repeat N    timed rounds after the warm-up (5)
  --threads N   threads of cur_fdw and of DuckDB (2)
  --only N      query N alone
  --local       files in a directory only
  --s3          the S3 server only
  --no-heap     no heap table
  --explain     EXPLAIN (ANALYZE, VERBOSE) of every query
  --check       fail if a target is missed
";

/// The options, with their defaults.
pub struct Options {
    pub rows: usize,
    pub months: u32,
    pub repeat: usize,
    pub threads: usize,
    pub only: Option<usize>,
    pub local: bool,
    pub s3: bool,
    pub heap: bool,
    pub explain: bool,
    pub check: bool,
}

impl Options {
    /// Reads the arguments; an unknown one is an error that shows them all.
    pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = Options {
            rows: 1_000_000,
            months: 1,
            repeat: 5,
            threads: 2,
            only: None,
            local: true,
            s3: true,
            heap: true,
            explain: false,
            check: false,
        };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--rows" => options.rows = number(arguments.next())?,
                "--months" => options.months = number(arguments.next())?.try_into()?,
                "--repeat" => options.repeat = number(arguments.next())?,
                "--threads" => options.threads = number(arguments.next())?,
                "--only" => options.only = Some(number(arguments.next())?),
                "--local" => options.s3 = false,
                "--s3" => options.local = false,
                "--no-heap" => options.heap = false,
                "--explain" => options.explain = true,
                "--check" => options.check = true,
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
