//! FOCUS, all versions: 0.5's names are tried after those that replaced them.

use super::rules::{Case, Empty, Labels, Rules, Sign, Sum, Term, Text, text};

pub(super) const RULES: Rules = Rules {
    date: &["ChargePeriodStart"],
    invoice_month: "",
    cost_in_files: "BilledCost",
    parts: "",
    texts: TEXTS,
    sums: SUMS,
    tags: Labels::maps(&[("Tags", "")]),
    cost_categories: Labels::maps(&[("x_CostCategories", "")]),
};

/// Who provides it, by how providers begin their names.
macro_rules! provider {
    ($column:literal) => {
        concat!(
            "CASE WHEN {",
            $column,
            "} LIKE 'AWS%' OR {",
            $column,
            "} LIKE 'Amazon%' THEN 'aws' ",
            "WHEN {",
            $column,
            "} LIKE 'Microsoft%' OR {",
            $column,
            "} LIKE 'Azure%' THEN 'azure' ",
            "WHEN {",
            $column,
            "} LIKE 'Google%' THEN 'gcp' ELSE nullif(lower({",
            $column,
            "}), '') END"
        )
    };
}

const TEXTS: &[Text] = &[
    text(
        "cloud_provider",
        &[provider!("ServiceProviderName"), provider!("ProviderName")],
        "'unknown'",
    ),
    text("payer_account_id", &["BillingAccountId"], ""),
    text("payer_account_name", &["BillingAccountName"], ""),
    text(
        "account_id",
        &["SubAccountId", "BillingAccountId"],
        "'unknown'",
    ),
    // Not the billing account's: that of a row without a sub-account is another name.
    text("account_name", &["SubAccountName"], ""),
    text("service", &["ServiceName", "x_ServiceCode"], "'Unknown'"),
    text("service_code", &["x_ServiceCode", "x_ServiceId"], ""),
    text("region", &["RegionId", "Region"], ""),
    text("region_name", &["RegionName"], ""),
    text("availability_zone", &["AvailabilityZone"], ""),
    text(
        "line_item_type",
        &["ChargeCategory", "ChargeType"],
        "'Other'",
    ),
    text(
        "charge_category",
        &[
            "CASE WHEN {ChargeCategory} IN ('Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment') THEN {ChargeCategory} END",
            "CASE WHEN {ChargeType} IN ('Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment') THEN {ChargeType} END",
        ],
        "'Adjustment'",
    ),
    text(
        "charge_class",
        &["CASE WHEN {ChargeClass} = 'Correction' THEN 'Correction' END"],
        "",
    ),
    text(
        "charge_group",
        &[
            "CASE WHEN {?ChargeClass} = 'Correction' THEN 'Refund' \
             WHEN {ChargeCategory} IN ('Tax', 'Credit') THEN {ChargeCategory} \
             WHEN {?ServiceName} LIKE '%Support%' THEN 'Support' \
             WHEN {ChargeCategory} = 'Purchase' AND {?CommitmentDiscountId} <> '' THEN 'Commitment' \
             WHEN {ChargeCategory} = 'Purchase' THEN 'Fee' \
             WHEN {ChargeCategory} = 'Usage' THEN 'Usage' END",
            "CASE WHEN {ChargeType} IN ('Tax', 'Credit', 'Usage') THEN {ChargeType} \
             WHEN {ChargeType} = 'Purchase' THEN 'Fee' END",
        ],
        "'Other'",
    ),
    text("charge_frequency", &["ChargeFrequency"], ""),
    text("charge_description", &["ChargeDescription"], ""),
    text(
        "pricing_category",
        &["CASE WHEN {PricingCategory} = 'On-Demand' THEN 'Standard' \
             WHEN {PricingCategory} = 'Commitment-Based' THEN 'Committed' ELSE nullif({PricingCategory}, '') END"],
        "",
    ),
    text("currency", &["BillingCurrency"], "'USD'"),
    text("invoice_id", &["InvoiceId"], ""),
    text(
        "invoice_issuer",
        &["InvoiceIssuerName", "InvoiceIssuer"],
        "",
    ),
    text("seller", &["PublisherName", "Publisher"], ""),
    text("commitment_type", &["CommitmentDiscountType"], ""),
    text("commitment_id", &["CommitmentDiscountId"], ""),
    text("commitment_status", &["CommitmentDiscountStatus"], ""),
    text("resource_id", &["ResourceId"], ""),
    text("usage_type", &["x_UsageType", "SkuMeter"], ""),
    text("operation", &["x_Operation"], ""),
    text("sku_id", &["SkuId"], ""),
    text("sku_price_id", &["SkuPriceId"], ""),
    text(
        "pricing_currency",
        &["PricingCurrency", "BillingCurrency"],
        "",
    ),
    // That of the quantity which the row's amount is.
    text(
        "usage_unit",
        &[
            "CASE WHEN {!ConsumedQuantity} IS NOT NULL THEN {ConsumedUnit} END",
            "CASE WHEN {?!ConsumedQuantity} IS NULL AND {!UsageQuantity} IS NOT NULL THEN {UsageUnit} END",
            "CASE WHEN {?!ConsumedQuantity} IS NULL AND {?!UsageQuantity} IS NULL THEN {PricingUnit} END",
        ],
        "",
    ),
    text("pricing_unit", &["PricingUnit"], ""),
];

const SUMS: &[Sum] = &[
    Sum {
        name: "cost",
        terms: &[Term::all("BilledCost")],
        empty: Empty::Zero,
    },
    // FOCUS has no other kind: billed is after discounts.
    Sum::known("net_cost", &[Term::all("BilledCost")]),
    Sum::known(
        "amortized_cost",
        &[Term::all("EffectiveCost | AmortizedCost")],
    ),
    Sum::known(
        "net_amortized_cost",
        &[Term::all("EffectiveCost | AmortizedCost")],
    ),
    Sum::known("list_cost", &[Term::all("ListCost")]),
    Sum::known("contracted_cost", &[Term::all("ContractedCost")]),
    Sum {
        name: "usage_amount",
        terms: &[Term {
            sign: Sign::Plus,
            cases: &[Case {
                when: "coalesce(nullif({?ChargeCategory}, ''), {?ChargeType}) = 'Usage'",
                then: "ConsumedQuantity | UsageQuantity | PricingQuantity",
                given: &[],
            }],
            otherwise: "",
        }],
        empty: Empty::Null,
    },
    Sum {
        name: "pricing_quantity",
        terms: &[Term::all("PricingQuantity")],
        empty: Empty::Null,
    },
    Sum::known(
        "pricing_currency_effective_cost",
        &[Term::all("PricingCurrencyEffectiveCost")],
    ),
];
