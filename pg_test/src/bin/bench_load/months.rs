//! Months with their rows, one after the other and side by side.

use pg_test::Result;
use pg_test::bench::{median, timed};
use pg_test::postgres::Cluster;

use crate::DATABASE;
use crate::options::Options;

/// Every month anew, in turn.
pub fn measure(cluster: &Cluster, options: &Options) -> Result<()> {
    let workers = options.workers.unwrap_or(2);
    let mut client = cluster.client(DATABASE)?;
    let mut took = [Vec::new(), Vec::new()];
    for round in 0..=options.rounds {
        for (took, workers) in took.iter_mut().zip([1, workers]) {
            client.batch_execute("CHECKPOINT")?;
            client.batch_execute(&format!("SET cur_fdw.sync_workers = {workers}"))?;
            let sync = timed(&mut client, "CALL cost_analytics.cost_sync(force => true)")?;
            println!("{workers} side by side: {sync:.2} s");
            // The first warms up.
            if round > 0 {
                took.push(sync);
            }
        }
    }
    let [one, beside] = took.map(median);
    println!(
        "\nmedians of {}: one after the other {one:.2} s, {workers} side by side {beside:.2} s ({:.2})",
        options.rounds,
        beside / one
    );
    Ok(())
}
