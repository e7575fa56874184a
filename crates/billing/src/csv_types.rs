//! The types of columns in CSV files, which have none of their own.
//!
//! A name tells the type, as it does in the Parquet files of the same export, so that a month in
//! CSV and a month in Parquet fit one table. Amounts are doubles there, and rates text.

use crate::dialect::{Dialect, canonical};

/// The type of a column in a CSV file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CsvType {
    /// Anything.
    Text,
    /// An amount.
    Double,
    /// An instant, in UTC.
    Timestamp,
    /// A day.
    Date,
    /// Keys and values, or a list.
    Json,
}

/// The type of a column with this header in a file of this dialect.
pub fn csv_type(dialect: Option<Dialect>, header: &str) -> CsvType {
    let name = canonical(header);
    match dialect {
        Some(Dialect::AwsCur | Dialect::AwsCur2) => aws(&name),
        Some(Dialect::Focus) => focus(&name),
        Some(Dialect::Azure) => azure(&name),
        Some(Dialect::Gcp) => gcp(&name),
        None => CsvType::Text,
    }
}

/// What columns of AWS begin with, in canonical form: `lineItem/…`, `line_item_…`, `lineitem_…`.
const AWS_CATEGORIES: [&str; 8] = [
    "identity",
    "bill",
    "lineitem",
    "pricing",
    "reservation",
    "savingsplan",
    "discount",
    "splitlineitem",
];

/// AWS's types, which its Parquet files and its Athena tables agree about. Columns that came later
/// follow the rule that Cloud Intelligence Dashboards has for them.
fn aws(name: &str) -> CsvType {
    match name {
        "resourcetags" | "tags" | "costcategory" | "product" | "discount" => return CsvType::Json,
        // Amounts whose names do not say so, and one that looks like a date.
        "reservationupfrontvalue"
        | "reservationnetupfrontvalue"
        | "savingsplansavingsplanrate"
        | "savingsplanusedcommitment"
        | "savingsplantotalcommitmenttodate" => return CsvType::Double,
        _ => (),
    }
    // Names of tags, cost categories and of a product's attributes may end with anything.
    let Some(column) = AWS_CATEGORIES.iter().find_map(|c| name.strip_prefix(c)) else {
        return CsvType::Text;
    };
    let amounts = [
        "cost",
        "factor",
        "quantity",
        "fee",
        "amount",
        "discount",
        "usage",
        "usageratio",
        "forbillingperiod",
    ];
    if ends(column, &amounts) {
        CsvType::Double
    } else if ends(column, &["date"]) {
        CsvType::Timestamp
    } else {
        CsvType::Text
    }
}

/// The types of the specification, versions 0.5 to 1.2, and of the columns that AWS and Azure add.
fn focus(name: &str) -> CsvType {
    let (amounts, instants, maps) = (
        [
            "cost",
            "costinusd",
            "unitprice",
            "quantity",
            "exchangerate",
            "blocksize",
        ],
        ["periodstart", "periodend", "exchangeratedate"],
        ["tags", "skupricedetails", "xdiscounts", "xcostcategories"],
    );
    if maps.contains(&name) {
        CsvType::Json
    } else if ends(name, &amounts) {
        CsvType::Double
    } else if ends(name, &instants) {
        CsvType::Timestamp
    } else {
        CsvType::Text
    }
}

/// The types of Azure's dialects: enterprise and customer agreements, and those before them.
fn azure(name: &str) -> CsvType {
    match name {
        "tags" => CsvType::Json,
        "date"
        | "usagedatetime"
        | "usagedate"
        | "exchangeratedate"
        | "billingperiodstartdate"
        | "billingperiodenddate"
        | "billingperiodstart"
        | "billingperiodend"
        | "serviceperiodstartdate"
        | "serviceperiodenddate" => CsvType::Date,
        "cost" | "pretaxcost" | "resourcerate" | "quantity" | "usagequantity" => CsvType::Double,
        _ if name.starts_with("cost") && ends(name, &["currency", "inusd"]) => CsvType::Double,
        _ if name.starts_with("paygcost") => CsvType::Double,
        _ if ends(name, &["price"]) || name.starts_with("exchangeratepricing") => CsvType::Double,
        _ => CsvType::Text,
    }
}

/// The types of Google's tables, and JSON for what is repeated in them.
fn gcp(name: &str) -> CsvType {
    match name {
        "usagestarttime" | "usageendtime" | "exporttime" => CsvType::Timestamp,
        "partitiondate" => CsvType::Date,
        "labels" | "systemlabels" | "tags" | "credits" | "projectlabels" | "projectancestors" => {
            CsvType::Json
        }
        "cost" | "currencyconversionrate" | "usageamount" | "usageamountinpricingunits" => {
            CsvType::Double
        }
        "priceunit" => CsvType::Text,
        _ if name.starts_with("costat") || name.starts_with("price") => CsvType::Double,
        _ => CsvType::Text,
    }
}

fn ends(name: &str, endings: &[&str]) -> bool {
    endings.iter().any(|ending| name.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;
    use CsvType::{Date, Double, Json, Text, Timestamp};

    fn check(dialect: Dialect, types: &[(&str, CsvType)]) {
        for (header, wanted) in types {
            assert_eq!(csv_type(Some(dialect), header), *wanted, "{header}");
        }
    }

    #[test]
    fn aws_columns_have_the_types_of_its_parquet_files_in_every_spelling() {
        for spelling in [
            [
                "lineItem/UnblendedCost",
                "lineItem/UnblendedRate",
                "lineItem/UsageStartDate",
                "lineItem/UsageAmount",
                "savingsPlan/TotalCommitmentToDate",
            ],
            [
                "line_item_unblended_cost",
                "line_item_unblended_rate",
                "line_item_usage_start_date",
                "line_item_usage_amount",
                "savings_plan_total_commitment_to_date",
            ],
            [
                "lineitem_unblendedcost",
                "lineitem_unblendedrate",
                "lineitem_usagestartdate",
                "lineitem_usageamount",
                "savingsplan_totalcommitmenttodate",
            ],
        ] {
            let types = spelling.map(|header| csv_type(Some(Dialect::AwsCur), header));
            assert_eq!(types, [Double, Text, Timestamp, Double, Double]);
        }
        check(
            Dialect::AwsCur2,
            &[
                ("identity/TimeInterval", Text),
                ("bill/BillingPeriodEndDate", Timestamp),
                ("lineItem/NormalizationFactor", Double),
                ("lineItem/UsageAccountId", Text),
                ("lineItem/UsageType", Text),
                ("pricing/publicOnDemandCost", Double),
                ("pricing/publicOnDemandRate", Text),
                ("reservation/NumberOfReservations", Text),
                ("reservation/UnitsPerReservation", Text),
                ("reservation/TotalReservedUnits", Text),
                ("reservation/StartTime", Text),
                ("reservation/UpfrontValue", Double),
                ("reservation/UnusedQuantity", Double),
                ("reservation/AmortizedUpfrontCostForUsage", Double),
                ("reservation/NetAmortizedUpfrontFeeForBillingPeriod", Double),
                ("savingsPlan/SavingsPlanRate", Double),
                ("savingsPlan/UsedCommitment", Double),
                ("savingsPlan/Region", Text),
                ("discount/EdpDiscount", Double),
                ("split_line_item_split_usage_ratio", Double),
                ("split_line_item_parent_resource_id", Text),
                // Not an amount, whatever the tag is called.
                ("resourceTags/user:Cost", Text),
                ("costCategory/usage", Text),
                ("product/normalizationSizeFactor", Text),
                ("resource_tags", Json),
                ("cost_category", Json),
                ("product", Json),
                ("discount", Json),
            ],
        );
    }

    #[test]
    fn focus_columns_have_the_types_of_the_specification() {
        check(
            Dialect::Focus,
            &[
                ("BilledCost", Double),
                ("ListUnitPrice", Double),
                ("PricingCurrencyEffectiveCost", Double),
                ("CommitmentDiscountQuantity", Double),
                ("BillingPeriodStart", Timestamp),
                ("ChargePeriodEnd", Timestamp),
                ("x_ServicePeriodStart", Timestamp),
                ("x_BilledCostInUsd", Double),
                ("Tags", Json),
                ("SkuPriceDetails", Json),
                ("x_Discounts", Json),
                ("ConsumedUnit", Text),
                ("PricingCurrency", Text),
                ("x_CostCenter", Text),
            ],
        );
    }

    #[test]
    fn azure_columns_have_one_type_in_all_its_dialects() {
        check(
            Dialect::Azure,
            &[
                ("Date", Date),
                ("UsageDateTime", Date),
                ("billingPeriodEndDate", Date),
                ("servicePeriodStartDate", Date),
                ("costInBillingCurrency", Double),
                ("PreTaxCost", Double),
                ("paygCostInUsd", Double),
                ("payGPrice", Double),
                ("exchangeRatePricingToBilling", Double),
                ("exchangeRateDate", Date),
                ("quantity", Double),
                ("Tags", Json),
                ("CostCenter", Text),
                ("CostAllocationRuleName", Text),
                ("billingCurrency", Text),
                ("product", Text),
                ("isAzureCreditEligible", Text),
            ],
        );
    }

    #[test]
    fn gcp_columns_have_the_types_of_bigquery_however_they_were_flattened() {
        check(
            Dialect::Gcp,
            &[
                ("usage.amount", Double),
                ("usage__amount_in_pricing_units", Double),
                ("usage_unit", Text),
                ("price.list_price", Double),
                ("price.unit", Text),
                ("cost_at_list", Double),
                ("cost_type", Text),
                ("export_time", Timestamp),
                ("credits", Json),
                ("project.labels", Json),
                ("project.ancestry_numbers", Text),
                ("invoice.month", Text),
            ],
        );
    }
}
