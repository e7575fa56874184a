//! A month that is delivered anew: what it came to before stays on record.

use crate::ask::value;
use crate::env::{Env, Test, tests};
use crate::fixture::{press, sync, synced_later, upload};
use crate::sync::assert_bills;
use pg_test::Result;
use pg_test::bills::MonthBill;
use postgres::Client;
use std::collections::BTreeMap;

pub const TESTS: &[Test] = tests![
    a_restatement_says_what_changed_by_account_and_service,
    a_first_load_and_a_forced_one_are_no_restatements,
];

/// The sums of a column of the last restatement.
fn recorded(client: &mut Client, by: &str, cost: &str) -> Result<BTreeMap<String, String>> {
    let query = format!(
        "SELECT {by}, trim_scale(sum({cost}))::text FROM cost_analytics.restated_costs \
          WHERE billing_period = '2025-11-01' AND currency = 'USD' \
            AND restated_at = (SELECT max(restated_at) FROM cost_analytics.restated_costs) GROUP BY 1"
    );
    let rows = client.query(&query, &[])?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Accounts and services of a bill that cost nothing are in the totals, and may not be in a record.
fn assert_recorded(client: &mut Client, cost: &str, bill: &MonthBill) -> Result<()> {
    for (by, expected) in [
        ("account_id", &bill.totals.by_account),
        ("service", &bill.totals.by_service),
    ] {
        let mut found = recorded(client, by, cost)?;
        let mut expected = expected.clone();
        found.retain(|_, sum| sum != "0");
        expected.retain(|_, sum| sum != "0");
        assert_eq!(found, expected, "{cost} by {by}");
    }
    Ok(())
}

fn a_restatement_says_what_changed_by_account_and_service(env: &Env) -> Result<()> {
    let name = "restated";
    let bills = press().all();
    let mut client = synced_later(env, name, &bills)?;
    sync(&mut client)?;
    let first = bills[2].clone();
    let second = press().month(2025, 11, 1);
    upload(env, name, &second)?;
    sync(&mut client)?;
    assert_recorded(&mut client, "old_cost", &first)?;
    assert_recorded(&mut client, "new_cost", &second)?;
    let shown = "SELECT concat_ws(' ', source_name, billing_period, trim_scale(sum(difference)), \
          bool_and(difference <> 0 AND difference = new_cost - old_cost), count(DISTINCT restated_at), \
          min(old_manifest_id) = (SELECT manifest_id FROM cost_analytics.manifests \
                                   WHERE billing_period = '2025-11-01' AND state = 'superseded'), \
          min(new_manifest_id) = (SELECT manifest_id FROM cost_analytics.manifests \
                                   WHERE billing_period = '2025-11-01' AND state = 'loaded')) \
        FROM cost_analytics.restatements GROUP BY source_name, billing_period";
    let difference = format!(
        "SELECT trim_scale('{}'::numeric - '{}'::numeric)::text",
        second.totals.unblended, first.totals.unblended
    );
    let difference = value(&mut client, &difference)?;
    assert_ne!(
        difference, "0",
        "the sample's restatement changes the total"
    );
    assert_eq!(
        value(&mut client, shown)?,
        format!("press 2025-11-01 {difference} t 1 t t")
    );

    // Taken back: the ledger knows the first delivery already, and the record has both changes.
    upload(env, name, &first)?;
    sync(&mut client)?;
    assert_bills(&mut client, &bills)?;
    assert_recorded(&mut client, "old_cost", &second)?;
    assert_recorded(&mut client, "new_cost", &first)?;
    let net = "SELECT concat_ws(' ', count(DISTINCT restated_at), trim_scale(sum(difference))) \
                 FROM cost_analytics.restatements";
    assert_eq!(value(&mut client, net)?, "2 0");
    Ok(())
}

fn a_first_load_and_a_forced_one_are_no_restatements(env: &Env) -> Result<()> {
    let bills = press().all();
    let mut client = synced_later(env, "restated-not", &bills)?;
    sync(&mut client)?;
    client.batch_execute("CALL cost_analytics.cost_sync(force => true)")?;
    let count = "SELECT count(*)::text FROM cost_analytics.restated_costs";
    assert_eq!(value(&mut client, count)?, "0");
    Ok(())
}
