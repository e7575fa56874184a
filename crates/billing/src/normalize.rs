//! What a bill's columns mean: one line per normalized column.
//!
//! Rules and their sources: AWS CUR data dictionary; the fallbacks are per row, because AWS leaves
//! a column empty on some rows (`product_servicename` on Spot, RIFee and Tax) and writes `''` for
//! nothing.

/// A normalized column: its name and the expressions to try, best first, each with the column it
/// needs.
struct Rule {
    name: &'static str,
    candidates: &'static [(&'static str, &'static str)],
    otherwise: &'static str,
}

const RULES: &[Rule] = &[
    Rule {
        name: "account_id",
        candidates: &[
            (
                "line_item_usage_account_id",
                "nullif(line_item_usage_account_id::text, '')",
            ),
            (
                "bill_payer_account_id",
                "nullif(bill_payer_account_id::text, '')",
            ),
        ],
        otherwise: "'unknown'",
    },
    Rule {
        name: "service",
        candidates: &[
            (
                "product_product_name",
                "nullif(product_product_name::text, '')",
            ),
            (
                "product_servicename",
                "nullif(product_servicename::text, '')",
            ),
            (
                "line_item_product_code",
                "nullif(line_item_product_code::text, '')",
            ),
        ],
        otherwise: "'Unknown'",
    },
    Rule {
        name: "region",
        candidates: &[
            ("product_region", "nullif(product_region::text, '')"),
            (
                "product_region_code",
                "nullif(product_region_code::text, '')",
            ),
            // us-west-2a is in us-west-2; us-west-2-lax-1a is a local zone of its own.
            (
                "line_item_availability_zone",
                "nullif(regexp_replace(line_item_availability_zone::text, '(?<=[0-9])[a-z]$', ''), '')",
            ),
        ],
        otherwise: "NULL",
    },
    Rule {
        name: "line_item_type",
        candidates: &[(
            "line_item_line_item_type",
            "nullif(line_item_line_item_type::text, '')",
        )],
        otherwise: "'Other'",
    },
    Rule {
        name: "currency",
        candidates: &[
            (
                "line_item_currency_code",
                "nullif(line_item_currency_code::text, '')",
            ),
            ("pricing_currency", "nullif(pricing_currency::text, '')"),
        ],
        otherwise: "'USD'",
    },
];

/// The query that gives `relation`, which has `columns`, the shape of the daily rollup. Names a
/// column only when it is there: legacy reports lack columns of services that were not used.
///
/// `relation` is inserted as it is, so it must be quoted.
pub fn normalization_sql<S: AsRef<str>>(columns: &[S], relation: &str) -> String {
    let has = |name: &str| columns.iter().any(|c| c.as_ref() == name);
    let date = if has("line_item_usage_start_date") {
        "coalesce(line_item_usage_start_date::date, billing_period)"
    } else {
        "billing_period"
    };
    let cost = if has("line_item_unblended_cost") {
        "sum(coalesce(cost_analytics.exact_numeric(line_item_unblended_cost), 0))"
    } else {
        "0::numeric"
    };
    let normalized = RULES
        .iter()
        .map(|rule| format!("       {} AS {}", rule.sql(&has), rule.name));
    format!(
        "SELECT billing_period,\n       {date} AS date,\n{},\n       {cost} AS cost,\n       \
         count(*) AS line_items\n  FROM {relation}\n GROUP BY 1, 2, 3, 4, 5, 6, 7",
        normalized.collect::<Vec<_>>().join(",\n"),
    )
}

/// The expression behind one column of [`normalization_sql`], such as `account_id` or `region`;
/// `None` for a name that has no rule.
pub fn normalized_column_sql<S: AsRef<str>>(columns: &[S], name: &str) -> Option<String> {
    let has = |name: &str| columns.iter().any(|c| c.as_ref() == name);
    let rule = RULES.iter().find(|rule| rule.name == name)?;
    Some(rule.sql(&has))
}

impl Rule {
    fn sql(&self, has: &impl Fn(&str) -> bool) -> String {
        let there = self
            .candidates
            .iter()
            .filter(|(column, _)| has(column))
            .map(|(_, sql)| *sql);
        let mut tried: Vec<&str> = there.collect();
        if tried.is_empty() || self.otherwise != "NULL" {
            tried.push(self.otherwise);
        }
        match tried.as_slice() {
            [only] => format!("{only}::text"),
            several => format!("coalesce({})", several.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_the_report_lacks_is_not_named() {
        let sql = normalization_sql(&["line_item_product_code"], "bills.cur");
        assert!(
            sql.contains(
                "coalesce(nullif(line_item_product_code::text, ''), 'Unknown') AS service"
            )
        );
        assert!(!sql.contains("product_product_name"), "{sql}");
        assert!(sql.contains("NULL::text AS region"), "{sql}");
    }

    #[test]
    fn every_fallback_is_tried_row_by_row() {
        let columns = [
            "product_product_name",
            "product_servicename",
            "line_item_product_code",
        ];
        let sql = normalization_sql(&columns, "bills.cur");
        let service = "coalesce(nullif(product_product_name::text, ''), nullif(product_servicename::text, ''), \
                       nullif(line_item_product_code::text, ''), 'Unknown') AS service";
        assert!(sql.contains(service), "{sql}");
    }
}
