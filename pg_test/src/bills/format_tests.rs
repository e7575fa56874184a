//! What is the same in every format, and what an independent reader finds in the files.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::duckdb::{DuckDb, unzipped};

fn month(sample: &Sample) -> MonthBill {
    sample.report.month(2025, 9, 0)
}

/// The keys that count.
fn named(report: &Report, bill: &MonthBill) -> Vec<String> {
    let files = counted(&bill.files, &report.bucket);
    files.into_iter().map(|file| file.key.clone()).collect()
}

#[test]
fn the_bill_is_the_same_in_all_formats_of_a_cloud() {
    let all = samples();
    let of = |test: fn(BillFormat) -> bool| -> Vec<(&'static str, Totals)> {
        let some = all.iter().filter(|sample| test(sample.report.format));
        some.map(|sample| (sample.name, month(sample).totals))
            .collect()
    };
    let aws = of(|format| {
        matches!(
            format,
            BillFormat::Cur | BillFormat::Cur2 | BillFormat::AwsFocus(_) | BillFormat::Focus(_)
        )
    });
    assert_eq!(aws.len(), 20);
    for (name, totals) in &aws {
        let first = &aws[0].1;
        assert_eq!(totals.unblended, first.unblended, "{name}");
        assert_eq!(totals.cash, first.cash, "{name}");
        assert_eq!(totals.amortized, first.amortized, "{name}");
        assert_eq!(totals.by_account, first.by_account, "{name}");
        let services = |totals: &Totals| -> BTreeMap<String, String> {
            let mut services = totals.by_service.clone();
            // The pods' lines cost nothing, and FOCUS does not have them.
            services.retain(|service, _| !service.contains("Kubernetes"));
            services
        };
        assert_eq!(services(totals), services(first), "{name}");
        if !name.starts_with("focus") {
            assert_eq!(totals, first, "{name}");
        }
    }
    let azure = of(|format| matches!(format, BillFormat::AzureActual(_)));
    let amortized = of(|format| matches!(format, BillFormat::AzureAmortized(_)));
    let focus = of(|format| format == BillFormat::AzureFocus);
    for (name, totals) in azure.iter().chain(&focus) {
        assert_eq!(totals.cash, azure[0].1.cash, "{name}");
    }
    for (name, totals) in amortized.iter().chain(&focus) {
        assert_eq!(totals.amortized, amortized[0].1.amortized, "{name}");
    }
    assert!(azure.iter().all(|(_, totals)| totals.amortized.is_empty()));
    assert!(amortized.iter().all(|(_, totals)| totals.cash.is_empty()));
    let gcp = of(|format| matches!(format, BillFormat::Gcp(_)));
    assert!(gcp.iter().all(|(_, totals)| totals == &gcp[0].1));
}

/// All kinds of lines are there, or the formats are told apart by what is easy.
#[test]
fn every_kind_of_line_is_in_the_samples() {
    let all = samples();
    let kinds = |name: &str| -> BTreeSet<String> {
        let sample = all.iter().find(|sample| sample.name == name).unwrap();
        month(sample).totals.by_line_item_type.into_keys().collect()
    };
    let has = |name, expected: &[&str]| {
        let kinds = kinds(name);
        let missing: Vec<_> = expected
            .iter()
            .filter(|kind| !kinds.contains(**kind))
            .collect();
        assert!(missing.is_empty(), "{name}: {missing:?}");
    };
    has("focus12-parquet", &["Usage", "Purchase", "Tax", "Credit"]);
    has(
        "azure-actual-ea",
        &["Usage", "Purchase", "Refund", "Tax", "RoundingAdjustment"],
    );
    has(
        "azure-amortized-ea",
        &[
            "Usage",
            "UnusedReservation",
            "UnusedSavingsPlan",
            "Purchase",
            "Tax",
        ],
    );
    has(
        "azure-focus-csv",
        &["Usage", "Purchase", "Tax", "Adjustment"],
    );
    has(
        "gcp-standard-parquet",
        &["regular", "tax", "adjustment", "rounding_error"],
    );
}

/// What is bought in a month is what is used and wasted in it, or amortized costs mean nothing.
#[test]
fn azures_amortized_costs_differ_by_the_refund_of_a_reservation_only() {
    let sample = |name: &str| {
        samples()
            .into_iter()
            .find(|sample| sample.name == name)
            .unwrap()
    };
    let total = |name: &str| -> f64 { month(&sample(name)).totals.unblended.parse().unwrap() };
    let difference = total("azure-actual-ea") - total("azure-amortized-ea");
    assert!((difference + 41.37).abs() < 1e-9, "{difference}");
}

#[test]
fn layouts_are_those_of_the_providers() {
    let all = samples();
    let keys = |name: &str| -> Vec<String> {
        let sample = all.iter().find(|sample| sample.name == name).unwrap();
        month(sample)
            .files
            .into_iter()
            .map(|file| file.key)
            .collect()
    };
    let cup = "cup/CUP-Cost-Usage-Report";
    let period = format!("{cup}/20250901-20251001");
    assert_eq!(
        keys("cur-csv"),
        [
            format!("{period}/CUP-Cost-Usage-Report-00001.csv.gz"),
            format!("{period}/CUP-Cost-Usage-Report-00002.csv.gz"),
            format!("{period}/CUP-Cost-Usage-Report-00003.csv.gz"),
            format!("{period}/CUP-Cost-Usage-Report-Manifest.json"),
        ]
    );
    let new = keys("cur-csv-new");
    assert_eq!(
        new[0],
        format!("{period}/20251001T003621Z/CUP-Cost-Usage-Report-00001.csv.gz")
    );
    assert_eq!(
        new.last().unwrap(),
        &format!("{period}/CUP-Cost-Usage-Report-Manifest.json")
    );
    assert!(keys("cur-csv-zip-new")[0].ends_with("/CUP-Cost-Usage-Report-1.csv.zip"));
    assert!(
        keys("cur-csv-bare")
            .iter()
            .all(|key| key.ends_with(".csv.gz"))
    );
    let cur2 = keys("cur2-parquet-new");
    let (folder, _) = cur2[0].rsplit_once('/').unwrap();
    let run = folder
        .strip_prefix(&format!("{cup}/data/BILLING_PERIOD=2025-09/"))
        .unwrap();
    assert!(run.starts_with("2025-10-01T23:48:02.356Z-"), "{run}");
    assert_eq!(
        cur2[3],
        format!("{cup}/metadata/BILLING_PERIOD=2025-09/{run}/CUP-Cost-Usage-Report-Manifest.json")
    );
    assert_eq!(
        cur2[4],
        format!("{cup}/metadata/BILLING_PERIOD=2025-09/CUP-Cost-Usage-Report-Manifest.json")
    );
    assert!(keys("focus12-parquet")[0].starts_with(&format!("{cup}/data/billing_period=2025-09/")));
    let azure = keys("azure-actual-ea");
    let range = "exports/azure/daily-costs/20250901-20250930/";
    assert!(azure.iter().all(|key| key.starts_with(range)));
    let runs: BTreeSet<&str> = azure.iter().map(|key| &key[range.len()..][..12]).collect();
    assert_eq!(
        Vec::from_iter(runs),
        ["202509111400", "202509211400", "202510011500"]
    );
    assert_eq!(
        azure
            .iter()
            .filter(|key| key.ends_with("/manifest.json"))
            .count(),
        3
    );
    assert!(azure.last().unwrap().ends_with("/manifest.json"));
    assert_eq!(keys("azure-actual-single").len(), 1);
    let gcp = ["000000000000", "000000000001", "000000000002"];
    let gcp = gcp.map(|file| format!("gcp/billing/2025-09/{file}.parquet"));
    assert_eq!(keys("gcp-standard-parquet"), gcp);
}

#[test]
fn odd_chunks_are_there_but_only_the_empty_ones_are_named() {
    let all = samples();
    let sample = all
        .iter()
        .find(|sample| sample.name == "cur-csv-odd")
        .unwrap();
    let bill = month(sample);
    let counted = named(&sample.report, &bill);
    let data: Vec<&BillFile> = bill
        .files
        .iter()
        .filter(|f| f.key.ends_with(".csv.gz"))
        .collect();
    assert_eq!((data.len(), counted.len()), (8, 5));
    let empty: Vec<usize> = (0..8).filter(|n| data[*n].bytes.is_empty()).collect();
    assert_eq!(empty, [4, 7]);
}

#[test]
fn focus_has_as_many_columns_as_awss_exports() {
    use format::FocusVersion::{V1_0, V1_2};
    for (version, columns) in [(V1_0, 48), (V1_2, 60)] {
        let focus = focus::Focus::new(version);
        let names: Vec<&String> = focus.arrow.fields().iter().map(|f| f.name()).collect();
        assert_eq!(names.len(), columns);
        assert!(names.is_sorted(), "{names:?}");
    }
}

#[test]
fn a_restated_month_differs_in_every_format() {
    for sample in samples() {
        let (first, second) = (month(&sample), sample.report.month(2025, 9, 1));
        assert_ne!(
            first.totals.unblended, second.totals.unblended,
            "{}",
            sample.name
        );
        let new = sample.report.delivery.versioning == Versioning::CreateNew;
        let keys = |bill: &MonthBill| named(&sample.report, bill);
        let apart = keys(&first).iter().all(|key| !keys(&second).contains(key));
        assert!(
            !new || apart,
            "{}: a new delivery has keys of its own",
            sample.name
        );
    }
}

/// Files in a directory, as DuckDB reads them.
struct Reading {
    duckdb: DuckDb,
    dir: tempfile::TempDir,
}

impl Reading {
    fn start() -> Self {
        Reading {
            duckdb: DuckDb::start().unwrap(),
            dir: tempfile::tempdir().unwrap(),
        }
    }

    /// Makes the view `name` over the files that count.
    fn view(&mut self, name: &str, sample: &Sample) -> MonthBill {
        let bill = month(sample);
        let root = self.dir.path().join(name);
        let mut paths = Vec::new();
        for file in counted(&bill.files, &sample.report.bucket) {
            // DuckDB takes no empty file and opens no archive.
            if file.bytes.is_empty() {
                continue;
            }
            let path = root.join(&file.key);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &file.bytes).unwrap();
            paths.push(format!("'{}'", unzipped(&path).unwrap()));
        }
        let paths = paths.join(", ");
        let read = match sample.report.encoding {
            Encoding::Parquet => format!("read_parquet([{paths}])"),
            Encoding::Csv(style) => format!(
                "read_csv([{paths}], header = true, all_varchar = true, delim = ',', quote = '\"', \
                 escape = '\"', nullstr = '{}', max_line_size = 10000000)",
                style.null
            ),
        };
        let sql = format!("CREATE OR REPLACE VIEW \"{name}\" AS SELECT * FROM {read}");
        self.duckdb.ask(&sql).unwrap();
        bill
    }

    fn texts(&mut self, sql: &str) -> Vec<String> {
        self.duckdb
            .texts(sql)
            .unwrap_or_else(|error| panic!("{error}"))
    }
}

/// A cell as the decimal it prints as; more digits than any amount has.
fn decimal(cell: &str) -> String {
    format!("coalesce({cell}::varchar::decimal(38, 26), 0)")
}

/// The SQL of a row's cost.
fn cost(report: &Report) -> String {
    let csv = report.encoding != Encoding::Parquet;
    match report.format {
        BillFormat::Cur => match report.encoding {
            Encoding::Csv(style) => decimal(match style.headers {
                Headers::Slash => "\"lineItem/UnblendedCost\"",
                Headers::Snake => "line_item_unblended_cost",
                Headers::Squeezed => "lineitem_unblendedcost",
            }),
            Encoding::Parquet => decimal("line_item_unblended_cost"),
        },
        BillFormat::Cur2 => decimal("line_item_unblended_cost"),
        BillFormat::AwsFocus(_) | BillFormat::Focus(_) | BillFormat::AzureFocus => {
            decimal("\"BilledCost\"")
        }
        BillFormat::AzureActual(AzureDialect::EaShort)
        | BillFormat::AzureAmortized(AzureDialect::EaShort) => decimal("\"Cost\""),
        // DuckDB's names have no case.
        BillFormat::AzureActual(_) | BillFormat::AzureAmortized(_) => {
            decimal("\"CostInBillingCurrency\"")
        }
        BillFormat::Gcp(_) => {
            let (list, amount) = match csv {
                true => ("from_json(credits, '[\"JSON\"]')", "c->>'$.amount'"),
                false => ("credits", "c.amount"),
            };
            let amount = decimal(&format!("({amount})"));
            let credits = format!("list_sum(list_transform({list}, c -> {amount}))");
            format!("{} + coalesce({credits}, 0)", decimal("cost"))
        }
    }
}

/// And of its amortized cost, where the format has it as a column.
fn amortized(report: &Report) -> Option<String> {
    match report.format {
        BillFormat::AwsFocus(_) | BillFormat::Focus(_) | BillFormat::AzureFocus => {
            Some(decimal("\"EffectiveCost\""))
        }
        BillFormat::AzureAmortized(_) => Some(cost(report)),
        _ => None,
    }
}

#[test]
fn duckdb_finds_the_totals_in_every_format() {
    let mut reading = Reading::start();
    for sample in samples() {
        let name = sample.name;
        let bill = reading.view(name, &sample);
        let found = reading.texts(&format!(
            "SELECT count(*), sum({cost}) = '{total}'::decimal(38, 26), sum({cost}) FROM \"{name}\"",
            cost = cost(&sample.report),
            total = bill.totals.unblended,
        ));
        assert_eq!(found[0], bill.totals.rows.to_string(), "{name}: rows");
        assert_eq!(
            found[1], "True",
            "{name}: {} for {}",
            found[2], bill.totals.unblended
        );
        if let Some(amortized) = amortized(&sample.report) {
            let total = bill.totals.amortized.values().next().unwrap();
            let found = reading.texts(&format!(
                "SELECT sum({amortized}) = '{total}'::decimal(38, 26), sum({amortized}) FROM \"{name}\""
            ));
            assert_eq!(
                found[0], "True",
                "{name}: amortized {} for {total}",
                found[1]
            );
        }
    }
}

/// A line's cells, from Parquet or CSV, in the same form: `''` and NULL, 0 and NULL are the same
/// nothing.
fn canonical(column: &schema::Column, cell: &str) -> String {
    match column.kind {
        schema::Kind::Text => format!("coalesce({cell}, '')"),
        schema::Kind::Double => format!("coalesce({cell}::double, 0)"),
        schema::Kind::Time => format!("{cell}::timestamptz"),
    }
}

#[test]
fn legacy_csv_has_the_cells_of_legacy_parquet() {
    let mut reading = Reading::start();
    let all = samples();
    reading.view("cur-parquet", &all[0]);
    let report = &all[0].report;
    let estate = Estate::new(report, Month::new(2025, 9), 0);
    let columns = &estate.schema.columns;
    let cells = |spell: &dyn Fn(&schema::Column) -> String| -> String {
        let cells = columns
            .iter()
            .map(|c| canonical(c, &format!("\"{}\"", spell(c))));
        cells.collect::<Vec<_>>().join(", ")
    };
    let parquet = format!("SELECT {} FROM \"cur-parquet\"", cells(&|c| c.name.clone()));
    for sample in &all[1..] {
        let (BillFormat::Cur, Encoding::Csv(style)) =
            (sample.report.format, sample.report.encoding)
        else {
            continue;
        };
        reading.view(sample.name, sample);
        let csv = format!(
            "SELECT {} FROM \"{}\"",
            cells(&|c| schema::header(c, style.headers)),
            sample.name
        );
        // With breaks in the descriptions some cells differ, and must.
        let expected = if style.line_breaks { "False" } else { "True" };
        let found = reading.texts(&format!(
            "SELECT (SELECT count(*) FROM ({parquet} EXCEPT ALL {csv})) = 0 \
                AND (SELECT count(*) FROM ({csv} EXCEPT ALL {parquet})) = 0"
        ));
        assert_eq!(found, [expected], "{}", sample.name);
    }
}

#[test]
fn cur2_has_the_legacy_cells_in_columns_and_maps() {
    let mut reading = Reading::start();
    let all = samples();
    let legacy = reading.view("cur-parquet", &all[0]);
    for name in ["cur2-parquet", "cur2-csv"] {
        let sample = all.iter().find(|sample| sample.name == name).unwrap();
        reading.view(name, sample);
        let get = |map: &str, key: &str| match sample.report.encoding {
            Encoding::Parquet => format!("b.{map}['{key}']"),
            Encoding::Csv(_) => format!("b.{map}->>'$.{key}'"),
        };
        let same = [
            ("a.product_region", get("product", "region")),
            ("a.product_product_name", get("product", "product_name")),
            (
                "a.product_operating_system",
                get("product", "operating_system"),
            ),
            ("a.product_servicecode", "b.product_servicecode".to_owned()),
            (
                "a.resource_tags_user_team",
                get("resource_tags", "user_team"),
            ),
            (
                "a.resource_tags_aws_created_by",
                get("resource_tags", "aws_created_by"),
            ),
            (
                "a.cost_category_cost_center",
                get("cost_category", "cost_center"),
            ),
            (
                "a.line_item_usage_amount",
                "b.line_item_usage_amount".to_owned(),
            ),
            ("a.discount_edp_discount", get("discount", "edp_discount")),
            (
                "a.split_line_item_split_cost",
                "b.split_line_item_split_cost".to_owned(),
            ),
        ];
        let equal = same
            .iter()
            .enumerate()
            .map(|(n, (one, other))| match n >= 7 {
                true => format!("{one} = coalesce(({other})::double, 0)"),
                false => format!("{one} = coalesce({other}, '')"),
            });
        let equal: Vec<String> = equal.collect();
        let counts = equal.iter().map(|e| format!("count(*) FILTER (WHERE {e})"));
        let present =
            same.map(|(one, _)| format!("(count(nullif({one}::varchar, '')) > 0)::varchar"));
        let found = reading.texts(&format!(
            "SELECT {}, {} FROM \"cur-parquet\" a JOIN \"{name}\" b \
              USING (identity_line_item_id, identity_time_interval)",
            counts.collect::<Vec<_>>().join(", "),
            present.join(", "),
        ));
        let rows = legacy.totals.rows.to_string();
        for (n, expression) in equal.iter().enumerate() {
            assert_eq!(found[n], rows, "{name}: {expression}");
            assert_eq!(
                found[n + equal.len()],
                "true",
                "{name}: nothing to compare in {expression}"
            );
        }
    }
}

#[test]
fn google_has_late_usage_and_the_next_months_first_hours() {
    let mut reading = Reading::start();
    let all = samples();
    for name in ["gcp-standard-parquet", "gcp-detailed-csv"] {
        let sample = all.iter().find(|sample| sample.name == name).unwrap();
        reading.view(name, sample);
        let month = match sample.report.encoding {
            Encoding::Parquet => "invoice.month",
            Encoding::Csv(_) => "\"invoice.month\"",
        };
        let found = reading.texts(&format!(
            "SELECT string_agg(DISTINCT {month}, ' '), \
                    (count(*) FILTER (WHERE usage_start_time::timestamptz < '2025-09-01 00:00:00Z') > 0), \
                    (count(*) FILTER (WHERE usage_start_time::timestamptz >= '2025-10-01 00:00:00Z') > 0) \
               FROM \"{name}\""
        ));
        assert_eq!(found, ["202509", "True", "True"], "{name}");
    }
}
