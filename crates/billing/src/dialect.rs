//! Whose words a bill's columns are.

use std::collections::HashSet;

/// A family of exports whose columns mean the same, whatever way they are spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// AWS Cost and Usage Report.
    AwsCur,
    /// AWS CUR 2.0: the same words, many of them in maps.
    AwsCur2,
    /// FOCUS, of any provider and version.
    Focus,
    /// Azure cost details: EA, MCA and the older ones, actual and amortized alike.
    Azure,
    /// Google Cloud's billing export, nested or flattened.
    Gcp,
}

impl Dialect {
    /// The dialect that columns are in; `None` for columns of no bill that is known.
    ///
    /// Names count by their letters and digits only, so that any spelling does, and in any order.
    /// FOCUS comes first: its exports may carry columns of the provider's own.
    pub fn of<S: AsRef<str>>(columns: &[S]) -> Option<Self> {
        let names: HashSet<String> = columns.iter().map(|c| canonical(c.as_ref())).collect();
        let has = |name: &str| names.contains(name);
        let has_start = |start: &str| names.iter().any(|name| name.starts_with(start));
        if has("billedcost") && (has("chargecategory") || has("chargetype")) {
            Some(Self::Focus)
        } else if has_start("lineitem") || has("billpayeraccountid") {
            let with_maps = has("product") || has("resourcetags") || has("billpayeraccountname");
            Some(if with_maps {
                Self::AwsCur2
            } else {
                Self::AwsCur
            })
        } else if has("skudescription") || has("invoicemonth") || has("projectid") && has("cost") {
            Some(Self::Gcp)
        } else if has("costinbillingcurrency") || has("pretaxcost") || has("cost") && has("meterid")
        {
            Some(Self::Azure)
        } else {
            None
        }
    }
}

/// A column's name without what spellings differ in: `lineItem/UsageStartDate`,
/// `line_item_usage_start_date` and `lineitem_usagestartdate` are one.
pub fn canonical(name: &str) -> String {
    let kept = name.chars().filter(char::is_ascii_alphanumeric);
    kept.map(|c| c.to_ascii_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_export_is_known_by_its_columns_in_any_spelling() {
        for (columns, dialect) in [
            ("lineItem/ProductCode", Some(Dialect::AwsCur)),
            ("lineitem_productcode product_region", Some(Dialect::AwsCur)),
            ("line_item_product_code product", Some(Dialect::AwsCur2)),
            (
                "bill_payer_account_id bill_payer_account_name",
                Some(Dialect::AwsCur2),
            ),
            (
                "BilledCost ChargeCategory x_Operation",
                Some(Dialect::Focus),
            ),
            ("billed_cost charge_type", Some(Dialect::Focus)),
            ("costInBillingCurrency date", Some(Dialect::Azure)),
            ("PreTaxCost UsageDateTime", Some(Dialect::Azure)),
            ("Cost MeterId", Some(Dialect::Azure)),
            ("service.id sku.description cost", Some(Dialect::Gcp)),
            ("project__id cost", Some(Dialect::Gcp)),
            ("cost name", None),
            ("", None),
        ] {
            let columns: Vec<&str> = columns.split_whitespace().collect();
            assert_eq!(Dialect::of(&columns), dialect, "{columns:?}");
        }
    }
}
