//! How much was used and priced, each in its own unit.

use super::with_samples;
use crate::ask::value;
use crate::env::{Env, Test, tests};
use pg_test::Result;

pub const TESTS: &[Test] = tests![
    google_prices_by_another_unit_than_it_measures,
    a_focus_amount_has_the_unit_of_the_quantity_it_is,
    early_focus_has_usage_and_fees_under_its_own_names,
    azures_prices_in_dollars_are_shown_in_dollars,
];

fn google_prices_by_another_unit_than_it_measures(env: &Env) -> Result<()> {
    let mut client = with_samples(env, "normal-units", &["gcp-detailed-parquet"])?;
    let differ = "WITH focus AS ( \
          SELECT \"ConsumedUnit\", \"PricingUnit\", sum(\"ConsumedQuantity\"), sum(\"PricingQuantity\") \
            FROM cost_analytics.focus WHERE \"ConsumedQuantity\" IS NOT NULL GROUP BY 1, 2), \
        bill AS ( \
          SELECT usage_unit, usage_pricing_unit, cost_analytics.exact_sum(usage_amount), \
                 cost_analytics.exact_sum(usage_amount_in_pricing_units) \
            FROM cost_analytics.raw_gcp_detailed_parquet WHERE usage_amount IS NOT NULL GROUP BY 1, 2) \
        SELECT count(*)::text FROM ((TABLE focus EXCEPT TABLE bill) UNION ALL (TABLE bill EXCEPT TABLE focus)) d";
    assert_eq!(value(&mut client, differ)?, "0");
    let units = "SELECT string_agg(DISTINCT usage_unit || ' by the ' || pricing_unit, ', ') \
                   FROM cost_analytics.fact_usage WHERE usage_type LIKE 'N2 Instance Core%'";
    assert_eq!(value(&mut client, units)?, "seconds by the hour");
    Ok(())
}

fn a_focus_amount_has_the_unit_of_the_quantity_it_is(env: &Env) -> Result<()> {
    let mut client = env.database_with_extension("normal-focus-units")?;
    let consumed = "consumed_quantity float8, consumed_unit text, ";
    let priced = "pricing_quantity float8, pricing_unit text";
    for (columns, row, expected) in [
        (
            format!("{consumed}{priced}"),
            "7200, 'Seconds', 2, 'Hours'",
            "7200 Seconds 2 Hours",
        ),
        (
            format!("{consumed}{priced}"),
            "NULL, NULL, 2, 'Hours'",
            "2 Hours 2 Hours",
        ),
        // AWS leaves the unit of some quantities away; another quantity's is not theirs.
        (
            format!("{consumed}{priced}"),
            "7200, NULL, 2, 'Hours'",
            "7200 - 2 Hours",
        ),
        (
            format!("{consumed}{priced}"),
            "NULL, 'Seconds', 2, 'Hours'",
            "2 Hours 2 Hours",
        ),
        (
            format!("{consumed}{priced}"),
            "7200, 'Seconds', NULL, NULL",
            "7200 Seconds - -",
        ),
        (priced.to_owned(), "2, 'Hours'", "2 Hours 2 Hours"),
        (
            "usage_quantity float8, usage_unit text".to_owned(),
            "3, 'GB'",
            "3 GB - -",
        ),
    ] {
        let found = usage(
            &mut client,
            &format!("charge_category text, {columns}"),
            &format!("'Usage', {row}"),
        )?;
        assert_eq!(found, expected, "{columns}: {row}");
    }
    Ok(())
}

fn early_focus_has_usage_and_fees_under_its_own_names(env: &Env) -> Result<()> {
    let mut client = env.database_with_extension("normal-focus-early")?;
    // Version 0.5.
    client.batch_execute(
        "CREATE TABLE bill (billing_period date, billed_cost float8, amortized_cost float8, charge_type text, usage_quantity float8, usage_unit text);
         INSERT INTO bill VALUES ('2025-09-01', 2, 2, 'Usage', 3, 'GB'), ('2025-09-01', 5, 0, 'Purchase', 1, ''), ('2025-09-01', 1, 1, 'Tax', NULL, NULL);",
    )?;
    let query = value(&mut client, "SELECT cost_analytics.usage_sql('bill')")?;
    let rows = format!(
        "SELECT string_agg(concat_ws(' ', charge_category, charge_group, cost, amortized_cost, coalesce(usage_amount::text, '-')), ', ' ORDER BY cost) \
           FROM ({query}) q"
    );
    assert_eq!(
        value(&mut client, &rows)?,
        "Tax Tax 1 1 -, Usage Usage 2 2 3, Purchase Fee 5 0 -"
    );
    Ok(())
}

fn azures_prices_in_dollars_are_shown_in_dollars(env: &Env) -> Result<()> {
    let names = ["azure-actual-mca", "azure-amortized-mca"];
    let mut client = with_samples(env, "normal-dollars", &names)?;
    // All of an amortized export is what things effectively cost.
    let amortized = "SELECT concat_ws(' ', trim_scale(cost_analytics.exact_sum(cost_in_pricing_currency)), trim_scale(cost_analytics.exact_sum(cost_in_billing_currency))) \
                       FROM cost_analytics.raw_azure_amortized_mca";
    let focus = "SELECT concat_ws(' ', trim_scale(sum(\"PricingCurrencyEffectiveCost\")), trim_scale(sum(\"EffectiveCost\"))) FROM cost_analytics.focus";
    assert_eq!(value(&mut client, focus)?, value(&mut client, amortized)?);
    let facts = "SELECT trim_scale(sum(pricing_currency_effective_cost))::text FROM cost_analytics.fact_usage";
    let shown =
        "SELECT trim_scale(sum(\"PricingCurrencyEffectiveCost\"))::text FROM cost_analytics.focus";
    assert_eq!(value(&mut client, facts)?, value(&mut client, shown)?);
    let currencies = "SELECT string_agg(DISTINCT \"BillingCurrency\" || ' ' || \"PricingCurrency\", ', ') FROM cost_analytics.focus";
    assert_eq!(value(&mut client, currencies)?, "EUR USD");
    Ok(())
}

/// The amounts and units that `fact_usage` would have of a row of FOCUS.
fn usage(client: &mut postgres::Client, columns: &str, row: &str) -> Result<String> {
    client.batch_execute(&format!(
        "DROP TABLE IF EXISTS bill; CREATE TABLE bill (billing_period date, billed_cost float8, {columns}); \
         INSERT INTO bill VALUES ('2025-09-01', 1, {row})"
    ))?;
    let query = value(client, "SELECT cost_analytics.usage_sql('bill')")?;
    let shown = [
        "usage_amount",
        "usage_unit",
        "pricing_quantity",
        "pricing_unit",
    ];
    let shown = shown
        .map(|name| format!("coalesce({name}::text, '-')"))
        .join(", ");
    value(
        client,
        &format!("SELECT concat_ws(' ', {shown}) FROM ({query}) q"),
    )
}
