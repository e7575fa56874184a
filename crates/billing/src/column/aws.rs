//! The columns AWS writes, under the names its Parquet files have (AWS CUR user guide, "Data
//! dictionary"; AWS Data Exports user guide, "CUR 2.0"; and reports seen).
//!
//! They serve to tell words apart where a file runs them together. A column that is missing here
//! is read all the same, under the name its spelling gives.

/// Names by category: `line_item` and `unblended_cost` make `line_item_unblended_cost`.
const COLUMNS: &[(&str, &str)] = &[
    ("identity", "line_item_id time_interval"),
    (
        "bill",
        "bill_type billing_entity billing_period_end_date billing_period_start_date invoice_id \
         invoicing_entity payer_account_id payer_account_name",
    ),
    (
        "line_item",
        "availability_zone blended_cost blended_rate currency_code iam_principal legal_entity \
         line_item_description line_item_type net_unblended_cost net_unblended_rate \
         normalization_factor normalized_usage_amount operation product_code resource_id tax_type \
         unblended_cost unblended_rate usage_account_id usage_account_name usage_amount \
         usage_end_date usage_start_date usage_type user_identifier",
    ),
    (
        "product",
        "account_assistance alarm_type architectural_review architecture_support attachment_type \
         availability availability_zone best_practices bundle cache_engine capacity capacitystatus \
         case_severityresponse_times category classicnetworkingsupport clock_speed comment \
         component compute_family compute_type content_type counts_against_quota cputype \
         current_generation customer_service_and_communities data data_transfer database_edition \
         database_engine dedicated_ebs_throughput deployment_option description direct_connect_location \
         directory_size disableactivationconfirmationemail dominantnondominant durability \
         ebs_optimized ecu edition endpoint endpoint_type engine_code \
         enhanced_networking_support enhanced_networking_supported equivalentondemandsku \
         event_type execution_frequency execution_timeout family fee_code fee_description file_system_type \
         finding_group finding_source finding_storage free_overage free_query_types \
         free_tier free_trial free_usage_included from_location from_location_type from_region_code \
         gets gpu gpu_memory graphqloperation group group_description ieee_standards \
         included_services instance instance_capacity10xlarge instance_family instance_name \
         instance_type instance_type_family instancesku intel_avx2_available intel_avx_available \
         intel_turbo_available io launch_support license license_model location location_type \
         logs_destination mailbox_storage marketoption max_iops_burst_performance max_iopsvolume \
         max_throughputvolume max_volume_size maximum_capacity maximum_extended_storage \
         maximum_storage_volume memory memory_gib memorytype message_delivery_frequency \
         message_delivery_order meter_mode min_volume_size minimum_storage_volume network_performance \
         newcode normalization_size_factor operating_system operation operations_support origin \
         overage_type ownership parameter_type physical_cores physical_cpu physical_gpu \
         physical_processor pipeline plan_type platopricingtype platovolumetype pre_installed_sw \
         pricing_unit proactive_guidance processor_architecture processor_features product_family \
         product_name product_type programmatic_case_management provisioned purchase_option \
         purchaseterm queue_type recipient region region_code replication_type request_description \
         request_type resource resource_endpoint resource_price_group resource_type routing_target \
         routing_type scan_type service servicecode servicename sku steps storage storage_class \
         storage_description storage_family storage_media storage_tier storage_type subscription_type \
         subservice supported_modes technical_support tenancy tenancy_support \
         thirdparty_software_support throughput throughput_capacity throughput_class tickettype tier \
         tiertype time_window to_location to_location_type to_region_code training transaction_type \
         transcoding_result transfer_type type usage_family usage_group usage_volume usagetype vcpu \
         version virtual_interface_type volume_api_name volume_type vpcnetworkingsupport \
         whos_can_open_cases with_active_users",
    ),
    (
        "pricing",
        "currency lease_contract_length offering_class public_on_demand_cost public_on_demand_rate \
         purchase_option rate_code rate_id term unit",
    ),
    (
        "reservation",
        "amortized_upfront_cost_for_usage amortized_upfront_fee_for_billing_period \
         availability_zone effective_cost end_time modification_status \
         net_amortized_upfront_cost_for_usage net_amortized_upfront_fee_for_billing_period \
         net_effective_cost net_recurring_fee_for_usage \
         net_unused_amortized_upfront_fee_for_billing_period net_unused_recurring_fee \
         net_upfront_value normalized_units_per_reservation number_of_reservations \
         recurring_fee_for_usage reservation_a_r_n start_time subscription_id \
         total_reserved_normalized_units total_reserved_units units_per_reservation \
         unused_amortized_upfront_fee_for_billing_period unused_normalized_unit_quantity \
         unused_quantity unused_recurring_fee upfront_value",
    ),
    (
        "savings_plan",
        "amortized_upfront_commitment_for_billing_period end_time instance_type_family \
         net_amortized_upfront_commitment_for_billing_period \
         net_recurring_commitment_for_billing_period net_savings_plan_effective_cost \
         offering_type payment_option purchase_term recurring_commitment_for_billing_period \
         region savings_plan_a_r_n savings_plan_effective_cost savings_plan_rate start_time \
         total_commitment_to_date used_commitment",
    ),
    (
        "discount",
        "bundled_discount edp_discount private_rate_discount total_discount",
    ),
    (
        "split_line_item",
        "actual_usage net_split_cost net_unused_cost parent_resource_id \
         public_on_demand_split_cost public_on_demand_unused_cost reserved_usage split_cost \
         split_usage split_usage_ratio unused_cost",
    ),
    (
        "capacity_reservation",
        "capacity_reservation_arn capacity_reservation_status capacity_reservation_type",
    ),
];

/// The whole names.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    WHOLE.iter().map(String::as_str)
}

static WHOLE: std::sync::LazyLock<Vec<String>> = std::sync::LazyLock::new(|| {
    let whole = COLUMNS.iter().flat_map(|(category, names)| {
        let names = names.split_whitespace();
        names.map(move |name| format!("{category}_{name}"))
    });
    whole.collect()
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::{athena_name, column_name};
    use crate::dialect::canonical;
    use std::collections::HashMap;

    #[test]
    fn no_two_of_awss_columns_are_spelled_alike_when_squeezed() {
        let mut seen = HashMap::new();
        for name in names() {
            assert_eq!(athena_name(name), name, "not a name of AWS's Parquet files");
            assert_eq!(seen.insert(canonical(name), name), None, "{name}");
        }
    }

    #[test]
    fn every_spelling_of_awss_columns_is_awss_name() {
        for name in names() {
            assert_eq!(column_name(name), name);
            assert_eq!(column_name(&name.replace('_', "")), name);
            assert_eq!(column_name(&name.to_uppercase()), name);
        }
        for (squeezed, name) in [
            ("lineitem_usagestartdate", "line_item_usage_start_date"),
            (
                "savingsplan_savingsplanarn",
                "savings_plan_savings_plan_a_r_n",
            ),
            ("product_databaseengine", "product_database_engine"),
            ("bill_payeraccountid", "bill_payer_account_id"),
            ("resourcetags_user_name", "resourcetags_user_name"),
        ] {
            assert_eq!(column_name(squeezed), name, "{squeezed}");
        }
    }
}
