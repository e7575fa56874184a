//! The FinOps Foundation's own validator on the `focus` view.
//!
//! It runs in the Python that `CUR_FDW_FOCUS_PYTHON` names, which `cargo verify` sets up. Without
//! it the test says so and passes.

use super::with_facts;
use crate::env::{Env, Test, skip, tests};
use pg_test::Result;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

pub const TESTS: &[Test] = tests![focus_passes_the_validator_but_for_what_aws_does_not_export];

/// Rules that fail, and why; docs/focus.md has them, too.
const EXPECTED: &[(&str, &str)] = &[
    (
        "BilledCost-C-005-C",
        "AWS's exports name the provider AWS and the invoice's issuer Amazon Web Services, Inc.; the validator takes two spellings for two parties.",
    ),
    (
        "CapacityReservationStatus-C-004-C",
        "The validator's condition is malformed, so that it asks for a status where there is no reservation.",
    ),
    (
        "ChargeDescription-C-002-M",
        "The validator takes ASCII only; FOCUS asks for Unicode.",
    ),
    (
        "CommitmentDiscountStatus-C-004-C",
        "The validator's condition is the wrong way round: it asks for a status where there is no commitment.",
    ),
    ("ConsumedUnit-C-003-O", "Units are AWS's: Hrs, GB-Mo."),
    (
        "ConsumedUnit-C-006-C",
        "AWS leaves the unit empty on some usage, such as Spot.",
    ),
    (
        "EffectiveCost-C-005-C",
        "The validator asks it of all purchases; support and marketplace fees do not cover future charges.",
    ),
    (
        "InvoiceId-C-004-C",
        "The validator has no condition here, and asks that there be no invoice at all.",
    ),
    (
        "InvoiceIssuerName-C-002-M",
        "The validator takes ASCII only; FOCUS asks for Unicode.",
    ),
    ("PricingUnit-C-003-O", "Units are AWS's: Hrs, GB-Mo."),
    (
        "PricingUnit-C-006-C",
        "AWS leaves the unit empty on fees and some usage.",
    ),
    (
        "PublisherName-C-002-M",
        "The validator takes ASCII only; FOCUS asks for Unicode.",
    ),
    (
        "SkuPriceId-C-008-M",
        "Lines without a rate code have a rate id, which AWS uses for several SKUs.",
    ),
];

fn focus_passes_the_validator_but_for_what_aws_does_not_export(env: &Env) -> Result<()> {
    let Some(python) = std::env::var_os("CUR_FDW_FOCUS_PYTHON") else {
        skip("there is no Python with focus-validator (CUR_FDW_FOCUS_PYTHON)");
        return Ok(());
    };
    let mut client = with_facts(env, "normal-validator")?;
    client.batch_execute(
        "INSERT INTO cost_analytics.accounts (account_id, name)
         SELECT DISTINCT a, 'Account ' || a FROM cost_analytics.costs, unnest(ARRAY[account_id, payer_account_id]) a",
    )?;
    let columns = client.query(
        "SELECT attname::text, atttypid::regtype::text FROM pg_attribute \
          WHERE attrelid = 'cost_analytics.focus'::regclass AND attnum > 0 AND attname NOT LIKE 'x\\_%' ORDER BY attnum",
        &[],
    )?;
    let mut types = Map::new();
    let mut select = Vec::new();
    for column in &columns {
        let (name, of_type): (String, String) = (column.get(0), column.get(1));
        let (value, duckdb) = match of_type.as_str() {
            "numeric" => (format!("\"{name}\""), "DECIMAL(38,12)"),
            "timestamp with time zone" => (
                format!(
                    r#"to_char("{name}" AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS "{name}""#
                ),
                "VARCHAR",
            ),
            _ => (format!("\"{name}\""), "VARCHAR"),
        };
        types.insert(name, Value::from(duckdb));
        select.push(value);
    }
    // Within the data directory, for Postgres's user can write there.
    let csv = env.cluster.data_dir().join("focus.csv");
    client.batch_execute(&format!(
        "COPY (SELECT {} FROM cost_analytics.focus WHERE \"BillingPeriodStart\" = '2025-09-01Z') TO '{}' (FORMAT csv, HEADER)",
        select.join(", "),
        csv.display()
    ))?;
    let output = Command::new(python)
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/normalization/validate.py"))
        .arg(&csv)
        .arg(Value::from(types).to_string())
        .output()?;
    std::fs::remove_file(&csv)?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let failed = String::from_utf8_lossy(&output.stdout);
    let failed: BTreeSet<&str> = failed.lines().collect();
    let expected: BTreeSet<&str> = EXPECTED.iter().map(|(rule, _)| *rule).collect();
    assert_eq!(failed, expected, "{said}");
    Ok(())
}
