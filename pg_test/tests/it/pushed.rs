//! Queries that once went wrong because a part of them runs in the engine: each gives the same with
//! and without pushdown.

use crate::ask::rows;
use crate::env::{Env, Test, tests};
use crate::fixture::{self, press};
use pg_test::Result;
use postgres::Client;

pub const TESTS: &[Test] = tests![answers_that_once_differed_are_the_same];

/// Where `m` is a table of months, and `t` the bill.
const QUERIES: &[&str] = &[
    // A parameter in a condition on the path has no plan yet when the condition is spelled.
    "SELECT count(*) FROM t WHERE billing_period = (SELECT max(month) FROM m)",
    "SELECT m.month, (SELECT count(*) FROM t WHERE t.billing_period = m.month) FROM m ORDER BY 1",
    // Pulled up from under an outer join, the condition is wrapped by the planner.
    "SELECT count(*) FROM m LEFT JOIN (SELECT billing_period, concat(year, '-', month) AS named \
       FROM t) s ON s.billing_period = m.month WHERE s.named = '2025-10'",
    "SELECT count(*) FROM m LEFT JOIN (SELECT billing_period, coalesce(year, month) AS named \
       FROM t) s ON s.billing_period = m.month WHERE s.named = '2025'",
    // No memory is set aside for rows that there are not.
    "SELECT line_item_usage_start_date FROM t GROUP BY 1 ORDER BY 1 LIMIT 1000000000",
    "SELECT min(line_item_usage_start_date), line_item_usage_end_date FROM t GROUP BY 2 ORDER BY 1, 2 \
       LIMIT 1000000000",
    "SELECT DISTINCT line_item_usage_start_date FROM t ORDER BY 1 LIMIT 1000000000 OFFSET 3",
    "SELECT count(*) FROM (SELECT 1 FROM t LIMIT 9223372036854775807 OFFSET 1) x",
    // Computed as bigint, but of the type it was cast to.
    "SELECT max(extract(day FROM line_item_usage_start_date)::int) FROM t",
    "SELECT extract(dow FROM line_item_usage_start_date)::int, count(*) FROM t GROUP BY 1 ORDER BY 1",
    // Nothing that no row needs is evaluated.
    "SELECT count(*) FROM t WHERE CASE WHEN line_item_unblended_cost IS NOT NULL \
       OR line_item_unblended_cost IS NULL THEN true \
       ELSE line_item_unblended_cost > 1 / (SELECT min(zero) FROM m) END",
    // Postgres puts constants among the keys into the rows; without rows there is no group of one.
    "SELECT 'aws'::text, NULL::int, billing_period, count(*) FROM t GROUP BY 1, 2, 3 ORDER BY 3",
    "SELECT 'aws'::text, count(*) FROM t GROUP BY 1",
    "SELECT count(*) FROM (SELECT 'aws'::text FROM t WHERE line_item_unblended_cost = 'NaN' GROUP BY 1) x \
       RIGHT JOIN m ON true",
    "SELECT DISTINCT 'aws'::text, billing_period FROM t ORDER BY 2",
    "SELECT 'aws'::text AS cloud, year, count(*) FROM t GROUP BY 1, 2 HAVING count(*) > 1 ORDER BY 1, 2",
    // Exact sums sort as numbers, though they come as texts.
    "SELECT line_item_product_code, cost_analytics.exact_sum(line_item_unblended_cost) FROM t GROUP BY 1 \
       ORDER BY 2 DESC, 1 LIMIT 5",
    "SELECT cost_analytics.exact_sum(line_item_unblended_cost) FROM t",
    "SELECT cost_analytics.exact_sum(line_item_unblended_cost) FILTER (WHERE year = '1') FROM t",
    "SELECT billing_period, cost_analytics.exact_sum(CASE WHEN line_item_line_item_type = 'Tax' THEN NULL \
       ELSE line_item_unblended_cost END) - coalesce(cost_analytics.exact_sum(line_item_blended_cost), 0) \
       FROM t GROUP BY 1 ORDER BY 1",
    "SELECT cost_analytics.zone_region(line_item_availability_zone), count(*) FROM t GROUP BY 1 ORDER BY 1",
    // Not 0.
    "SELECT sum(CASE WHEN line_item_unblended_cost IS NULL THEN '-0'::float8 ELSE '-0' END) FROM t",
];

fn answers_that_once_differed_are_the_same(env: &Env) -> Result<()> {
    let mut client = database(env, "pushed")?;
    for query in QUERIES {
        client.batch_execute("SET cur_fdw.enable_pushdown = off")?;
        let truth = rows(&mut client, query)?;
        client.batch_execute("SET cur_fdw.enable_pushdown = on")?;
        assert_eq!(rows(&mut client, query)?, truth, "{query}");
        assert!(!truth.is_empty(), "{query}");
        rows(&mut client, &format!("EXPLAIN (VERBOSE) {query}"))?;
        rows(&mut client, &format!("EXPLAIN (ANALYZE) {query}"))?;
    }
    Ok(())
}

fn database(env: &Env, name: &str) -> Result<Client> {
    fixture::empty_bucket(env, name)?;
    for bill in press().all() {
        fixture::upload(env, name, &bill)?;
    }
    let mut client = env.database_with_extension(name)?;
    fixture::connect(&mut client, env, name)?;
    fixture::import_press(&mut client)?;
    client.batch_execute(
        "CREATE TABLE m AS SELECT DISTINCT billing_period AS month, 0 AS zero FROM t",
    )?;
    Ok(client)
}
