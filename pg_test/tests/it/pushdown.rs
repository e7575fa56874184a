//! Pushdown changes no answer: random queries, asked with it, without it, and of a heap.
//!
//! `CUR_FDW_QUERIES` says how many queries, `CUR_FDW_SEED` from which seed on; a query follows from
//! its own seed, so that a failed one can be asked again alone. `cargo soak-pushdown` asks many.

mod compare;
mod data;
mod grammar;
mod predicate;
mod query;
mod session;
mod table;

use crate::env::{Env, Test, tests};
use compare::difference;
use pg_test::Result;
use session::{Answered, Session};
use table::{FOREIGN, HEAP};

pub const TESTS: &[Test] = tests![
    answers_are_the_same_with_and_without_pushdown,
    answers_are_the_same_as_those_of_a_heap,
    one_changed_cell_is_noticed,
];

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
        let differences = differences.collect();
        let [answer, _] = truths;
        Ok(Answered {
            answer,
            differences,
        })
    })?;
    for (label, count) in pushed {
        eprintln!("  {label}: {count} queries");
    }
    for ((label, count), (_, percent)) in pushed.iter().zip(PUSHED_AT_LEAST) {
        let enough = !asked.is_a_sample() || count * 100 >= percent * asked.queries;
        assert!(enough, "{label} in {count} of {} queries", asked.queries);
    }
    Ok(())
}

fn answers_are_the_same_as_those_of_a_heap(env: &Env) -> Result<()> {
    let mut session = Session::open(env, "pushdown_heap")?;
    session.for_each_query(|session, query| session.compare(query, HEAP, FOREIGN))?;
    Ok(())
}

/// What a wrong scan may do to a single cell or row. `id` numbers the rows.
const CHANGES: [&str; 10] = [
    "DELETE FROM changed.usage WHERE id = 1234",
    "INSERT INTO changed.usage SELECT * FROM changed.usage WHERE id = 2345",
    "UPDATE changed.usage SET cost = cost + 1.0 / 1024 WHERE id = 77",
    "UPDATE changed.usage SET big = 9007199254740992 WHERE id = \
       (SELECT min(id) FROM changed.usage WHERE big = 9007199254740993)",
    "UPDATE changed.usage SET odd8 = 0 WHERE id = \
       (SELECT min(id) FROM changed.usage WHERE odd8::text = '-0')",
    "UPDATE changed.usage SET account = NULL WHERE id = \
       (SELECT min(id) FROM changed.usage WHERE account = '')",
    "UPDATE changed.usage SET note = 'trailing' WHERE id = \
       (SELECT min(id) FROM changed.usage WHERE note = 'trailing ')",
    "UPDATE changed.usage SET usage_start = usage_start + interval '1 microsecond' WHERE id = 2001",
    "UPDATE changed.usage SET flag = NULL WHERE id = (SELECT min(id) FROM changed.usage WHERE flag)",
    "UPDATE changed.usage SET dec = dec + 0.000001 WHERE id = 2999",
];

fn one_changed_cell_is_noticed(env: &Env) -> Result<()> {
    const AT_MOST: u64 = 1_000;
    let mut session = Session::open(env, "pushdown_changed")?;
    for change in CHANGES {
        session.client.batch_execute(&format!(
            "DROP SCHEMA IF EXISTS changed CASCADE; CREATE SCHEMA changed; \
             CREATE TABLE changed.usage (LIKE {HEAP}.usage); \
             INSERT INTO changed.usage SELECT * FROM {HEAP}.usage; \
             {change}"
        ))?;
        let noticed = first_difference(&mut session, "changed", AT_MOST)?;
        assert!(noticed.is_some(), "no query of {AT_MOST} notices {change}");
    }
    Ok(())
}

/// The first seed whose query has another answer in `schema` than in the heap.
fn first_difference(session: &mut Session, schema: &str, seeds: u64) -> Result<Option<u64>> {
    for seed in 0..seeds {
        let query = session.query(seed);
        let answered = session.compare(&query, HEAP, schema)?;
        if !answered.differences.is_empty() {
            return Ok(Some(seed));
        }
    }
    Ok(None)
}
