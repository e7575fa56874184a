//! What a bill's columns mean, as data: a file a dialect, a line a spelling.
//!
//! The rules become plain SQL over the columns that a table really has. A column that the export
//! lacks is a typed NULL or is not named at all; where there are several candidates, each row takes
//! the first that says something, because providers leave a column empty on some rows and write
//! `''` for nothing.

mod aws;
mod azure;
mod focus;
mod gcp;
mod rules;
mod table;
#[cfg(test)]
mod tests;

use std::fmt::Write as _;

use crate::dialect::Dialect;
use crate::format::Format;
use rules::{Labels, Rules};
use table::Table;
pub use table::{Column, ColumnKind};

/// How fine the rows of a normalized table are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grain {
    /// `costs_daily`: what dashboards ask for, few rows over years.
    Daily,
    /// `fact_usage`: a day of a resource, with what it used and its tags.
    Usage,
}

/// The columns that tell the rows of `costs_daily` apart, in its order.
const DAILY: &[&str] = &[
    "date",
    "invoice_month",
    "cloud_provider",
    "payer_account_id",
    "account_id",
    "account_name",
    "service",
    "service_code",
    "region",
    "line_item_type",
    "charge_category",
    "charge_class",
    "charge_group",
    "commitment_type",
    "currency",
    "invoice_id",
    "invoice_issuer",
    "seller",
];

/// What `fact_usage` has besides.
const USAGE: &[&str] = &[
    "payer_account_name",
    "resource_id",
    "usage_type",
    "operation",
    "availability_zone",
    "region_name",
    "sku_id",
    "sku_price_id",
    "pricing_category",
    "charge_frequency",
    "charge_description",
    "commitment_id",
    "commitment_status",
    "usage_unit",
    "pricing_unit",
    "pricing_currency",
];

/// The sums of `costs_daily`.
const COSTS: &[&str] = &[
    "cost",
    "blended_cost",
    "net_cost",
    "amortized_cost",
    "net_amortized_cost",
    "list_cost",
    "ri_sp_trueup",
    "ri_sp_upfront_fees",
];

/// What `fact_usage` sums besides.
const USAGE_SUMS: &[&str] = &[
    "contracted_cost",
    "usage_amount",
    "pricing_quantity",
    "pricing_currency_effective_cost",
];

/// The sum of the file's own cost column over all rows, which shows that none was lost.
const IN_FILES: &str = "cost_in_files";

/// The query that gives `relation`, which has `columns`, a normalized shape. It is an aggregate, one
/// row for each combination of what tells rows apart.
///
/// `format` is the export's name in `cost_discover`, where it is known: it decides what columns
/// alone cannot, whether an Azure export is amortized. `relation` is inserted as it is, so it must
/// be quoted. `None` for a table without a column of what is billed: it is no bill, and a bill of 0
/// would be a wrong one.
pub fn normalization_sql(
    columns: &[Column],
    relation: &str,
    format: Option<&str>,
    grain: Grain,
) -> Option<String> {
    let table = Table::new(columns);
    let rules = rules_of(columns, format);
    if rules.costs_in_files(&table).is_empty() {
        return None;
    }
    let (dimensions, sums) = match grain {
        Grain::Daily => (DAILY.to_vec(), COSTS.to_vec()),
        Grain::Usage => ([DAILY, USAGE].concat(), [COSTS, USAGE_SUMS].concat()),
    };
    let mut sql = "SELECT billing_period".to_owned();
    let mut select = |expression: &str, name: &str| {
        let _ = write!(sql, ",\n       {expression} AS {name}");
    };
    let mut keys = vec!["1".to_owned()];
    for (place, name) in (2..).zip(&dimensions) {
        let expression = rules.dimension(name, &table);
        select(&expression, name);
        // Grouping by a constant would keep the whole query from running where the bill lies.
        if !is_constant(&expression) {
            keys.push(place.to_string());
        }
    }
    if grain == Grain::Usage {
        for (name, labels) in [
            ("tags", &rules.tags),
            ("cost_categories", &rules.cost_categories),
        ] {
            // By what they are made of: making a document for every line would take long.
            let (document, made_of) = labels.sql(&table);
            select(&document, name);
            keys.extend(made_of);
        }
    }
    for name in &sums {
        select(&rules.sum(name, &table), name);
    }
    select(&rules.sum_in_files(&table), IN_FILES);
    select("count(*)", "line_items");
    let _ = write!(sql, "\n  FROM {relation}\n GROUP BY {}", keys.join(", "));
    Some(sql)
}

/// Whether an expression, as the rules make them, names no column.
fn is_constant(expression: &str) -> bool {
    expression.starts_with("NULL::")
        || expression.starts_with('\'') && expression.ends_with("'::text")
}

/// The expression behind one column of [`normalization_sql`], such as `account_id` or `cost`;
/// `None` for a name that has no rule. That of a sum is an aggregate.
pub fn normalized_column_sql(
    columns: &[Column],
    name: &str,
    format: Option<&str>,
) -> Option<String> {
    let table = Table::new(columns);
    let rules = rules_of(columns, format);
    if DAILY.contains(&name) || USAGE.contains(&name) {
        return Some(rules.dimension(name, &table));
    }
    if name == IN_FILES {
        return Some(rules.sum_in_files(&table));
    }
    let is_sum = COSTS.contains(&name) || USAGE_SUMS.contains(&name);
    is_sum.then(|| rules.sum(name, &table))
}

/// The places of the columns of which each row's first that is not NULL is what it is billed, best
/// first; the sum over all rows is what the files come to. There are none in a table that is no bill.
pub fn cost_columns<S: AsRef<str>>(columns: &[S]) -> Vec<usize> {
    let rules = rules_for(Dialect::of(columns), None);
    let places: Vec<Column> = columns
        .iter()
        .map(|name| Column::new(name.as_ref(), ColumnKind::Double))
        .collect();
    let found = rules.costs_in_files(&Table::new(&places));
    let place = |column: &Column| places.iter().position(|other| std::ptr::eq(other, column));
    found.into_iter().filter_map(place).collect()
}

fn rules_of(columns: &[Column], format: Option<&str>) -> &'static Rules {
    let names: Vec<&str> = columns.iter().map(|c| c.name.as_str()).collect();
    rules_for(Dialect::of(&names), format)
}

/// Of a table that is no bill: nothing is known.
const NONE: Rules = Rules {
    date: &[],
    texts: &[],
    invoice_month: "",
    cost_in_files: "",
    parts: "",
    sums: &[],
    tags: Labels::NONE,
    cost_categories: Labels::NONE,
};

fn rules_for(dialect: Option<Dialect>, format: Option<&str>) -> &'static Rules {
    match dialect {
        None => &NONE,
        Some(Dialect::AwsCur | Dialect::AwsCur2) => &aws::RULES,
        Some(Dialect::Focus) => &focus::RULES,
        Some(Dialect::Azure) if format == Some(Format::AzureAmortized.name()) => &azure::AMORTIZED,
        Some(Dialect::Azure) => &azure::ACTUAL,
        Some(Dialect::Gcp) => &gcp::RULES,
    }
}
