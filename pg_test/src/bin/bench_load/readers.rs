//! How long a dashboard's query takes while a month is being loaded.

use pg_test::Result;
use pg_test::postgres::Cluster;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::DATABASE;

const QUERY: &str = "SELECT service, sum(cost) FROM cost_analytics.costs GROUP BY 1";
const BEFORE: Duration = Duration::from_secs(10);
/// A dashboard asks, it does not hammer.
const PAUSE: Duration = Duration::from_millis(20);

/// Asks before a load, twice to show the noise, and during one.
pub fn measure(cluster: &Cluster) -> Result<()> {
    let sync = "CALL cost_analytics.cost_sync(force => true)";
    cluster.client(DATABASE)?.batch_execute(sync)?;
    cluster
        .client(DATABASE)?
        .batch_execute("VACUUM ANALYZE cost_analytics.costs_daily")?;
    let first = for_a_while(cluster)?;
    let second = for_a_while(cluster)?;
    let stop = AtomicBool::new(false);
    let during = std::thread::scope(|scope| -> Result<Vec<f64>> {
        let reader = scope.spawn(|| ask(cluster, || stop.load(Ordering::Relaxed)));
        let loaded = cluster.client(DATABASE)?.batch_execute(sync);
        stop.store(true, Ordering::Relaxed);
        loaded?;
        reader.join().map_err(|_| "the reader panicked")?
    })?;
    let base = percentile(&first, 0.5);
    println!("| {QUERY} | queries | median, ms | 95 %, ms | longest, ms | median / before |");
    println!("|---|---|---|---|---|---|");
    for (when, times) in [
        ("before", &first),
        ("before, again", &second),
        ("during a load", &during),
    ] {
        println!(
            "| {when} | {} | {:.2} | {:.2} | {:.2} | {:.2} |",
            times.len(),
            percentile(times, 0.5),
            percentile(times, 0.95),
            percentile(times, 1.0),
            percentile(times, 0.5) / base,
        );
    }
    Ok(())
}

fn for_a_while(cluster: &Cluster) -> Result<Vec<f64>> {
    let started = Instant::now();
    ask(cluster, || started.elapsed() > BEFORE)
}

/// The times of the query in milliseconds, sorted.
fn ask(cluster: &Cluster, stop: impl Fn() -> bool) -> Result<Vec<f64>> {
    let mut client = cluster.client(DATABASE)?;
    let mut times = Vec::new();
    while !stop() {
        let started = Instant::now();
        client.simple_query(QUERY)?;
        times.push(started.elapsed().as_secs_f64() * 1000.0);
        std::thread::sleep(PAUSE);
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

fn percentile(sorted: &[f64], part: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted
        .get((last as f64 * part) as usize)
        .copied()
        .unwrap_or_default()
}
