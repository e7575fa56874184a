//! The same bill as AWS exports it in FOCUS.
//!
//! The bill's sum is the same, its rows are not: usage under a savings plan is billed at nothing,
//! so nothing has to be taken back; what of a commitment nothing used is a line of its own; split
//! costs are not exported.

use std::borrow::Cow;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::format::FocusVersion;
use super::legacy::Lines;
use super::series::round10;
use super::table::{Column, Kind, Value, batch, schema};
use super::totals::{Key, Tally};

/// One version's export.
pub(super) struct Focus {
    version: FocusVersion,
    pub(super) arrow: SchemaRef,
}

impl Focus {
    pub(super) fn new(version: FocusVersion) -> Self {
        Focus {
            version,
            arrow: schema(&columns(version)),
        }
    }

    /// The lines' charges, added up.
    pub(super) fn batch(&self, lines: &Lines<'_>, tally: &mut Tally) -> RecordBatch {
        let rows = 0..lines.batch.num_rows();
        let charges: Vec<Charge<'_>> = rows.flat_map(|row| charges(lines, row)).collect();
        for charge in &charges {
            let sums = tally.entry(&charge.key());
            sums.rows += 1;
            sums.cash.add(charge.billed());
            sums.amortized.add(charge.effective());
        }
        batch(&columns(self.version), &self.arrow, &charges)
    }
}

/// A FOCUS row of a legacy line.
struct Charge<'x> {
    lines: &'x Lines<'x>,
    row: usize,
    kind: &'x str,
    /// The part of a commitment's fee that nothing used.
    unused: bool,
}

/// The rows of one line: none, one, or a fee and what of it was wasted.
fn charges<'x>(lines: &'x Lines<'x>, row: usize) -> Vec<Charge<'x>> {
    let kind = lines
        .text("line_item_line_item_type", row)
        .unwrap_or_default();
    let split = lines.text("line_item_operation", row) == Some("EKSPod-EC2");
    if kind == "SavingsPlanNegation" || split {
        return Vec::new();
    }
    let charge = |unused| Charge {
        lines,
        row,
        kind,
        unused,
    };
    let wasted = matches!(kind, "RIFee" | "SavingsPlanRecurringFee");
    if wasted && charge(true).effective() != 0.0 {
        return vec![charge(false), charge(true)];
    }
    vec![charge(false)]
}

impl<'x> Charge<'x> {
    fn text(&self, name: &str) -> Option<&'x str> {
        self.lines.text(name, self.row)
    }

    fn number(&self, name: &str) -> Option<f64> {
        self.lines.number(name, self.row)
    }

    fn time(&self, name: &str) -> Value<'static> {
        self.lines
            .time(name, self.row)
            .map_or(Value::Null, Value::Time)
    }

    fn key(&self) -> Key {
        let account = self
            .sub_account()
            .or_else(|| self.text("bill_payer_account_id"));
        Key {
            account: account.unwrap_or_default().to_owned(),
            service: self.service().unwrap_or_default().to_owned(),
            line_item_type: self.category().to_owned(),
            currency: self
                .text("line_item_currency_code")
                .unwrap_or_default()
                .to_owned(),
        }
    }

    fn unblended(&self) -> f64 {
        self.number("line_item_unblended_cost").unwrap_or_default()
    }

    fn billed(&self) -> f64 {
        match self.kind {
            "SavingsPlanCoveredUsage" => 0.0,
            _ if self.unused => 0.0,
            _ => self.unblended(),
        }
    }

    fn effective(&self) -> f64 {
        let number = |name| self.number(name).unwrap_or_default();
        match self.kind {
            "SavingsPlanCoveredUsage" => number("savings_plan_savings_plan_effective_cost"),
            "DiscountedUsage" => number("reservation_effective_cost"),
            "SavingsPlanRecurringFee" if self.unused => round10(
                number("savings_plan_total_commitment_to_date")
                    - number("savings_plan_used_commitment"),
            ),
            "RIFee" if self.unused => round10(
                number("reservation_unused_amortized_upfront_fee_for_billing_period")
                    + number("reservation_unused_recurring_fee"),
            ),
            "SavingsPlanRecurringFee" | "SavingsPlanUpfrontFee" | "RIFee" => 0.0,
            "Fee" if self.text("reservation_reservation_a_r_n").is_some() => 0.0,
            _ => self.unblended(),
        }
    }

    fn on_demand(&self) -> Option<f64> {
        self.number("pricing_public_on_demand_cost")
    }

    /// What it would have cost at list prices; the billed amount where there is no such price.
    fn list(&self) -> f64 {
        match self.on_demand() {
            _ if self.unused => 0.0,
            Some(cost) => cost,
            None => self.billed(),
        }
    }

    fn contracted(&self) -> f64 {
        match self.kind {
            "SavingsPlanCoveredUsage" | "DiscountedUsage" => self.list(),
            _ => self.billed(),
        }
    }

    fn category(&self) -> &'static str {
        match self.kind {
            _ if self.unused => "Usage",
            "Fee" | "RIFee" | "SavingsPlanUpfrontFee" | "SavingsPlanRecurringFee" => "Purchase",
            "Tax" => "Tax",
            "Credit" => "Credit",
            _ => "Usage",
        }
    }

    fn class(&self) -> Option<&'static str> {
        (self.kind == "Refund").then_some("Correction")
    }

    fn frequency(&self) -> &'static str {
        match self.kind {
            "Fee" | "SavingsPlanUpfrontFee" | "Credit" | "Refund" => "One-Time",
            _ if self.unused => "Usage-Based",
            "RIFee" | "SavingsPlanRecurringFee" => "Recurring",
            _ => "Usage-Based",
        }
    }

    /// A fee's line ends a second before the month does.
    fn period_end(&self) -> Value<'static> {
        let end = self.lines.time("line_item_usage_end_date", self.row);
        let exclusive = |at: i64| if at % 60_000 == 59_000 { at + 1000 } else { at };
        end.map_or(Value::Null, |at| Value::Time(exclusive(at)))
    }

    fn plan(&self) -> Option<&'x str> {
        self.text("savings_plan_savings_plan_a_r_n")
    }

    fn commitment(&self) -> Option<&'x str> {
        self.plan()
            .or_else(|| self.text("reservation_reservation_a_r_n"))
    }

    /// The one if it is of a savings plan, the other if of a reservation.
    fn committed(&self, plan: &'static str, reservation: &'static str) -> Option<&'static str> {
        self.commitment()?;
        Some(if self.plan().is_some() {
            plan
        } else {
            reservation
        })
    }

    fn commitment_status(&self) -> Option<&'static str> {
        match self.kind {
            _ if self.unused => Some("Unused"),
            "SavingsPlanCoveredUsage" | "DiscountedUsage" => Some("Used"),
            _ => None,
        }
    }

    fn commitment_quantity(&self) -> Option<f64> {
        match self.kind {
            "SavingsPlanCoveredUsage" => Some(self.effective()),
            "SavingsPlanRecurringFee" if self.unused => Some(self.effective()),
            "SavingsPlanRecurringFee" => self.number("savings_plan_total_commitment_to_date"),
            "RIFee" if self.unused => self.number("reservation_unused_quantity"),
            "DiscountedUsage" | "RIFee" => self.number("line_item_usage_amount"),
            _ => None,
        }
    }

    fn commitment_unit(&self) -> Option<&'static str> {
        self.commitment_quantity()?;
        self.committed("USD", "Hrs")
    }

    fn pricing_category(&self) -> Option<&'static str> {
        let usage_type = self.text("line_item_usage_type").unwrap_or_default();
        match self.kind {
            "SavingsPlanCoveredUsage" | "DiscountedUsage" => Some("Committed"),
            _ if self.unused => Some("Committed"),
            "Usage" if usage_type.contains("SpotUsage") => Some("Dynamic"),
            "Usage" | "Fee" | "RIFee" | "SavingsPlanUpfrontFee" | "SavingsPlanRecurringFee" => {
                Some("Standard")
            }
            _ => None,
        }
    }

    /// Whether something was used, and how much of it.
    fn used(&self) -> Option<f64> {
        let used = ["Usage", "DiscountedUsage", "SavingsPlanCoveredUsage"].contains(&self.kind);
        used.then(|| self.number("line_item_usage_amount"))
            .flatten()
    }

    fn unit(&self) -> Option<&'x str> {
        self.used()?;
        self.text("pricing_unit")
    }

    fn list_unit_price(&self) -> Option<f64> {
        self.text("pricing_public_on_demand_rate")?.parse().ok()
    }

    /// The payer's own tax is on no account.
    fn sub_account(&self) -> Option<&'x str> {
        let account = self.text("line_item_usage_account_id");
        account.filter(|account| {
            self.kind != "Tax" || Some(*account) != self.text("bill_payer_account_id")
        })
    }

    fn sub_account_name(&self) -> Option<&'x str> {
        self.sub_account()?;
        self.lines
            .account_name("line_item_usage_account_id", self.row)
    }

    fn service(&self) -> Option<&'x str> {
        let names = [
            "product_product_name",
            "product_servicename",
            "line_item_product_code",
        ];
        names.into_iter().find_map(|name| self.text(name))
    }

    /// FOCUS's words for what kind of service it is.
    fn service_category(&self) -> (&'static str, &'static str) {
        match self.text("line_item_product_code").unwrap_or_default() {
            "AmazonEC2" => ("Compute", "Virtual Machines"),
            "ComputeSavingsPlans" => ("Compute", "Other (Compute)"),
            "AWSLambda" => ("Compute", "Serverless Compute"),
            "AmazonEKS" => ("Compute", "Containers"),
            "AmazonS3" => ("Storage", "Object Storage"),
            "AmazonRDS" => ("Databases", "Relational Databases"),
            "AmazonCloudWatch" => ("Management and Governance", "Observability"),
            "AWSCostExplorer" => ("Management and Governance", "Cost Management"),
            "AWSSupportBusiness" => ("Management and Governance", "Support"),
            "AWSGlue" => ("Analytics", "Data Processing"),
            "AmazonRoute53" => ("Networking", "Network Routing"),
            "AWSELB" => ("Networking", "Application Networking"),
            "awskms" => ("Security", "Secret Management"),
            _ => ("Other", "Other (Other)"),
        }
    }

    fn resource_type(&self) -> Option<&'static str> {
        let id = self.text("line_item_resource_id")?;
        let kinds = [
            ("i-", "instance"),
            ("vol-", "volume"),
            (":snapshot/", "snapshot"),
            (":natgateway/", "natgateway"),
            (":elastic-ip/", "elastic-ip"),
            (":loadbalancer/", "loadbalancer"),
            (":function:", "function"),
            (":db:", "db"),
            (":job/", "job"),
        ];
        let of = |(mark, _): &&(&str, &str)| match mark.starts_with(':') {
            true => id.contains(mark),
            false => id.starts_with(mark),
        };
        Some(kinds.iter().find(of).map_or("bucket", |(_, kind)| kind))
    }

    fn price_details(&self) -> Value<'x> {
        let keys = [
            ("InstanceType", "product_instance_type"),
            ("OperatingSystem", "product_operating_system"),
            ("StorageClass", "product_storage_class"),
            ("x_Term", "pricing_term"),
            ("x_Tenancy", "product_tenancy"),
        ];
        let pairs = keys.iter().filter_map(|(key, column)| {
            let text = self.text(column)?;
            Some(((*key).to_owned(), Cow::Borrowed(text)))
        });
        map_or_null(pairs.collect(), Value::Map)
    }

    /// Tags under the names people gave them, the provider's own with its prefix.
    fn tags(&self) -> Value<'x> {
        self.map("resourceTags", |name| {
            name.strip_prefix("user:").unwrap_or(name).to_owned()
        })
    }

    fn cost_categories(&self) -> Value<'x> {
        self.map("costCategory", str::to_owned)
    }

    fn map(&self, category: &str, key: impl Fn(&str) -> String) -> Value<'x> {
        let columns = self.lines.columns.iter();
        let pairs = columns.filter(|column| column.category == category);
        let pairs = pairs.filter_map(|column| {
            let text = self.text(&column.name)?;
            Some((key(column.csv_name), Cow::Borrowed(text)))
        });
        map_or_null(pairs.collect(), Value::Map)
    }

    fn discounts(&self) -> Value<'static> {
        let names = ["discount_bundled_discount", "discount_total_discount"];
        let pairs = names.iter().filter_map(|name| {
            let number = self.number(name)?;
            Some(((*name).replace("discount_", ""), number))
        });
        map_or_null(pairs.filter(|_| !self.unused).collect(), Value::Numbers)
    }
}

/// NULL in the place of a map without entries.
fn map_or_null<'a, V>(
    pairs: Vec<(String, V)>,
    map: fn(Vec<(String, V)>) -> Value<'a>,
) -> Value<'a> {
    match pairs.is_empty() {
        true => Value::Null,
        false => map(pairs),
    }
}

/// The columns in AWS's order, which is the alphabet's.
fn columns<'x>(version: FocusVersion) -> Vec<Column<Charge<'x>>> {
    use Kind::{Double, Map, Numbers, Text, Time};
    type Value1<'x> = for<'a> fn(&'a Charge<'x>) -> Value<'a>;
    let mut list: Vec<(bool, Column<Charge<'x>>)> = Vec::new();
    let mut add = |newer: bool, name, kind, value: Value1<'x>| {
        list.push((newer, Column::new(name, kind, value)));
    };
    let (both, newer) = (false, true);
    add(both, "AvailabilityZone", Text, |c| {
        c.text("line_item_availability_zone").into()
    });
    add(both, "BilledCost", Double, |c| c.billed().into());
    add(both, "BillingAccountId", Text, |c| {
        c.text("bill_payer_account_id").into()
    });
    add(both, "BillingAccountName", Text, |c| {
        c.lines.account_name("bill_payer_account_id", c.row).into()
    });
    add(newer, "BillingAccountType", Text, |_| Value::Null);
    add(both, "BillingCurrency", Text, |c| {
        c.text("line_item_currency_code").into()
    });
    add(both, "BillingPeriodEnd", Time, |c| {
        c.time("bill_billing_period_end_date")
    });
    add(both, "BillingPeriodStart", Time, |c| {
        c.time("bill_billing_period_start_date")
    });
    add(newer, "CapacityReservationId", Text, |_| Value::Null);
    add(newer, "CapacityReservationStatus", Text, |_| Value::Null);
    add(both, "ChargeCategory", Text, |c| c.category().into());
    add(both, "ChargeClass", Text, |c| c.class().into());
    add(both, "ChargeDescription", Text, |c| {
        c.text("line_item_line_item_description").into()
    });
    add(both, "ChargeFrequency", Text, |c| c.frequency().into());
    add(both, "ChargePeriodEnd", Time, |c| c.period_end());
    add(both, "ChargePeriodStart", Time, |c| {
        c.time("line_item_usage_start_date")
    });
    add(both, "CommitmentDiscountCategory", Text, |c| {
        c.committed("Spend", "Usage").into()
    });
    add(both, "CommitmentDiscountId", Text, |c| {
        c.commitment().into()
    });
    add(both, "CommitmentDiscountName", Text, |_| Value::Null);
    add(newer, "CommitmentDiscountQuantity", Double, |c| {
        c.commitment_quantity().into()
    });
    add(both, "CommitmentDiscountStatus", Text, |c| {
        c.commitment_status().into()
    });
    add(both, "CommitmentDiscountType", Text, |c| {
        c.committed("Savings Plan", "Reserved Instance").into()
    });
    add(newer, "CommitmentDiscountUnit", Text, |c| {
        c.commitment_unit().into()
    });
    add(both, "ConsumedQuantity", Double, |c| c.used().into());
    add(both, "ConsumedUnit", Text, |c| c.unit().into());
    add(both, "ContractedCost", Double, |c| c.contracted().into());
    add(both, "ContractedUnitPrice", Double, |_| Value::Null);
    add(both, "EffectiveCost", Double, |c| c.effective().into());
    add(newer, "InvoiceId", Text, |c| {
        c.text("bill_invoice_id").into()
    });
    add(both, "InvoiceIssuerName", Text, |c| {
        c.text("bill_invoicing_entity").into()
    });
    add(both, "ListCost", Double, |c| c.list().into());
    add(both, "ListUnitPrice", Double, |c| {
        c.list_unit_price().into()
    });
    add(both, "PricingCategory", Text, |c| {
        c.pricing_category().into()
    });
    add(newer, "PricingCurrency", Text, |c| {
        c.text("pricing_currency").into()
    });
    add(newer, "PricingCurrencyContractedUnitPrice", Double, |_| {
        Value::Null
    });
    add(newer, "PricingCurrencyEffectiveCost", Double, |c| {
        c.text("pricing_currency").map(|_| c.effective()).into()
    });
    add(newer, "PricingCurrencyListUnitPrice", Double, |c| {
        c.list_unit_price().into()
    });
    add(both, "PricingQuantity", Double, |c| c.used().into());
    add(both, "PricingUnit", Text, |c| c.unit().into());
    add(both, "ProviderName", Text, |_| "AWS".into());
    add(both, "PublisherName", Text, |c| {
        c.text("line_item_legal_entity").into()
    });
    add(both, "RegionId", Text, |c| c.text("product_region").into());
    add(both, "RegionName", Text, |c| {
        c.text("product_location").into()
    });
    add(both, "ResourceId", Text, |c| {
        c.text("line_item_resource_id").into()
    });
    add(both, "ResourceName", Text, |_| Value::Null);
    add(both, "ResourceType", Text, |c| c.resource_type().into());
    add(both, "ServiceCategory", Text, |c| {
        c.service_category().0.into()
    });
    add(both, "ServiceName", Text, |c| c.service().into());
    add(newer, "ServiceSubcategory", Text, |c| {
        c.service_category().1.into()
    });
    add(both, "SkuId", Text, |c| c.text("product_sku").into());
    add(newer, "SkuMeter", Text, |c| {
        c.text("line_item_usage_type").into()
    });
    add(newer, "SkuPriceDetails", Map, |c| c.price_details());
    add(both, "SkuPriceId", Text, |c| {
        c.text("pricing_rate_code")
            .or_else(|| c.text("pricing_rate_id"))
            .into()
    });
    add(both, "SubAccountId", Text, |c| c.sub_account().into());
    add(both, "SubAccountName", Text, |c| {
        c.sub_account_name().into()
    });
    add(newer, "SubAccountType", Text, |_| Value::Null);
    add(both, "Tags", Map, |c| c.tags());
    // Columns of AWS's own; 1.2 has no more of the first and the last.
    if version == FocusVersion::V1_0 {
        add(both, "x_CostCategories", Map, |c| c.cost_categories());
    }
    add(both, "x_Discounts", Numbers, |c| c.discounts());
    add(both, "x_Operation", Text, |c| {
        c.text("line_item_operation").into()
    });
    add(both, "x_ServiceCode", Text, |c| {
        c.text("line_item_product_code").into()
    });
    if version == FocusVersion::V1_0 {
        add(both, "x_UsageType", Text, |c| {
            c.text("line_item_usage_type").into()
        });
    }
    let kept = |(newer, _): &(bool, _)| !newer || version == FocusVersion::V1_2;
    list.into_iter()
        .filter(kept)
        .map(|(_, column)| column)
        .collect()
}
