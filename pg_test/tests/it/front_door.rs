//! The way in, from `CREATE EXTENSION` to `costs`, as psql shows it.
//!
//! `CUR_FDW_ACCEPT=1` writes what is shown to `sql/front_door.out`; read the difference before
//! committing it.

use crate::env::{Env, Test, tests};
use crate::fixture;
use pg_test::Result;
use pg_test::bills::Report;
use std::fmt::Write as _;
use std::path::Path;

pub const TESTS: &[Test] = tests![psql_shows_what_it_should];

/// The bucket's name is in the expected output.
const BUCKET: &str = "front-door";

fn psql_shows_what_it_should(env: &Env) -> Result<()> {
    fixture::empty_bucket(env, BUCKET)?;
    let ca = Report {
        rows_per_month: 1_600,
        ..Report::ca()
    };
    for bill in fixture::press().all().iter().chain(&ca.all()) {
        fixture::upload(env, BUCKET, bill)?;
    }
    drop(env.database("front_door")?);

    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("sql");
    let script = std::fs::read_to_string(folder.join("front_door.sql"))?;
    let (shown, _) = env
        .cluster
        .psql("front_door", &(variables(env) + &script))?;
    assert!(
        !shown.contains(env.gateway.secret_key()),
        "the secret shows"
    );
    let shown = masked(env, &shown);

    let expected = folder.join("front_door.out");
    if std::env::var_os("CUR_FDW_ACCEPT").is_some_and(|accept| accept == "1") {
        std::fs::write(&expected, shown)?;
        return Ok(());
    }
    match difference(&std::fs::read_to_string(&expected)?, &shown) {
        None => Ok(()),
        Some(difference) => Err(format!(
            "psql shows something else than {} (CUR_FDW_ACCEPT=1 accepts it):\n{difference}",
            expected.display()
        )
        .into()),
    }
}

/// What the script takes for granted. Errors belong to it, so it goes on after them.
fn variables(env: &Env) -> String {
    format!(
        "\\set ON_ERROR_STOP 0\n\\set SHOW_CONTEXT never\n\\set endpoint '{}'\n\\set access_key '{}'\n\\set secret '{}'\n\
         SET TimeZone = 'America/New_York';\nSET client_min_messages = notice;\n\
         \\pset null '(null)'\n\\set ECHO all\n",
        env.gateway.endpoint(),
        env.gateway.access_key(),
        env.gateway.secret_key()
    )
}

/// Without what differs from run to run.
fn masked(env: &Env, shown: &str) -> String {
    let endpoint = env.gateway.endpoint();
    shown.replace(&endpoint, "http://ENDPOINT")
}

/// The lines that differ, with two lines around them; nothing if none does.
fn difference(expected: &str, shown: &str) -> Option<String> {
    if expected == shown {
        return None;
    }
    let (expected, shown): (Vec<&str>, Vec<&str>) =
        (expected.lines().collect(), shown.lines().collect());
    let steps = steps(&expected, &shown);
    let near = |at: usize| {
        let around = at.saturating_sub(2)..(at + 3).min(steps.len());
        steps[around].iter().any(|(sign, _)| *sign != ' ')
    };
    let mut text = String::new();
    for (at, (sign, line)) in steps.iter().enumerate().filter(|(at, _)| near(*at)) {
        if at > 0 && !near(at - 1) {
            text.push_str("@@\n");
        }
        let _ = writeln!(text, "{sign}{line}");
    }
    Some(text)
}

/// The lines of both texts: ' ' in both, '-' only expected, '+' only shown. By the longest common
/// subsequence, in the table of which the rest of either text is looked up.
fn steps<'a>(expected: &[&'a str], shown: &[&'a str]) -> Vec<(char, &'a str)> {
    let width = shown.len() + 1;
    let mut common = vec![0_u32; (expected.len() + 1) * width];
    for e in (0..expected.len()).rev() {
        for s in (0..shown.len()).rev() {
            common[e * width + s] = match expected[e] == shown[s] {
                true => common[(e + 1) * width + s + 1] + 1,
                false => common[(e + 1) * width + s].max(common[e * width + s + 1]),
            };
        }
    }
    let (mut e, mut s) = (0, 0);
    let mut steps = Vec::new();
    while e < expected.len() || s < shown.len() {
        let both = e < expected.len() && s < shown.len();
        if both && expected[e] == shown[s] {
            steps.push((' ', expected[e]));
            (e, s) = (e + 1, s + 1);
        } else if s == shown.len()
            || (both && common[(e + 1) * width + s] >= common[e * width + s + 1])
        {
            steps.push(('-', expected[e]));
            e += 1;
        } else {
            steps.push(('+', shown[s]));
            s += 1;
        }
    }
    steps
}
