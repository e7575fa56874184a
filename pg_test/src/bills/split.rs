//! Split cost allocation: what pods used of a machine. The machine's own line has the cost, so
//! these lines have none but in the columns of split costs; who adds those to the bill counts the
//! machine twice.

use super::catalog::{REGIONS, Resource};
use super::estate::Estate;
use super::series::{Amount, Series, Sheet};
use super::usage::resource_id;

pub(super) const PODS: usize = 3;
/// Processor and memory.
pub(super) const PARTS: usize = 2;

/// One pod's share of a machine's processors or memory.
pub(super) fn pod(estate: &Estate<'_>, pod: usize, part: usize, mut sheet: Sheet<'_>) -> Series {
    let region = &REGIONS[0];
    let account = estate.payer();
    let mut machine = estate.rng(&[0x1D5, 0x5F_0000]);
    let machine = resource_id(Resource::Instance, region.code, account, 0, &mut machine);
    let space = ["kube-system", "checkout", "search, and more"][pod % 3];
    let id = super::commitments::uuid(&mut estate.rng(&[0x90D, pod as u64]));
    let (usage_type, unit, rate) = [
        ("EKS-EC2-vCPU-Hours", "vCPU-Hours", 0.0251),
        ("EKS-EC2-GB-Hours", "GB-Hours", 0.0031),
    ][part % PARTS];
    let (used, reserved) = (0.4 + pod as f64 * 0.1, 0.5);
    sheet
        .texts(&[
            ("line_item_usage_account_id", account),
            ("line_item_line_item_type", "Usage"),
            ("line_item_product_code", "AmazonEKS"),
            ("line_item_usage_type", usage_type),
            ("line_item_operation", "EKSPod-EC2"),
            (
                "product_product_name",
                "Amazon Elastic Container Service for Kubernetes",
            ),
            ("product_servicecode", "AmazonEKS"),
            ("product_region", region.code),
            ("product_region_code", region.code),
            ("pricing_unit", unit),
            ("split_line_item_parent_resource_id", &machine),
            ("resource_tags_user_team", "platform"),
        ])
        .text(
            "line_item_resource_id",
            format!(
                "arn:aws:eks:{}:{account}:pod/main/{space}/pod-{pod}/{id}",
                region.code
            ),
        )
        .text(
            "line_item_line_item_description",
            format!("{unit} of pod-{pod}"),
        )
        .per_use("split_line_item_reserved_usage", reserved)
        .per_use("split_line_item_actual_usage", used)
        .per_use("split_line_item_split_usage", used.max(reserved))
        .fixed(
            "split_line_item_split_usage_ratio",
            used.max(reserved) / 4.0,
        )
        .per_use("split_line_item_split_cost", rate * used.max(reserved))
        .per_use("split_line_item_net_split_cost", rate * used.max(reserved))
        .per_use("split_line_item_public_on_demand_split_cost", rate)
        .per_use("split_line_item_unused_cost", rate * 0.1)
        .per_use("split_line_item_net_unused_cost", rate * 0.1)
        .per_use("split_line_item_public_on_demand_unused_cost", rate * 0.1);
    sheet.finish(estate.month, estate.steady_clock(), Amount::steady(1.0))
}
