//! Which months a call looks at again, and what that costs.

use crate::ask::value;
use crate::env::{Env, Test, tests};
use crate::fixture::{self, press, sync, synced_later, upload};
use crate::sync::assert_bills;
use pg_test::Result;
use pg_test::bills::Report;

pub const TESTS: &[Test] = tests![
    the_scheduled_call_rechecks_the_two_newest_months_newest_first,
    a_narrow_plan_reads_no_other_months_manifests,
    nothing_new_costs_every_source_one_listing,
];

fn the_scheduled_call_rechecks_the_two_newest_months_newest_first(env: &Env) -> Result<()> {
    let name = "rechecks";
    let mut bills = press().all();
    let mut client = synced_later(env, name, &bills)?;
    sync(&mut client)?;
    let restated = [9, 10, 11].map(|month| press().month(2025, month, 1));
    for bill in &restated {
        upload(env, name, bill)?;
    }
    client.batch_execute("CALL cost_analytics.cost_sync(months => 2)")?;
    bills[1..].clone_from_slice(&restated[1..]);
    assert_bills(&mut client, &bills)?;
    let order = "SELECT string_agg(to_char(billing_period, 'MM'), ' ' ORDER BY id) FROM cost_analytics.sync_log";
    assert_eq!(value(&mut client, order)?, "11 10 09 11 10");
    // However long ago a month was closed.
    sync(&mut client)?;
    assert_bills(&mut client, &restated)
}

fn a_narrow_plan_reads_no_other_months_manifests(env: &Env) -> Result<()> {
    let mut client = synced_later(env, "rechecks-narrow", &press().all())?;
    for arguments in [
        "months => 1",
        "since => '2025-10', until => '2025-10'",
        "until => '2025-10', months => 1",
    ] {
        let mark = env.gateway.mark()?;
        let rows = client.query(
            &format!("SELECT * FROM cost_analytics.cost_plan({arguments})"),
            &[],
        )?;
        assert_eq!(rows.len(), 1, "{arguments}");
        let requests = env.gateway.requests_since(mark)?;
        let manifests = requests.iter().filter(|r| r.path.ends_with(".json"));
        assert_eq!(manifests.count(), 1, "{arguments}: {requests:?}");
        assert_eq!(requests.len(), 2, "{arguments}: {requests:?}");
    }
    Ok(())
}

fn nothing_new_costs_every_source_one_listing(env: &Env) -> Result<()> {
    let name = "rechecks-idle";
    let mut client = synced_later(env, name, &press().all())?;
    let reports = ["one", "two"].map(|prefix| Report {
        prefix: prefix.to_owned(),
        ..Report::ca()
    });
    for report in &reports {
        for bill in report.all() {
            fixture::upload(env, name, &bill)?;
        }
        client.execute(
            "SELECT cost_analytics.cost_add_source($1, 'bills', $1)",
            &[&report.prefix],
        )?;
    }
    sync(&mut client)?;
    let months = "SELECT count(*)::text FROM cost_analytics.manifests WHERE state = 'loaded'";
    assert_eq!(value(&mut client, months)?, "9");
    drop(client);
    let mut client = env.cluster.client(name)?;
    let mark = env.gateway.mark()?;
    sync(&mut client)?;
    let requests = env.gateway.requests_since(mark)?;
    assert_eq!(requests.len(), 3, "{requests:?}");
    assert!(
        requests.iter().all(|r| r.query.contains("list-type=2")),
        "{requests:?}"
    );
    Ok(())
}
