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
mod wrong;

use crate::env::{Env, Test, tests};
use compare::difference;
use pg_test::Result;
use session::{Answered, Session};
use table::{FOREIGN, HEAP};
use wrong::{one_wrong_cell_is_noticed, one_wrong_meaning_is_noticed};

pub const TESTS: &[Test] = tests![
    answers_are_the_same_with_and_without_pushdown,
    answers_are_the_same_as_those_of_a_heap,
    one_wrong_cell_is_noticed,
    one_wrong_meaning_is_noticed,
];

/// What percentage of queries must push something, by a label in EXPLAIN.
const PUSHED_AT_LEAST: [(&str, u64); 5] = [
    ("Pushed Filter", 30),
    ("Pushed Group Key", 4),
    ("Pushed Aggregates", 8),
    ("Pushed Sort", 2),
    ("Pushed Limit", 2),
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
            *count += u64::from(plan.as_ref().is_ok_and(|plan| plan.contains(*label)));
        }
        let mut found = vec![("pushdown", 0, session.ask(&query.inline(0)))];
        found.extend(session.ask_prepared(query)?);
        let differences = found.iter().filter_map(|(way, set, found)| {
            let difference = difference(&query.outputs, query.ordered, &truths[*set], found)?;
            Some(format!(
                "{way}, constants {set}: {difference}\n{}",
                query.inline(*set)
            ))
        });
        let mut differences: Vec<String> = differences.collect();
        let [answer, _] = truths;
        if answer.is_ok() {
            differences.extend(plan.err());
        }
        Ok(Answered {
            answer,
            differences,
        })
    })?;
    for (label, count) in pushed {
        eprintln!("  {label}: {count} queries");
    }
    asked.assert_same();
    for ((label, count), (_, percent)) in pushed.iter().zip(PUSHED_AT_LEAST) {
        let enough = !asked.is_a_sample() || count * 100 >= percent * asked.queries;
        assert!(enough, "{label} in {count} of {} queries", asked.queries);
    }
    Ok(())
}

fn answers_are_the_same_as_those_of_a_heap(env: &Env) -> Result<()> {
    let mut session = Session::open(env, "pushdown_heap")?;
    let asked = session.for_each_query(|session, query| session.compare(query, HEAP, FOREIGN))?;
    asked.assert_same();
    Ok(())
}
