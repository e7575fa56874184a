//! The FinOps Foundation's own validator on the `focus` view.
//!
//! It runs in the Python that `CUR_FDW_FOCUS_PYTHON` names, which `cargo verify` sets up. Without
//! it the tests say so and pass.

use super::{with_facts, with_samples};
use crate::env::{Env, Test, skip, tests};
use pg_test::Result;
use postgres::Client;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

pub const TESTS: &[Test] = tests![
    focus_passes_the_validator_but_for_what_aws_does_not_export,
    focus_passes_the_validator_but_for_what_azure_does_not_export,
    focus_passes_the_validator_but_for_what_google_does_not_export,
];

/// Rules that fail, and why; docs/focus.md has them, too.
type Expected = &'static [(&'static str, &'static str)];

/// Of every bill: what is wrong in the validator's own rules.
const ALL: Expected = &[
    (
        "CapacityReservationStatus-C-004-C",
        "The validator's condition is malformed, so that it asks for a status where there is no reservation.",
    ),
    (
        "CommitmentDiscountStatus-C-004-C",
        "The validator's condition is the wrong way round: it asks for a status where there is no commitment.",
    ),
];

const AWS: Expected = &[
    (
        "BilledCost-C-005-C",
        "AWS's exports name the provider AWS and the invoice's issuer Amazon Web Services, Inc.; the validator takes two spellings for two parties.",
    ),
    (
        "ChargeDescription-C-002-M",
        "The validator takes ASCII only; FOCUS asks for Unicode.",
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

const AZURE_EA: Expected = &[
    ("ConsumedUnit-C-003-O", "Units are Azure's: 1 Hour, 10K."),
    (
        "EffectiveCost-C-005-C",
        "The validator asks it of all purchases; marketplace fees, and refunds of usage, do not cover future charges.",
    ),
    (
        "InvoiceId-C-005-C",
        "The validator has no condition here, and asks for an invoice on every charge; enterprise agreements' exports have none.",
    ),
    ("PricingUnit-C-003-O", "Units are Azure's: 1 Hour, 10K."),
];

const AZURE_MCA: Expected = &[
    ("ConsumedUnit-C-003-O", "Units are Azure's: 1 Hour, 10K."),
    (
        "EffectiveCost-C-005-C",
        "The validator asks it of all purchases; marketplace fees, and refunds of usage, do not cover future charges.",
    ),
    (
        "InvoiceId-C-004-C",
        "The validator has no condition here, and asks that there be no invoice at all.",
    ),
    ("PricingUnit-C-003-O", "Units are Azure's: 1 Hour, 10K."),
];

const GOOGLE: Expected = &[
    ("ConsumedUnit-C-003-O", "Units are Google's: byte-seconds."),
    (
        "InvoiceId-C-005-C",
        "The validator has no condition here, and asks for an invoice on every charge; Google exports the invoice's month alone.",
    ),
    (
        "SubAccountName-C-002-M",
        "The validator takes ASCII only; FOCUS asks for Unicode.",
    ),
];

fn focus_passes_the_validator_but_for_what_aws_does_not_export(env: &Env) -> Result<()> {
    let Some(validator) = Validator::found() else {
        return Ok(());
    };
    let mut client = with_facts(env, "normal-validator")?;
    validator.assert(env, &mut client, AWS)
}

fn focus_passes_the_validator_but_for_what_azure_does_not_export(env: &Env) -> Result<()> {
    let Some(validator) = Validator::found() else {
        return Ok(());
    };
    let names = ["azure-actual-ea", "azure-amortized-ea"];
    let mut client = with_samples(env, "normal-validator-ea", &names)?;
    validator.assert(env, &mut client, AZURE_EA)?;
    let names = ["azure-actual-mca", "azure-amortized-mca"];
    let mut client = with_samples(env, "normal-validator-mca", &names)?;
    validator.assert(env, &mut client, AZURE_MCA)
}

fn focus_passes_the_validator_but_for_what_google_does_not_export(env: &Env) -> Result<()> {
    let Some(validator) = Validator::found() else {
        return Ok(());
    };
    let mut client = with_samples(env, "normal-validator-gcp", &["gcp-detailed-parquet"])?;
    validator.assert(env, &mut client, GOOGLE)
}

/// The Python that has it.
struct Validator(OsString);

impl Validator {
    fn found() -> Option<Self> {
        let python = std::env::var_os("CUR_FDW_FOCUS_PYTHON");
        if python.is_none() {
            skip("there is no Python with focus-validator (CUR_FDW_FOCUS_PYTHON)");
        }
        python.map(Self)
    }

    /// That September 2025 in `focus` fails these rules and no other.
    fn assert(&self, env: &Env, client: &mut Client, expected: Expected) -> Result<()> {
        // Names that legacy reports lack.
        client.batch_execute(
            "INSERT INTO cost_analytics.accounts (account_id, name)
             SELECT DISTINCT a, 'Account ' || a FROM cost_analytics.costs, unnest(ARRAY[account_id, payer_account_id]) a
              WHERE a IS NOT NULL",
        )?;
        // Within the data directory, for Postgres's user can write there.
        let csv = env.cluster.data_dir().join("focus.csv");
        let types = copy(client, &csv)?;
        let output = Command::new(&self.0)
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/normalization/validate.py"))
            .arg(&csv)
            .arg(Value::from(types).to_string())
            .output()?;
        std::fs::remove_file(&csv)?;
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        let failed = String::from_utf8_lossy(&output.stdout);
        let failed: BTreeSet<&str> = failed.lines().collect();
        let expected = ALL.iter().chain(expected).map(|(rule, _)| *rule);
        let expected: BTreeSet<&str> = expected.collect();
        assert_eq!(failed, expected, "{said}");
        Ok(())
    }
}

/// Writes FOCUS's own columns of the month into a file, and says of which types they are in DuckDB.
fn copy(client: &mut Client, csv: &Path) -> Result<Map<String, Value>> {
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
    client.batch_execute(&format!(
        "COPY (SELECT {} FROM cost_analytics.focus WHERE \"BillingPeriodStart\" = '2025-09-01Z') TO '{}' (FORMAT csv, HEADER)",
        select.join(", "),
        csv.display()
    ))?;
    Ok(types)
}
