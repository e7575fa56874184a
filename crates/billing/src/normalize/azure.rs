//! Azure Cost Management's cost details: EA, MCA and older dialects.
//!
//! An actual and an amortized export list the same charges twice. So that no sum counts them twice,
//! `cost` comes from actual exports only, and amortized costs from amortized exports only.

use super::rules::{Case, Labels, Rules, Sign, Sum, Term, Text};

const COST: &str = "CostInBillingCurrency | Cost | PreTaxCost";
const LIST: Sum = Sum {
    name: "list_cost",
    terms: &[Term::all("PaygCostInBillingCurrency")],
};
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
        },
        Sum {
            name: "net_cost",
            terms: &[Term::all(COST)],
        },
        LIST,
        USAGE,
        Sum {
            name: "pricing_quantity",
            terms: &[Term::all(QUANTITY)],
        },
        // What commitments cover or are bought for is in the amortized export.
        Sum {
            name: "pricing_currency_effective_cost",
            terms: &[Term {
                sign: Sign::Plus,
                cases: &[Case {
                    when: COMMITTED,
                    then: "",
                    given: &[],
                }],
                otherwise: PRICING_CURRENCY_COST,
            }],
        },
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
        },
        Sum {
            name: "amortized_cost",
            terms: &[Term::all(COST)],
        },
        Sum {
            name: "net_amortized_cost",
            terms: &[Term::all(COST)],
        },
        Sum {
            name: "pricing_currency_effective_cost",
            terms: &[Term {
                sign: Sign::Plus,
                cases: &[Case {
                    when: COMMITTED,
                    then: PRICING_CURRENCY_COST,
                    given: &[],
                }],
                otherwise: "",
            }],
        },
    ],
    tags: Labels {
        columns: "",
        maps: &[("Tags", "")],
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
        otherwise: "'azure'",
    },
    Text {
        name: "payer_account_id",
        candidates: &["BillingAccountId", "BillingProfileId"],
        otherwise: "",
    },
    Text {
        name: "payer_account_name",
        candidates: &["BillingAccountName", "BillingProfileName"],
        otherwise: "",
    },
    Text {
        name: "account_id",
        candidates: &[
            "SubscriptionId",
            "SubscriptionGuid",
            "BillingProfileId",
            "BillingAccountId",
        ],
        otherwise: "'unknown'",
    },
    Text {
        name: "account_name",
        candidates: &["SubscriptionName"],
        otherwise: "",
    },
    Text {
        name: "service",
        candidates: &["ServiceName", "MeterCategory", "ConsumedService"],
        otherwise: "'Unknown'",
    },
    Text {
        name: "service_code",
        candidates: &["ConsumedService"],
        otherwise: "",
    },
    Text {
        name: "region",
        candidates: &["ResourceLocation", "Location", "MeterRegion"],
        otherwise: "",
    },
    Text {
        name: "region_name",
        candidates: &["Location", "MeterRegion"],
        otherwise: "",
    },
    Text {
        name: "availability_zone",
        candidates: &["AvailabilityZone"],
        otherwise: "",
    },
    // The oldest dialect has usage only, and does not say so.
    Text {
        name: "line_item_type",
        candidates: &["ChargeType"],
        otherwise: "'Usage'",
    },
    Text {
        name: "charge_category",
        candidates: &[
            "CASE WHEN {ChargeType} IN ('Usage', 'Purchase', 'Credit', 'Tax') THEN {ChargeType} \
              WHEN {ChargeType} IN ('UnusedReservation', 'UnusedSavingsPlan', '') THEN 'Usage' \
              WHEN {ChargeType} = 'Refund' THEN 'Purchase' \
              WHEN {ChargeType} IS NOT NULL THEN 'Adjustment' END",
        ],
        otherwise: "'Usage'",
    },
    Text {
        name: "charge_class",
        candidates: &["CASE WHEN {ChargeType} = 'Refund' THEN 'Correction' END"],
        otherwise: "",
    },
    Text {
        name: "charge_group",
        candidates: &[
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
        otherwise: "'Usage'",
    },
    Text {
        name: "charge_frequency",
        candidates: &[
            "CASE WHEN {Frequency} = 'OneTime' THEN 'One-Time' WHEN {Frequency} = 'Recurring' THEN 'Recurring' \
              WHEN {Frequency} = 'UsageBased' THEN 'Usage-Based' END",
        ],
        otherwise: "'Usage-Based'",
    },
    Text {
        name: "charge_description",
        candidates: &["ProductName", "Product", "MeterName"],
        otherwise: "",
    },
    Text {
        name: "pricing_category",
        candidates: &["CASE WHEN {?ChargeType} IN ('Tax', 'Credit') THEN NULL \
             WHEN {?ChargeType} IN ('Purchase', 'Refund') THEN 'Standard' \
             WHEN {?PricingModel} = 'Spot' THEN 'Dynamic' \
             WHEN {?PricingModel} IN ('Reservation', 'SavingsPlan') THEN 'Committed' \
             ELSE 'Standard' END"],
        otherwise: "",
    },
    Text {
        name: "currency",
        candidates: &["BillingCurrencyCode", "BillingCurrency", "Currency"],
        otherwise: "'USD'",
    },
    Text {
        name: "invoice_id",
        candidates: &["InvoiceId"],
        otherwise: "",
    },
    Text {
        name: "invoice_issuer",
        candidates: &["PartnerName", "ResellerName"],
        otherwise: "'Microsoft'",
    },
    Text {
        name: "seller",
        candidates: &["PublisherName"],
        otherwise: "'Microsoft'",
    },
    Text {
        name: "commitment_type",
        candidates: &[
            "CASE WHEN lower({BenefitId}) LIKE '%/microsoft.billingbenefits/%' THEN 'Savings Plan' \
             WHEN {BenefitId} <> '' THEN 'Reservation' END",
            "CASE WHEN {ReservationId} <> '' THEN 'Reservation' END",
            "CASE WHEN {PricingModel} = 'SavingsPlan' THEN 'Savings Plan' WHEN {PricingModel} = 'Reservation' THEN 'Reservation' END",
        ],
        otherwise: "",
    },
    Text {
        name: "commitment_id",
        candidates: &["BenefitId", "ReservationId"],
        otherwise: "",
    },
    Text {
        name: "commitment_status",
        candidates: &[
            "CASE WHEN {ChargeType} IN ('UnusedReservation', 'UnusedSavingsPlan') THEN 'Unused' \
              WHEN {ChargeType} = 'Usage' AND {PricingModel} IN ('Reservation', 'SavingsPlan') THEN 'Used' END",
        ],
        otherwise: "",
    },
    Text {
        name: "resource_id",
        candidates: &["ResourceId", "InstanceId", "InstanceName"],
        otherwise: "",
    },
    Text {
        name: "usage_type",
        candidates: &["MeterName"],
        otherwise: "",
    },
    Text {
        name: "operation",
        candidates: &["MeterSubCategory"],
        otherwise: "",
    },
    Text {
        name: "sku_id",
        candidates: &["ProductId", "PartNumber"],
        otherwise: "",
    },
    Text {
        name: "sku_price_id",
        candidates: &["MeterId"],
        otherwise: "",
    },
    Text {
        name: "pricing_currency",
        candidates: &[
            "PricingCurrency",
            "BillingCurrencyCode",
            "BillingCurrency",
            "Currency",
        ],
        otherwise: "",
    },
    // As it is written, such as `100 Hours`; the quantity is in it.
    Text {
        name: "usage_unit",
        candidates: &["UnitOfMeasure"],
        otherwise: "",
    },
    Text {
        name: "pricing_unit",
        candidates: &["UnitOfMeasure"],
        otherwise: "",
    },
];
