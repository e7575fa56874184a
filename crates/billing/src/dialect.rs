//! Which provider's words a bill is written in.

use std::collections::HashSet;

/// A family of column names. Every spelling of a family's names is the same dialect: snake case,
/// camel case, dotted, squeezed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dialect {
    /// AWS's legacy Cost and Usage Report: `lineItem/UnblendedCost`, `line_item_unblended_cost`.
    AwsCur,
    /// AWS's CUR 2.0, told from the legacy one by columns that only it has.
    AwsCur2,
    /// FOCUS, of any version and from any provider: `BilledCost`.
    Focus,
    /// Azure's cost details of any agreement: `CostInBillingCurrency`, `Cost`, `PreTaxCost`.
    Azure,
    /// Google's billing export, nested or flattened: `usage_start_time`, `sku.id`, `credits`.
    Gcp,
}

impl Dialect {
    /// The dialect of a file or manifest with these columns, or `None` for no known one.
    ///
    /// Users choose columns in most exports, so any of a dialect's own columns tells it.
    pub fn of<S: AsRef<str>>(columns: &[S]) -> Option<Self> {
        let names: HashSet<String> = columns.iter().map(|c| canonical(c.as_ref())).collect();
        let has = |known: &[&str]| known.iter().any(|name| names.contains(*name));
        let starts = |start: &str| names.iter().any(|name| name.starts_with(start));
        // FOCUS first: exports of Azure and AWS in FOCUS carry columns of their own as well.
        if has(&FOCUS) {
            Some(Self::Focus)
        } else if starts("lineitem") || starts("identitylineitem") || has(&AWS_CUR) {
            let second = has(&AWS_CUR_2);
            Some(if second { Self::AwsCur2 } else { Self::AwsCur })
        } else if has(&GCP) || (has(&["cost"]) && has(&GCP_WITH_COST)) {
            Some(Self::Gcp)
        } else if has(&AZURE) || (has(&["cost"]) && has(&AZURE_WITH_COST)) {
            Some(Self::Azure)
        } else {
            None
        }
    }
}

/// A name without what its many spellings differ in: small ASCII letters and digits only, so
/// `lineItem/UsageStartDate`, `line_item_usage_start_date` and `lineitem_usagestartdate` are one.
pub fn canonical(name: &str) -> String {
    let kept = name.chars().filter(char::is_ascii_alphanumeric);
    kept.map(|c| c.to_ascii_lowercase()).collect()
}

/// Costs and charge periods have these names in FOCUS only (FOCUS specification, "Columns").
const FOCUS: [&str; 5] = [
    "billedcost",
    "effectivecost",
    "contractedcost",
    "chargeperiodstart",
    "chargeperiodend",
];

const AWS_CUR: [&str; 2] = ["billpayeraccountid", "billbillingentity"];

/// Columns that CUR 2.0 has and the legacy report never had: names of accounts, and maps where the
/// legacy report has one column a key (AWS Data Exports user guide, "CUR 2.0").
const AWS_CUR_2: [&str; 6] = [
    "billpayeraccountname",
    "lineitemusageaccountname",
    "resourcetags",
    "costcategory",
    "product",
    "discount",
];

const GCP: [&str; 3] = ["skudescription", "invoicemonth", "costatlist"];
/// `cost` alone could be anybody's.
const GCP_WITH_COST: [&str; 5] = [
    "usagestarttime",
    "usageendtime",
    "exporttime",
    "costtype",
    "projectid",
];

const AZURE: [&str; 3] = [
    "costinbillingcurrency",
    "costinpricingcurrency",
    "pretaxcost",
];
const AZURE_WITH_COST: [&str; 6] = [
    "metercategory",
    "meterid",
    "metername",
    "subscriptionid",
    "subscriptionguid",
    "consumedservice",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn of(columns: &str) -> Option<Dialect> {
        Dialect::of(&columns.split(' ').collect::<Vec<_>>())
    }

    #[test]
    fn every_spelling_of_a_dialect_is_that_dialect() {
        for (columns, dialect) in [
            (
                "identity/LineItemId lineItem/UnblendedCost",
                Dialect::AwsCur,
            ),
            ("line_item_unblended_cost year month", Dialect::AwsCur),
            (
                "lineitem_unblendedcost resourcetags_user_a",
                Dialect::AwsCur,
            ),
            ("line_item_unblended_cost resource_tags", Dialect::AwsCur2),
            (
                "bill_payer_account_name line_item_unblended_cost",
                Dialect::AwsCur2,
            ),
            ("ServiceName BilledCost", Dialect::Focus),
            ("EffectiveCost x_ServiceCode SubAccountId", Dialect::Focus),
            ("billed_cost", Dialect::Focus),
            (
                "BilledCost SubscriptionId CostInBillingCurrency MeterId",
                Dialect::Focus,
            ),
            (
                "SubscriptionId Date CostInBillingCurrency MeterCategory",
                Dialect::Azure,
            ),
            ("SubscriptionGuid UsageDateTime PreTaxCost", Dialect::Azure),
            ("date meterId costInBillingCurrency", Dialect::Azure),
            ("SubscriptionId Date Cost", Dialect::Azure),
            (
                "billing_account_id service.id usage_start_time cost credits",
                Dialect::Gcp,
            ),
            (
                "billing_account_id service sku usage_start_time cost",
                Dialect::Gcp,
            ),
            ("service__id export_time cost", Dialect::Gcp),
            ("service.id sku.description credits", Dialect::Gcp),
            ("project__id cost", Dialect::Gcp),
            (
                "bill_payer_account_id bill_payer_account_name",
                Dialect::AwsCur2,
            ),
            ("costInBillingCurrency date", Dialect::Azure),
        ] {
            assert_eq!(of(columns), Some(dialect), "{columns}");
        }
    }

    #[test]
    fn a_table_that_is_no_bill_has_no_dialect() {
        for columns in [
            "",
            "id name cost",
            "date amount",
            "recommendation_id savings",
            "x",
        ] {
            assert_eq!(of(columns), None, "{columns}");
        }
    }
}
