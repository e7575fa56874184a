//! What others notice of a sync: readers nothing but the new month, the store nothing it need not.

use crate::ask::value;
use crate::env::{Env, Test, soaking, tests};
use crate::fixture::{self, press, sync, synced_later, upload};
use crate::sync::assert_bills;
use pg_test::Result;
use pg_test::bills::{MonthBill, Report};
use postgres::{Client, IsolationLevel};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub const TESTS: &[Test] = tests![
    readers_see_one_delivery_and_wait_no_longer_than_the_swap,
    a_forced_load_of_the_same_delivery_changes_no_row,
    a_second_version_under_the_prefix_is_not_read,
    nothing_new_over_three_sources_takes_three_listings_and_a_second,
];

/// What a swap may wait for readers, and what a reader may take beyond that.
const PATIENCE: Duration = Duration::from_millis(300);
const SLACK: Duration = Duration::from_secs(1);

/// The month in the raw table and in the costs, as one statement sees both.
const READ: &str = "SELECT concat_ws(' ', count(*), trim_scale(sum(line_item_unblended_cost::text::numeric)), \
      (SELECT concat_ws(' ', sum(line_items), trim_scale(sum(cost))) FROM cost_analytics.costs \
        WHERE billing_period = '2025-11-01')) \
    FROM cost_analytics.raw_press WHERE billing_period = '2025-11-01'";

/// What [`READ`] says of a delivery.
fn said_of(bill: &MonthBill) -> String {
    let total = format!("{} {}", bill.totals.rows, bill.totals.unblended);
    format!("{total} {total}")
}

/// Ends a thread that looks at it, also when a check fails.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Reads until told to stop, by both protocols in turn, and never waits for long. Returns the
/// answers, without repetitions, and what the slowest took.
fn read_on(mut client: Client, stop: &AtomicBool) -> Result<(Vec<String>, Duration)> {
    let prepared = client.prepare(READ)?;
    let (mut answers, mut slowest) = (Vec::new(), Duration::ZERO);
    while !stop.load(Ordering::SeqCst) {
        let began = Instant::now();
        answers.push(value(&mut client, READ)?);
        slowest = slowest.max(began.elapsed());
        let began = Instant::now();
        answers.push(client.query_one(&prepared, &[])?.get(0));
        slowest = slowest.max(began.elapsed());
        answers.dedup();
    }
    Ok((answers, slowest))
}

fn readers_see_one_delivery_and_wait_no_longer_than_the_swap(env: &Env) -> Result<()> {
    let name = "swap-readers";
    let rounds = if soaking() { 50 } else { 3 };
    let bills = [0, 1].map(|version| press().month(2025, 11, version));
    let mut client = synced_later(env, name, &bills[..1])?;
    sync(&mut client)?;
    let timeout = format!(
        "SET cur_fdw.swap_lock_timeout = '{}ms'",
        PATIENCE.as_millis()
    );
    client.batch_execute(&timeout)?;
    let stop = AtomicBool::new(false);
    let looping = env.cluster.client(name)?;
    let (answers, slowest) = std::thread::scope(|scope| -> Result<_> {
        let reader = scope.spawn(|| read_on(looping, &stop));
        let ends = SetOnDrop(&stop);
        let swapped = (1..=rounds).try_for_each(|round| {
            restate_beside_a_snapshot(
                env,
                name,
                &mut client,
                [&bills[(round - 1) % 2], &bills[round % 2]],
            )
        });
        drop(ends);
        let read = reader.join().expect("the reader does not panic");
        swapped.and(read)
    })?;
    // Every delivery after the other, from the first on, and nothing between them.
    let expected: Vec<String> = (0..=rounds)
        .map(|round| said_of(&bills[round % 2]))
        .collect();
    assert_eq!(answers, expected);
    assert!(slowest < PATIENCE + SLACK, "a read took {slowest:?}");
    if soaking() {
        println!("{rounds} swaps, the slowest read took {slowest:?}");
    }
    Ok(())
}

/// Delivers the second bill in the place of the first, while a transaction holds on to that.
fn restate_beside_a_snapshot(
    env: &Env,
    name: &str,
    client: &mut Client,
    [old, new]: [&MonthBill; 2],
) -> Result<()> {
    let mut holder = env.cluster.client(name)?;
    let mut snapshot = holder
        .build_transaction()
        .isolation_level(IsolationLevel::RepeatableRead)
        .start()?;
    assert_eq!(
        snapshot.query_one(READ, &[])?.get::<_, String>(0),
        said_of(old)
    );
    upload(env, name, new)?;
    sync(client)?;
    let staged = "SELECT count(*)::text FROM cost_analytics.manifests WHERE state = 'staged'";
    assert_eq!(value(client, staged)?, "1");
    assert_eq!(
        snapshot.query_one(READ, &[])?.get::<_, String>(0),
        said_of(old)
    );
    snapshot.commit()?;
    let mark = env.gateway.mark()?;
    // A reader of the loop may hold the table for all the time a swap waits, though hardly twice.
    for _ in 0..3 {
        sync(client)?;
    }
    let requests = env.gateway.requests_since(mark)?;
    let data: Vec<_> = requests
        .iter()
        .filter(|r| r.path.ends_with(".parquet"))
        .collect();
    assert!(data.is_empty(), "downloaded again: {data:?}");
    assert_eq!(value(client, READ)?, said_of(new));
    // So that the loop has seen it, too.
    std::thread::sleep(Duration::from_millis(50));
    Ok(())
}

fn a_forced_load_of_the_same_delivery_changes_no_row(env: &Env) -> Result<()> {
    let bills = press().all();
    let mut client = synced_later(env, "swap-forced", &bills)?;
    sync(&mut client)?;
    let contents = "SELECT concat_ws(' ', \
          (SELECT md5(string_agg(row, E'\\n' ORDER BY row)) FROM \
            (SELECT (to_jsonb(r) - 'sync_timestamp')::text AS row FROM cost_analytics.raw_press r) x), \
          (SELECT md5(string_agg(row, E'\\n' ORDER BY row)) FROM \
            (SELECT (to_jsonb(c) - 'sync_timestamp')::text AS row FROM cost_analytics.costs c) x), \
          (SELECT string_agg(inhrelid::regclass::text, ' ' ORDER BY inhrelid::regclass::text) \
             FROM pg_inherits WHERE inhparent = 'cost_analytics.raw_press'::regclass), \
          (SELECT string_agg(concat_ws(' ', id, state, rows, unblended, in_raw, in_costs), ', ' ORDER BY id) \
             FROM cost_analytics.manifests))";
    let before = value(&mut client, contents)?;
    let leaves = "SELECT string_agg(oid::text, ' ' ORDER BY oid) FROM pg_class WHERE relname ~ '^raw_press_'";
    let first = value(&mut client, leaves)?;
    client.batch_execute("CALL cost_analytics.cost_sync(force => true)")?;
    assert_ne!(
        value(&mut client, leaves)?,
        first,
        "nothing was loaded again"
    );
    assert_eq!(value(&mut client, contents)?, before);
    assert_bills(&mut client, &bills)
}

/// As a report leaves it that once kept its versions, each in a folder of its own.
fn a_second_version_under_the_prefix_is_not_read(env: &Env) -> Result<()> {
    let name = "swap-version";
    let bills = press().all();
    let mut client = synced_later(env, name, &bills)?;
    let other = press().month(2025, 11, 1);
    let folder = format!(
        "{}/20251101-20251201/5f3c1d0e-0000-4000-8000-000000000001",
        fixture::PRESS
    );
    for file in &other.files {
        let file_name = file.key.rsplit('/').next().unwrap_or_default();
        env.gateway
            .put(name, &format!("{folder}/{file_name}"), file.bytes.clone())?;
    }
    assert!(env.gateway.list(name, &folder)?.len() >= 3);
    let mark = env.gateway.mark()?;
    sync(&mut client)?;
    assert_bills(&mut client, &bills)?;
    let requests = env.gateway.requests_since(mark)?;
    let read: Vec<_> = requests
        .iter()
        .filter(|r| r.path.contains(&folder))
        .collect();
    assert!(read.is_empty(), "{read:?}");
    Ok(())
}

fn nothing_new_over_three_sources_takes_three_listings_and_a_second(env: &Env) -> Result<()> {
    let name = "swap-idle";
    let months = if soaking() { 36 } else { 4 };
    fixture::empty_bucket(env, name)?;
    let mut client = env.database_with_extension(name)?;
    fixture::connect(&mut client, env, name)?;
    // Two reports alike, and one of another shape.
    for (prefix, of) in [
        ("one", Report::ca()),
        ("two", Report::ca()),
        ("three", press()),
    ] {
        let report = Report {
            prefix: prefix.to_owned(),
            first: (2023, 1),
            months,
            rows_per_month: 30,
            rows_per_file: 20,
            ..of
        };
        for bill in report.all() {
            upload(env, name, &bill)?;
        }
        let add = "SELECT cost_analytics.cost_add_source($1, 'bills', $1)";
        client.execute(add, &[&prefix])?;
    }
    let began = Instant::now();
    sync(&mut client)?;
    let first = began.elapsed();
    let loaded = "SELECT count(*)::text FROM cost_analytics.manifests WHERE state = 'loaded'";
    assert_eq!(value(&mut client, loaded)?, (3 * months).to_string());

    // A new session, for nothing it has cached may be what saves the requests.
    let mut client = env.cluster.client(name)?;
    let mark = env.gateway.mark()?;
    let began = Instant::now();
    sync(&mut client)?;
    let took = began.elapsed();
    let requests = env.gateway.requests_since(mark)?;
    assert_eq!(requests.len(), 3, "{requests:?}");
    let listings = requests.iter().all(|r| r.query.contains("list-type=2"));
    assert!(listings, "{requests:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
    if soaking() {
        println!("3 sources x {months} months: {took:?} for nothing new, {first:?} for everything");
    }
    Ok(())
}
