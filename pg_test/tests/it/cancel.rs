//! A query that waits for the store can be stopped at every moment, and leaves nothing behind.

use crate::ask::value;
use crate::env::{Env, Test, soaking, tests};
use crate::fixture;
use pg_test::Result;
use pg_test::backend::{Allowance, Footprint};
use pg_test::bills::{MonthBill, Report, Width};
use pg_test::fault::{Fault, Proxy};
use postgres::Client;
use postgres::error::SqlState;
use std::time::{Duration, Instant};

pub const TESTS: &[Test] = tests![
    every_moment_can_be_cancelled_and_leaves_nothing,
    a_backend_that_waits_can_be_terminated,
];

const NAME: &str = "cancel";

/// What a cancel may take, from the call to the ERROR.
const LIMIT: Duration = Duration::from_secs(1);

/// What a query gets in the rounds that use `statement_timeout`: longer than it takes to stall.
const TIMEOUT: Duration = Duration::from_millis(400);

/// When a query is expected to have come to the response that is held.
const STALLED_WITHIN: Duration = Duration::from_secs(10);

/// Connections' buffers and allocators find their size in the first rounds.
const ALLOWANCE: Allowance = Allowance {
    memory_kb: 24 << 10,
    contexts_kb: 256,
};

/// A moment at which a query waits for the store.
struct Moment {
    name: &'static str,
    /// Run while everything works.
    before: &'static str,
    /// The response that is held.
    held: Held,
    /// What is then run and stopped.
    stopped: &'static str,
    /// Whether the statement catches the cancel itself.
    caught: bool,
    /// Brings the session back.
    after: &'static str,
}

/// Which response the proxy holds. Each is larger than those that come before it.
#[derive(Clone, Copy, Debug)]
enum Held {
    /// The first, before its first byte.
    Nothing,
    /// The first, in its body.
    First,
    /// The manifest's body.
    Manifest,
    /// A file's footer.
    Footer,
    /// A file's pages.
    Pages,
}

const READ: &str = "SELECT sum(line_item_unblended_cost) FROM t";
const GROUPS: &str =
    "SELECT line_item_product_code, sum(line_item_unblended_cost) FROM t GROUP BY 1";

const fn plain(name: &'static str, held: Held, stopped: &'static str) -> Moment {
    Moment {
        name,
        before: "",
        held,
        stopped,
        caught: false,
        after: "",
    }
}

const MOMENTS: &[Moment] = &[
    plain("no answer", Held::Nothing, READ),
    plain("listing", Held::First, READ),
    plain("manifest", Held::Manifest, READ),
    plain("footer", Held::Footer, READ),
    plain("pages", Held::Pages, "SELECT * FROM t"),
    plain("aggregate", Held::Footer, GROUPS),
    plain(
        "sorted",
        Held::Pages,
        "SELECT * FROM t ORDER BY line_item_unblended_cost",
    ),
    plain("EXPLAIN", Held::Manifest, "EXPLAIN SELECT * FROM t"),
    plain(
        "discovery",
        Held::First,
        "SELECT * FROM cost_analytics.cost_discover('bills')",
    ),
    plain(
        "import",
        Held::Footer,
        "IMPORT FOREIGN SCHEMA \"cup/CUP-Cost-Usage-Report\" FROM SERVER bills INTO imported",
    ),
    plain(
        "rescan",
        Held::Pages,
        "SELECT g, l.* FROM generate_series(1, 3) g, LATERAL (SELECT * FROM t OFFSET g) l",
    ),
    Moment {
        name: "running scan",
        before: "BEGIN; DECLARE c CURSOR FOR SELECT * FROM t; FETCH 100 FROM c",
        held: Held::First,
        stopped: "FETCH ALL FROM c",
        caught: false,
        after: "ROLLBACK",
    },
    Moment {
        name: "running scan in a subtransaction",
        before: "BEGIN; DECLARE c CURSOR FOR SELECT * FROM t; FETCH 100 FROM c; SAVEPOINT s",
        held: Held::First,
        stopped: "FETCH ALL FROM c",
        caught: false,
        after: "ROLLBACK TO s; SELECT sum(line_item_unblended_cost) FROM t; COMMIT",
    },
    Moment {
        name: "savepoint",
        before: "BEGIN; SAVEPOINT s",
        held: Held::Footer,
        stopped: READ,
        caught: false,
        after: "ROLLBACK TO s; SELECT sum(line_item_unblended_cost) FROM t; COMMIT",
    },
    Moment {
        name: "exception block",
        before: "BEGIN",
        held: Held::Manifest,
        stopped: "DO $$ BEGIN PERFORM sum(line_item_unblended_cost) FROM t; \
                  RAISE 'not stopped'; EXCEPTION WHEN query_canceled THEN NULL; END $$",
        caught: true,
        after: "SELECT sum(line_item_unblended_cost) FROM t; COMMIT",
    },
];

/// The servers and sessions of these tests.
struct Bench {
    proxy: Proxy,
    client: Client,
    /// Another session, which cancels.
    other: Client,
    pid: i32,
    /// What [`READ`] says, to the digits that do not depend on the order of adding.
    answer: String,
    /// Bytes of the listing, the manifest and a footer's read.
    sizes: [usize; 3],
    /// How often a footer was held.
    stops: usize,
}

/// Many files, each of several batches: a scan that has begun has not read all of them.
fn bill() -> MonthBill {
    let report = Report {
        months: 1,
        rows_per_month: 24_000,
        rows_per_file: 3_000,
        columns: Width::Wide,
        ..fixture::press()
    };
    report.month(2025, 9, 0)
}

impl Bench {
    fn new(env: &Env, name: &str) -> Result<Self> {
        let bill = bill();
        fixture::empty_bucket(env, name)?;
        fixture::upload(env, name, &bill)?;
        let proxy = Proxy::start(&env.gateway.endpoint())?;
        let mut client = env.database_with_extension(name)?;
        fixture::connect_through(&mut client, env, name, &proxy.endpoint())?;
        fixture::import_press(&mut client)?;
        client.batch_execute("CREATE SCHEMA imported")?;
        let mark = env.gateway.mark()?;
        let answer = read(&mut client)?;
        let requests = env.gateway.requests_since(mark)?;
        let largest = |is: &dyn Fn(&str) -> bool| -> Result<usize> {
            let bytes = requests.iter().filter(|r| is(&r.path)).map(|r| r.bytes);
            Ok(usize::try_from(bytes.max().ok_or("every part is read")?)?)
        };
        let bucket = format!("/{name}");
        let sizes = [
            largest(&|path| path.trim_end_matches('/') == bucket)?,
            largest(&|path| path.ends_with(".json"))?,
            64 * 1024, // what the engine asks for
        ];
        let pid = client.query_one("SELECT pg_backend_pid()", &[])?.get(0);
        Ok(Bench {
            other: env.cluster.client(name)?,
            proxy,
            client,
            pid,
            answer,
            sizes,
            stops: 0,
        })
    }

    fn fault(&self, held: Held) -> Fault {
        let [listing, manifest, footer] = self.sizes;
        assert!(listing < manifest && manifest < footer, "{:?}", self.sizes);
        match held {
            Held::Nothing => Fault::Silent,
            Held::First => Fault::StallAfter(10),
            Held::Manifest => Fault::StallAfter(listing + 10),
            Held::Footer => Fault::StallAfter(manifest + 10),
            Held::Pages => Fault::StallAfter(footer + 10),
        }
    }

    /// Lets a query stall at its moment and stops it there, by a cancel or by a timeout.
    fn stop(&mut self, moment: &Moment, by_timeout: bool) -> Result<()> {
        let at = format!("{}, by timeout: {by_timeout}", moment.name);
        let timeout = if by_timeout { TIMEOUT } else { Duration::ZERO };
        let timeout = format!("SET statement_timeout = {}", timeout.as_millis());
        if matches!(moment.held, Held::Footer) {
            // A server that changed has another client, which has read no footer yet.
            self.stops += 1;
            let anew = format!("ALTER SERVER bills VERSION '{}'", self.stops);
            self.client.batch_execute(&anew)?;
        }
        self.client.batch_execute(moment.before)?;
        self.client.batch_execute(&timeout)?;
        self.proxy.set(self.fault(moment.held));
        let began = Instant::now();
        let (result, took) = std::thread::scope(|scope| -> Result<_> {
            let client = &mut self.client;
            let query = scope.spawn(|| {
                let result = client.simple_query(moment.stopped);
                (result, Instant::now())
            });
            let stalled = self.proxy.wait_stalled(true, STALLED_WITHIN);
            let asked = if by_timeout {
                began + TIMEOUT
            } else {
                // Threads that read ahead may stall before the statement begins, and a cancel
                // between two statements stops neither.
                let active = "SELECT state = 'active' FROM pg_stat_activity WHERE pid = $1";
                while !self
                    .other
                    .query_one(active, &[&self.pid])?
                    .get::<_, bool>(0)
                    && !query.is_finished()
                {
                    std::thread::sleep(Duration::from_millis(1));
                }
                let cancel = "SELECT pg_cancel_backend($1)";
                self.other.query_one(cancel, &[&self.pid])?;
                Instant::now()
            };
            let (result, ended) = query.join().expect("the query does not panic");
            assert!(stalled, "{at}: nothing was held; {result:?}");
            Ok((result, ended.saturating_duration_since(asked)))
        })?;
        self.proxy.set(Fault::Pass);
        assert!(took < LIMIT, "{at}: it took {took:?}");
        match result {
            Ok(_) => assert!(moment.caught, "{at}: it was not stopped"),
            Err(error) => assert_eq!(
                error.code(),
                Some(&SqlState::QUERY_CANCELED),
                "{at}: {error}"
            ),
        }
        // Only the statement was stopped: what comes next works, in the same transaction too.
        if moment.after.starts_with("ROLLBACK") {
            let (first, rest) = moment.after.split_once(';').unwrap_or((moment.after, ""));
            self.client.batch_execute(first)?;
            self.client
                .batch_execute("SET LOCAL statement_timeout = 0")?;
            self.client.batch_execute(rest)?;
        } else {
            self.client.batch_execute("SET statement_timeout = 0")?;
            self.client.batch_execute(moment.after)?;
        }
        self.client.batch_execute("SET statement_timeout = 0")?;
        assert_eq!(read(&mut self.client)?, self.answer, "{at}");
        Ok(())
    }

    fn round(&mut self, by_timeout: bool) -> Result<usize> {
        for moment in MOMENTS {
            self.stop(moment, by_timeout)
                .map_err(|error| format!("{}: {error:?}", moment.name))?;
        }
        Ok(MOMENTS.len())
    }
}

fn read(client: &mut Client) -> Result<String> {
    value(
        client,
        &format!("SELECT round(x.sum::numeric, 4) FROM ({READ}) x"),
    )
}

fn every_moment_can_be_cancelled_and_leaves_nothing(env: &Env) -> Result<()> {
    let mut bench = Bench::new(env, NAME)?;
    let (warm_up, times) = if soaking() { (150, 1000) } else { (1, 30) };
    let mut done = 0;
    while done < warm_up {
        done += bench.round(done % 2 == 0)?;
    }
    let before = Footprint::of(&mut bench.client)?;
    let began = Instant::now();
    let mut done = 0;
    let mut rounds = 0;
    while done < times {
        done += bench.round(rounds % 2 == 1)?;
        rounds += 1;
    }
    let took = began.elapsed();
    let after = before.assert_not_grown(&mut bench.client, ALLOWANCE)?;
    if soaking() {
        println!("{done} stopped in {took:?}\n{before:?}\n{after:?}");
    }
    Ok(())
}

fn a_backend_that_waits_can_be_terminated(env: &Env) -> Result<()> {
    let mut bench = Bench::new(env, "cancel-end")?;
    bench.proxy.set(Fault::StallAfter(10));
    let proxy = &bench.proxy;
    let (client, other, pid) = (&mut bench.client, &mut bench.other, bench.pid);
    let took = std::thread::scope(|scope| -> Result<Duration> {
        let query = scope.spawn(|| client.simple_query(READ).map(drop));
        assert!(proxy.wait_stalled(true, STALLED_WITHIN));
        let asked = Instant::now();
        other.query_one("SELECT pg_terminate_backend($1)", &[&pid])?;
        let ended = query.join().expect("the query does not panic");
        let code = ended.expect_err("it was terminated").code().cloned();
        assert_eq!(code, Some(SqlState::ADMIN_SHUTDOWN));
        let here = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1";
        while other.query_one(here, &[&pid])?.get::<_, i64>(0) > 0 {
            assert!(asked.elapsed() < LIMIT, "the backend stays");
        }
        Ok(asked.elapsed())
    })?;
    assert!(took < LIMIT, "{took:?}");
    Ok(())
}
