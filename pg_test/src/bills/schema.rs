//! Which columns a month has, in AWS's order, and how they are called in Parquet and in CSV.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema as ArrowSchema, SchemaRef, TimeUnit};

use super::Width;
use super::format::Headers;

/// The columns by category, under their CSV names. A mark before a name says when the column is
/// there: `+` only in wide bills, `>` not in the first month, `!` only in the last month (a bill
/// has a column only if the month has data for it; wide bills have all of them always), `?` only
/// where shared costs are split. A mark behind it says what it holds: `#` a double, `@` a
/// timestamp, otherwise text.
const LAYOUT: &[(&str, &str)] = &[
    ("identity", "LineItemId TimeInterval"),
    (
        "bill",
        "InvoiceId InvoicingEntity BillingEntity BillType PayerAccountId \
         BillingPeriodStartDate@ BillingPeriodEndDate@",
    ),
    (
        "lineItem",
        "UsageAccountId LineItemType UsageStartDate@ UsageEndDate@ ProductCode UsageType \
         Operation AvailabilityZone ResourceId UsageAmount# NormalizationFactor# \
         NormalizedUsageAmount# CurrencyCode UnblendedRate UnblendedCost# BlendedRate \
         BlendedCost# LineItemDescription TaxType +NetUnblendedRate +NetUnblendedCost# \
         LegalEntity",
    ),
    (
        "product",
        "ProductName +alarmType availability +availabilityZone capacitystatus !category \
         +classicnetworkingsupport clockSpeed +computeFamily currentGeneration \
         databaseEngine +databaseEdition +dedicatedEbsThroughput deploymentOption +description \
         durability ecu engineCode enhancedNetworkingSupported +eventType \
         +feeCode +feeDescription fromLocation fromLocationType +fromRegionCode +gpuMemory \
         group groupDescription instanceFamily instanceType instanceTypeFamily \
         +intelAvx2Available +intelAvxAvailable +intelTurboAvailable licenseModel location \
         locationType >marketoption +maxIopsBurstPerformance maxIopsvolume \
         maxThroughputvolume maxVolumeSize memory +memorytype networkPerformance \
         normalizationSizeFactor operatingSystem operation \
         +physicalCpu physicalProcessor preInstalledSw \
         +processorArchitecture processorFeatures productFamily +provisioned region regionCode \
         +routingType servicecode servicename sku storage storageClass storageMedia \
         +storageType tenancy +tiertype toLocation toLocationType +toRegionCode transferType \
         usagetype vcpu +version volumeApiName volumeType +vpcnetworkingsupport",
    ),
    (
        "pricing",
        "LeaseContractLength OfferingClass PurchaseOption RateCode RateId currency \
         publicOnDemandCost# publicOnDemandRate term unit",
    ),
    (
        "reservation",
        "AmortizedUpfrontCostForUsage# AmortizedUpfrontFeeForBillingPeriod# AvailabilityZone \
         EffectiveCost# EndTime ModificationStatus +NetAmortizedUpfrontCostForUsage# \
         +NetAmortizedUpfrontFeeForBillingPeriod# +NetEffectiveCost# +NetRecurringFeeForUsage# \
         +NetUnusedAmortizedUpfrontFeeForBillingPeriod# +NetUnusedRecurringFee# \
         +NetUpfrontValue# NormalizedUnitsPerReservation NumberOfReservations \
         RecurringFeeForUsage# ReservationARN StartTime SubscriptionId \
         TotalReservedNormalizedUnits TotalReservedUnits UnitsPerReservation \
         UnusedAmortizedUpfrontFeeForBillingPeriod# UnusedNormalizedUnitQuantity# \
         UnusedQuantity# UnusedRecurringFee# UpfrontValue#",
    ),
    (
        "savingsPlan",
        "TotalCommitmentToDate# SavingsPlanARN SavingsPlanRate# UsedCommitment# \
         SavingsPlanEffectiveCost# AmortizedUpfrontCommitmentForBillingPeriod# \
         RecurringCommitmentForBillingPeriod# StartTime EndTime InstanceTypeFamily OfferingType \
         PaymentOption PurchaseTerm Region +NetSavingsPlanEffectiveCost# \
         +NetAmortizedUpfrontCommitmentForBillingPeriod# \
         +NetRecurringCommitmentForBillingPeriod#",
    ),
    (
        "discount",
        "+BundledDiscount# +EdpDiscount# +TotalDiscount#",
    ),
    (
        "splitLineItem",
        "?ActualUsage# ?NetSplitCost# ?NetUnusedCost# ?ParentResourceId \
         ?PublicOnDemandSplitCost# ?PublicOnDemandUnusedCost# ?ReservedUsage# ?SplitCost# \
         ?SplitUsage# ?SplitUsageRatio# ?UnusedCost#",
    ),
    ("costCategory", "CostCenter +Business_Unit"),
    (
        "resourceTags",
        "+aws:autoscaling:groupName +aws:cloudformation:stack-name aws:createdBy \
         +aws:ec2spot:fleet-request-id +user:Backup +user:Customer user:env \
         user:name +user:Owner-ID !user:projet user:team",
    ),
];

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Double,
    Time,
}

/// One column of the bill.
#[derive(Clone, Debug)]
pub(super) struct Column {
    pub(super) category: &'static str,
    /// The name in the CSV header and in the manifest.
    pub(super) csv_name: &'static str,
    /// The name in Parquet.
    pub(super) name: String,
    pub(super) kind: Kind,
}

/// Where a month stands in the run of its report: columns come and go with that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    First,
    Middle,
    Last,
}

/// The columns of one month.
#[derive(Clone, Debug)]
pub(super) struct Schema {
    pub(super) columns: Vec<Column>,
    pub(super) arrow: SchemaRef,
    by_name: HashMap<String, usize>,
}

impl Schema {
    /// `split`: with the columns of split costs.
    pub(super) fn new(width: Width, place: Place, split: bool) -> Self {
        let columns: Vec<Column> = LAYOUT
            .iter()
            .flat_map(|(category, names)| {
                names
                    .split_whitespace()
                    .filter_map(move |n| column(category, n, width, place, split))
            })
            .collect();
        let fields: Vec<Field> = columns.iter().map(field).collect();
        let by_name = columns
            .iter()
            .enumerate()
            .map(|(i, c)| (c.name.clone(), i))
            .collect();
        Schema {
            columns,
            arrow: Arc::new(ArrowSchema::new(fields)),
            by_name,
        }
    }

    /// The column's place, or None where this month has no such column.
    pub(super) fn index(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }
}

/// Reads one marked name of [`LAYOUT`]; None if this month lacks the column.
fn column(
    category: &'static str,
    marked: &'static str,
    width: Width,
    place: Place,
    split: bool,
) -> Option<Column> {
    let name = marked.trim_start_matches(['+', '>', '!', '?']);
    let present = match (width, marked.as_bytes()[0]) {
        (_, b'?') => split,
        (Width::Wide, _) => true,
        (_, b'+') => false,
        (_, b'>') => place != Place::First,
        (_, b'!') => place == Place::Last,
        _ => true,
    };
    let csv_name = name.trim_end_matches(['#', '@']);
    let kind = match name.as_bytes()[name.len() - 1] {
        b'#' => Kind::Double,
        b'@' => Kind::Time,
        _ => Kind::Text,
    };
    present.then(|| Column {
        category,
        csv_name,
        name: parquet_name(category, csv_name),
        kind,
    })
}

/// AWS writes every field as REQUIRED: nothing is null, missing is `''` or 0.0.
fn field(column: &Column) -> Field {
    let data_type = match column.kind {
        Kind::Text => DataType::Utf8,
        Kind::Double => DataType::Float64,
        Kind::Time => DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())),
    };
    Field::new(&column.name, data_type, false)
}

/// AWS's rule from a CSV header to a Parquet name: `_` before capitals, lower case, everything
/// else than letters and digits to `_`, runs of `_` to one, none at the ends.
pub(super) fn parquet_name(category: &str, name: &str) -> String {
    let mut out = String::new();
    for c in format!("{category}/{name}").chars() {
        let gap = !c.is_ascii_alphanumeric();
        if (gap || c.is_ascii_uppercase()) && !out.ends_with('_') {
            out.push('_');
        }
        if !gap {
            out.push(c.to_ascii_lowercase());
        }
    }
    out.trim_matches('_').to_owned()
}

/// A column's name in a CSV header.
pub(super) fn header(column: &Column, headers: Headers) -> String {
    match headers {
        Headers::Slash => format!("{}/{}", column.category, column.csv_name),
        Headers::Snake => column.name.clone(),
        Headers::Squeezed => {
            let letters = column.csv_name.chars().filter(char::is_ascii_alphanumeric);
            format!("{}_{}", column.category, letters.collect::<String>()).to_lowercase()
        }
    }
}

/// The schema of the same columns where nothing is NULL.
pub(super) fn nullable(schema: &ArrowSchema) -> SchemaRef {
    let fields = schema.fields().iter();
    let fields: Vec<Field> = fields
        .map(|field| field.as_ref().clone().with_nullable(true))
        .collect();
    Arc::new(ArrowSchema::new(fields))
}
