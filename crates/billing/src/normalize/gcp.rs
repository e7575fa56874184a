//! Google Cloud's billing export, nested and flattened into leaves with `_`, or with any other mark.

use super::rules::{Case, Empty, Labels, Rules, Sign, Sum, Term, Text, text};

/// What a row comes to: its cost, and its credits, which are negative.
const NET: &[Term] = &[
    Term::all("cost"),
    Term::all("cost_analytics.credits_total({!credits})"),
];

pub(super) const RULES: Rules = Rules {
    date: &["usage_start_time"],
    // Usage of a month's last hours may be on the next one's invoice.
    invoice_month: "to_date(replace(nullif({invoice_month}, ''), '-', ''), 'YYYYMM')",
    cost_in_files: "cost",
    parts: "",
    texts: TEXTS,
    sums: &[
        Sum {
            name: "cost",
            terms: NET,
            empty: Empty::Zero,
        },
        Sum::known("net_cost", NET),
        // Commitments are paid by the month, and their credits are on the usage.
        Sum::known("amortized_cost", NET),
        Sum::known("net_amortized_cost", NET),
        Sum::known("list_cost", &[Term::all("cost_at_list")]),
        Sum::known("contracted_cost", &[Term::all("cost")]),
        Sum {
            name: "usage_amount",
            terms: &[Term {
                sign: Sign::Plus,
                cases: &[Case {
                    when: "{cost_type} NOT IN ('regular', '')",
                    then: "",
                    given: &[],
                }],
                otherwise: "usage_amount",
            }],
            empty: Empty::Null,
        },
        Sum {
            name: "pricing_quantity",
            terms: &[Term::all("usage_amount_in_pricing_units")],
            empty: Empty::Null,
        },
    ],
    tags: Labels::maps(&[("labels", "")]),
    cost_categories: Labels::NONE,
};

const TEXTS: &[Text] = &[
    text("cloud_provider", &[], "'gcp'"),
    text("payer_account_id", &["billing_account_id"], ""),
    text(
        "account_id",
        &["project_id", "billing_account_id"],
        "'unknown'",
    ),
    text("account_name", &["project_name"], ""),
    text(
        "service",
        &["service_description", "service_id"],
        "'Unknown'",
    ),
    text("service_code", &["service_id"], ""),
    text("region", &["location_region", "location_location"], ""),
    text("region_name", &["location_region", "location_location"], ""),
    text("availability_zone", &["location_zone"], ""),
    text("line_item_type", &["cost_type"], "'regular'"),
    text(
        "charge_category",
        &[
            "CASE WHEN {cost_type} IN ('regular', '') THEN 'Usage' WHEN {cost_type} = 'tax' THEN 'Tax' \
              WHEN {cost_type} IS NOT NULL THEN 'Adjustment' END",
        ],
        "'Usage'",
    ),
    text(
        "charge_group",
        &["CASE WHEN {cost_type} = 'tax' THEN 'Tax' \
              WHEN {?seller_name} <> '' AND {?seller_name} NOT LIKE 'Google%' THEN 'Marketplace' \
              WHEN {?service_description} LIKE '%Support%' THEN 'Support' \
              WHEN {cost_type} IN ('regular', '') THEN 'Usage' \
              WHEN {cost_type} IS NOT NULL THEN 'Other' END"],
        "'Usage'",
    ),
    text("charge_frequency", &[], "'Usage-Based'"),
    text("charge_description", &["sku_description"], ""),
    text(
        "pricing_category",
        &["CASE WHEN coalesce({?cost_type}, '') IN ('regular', '') THEN 'Standard' END"],
        "",
    ),
    text("currency", &["currency"], "'USD'"),
    text("invoice_id", &["invoice_id"], ""),
    text("invoice_issuer", &[], "'Google Cloud'"),
    text("seller", &["seller_name"], "'Google Cloud'"),
    text(
        "resource_id",
        &["resource_global_name", "resource_name"],
        "",
    ),
    text("usage_type", &["sku_description"], ""),
    text("sku_id", &["sku_id"], ""),
    text("sku_price_id", &["sku_id"], ""),
    text("pricing_currency", &["currency"], ""),
    text("usage_unit", &["usage_unit"], ""),
    text("pricing_unit", &["usage_pricing_unit"], ""),
];
