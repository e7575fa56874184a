//! Random bills of every dialect: columns that come and go, in several spellings and types.

use super::meaning::{self, Amounts, Cell, PERIOD, Row};
use pg_test::bills::rng::Rng;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A column: its name, and what it holds.
struct Column(&'static str, Holds);

#[derive(Clone, Copy)]
enum Holds {
    /// One of these, or nothing.
    Text(&'static [&'static str]),
    Money,
    /// A day; as a date or an instant of the day.
    Day,
    /// One of these objects.
    Json(&'static [&'static str]),
}

use Holds::{Day, Json, Money, Text};

const ACCOUNTS: Holds = Text(&["111122223333", "444455556666"]);
const SERVICES: Holds = Text(&["Amazon Elastic Compute Cloud", "O'Reilly"]);
const REGIONS: Holds = Text(&["us-east-1", "eu-west-2", "global"]);
const CURRENCIES: Holds = Text(&["USD", "EUR"]);

const AWS: &[Column] = &[
    Column(
        "line_item_line_item_type",
        Text(&[
            "Usage",
            "DiscountedUsage",
            "SavingsPlanCoveredUsage",
            "SavingsPlanNegation",
            "SavingsPlanUpfrontFee",
            "SavingsPlanRecurringFee",
            "Fee",
            "RIFee",
            "Tax",
            "Credit",
            "Refund",
            "EdpDiscount",
            "BundledDiscount",
            "Mystery",
        ]),
    ),
    Column("line_item_unblended_cost", Money),
    Column("line_item_blended_cost", Money),
    Column("line_item_net_unblended_cost", Money),
    Column("line_item_usage_start_date", Day),
    Column("line_item_usage_account_id", ACCOUNTS),
    Column("bill_payer_account_id", ACCOUNTS),
    Column("product_product_name", SERVICES),
    Column(
        "line_item_product_code",
        Text(&["AmazonEC2", "ComputeSavingsPlans"]),
    ),
    Column("product_region", REGIONS),
    Column("product_region_code", REGIONS),
    Column(
        "line_item_availability_zone",
        Text(&["us-west-2a", "us-west-2-lax-1a", "us-west-2"]),
    ),
    Column("line_item_currency_code", CURRENCIES),
    Column("pricing_currency", CURRENCIES),
    Column("bill_invoice_id", Text(&["1", "2"])),
    Column("pricing_public_on_demand_cost", Money),
    Column("split_line_item_parent_resource_id", Text(&["i-1"])),
];

/// Any of these may be missing: people choose the columns of CUR 2.0.
const COMMITMENTS: &[Column] = &[
    Column("savings_plan_savings_plan_a_r_n", Text(&["arn:sp"])),
    Column("reservation_reservation_a_r_n", Text(&["arn:ri"])),
    Column("savings_plan_savings_plan_effective_cost", Money),
    Column("savings_plan_total_commitment_to_date", Money),
    Column("savings_plan_used_commitment", Money),
    Column(
        "savings_plan_amortized_upfront_commitment_for_billing_period",
        Money,
    ),
    Column("reservation_effective_cost", Money),
    Column(
        "reservation_unused_amortized_upfront_fee_for_billing_period",
        Money,
    ),
    Column("reservation_unused_recurring_fee", Money),
    Column(
        "reservation_amortized_upfront_fee_for_billing_period",
        Money,
    ),
];

const NET_COMMITMENTS: &[Column] = &[
    Column("savings_plan_net_savings_plan_effective_cost", Money),
    Column("reservation_net_effective_cost", Money),
];

const AWS2: &[Column] = &[Column(
    "product",
    Json(&[
        r#"{"product_name": "Amazon Simple Storage Service", "region": "eu-north-1"}"#,
        r#"{"product_name": "", "region": "ap-south-1"}"#,
        "{}",
    ]),
)];

const FOCUS: &[Column] = &[
    Column("BilledCost", Money),
    Column(
        "ChargeCategory",
        Text(&["Usage", "Purchase", "Tax", "Credit", "Invention"]),
    ),
    Column("ChargeClass", Text(&["Correction"])),
    Column("ChargePeriodStart", Day),
    Column("EffectiveCost", Money),
    Column("ListCost", Money),
    Column("SubAccountId", ACCOUNTS),
    Column("BillingAccountId", ACCOUNTS),
    Column("ServiceName", SERVICES),
    Column("RegionId", REGIONS),
    Column("Region", REGIONS),
    Column("BillingCurrency", CURRENCIES),
    Column("InvoiceId", Text(&["1"])),
    Column(
        "CommitmentDiscountType",
        Text(&["Savings Plan", "Reservation"]),
    ),
];

const AZURE: &[Column] = &[
    Column("CostInBillingCurrency", Money),
    Column("Cost", Money),
    Column("PreTaxCost", Money),
    Column("MeterId", Text(&["m"])),
    Column("Date", Day),
    Column("UsageDateTime", Day),
    Column(
        "ChargeType",
        Text(&[
            "Usage",
            "Purchase",
            "Refund",
            "UnusedReservation",
            "Tax",
            "RoundingAdjustment",
        ]),
    ),
    Column("SubscriptionId", ACCOUNTS),
    Column("SubscriptionGuid", ACCOUNTS),
    Column("ServiceName", SERVICES),
    Column("MeterCategory", SERVICES),
    Column("ConsumedService", SERVICES),
    Column("ResourceLocation", REGIONS),
    Column("MeterRegion", REGIONS),
    Column("BillingCurrencyCode", CURRENCIES),
    Column("BillingCurrency", CURRENCIES),
    Column("Currency", CURRENCIES),
    Column("InvoiceId", Text(&["1"])),
    Column("ReservationId", Text(&["r"])),
    Column(
        "BenefitId",
        Text(&[
            "/providers/Microsoft.BillingBenefits/savingsPlanOrders/o/savingsPlans/s",
            "/providers/microsoft.capacity/reservationOrders/o/reservations/r",
        ]),
    ),
    Column(
        "PricingModel",
        Text(&["OnDemand", "Reservation", "SavingsPlan", "Spot"]),
    ),
    Column("PaygCostInBillingCurrency", Money),
];

const GCP: &[Column] = &[
    Column("sku_description", Text(&["Core", "RAM"])),
    Column("cost", Money),
    Column(
        "cost_type",
        Text(&["regular", "tax", "adjustment", "rounding_error"]),
    ),
    Column("usage_start_time", Day),
    Column("invoice_month", Text(&["202509", "202510"])),
    Column("project_id", ACCOUNTS),
    Column("billing_account_id", ACCOUNTS),
    Column("service_description", SERVICES),
    Column("service_id", SERVICES),
    Column("location_region", REGIONS),
    Column("location_location", REGIONS),
    Column("currency", CURRENCIES),
    Column("cost_at_list", Money),
];

const CREDITS: &[Column] = &[Column(
    "credits",
    Json(&[
        "[]",
        r#"[{"name": "x", "amount": -0.25}]"#,
        r#"[{"amount": -1.5, "type": "PROMOTION"}, {"id": "y", "amount": -0.000001}]"#,
    ]),
)];

/// As Python prints lists, which is how flattened exports come.
const CREDITS_AS_TEXT: &[Column] = &[Column(
    "credits",
    Text(&[
        "[]",
        "[{'name': 'x', 'amount': -0.25, 'full_name': None}]",
        "[{'amount': -1.5, 'type': 'PROMOTION'}, {'id': 'y', 'amount': -0.000001}]",
    ]),
)];

/// A table, its rows, and how each is to be understood.
pub struct Bill {
    pub format: Option<&'static str>,
    columns: Vec<(&'static str, String, String)>,
    rows: Vec<Row>,
    meaning: fn(&Row) -> (String, [i64; 8]),
}

impl Bill {
    pub fn draw(seed: u64) -> Self {
        let mut rng = Rng::new(seed, &[0x4E0]);
        // What tells the dialect is always there.
        type Kind = (
            &'static [&'static str],
            Vec<&'static [Column]>,
            Option<&'static str>,
            fn(&Row) -> (String, [i64; 8]),
        );
        let (kept, mut parts, format, meaning): Kind = match seed % 6 {
            0 => (
                &["line_item_line_item_type", "line_item_unblended_cost"],
                vec![AWS],
                None,
                meaning::aws,
            ),
            1 => (
                &[
                    "line_item_line_item_type",
                    "line_item_unblended_cost",
                    "product",
                ],
                vec![AWS, AWS2],
                None,
                meaning::aws,
            ),
            2 => (
                &["BilledCost", "ChargeCategory"],
                vec![FOCUS],
                None,
                meaning::focus,
            ),
            3 => (
                &["CostInBillingCurrency"],
                vec![AZURE],
                Some("azure-actual"),
                meaning::azure_actual,
            ),
            4 => (
                &["PreTaxCost"],
                vec![AZURE],
                Some("azure-amortized"),
                meaning::azure_amortized,
            ),
            _ => (&["sku_description", "cost"], vec![GCP], None, meaning::gcp),
        };
        let drawn: Vec<&Column> = parts
            .iter()
            .flat_map(|part| part.iter())
            .filter(|Column(name, _)| kept.contains(name) || rng.chance(80))
            .collect();
        parts.clear();
        if seed % 6 < 2 && rng.chance(70) {
            parts.push(COMMITMENTS);
            parts.push(NET_COMMITMENTS);
        }
        // One missing column takes a family away, so that most must be there.
        let likely = *rng.pick(&[80, 100]);
        if seed % 6 == 5 {
            parts.push(*rng.pick(&[CREDITS, CREDITS_AS_TEXT, &[]]));
        }
        let more: Vec<&Column> = parts
            .iter()
            .flat_map(|part| part.iter())
            .filter(|_| rng.chance(likely))
            .collect();
        let all = [drawn, more].concat();
        let spelling = rng.below(3);
        let columns = all.iter().map(|Column(name, holds)| {
            let of_type = match holds {
                Text(_) => "text",
                Money => rng.pick(&["double precision", "double precision", "numeric", "text"]),
                Day => rng.pick(&["date", "timestamp", "timestamptz"]),
                Json(_) => "jsonb",
            };
            (*name, spelled(name, spelling), of_type.to_owned())
        });
        let columns: Vec<_> = columns.collect();
        let rows = (0..rng.below(400)).map(|_| {
            let row = all
                .iter()
                .map(|Column(name, holds)| (*name, cell(*holds, &mut rng)));
            row.collect()
        });
        Bill {
            format,
            rows: rows.collect(),
            columns,
            meaning,
        }
    }

    /// The statements that make the table `bill`.
    pub fn create(&self) -> String {
        let mut sql = "SET TimeZone = 'America/New_York'; DROP TABLE IF EXISTS bill; CREATE TABLE bill (billing_period date".to_owned();
        for (_, name, of_type) in &self.columns {
            let _ = write!(sql, ", \"{name}\" {of_type}");
        }
        sql += ");\n";
        for row in &self.rows {
            let _ = write!(sql, "INSERT INTO bill VALUES ('{PERIOD}'");
            for (name, _, of_type) in &self.columns {
                sql += ", ";
                sql += &match &row[name] {
                    Cell::Null => "NULL".to_owned(),
                    Cell::Micro(micro) => format!("'{}'", as_decimal(*micro)),
                    // The day's first or last instant, which other time zones take for another day's.
                    Cell::Text(day) if of_type.starts_with("timestamp") => {
                        let time = if day.ends_with(['1', '3']) {
                            "00:00:00"
                        } else {
                            "23:59:59"
                        };
                        format!(
                            "'{day} {time}{}'",
                            if of_type == "timestamptz" { "Z" } else { "" }
                        )
                    }
                    Cell::Text(text) => format!("'{}'", text.replace('\'', "''")),
                };
            }
            sql += ");\n";
        }
        sql
    }

    /// What it comes to.
    pub fn meaning(&self) -> BTreeMap<String, Amounts> {
        let mut sums: BTreeMap<String, Amounts> = BTreeMap::new();
        for row in &self.rows {
            let (key, amounts) = (self.meaning)(row);
            let entry = sums.entry(key).or_default();
            entry.lines += 1;
            for (sum, amount) in entry.micro.iter_mut().zip(amounts) {
                *sum += amount;
            }
        }
        sums
    }
}

fn cell(holds: Holds, rng: &mut Rng) -> Cell {
    if rng.chance(15) {
        return Cell::Null;
    }
    match holds {
        Text(_) if rng.chance(25) => Cell::Text(String::new()),
        Text(values) | Json(values) => Cell::Text((*rng.pick(values)).to_owned()),
        Money => Cell::Micro(rng.below(4_000_000_000) as i64 - 2_000_000_000),
        Day => Cell::Text(format!("2025-09-0{}", 1 + rng.below(4))),
    }
}

fn as_decimal(micro: i64) -> String {
    let (sign, size) = (if micro < 0 { "-" } else { "" }, micro.unsigned_abs());
    format!("{sign}{}.{:06}", size / 1_000_000, size % 1_000_000)
}

/// As AWS's Parquet has it, squeezed, or as some header.
fn spelled(name: &str, how: usize) -> String {
    match how {
        0 => name.to_owned(),
        1 => name.replace('_', "").to_lowercase(),
        _ => name.replacen('_', ".", 1).to_uppercase(),
    }
}
