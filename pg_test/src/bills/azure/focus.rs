//! The columns of Azure's FOCUS 1.2-preview export: actual and amortized costs in one.

use std::borrow::Cow;

use serde_json::json;

use super::super::calendar::DAY;
use super::super::table::{Column, Kind, Value};
use super::columns::{
    benefit, benefit_name, group, in_dollars, list, location, order, order_name, period_start,
    publisher, resource, resource_name, subscription_name, term,
};
use super::lines::{BILLING_ACCOUNT, EXCHANGE, Line};

type Cell = for<'a> fn(&'a Line) -> Value<'a>;

/// The columns; the provider's own are behind FOCUS's.
pub(super) fn columns(parquet: bool) -> Vec<Column<Line>> {
    let number = if parquet { Kind::Decimal } else { Kind::Double };
    let amount = |name, value: Cell| Column::new(name, number, value);
    let text = |name, value: Cell| Column::new(name, Kind::Text, value);
    let time = |name, value: Cell| Column::new(name, Kind::Time, value);
    let nothing = |name| Column::new(name, Kind::Text, |_: &Line| Value::Null);
    vec![
        amount("BilledCost", |line| billed(line).into()),
        text("BillingAccountId", |_| account().into()),
        text("BillingAccountName", |_| "Example GmbH".into()),
        text("BillingAccountType", |_| "Billing Account".into()),
        text("BillingCurrency", |_| "EUR".into()),
        time("BillingPeriodEnd", |line| Value::Time(line.month.end())),
        time("BillingPeriodStart", period_start),
        nothing("CapacityReservationId"),
        nothing("CapacityReservationStatus"),
        text("ChargeCategory", |line| line.focus_category().into()),
        text("ChargeClass", |line| {
            (line.charge == "Refund").then_some("Correction").into()
        }),
        text("ChargeDescription", |line| line.product().into()),
        text("ChargeFrequency", frequency),
        time("ChargePeriodEnd", |line| Value::Time(line.day + DAY)),
        time("ChargePeriodStart", |line| Value::Time(line.day)),
        text("CommitmentDiscountCategory", |line| {
            committed(line, "Usage", "Spend")
        }),
        text("CommitmentDiscountId", benefit),
        text("CommitmentDiscountName", benefit_name),
        amount("CommitmentDiscountQuantity", commitment_quantity),
        text("CommitmentDiscountStatus", status),
        text("CommitmentDiscountType", |line| {
            committed(line, "Reservation", "Savings Plan")
        }),
        text("CommitmentDiscountUnit", |line| {
            committed(line, "Hours", "USD")
        }),
        amount("ConsumedQuantity", |line| used(line).into()),
        text("ConsumedUnit", |line| {
            used(line).map(|_| line.meter.unit).into()
        }),
        amount("ContractedCost", |line| list(line).into()),
        amount("ContractedUnitPrice", |line| line.unit_price.into()),
        amount("EffectiveCost", |line| {
            line.amortized.unwrap_or_default().into()
        }),
        text("InvoiceId", |line| line.invoice.as_deref().into()),
        text("InvoiceIssuerName", |_| "Microsoft".into()),
        amount("ListCost", |line| list(line).into()),
        amount("ListUnitPrice", |line| line.unit_price.into()),
        text("PricingCategory", pricing),
        text("PricingCurrency", |_| "USD".into()),
        amount("PricingQuantity", |line| line.quantity.into()),
        text("PricingUnit", |line| line.meter.unit.into()),
        text("ProviderName", |_| "Microsoft".into()),
        text("PublisherName", publisher),
        text("RegionId", location),
        text("RegionName", |line| {
            line.region.map(|region| region.name).into()
        }),
        text("ResourceId", resource),
        text("ResourceName", resource_name),
        text("ResourceType", |line| resource_type(line).into()),
        text("ServiceCategory", |line| line.meter.focus.0.into()),
        text("ServiceName", |line| line.meter.category.into()),
        text("ServiceSubcategory", |line| line.meter.focus.1.into()),
        text("SkuId", |line| line.meter_id().into()),
        text("SkuMeter", |line| line.meter.name.into()),
        text("SkuPriceDetails", price_details),
        text("SkuPriceId", |line| {
            format!("{}_{}", line.meter_id(), line.model).into()
        }),
        text("SubAccountId", |line| {
            line.subscription
                .as_ref()
                .map(|s| format!("/subscriptions/{}", s.id))
                .into()
        }),
        text("SubAccountName", subscription_name),
        text("SubAccountType", |line| {
            line.subscription.as_ref().map(|_| "Subscription").into()
        }),
        text("Tags", tags),
        text("x_AccountId", |_| "556677".into()),
        text("x_AccountName", |_| "Example Account".into()),
        text("x_AccountOwnerId", |_| "owner@example.com".into()),
        text("x_AmortizationClass", amortization_class),
        amount("x_BilledCostInUsd", |line| in_dollars(billed(line)).into()),
        amount("x_BilledUnitPrice", |line| line.unit_price.into()),
        text("x_BillingAccountId", |_| BILLING_ACCOUNT.into()),
        text("x_BillingAccountName", |_| "Example GmbH".into()),
        amount("x_BillingExchangeRate", |_| EXCHANGE.into()),
        time("x_BillingExchangeRateDate", period_start),
        text("x_BillingProfileId", |_| BILLING_ACCOUNT.into()),
        text("x_BillingProfileName", |_| "Example GmbH".into()),
        amount("x_ContractedCostInUsd", |line| {
            in_dollars(list(line)).into()
        }),
        nothing("x_CostAllocationRuleName"),
        text("x_CostCenter", |_| "CC-1001".into()),
        nothing("x_CustomerId"),
        nothing("x_CustomerName"),
        amount("x_EffectiveCostInUsd", |line| {
            in_dollars(line.amortized.unwrap_or_default()).into()
        }),
        amount("x_EffectiveUnitPrice", |line| line.unit_price.into()),
        nothing("x_InvoiceIssuerId"),
        text("x_InvoiceSectionId", |_| "5512".into()),
        text("x_InvoiceSectionName", |_| "Example Department".into()),
        amount("x_ListCostInUsd", |line| in_dollars(list(line)).into()),
        nothing("x_PartnerCreditApplied"),
        nothing("x_PartnerCreditRate"),
        amount("x_PricingBlockSize", |line| block(line).into()),
        nothing("x_PricingSubcategory"),
        text("x_PricingUnitDescription", |line| line.meter.unit.into()),
        text("x_PublisherCategory", |line| {
            if line.marketplace() {
                "Vendor"
            } else {
                "Cloud Provider"
            }
            .into()
        }),
        nothing("x_PublisherId"),
        nothing("x_ResellerId"),
        nothing("x_ResellerName"),
        text("x_ResourceGroupName", group),
        text("x_ResourceType", |line| resource_type(line).into()),
        nothing("x_ServiceModel"),
        time("x_ServicePeriodEnd", |line| Value::Time(line.day + DAY)),
        time("x_ServicePeriodStart", |line| Value::Time(line.day)),
        text("x_SkuDescription", |line| line.product().into()),
        Column::new("x_SkuIsCreditEligible", Kind::Flag, |line| {
            Value::Flag(!line.marketplace())
        }),
        text("x_SkuMeterCategory", |line| line.meter.category.into()),
        text("x_SkuMeterId", |line| line.meter_id().into()),
        text("x_SkuMeterSubcategory", |line| {
            line.meter.subcategory.into()
        }),
        text("x_SkuOfferId", |_| "MS-AZR-0017P".into()),
        text("x_SkuOrderId", order),
        text("x_SkuOrderName", order_name),
        text("x_SkuPartNumber", |_| "AAH-12345".into()),
        nothing("x_SkuPlanName"),
        text("x_SkuRegion", |line| {
            line.region.map(|region| region.meter).into()
        }),
        text("x_SkuServiceFamily", |line| line.meter.family.into()),
        text("x_SkuTerm", term),
        nothing("x_SkuTier"),
    ]
}

/// The id of the account all is billed to.
pub(super) fn account() -> String {
    format!("/providers/Microsoft.Billing/billingAccounts/{BILLING_ACCOUNT}")
}

fn billed(line: &Line) -> f64 {
    line.actual.unwrap_or_default()
}

fn frequency(line: &Line) -> Value<'_> {
    match line.frequency {
        "OneTime" => "One-Time",
        "Recurring" => "Recurring",
        _ => "Usage-Based",
    }
    .into()
}

fn committed<'a>(line: &'a Line, reservation: &'static str, plan: &'static str) -> Value<'a> {
    let benefit = line.benefit.as_ref();
    benefit
        .map(|b| if b.reservation { reservation } else { plan })
        .into()
}

fn commitment_quantity(line: &Line) -> Value<'_> {
    let benefit = line.benefit.as_ref();
    let quantity = |reservation| match reservation {
        true => line.quantity,
        false => line.amortized.or(line.actual).unwrap_or_default(),
    };
    benefit.map(|b| quantity(b.reservation)).into()
}

fn status(line: &Line) -> Value<'_> {
    match line.charge {
        "Usage" if line.benefit.is_some() => "Used".into(),
        "UnusedReservation" | "UnusedSavingsPlan" => "Unused".into(),
        _ => Value::Null,
    }
}

fn used(line: &Line) -> Option<f64> {
    (line.charge == "Usage").then_some(line.quantity)
}

fn pricing(line: &Line) -> Value<'_> {
    match line.model {
        "Spot" => "Dynamic".into(),
        "Reservation" | "SavingsPlan" if line.charge != "Purchase" => "Committed".into(),
        "" => Value::Null,
        _ => "Standard".into(),
    }
}

fn resource_type(line: &Line) -> Option<&'static str> {
    line.resource.as_ref()?;
    Some(match line.meter.kind {
        "virtualMachines" => "Virtual machine",
        "storageAccounts" => "Storage account",
        "servers/databases" => "SQL database",
        "virtualNetworks" => "Virtual network",
        "workspaces" => "Log Analytics workspace",
        _ => "App Service",
    })
}

fn price_details(line: &Line) -> Value<'_> {
    if line.resource.is_none() {
        return Value::Null;
    }
    json!({ "x_Meter": line.meter.name, "x_BlockSize": block(line) })
        .to_string()
        .into()
}

/// How many units the price is for: the number the unit begins with, `K` for thousands.
fn block(line: &Line) -> f64 {
    let unit = line.meter.unit.replace(',', "");
    let digits: String = unit.chars().take_while(char::is_ascii_digit).collect();
    let times = if unit[digits.len()..].starts_with('K') {
        1000.0
    } else {
        1.0
    };
    digits.parse().map_or(1.0, |n: f64| n * times)
}

fn tags(line: &Line) -> Value<'_> {
    let Some(resource) = &line.resource else {
        return Value::Null;
    };
    let pairs = resource
        .tags
        .iter()
        .map(|(key, value)| ((*key).to_owned(), json!(value)));
    let object = serde_json::Value::Object(pairs.collect());
    Value::Text(Cow::Owned(object.to_string()))
}

fn amortization_class(line: &Line) -> Value<'_> {
    match (&line.benefit, line.charge) {
        (None, _) => Value::Null,
        (_, "Purchase" | "Refund") => "Principal".into(),
        _ => "Amortized Charge".into(),
    }
}
