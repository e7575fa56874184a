//! The same bill as CUR 2.0: one schema for all months, the names of accounts, and maps for what
//! was a column for every key.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema, SchemaRef};

use super::legacy::Lines;
use super::table::{Kind, Value, array, data_type, nulls};

/// The columns in AWS's order. A mark behind a name says what it holds: `#` a double, `@` a
/// timestamp, `%` a map, `~` a map of doubles, otherwise text.
const COLUMNS: &str = "\
    bill_bill_type bill_billing_entity bill_billing_period_end_date@ \
    bill_billing_period_start_date@ bill_invoice_id bill_invoicing_entity bill_payer_account_id \
    bill_payer_account_name cost_category% discount~ discount_bundled_discount# \
    discount_total_discount# identity_line_item_id identity_time_interval \
    line_item_availability_zone line_item_blended_cost# line_item_blended_rate \
    line_item_currency_code line_item_legal_entity line_item_line_item_description \
    line_item_line_item_type line_item_net_unblended_cost# line_item_net_unblended_rate \
    line_item_normalization_factor# line_item_normalized_usage_amount# line_item_operation \
    line_item_product_code line_item_resource_id line_item_tax_type line_item_unblended_cost# \
    line_item_unblended_rate line_item_usage_account_id line_item_usage_account_name \
    line_item_usage_amount# line_item_usage_end_date@ line_item_usage_start_date@ \
    line_item_usage_type pricing_currency pricing_lease_contract_length pricing_offering_class \
    pricing_public_on_demand_cost# pricing_public_on_demand_rate pricing_purchase_option \
    pricing_rate_code pricing_rate_id pricing_term pricing_unit product% product_comment \
    product_fee_code product_fee_description product_from_location product_from_location_type \
    product_from_region_code product_instance_family product_instance_type product_instancesku \
    product_location product_location_type product_operation product_pricing_unit \
    product_product_family product_region_code product_servicecode product_sku \
    product_to_location product_to_location_type product_to_region_code product_usagetype \
    reservation_amortized_upfront_cost_for_usage# \
    reservation_amortized_upfront_fee_for_billing_period# reservation_availability_zone \
    reservation_effective_cost# reservation_end_time reservation_modification_status \
    reservation_net_amortized_upfront_cost_for_usage# \
    reservation_net_amortized_upfront_fee_for_billing_period# reservation_net_effective_cost# \
    reservation_net_recurring_fee_for_usage# \
    reservation_net_unused_amortized_upfront_fee_for_billing_period# \
    reservation_net_unused_recurring_fee# reservation_net_upfront_value# \
    reservation_normalized_units_per_reservation reservation_number_of_reservations \
    reservation_recurring_fee_for_usage# reservation_reservation_a_r_n reservation_start_time \
    reservation_subscription_id reservation_total_reserved_normalized_units \
    reservation_total_reserved_units reservation_units_per_reservation \
    reservation_unused_amortized_upfront_fee_for_billing_period# \
    reservation_unused_normalized_unit_quantity# reservation_unused_quantity# \
    reservation_unused_recurring_fee# reservation_upfront_value# resource_tags% \
    savings_plan_amortized_upfront_commitment_for_billing_period# savings_plan_end_time \
    savings_plan_instance_type_family \
    savings_plan_net_amortized_upfront_commitment_for_billing_period# \
    savings_plan_net_recurring_commitment_for_billing_period# \
    savings_plan_net_savings_plan_effective_cost# savings_plan_offering_type \
    savings_plan_payment_option savings_plan_purchase_term \
    savings_plan_recurring_commitment_for_billing_period# savings_plan_region \
    savings_plan_savings_plan_a_r_n savings_plan_savings_plan_effective_cost# \
    savings_plan_savings_plan_rate# savings_plan_start_time \
    savings_plan_total_commitment_to_date# savings_plan_used_commitment#";

/// What INCLUDE_SPLIT_COST_ALLOCATION_DATA adds.
const SPLIT: &str = "\
    split_line_item_actual_usage# split_line_item_net_split_cost# \
    split_line_item_net_unused_cost# split_line_item_parent_resource_id \
    split_line_item_public_on_demand_split_cost# split_line_item_public_on_demand_unused_cost# \
    split_line_item_reserved_usage# split_line_item_split_cost# split_line_item_split_usage# \
    split_line_item_split_usage_ratio# split_line_item_unused_cost#";

/// The columns of an export.
pub(super) struct Shape {
    columns: Vec<(&'static str, Kind)>,
    pub(super) arrow: SchemaRef,
}

impl Shape {
    pub(super) fn new(split: bool) -> Self {
        let names = COLUMNS.split_whitespace();
        let more = SPLIT.split_whitespace().filter(|_| split);
        let columns: Vec<_> = names.chain(more).map(column).collect();
        let fields: Vec<_> = columns
            .iter()
            .map(|(name, kind)| Field::new(*name, data_type(*kind), true))
            .collect();
        Shape {
            columns,
            arrow: Arc::new(Schema::new(fields)),
        }
    }

    /// The same lines.
    pub(super) fn batch(&self, lines: &Lines<'_>) -> RecordBatch {
        let columns = self
            .columns
            .iter()
            .map(|(name, kind)| self.column(lines, name, *kind))
            .collect();
        RecordBatch::try_new(Arc::clone(&self.arrow), columns).expect("columns are the schema's")
    }

    fn column(&self, lines: &Lines<'_>, name: &str, kind: Kind) -> ArrayRef {
        let rows = lines.batch.num_rows();
        let names = |of| {
            array(
                Kind::Text,
                (0..rows).map(|row| lines.account_name(of, row).into()),
            )
        };
        match (name, kind) {
            ("bill_payer_account_name", _) => names("bill_payer_account_id"),
            ("line_item_usage_account_name", _) => names("line_item_usage_account_id"),
            (_, Kind::Map) => {
                let keys = self.keys(lines, name);
                array(kind, (0..rows).map(|row| map(lines, name, &keys, row)))
            }
            (_, Kind::Numbers) => {
                let keys = self.keys(lines, name);
                array(kind, (0..rows).map(|row| numbers(lines, &keys, row)))
            }
            _ => match lines.batch.column_by_name(name) {
                Some(column) => Arc::clone(column),
                None => nulls(kind, rows),
            },
        }
    }

    /// The legacy columns that went into a map, with their keys: `product_region`, `region`.
    fn keys<'a>(&self, lines: &Lines<'a>, map: &str) -> Vec<(&'a str, String)> {
        let own = |name: &str| self.columns.iter().any(|(own, _)| *own == name);
        let names = lines.columns.iter().map(|column| column.name.as_str());
        names
            .filter(|name| !own(name))
            .filter_map(|name| {
                let key = name.strip_prefix(map)?.strip_prefix('_')?;
                Some((name, key.to_owned()))
            })
            .collect()
    }
}

/// Splits the mark from a name.
fn column(marked: &'static str) -> (&'static str, Kind) {
    let kind = match marked.as_bytes()[marked.len() - 1] {
        b'#' => Kind::Double,
        b'@' => Kind::Time,
        b'%' => Kind::Map,
        b'~' => Kind::Numbers,
        _ => Kind::Text,
    };
    (marked.trim_end_matches(['#', '@', '%', '~']), kind)
}

/// A map of what is there. One without anything is empty or NULL: readers meet both.
fn map<'a>(lines: &Lines<'a>, name: &str, keys: &[(&str, String)], row: usize) -> Value<'a> {
    let pairs = keys.iter().filter_map(|(column, key)| {
        let text = lines.text(column, row)?;
        Some((key.clone(), Cow::Borrowed(text)))
    });
    let pairs: Vec<_> = pairs.collect();
    if pairs.is_empty() && name == "resource_tags" {
        return Value::Null;
    }
    Value::Map(pairs)
}

fn numbers(lines: &Lines<'_>, keys: &[(&str, String)], row: usize) -> Value<'static> {
    let pairs = keys.iter().filter_map(|(column, key)| {
        let number = lines.number(column, row)?;
        Some((key.clone(), number))
    });
    let pairs: Vec<_> = pairs.collect();
    if pairs.is_empty() {
        return Value::Null;
    }
    Value::Numbers(pairs)
}
