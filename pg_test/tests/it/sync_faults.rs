//! `cost_sync()` struck at random moments: every month stays whole, and the next call repairs all.
//!
//! `cargo soak-sync` strikes 50 times with each fault, `cargo verify` twice.

use crate::ask::value;
use crate::env::{Env, Test, number, skip, soaking, tests};
use crate::fixture::{self, LATE, period, press, sync, synced_later, upload, wait_for};
use crate::sync::assert_bills;
use pg_test::Result;
use pg_test::bills::rng::Rng;
use pg_test::bills::{MonthBill, Report};
use pg_test::fault::{Fault, Proxy};
use pg_test::postgres::Mode;
use pg_test::process::{self, User};
use postgres::Client;
use postgres::error::SqlState;
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

pub const TESTS: &[Test] = tests![
    a_killed_backend_leaves_no_half_month,
    a_stalled_download_can_be_cancelled,
    a_killed_backend_leaves_whole_months,
    an_immediate_stop_leaves_whole_months,
    a_store_that_goes_away_leaves_whole_months,
    a_store_that_denies_leaves_whole_months,
    a_truncated_body_leaves_whole_months,
    a_reset_connection_leaves_whole_months,
    a_delivery_during_the_load_leaves_whole_months,
    a_delivery_seen_half_is_replaced_by_the_next_call,
    a_full_disk_leaves_whole_months,
    a_lock_timeout_leaves_whole_months,
    a_cancel_leaves_whole_months,
    a_statement_timeout_leaves_whole_months,
    two_syncs_at_once_leave_whole_months,
];

/// How often each fault strikes, unless `CUR_FDW_ROUNDS` says otherwise.
const ROUNDS: (u64, u64) = (50, 2);
/// Deliveries of each month: the one that is loaded, a new one, and one that comes during the load.
const VERSIONS: usize = 3;
const MONTHS: usize = 3;

/// Sessions give up at the first failure, so that it is the fault that ends them.
const NO_RETRIES: &str = "SET cur_fdw.retries = 0";

/// All deliveries, by month and version.
fn deliveries() -> &'static [Vec<MonthBill>] {
    static BILLS: OnceLock<Vec<Vec<MonthBill>>> = OnceLock::new();
    BILLS.get_or_init(|| {
        let report = Report {
            rows_per_month: 400,
            rows_per_file: 150,
            ..press()
        };
        let versions = |month| (0..VERSIONS as u32).map(move |version| (month, version));
        (9..9 + MONTHS as u32)
            .map(|month| {
                let bills = versions(month).map(|(month, n)| report.month(2025, month, n));
                bills.collect()
            })
            .collect()
    })
}

/// What a month says in every place that speaks of it, when it is wholly this delivery.
fn said_of(bill: &MonthBill) -> String {
    let total = format!("{}/{}", bill.totals.rows, bill.totals.unblended);
    [total.as_str(); 4].join(" ")
}

/// A database whose source is struck, and what its bucket holds.
struct Bench<'e> {
    env: &'e Env,
    name: &'static str,
    proxy: Proxy,
    rng: Rng,
    /// The version of each month that a sync finds.
    delivered: [usize; MONTHS],
    /// How long a sync takes that nothing disturbs.
    usual: Duration,
    /// Months that a sync loads side by side.
    workers: u32,
}

impl<'e> Bench<'e> {
    fn new(env: &'e Env, name: &'static str, seed: u64) -> Result<Self> {
        let client = env.database(name)?;
        Self::over(env, name, seed, client)
    }

    /// Over an empty database.
    fn over(env: &'e Env, name: &'static str, seed: u64, mut client: Client) -> Result<Self> {
        fixture::empty_bucket(env, name)?;
        let mut bench = Bench {
            env,
            name,
            proxy: Proxy::start(&env.gateway.endpoint())?,
            rng: Rng::new(seed, &name.bytes().map(u64::from).collect::<Vec<_>>()),
            delivered: [0; MONTHS],
            usual: Duration::ZERO,
            workers: 1,
        };
        bench.deliver(&[0, 1, 2], 0)?;
        client.batch_execute("CREATE EXTENSION cur_fdw")?;
        fixture::connect_through(&mut client, env, name, &bench.proxy.endpoint())?;
        fixture::add_press(&mut client)?;
        sync(&mut client)?;
        // The first one also made everything that the later ones replace.
        bench.deliver(&[0, 1, 2], 1)?;
        let mut client = bench.session()?;
        let began = Instant::now();
        sync(&mut client)?;
        bench.usual = began.elapsed();
        Ok(bench)
    }

    /// Delivers these months in the version that comes `step` after the one that is there.
    fn deliver(&mut self, months: &[usize], step: usize) -> Result<()> {
        for &month in months {
            self.delivered[month] = (self.delivered[month] + step) % VERSIONS;
            let bill = &deliveries()[month][self.delivered[month]];
            upload(self.env, self.name, bill)?;
        }
        Ok(())
    }

    fn session(&self) -> Result<Client> {
        let mut client = self.env.cluster.client(self.name)?;
        client.batch_execute(NO_RETRIES)?;
        client.batch_execute(&format!("SET cur_fdw.sync_workers = {}", self.workers))?;
        Ok(client)
    }

    /// A moment of a sync.
    fn moment(&mut self) -> Duration {
        self.usual * self.rng.below(1000) as u32 / 1000
    }

    /// Some of the months, at least one.
    fn some_months(&mut self) -> Vec<usize> {
        let first = self.rng.below(MONTHS);
        let others = (0..MONTHS).filter(|month| *month == first || self.rng.chance(50));
        others.collect()
    }

    /// Delivers something new, strikes while it is loaded, and checks what is left. Says whether the
    /// sync noticed.
    fn round(&mut self, strike: Strike) -> Result<bool> {
        let mut may_be = self.delivered.map(|version| vec![version]);
        let note = |may_be: &mut [Vec<usize>; MONTHS], delivered: [usize; MONTHS]| {
            let both = may_be.iter_mut().zip(delivered);
            both.for_each(|(versions, version)| versions.push(version));
        };
        self.workers = *self.rng.pick(&[1, 3]);
        let restated = self.some_months();
        self.deliver(&restated, 1)?;
        note(&mut may_be, self.delivered);
        let noticed = strike(self, &restated)?;
        note(&mut may_be, self.delivered);
        self.proxy.set(Fault::Pass);

        self.assert_whole(&may_be)?;
        // As a user would call it, in a session of its own.
        sync(&mut self.env.cluster.client(self.name)?)?;
        self.assert_whole(&self.delivered.map(|version| vec![version]))?;
        let mut client = self.env.cluster.client(self.name)?;
        let unfinished = "SELECT string_agg(concat_ws(' ', billing_period, state), ', ') \
            FROM cost_analytics.manifests WHERE state NOT IN ('loaded', 'superseded')";
        assert_eq!(value(&mut client, unfinished)?, "NULL", "states left over");
        Ok(noticed)
    }

    /// That each month is one of these versions, in all places the same, and nothing is left over.
    fn assert_whole(&self, may_be: &[Vec<usize>; MONTHS]) -> Result<()> {
        let mut client = self.env.cluster.client(self.name)?;
        for (versions, may_be) in deliveries().iter().zip(may_be) {
            let month = period(&versions[0]);
            let of_month = format!("WHERE billing_period = '{month}'");
            // A double's text has all its digits, its numeric has not.
            let said = format!(
                "SELECT concat_ws(' ', \
                   (SELECT concat_ws('/', count(*), trim_scale(sum(line_item_unblended_cost::text::numeric))) \
                      FROM cost_analytics.raw_press {of_month}), \
                   (SELECT concat_ws('/', sum(line_items), trim_scale(sum(cost))) \
                      FROM cost_analytics.costs_daily {of_month}), \
                   (SELECT concat_ws('/', sum(line_items), trim_scale(sum(cost))) \
                      FROM cost_analytics.costs {of_month}), \
                   (SELECT concat_ws('/', rows, trim_scale(unblended)) \
                      FROM cost_analytics.manifests {of_month} AND state = 'loaded'))"
            );
            let said = value(&mut client, &said)?;
            let whole = may_be.iter().map(|&version| said_of(&versions[version]));
            let whole: Vec<String> = whole.collect();
            assert!(whole.contains(&said), "{month}: {said}, not {whole:#?}");
        }
        for (what, query) in LEFTOVERS {
            assert_eq!(value(&mut client, query)?, "NULL", "{what} left over");
        }
        Ok(())
    }
}

const LEFTOVERS: &[(&str, &str)] = &[
    (
        "tables",
        "SELECT string_agg(c.relname, ' ') FROM pg_class c \
          WHERE c.relnamespace = 'cost_analytics'::regnamespace AND c.relname ~ '^raw_press_' \
            AND NOT c.relispartition AND NOT EXISTS (SELECT FROM cost_analytics.manifests m \
              WHERE m.state = 'staged' AND m.staged_table = c.relname)",
    ),
    (
        "staged tables that are gone",
        "SELECT string_agg(concat_ws(' ', state, staged_table), ', ') FROM cost_analytics.manifests \
          WHERE (state = 'staged') <> (to_regclass('cost_analytics.' || staged_table) IS NOT NULL)",
    ),
    (
        "advisory locks",
        "SELECT string_agg(concat_ws(' ', pid, objid), ', ') FROM pg_locks WHERE locktype = 'advisory'",
    ),
    (
        "detached partitions",
        "SELECT string_agg(inhrelid::regclass::text, ' ') FROM pg_inherits WHERE inhdetachpending",
    ),
];

/// Syncs and strikes meanwhile; the months are those that were just restated. Says whether the sync
/// noticed.
type Strike<'s> = &'s dyn Fn(&mut Bench, &[usize]) -> Result<bool>;

/// Names the round when a check in it fails.
struct Round(String);

impl Drop for Round {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.0);
        }
    }
}

/// What the moments follow from.
fn seed() -> Result<u64> {
    number("CUR_FDW_SEED", 1)
}

/// Strikes again and again.
fn rounds(env: &Env, name: &'static str, strike: Strike) -> Result<()> {
    let seed = seed()?;
    strike_often(Bench::new(env, name, seed)?, seed, strike)
}

fn strike_often(mut bench: Bench, seed: u64, strike: Strike) -> Result<()> {
    let (soak, sample) = ROUNDS;
    let rounds = if soaking() { soak } else { sample };
    let rounds = number("CUR_FDW_ROUNDS", rounds)?;
    let began = Instant::now();
    let mut noticed = 0;
    for round in 1..=rounds {
        let told = Round(format!("{}: round {round}, seed {seed}", bench.name));
        noticed += u64::from(
            bench
                .round(strike)
                .map_err(|error| format!("{}: {}", told.0, crate::describe(&*error)))?,
        );
    }
    if soaking() {
        println!(
            "{}: {rounds} strikes, seed {seed}, of which {noticed} were noticed; a sync takes {:?}; {:?} in all",
            bench.name,
            bench.usual,
            began.elapsed()
        );
    }
    // Few strikes may all come too late, many may not.
    assert!(
        rounds < 20 || noticed >= rounds / 5,
        "{noticed} of {rounds} strikes were noticed"
    );
    Ok(())
}

/// Runs a sync and, at the same time, something else, which may ask whether the sync is over.
/// Returns the sync's error.
fn sync_while(
    mut client: Client,
    meanwhile: impl FnOnce(&dyn Fn() -> bool) -> Result<()>,
) -> Result<Option<pg_test::Error>> {
    std::thread::scope(|scope| {
        // The session outlives its sync, for what strikes late finds it still.
        let call = scope.spawn(move || (sync(&mut client).err(), client));
        let done = meanwhile(&|| call.is_finished());
        let (error, _client) = call.join().expect("the thread does not panic");
        done.map(|()| error)
    })
}

fn a_killed_backend_leaves_whole_months(env: &Env) -> Result<()> {
    rounds(env, "faults-kill", &|bench, _| {
        let mut victim = bench.session()?;
        let mut watcher = bench.session()?;
        let pid = value(&mut victim, "SELECT pg_backend_pid()::text")?;
        let moment = bench.moment();
        let error = sync_while(victim, |_| {
            std::thread::sleep(moment);
            process::output(Command::new("kill").args(["-9", &pid]))?;
            // All sessions end before the server recovers; until then it would take new ones.
            wait_for("the end of the other sessions", || {
                Ok(watcher.simple_query("SELECT").is_err())
            })
        })?;
        wait_for("recovery", || Ok(bench.session().is_ok()))?;
        Ok(error.is_some())
    })
}

fn an_immediate_stop_leaves_whole_months(env: &Env) -> Result<()> {
    rounds(env, "faults-stop", &|bench, _| {
        let victim = bench.session()?;
        let moment = bench.moment();
        let cluster = &bench.env.cluster;
        let error = sync_while(victim, |_| {
            std::thread::sleep(moment);
            cluster.stop(Mode::Immediate)
        })?;
        cluster.launch()?;
        Ok(error.is_some())
    })
}

/// Syncs through a proxy that fails from a moment on.
fn through(bench: &mut Bench, fault: Fault) -> Result<bool> {
    let victim = bench.session()?;
    let moment = bench.moment();
    let proxy = &bench.proxy;
    let error = sync_while(victim, |_| {
        std::thread::sleep(moment);
        proxy.set(fault);
        Ok(())
    })?;
    Ok(error.is_some())
}

fn a_store_that_goes_away_leaves_whole_months(env: &Env) -> Result<()> {
    rounds(env, "faults-down", &|bench, _| {
        through(bench, Fault::Refuse)
    })
}

fn a_store_that_denies_leaves_whole_months(env: &Env) -> Result<()> {
    rounds(env, "faults-denied", &|bench, _| {
        let of = *bench.rng.pick(&["list-type", ".json", ".parquet", "GET "]);
        through(bench, Fault::Answer(403, of))
    })
}

/// Bytes of the largest response: some strikes come in every file, some in the larger ones.
fn largest() -> usize {
    let files = deliveries().iter().flatten().flat_map(|bill| &bill.files);
    files.map(|file| file.bytes.len()).max().unwrap_or_default()
}

fn a_truncated_body_leaves_whole_months(env: &Env) -> Result<()> {
    rounds(env, "faults-truncated", &|bench, _| {
        let limit = bench.rng.below(largest());
        through(bench, Fault::TruncateAfter(limit))
    })
}

fn a_reset_connection_leaves_whole_months(env: &Env) -> Result<()> {
    rounds(env, "faults-reset", &|bench, _| {
        let limit = bench.rng.below(largest());
        through(bench, Fault::ResetAfter(limit))
    })
}

/// All files of a month are overwritten under their names while the sync waits for a part of one.
fn a_delivery_during_the_load_leaves_whole_months(env: &Env) -> Result<()> {
    rounds(env, "faults-overwritten", &|bench, restated| {
        let victim = bench.session()?;
        bench
            .proxy
            .set(Fault::StallAfter(bench.rng.below(largest())));
        let error = sync_while(victim, |over| {
            wait_for("a response is held", || Ok(bench.proxy.stalled() || over()))?;
            bench.deliver(restated, 1)?;
            bench.proxy.set(Fault::Pass);
            Ok(())
        })?;
        Ok(error.is_some())
    })
}

/// AWS overwrites the files first and the manifest last. Between the two a load takes what is there.
fn a_delivery_seen_half_is_replaced_by_the_next_call(env: &Env) -> Result<()> {
    let mut bench = Bench::new(env, "faults-half", seed()?)?;
    bench.deliver(&[2], 1)?;
    let next = &deliveries()[2][(bench.delivered[2] + 1) % VERSIONS];
    let first = next
        .files
        .iter()
        .find(|file| file.key.ends_with(".parquet"));
    let first = first.ok_or("a delivery has data")?;
    env.gateway
        .put(bench.name, &first.key, first.bytes.clone())?;
    sync(&mut bench.session()?)?;
    bench.deliver(&[2], 1)?;
    sync(&mut bench.session()?)?;
    bench.assert_whole(&bench.delivered.map(|version| vec![version]))
}

/// What a sync of all months needs of a disk, or a little more, bytes.
const ROOM: usize = 2 << 20;

/// A small disk of its own; unmounted when dropped.
struct Disk(tempfile::TempDir);

impl Disk {
    /// None where nothing may be mounted.
    fn mount() -> Result<Option<Self>> {
        let user = User::for_servers()?;
        let disk = Disk(process::directory("cur_fdw-disk-", user)?);
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"]);
        if let Err(error) = process::output(mount.arg(disk.0.path())) {
            skip(format!("no disk could be mounted to be filled: {error}"));
            return Ok(None);
        }
        process::give(disk.0.path(), user)?;
        Ok(Some(disk))
    }

    /// Leaves so many bytes free.
    fn fill(&self, room: usize) -> Result<()> {
        let mut df = Command::new("df");
        let free = process::output(df.args(["--output=avail", "-B1"]).arg(self.0.path()))?;
        let free: usize = free.lines().last().unwrap_or_default().trim().parse()?;
        Ok(std::fs::write(
            self.filler(),
            vec![0; free.saturating_sub(room)],
        )?)
    }

    fn empty(&self) -> Result<()> {
        Ok(std::fs::remove_file(self.filler())?)
    }

    fn filler(&self) -> std::path::PathBuf {
        self.0.path().join("filler")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Nothing is mounted where mounting failed. Lazily: the server may still look.
        let _ = process::output(Command::new("umount").arg("-l").arg(self.0.path()));
    }
}

/// The whole database is on the disk that is full: the month's table, its costs and the ledger.
fn a_full_disk_leaves_whole_months(env: &Env) -> Result<()> {
    let name = "faults-disk";
    let Some(disk) = Disk::mount()? else {
        return Ok(());
    };
    let mut client = env.cluster.client("postgres")?;
    for statement in [
        format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)"),
        "DROP TABLESPACE IF EXISTS small".to_owned(),
        format!(
            "CREATE TABLESPACE small LOCATION '{}'",
            disk.0.path().display()
        ),
        format!("CREATE DATABASE \"{name}\" TABLESPACE small"),
    ] {
        client.batch_execute(&statement)?;
    }
    let seed = seed()?;
    let bench = Bench::over(env, name, seed, env.cluster.client(name)?)?;
    strike_often(bench, seed, &|bench, _| {
        let victim = bench.session()?;
        disk.fill(bench.rng.below(ROOM))?;
        let error = sync_while(victim, |_| Ok(()))?;
        disk.empty()?;
        Ok(error.is_some())
    })?;
    client.batch_execute(&format!("DROP DATABASE \"{name}\" WITH (FORCE)"))?;
    client.batch_execute("DROP TABLESPACE small")?;
    Ok(())
}

/// Someone holds what the sync needs: the raw table as a reader does, or a table it writes to.
fn a_lock_timeout_leaves_whole_months(env: &Env) -> Result<()> {
    rounds(env, "faults-lock", &|bench, _| {
        let mut victim = bench.session()?;
        let mut holder = bench.session()?;
        victim
            .batch_execute("SET cur_fdw.swap_lock_timeout = '50ms'; SET lock_timeout = '80ms'")?;
        let hold = bench.rng.pick(&[
            "SELECT count(*) FROM cost_analytics.raw_press",
            "LOCK TABLE cost_analytics.costs_daily IN SHARE MODE",
            "LOCK TABLE cost_analytics.manifests IN SHARE MODE",
        ]);
        let moment = bench.moment();
        let error = sync_while(victim, |over| {
            std::thread::sleep(moment);
            holder.batch_execute(&format!("BEGIN; {hold}"))?;
            wait_for("the sync is over", || Ok(over()))
        })?;
        let mut client = bench.session()?;
        let staged =
            "SELECT (count(*) > 0)::text FROM cost_analytics.manifests WHERE state = 'staged'";
        Ok(error.is_some() || value(&mut client, staged)? == "true")
    })
}

fn a_cancel_leaves_whole_months(env: &Env) -> Result<()> {
    rounds(env, "faults-cancel", &|bench, _| {
        let mut victim = bench.session()?;
        let mut other = bench.session()?;
        let pid: i32 = victim.query_one("SELECT pg_backend_pid()", &[])?.get(0);
        let moment = bench.moment();
        let error = sync_while(victim, |_| {
            std::thread::sleep(moment);
            other.query_one("SELECT pg_cancel_backend($1)", &[&pid])?;
            Ok(())
        })?;
        Ok(error.is_some())
    })
}

fn a_statement_timeout_leaves_whole_months(env: &Env) -> Result<()> {
    rounds(env, "faults-timeout", &|bench, _| {
        let mut victim = bench.session()?;
        let timeout = 1 + bench.moment().as_millis();
        victim.batch_execute(&format!("SET statement_timeout = {timeout}"))?;
        Ok(sync_while(victim, |_| Ok(()))?.is_some())
    })
}

/// Of months that neither has loaded yet.
fn two_first_syncs_at_once(env: &Env) -> Result<()> {
    let name = "faults-two-first";
    let bills = press().all();
    let mut client = synced_later(env, name, &bills)?;
    std::thread::scope(|scope| -> Result<()> {
        let mut calls = Vec::new();
        for _ in 0..2 {
            let mut client = env.cluster.client(name)?;
            calls.push(scope.spawn(move || sync(&mut client)));
        }
        // Neither fails: whoever comes second is told so by a notice.
        for call in calls {
            call.join().expect("the thread does not panic")?;
        }
        Ok(())
    })?;
    assert_bills(&mut client, &bills)?;
    sync(&mut client)?;
    assert_bills(&mut client, &bills)
}

/// Neither needs to fail, and neither does.
fn two_syncs_at_once_leave_whole_months(env: &Env) -> Result<()> {
    two_first_syncs_at_once(env)?;
    rounds(env, "faults-two", &|bench, _| {
        let (first, mut second) = (bench.session()?, bench.session()?);
        let moment = bench.moment();
        let mut overlap = false;
        let error = sync_while(first, |over| {
            std::thread::sleep(moment);
            overlap = !over();
            sync(&mut second)
        })?;
        error.map_or(Ok(overlap), Err)
    })
}

const SOON: Duration = Duration::from_secs(1);

/// A month whose load takes long enough to interfere with.
fn large() -> Report {
    Report {
        rows_per_month: 100_000,
        rows_per_file: 25_000,
        months: 1,
        ..Report::press()
    }
}

/// Uploads to a bucket named like the database, which reads it through a proxy.
fn behind_a_proxy(env: &Env, name: &str, bills: &[MonthBill]) -> Result<(Client, Proxy)> {
    fixture::empty_bucket(env, name)?;
    for bill in bills {
        upload(env, name, bill)?;
    }
    let proxy = Proxy::start(&env.gateway.endpoint())?;
    let mut client = env.database_with_extension(name)?;
    fixture::connect_through(&mut client, env, name, &proxy.endpoint())?;
    fixture::add_press(&mut client)?;
    Ok((client, proxy))
}

fn a_killed_backend_leaves_no_half_month(env: &Env) -> Result<()> {
    let name = "sync-killed";
    let bills = [press().month(2025, 10, 0), large().month(2025, 11, 0)];
    let (client, proxy) = behind_a_proxy(env, name, &bills)?;
    drop(client);
    let copied = |rows: u64| {
        format!("SELECT coalesce(max(tuples_processed), 0) > {rows} FROM pg_stat_progress_copy")
    };
    let loading = "SELECT count(*) > 0 FROM cost_analytics.manifests WHERE state = 'loading'";
    let moments = [
        (Fault::StallAfter(300_000), None),
        (Fault::Pass, Some(loading.to_owned())),
        (Fault::Pass, Some(copied(0))),
        (Fault::Pass, Some(copied(60_000))),
    ];
    for (fault, moment) in moments {
        let mut victim = env.cluster.client(name)?;
        let mut watcher = env.cluster.client(name)?;
        let pid = value(&mut victim, "SELECT pg_backend_pid()::text")?;
        proxy.set(fault);
        std::thread::scope(|scope| -> Result<()> {
            let call = scope.spawn(move || sync(&mut victim).is_err());
            match &moment {
                None => assert!(proxy.wait_stalled(true, LATE)),
                Some(moment) => wait_for(moment, || {
                    Ok(watcher.query_one(moment, &[])?.get::<_, bool>(0))
                })?,
            }
            let killed = Command::new("kill").args(["-9", &pid]).status()?;
            assert!(killed.success());
            assert!(
                call.join().expect("the thread does not panic"),
                "killed too late: {moment:?}"
            );
            Ok(())
        })?;
        proxy.set(Fault::Pass);
        // All sessions end before the server recovers; until then it would still take new ones.
        wait_for("the end of the other sessions", || {
            Ok(watcher.simple_query("SELECT").is_err())
        })?;
        wait_for("recovery", || Ok(env.cluster.client(name).is_ok()))?;
        let half = value(
            &mut env.cluster.client(name)?,
            "SELECT (SELECT count(*) FROM cost_analytics.raw_press)::text",
        )?;
        assert_eq!(half, "0", "the first month was not complete: {moment:?}");
    }
    let mut client = env.cluster.client(name)?;
    sync(&mut client)?;
    assert_bills(&mut client, &bills)
}

fn a_stalled_download_can_be_cancelled(env: &Env) -> Result<()> {
    let name = "sync-cancel";
    let report = Report {
        rows_per_month: 20_000,
        rows_per_file: 20_000,
        months: 1,
        ..Report::press()
    };
    let bills = [report.month(2025, 11, 0)];
    let (mut client, proxy) = behind_a_proxy(env, name, &bills)?;
    // In a listing, and in a data file.
    for limit in [50, 100_000] {
        proxy.set(Fault::StallAfter(limit));
        client.batch_execute("SET statement_timeout = '200ms'")?;
        let began = Instant::now();
        let error = client
            .batch_execute("CREATE TEMP TABLE never AS SELECT * FROM cost_analytics.press")
            .expect_err("it stalls");
        let took = began.elapsed();
        assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED), "{error:?}");
        assert!(took < SOON + Duration::from_millis(200), "took {took:?}");
        proxy.set(Fault::Pass);
        client.batch_execute("SET statement_timeout = 0")?;
        let count = "SELECT count(*)::text FROM cost_analytics.press";
        assert_eq!(value(&mut client, count)?, bills[0].totals.rows.to_string());
    }

    let pid = value(&mut client, "SELECT pg_backend_pid()::text")?;
    let mut canceller = env.cluster.client(name)?;
    proxy.set(Fault::StallAfter(100_000));
    let (mut client, error, took) = std::thread::scope(|scope| -> Result<_> {
        let call = scope.spawn(move || {
            let result = client.batch_execute("CALL cost_analytics.cost_sync()");
            (client, result, Instant::now())
        });
        assert!(proxy.wait_stalled(true, LATE));
        std::thread::sleep(Duration::from_millis(100));
        let signalled = Instant::now();
        canceller.query_one(&format!("SELECT pg_cancel_backend({pid})"), &[])?;
        let (client, result, ended) = call.join().expect("the thread does not panic");
        let error = result.expect_err("it was cancelled");
        Ok((client, error, ended.duration_since(signalled)))
    })?;
    assert_eq!(error.code(), Some(&SqlState::QUERY_CANCELED), "{error:?}");
    assert!(took < SOON, "took {took:?}");
    proxy.set(Fault::Pass);
    sync(&mut client)?;
    assert_bills(&mut client, &bills)
}
