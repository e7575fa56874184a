//! The types of columns in CSV files, which have none of their own.
//!
//! A name tells the type, as it does in the Parquet files of the same export, so that a month in
//! CSV and a month in Parquet fit one table. Amounts are doubles there, and rates text.

use std::collections::HashSet;

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

/// Who wrote a CSV file: names mean different things to different writers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// AWS Cost and Usage Reports, legacy and 2.0.
    Aws,
    /// FOCUS, of any provider.
    Focus,
    /// Azure's cost details, actual and amortized, of any agreement.
    Azure,
    /// Google's billing export, flattened.
    Gcp,
    /// Anything else.
    Other,
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

/// Columns of FOCUS that no other format has.
const FOCUS_COLUMNS: [&str; 5] = [
    "billedcost",
    "effectivecost",
    "contractedcost",
    "chargeperiodstart",
    "chargecategory",
];

const AZURE_COLUMNS: [&str; 4] = [
    "metercategory",
    "meterid",
    "consumedservice",
    "unitofmeasure",
];

const GCP_COLUMNS: [&str; 4] = ["serviceid", "servicedescription", "skuid", "projectid"];

impl Dialect {
    /// The writer of a file with these columns.
    pub fn of<S: AsRef<str>>(headers: &[S]) -> Self {
        let names: HashSet<String> = headers.iter().map(|h| canonical(h.as_ref())).collect();
        let has = |columns: &[&str]| columns.iter().filter(|c| names.contains(**c)).count();
        let is_aws = |name: &String| name.starts_with("lineitem") || name.starts_with("billpayer");
        if names.iter().any(is_aws) {
            Self::Aws
        } else if has(&FOCUS_COLUMNS) >= 2 {
            Self::Focus
        } else if has(&AZURE_COLUMNS) >= 2 {
            Self::Azure
        } else if names.contains("cost") && has(&GCP_COLUMNS) >= 2 {
            Self::Gcp
        } else {
            Self::Other
        }
    }

    /// The type of a column with this header.
    pub fn csv_type(self, header: &str) -> CsvType {
        let name = canonical(header);
        match self {
            Self::Aws => aws(&name),
            Self::Focus => focus(&name),
            Self::Azure => azure(&name),
            Self::Gcp => gcp(&name),
            Self::Other => CsvType::Text,
        }
    }
}

/// A name without what its spellings differ in.
fn canonical(header: &str) -> String {
    let letters = header.chars().filter(char::is_ascii_alphanumeric);
    letters.map(|c| c.to_ascii_lowercase()).collect()
}

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
            assert_eq!(dialect.csv_type(header), *wanted, "{header}");
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
            let types = spelling.map(|header| Dialect::Aws.csv_type(header));
            assert_eq!(types, [Double, Text, Timestamp, Double, Double]);
        }
        check(
            Dialect::Aws,
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

    #[test]
    fn the_writer_of_a_file_is_known_by_few_columns() {
        for (headers, dialect) in [
            (
                &["identity/LineItemId", "lineItem/UnblendedCost"][..],
                Dialect::Aws,
            ),
            (&["line_item_product_code"], Dialect::Aws),
            (&["ChargePeriodStart", "BilledCost", "Tags"], Dialect::Focus),
            (
                &["SubscriptionGuid", "MeterCategory", "MeterId"],
                Dialect::Azure,
            ),
            (
                &["billing_account_id", "service.id", "sku.id", "cost"],
                Dialect::Gcp,
            ),
            (&["a", "cost"], Dialect::Other),
            (&[], Dialect::Other),
        ] {
            assert_eq!(Dialect::of(headers), dialect, "{headers:?}");
        }
    }
}
