//! Azure Cost Management's cost details: EA, MCA and older dialects.
//!
//! An actual and an amortized export list the same charges twice. So that no sum counts them twice,
//! `cost` comes from actual exports only, and amortized costs from amortized exports only.

use super::rules::{Case, Empty, Labels, Rules, Sign, Sum, Term, Text, text};

const COST: &str = "CostInBillingCurrency | Cost | PreTaxCost";
const LIST: Sum = Sum::known("list_cost", &[Term::all("PaygCostInBillingCurrency")]);
const USAGE: Sum = Sum {
    name: "usage_amount",
    terms: &[Term {
        sign: Sign::Plus,
        cases: &[Case {
            when: "{ChargeType} NOT IN ('Usage', '')",
            then: "",
            given: &[],
        }],
        otherwise: QUANTITY,
    }],
    empty: Empty::Null,
};
const PRICING_CURRENCY_COST: &str = "CostInPricingCurrency";
const COMMITTED: &str = "(coalesce({?BenefitId}, '') <> '' OR coalesce({?ReservationId}, '') <> '' \
     OR coalesce({?PricingModel}, '') IN ('Reservation', 'SavingsPlan'))";
const QUANTITY: &str = "Quantity | UsageQuantity";

pub(super) const ACTUAL: Rules = Rules {
    sums: &[
        Sum {
            name: "cost",
            terms: &[Term::all(COST)],
            empty: Empty::Zero,
        },
        Sum::known("net_cost", &[Term::all(COST)]),
        LIST,
        USAGE,
        Sum {
            name: "pricing_quantity",
            terms: &[Term::all(QUANTITY)],
            empty: Empty::Null,
        },
        // What commitments cover or are bought for is in the amortized export.
        Sum::known(
            "pricing_currency_effective_cost",
            &[Term {
                sign: Sign::Plus,
                cases: &[Case {
                    when: COMMITTED,
                    then: "",
                    given: &[],
                }],
                otherwise: PRICING_CURRENCY_COST,
            }],
        ),
    ],
    ..AMORTIZED
};

pub(super) const AMORTIZED: Rules = Rules {
    date: &["Date", "UsageDateTime", "UsageDate"],
    invoice_month: "",
    cost_in_files: COST,
    parts: "",
    texts: TEXTS,
    sums: &[
        Sum {
            name: "cost",
            terms: &[],
            empty: Empty::Zero,
        },
        Sum::known("amortized_cost", &[Term::all(COST)]),
        Sum::known("net_amortized_cost", &[Term::all(COST)]),
        Sum::known(
            "pricing_currency_effective_cost",
            &[Term {
                sign: Sign::Plus,
                cases: &[Case {
                    when: COMMITTED,
                    then: PRICING_CURRENCY_COST,
                    given: &[],
                }],
                otherwise: "",
            }],
        ),
    ],
    tags: Labels::maps(&[("Tags", "")]),
    cost_categories: Labels::NONE,
};

const TEXTS: &[Text] = &[
    text("cloud_provider", &[], "'azure'"),
    text(
        "payer_account_id",
        &["BillingAccountId", "BillingProfileId"],
        "",
    ),
    text(
        "payer_account_name",
        &["BillingAccountName", "BillingProfileName"],
        "",
    ),
    text(
        "account_id",
        &[
            "SubscriptionId",
            "SubscriptionGuid",
            "BillingProfileId",
            "BillingAccountId",
        ],
        "'unknown'",
    ),
    text("account_name", &["SubscriptionName"], ""),
    text(
        "service",
        &["ServiceName", "MeterCategory", "ConsumedService"],
        "'Unknown'",
    ),
    text("service_code", &["ConsumedService"], ""),
    text(
        "region",
        &["ResourceLocation", "Location", "MeterRegion"],
        "",
    ),
    text("region_name", &["Location", "MeterRegion"], ""),
    text("availability_zone", &["AvailabilityZone"], ""),
    // The oldest dialect has usage only, and does not say so.
    text("line_item_type", &["ChargeType"], "'Usage'"),
    text(
        "charge_category",
        &[
            "CASE WHEN {ChargeType} IN ('Usage', 'Purchase', 'Credit', 'Tax') THEN {ChargeType} \
              WHEN {ChargeType} IN ('UnusedReservation', 'UnusedSavingsPlan', '') THEN 'Usage' \
              WHEN {ChargeType} = 'Refund' THEN 'Purchase' \
              WHEN {ChargeType} IS NOT NULL THEN 'Adjustment' END",
        ],
        "'Usage'",
    ),
    text(
        "charge_class",
        &["CASE WHEN {ChargeType} = 'Refund' THEN 'Correction' END"],
        "",
    ),
    text(
        "charge_group",
        &[
            "CASE WHEN {ChargeType} IN ('Refund', 'Credit', 'Tax') THEN {ChargeType} \
              WHEN {?PublisherType} IN ('Marketplace', 'AWS') THEN 'Marketplace' \
              WHEN {?MeterCategory} LIKE '%Support%' THEN 'Support' \
              WHEN {ChargeType} = 'Purchase' AND {?PricingModel} IN ('Reservation', 'SavingsPlan') THEN 'Commitment' \
              WHEN {ChargeType} = 'Purchase' AND {?ReservationId} <> '' THEN 'Commitment' \
              WHEN {ChargeType} = 'Purchase' THEN 'Fee' \
              WHEN {ChargeType} IN ('UnusedReservation', 'UnusedSavingsPlan') THEN 'Commitment' \
              WHEN {ChargeType} IN ('Usage', '') THEN 'Usage' \
              WHEN {ChargeType} IS NOT NULL THEN 'Other' END",
        ],
        "'Usage'",
    ),
    text(
        "charge_frequency",
        &[
            "CASE WHEN {Frequency} = 'OneTime' THEN 'One-Time' WHEN {Frequency} = 'Recurring' THEN 'Recurring' \
              WHEN {Frequency} = 'UsageBased' THEN 'Usage-Based' END",
        ],
        "'Usage-Based'",
    ),
    text(
        "charge_description",
        &["ProductName", "Product", "MeterName"],
        "",
    ),
    text(
        "pricing_category",
        &["CASE WHEN {?ChargeType} IN ('Tax', 'Credit') THEN NULL \
             WHEN {?ChargeType} IN ('Purchase', 'Refund') THEN 'Standard' \
             WHEN {?PricingModel} = 'Spot' THEN 'Dynamic' \
             WHEN {?PricingModel} IN ('Reservation', 'SavingsPlan') THEN 'Committed' \
             ELSE 'Standard' END"],
        "",
    ),
    text(
        "currency",
        &["BillingCurrencyCode", "BillingCurrency", "Currency"],
        "'USD'",
    ),
    text("invoice_id", &["InvoiceId"], ""),
    text(
        "invoice_issuer",
        &["PartnerName", "ResellerName"],
        "'Microsoft'",
    ),
    text("seller", &["PublisherName"], "'Microsoft'"),
    text(
        "commitment_type",
        &[
            "CASE WHEN lower({BenefitId}) LIKE '%/microsoft.billingbenefits/%' THEN 'Savings Plan' \
             WHEN {BenefitId} <> '' THEN 'Reservation' END",
            "CASE WHEN {ReservationId} <> '' THEN 'Reservation' END",
            "CASE WHEN {PricingModel} = 'SavingsPlan' THEN 'Savings Plan' WHEN {PricingModel} = 'Reservation' THEN 'Reservation' END",
        ],
        "",
    ),
    text("commitment_id", &["BenefitId", "ReservationId"], ""),
    text(
        "commitment_status",
        &[
            "CASE WHEN {ChargeType} IN ('UnusedReservation', 'UnusedSavingsPlan') THEN 'Unused' \
              WHEN {ChargeType} = 'Usage' AND {PricingModel} IN ('Reservation', 'SavingsPlan') THEN 'Used' END",
        ],
        "",
    ),
    text(
        "resource_id",
        &["ResourceId", "InstanceId", "InstanceName"],
        "",
    ),
    text("usage_type", &["MeterName"], ""),
    text("operation", &["MeterSubCategory"], ""),
    text("sku_id", &["ProductId", "PartNumber"], ""),
    text("sku_price_id", &["MeterId"], ""),
    text(
        "pricing_currency",
        &[
            "PricingCurrency",
            "BillingCurrencyCode",
            "BillingCurrency",
            "Currency",
        ],
        "",
    ),
    // As it is written, such as `100 Hours`; the quantity is in it.
    text("usage_unit", &["UnitOfMeasure"], ""),
    text("pricing_unit", &["UnitOfMeasure"], ""),
];
