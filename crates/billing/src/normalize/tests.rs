use super::*;

fn columns(list: &str) -> Vec<Column> {
    let kind = |mark: &str| match mark {
        "d" => ColumnKind::Double,
        "n" => ColumnKind::Numeric,
        "t" => ColumnKind::Timestamp,
        "z" => ColumnKind::TimestampTz,
        "day" => ColumnKind::Date,
        "j" => ColumnKind::Json,
        _ => ColumnKind::Text,
    };
    let each = list.split_whitespace();
    each.map(|c| match c.split_once('#') {
        Some((name, mark)) => Column::new(name, kind(mark)),
        None => Column::new(c, ColumnKind::Text),
    })
    .collect()
}

fn column(list: &str, name: &str) -> String {
    normalized_column_sql(&columns(list), name, None).unwrap()
}

#[test]
fn a_column_the_report_lacks_is_not_named() {
    let columns = columns("line_item_product_code line_item_unblended_cost#d");
    let sql = normalization_sql(&columns, "bills.cur", None, Grain::Daily).unwrap();
    assert!(
        sql.contains("coalesce(nullif(line_item_product_code, ''), 'Unknown') AS service"),
        "{sql}"
    );
    assert!(!sql.contains("product_product_name"), "{sql}");
    assert!(sql.contains("NULL::text AS region"), "{sql}");
    assert!(sql.contains("0::numeric AS ri_sp_trueup,"), "{sql}");
}

#[test]
fn a_table_without_a_cost_is_no_bill() {
    for table in [
        "meter_id unit_price#d currency_code",
        "recommendation_id estimated_monthly_savings#d",
        // Google's price list.
        "service_id sku_id sku_description list_price#d",
        "line_item_product_code line_item_net_unblended_cost#d",
    ] {
        for grain in [Grain::Daily, Grain::Usage] {
            let sql = normalization_sql(&columns(table), "t", None, grain);
            assert_eq!(sql, None, "{table}");
        }
    }
    assert_eq!(column("meter_id unit_price#d", "cost"), "NULL::numeric");
    assert_eq!(
        column("meter_id unit_price#d", "cloud_provider"),
        "NULL::text"
    );
}

#[test]
fn every_fallback_is_tried_row_by_row() {
    assert_eq!(
        column(
            "line_item_product_code product_servicename product_product_name",
            "service"
        ),
        "coalesce(nullif(product_product_name, ''), nullif(product_servicename, ''), \
         nullif(line_item_product_code, ''), 'Unknown')"
    );
    assert_eq!(
        column(
            "product#j line_item_usage_type product_region_code",
            "region"
        ),
        "coalesce(nullif(product->>'region', ''), nullif(product_region_code, ''), \
         nullif(product->>'region_code', ''))"
    );
}

#[test]
fn columns_are_found_in_any_spelling_and_named_as_they_are() {
    assert_eq!(
        column("lineItem/UsageAccountId", "account_id"),
        "coalesce(nullif(\"lineItem/UsageAccountId\", ''), 'unknown')"
    );
    assert_eq!(
        column("lineitem_unblendedcost#d", "cost"),
        "coalesce(cost_analytics.exact_sum(lineitem_unblendedcost), 0)"
    );
}

#[test]
fn days_are_utc_and_texts_are_none() {
    for (start, day) in [
        (
            "line_item_usage_start_date#t",
            "coalesce(line_item_usage_start_date::date, billing_period)",
        ),
        ("line_item_usage_start_date", "billing_period"),
        (
            "cost_in_billing_currency#d date#day",
            "coalesce(date, billing_period)",
        ),
        (
            "billed_cost#d charge_category charge_period_start#z",
            "coalesce((charge_period_start AT TIME ZONE 'UTC')::date, billing_period)",
        ),
    ] {
        assert_eq!(column(start, "date"), day);
    }
}

const BILL: &str = "line_item_line_item_type line_item_product_code line_item_unblended_cost#d";
const PLAN: &str = "savings_plan_savings_plan_effective_cost#d savings_plan_total_commitment_to_date#d \
    savings_plan_used_commitment#d";
const RESERVATION: &str = "reservation_reservation_a_r_n reservation_effective_cost#d \
    reservation_unused_amortized_upfront_fee_for_billing_period#d reservation_unused_recurring_fee#d";

#[test]
fn amounts_are_sums_of_exact_sums() {
    assert_eq!(
        column(&[BILL, PLAN, RESERVATION].join(" "), "amortized_cost"),
        "coalesce(cost_analytics.exact_sum(CASE \
          WHEN line_item_line_item_type = 'SavingsPlanCoveredUsage' THEN savings_plan_savings_plan_effective_cost \
          WHEN line_item_line_item_type = 'SavingsPlanRecurringFee' THEN savings_plan_total_commitment_to_date \
          WHEN line_item_line_item_type = 'SavingsPlanNegation' THEN NULL \
          WHEN line_item_line_item_type = 'SavingsPlanUpfrontFee' THEN NULL \
          WHEN line_item_line_item_type = 'Refund' AND line_item_product_code = 'ComputeSavingsPlans' THEN NULL \
          WHEN line_item_line_item_type = 'DiscountedUsage' THEN reservation_effective_cost \
          WHEN line_item_line_item_type = 'RIFee' THEN reservation_unused_amortized_upfront_fee_for_billing_period \
          WHEN line_item_line_item_type = 'Fee' AND reservation_reservation_a_r_n <> '' THEN NULL \
          ELSE line_item_unblended_cost END), 0) \
         + coalesce(cost_analytics.exact_sum(CASE WHEN line_item_line_item_type = 'RIFee' THEN reservation_unused_recurring_fee END), 0) \
         - coalesce(cost_analytics.exact_sum(CASE WHEN line_item_line_item_type = 'SavingsPlanRecurringFee' THEN savings_plan_used_commitment END), 0)"
    );
}

#[test]
fn without_columns_of_commitments_amortized_is_unblended() {
    let list = "line_item_line_item_type line_item_unblended_cost#d reservation_reservation_a_r_n";
    assert_eq!(column(list, "amortized_cost"), column(list, "cost"));
    assert_eq!(column(list, "ri_sp_trueup"), "0::numeric");
    assert_eq!(column(list, "blended_cost"), "NULL::numeric");
}

#[test]
fn with_a_part_of_the_columns_of_commitments_amortized_is_unblended() {
    let trueup = "savings_plan_amortized_upfront_commitment_for_billing_period#d \
        reservation_amortized_upfront_fee_for_billing_period#d";
    for family in [PLAN, RESERVATION] {
        for missing in family.split(' ') {
            let list = [BILL, family, trueup].join(" ").replace(missing, "");
            assert_eq!(
                column(&list, "amortized_cost"),
                column(&list, "cost"),
                "without {missing}"
            );
            for moved in ["ri_sp_trueup", "ri_sp_upfront_fees"] {
                assert_eq!(column(&list, moved), "0::numeric", "without {missing}");
            }
        }
    }
}

#[test]
fn amounts_in_any_type_stay_exact() {
    assert_eq!(
        column("line_item_unblended_cost", "cost"),
        "coalesce(sum(cost_analytics.exact_numeric(line_item_unblended_cost)), 0)"
    );
    assert_eq!(
        column(
            "line_item_net_unblended_cost#n line_item_unblended_cost#d",
            "net_cost"
        ),
        "coalesce(sum(coalesce(line_item_net_unblended_cost, \
         cost_analytics.exact_numeric(line_item_unblended_cost))), 0)"
    );
}

#[test]
fn split_cost_rows_count_nothing_but_in_the_files_total() {
    let list = "split_line_item_parent_resource_id line_item_unblended_cost#d";
    assert_eq!(
        column(list, "cost"),
        "coalesce(cost_analytics.exact_sum(CASE WHEN split_line_item_parent_resource_id <> '' THEN NULL \
         ELSE line_item_unblended_cost END), 0)"
    );
    assert_eq!(
        column(list, "cost_in_files"),
        "coalesce(cost_analytics.exact_sum(line_item_unblended_cost), 0)"
    );
}

#[test]
fn an_amortized_export_has_no_cost() {
    let columns = columns("cost_in_billing_currency#d charge_type");
    let of = |name, format| normalized_column_sql(&columns, name, Some(format)).unwrap();
    let sum = "coalesce(cost_analytics.exact_sum(cost_in_billing_currency), 0)";
    assert_eq!(of("cost", "azure-actual"), sum);
    assert_eq!(of("amortized_cost", "azure-actual"), "NULL::numeric");
    assert_eq!(of("cost", "azure-amortized"), "0::numeric");
    assert_eq!(of("amortized_cost", "azure-amortized"), sum);
    assert_eq!(of("cost_in_files", "azure-amortized"), sum);
}

#[test]
fn what_is_no_usage_has_no_amount() {
    assert_eq!(
        column("charge_type quantity#d meter_id cost#d", "usage_amount"),
        "cost_analytics.exact_sum(CASE WHEN charge_type NOT IN ('Usage', '') THEN NULL ELSE quantity END)"
    );
}

#[test]
fn credits_are_netted() {
    assert_eq!(
        column("sku_description cost#d credits#j", "cost"),
        "coalesce(cost_analytics.exact_sum(cost), 0) + coalesce(sum(cost_analytics.credits_total(credits)), 0)"
    );
}

#[test]
fn tags_are_made_of_what_there_is_and_group_by_it() {
    let sql = |list| {
        let columns = columns(&format!("line_item_unblended_cost#d {list}"));
        normalization_sql(&columns, "t", None, Grain::Usage).unwrap()
    };
    let flat = sql("line_item_resource_id resource_tags_user_team resource_tags_aws_created_by");
    assert!(
        flat.contains(
            "jsonb_strip_nulls(jsonb_object(ARRAY['team', 'aws_created_by'], \
             ARRAY[nullif(resource_tags_user_team, ''), nullif(resource_tags_aws_created_by, '')])) AS tags"
        ),
        "{flat}"
    );
    assert!(
        flat.ends_with(", resource_tags_user_team, resource_tags_aws_created_by"),
        "{flat}"
    );
    let map = sql("line_item_resource_id resource_tags#j");
    assert!(
        map.contains("cost_analytics.labels(resource_tags, 'user_') AS tags"),
        "{map}"
    );
    assert!(map.contains("'{}'::jsonb AS cost_categories"), "{map}");
}

#[test]
fn constants_are_no_group_keys() {
    let columns = columns("line_item_usage_account_id line_item_unblended_cost#d");
    let sql = normalization_sql(&columns, "t", None, Grain::Daily).unwrap();
    // Period, day, invoice month and account; what else there is is the same on all rows.
    assert!(sql.ends_with("\n GROUP BY 1, 2, 3, 6"), "{sql}");
}

#[test]
fn every_rule_is_of_a_column_there_is() {
    let names = [DAILY, USAGE].concat();
    let sums = [COSTS, USAGE_SUMS].concat();
    for rules in [
        &aws::RULES,
        &azure::ACTUAL,
        &azure::AMORTIZED,
        &focus::RULES,
        &gcp::RULES,
    ] {
        let mut seen = std::collections::HashSet::new();
        for text in rules.texts {
            assert!(names.contains(&text.name), "{}", text.name);
            assert!(seen.insert(text.name), "{} twice", text.name);
        }
        for sum in rules.sums {
            assert!(sums.contains(&sum.name), "{}", sum.name);
            assert!(seen.insert(sum.name), "{} twice", sum.name);
        }
    }
}

#[test]
fn a_row_is_billed_by_the_best_cost_column_that_says_something() {
    for (names, places) in [
        ("x line_item_unblended_cost", vec![1]),
        ("pre_tax_cost meter_id", vec![0]),
        ("pre_tax_cost cost cost_in_billing_currency", vec![2, 1, 0]),
        ("billed_cost charge_category", vec![0]),
        ("x name", vec![]),
    ] {
        let names: Vec<&str> = names.split(' ').collect();
        assert_eq!(cost_columns(&names), places);
    }
    let list = "pre_tax_cost#d cost_in_billing_currency#d";
    assert_eq!(column(list, "cost_in_files"), column(list, "cost"));
}
