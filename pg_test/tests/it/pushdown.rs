//! Pushdown changes no answer: random queries, asked with it, without it, and of a heap.
//!
//! `CUR_FDW_QUERIES` says how many queries, `CUR_FDW_SEED` from which seed on; a query follows from
//! its own seed, so that a failed one can be asked again alone. `cargo soak-pushdown` asks many.

mod compare;
mod data;
mod grammar;
mod predicate;
mod query;
mod table;

use crate::env::{Env, Test, tests};
use compare::{Answer, ask, difference, says_something, shown};
use pg_test::Result;
use postgres::Client;
use query::Query;
use std::collections::BTreeMap;
use std::time::Instant;
use table::{FOREIGN, HEAP, Table};

pub const TESTS: &[Test] = tests![
    answers_are_the_same_with_and_without_pushdown,
    answers_are_the_same_as_those_of_a_heap,
];

const QUERIES: u64 = 400;
const SEED: u64 = 1;

/// After so many differences the rest would tell nothing new.
const DIFFERENCES: usize = 10;

/// What percentage of queries must push something, by a label in EXPLAIN. 0 until the scan pushes.
const PUSHED_AT_LEAST: [(&str, u64); 5] = [
    ("Pushed Filter", 0),
    ("Pushed Group Key", 0),
    ("Pushed Aggregates", 0),
    ("Pushed Sort", 0),
    ("Pushed Limit", 0),
];

fn answers_are_the_same_with_and_without_pushdown(env: &Env) -> Result<()> {
    let mut session = Session::open(env, "pushdown")?;
    if !session.has_pushdown {
        eprintln!("this cur_fdw has no cur_fdw.enable_pushdown: both ways are one");
    }
    let mut pushed = PUSHED_AT_LEAST.map(|(label, _)| (label, 0));
    let asked = session.for_each_query(|session, query| {
        session.set(query, FOREIGN, false)?;
        let truths = [0, 1].map(|set| session.ask(&query.inline(set)));
        session.set(query, FOREIGN, true)?;
        let plan = session.explain(query);
        for (label, count) in &mut pushed {
            *count += u64::from(plan.contains(*label));
        }
        let mut found = vec![("pushdown", 0, session.ask(&query.inline(0)))];
        found.extend(session.ask_prepared(query)?);
        let differences = found.iter().filter_map(|(way, set, found)| {
            let difference = difference(&query.outputs, query.ordered, &truths[*set], found)?;
            Some(format!("{way}, constants {set}: {difference}"))
        });
        Ok((truths[0].clone(), differences.collect()))
    })?;
    for (label, count) in pushed {
        eprintln!("  {label}: {count} queries");
    }
    for ((label, count), (_, percent)) in pushed.iter().zip(PUSHED_AT_LEAST) {
        let enough = !asked.is_a_sample() || count * 100 >= percent * asked.queries;
        assert!(
            enough,
            "{label} in {count} of {} queries only",
            asked.queries
        );
    }
    Ok(())
}

fn answers_are_the_same_as_those_of_a_heap(env: &Env) -> Result<()> {
    let mut session = Session::open(env, "pushdown_heap")?;
    session.for_each_query(|session, query| {
        session.set(query, HEAP, true)?;
        let truth = session.ask(&query.inline(0));
        session.set(query, FOREIGN, true)?;
        let found = session.ask(&query.inline(0));
        let difference = difference(&query.outputs, query.ordered, &truth, &found);
        Ok((truth, difference.into_iter().collect()))
    })?;
    Ok(())
}

/// A connection to a database with the table.
struct Session {
    client: Client,
    table: Table,
    has_pushdown: bool,
}

/// How the queries went.
struct Asked {
    queries: u64,
    errors: u64,
    /// Those with an answer other than nothing, NULL or 0.
    telling: u64,
}

impl Asked {
    /// Whether there were enough to expect of them what is true of most.
    fn is_a_sample(&self) -> bool {
        self.queries >= 100
    }
}

impl Session {
    fn open(env: &Env, database: &str) -> Result<Self> {
        let mut client = env.database_with_extension(database)?;
        let table = Table::make(env, &mut client)?;
        // A scan that hangs is an error, and errors of this class are differences.
        client.batch_execute("SET statement_timeout = '60s'")?;
        // Not by setting it: Postgres takes any setting with a prefix, if no one reserved that.
        let has_pushdown = client
            .query_one(
                "SELECT EXISTS (SELECT FROM pg_settings WHERE name = 'cur_fdw.enable_pushdown')",
                &[],
            )?
            .get(0);
        Ok(Session {
            client,
            table,
            has_pushdown,
        })
    }

    /// Draws queries and hands them to `compare`, which returns the answer and what differs.
    fn for_each_query(
        &mut self,
        mut compare: impl FnMut(&mut Session, &Query) -> Result<(Answer, Vec<String>)>,
    ) -> Result<Asked> {
        let (queries, first) = (
            number("CUR_FDW_QUERIES", QUERIES)?,
            number("CUR_FDW_SEED", SEED)?,
        );
        let (mut asked, mut different) = (
            Asked {
                queries,
                errors: 0,
                telling: 0,
            },
            0,
        );
        let mut errors = BTreeMap::new();
        let began = Instant::now();
        eprintln!("{queries} queries from seed {first} on");
        for seed in first..first + queries {
            let query = grammar::query(&self.table, seed);
            let (answer, differences) = compare(self, &query)?;
            if let Err((code, message)) = &answer {
                asked.errors += 1;
                errors.entry(code.clone()).or_insert((message.clone(), 0)).1 += 1;
            }
            asked.telling += u64::from(says_something(&answer));
            if differences.is_empty() {
                continue;
            }
            different += 1;
            self.report(seed, &query, &answer, &differences)?;
            if different == DIFFERENCES {
                break;
            }
        }
        eprintln!(
            "  {:.1} s; errors: {}; an answer other than nothing: {}",
            began.elapsed().as_secs_f64(),
            asked.errors,
            asked.telling
        );
        for (code, (message, count)) in errors {
            eprintln!("  {count} times {code}, {message}");
        }
        assert_eq!(different, 0, "queries with another answer (see above)");
        if asked.is_a_sample() {
            assert!(asked.errors * 10 <= queries, "a test of errors");
            assert!(asked.telling * 2 >= queries, "a test of empty answers");
        }
        Ok(asked)
    }

    fn report(
        &mut self,
        seed: u64,
        query: &Query,
        answer: &Answer,
        differences: &[String],
    ) -> Result<()> {
        self.set(query, FOREIGN, true)?;
        eprintln!(
            "\nCUR_FDW_SEED={seed} CUR_FDW_QUERIES=1, TimeZone {}\n  {}\n  answer: {}\n  {}\n  {}\n",
            query.time_zone,
            query.inline(0),
            shown(answer),
            differences.join("\n  "),
            self.explain(query)
        );
        Ok(())
    }

    fn set(&mut self, query: &Query, schema: &str, pushdown: bool) -> Result<()> {
        let mut settings = format!(
            "SET search_path = {schema}, public; SET TimeZone = '{}'",
            query.time_zone
        );
        if self.has_pushdown {
            settings += &format!("; SET cur_fdw.enable_pushdown = {pushdown}");
        }
        Ok(self.client.batch_execute(&settings)?)
    }

    fn ask(&mut self, sql: &str) -> Answer {
        ask(&mut self.client, sql)
    }

    /// Executes it prepared with one set of constants, then with the other: a plan that kept
    /// anything of the first would show.
    fn ask_prepared(&mut self, query: &Query) -> Result<Vec<(&'static str, usize, Answer)>> {
        let mode = match query.template.len() % 2 {
            0 => "force_generic_plan",
            _ => "force_custom_plan",
        };
        self.client
            .batch_execute(&format!("SET plan_cache_mode = {mode}"))?;
        if let Err(error) = self.ask(&query.prepare()) {
            return Ok(vec![("PREPARE", 0, Err(error))]);
        }
        let answers = [0, 1].map(|set| (mode, set, self.ask(&query.execute(set))));
        self.client
            .batch_execute("DEALLOCATE q; RESET plan_cache_mode")?;
        Ok(answers.into())
    }

    fn explain(&mut self, query: &Query) -> String {
        let explain = format!("EXPLAIN (VERBOSE, COSTS OFF) {}", query.inline(0));
        match self.ask(&explain) {
            Ok(rows) => {
                let lines: Vec<String> = rows.into_iter().flatten().flatten().collect();
                lines.join("\n  ")
            }
            Err((code, message)) => format!("EXPLAIN: error {code}: {message}"),
        }
    }
}

/// A number from the environment.
fn number(variable: &str, default: u64) -> Result<u64> {
    match std::env::var(variable) {
        Ok(text) => text
            .parse()
            .map_err(|error| format!("{variable}={text}: {error}").into()),
        Err(_) => Ok(default),
    }
}
