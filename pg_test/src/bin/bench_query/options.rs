//! What the command line asks for.

use pg_test::Result;
use pg_test::bench::Arguments;

const HELP: &str = "\
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
    /// Reads the arguments.
    pub fn parse() -> Result<Self> {
        let mut arguments = Arguments::of_process(HELP);
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
                "--rows" => options.rows = arguments.number()?,
                "--months" => options.months = arguments.number()?.try_into()?,
                "--repeat" => options.repeat = arguments.number()?,
                "--threads" => options.threads = arguments.number()?,
                "--only" => options.only = Some(arguments.number()?),
                "--local" => options.s3 = false,
                "--s3" => options.local = false,
                "--no-heap" => options.heap = false,
                "--explain" => options.explain = true,
                "--check" => options.check = true,
                _ => return Err(arguments.wrong(&format!("unknown argument {argument}"))),
            }
        }
        Ok(options)
    }
}
