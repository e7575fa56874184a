//! The columns of actual and amortized costs, in the dialects of Azure's agreements.

use serde_json::json;

use super::super::calendar::DAY;
use super::super::format::AzureDialect;
use super::super::series::round10;
use super::super::table::{Column, Kind, Value};
use super::lines::{BILLING_ACCOUNT, EXCHANGE, Line};

type Cell = for<'a> fn(&'a Line) -> Value<'a>;

/// The columns. In Parquet amounts are decimals and days are instants; in CSV days are written
/// month first. Of amortized costs the price is what was paid for it.
pub(super) fn columns(dialect: AzureDialect, amortized: bool, parquet: bool) -> Vec<Column<Line>> {
    let number = if parquet { Kind::Decimal } else { Kind::Double };
    let day = if parquet { Kind::Time } else { Kind::UsDate };
    let cost: Cell = if amortized {
        |line| line.amortized.into()
    } else {
        |line| line.actual.into()
    };
    let price: Cell = if amortized {
        |line| effective(line, line.amortized)
    } else {
        |line| effective(line, line.actual)
    };
    let dollars: Cell = if amortized {
        |line| line.amortized.map(in_dollars).into()
    } else {
        |line| line.actual.map(in_dollars).into()
    };
    let kinds = Kinds { number, day };
    match dialect {
        AzureDialect::Ea => enterprise(kinds, cost, price),
        AzureDialect::EaShort => enterprise(kinds, cost, price)
            .into_iter()
            .map(|column| Column {
                name: short(column.name),
                ..column
            })
            .collect(),
        AzureDialect::Mca => customer(kinds, cost, price, dollars),
    }
}

#[derive(Clone, Copy)]
struct Kinds {
    number: Kind,
    day: Kind,
}

/// The names under which the same agreement's exports have some columns, too.
fn short(name: &'static str) -> &'static str {
    match name {
        "CostInBillingCurrency" => "Cost",
        "BillingCurrencyCode" => "BillingCurrency",
        "ProductName" => "Product",
        "InvoiceSectionName" => "InvoiceSection",
        name => name,
    }
}

fn enterprise(kinds: Kinds, cost: Cell, price: Cell) -> Vec<Column<Line>> {
    let Kinds { number, day } = kinds;
    let text = |name, value: Cell| Column::new(name, Kind::Text, value);
    vec![
        text("InvoiceSectionName", |_| "Example Department".into()),
        text("AccountName", |_| "Example Account".into()),
        text("AccountOwnerId", |_| "owner@example.com".into()),
        text("SubscriptionId", subscription),
        text("SubscriptionName", subscription_name),
        text("ResourceGroup", group),
        text("ResourceLocation", location),
        Column::new("Date", day, |line| Value::Time(line.day)),
        text("ProductName", |line| line.product().into()),
        text("MeterCategory", |line| line.meter.category.into()),
        text("MeterSubCategory", |line| line.meter.subcategory.into()),
        text("MeterId", |line| line.meter_id().into()),
        text("MeterName", |line| line.meter.name.into()),
        text("MeterRegion", |line| line.region.map(|r| r.meter).into()),
        text("UnitOfMeasure", |line| line.meter.unit.into()),
        Column::new("Quantity", number, |line| line.quantity.into()),
        Column::new("EffectivePrice", number, price),
        Column::new("CostInBillingCurrency", number, cost),
        text("CostCenter", |_| "CC-1001".into()),
        text("ConsumedService", |line| line.meter.provider.into()),
        text("ResourceId", resource),
        text("Tags", tags),
        text("OfferId", |_| "MS-AZR-0017P".into()),
        text("AdditionalInfo", additional),
        text("ServiceInfo1", |_| Value::Null),
        text("ServiceInfo2", |_| Value::Null),
        text("ResourceName", resource_name),
        text("ReservationId", reservation),
        text("ReservationName", reservation_name),
        Column::new("UnitPrice", number, |line| line.unit_price.into()),
        text("ProductOrderId", order),
        text("ProductOrderName", order_name),
        text("Term", term),
        text("PublisherType", publisher_type),
        text("PublisherName", publisher),
        text("ChargeType", |line| line.charge.into()),
        text("Frequency", |line| line.frequency.into()),
        text("PricingModel", |line| line.model.into()),
        text("AvailabilityZone", |_| Value::Null),
        text("BillingAccountId", |_| BILLING_ACCOUNT.into()),
        text("BillingAccountName", |_| "Example GmbH".into()),
        text("BillingCurrencyCode", |_| "EUR".into()),
        Column::new("BillingPeriodStartDate", day, period_start),
        Column::new("BillingPeriodEndDate", day, period_end),
        text("BillingProfileId", |_| BILLING_ACCOUNT.into()),
        text("BillingProfileName", |_| "Example GmbH".into()),
        text("InvoiceSectionId", |_| "5512".into()),
        Column::new("IsAzureCreditEligible", Kind::Flag, |line| {
            Value::Flag(!line.marketplace())
        }),
        text("PartNumber", |_| "AAH-12345".into()),
        Column::new("PayGPrice", number, |line| line.unit_price.into()),
        text("PlanName", |_| Value::Null),
        text("ServiceFamily", |line| line.meter.family.into()),
        text("CostAllocationRuleName", |_| Value::Null),
        text("benefitId", benefit),
        text("benefitName", benefit_name),
    ]
}

fn customer(kinds: Kinds, cost: Cell, price: Cell, dollars: Cell) -> Vec<Column<Line>> {
    let Kinds { number, day } = kinds;
    let text = |name, value: Cell| Column::new(name, Kind::Text, value);
    vec![
        text("invoiceId", |line| line.invoice.as_deref().into()),
        text("previousInvoiceId", |_| Value::Null),
        text("billingAccountId", |_| {
            "3c100a8a-0000-4000-8000-000000000001:11112222-3333-4444-5555-666677778888_2019-05-31"
                .into()
        }),
        text("billingAccountName", |_| "Example GmbH".into()),
        text("billingProfileId", |_| "ABCD-EFGH-BG7-PGB".into()),
        text("billingProfileName", |_| "Example, profile".into()),
        text("invoiceSectionId", |_| "AVRI-TGJD-PJA-PGB".into()),
        text("invoiceSectionName", |_| "Example Department".into()),
        text("resellerName", |_| Value::Null),
        text("resellerMpnId", |_| Value::Null),
        text("costCenter", |_| "CC-1001".into()),
        Column::new("billingPeriodEndDate", day, period_end),
        Column::new("billingPeriodStartDate", day, period_start),
        Column::new("servicePeriodEndDate", day, |line| Value::Time(line.day)),
        Column::new("servicePeriodStartDate", day, |line| Value::Time(line.day)),
        Column::new("date", day, |line| Value::Time(line.day)),
        text("serviceFamily", |line| line.meter.family.into()),
        text("productOrderId", order),
        text("productOrderName", order_name),
        text("consumedService", |line| line.meter.provider.into()),
        text("meterId", |line| line.meter_id().into()),
        text("meterName", |line| line.meter.name.into()),
        text("meterCategory", |line| line.meter.category.into()),
        text("meterSubCategory", |line| line.meter.subcategory.into()),
        text("meterRegion", |line| line.region.map(|r| r.meter).into()),
        text("ProductId", |_| "DZH318Z0BNZJ005D".into()),
        text("product", |line| line.product().into()),
        text("subscriptionId", subscription),
        text("subscriptionName", subscription_name),
        text("publisherType", publisher_type),
        text("publisherId", |_| Value::Null),
        text("publisherName", publisher),
        text("resourceGroupName", group),
        text("InstanceName", resource),
        text("resourceLocation", location),
        text("Location", |line| line.region.map(|r| r.meter).into()),
        Column::new("effectivePrice", number, price),
        Column::new("quantity", number, |line| line.quantity.into()),
        text("unitOfMeasure", |line| line.meter.unit.into()),
        text("chargeType", |line| line.charge.into()),
        text("billingCurrency", |_| "EUR".into()),
        text("pricingCurrency", |_| "USD".into()),
        Column::new("costInBillingCurrency", number, cost),
        Column::new("costInPricingCurrency", number, dollars),
        Column::new("costInUsd", number, dollars),
        Column::new("paygCostInBillingCurrency", number, |line| {
            list(line).into()
        }),
        Column::new("paygCostInUsd", number, |line| {
            in_dollars(list(line)).into()
        }),
        Column::new("exchangeRatePricingToBilling", number, |_| EXCHANGE.into()),
        Column::new("exchangeRateDate", day, period_start),
        Column::new("isAzureCreditEligible", Kind::Flag, |line| {
            Value::Flag(!line.marketplace())
        }),
        text("serviceInfo1", |_| Value::Null),
        text("serviceInfo2", |_| Value::Null),
        text("additionalInfo", additional),
        text("tags", tags),
        Column::new("payGPrice", number, |line| {
            in_dollars(line.unit_price).into()
        }),
        text("frequency", |line| line.frequency.into()),
        text("term", term),
        text("reservationId", reservation),
        text("reservationName", reservation_name),
        text("pricingModel", |line| line.model.into()),
        Column::new("unitPrice", number, |line| {
            in_dollars(line.unit_price).into()
        }),
        text("costAllocationRuleName", |_| Value::Null),
        text("benefitId", benefit),
        text("benefitName", benefit_name),
        text("provider", |_| "Azure".into()),
    ]
}

pub(super) fn in_dollars(euros: f64) -> f64 {
    round10(euros / EXCHANGE)
}

/// What it would have cost on demand.
pub(super) fn list(line: &Line) -> f64 {
    match line.charge {
        "Usage" => round10(line.quantity * line.unit_price),
        "UnusedReservation" | "UnusedSavingsPlan" => 0.0,
        _ => line.actual.unwrap_or_default(),
    }
}

/// The price of a unit as it was paid.
fn effective(line: &Line, cost: Option<f64>) -> Value<'static> {
    cost.map(|cost| round10(cost / line.quantity)).into()
}

pub(super) fn subscription(line: &Line) -> Value<'_> {
    line.subscription.as_ref().map(|s| s.id.as_str()).into()
}

pub(super) fn subscription_name(line: &Line) -> Value<'_> {
    line.subscription.as_ref().map(|s| s.name.as_str()).into()
}

pub(super) fn resource(line: &Line) -> Value<'_> {
    line.resource.as_ref().map(|r| r.id.as_str()).into()
}

pub(super) fn resource_name(line: &Line) -> Value<'_> {
    line.resource.as_ref().map(|r| r.name.as_str()).into()
}

pub(super) fn group(line: &Line) -> Value<'_> {
    line.resource.as_ref().map(|r| r.group.as_str()).into()
}

pub(super) fn location(line: &Line) -> Value<'_> {
    line.region.map(|region| region.code).into()
}

/// An object's inside: these exports leave out the braces.
fn tags(line: &Line) -> Value<'_> {
    let Some(resource) = &line.resource else {
        return Value::Null;
    };
    let pairs = resource.tags.iter();
    let pairs = pairs.map(|(key, value)| format!("{}:{}", json!(key), json!(value)));
    pairs.collect::<Vec<_>>().join(",").into()
}

fn additional(line: &Line) -> Value<'_> {
    if line.meter.category != "Virtual Machines" || line.resource.is_none() {
        return Value::Null;
    }
    json!({ "UsageType": "ComputeHR", "ServiceType": "Standard_D4s_v3", "VCPUs": 4, "VMName": null })
        .to_string()
        .into()
}

/// Reservations have columns of their own, plans only those of benefits.
fn reservation(line: &Line) -> Value<'_> {
    let benefit = line.benefit.as_ref().filter(|b| b.reservation);
    benefit.map(|b| b.item.as_str()).into()
}

fn reservation_name(line: &Line) -> Value<'_> {
    let benefit = line.benefit.as_ref().filter(|b| b.reservation);
    benefit.map(|b| b.name.as_str()).into()
}

pub(super) fn benefit(line: &Line) -> Value<'_> {
    line.benefit.as_ref().map(|b| b.id.as_str()).into()
}

pub(super) fn benefit_name(line: &Line) -> Value<'_> {
    line.benefit.as_ref().map(|b| b.name.as_str()).into()
}

pub(super) fn order(line: &Line) -> Value<'_> {
    line.benefit.as_ref().map(|b| b.order.as_str()).into()
}

pub(super) fn order_name(line: &Line) -> Value<'_> {
    line.benefit.as_ref().map(|b| b.name.as_str()).into()
}

/// In months.
pub(super) fn term(line: &Line) -> Value<'_> {
    line.benefit.as_ref().map(|_| "12").into()
}

pub(super) fn publisher_type(line: &Line) -> Value<'_> {
    if line.marketplace() {
        "Marketplace"
    } else {
        "Azure"
    }
    .into()
}

pub(super) fn publisher(line: &Line) -> Value<'_> {
    if line.marketplace() {
        "Example Observability, Inc."
    } else {
        "Microsoft"
    }
    .into()
}

pub(super) fn period_start(line: &Line) -> Value<'_> {
    Value::Time(line.month.start())
}

/// The month's last day.
fn period_end(line: &Line) -> Value<'_> {
    Value::Time(line.month.end() - DAY)
}
