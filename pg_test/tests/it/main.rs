//! The tests that need servers: one Postgres and one S3 server for all of them.
//!
//! `cargo test --test it NAME` runs those whose names contain NAME. The Postgres is the one that
//! `CUR_FDW_PG_CONFIG` names; the extension must have been installed there (`cargo xtask install`).

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod analyze;
mod answers;
mod ask;
mod azure_store;
mod beside;
mod cancel;
mod credentials;
mod cron;
mod csv;
mod csv_layouts;
mod damage;
mod drift;
mod dump;
mod env;
mod errors;
mod filters;
mod fixture;
mod formats;
mod front_door;
mod gcs_store;
mod generated;
mod harness;
mod health;
mod identity;
mod import;
mod keeping;
mod ledger;
mod looks;
mod manners;
mod memory;
mod nise;
mod normalization;
mod options;
mod others;
mod pushdown;
mod pushed;
mod raw_tables;
mod real;
mod rechecks;
mod refusals;
mod rescans;
mod restatements;
mod retention;
mod secrets;
mod ship;
mod store_checks;
mod swap;
mod sync;
mod sync_faults;
mod vault;

use env::{Env, Test};
use libtest_mimic::{Arguments, Failed, Trial};
use std::sync::Arc;

/// Every module's tests. They run in this order, one at a time.
const MODULES: &[&[Test]] = &[
    harness::TESTS,
    errors::TESTS,
    options::TESTS,
    credentials::TESTS,
    vault::TESTS,
    identity::TESTS,
    secrets::TESTS,
    azure_store::TESTS,
    gcs_store::TESTS,
    real::TESTS,
    generated::TESTS,
    nise::TESTS,
    answers::TESTS,
    formats::TESTS,
    csv_layouts::TESTS,
    csv::TESTS,
    others::TESTS,
    sync::TESTS,
    beside::TESTS,
    sync_faults::TESTS,
    swap::TESTS,
    keeping::TESTS,
    ledger::TESTS,
    restatements::TESTS,
    normalization::TESTS,
    normalization::focus::TESTS,
    normalization::quantities::TESTS,
    drift::TESTS,
    filters::TESTS,
    retention::TESTS,
    health::TESTS,
    rechecks::TESTS,
    dump::TESTS,
    cron::TESTS,
    front_door::TESTS,
    ship::TESTS,
    pushdown::TESTS,
    pushed::TESTS,
    raw_tables::TESTS,
    damage::TESTS,
    import::TESTS,
    analyze::TESTS,
    looks::TESTS,
    manners::TESTS,
    rescans::TESTS,
    memory::TESTS,
    cancel::TESTS,
];

fn main() {
    let mut arguments = Arguments::from_args();
    // They share the servers' log and settings.
    arguments.test_threads = Some(1);
    let env = match arguments.list {
        true => None,
        false => Some(Arc::new(Env::start().unwrap_or_else(|error| {
            eprintln!("the servers for the tests did not start: {error}");
            std::process::exit(1)
        }))),
    };
    let trials = MODULES
        .iter()
        .copied()
        .flatten()
        .map(|test| trial(test, env.clone()))
        .collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    env::print_skipped();
    // exit() runs no destructors, and the servers must be stopped.
    drop(env);
    conclusion.exit();
}

fn trial(&(name, body): &Test, env: Option<Arc<Env>>) -> Trial {
    let name = name.strip_prefix("it::").unwrap_or(name);
    Trial::test(name, move || {
        let env = env.ok_or("listing runs nothing")?;
        env::running(name);
        body(&env).map_err(|error| Failed::from(describe(&*error)))
    })
}

/// An error with its causes: that of a Postgres error has the message.
fn describe(error: &(dyn std::error::Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}
