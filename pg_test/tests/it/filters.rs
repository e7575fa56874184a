//! Sources that load only some accounts, or some accounts' regions.

use crate::ask::value;
use crate::env::{Env, Test, tests};
use crate::fixture::{self, PRESS, press, sync, synced_later, upload};
use crate::refusals::fails;
use crate::sync::assert_bills;
use pg_test::Result;
use postgres::Client;

pub const TESTS: &[Test] = tests![
    only_the_chosen_accounts_and_regions_are_loaded,
    changed_filters_load_the_months_anew_and_restate_nothing,
    filters_that_say_nothing_are_refused_with_a_hint,
    accounts_are_shown_by_name,
];

/// What every source of the database holds, by account and region.
fn holdings(client: &mut Client) -> Result<Vec<(String, String, String, i64)>> {
    let rows = client.query(
        "SELECT account_id, coalesce(region, ''), trim_scale(sum(cost))::text, sum(line_items)::bigint \
           FROM cost_analytics.costs GROUP BY 1, 2 ORDER BY 1, 2",
        &[],
    )?;
    Ok(rows
        .iter()
        .map(|row| (row.get(0), row.get(1), row.get(2), row.get(3)))
        .collect())
}

fn filtered(client: &mut Client, filters: &str) -> Result<()> {
    client.execute(
        "UPDATE cost_analytics.sources SET filters = $1::text::jsonb",
        &[&filters],
    )?;
    sync(client)
}

fn only_the_chosen_accounts_and_regions_are_loaded(env: &Env) -> Result<()> {
    let name = "filters-chosen";
    let bills = press().all();
    let mut client = synced_later(env, name, &bills)?;
    sync(&mut client)?;
    let all = holdings(&mut client)?;
    // An account with several regions, and another one.
    let (other, region, ..) = all
        .windows(2)
        .find(|rows| rows[0].0 == rows[1].0 && !rows[0].1.is_empty())
        .map(|rows| rows[0].clone())
        .expect("an account uses several regions");
    let accounts = bills[0].totals.by_account.keys();
    let one = accounts.into_iter().find(|account| **account != other);
    let (one, other) = (one.expect("several accounts"), &other);
    client.query_one(
        "SELECT cost_analytics.cost_remove_source('press', true)",
        &[],
    )?;
    let filters = format!(r#"{{"{one}": null, "{other}": ["{region}", ""]}}"#);
    client.query_one(
        "SELECT cost_analytics.cost_add_source('press', 'bills', $1, filters => $2::text::jsonb)",
        &[&PRESS, &filters],
    )?;
    sync(&mut client)?;
    let chosen = |row: &&(String, String, String, i64)| {
        &row.0 == one || &row.0 == other && (row.1 == region || row.1.is_empty())
    };
    let expected: Vec<_> = all.iter().filter(chosen).cloned().collect();
    assert!(!expected.is_empty() && expected.len() < all.len());
    assert_eq!(holdings(&mut client)?, expected);
    let agree = "SELECT bool_and(m.rows = (SELECT count(*) FROM cost_analytics.raw_press r WHERE r.billing_period = m.billing_period) \
          AND m.unblended = (SELECT sum(cost) FROM cost_analytics.costs c WHERE c.billing_period = m.billing_period) \
          AND m.manifest_id IS NOT NULL AND m.files > 0)::text FROM cost_analytics.manifests m";
    assert_eq!(
        value(&mut client, agree)?,
        "true",
        "ledger, raw table and costs"
    );

    // Everything else, with one account in one region.
    filtered(
        &mut client,
        &format!(r#"{{"*": null, "{other}": ["{region}"]}}"#),
    )?;
    let rest = |row: &&(String, String, String, i64)| &row.0 != other || row.1 == region;
    let expected: Vec<_> = all.iter().filter(rest).cloned().collect();
    assert_eq!(holdings(&mut client)?, expected);
    filtered(&mut client, &format!(r#"{{"*": ["{region}"]}}"#))?;
    let expected: Vec<_> = all.iter().filter(|row| row.1 == region).cloned().collect();
    assert_eq!(holdings(&mut client)?, expected);
    Ok(())
}

fn changed_filters_load_the_months_anew_and_restate_nothing(env: &Env) -> Result<()> {
    let name = "filters-changed";
    let mut bills = press().all();
    let mut client = synced_later(env, name, &bills)?;
    sync(&mut client)?;
    let account = bills[0].an_account().to_owned();
    client.batch_execute(&format!(
        "UPDATE cost_analytics.sources SET filters = '{{\"{account}\": null}}'"
    ))?;
    let plan =
        "SELECT string_agg(DISTINCT action || ': ' || why, ', ') FROM cost_analytics.cost_plan()";
    assert_eq!(
        value(&mut client, plan)?,
        "replace: the source's filters changed"
    );
    bills[2] = press().month(2025, 11, 1);
    upload(env, name, &bills[2])?;
    sync(&mut client)?;
    let accounts = "SELECT string_agg(DISTINCT account_id, ' ') FROM cost_analytics.costs";
    assert_eq!(value(&mut client, accounts)?, account);
    let skip = "SELECT string_agg(DISTINCT action, ' ') FROM cost_analytics.cost_plan()";
    assert_eq!(value(&mut client, skip)?, "skip");
    client.batch_execute("UPDATE cost_analytics.sources SET filters = NULL")?;
    sync(&mut client)?;
    assert_bills(&mut client, &bills)?;
    let restated = "SELECT count(*)::text FROM cost_analytics.restated_costs";
    assert_eq!(value(&mut client, restated)?, "0");
    Ok(())
}

fn filters_that_say_nothing_are_refused_with_a_hint(env: &Env) -> Result<()> {
    let mut client = synced_later(env, "filters-refused", &press().all()[..1])?;
    for filters in [
        "{}",
        "[]",
        "\"a\"",
        r#"{"a": []}"#,
        r#"{"a": "x"}"#,
        r#"{"a": [1]}"#,
    ] {
        let update = format!("UPDATE cost_analytics.sources SET filters = '{filters}'");
        fails(&mut client, &update, &["are not usable", "null for all"])?;
    }
    Ok(())
}

fn accounts_are_shown_by_name(env: &Env) -> Result<()> {
    let bills = press().all();
    let mut client = fixture::synced_later(env, "filters-names", &bills)?;
    sync(&mut client)?;
    let account = bills[0].an_account().to_owned();
    client.execute(
        "INSERT INTO cost_analytics.accounts (account_id, name) VALUES ($1, 'Press')",
        &[&account],
    )?;
    let names = "SELECT string_agg(DISTINCT concat_ws(' ', account_id, account_name), ', ') \
                   FROM cost_analytics.costs WHERE account_name IS NOT NULL";
    assert_eq!(value(&mut client, names)?, format!("{account} Press"));
    // No row is lost or doubled for it.
    assert_bills(&mut client, &bills)
}
