//! Google Cloud's billing export, nested and flattened into leaves with `_`, or with any other mark.

use super::rules::{Case, Labels, Rules, Sign, Sum, Term, Text};

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
        },
        Sum {
            name: "net_cost",
            terms: NET,
        },
        // Commitments are paid by the month, and their credits are on the usage.
        Sum {
            name: "amortized_cost",
            terms: NET,
        },
        Sum {
            name: "net_amortized_cost",
            terms: NET,
        },
        Sum {
            name: "list_cost",
            terms: &[Term::all("cost_at_list")],
        },
        Sum {
            name: "contracted_cost",
            terms: &[Term::all("cost")],
        },
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
        },
        Sum {
            name: "pricing_quantity",
            terms: &[Term::all("usage_amount_in_pricing_units")],
        },
    ],
    tags: Labels {
        columns: "",
        maps: &[("labels", "")],
    },
    cost_categories: Labels {
        columns: "",
        maps: &[],
    },
};

const TEXTS: &[Text] = &[
    Text {
        name: "cloud_provider",
        candidates: &[],
        otherwise: "'gcp'",
    },
    Text {
        name: "payer_account_id",
        candidates: &["billing_account_id"],
        otherwise: "",
    },
    Text {
        name: "account_id",
        candidates: &["project_id", "billing_account_id"],
        otherwise: "'unknown'",
    },
    Text {
        name: "account_name",
        candidates: &["project_name"],
        otherwise: "",
    },
    Text {
        name: "service",
        candidates: &["service_description", "service_id"],
        otherwise: "'Unknown'",
    },
    Text {
        name: "service_code",
        candidates: &["service_id"],
        otherwise: "",
    },
    Text {
        name: "region",
        candidates: &["location_region", "location_location"],
        otherwise: "",
    },
    Text {
        name: "region_name",
        candidates: &["location_region", "location_location"],
        otherwise: "",
    },
    Text {
        name: "availability_zone",
        candidates: &["location_zone"],
        otherwise: "",
    },
    Text {
        name: "line_item_type",
        candidates: &["cost_type"],
        otherwise: "'regular'",
    },
    Text {
        name: "charge_category",
        candidates: &[
            "CASE WHEN {cost_type} IN ('regular', '') THEN 'Usage' WHEN {cost_type} = 'tax' THEN 'Tax' \
              WHEN {cost_type} IS NOT NULL THEN 'Adjustment' END",
        ],
        otherwise: "'Usage'",
    },
    Text {
        name: "charge_group",
        candidates: &["CASE WHEN {cost_type} = 'tax' THEN 'Tax' \
              WHEN {?seller_name} <> '' AND {?seller_name} NOT LIKE 'Google%' THEN 'Marketplace' \
              WHEN {?service_description} LIKE '%Support%' THEN 'Support' \
              WHEN {cost_type} IN ('regular', '') THEN 'Usage' \
              WHEN {cost_type} IS NOT NULL THEN 'Other' END"],
        otherwise: "'Usage'",
    },
    Text {
        name: "charge_frequency",
        candidates: &[],
        otherwise: "'Usage-Based'",
    },
    Text {
        name: "charge_description",
        candidates: &["sku_description"],
        otherwise: "",
    },
    Text {
        name: "pricing_category",
        candidates: &[
            "CASE WHEN coalesce({?cost_type}, '') IN ('regular', '') THEN 'Standard' END",
        ],
        otherwise: "",
    },
    Text {
        name: "currency",
        candidates: &["currency"],
        otherwise: "'USD'",
    },
    Text {
        name: "invoice_id",
        candidates: &["invoice_id"],
        otherwise: "",
    },
    Text {
        name: "invoice_issuer",
        candidates: &[],
        otherwise: "'Google Cloud'",
    },
    Text {
        name: "seller",
        candidates: &["seller_name"],
        otherwise: "'Google Cloud'",
    },
    Text {
        name: "resource_id",
        candidates: &["resource_global_name", "resource_name"],
        otherwise: "",
    },
    Text {
        name: "usage_type",
        candidates: &["sku_description"],
        otherwise: "",
    },
    Text {
        name: "sku_id",
        candidates: &["sku_id"],
        otherwise: "",
    },
    Text {
        name: "sku_price_id",
        candidates: &["sku_id"],
        otherwise: "",
    },
    Text {
        name: "pricing_currency",
        candidates: &["currency"],
        otherwise: "",
    },
    Text {
        name: "usage_unit",
        candidates: &["usage_unit"],
        otherwise: "",
    },
    Text {
        name: "pricing_unit",
        candidates: &["usage_pricing_unit"],
        otherwise: "",
    },
];
