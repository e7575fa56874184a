//! FOCUS, all versions: 0.5's names are tried after those that replaced them.

use super::rules::{Case, Labels, Rules, Sign, Sum, Term, Text};

pub(super) const RULES: Rules = Rules {
    date: &["ChargePeriodStart"],
    invoice_month: "",
    cost_in_files: "BilledCost",
    parts: "",
    texts: TEXTS,
    sums: SUMS,
    tags: Labels {
        columns: "",
        maps: &[("Tags", "")],
    },
    cost_categories: Labels {
        columns: "",
        maps: &[("x_CostCategories", "")],
    },
};

const TEXTS: &[Text] = &[
    Text {
        name: "cloud_provider",
        candidates: &[
            "CASE WHEN {ServiceProviderName} LIKE 'A%WS%' OR {ServiceProviderName} LIKE 'Amazon%' THEN 'aws' \
             WHEN {ServiceProviderName} LIKE 'Microsoft%' OR {ServiceProviderName} LIKE 'Azure%' THEN 'azure' \
             WHEN {ServiceProviderName} LIKE 'Google%' THEN 'gcp' ELSE nullif(lower({ServiceProviderName}), '') END",
            "CASE WHEN {ProviderName} LIKE 'A%WS%' OR {ProviderName} LIKE 'Amazon%' THEN 'aws' \
             WHEN {ProviderName} LIKE 'Microsoft%' OR {ProviderName} LIKE 'Azure%' THEN 'azure' \
             WHEN {ProviderName} LIKE 'Google%' THEN 'gcp' ELSE nullif(lower({ProviderName}), '') END",
        ],
        otherwise: "'unknown'",
    },
    Text {
        name: "payer_account_id",
        candidates: &["BillingAccountId"],
        otherwise: "",
    },
    Text {
        name: "payer_account_name",
        candidates: &["BillingAccountName"],
        otherwise: "",
    },
    Text {
        name: "account_id",
        candidates: &["SubAccountId", "BillingAccountId"],
        otherwise: "'unknown'",
    },
    // Not the billing account's: that of a row without a sub-account is another name.
    Text {
        name: "account_name",
        candidates: &["SubAccountName"],
        otherwise: "",
    },
    Text {
        name: "service",
        candidates: &["ServiceName", "x_ServiceCode"],
        otherwise: "'Unknown'",
    },
    Text {
        name: "service_code",
        candidates: &["x_ServiceCode", "x_ServiceId"],
        otherwise: "",
    },
    Text {
        name: "region",
        candidates: &["RegionId", "Region"],
        otherwise: "",
    },
    Text {
        name: "region_name",
        candidates: &["RegionName"],
        otherwise: "",
    },
    Text {
        name: "availability_zone",
        candidates: &["AvailabilityZone"],
        otherwise: "",
    },
    Text {
        name: "line_item_type",
        candidates: &["ChargeCategory", "ChargeType"],
        otherwise: "'Other'",
    },
    Text {
        name: "charge_category",
        candidates: &[
            "CASE WHEN {ChargeCategory} IN ('Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment') THEN {ChargeCategory} END",
            "CASE WHEN {ChargeType} IN ('Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment') THEN {ChargeType} END",
        ],
        otherwise: "'Adjustment'",
    },
    Text {
        name: "charge_class",
        candidates: &["CASE WHEN {ChargeClass} = 'Correction' THEN 'Correction' END"],
        otherwise: "",
    },
    Text {
        name: "charge_group",
        candidates: &[
            "CASE WHEN {?ChargeClass} = 'Correction' THEN 'Refund' \
             WHEN {ChargeCategory} IN ('Tax', 'Credit') THEN {ChargeCategory} \
             WHEN {?ServiceName} LIKE 'AWS Support%' THEN 'Support' \
             WHEN {ChargeCategory} = 'Purchase' AND {?CommitmentDiscountId} <> '' THEN 'Commitment' \
             WHEN {ChargeCategory} = 'Purchase' THEN 'Fee' \
             WHEN {ChargeCategory} = 'Usage' THEN 'Usage' END",
            "CASE WHEN {ChargeType} IN ('Tax', 'Credit', 'Usage') THEN {ChargeType} \
             WHEN {ChargeType} = 'Purchase' THEN 'Fee' END",
        ],
        otherwise: "'Other'",
    },
    Text {
        name: "charge_frequency",
        candidates: &["ChargeFrequency"],
        otherwise: "",
    },
    Text {
        name: "charge_description",
        candidates: &["ChargeDescription"],
        otherwise: "",
    },
    Text {
        name: "pricing_category",
        candidates: &["CASE WHEN {PricingCategory} = 'On-Demand' THEN 'Standard' \
             WHEN {PricingCategory} = 'Commitment-Based' THEN 'Committed' ELSE nullif({PricingCategory}, '') END"],
        otherwise: "",
    },
    Text {
        name: "currency",
        candidates: &["BillingCurrency"],
        otherwise: "'USD'",
    },
    Text {
        name: "invoice_id",
        candidates: &["InvoiceId"],
        otherwise: "",
    },
    Text {
        name: "invoice_issuer",
        candidates: &["InvoiceIssuerName", "InvoiceIssuer"],
        otherwise: "",
    },
    Text {
        name: "seller",
        candidates: &["PublisherName", "Publisher"],
        otherwise: "",
    },
    Text {
        name: "commitment_type",
        candidates: &["CommitmentDiscountType"],
        otherwise: "",
    },
    Text {
        name: "commitment_id",
        candidates: &["CommitmentDiscountId"],
        otherwise: "",
    },
    Text {
        name: "commitment_status",
        candidates: &["CommitmentDiscountStatus"],
        otherwise: "",
    },
    Text {
        name: "resource_id",
        candidates: &["ResourceId"],
        otherwise: "",
    },
    Text {
        name: "usage_type",
        candidates: &["x_UsageType", "SkuMeter"],
        otherwise: "",
    },
    Text {
        name: "operation",
        candidates: &["x_Operation"],
        otherwise: "",
    },
    Text {
        name: "sku_id",
        candidates: &["SkuId"],
        otherwise: "",
    },
    Text {
        name: "sku_price_id",
        candidates: &["SkuPriceId"],
        otherwise: "",
    },
    Text {
        name: "pricing_currency",
        candidates: &["PricingCurrency", "BillingCurrency"],
        otherwise: "",
    },
    // That of the quantity which the row's amount is.
    Text {
        name: "usage_unit",
        candidates: &[
            "CASE WHEN {!ConsumedQuantity} IS NOT NULL THEN {ConsumedUnit} END",
            "CASE WHEN {?!ConsumedQuantity} IS NULL AND {!UsageQuantity} IS NOT NULL THEN {UsageUnit} END",
            "CASE WHEN {?!ConsumedQuantity} IS NULL AND {?!UsageQuantity} IS NULL THEN {PricingUnit} END",
        ],
        otherwise: "",
    },
    Text {
        name: "pricing_unit",
        candidates: &["PricingUnit"],
        otherwise: "",
    },
];

const SUMS: &[Sum] = &[
    Sum {
        name: "cost",
        terms: &[Term::all("BilledCost")],
    },
    // FOCUS has no other kind: billed is after discounts.
    Sum {
        name: "net_cost",
        terms: &[Term::all("BilledCost")],
    },
    Sum {
        name: "amortized_cost",
        terms: &[Term::all("EffectiveCost | AmortizedCost")],
    },
    Sum {
        name: "net_amortized_cost",
        terms: &[Term::all("EffectiveCost | AmortizedCost")],
    },
    Sum {
        name: "list_cost",
        terms: &[Term::all("ListCost")],
    },
    Sum {
        name: "contracted_cost",
        terms: &[Term::all("ContractedCost")],
    },
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
    },
    Sum {
        name: "pricing_quantity",
        terms: &[Term::all("PricingQuantity")],
    },
    Sum {
        name: "pricing_currency_effective_cost",
        terms: &[Term::all("PricingCurrencyEffectiveCost")],
    },
];
