//! AWS Cost and Usage Reports, legacy and 2.0.
//!
//! The cost formulas are those of AWS's Cloud Intelligence Dashboards (summary_view): amortized +
//! true-up + upfront fees = unblended over a bill. A refund of a savings plan is an upfront fee taken
//! back, so that this holds for it, too. Where a report lacks any of the columns that amortizing savings
//! plans takes, all of theirs is left at its unblended cost; and so of reservations.

use super::rules::{Case, Empty, Labels, Rules, Sign, Sum, Term, Text, text};

const EFFECTIVE_PLAN: &str = "savings_plan_savings_plan_effective_cost";
const COMMITMENT: &str = "savings_plan_total_commitment_to_date";
const USED_COMMITMENT: &str = "savings_plan_used_commitment";
const EFFECTIVE_RESERVATION: &str = "reservation_effective_cost";
const UNUSED_UPFRONT: &str = "reservation_unused_amortized_upfront_fee_for_billing_period";
const UNUSED_RECURRING: &str = "reservation_unused_recurring_fee";
const UNBLENDED: &str = "line_item_unblended_cost";
const NET: &str = "line_item_net_unblended_cost | line_item_unblended_cost";

/// What amortizing savings plans takes. CUR 2.0 lets people choose columns, so some of these may be
/// missing; with a part of them a fee would count beside the usage it pays for.
const PLAN: &[&str] = &[EFFECTIVE_PLAN, COMMITMENT, USED_COMMITMENT];
/// The same of reservations. Without their names an upfront fee is not to be told from other fees.
const RESERVATION: &[&str] = &[
    "reservation_reservation_a_r_n",
    EFFECTIVE_RESERVATION,
    UNUSED_UPFRONT,
    UNUSED_RECURRING,
];

/// Net costs are after discounts, so a discount's own line has none where the report has net costs:
/// an empty one does not stand for the unblended one, or the discount would count twice.
const DISCOUNT_IN_NET: Case = case(
    "{line_item_line_item_type} LIKE '%Discount'",
    "line_item_net_unblended_cost",
    &["line_item_net_unblended_cost"],
);

const COVERED: &str = "{line_item_line_item_type} = 'SavingsPlanCoveredUsage'";
const NEGATION: &str = "{line_item_line_item_type} = 'SavingsPlanNegation'";
const PLAN_FEE: &str = "{line_item_line_item_type} = 'SavingsPlanRecurringFee'";
const PLAN_UPFRONT: &str = "{line_item_line_item_type} = 'SavingsPlanUpfrontFee'";
const RESERVED: &str = "{line_item_line_item_type} = 'DiscountedUsage'";
const RESERVATION_FEE: &str = "{line_item_line_item_type} = 'RIFee'";
const RESERVATION_UPFRONT: &str =
    "{line_item_line_item_type} = 'Fee' AND {reservation_reservation_a_r_n} <> ''";
const PLAN_REFUND: &str =
    "{line_item_line_item_type} = 'Refund' AND {line_item_product_code} = 'ComputeSavingsPlans'";

pub(super) const RULES: Rules = Rules {
    date: &["line_item_usage_start_date"],
    invoice_month: "",
    // Split cost allocation data (EKS pods, ECS tasks) divides what the instance's own row costs.
    parts: "{split_line_item_parent_resource_id} <> ''",
    cost_in_files: UNBLENDED,
    texts: TEXTS,
    sums: SUMS,
    tags: Labels {
        columns: "resource_tags_",
        // `tags` is the newer one, with keys as they were written.
        maps: &[("tags", ""), ("resource_tags", "user_")],
    },
    cost_categories: Labels {
        columns: "cost_category_",
        maps: &[("cost_category", "")],
    },
};

const TEXTS: &[Text] = &[
    text("cloud_provider", &[], "'aws'"),
    text("payer_account_id", &["bill_payer_account_id"], ""),
    text("payer_account_name", &["bill_payer_account_name"], ""),
    text(
        "account_id",
        &["line_item_usage_account_id", "bill_payer_account_id"],
        "'unknown'",
    ),
    text("account_name", &["line_item_usage_account_name"], ""),
    text(
        "service",
        &[
            "product_product_name",
            "product->product_name",
            "product_servicename",
            "product->servicename",
            "line_item_product_code",
        ],
        "'Unknown'",
    ),
    // The product code keeps data transfer with the service it belongs to, as the invoice does; the
    // service code has AWSDataTransfer for all of it.
    text(
        "service_code",
        &["line_item_product_code", "product_servicecode"],
        "",
    ),
    text(
        "region",
        &[
            "product_region",
            "product->region",
            "product_region_code",
            "product->region_code",
            "cost_analytics.zone_region({line_item_availability_zone})",
        ],
        "",
    ),
    text(
        "region_name",
        &["product_location", "product->location"],
        "",
    ),
    text("availability_zone", &["line_item_availability_zone"], ""),
    text("line_item_type", &["line_item_line_item_type"], "'Other'"),
    text(
        "charge_category",
        &["CASE WHEN {line_item_line_item_type} = 'Tax' THEN 'Tax' \
              WHEN {line_item_line_item_type} = 'Credit' THEN 'Credit' \
              WHEN {line_item_line_item_type} IN ('Fee', 'RIFee', 'SavingsPlanUpfrontFee', 'SavingsPlanRecurringFee') THEN 'Purchase' \
              WHEN {line_item_line_item_type} = 'Refund' AND {?line_item_product_code} = 'ComputeSavingsPlans' THEN 'Purchase' \
              WHEN {line_item_line_item_type} IN ('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage', 'SavingsPlanNegation', 'Refund') THEN 'Usage' \
              WHEN {line_item_line_item_type} LIKE '%Discount' THEN 'Usage' END"],
        "'Adjustment'",
    ),
    text(
        "charge_class",
        &["CASE WHEN {line_item_line_item_type} = 'Refund' THEN 'Correction' END"],
        "",
    ),
    text(
        "charge_group",
        &[
            "CASE WHEN {line_item_line_item_type} IN ('Tax', 'Credit', 'Refund') THEN {line_item_line_item_type} \
              WHEN {?bill_billing_entity} = 'AWS Marketplace' THEN 'Marketplace' \
              WHEN {?line_item_product_code} LIKE 'AWSSupport%' THEN 'Support' \
              WHEN {line_item_line_item_type} IN ('RIFee', 'SavingsPlanUpfrontFee', 'SavingsPlanRecurringFee') THEN 'Commitment' \
              WHEN {line_item_line_item_type} = 'Fee' AND {?reservation_reservation_a_r_n} <> '' THEN 'Commitment' \
              WHEN {line_item_line_item_type} = 'Fee' THEN 'Fee' \
              WHEN {line_item_line_item_type} LIKE '%Discount' THEN 'Discount' \
              WHEN {line_item_line_item_type} IN ('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage', 'SavingsPlanNegation') THEN 'Usage' END",
        ],
        "'Other'",
    ),
    text(
        "charge_frequency",
        &[
            "CASE WHEN {line_item_line_item_type} IN ('Fee', 'SavingsPlanUpfrontFee', 'Credit', 'Refund') THEN 'One-Time' \
              WHEN {line_item_line_item_type} IN ('RIFee', 'SavingsPlanRecurringFee') THEN 'Recurring' \
              ELSE 'Usage-Based' END",
        ],
        "",
    ),
    text(
        "charge_description",
        &["line_item_line_item_description"],
        "",
    ),
    text(
        "pricing_category",
        &[
            "CASE WHEN {line_item_line_item_type} IN ('DiscountedUsage', 'SavingsPlanCoveredUsage', 'SavingsPlanNegation') THEN 'Committed' \
              WHEN {line_item_line_item_type} = 'Usage' AND {?line_item_usage_type} LIKE '%SpotUsage%' THEN 'Dynamic' \
              WHEN {line_item_line_item_type} IN ('Usage', 'Fee', 'RIFee', 'SavingsPlanUpfrontFee', 'SavingsPlanRecurringFee') THEN 'Standard' \
              WHEN {line_item_line_item_type} LIKE '%Discount' THEN 'Other' END",
        ],
        "",
    ),
    text(
        "currency",
        &["line_item_currency_code", "pricing_currency"],
        "'USD'",
    ),
    text("invoice_id", &["bill_invoice_id"], ""),
    text("invoice_issuer", &["bill_invoicing_entity"], ""),
    text("seller", &["line_item_legal_entity"], ""),
    text(
        "commitment_type",
        &[
            "CASE WHEN {savings_plan_savings_plan_a_r_n} <> '' THEN 'Savings Plan' END",
            "CASE WHEN {reservation_reservation_a_r_n} <> '' THEN 'Reserved Instance' END",
        ],
        "",
    ),
    text(
        "commitment_id",
        &[
            "savings_plan_savings_plan_a_r_n",
            "reservation_reservation_a_r_n",
        ],
        "",
    ),
    // What is unused has no rows of its own; see the fees.
    text(
        "commitment_status",
        &[
            "CASE WHEN {line_item_line_item_type} IN ('DiscountedUsage', 'SavingsPlanCoveredUsage', 'SavingsPlanNegation') THEN 'Used' END",
        ],
        "",
    ),
    text("resource_id", &["line_item_resource_id"], ""),
    text("usage_type", &["line_item_usage_type"], ""),
    text("operation", &["line_item_operation"], ""),
    text("sku_id", &["product_sku", "product->sku"], ""),
    text(
        "sku_price_id",
        &["pricing_rate_code", "pricing_rate_id"],
        "",
    ),
    text(
        "pricing_currency",
        &["pricing_currency", "line_item_currency_code"],
        "",
    ),
    text("usage_unit", &["pricing_unit", "product->pricing_unit"], ""),
    text(
        "pricing_unit",
        &["pricing_unit", "product->pricing_unit"],
        "",
    ),
];

const SUMS: &[Sum] = &[
    Sum {
        name: "cost",
        terms: &[plus(&[], UNBLENDED)],
        empty: Empty::Zero,
    },
    Sum::known("blended_cost", &[plus(&[], "line_item_blended_cost")]),
    Sum::known("net_cost", &[plus(&[DISCOUNT_IN_NET], NET)]),
    Sum::known(
        "amortized_cost",
        &[
            plus(
                &[
                    case(COVERED, EFFECTIVE_PLAN, PLAN),
                    case(PLAN_FEE, COMMITMENT, PLAN),
                    NOT_NEGATION,
                    NOT_PLAN_UPFRONT,
                    NOT_PLAN_REFUND,
                    case(RESERVED, EFFECTIVE_RESERVATION, RESERVATION),
                    case(RESERVATION_FEE, UNUSED_UPFRONT, RESERVATION),
                    NOT_RESERVATION_UPFRONT,
                ],
                UNBLENDED,
            ),
            plus(&[case(RESERVATION_FEE, UNUSED_RECURRING, RESERVATION)], ""),
            MINUS_USED_COMMITMENT,
        ],
    ),
    // There are no net columns of a plan's unused commitment.
    Sum::known(
        "net_amortized_cost",
        &[
            plus(
                &[
                    case(
                        COVERED,
                        "savings_plan_net_savings_plan_effective_cost \
                             | savings_plan_savings_plan_effective_cost",
                        PLAN,
                    ),
                    case(PLAN_FEE, COMMITMENT, PLAN),
                    NOT_NEGATION,
                    NOT_PLAN_UPFRONT,
                    NOT_PLAN_REFUND,
                    case(
                        RESERVED,
                        "reservation_net_effective_cost | reservation_effective_cost",
                        RESERVATION,
                    ),
                    case(
                        RESERVATION_FEE,
                        "reservation_net_unused_amortized_upfront_fee_for_billing_period \
                             | reservation_unused_amortized_upfront_fee_for_billing_period",
                        RESERVATION,
                    ),
                    NOT_RESERVATION_UPFRONT,
                    DISCOUNT_IN_NET,
                ],
                NET,
            ),
            plus(
                &[case(
                    RESERVATION_FEE,
                    "reservation_net_unused_recurring_fee | reservation_unused_recurring_fee",
                    RESERVATION,
                )],
                "",
            ),
            MINUS_USED_COMMITMENT,
        ],
    ),
    Sum::known(
        "list_cost",
        &[plus(
            &[case(NEGATION, "", &[])],
            "pricing_public_on_demand_cost",
        )],
    ),
    Sum::known(
        "contracted_cost",
        &[plus(
            &[
                case(RESERVED, "pricing_public_on_demand_cost", &[]),
                case(NEGATION, "", &[]),
            ],
            UNBLENDED,
        )],
    ),
    // What this month bears of upfront fees, taken back: they were paid at another time.
    Sum {
        name: "ri_sp_trueup",
        terms: &[Term {
            sign: Sign::Minus,
            cases: &[
                case(
                    PLAN_FEE,
                    "savings_plan_amortized_upfront_commitment_for_billing_period",
                    PLAN,
                ),
                case(
                    RESERVATION_FEE,
                    "reservation_amortized_upfront_fee_for_billing_period",
                    RESERVATION,
                ),
            ],
            otherwise: "",
        }],
        empty: Empty::Zero,
    },
    Sum {
        name: "ri_sp_upfront_fees",
        terms: &[plus(
            &[
                case(PLAN_UPFRONT, UNBLENDED, PLAN),
                case(PLAN_REFUND, UNBLENDED, PLAN),
                case(RESERVATION_UPFRONT, UNBLENDED, RESERVATION),
            ],
            "",
        )],
        empty: Empty::Zero,
    },
    Sum {
        name: "pricing_quantity",
        terms: &[plus(&[case(NEGATION, "", &[])], "line_item_usage_amount")],
        empty: Empty::Null,
    },
    // A negation repeats the usage it cancels; fees have amounts of other things.
    Sum {
        name: "usage_amount",
        terms: &[plus(
            &[case(
                "{line_item_line_item_type} IN ('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage')",
                "line_item_usage_amount",
                &[],
            )],
            "",
        )],
        empty: Empty::Null,
    },
];

const NOT_NEGATION: Case = case(NEGATION, "", PLAN);
const NOT_PLAN_UPFRONT: Case = case(PLAN_UPFRONT, "", PLAN);
const NOT_PLAN_REFUND: Case = case(PLAN_REFUND, "", PLAN);
const NOT_RESERVATION_UPFRONT: Case = case(RESERVATION_UPFRONT, "", RESERVATION);
const MINUS_USED_COMMITMENT: Term = Term {
    sign: Sign::Minus,
    cases: &[case(PLAN_FEE, USED_COMMITMENT, PLAN)],
    otherwise: "",
};

const fn case(when: &'static str, then: &'static str, given: &'static [&'static str]) -> Case {
    Case { when, then, given }
}

const fn plus(cases: &'static [Case], otherwise: &'static str) -> Term {
    Term {
        sign: Sign::Plus,
        cases,
        otherwise,
    }
}
