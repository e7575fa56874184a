//! Which months a call looks at again, and what that costs.

use crate::ask::value;
use crate::env::{Env, Test, tests};
use crate::fixture::{press, sync, synced_later, upload};
use crate::sync::assert_bills;
use pg_test::Result;

pub const TESTS: &[Test] = tests![
    the_scheduled_call_rechecks_the_two_newest_months_newest_first,
    a_narrow_plan_reads_no_other_months_manifests,
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
