//! What bills mean: every cost, kind of charge, tag and resource, of every dialect.

pub mod focus;
mod meaning;
pub mod quantities;
mod random;

use crate::ask::value;
use crate::env::{Env, Test, tests};
use crate::fixture::{connect, empty_bucket, press, sync, synced_later, upload};
use crate::real;
use crate::refusals::refused;
use crate::sync::assert_bills;
use meaning::{Amounts, decimal};
use pg_test::Result;
use pg_test::bills::samples;
use postgres::Client;
use postgres::error::SqlState;
use random::Bill;
use std::collections::BTreeMap;

pub const TESTS: &[Test] = tests![
    random_bills_of_every_dialect_mean_what_an_oracle_says,
    real_months_amortize_as_published,
    every_generated_bill_amortizes_to_what_was_paid,
    the_query_runs_where_the_bill_lies_and_says_the_same,
    facts_sum_to_costs_in_every_amount,
    usage_is_counted_once_under_savings_plans,
    resources_are_first_and_last_seen_after_restatements_too,
    tags_are_one_document_whatever_the_export,
    an_actual_and_an_amortized_export_are_never_summed_twice,
    a_savings_plan_is_told_by_its_pricing_model,
    tax_and_credits_have_no_pricing_category,
    a_focus_bill_is_its_providers_whose_support_is_support,
    an_export_that_is_no_bill_is_loaded_and_costs_nothing,
    a_month_in_an_older_dialect_is_checked_against_its_own_costs,
    amounts_in_another_currency_or_an_error,
    focus_has_the_names_and_the_total,
];

fn random_bills_of_every_dialect_mean_what_an_oracle_says(env: &Env) -> Result<()> {
    let mut client = env.database_with_extension("normal-random")?;
    for seed in 0..60 {
        let bill = Bill::draw(seed);
        client.batch_execute(&bill.create())?;
        let found = normalized(&mut client, bill.format)?;
        let expected = bill.meaning();
        if found != expected {
            let query = "SELECT cost_analytics.normalization_sql('bill'::regclass)";
            let missing: Vec<_> = expected
                .iter()
                .filter(|(k, v)| found.get(*k) != Some(v))
                .collect();
            let wrong: Vec<_> = found
                .iter()
                .filter(|(k, v)| expected.get(*k) != Some(v))
                .collect();
            return Err(format!(
                "seed {seed}: expected {missing:#?}\nfound {wrong:#?}\n{}\n{}",
                value(&mut client, query)?,
                bill.create()
            )
            .into());
        }
    }
    Ok(())
}

/// The table `bill` as `costs_daily` would have it.
fn normalized(client: &mut Client, format: Option<&str>) -> Result<BTreeMap<String, Amounts>> {
    let query: String = client
        .query_one(
            "SELECT cost_analytics.normalization_sql('bill'::regclass, $1)",
            &[&format],
        )?
        .get(0);
    let amounts = meaning::AMOUNTS.map(|name| format!("trim_scale(coalesce({name}, 0))::text"));
    let rows = client.query(
        &format!(
            "SELECT concat_ws('|', {}), ARRAY[{}], line_items FROM ({query}) normalized",
            meaning::KEYS
                .map(|key| format!("coalesce({key}::text, '-')"))
                .join(", "),
            amounts.join(", ")
        ),
        &[],
    )?;
    let mut found: BTreeMap<String, Amounts> = BTreeMap::new();
    for row in rows {
        let (key, amounts, lines): (String, Vec<String>, i64) =
            (row.get(0), row.get(1), row.get(2));
        let sums = found.entry(key).or_default();
        for (sum, amount) in sums.micro.iter_mut().zip(amounts) {
            *sum += decimal(&amount);
        }
        sums.lines += lines;
    }
    Ok(found)
}

/// Published with the workshop that the bills come from, to four places.
const AMORTIZED: [(&str, &str); 2] = [("2018-10-01", "4195.9571"), ("2018-11-01", "3632.5598")];

fn real_months_amortize_as_published(env: &Env) -> Result<()> {
    let Some(bills) = real::bills() else {
        return Ok(());
    };
    let mut client = real::database(env, "normal-real", &bills)?;
    client.batch_execute(
        "SELECT cost_analytics.cost_add_source('workshop', 'bills', 'cur/WorkshopCUR', facts => true)",
    )?;
    sync(&mut client)?;
    for (month, amortized) in AMORTIZED {
        let found = value(
            &mut client,
            &format!(
                "SELECT concat_ws(' ', round(sum(amortized_cost), 4), round(sum(net_amortized_cost), 4)) \
                   FROM cost_analytics.costs WHERE billing_period = '{month}'"
            ),
        )?;
        assert_eq!(found, format!("{amortized} {amortized}"), "{month}");
    }
    // What AWS's rounding to eight places leaves, as DuckDB's decimals say, too.
    let off = "SELECT string_agg(concat_ws(' ', m.billing_period, trim_scale(m.identity_difference), i.holds), ', ' ORDER BY m.billing_period) \
                 FROM cost_analytics.manifests m JOIN cost_analytics.cost_identity i USING (source_name, billing_period)";
    assert_eq!(
        value(&mut client, off)?,
        "2018-10-01 0.00000518 t, 2018-11-01 0.00000166 t"
    );
    let unused = "SELECT trim_scale(sum(\"EffectiveCost\"))::text FROM cost_analytics.focus \
                   WHERE \"CommitmentDiscountStatus\" = 'Unused' AND \"BillingPeriodStart\" = '2018-10-01Z'";
    // RIFee's unused upfront and recurring fees.
    assert_eq!(value(&mut client, unused)?, "48.99556079");
    assert_facts(&mut client)
}

/// That the identity holds in so many months, in the view and in the ledger.
fn assert_identity(client: &mut Client, months: i64) -> Result<()> {
    let holds = client.query_one(
        "SELECT count(*), bool_and(holds), (SELECT count(*) FROM cost_analytics.manifests \
            WHERE state = 'loaded' AND abs(identity_difference) <= 1e-6 AND amortized IS NOT NULL), \
            string_agg(difference::text, ' ') FROM cost_analytics.cost_identity",
        &[],
    )?;
    let differences: String = holds.get(3);
    assert_eq!(
        (holds.get(0), holds.get(1), holds.get(2)),
        (months, true, months),
        "{differences}"
    );
    Ok(())
}

fn every_generated_bill_amortizes_to_what_was_paid(env: &Env) -> Result<()> {
    let bills = press().all();
    let mut client = synced_later(env, "normal-identity", &bills)?;
    sync(&mut client)?;
    assert_bills(&mut client, &bills)?;
    assert_identity(&mut client, 3)?;
    // Amortizing moved something, and took nothing for granted.
    let moved = "SELECT concat_ws(' ', bool_or(amortized_cost <> cost), bool_or(ri_sp_trueup < 0), \
          bool_or(ri_sp_upfront_fees > 0), bool_or(list_cost > 0), \
          count(*) FILTER (WHERE charge_category NOT IN ('Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment'))) \
        FROM cost_analytics.costs_daily";
    assert_eq!(value(&mut client, moved)?, "t t t t 0");
    let groups = "SELECT string_agg(DISTINCT charge_group, ' ') FROM cost_analytics.costs";
    assert_eq!(
        value(&mut client, groups)?,
        "Commitment Credit Discount Marketplace Refund Support Tax Usage"
    );
    Ok(())
}

fn the_query_runs_where_the_bill_lies_and_says_the_same(env: &Env) -> Result<()> {
    let mut client = synced_later(env, "normal-in-place", &press().all())?;
    sync(&mut client)?;
    let query = value(
        &mut client,
        "SELECT cost_analytics.normalization_sql('press')",
    )?;
    assert!(query.contains("FROM cost_analytics.press\n"), "{query}");
    let explain = client.query(&format!("EXPLAIN {query}"), &[])?;
    let explain: Vec<&str> = explain.iter().map(|row| row.get(0)).collect();
    assert!(
        explain
            .iter()
            .any(|line| line.contains("Pushed Aggregates")),
        "{explain:#?}"
    );
    let columns = "billing_period, date, account_id, service, region, charge_group, cost, amortized_cost, line_items";
    let differ = format!(
        "SELECT count(*)::text FROM ((SELECT {columns} FROM ({query}) q EXCEPT ALL SELECT {columns} FROM cost_analytics.costs_daily) \
           UNION ALL (SELECT {columns} FROM cost_analytics.costs_daily EXCEPT ALL SELECT {columns} FROM ({query}) q)) d"
    );
    assert_eq!(value(&mut client, &differ)?, "0");
    let error = client
        .query_one("SELECT cost_analytics.normalization_sql('nobody')", &[])
        .expect_err("no such source");
    assert_eq!(error.code(), Some(&SqlState::UNDEFINED_OBJECT));
    Ok(())
}

/// A database whose press bills are loaded with facts.
pub fn with_facts(env: &Env, name: &str) -> Result<Client> {
    let mut client = synced_later(env, name, &press().all())?;
    client.batch_execute("UPDATE cost_analytics.sources SET facts = true")?;
    sync(&mut client)?;
    Ok(client)
}

/// A database with a generated month of each of these samples, loaded with facts. A source has its
/// sample's name.
pub fn with_samples(env: &Env, name: &str, names: &[&str]) -> Result<Client> {
    empty_bucket(env, name)?;
    let mut client = env.database_with_extension(name)?;
    connect(&mut client, env, name)?;
    for mut sample in samples().into_iter().filter(|s| names.contains(&s.name)) {
        sample.report.bucket = name.to_owned();
        sample.report.prefix = sample.name.to_owned();
        upload(env, name, &sample.report.month(2025, 9, 0))?;
        client.query_one(
            "SELECT cost_analytics.cost_add_source($1, server => 'bills', prefix => $2, facts => true)",
            &[
                &sample.name.replace('-', "_"),
                &format!("{}/{}", sample.name, sample.report.name),
            ],
        )?;
    }
    sync(&mut client)?;
    Ok(client)
}

fn assert_facts(client: &mut Client) -> Result<()> {
    let sums = "billing_period, sum(cost), sum(blended_cost), sum(net_cost), sum(amortized_cost), \
                sum(net_amortized_cost), sum(list_cost), sum(ri_sp_trueup), sum(ri_sp_upfront_fees), sum(line_items)";
    let differ = format!(
        "SELECT count(*)::text FROM (SELECT {sums} FROM cost_analytics.costs_daily GROUP BY 1 \
           EXCEPT SELECT {sums} FROM cost_analytics.fact_usage GROUP BY 1) d"
    );
    assert_eq!(value(client, &differ)?, "0");
    let months = "SELECT concat_ws(' ', (SELECT count(DISTINCT billing_period) FROM cost_analytics.fact_usage), \
                    (SELECT count(*) FROM cost_analytics.manifests WHERE in_facts AND state = 'loaded'))";
    let loaded = "SELECT concat_ws(' ', count(*), count(*)) FROM cost_analytics.manifests WHERE state = 'loaded'";
    assert_eq!(value(client, months)?, value(client, loaded)?);
    Ok(())
}

fn facts_sum_to_costs_in_every_amount(env: &Env) -> Result<()> {
    let mut client = with_facts(env, "normal-facts")?;
    assert_facts(&mut client)?;
    upload(env, "normal-facts", &press().month(2025, 11, 1))?;
    sync(&mut client)?;
    assert_facts(&mut client)?;
    // A source that keeps no facts any more loses a month's with its next delivery, and no other's.
    client.batch_execute("UPDATE cost_analytics.sources SET facts = false")?;
    upload(env, "normal-facts", &press().month(2025, 11, 2))?;
    sync(&mut client)?;
    let months =
        "SELECT string_agg(DISTINCT billing_period::text, ' ') FROM cost_analytics.fact_usage";
    assert_eq!(value(&mut client, months)?, "2025-09-01 2025-10-01");
    client.batch_execute("SELECT cost_analytics.cost_remove_source('press', true)")?;
    let left = "SELECT concat_ws(' ', (SELECT count(*) FROM cost_analytics.fact_usage), \
          (SELECT count(*) FROM cost_analytics.dim_resource), (SELECT count(*) FROM cost_analytics.resource_months))";
    assert_eq!(value(&mut client, left)?, "0 0 0");
    Ok(())
}

fn usage_is_counted_once_under_savings_plans(env: &Env) -> Result<()> {
    let mut client = with_facts(env, "normal-usage")?;
    let differ = "SELECT count(*)::text FROM ( \
        SELECT billing_period, usage_unit, trim_scale(sum(usage_amount)) FROM cost_analytics.fact_usage \
         WHERE usage_amount IS NOT NULL GROUP BY 1, 2 HAVING sum(usage_amount) <> 0 \
        EXCEPT \
        SELECT billing_period, nullif(pricing_unit, ''), trim_scale(sum(cost_analytics.exact_numeric(line_item_usage_amount))) \
          FROM cost_analytics.raw_press \
         WHERE line_item_line_item_type IN ('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage') GROUP BY 1, 2) d";
    assert_eq!(value(&mut client, differ)?, "0");
    let negated = "SELECT concat_ws(' ', bool_and(cost < 0), count(usage_amount)) \
                     FROM cost_analytics.fact_usage WHERE line_item_type = 'SavingsPlanNegation'";
    assert_eq!(value(&mut client, negated)?, "t 0");
    Ok(())
}

/// That `dim_resource` says of all resources what the raw rows do.
fn assert_resources(client: &mut Client) -> Result<()> {
    let differ = "SELECT count(*)::text FROM ( \
        (SELECT account_id, resource_id, first_seen, last_seen FROM cost_analytics.dim_resource EXCEPT \
         SELECT line_item_usage_account_id, line_item_resource_id, min(line_item_usage_start_date::date), max(line_item_usage_start_date::date) \
           FROM cost_analytics.raw_press WHERE line_item_resource_id <> '' GROUP BY 1, 2) \
        UNION ALL \
        (SELECT line_item_usage_account_id, line_item_resource_id, min(line_item_usage_start_date::date), max(line_item_usage_start_date::date) \
           FROM cost_analytics.raw_press WHERE line_item_resource_id <> '' GROUP BY 1, 2 EXCEPT \
         SELECT account_id, resource_id, first_seen, last_seen FROM cost_analytics.dim_resource)) d";
    assert_eq!(value(client, differ)?, "0");
    let tagged =
        "SELECT (count(*) FILTER (WHERE tags <> '{}') > 0)::text FROM cost_analytics.dim_resource";
    assert_eq!(value(client, tagged)?, "true");
    Ok(())
}

fn resources_are_first_and_last_seen_after_restatements_too(env: &Env) -> Result<()> {
    let name = "normal-resources";
    let mut client = with_facts(env, name)?;
    assert_resources(&mut client)?;
    upload(env, name, &press().month(2025, 9, 1))?;
    upload(env, name, &press().month(2025, 11, 1))?;
    sync(&mut client)?;
    assert_resources(&mut client)?;
    // Delivered with far fewer resources, and then as it was.
    let few = pg_test::bills::Report {
        rows_per_month: 400,
        ..press()
    };
    upload(env, name, &few.month(2025, 11, 0))?;
    sync(&mut client)?;
    assert_resources(&mut client)?;
    upload(env, name, &press().month(2025, 11, 0))?;
    sync(&mut client)?;
    assert_resources(&mut client)
}

fn tags_are_one_document_whatever_the_export(env: &Env) -> Result<()> {
    let mut client = env.database_with_extension("normal-tags")?;
    for (columns, row, tags) in [
        (
            "line_item_unblended_cost float8, resource_tags_user_team text, resource_tags_aws_created_by text",
            "1, 'a', 'b'",
            r#"{"team": "a", "aws_created_by": "b"}"#,
        ),
        (
            "line_item_unblended_cost float8, resource_tags_user_team text",
            "1, ''",
            "{}",
        ),
        (
            "line_item_unblended_cost float8, resource_tags_user_team text",
            "1, NULL",
            "{}",
        ),
        ("line_item_unblended_cost float8", "1", "{}"),
        (
            "line_item_unblended_cost float8, resource_tags jsonb",
            r#"1, '{"user_team": "a", "user_empty": "", "aws_created_by": "b"}'"#,
            r#"{"team": "a", "aws_created_by": "b"}"#,
        ),
        (
            "line_item_unblended_cost float8, resource_tags jsonb",
            "1, NULL",
            "{}",
        ),
        (
            "line_item_unblended_cost float8, resource_tags jsonb, tags jsonb",
            r#"1, '{"user_team": "a"}', '{"Team": "a"}'"#,
            r#"{"Team": "a"}"#,
        ),
        (
            "cost_in_billing_currency float8, tags text",
            r#"1, '"team": "a","user_id": "7"'"#,
            r#"{"team": "a", "user_id": "7"}"#,
        ),
        (
            "cost_in_billing_currency float8, tags text",
            r#"1, '{"team": "a"}'"#,
            r#"{"team": "a"}"#,
        ),
        (
            "cost_in_billing_currency float8, tags text",
            "1, 'nonsense'",
            "{}",
        ),
        (
            "cost_in_billing_currency float8, tags jsonb",
            r#"1, '{"team": "a"}'"#,
            r#"{"team": "a"}"#,
        ),
        (
            "sku_description text, cost float8, labels jsonb",
            r#"'', 1, '[{"key": "team", "value": "a"}, {"key": "none", "value": ""}]'"#,
            r#"{"team": "a"}"#,
        ),
        (
            "sku_description text, cost float8, labels text",
            r#"'', 1, '[]'"#,
            "{}",
        ),
        (
            "billed_cost float8, charge_category text, tags jsonb",
            r#"1, 'Usage', '{"user:team": "a", "flag": true}'"#,
            r#"{"flag": "true", "user:team": "a"}"#,
        ),
    ] {
        client.batch_execute(&format!(
            "DROP TABLE IF EXISTS bill; CREATE TABLE bill (billing_period date, {columns}); \
             INSERT INTO bill VALUES ('2025-09-01', {row})"
        ))?;
        let query = value(&mut client, "SELECT cost_analytics.usage_sql('bill')")?;
        let found = value(&mut client, &format!("SELECT tags::text FROM ({query}) q"))?;
        let expected = value(&mut client, &format!("SELECT '{tags}'::jsonb::text"))?;
        assert_eq!(found, expected, "{columns}: {row}");
    }
    Ok(())
}

fn an_actual_and_an_amortized_export_are_never_summed_twice(env: &Env) -> Result<()> {
    let mut client = env.database_with_extension("normal-azure")?;
    // A machine on demand, and one under a reservation that was bought for 30 and used by a third.
    client.batch_execute(
        "CREATE TABLE actual (billing_period date, cost_in_billing_currency float8, charge_type text, pricing_model text, reservation_id text);
         CREATE TABLE amortized (LIKE actual);
         INSERT INTO actual VALUES ('2025-09-01', 7, 'Usage', 'OnDemand', ''), ('2025-09-01', 0, 'Usage', 'Reservation', 'r'),
                                   ('2025-09-01', 30, 'Purchase', 'Reservation', 'r');
         INSERT INTO amortized VALUES ('2025-09-01', 7, 'Usage', 'OnDemand', ''), ('2025-09-01', 10, 'Usage', 'Reservation', 'r'),
                                      ('2025-09-01', 20, 'UnusedReservation', 'Reservation', 'r');",
    )?;
    keep_azure(&mut client, 37)?;
    let sums = "SELECT concat_ws(' ', trim_scale(sum(cost)), trim_scale(sum(amortized_cost)), sum(line_items)) FROM cost_analytics.fact_usage";
    assert_eq!(value(&mut client, sums)?, "37 37 6");
    let focus = "SELECT concat_ws(' ', trim_scale(sum(\"BilledCost\")), trim_scale(sum(\"EffectiveCost\")), \
                   trim_scale(sum(\"EffectiveCost\") FILTER (WHERE \"CommitmentDiscountStatus\" = 'Unused'))) FROM cost_analytics.focus";
    assert_eq!(value(&mut client, focus)?, "37 37 20");
    Ok(())
}

/// The tables `actual` and `amortized` as facts of two sources, each of which comes to `total`.
fn keep_azure(client: &mut Client, total: i32) -> Result<()> {
    for (table, format) in [("actual", "azure-actual"), ("amortized", "azure-amortized")] {
        let query = value(
            client,
            &format!("SELECT cost_analytics.usage_sql('{table}', '{format}')"),
        )?;
        client.batch_execute(&format!(
            "INSERT INTO cost_analytics.sources (name, server, prefix, foreign_table, raw_table, format) \
               VALUES ('{table}', 's', '{table}', '{table}', 'raw_{table}', '{format}')"
        ))?;
        // Refuses another total.
        client.execute(
            &format!(
                "SELECT cost_analytics.replace_month('fact_usage', $1, '2025-09-01', $2, {total})"
            ),
            &[&table, &query],
        )?;
    }
    Ok(())
}

fn a_savings_plan_is_told_by_its_pricing_model(env: &Env) -> Result<()> {
    let mut client = env.database_with_extension("normal-azure-plan")?;
    // Customer agreements' exports may lack the benefit's id. A plan of 30, two thirds of it used.
    client.batch_execute(
        "CREATE TABLE actual (billing_period date, cost_in_billing_currency float8, charge_type text, pricing_model text);
         CREATE TABLE amortized (LIKE actual);
         INSERT INTO actual VALUES ('2025-09-01', 7, 'Usage', 'OnDemand'), ('2025-09-01', 0, 'Usage', 'SavingsPlan'),
                                   ('2025-09-01', 30, 'Purchase', 'SavingsPlan');
         INSERT INTO amortized VALUES ('2025-09-01', 7, 'Usage', 'OnDemand'), ('2025-09-01', 20, 'Usage', 'SavingsPlan'),
                                      ('2025-09-01', 10, 'UnusedSavingsPlan', 'SavingsPlan');",
    )?;
    keep_azure(&mut client, 37)?;
    let focus = "SELECT string_agg(concat_ws(' ', \"ChargeCategory\", \"x_LineItemType\", trim_scale(\"BilledCost\"), trim_scale(\"EffectiveCost\")), ', ' \
                   ORDER BY \"ChargeCategory\", \"x_LineItemType\", \"BilledCost\", \"EffectiveCost\") FROM cost_analytics.focus";
    assert_eq!(
        value(&mut client, focus)?,
        "Purchase Purchase 30 0, Usage UnusedSavingsPlan 0 10, Usage Usage 0 0, Usage Usage 0 20, Usage Usage 7 7"
    );
    let kinds = "SELECT string_agg(DISTINCT concat_ws(' ', line_item_type, coalesce(commitment_type, '-')), ', ') FROM cost_analytics.fact_usage";
    assert_eq!(
        value(&mut client, kinds)?,
        "Purchase Savings Plan, UnusedSavingsPlan Savings Plan, Usage -, Usage Savings Plan"
    );
    Ok(())
}

fn tax_and_credits_have_no_pricing_category(env: &Env) -> Result<()> {
    let mut client = env.database_with_extension("normal-category")?;
    let azure = "cost_in_billing_currency float8, charge_type text, pricing_model text";
    let old_azure = "pre_tax_cost float8, charge_type text";
    let google = "sku_description text, cost float8, cost_type text";
    for (columns, row, category) in [
        (azure, "1, 'Tax', ''", None),
        (azure, "1, 'Credit', 'OnDemand'", None),
        (azure, "1, 'Purchase', 'SavingsPlan'", Some("Standard")),
        (azure, "1, 'Usage', 'SavingsPlan'", Some("Committed")),
        (azure, "1, 'Usage', 'Spot'", Some("Dynamic")),
        (azure, "1, 'Usage', ''", Some("Standard")),
        (old_azure, "1, 'Tax'", None),
        (old_azure, "1, NULL", Some("Standard")),
        ("pre_tax_cost float8", "1", Some("Standard")),
        (google, "'', 1, 'tax'", None),
        (google, "'', 1, 'adjustment'", None),
        (google, "'', 1, 'regular'", Some("Standard")),
        (google, "'', 1, NULL", Some("Standard")),
        (
            "sku_description text, cost float8",
            "'', 1",
            Some("Standard"),
        ),
    ] {
        client.batch_execute(&format!(
            "DROP TABLE IF EXISTS bill; CREATE TABLE bill (billing_period date, {columns}); \
             INSERT INTO bill VALUES ('2025-09-01', {row})"
        ))?;
        let query = value(&mut client, "SELECT cost_analytics.usage_sql('bill')")?;
        let found = client.query_one(&format!("SELECT pricing_category FROM ({query}) q"), &[])?;
        assert_eq!(
            found.get::<_, Option<&str>>(0),
            category,
            "{columns}: {row}"
        );
    }
    Ok(())
}

fn a_focus_bill_is_its_providers_whose_support_is_support(env: &Env) -> Result<()> {
    let mut client = env.database_with_extension("normal-provider")?;
    client.batch_execute(
        "CREATE TABLE bill (billing_period date, billed_cost float8, charge_category text, provider_name text, service_provider_name text, service_name text)",
    )?;
    for (row, expected) in [
        ("'AWS', NULL, 'AWS Support [Business]'", "aws Support"),
        ("'Amazon Web Services', '', 'Amazon EC2'", "aws Usage"),
        ("'Microsoft', NULL, 'Azure Support'", "azure Support"),
        ("'AWS', 'Google Cloud', 'Support'", "gcp Support"),
        ("'Atlantic WS', NULL, 'Hosting'", "atlantic ws Usage"),
        ("NULL, NULL, 'Hosting'", "unknown Usage"),
    ] {
        client.batch_execute(&format!(
            "TRUNCATE bill; INSERT INTO bill VALUES ('2025-09-01', 1, 'Usage', {row})"
        ))?;
        let query = value(
            &mut client,
            "SELECT cost_analytics.normalization_sql('bill'::regclass)",
        )?;
        let found = format!("SELECT concat_ws(' ', cloud_provider, charge_group) FROM ({query}) q");
        assert_eq!(value(&mut client, &found)?, expected, "{row}");
    }
    Ok(())
}

fn an_export_that_is_no_bill_is_loaded_and_costs_nothing(env: &Env) -> Result<()> {
    let name = "normal-no-bill";
    empty_bucket(env, name)?;
    let mut client = env.database_with_extension(name)?;
    connect(&mut client, env, name)?;
    for (source, header, row) in [
        (
            "sheet",
            "MeterId,MeterName,UnitPrice,CurrencyCode",
            "m,D4s v3,0.19,EUR",
        ),
        (
            "list",
            "service.id,sku.id,sku.description,list_price",
            "s,k,Core,0.03",
        ),
    ] {
        let key = format!("{source}/2025-09/prices.csv");
        env.gateway
            .put(name, &key, format!("{header}\n{row}\n{row}\n"))?;
        client.query_one(
            "SELECT cost_analytics.cost_add_source($1, server => 'bills', prefix => $1, facts => true)",
            &[&source],
        )?;
    }
    sync(&mut client)?;
    let found = "SELECT concat_ws(' ', (SELECT count(*) FROM cost_analytics.raw_sheet), (SELECT count(*) FROM cost_analytics.raw_list), \
                   (SELECT count(*) FROM cost_analytics.costs), (SELECT count(*) FROM cost_analytics.focus), \
                   (SELECT count(*) FROM cost_analytics.cost_identity), (SELECT count(*) FROM cost_analytics.manifests WHERE state = 'loaded' AND error IS NULL))";
    assert_eq!(value(&mut client, found)?, "2 2 0 0 0 2");
    let billed = "SELECT count(billed)::text FROM cost_analytics.cost_reconcile(NULL, 'sheet')";
    assert_eq!(value(&mut client, billed)?, "0");
    Ok(())
}

fn a_month_in_an_older_dialect_is_checked_against_its_own_costs(env: &Env) -> Result<()> {
    let name = "normal-dialects";
    empty_bucket(env, name)?;
    let mut client = env.database_with_extension(name)?;
    connect(&mut client, env, name)?;
    for (month, header, costs) in [
        ("2025-09", "PreTaxCost,MeterId", ["1.5", "2"]),
        ("2025-10", "CostInBillingCurrency,MeterId", ["4", "8.25"]),
    ] {
        let lines = costs.map(|cost| format!("{cost},m\n")).concat();
        let key = format!("azure/{month}/bill.csv");
        env.gateway.put(name, &key, format!("{header}\n{lines}"))?;
    }
    client.query_one(
        "SELECT cost_analytics.cost_add_source('azure', server => 'bills', prefix => 'azure')",
        &[],
    )?;
    sync(&mut client)?;
    let checked = "SELECT string_agg(concat_ws(' ', billing_period, trim_scale(unblended), (SELECT trim_scale(sum(cost)) \
                     FROM cost_analytics.costs c WHERE c.billing_period = m.billing_period)), ', ' ORDER BY billing_period) \
                     FROM cost_analytics.manifests m";
    let expected = "2025-09-01 3.5 3.5, 2025-10-01 12.25 12.25";
    assert_eq!(value(&mut client, checked)?, expected);
    // The same where only the files are read, and nothing is stored.
    let filtered = "SELECT string_agg(trim_scale(t.unblended)::text, ' ' ORDER BY m) FROM (VALUES ('2025-09-01'::date), ('2025-10-01')) v (m), \
                      cost_analytics.totals_of_month('cost_analytics.azure', m, NULL) t";
    assert_eq!(value(&mut client, filtered)?, "3.5 12.25");
    Ok(())
}

fn amounts_in_another_currency_or_an_error(env: &Env) -> Result<()> {
    let mut client = env.database_with_extension("normal-currency")?;
    client.batch_execute(
        "INSERT INTO cost_analytics.exchange_rates VALUES ('2025-09-01', 'USD', 'EUR', 0.9), ('2025-09-10', 'USD', 'EUR', 0.8), \
           ('2025-09-01', 'GBP', 'EUR', 1.25)",
    )?;
    for (arguments, amount) in [
        ("10, 'USD', '2025-09-01', 'EUR'", "9"),
        ("10, 'USD', '2025-09-09', 'EUR'", "9"),
        ("10, 'USD', '2026-01-01', 'EUR'", "8"),
        ("10, 'EUR', '2025-09-03', 'GBP'", "8"),
        ("10, 'XXX', '1999-01-01', 'XXX'", "10"),
        ("NULL, 'USD', '1999-01-01', 'EUR'", "NULL"),
    ] {
        let query = format!("SELECT trim_scale(cost_analytics.cost_in({arguments}))::text");
        assert_eq!(value(&mut client, &query)?, amount, "{arguments}");
    }
    for arguments in [
        "1, 'USD', '2025-08-31', 'EUR'",
        "1, 'USD', '2025-09-09', 'GBP'",
    ] {
        let query = format!("SELECT cost_analytics.cost_in({arguments})");
        let no_data_found = SqlState::NO_DATA_FOUND.code();
        refused(&mut client, &query, no_data_found, "", "exchange_rates")?;
    }
    Ok(())
}

/// All columns of FOCUS 1.2, in its order.
const FOCUS: &str = "AvailabilityZone BilledCost BillingAccountId BillingAccountName BillingAccountType BillingCurrency \
    BillingPeriodEnd BillingPeriodStart CapacityReservationId CapacityReservationStatus ChargeCategory ChargeClass \
    ChargeDescription ChargeFrequency ChargePeriodEnd ChargePeriodStart CommitmentDiscountCategory CommitmentDiscountId \
    CommitmentDiscountName CommitmentDiscountQuantity CommitmentDiscountStatus CommitmentDiscountType CommitmentDiscountUnit \
    ConsumedQuantity ConsumedUnit ContractedCost ContractedUnitPrice EffectiveCost InvoiceId InvoiceIssuerName ListCost \
    ListUnitPrice PricingCategory PricingCurrency PricingCurrencyContractedUnitPrice PricingCurrencyEffectiveCost \
    PricingCurrencyListUnitPrice PricingQuantity PricingUnit ProviderName PublisherName RegionId RegionName ResourceId \
    ResourceName ResourceType ServiceCategory ServiceName ServiceSubcategory SkuId SkuMeter SkuPriceDetails SkuPriceId \
    SubAccountId SubAccountName SubAccountType Tags";

fn focus_has_the_names_and_the_total(env: &Env) -> Result<()> {
    let mut client = with_facts(env, "normal-focus")?;
    let names = "SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute \
                  WHERE attrelid = 'cost_analytics.focus'::regclass AND attnum > 0 AND attname NOT LIKE 'x\\_%'";
    let expected: Vec<&str> = FOCUS.split_whitespace().collect();
    assert_eq!(value(&mut client, names)?, expected.join(" "));
    let totals = |from: &str| {
        format!(
            "SELECT string_agg(concat_ws(' ', m, billed, effective), ', ' ORDER BY m) FROM ({from}) t"
        )
    };
    let focus = totals(
        "SELECT (\"BillingPeriodStart\" AT TIME ZONE 'UTC')::date AS m, trim_scale(sum(\"BilledCost\")) AS billed, \
                trim_scale(sum(\"EffectiveCost\")) AS effective FROM cost_analytics.focus GROUP BY 1",
    );
    let costs = totals(
        "SELECT billing_period AS m, trim_scale(sum(net_cost)) AS billed, trim_scale(sum(net_amortized_cost)) AS effective \
           FROM cost_analytics.costs GROUP BY 1",
    );
    let costs = value(&mut client, &costs)?;
    assert_eq!(value(&mut client, &focus)?, costs);
    // Without facts it says less of each charge, and the same of all.
    client.batch_execute("DELETE FROM cost_analytics.fact_usage; UPDATE cost_analytics.manifests SET in_facts = false")?;
    assert_eq!(value(&mut client, &focus)?, costs);
    Ok(())
}
