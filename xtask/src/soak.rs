//! `cargo soak-pushdown`: the property tests of pushdown, for longer than verify has time.

use crate::cargo;
use crate::install::{self, Options};
use crate::machine;
use crate::postgres;
use crate::run::{Doing, Failure, Result, Steps, run};

/// Twenty queries a second and test are asked on two slow cores.
const QUERIES: u64 = 10_000;

/// Debian's, for it has ICU's collations.
const MAJOR: u32 = 15;

/// `cargo soak-pushdown [QUERIES [SEED]]`
pub fn task(arguments: &[&str]) -> Result<()> {
    let (queries, seed) = match arguments {
        [] => (QUERIES, None),
        [queries] => (number(queries)?, None),
        [queries, seed] => (number(queries)?, Some(number(seed)?)),
        _ => return Err(Failure::new("soak-pushdown takes QUERIES and SEED only")),
    };
    let mut steps = Steps::default();
    let pg_config = steps.step("setup", || {
        machine::setup(machine::BASE)?;
        postgres::pg_config(MAJOR)
    })?;
    steps.step("build and install", || {
        install::install(&pg_config, &Options::default())
    })?;
    steps.step("random queries", || {
        let mut test = cargo::workspace("test", MAJOR, &pg_config);
        test.args(["--test", "it", "pushdown"])
            .env("CUR_FDW_PG_CONFIG", &pg_config)
            .env("CUR_FDW_QUERIES", queries.to_string());
        if let Some(seed) = seed {
            test.env("CUR_FDW_SEED", seed.to_string());
        }
        run(&mut test)
    })?;
    steps.print_times();
    Ok(())
}

fn number(text: &str) -> Result<u64> {
    text.parse().doing(format!("{text} is no number"))
}
