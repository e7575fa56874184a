//! What a row means, worked out row by row in Rust: nothing is shared with the rules.

use std::collections::BTreeMap;

/// What the comparison tells rows apart by.
pub const KEYS: [&str; 11] = [
    "date",
    "invoice_month",
    "account_id",
    "service",
    "region",
    "line_item_type",
    "charge_category",
    "charge_class",
    "commitment_type",
    "currency",
    "invoice_id",
];

pub const AMOUNTS: [&str; 8] = [
    "cost",
    "blended_cost",
    "net_cost",
    "amortized_cost",
    "net_amortized_cost",
    "list_cost",
    "ri_sp_trueup",
    "ri_sp_upfront_fees",
];

/// Sums in millionths, in the order of [`AMOUNTS`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Amounts {
    pub micro: [i64; 8],
    pub lines: i64,
}

/// A decimal of at most six places, in millionths.
pub fn decimal(text: &str) -> i64 {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let micro = format!("{whole}{fraction:0<6}").parse::<i64>();
    let micro = micro.expect("at most six places");
    if negative { -micro } else { micro }
}

/// A value of a row.
#[derive(Clone, Debug)]
pub enum Cell {
    Text(String),
    Micro(i64),
    Null,
}

/// A row by the columns' own names; those that the bill lacks are not in it.
pub type Row = BTreeMap<&'static str, Cell>;

fn text(row: &Row, name: &str) -> Option<String> {
    match row.get(name) {
        Some(Cell::Text(text)) if !text.is_empty() => Some(text.clone()),
        _ => None,
    }
}

fn first(row: &Row, names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| text(row, name))
}

fn known(row: &Row, name: &str) -> Option<i64> {
    match row.get(name) {
        Some(Cell::Micro(micro)) => Some(*micro),
        _ => None,
    }
}

fn money(row: &Row, name: &str) -> i64 {
    known(row, name).unwrap_or(0)
}

/// The value of a key in a map that is drawn as flat JSON of texts.
fn in_map(row: &Row, map: &str, key: &str) -> Option<String> {
    let json: serde_json::Value = serde_json::from_str(&text(row, map)?).ok()?;
    let value = json[key].as_str()?.to_owned();
    (!value.is_empty()).then_some(value)
}

type Keys = [Option<String>; 11];

fn key(keys: &Keys) -> String {
    let each = keys.iter().map(|k| k.as_deref().unwrap_or("-"));
    each.collect::<Vec<_>>().join("|")
}

pub const PERIOD: &str = "2025-09-01";

fn some(text: &str) -> Option<String> {
    Some(text.to_owned())
}

pub fn aws(row: &Row) -> (String, [i64; 8]) {
    let kind = text(row, "line_item_line_item_type").unwrap_or_else(|| "Other".to_owned());
    let is_plan_refund = kind == "Refund"
        && text(row, "line_item_product_code").as_deref() == Some("ComputeSavingsPlans");
    let zone = text(row, "line_item_availability_zone").map(|zone| {
        let letter = zone.ends_with(|c: char| c.is_ascii_lowercase());
        let digit = zone
            .chars()
            .rev()
            .nth(1)
            .is_some_and(|c| c.is_ascii_digit());
        match letter && digit {
            true => zone[..zone.len() - 1].to_owned(),
            false => zone,
        }
    });
    let category = match kind.as_str() {
        "Tax" | "Credit" => kind.as_str(),
        "Fee" | "RIFee" | "SavingsPlanUpfrontFee" | "SavingsPlanRecurringFee" => "Purchase",
        "Refund" if is_plan_refund => "Purchase",
        "Other" | "Mystery" => "Adjustment",
        _ => "Usage",
    };
    let plan = text(row, "savings_plan_savings_plan_a_r_n");
    let reservation = text(row, "reservation_reservation_a_r_n");
    let keys = [
        first(row, &["line_item_usage_start_date"]).or(some(PERIOD)),
        some(PERIOD),
        first(
            row,
            &["line_item_usage_account_id", "bill_payer_account_id"],
        )
        .or(some("unknown")),
        text(row, "product_product_name")
            .or(in_map(row, "product", "product_name"))
            .or(text(row, "line_item_product_code"))
            .or(some("Unknown")),
        text(row, "product_region")
            .or(in_map(row, "product", "region"))
            .or(text(row, "product_region_code"))
            .or(zone),
        Some(kind.clone()),
        some(category),
        (kind == "Refund").then(|| "Correction".to_owned()),
        match (&plan, &reservation) {
            (Some(_), _) => some("Savings Plan"),
            (None, Some(_)) => some("Reserved Instance"),
            _ => None,
        },
        first(row, &["line_item_currency_code", "pricing_currency"]).or(some("USD")),
        text(row, "bill_invoice_id"),
    ];
    let unblended = money(row, "line_item_unblended_cost");
    let net = match known(row, "line_item_net_unblended_cost") {
        Some(net) => net,
        // Net costs are after discounts.
        None if kind.ends_with("Discount") && row.contains_key("line_item_net_unblended_cost") => 0,
        None => unblended,
    };
    let has = |names: &[&str]| names.iter().all(|name| row.contains_key(name));
    let has_plans = has(&[
        "savings_plan_savings_plan_effective_cost",
        "savings_plan_total_commitment_to_date",
        "savings_plan_used_commitment",
    ]);
    let has_reservations = has(&[
        "reservation_reservation_a_r_n",
        "reservation_effective_cost",
        "reservation_unused_amortized_upfront_fee_for_billing_period",
        "reservation_unused_recurring_fee",
    ]);
    let is_amortized = match kind.as_str() {
        "DiscountedUsage" | "RIFee" | "Fee" => has_reservations,
        kind => has_plans && (kind.starts_with("SavingsPlan") || is_plan_refund),
    };
    let net_of = |net: &str, gross: &str| known(row, net).unwrap_or(money(row, gross));
    let commitment = money(row, "savings_plan_total_commitment_to_date")
        - money(row, "savings_plan_used_commitment");
    let is_upfront =
        kind == "SavingsPlanUpfrontFee" || is_plan_refund || kind == "Fee" && reservation.is_some();
    let (amortized, net_amortized) = match kind.as_str() {
        _ if !is_amortized => (unblended, net),
        "SavingsPlanCoveredUsage" => (
            money(row, "savings_plan_savings_plan_effective_cost"),
            net_of(
                "savings_plan_net_savings_plan_effective_cost",
                "savings_plan_savings_plan_effective_cost",
            ),
        ),
        "SavingsPlanRecurringFee" => (commitment, commitment),
        "SavingsPlanNegation" => (0, 0),
        "DiscountedUsage" => (
            money(row, "reservation_effective_cost"),
            net_of(
                "reservation_net_effective_cost",
                "reservation_effective_cost",
            ),
        ),
        "RIFee" => {
            let unused = money(
                row,
                "reservation_unused_amortized_upfront_fee_for_billing_period",
            ) + money(row, "reservation_unused_recurring_fee");
            (unused, unused)
        }
        _ if is_upfront => (0, 0),
        _ => (unblended, net),
    };
    let trueup = match kind.as_str() {
        "SavingsPlanRecurringFee" => -money(
            row,
            "savings_plan_amortized_upfront_commitment_for_billing_period",
        ),
        "RIFee" => -money(row, "reservation_amortized_upfront_fee_for_billing_period"),
        _ => 0,
    };
    let list = match kind.as_str() {
        "SavingsPlanNegation" => 0,
        _ => money(row, "pricing_public_on_demand_cost"),
    };
    let amounts = [
        unblended,
        money(row, "line_item_blended_cost"),
        net,
        amortized,
        net_amortized,
        list,
        if is_amortized { trueup } else { 0 },
        if is_amortized && is_upfront {
            unblended
        } else {
            0
        },
    ];
    match text(row, "split_line_item_parent_resource_id") {
        Some(_) => (key(&keys), [0; 8]),
        None => (key(&keys), amounts),
    }
}

pub fn focus(row: &Row) -> (String, [i64; 8]) {
    let category = text(row, "ChargeCategory");
    let keys = [
        text(row, "ChargePeriodStart").or(some(PERIOD)),
        some(PERIOD),
        first(row, &["SubAccountId", "BillingAccountId"]).or(some("unknown")),
        text(row, "ServiceName").or(some("Unknown")),
        first(row, &["RegionId", "Region"]),
        category.clone().or(some("Other")),
        match category.as_deref() {
            Some("Usage" | "Purchase" | "Tax" | "Credit") => category,
            _ => some("Adjustment"),
        },
        text(row, "ChargeClass"),
        text(row, "CommitmentDiscountType"),
        text(row, "BillingCurrency").or(some("USD")),
        text(row, "InvoiceId"),
    ];
    let (billed, effective) = (money(row, "BilledCost"), money(row, "EffectiveCost"));
    let list = money(row, "ListCost");
    (
        key(&keys),
        [billed, 0, billed, effective, effective, list, 0, 0],
    )
}

fn azure_keys(row: &Row) -> String {
    let kind = text(row, "ChargeType");
    key(&[
        first(row, &["Date", "UsageDateTime"]).or(some(PERIOD)),
        some(PERIOD),
        first(row, &["SubscriptionId", "SubscriptionGuid"]).or(some("unknown")),
        first(row, &["ServiceName", "MeterCategory", "ConsumedService"]).or(some("Unknown")),
        first(row, &["ResourceLocation", "MeterRegion"]),
        kind.clone().or(some("Usage")),
        match kind.as_deref() {
            None | Some("Usage" | "UnusedReservation") => some("Usage"),
            Some("Purchase" | "Refund") => some("Purchase"),
            Some("Tax") => some("Tax"),
            _ => some("Adjustment"),
        },
        (kind.as_deref() == Some("Refund")).then(|| "Correction".to_owned()),
        azure_commitment(row).map(str::to_owned),
        first(row, &["BillingCurrencyCode", "BillingCurrency", "Currency"]).or(some("USD")),
        text(row, "InvoiceId"),
    ])
}

fn azure_commitment(row: &Row) -> Option<&'static str> {
    if let Some(benefit) = text(row, "BenefitId") {
        let is_plan = benefit.contains("BillingBenefits");
        return Some(if is_plan {
            "Savings Plan"
        } else {
            "Reservation"
        });
    }
    let model = text(row, "PricingModel");
    match (text(row, "ReservationId"), model.as_deref()) {
        (Some(_), _) | (None, Some("Reservation")) => Some("Reservation"),
        (None, Some("SavingsPlan")) => Some("Savings Plan"),
        _ => None,
    }
}

fn azure_cost(row: &Row) -> i64 {
    let names = ["CostInBillingCurrency", "Cost", "PreTaxCost"];
    names.iter().find_map(|name| known(row, name)).unwrap_or(0)
}

pub fn azure_actual(row: &Row) -> (String, [i64; 8]) {
    let cost = azure_cost(row);
    let list = money(row, "PaygCostInBillingCurrency");
    (azure_keys(row), [cost, 0, cost, 0, 0, list, 0, 0])
}

pub fn azure_amortized(row: &Row) -> (String, [i64; 8]) {
    let cost = azure_cost(row);
    (azure_keys(row), [0, 0, 0, cost, cost, 0, 0, 0])
}

pub fn gcp(row: &Row) -> (String, [i64; 8]) {
    let kind = text(row, "cost_type");
    let month = text(row, "invoice_month").map(|m| format!("{}-{}-01", &m[..4], &m[4..]));
    let keys = [
        text(row, "usage_start_time").or(some(PERIOD)),
        month.or(some(PERIOD)),
        first(row, &["project_id", "billing_account_id"]).or(some("unknown")),
        first(row, &["service_description", "service_id"]).or(some("Unknown")),
        first(row, &["location_region", "location_location"]),
        kind.clone().or(some("regular")),
        match kind.as_deref() {
            None | Some("regular") => some("Usage"),
            Some("tax") => some("Tax"),
            _ => some("Adjustment"),
        },
        None,
        None,
        text(row, "currency").or(some("USD")),
        None,
    ];
    let credits = text(row, "credits").unwrap_or_default();
    let credits: i64 = credits
        .split("amount")
        .skip(1)
        .map(|part| {
            let number = part.trim_start_matches(['"', '\'', ':', ' ']);
            let end = number.find([',', '}']).expect("the object ends");
            decimal(&number[..end])
        })
        .sum();
    let net = money(row, "cost") + credits;
    let list = money(row, "cost_at_list");
    (key(&keys), [net, 0, net, net, net, list, 0, 0])
}
