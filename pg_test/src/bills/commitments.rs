//! Reserved instances and savings plans, with amounts that add up: over a month
//! amortized + true-up + upfront fees = unblended.

use super::catalog::{EC2, INSTANCES, Instance, REGIONS, Region, Resource};
use super::estate::Estate;
use super::rng::Rng;
use super::series::{Amount, Clock, Series, Sheet};
use super::usage::{machine, place, product_code, resource_id, tag, ten_decimals};

/// Hours of the one-year term.
const TERM: f64 = 8760.0;

/// A reserved instance, partial upfront, one year.
struct Reservation {
    number: usize,
    instance: &'static Instance,
    region: &'static Region,
    account: String,
    arn: String,
    subscription: String,
    on_demand: f64,
    /// Recurring dollars an hour.
    recurring: f64,
    /// Dollars paid at the beginning.
    upfront: f64,
}

impl Reservation {
    fn draw(estate: &Estate<'_>, number: usize) -> Self {
        let mut rng = estate.rng(&[0x21, number as u64]);
        let region = &REGIONS[number % 2];
        let instance = committed_instance(estate, number);
        let on_demand = ten_decimals(instance.rate * region.price);
        let account = estate
            .account(number % estate.report.accounts.len().max(1))
            .to_owned();
        let id = uuid(&mut rng);
        Reservation {
            number,
            instance,
            region,
            arn: format!(
                "arn:aws:ec2:{}:{account}:reserved-instances/{id}",
                region.code
            ),
            subscription: rng.word(b"123456789", 10),
            account,
            on_demand,
            recurring: ten_decimals(on_demand * 0.31),
            upfront: (on_demand * 0.29 * TERM).round(),
        }
    }

    fn upfront_hourly(&self) -> f64 {
        self.upfront / TERM
    }

    /// What usage, fee and upfront lines have in common.
    fn common(&self, sheet: &mut Sheet<'_>, line_item_type: &str, usage_type: &str) {
        let usage_type = format!("{}{usage_type}:{}", self.region.prefix, self.instance.name);
        sheet.texts(&[
            ("line_item_usage_account_id", self.account.as_str()),
            ("line_item_line_item_type", line_item_type),
            ("line_item_product_code", EC2.code),
            ("line_item_usage_type", &usage_type),
            ("line_item_operation", "RunInstances"),
            ("product_product_name", EC2.name),
            ("product_region", self.region.code),
            ("product_sku", &product_code(&usage_type, 1, 16)),
            ("pricing_rate_id", "212850129"),
            ("reservation_reservation_a_r_n", &self.arn),
            ("reservation_subscription_id", &self.subscription),
        ]);
    }

    /// The counts, which AWS writes as strings.
    fn counts(&self, sheet: &mut Sheet<'_>, hours: f64) {
        let units = hours * self.instance.factor;
        sheet
            .text("reservation_number_of_reservations", "1")
            .text("reservation_units_per_reservation", format!("{hours:.10}"))
            .text("reservation_total_reserved_units", format!("{hours:.10}"))
            .text(
                "reservation_normalized_units_per_reservation",
                format!("{units:.11}"),
            )
            .text(
                "reservation_total_reserved_normalized_units",
                format!("{units:.11}"),
            )
            .fixed("reservation_upfront_value", self.upfront)
            .texts(&[
                ("reservation_modification_status", "Original"),
                ("reservation_start_time", "2025-09-01T00:00:01.000Z"),
                ("reservation_end_time", "2026-09-01T00:00:00.000Z"),
            ]);
    }
}

/// Hours run under the reservation: nothing to pay, the effective cost beside it.
pub(super) fn reserved_usage(estate: &Estate<'_>, n: usize, mut sheet: Sheet<'_>) -> Series {
    let ri = Reservation::draw(estate, n);
    ri.common(&mut sheet, "DiscountedUsage", "BoxUsage");
    run(
        estate,
        &mut sheet,
        ri.instance,
        ri.region,
        &ri.account,
        0x21_0000 + n,
    );
    let (upfront, recurring) = (ri.upfront_hourly(), ri.recurring);
    sheet
        .per_use("reservation_amortized_upfront_cost_for_usage", upfront)
        .per_use("reservation_recurring_fee_for_usage", recurring)
        .per_use("reservation_effective_cost", upfront + recurring)
        .per_use("reservation_net_amortized_upfront_cost_for_usage", upfront)
        .per_use("reservation_net_recurring_fee_for_usage", recurring)
        .per_use("reservation_net_effective_cost", upfront + recurring)
        .per_use("pricing_public_on_demand_cost", ri.on_demand)
        .text(
            "pricing_public_on_demand_rate",
            format!("{:.10}", ri.on_demand),
        )
        .text(
            "line_item_line_item_description",
            format!(
                "Linux/UNIX (Amazon VPC), {} reserved instance applied",
                ri.instance.name
            ),
        )
        .texts(&[
            ("line_item_unblended_rate", "0.0000000000"),
            ("line_item_blended_rate", "0.0000000000"),
            ("pricing_lease_contract_length", "1yr"),
            ("pricing_offering_class", "standard"),
            ("pricing_purchase_option", "Partial Upfront"),
            ("pricing_term", "Reserved"),
            ("pricing_unit", "Hrs"),
        ]);
    sheet.finish(estate.month, estate.steady_clock(), Amount::steady(1.0))
}

/// The month's fee: one line, on the first, ending a second before the month does.
pub(super) fn reservation_fee(estate: &Estate<'_>, n: usize, mut sheet: Sheet<'_>) -> Series {
    let ri = Reservation::draw(estate, n);
    ri.common(&mut sheet, "RIFee", "HeavyUsage");
    let hours = estate.month_hours();
    let used = estate.reserved_slots(ri.number) as f64 * estate.steady_clock().hours();
    let unused = hours - used;
    ri.counts(&mut sheet, hours);
    let (factor, upfront) = (ri.instance.factor, ri.upfront_hourly());
    cost(&mut sheet, ri.recurring * hours);
    sheet
        .fixed("line_item_normalization_factor", factor)
        .per_use("line_item_normalized_usage_amount", factor)
        .fixed(
            "reservation_amortized_upfront_fee_for_billing_period",
            upfront * hours,
        )
        .fixed(
            "reservation_net_amortized_upfront_fee_for_billing_period",
            upfront * hours,
        )
        .fixed("reservation_unused_quantity", unused)
        .fixed(
            "reservation_unused_normalized_unit_quantity",
            unused * factor,
        )
        .fixed("reservation_unused_recurring_fee", ri.recurring * unused)
        .fixed(
            "reservation_net_unused_recurring_fee",
            ri.recurring * unused,
        )
        .fixed(
            "reservation_unused_amortized_upfront_fee_for_billing_period",
            upfront * unused,
        )
        .fixed(
            "reservation_net_unused_amortized_upfront_fee_for_billing_period",
            upfront * unused,
        )
        .fixed("reservation_net_upfront_value", ri.upfront)
        .text("line_item_unblended_rate", format!("{:.10}", ri.recurring))
        .text("line_item_blended_rate", format!("{:.10}", ri.recurring))
        .text(
            "line_item_line_item_description",
            format!(
                "USD {} hourly fee per Linux/UNIX (Amazon VPC), {} instance",
                ri.recurring, ri.instance.name
            ),
        );
    let clock = Clock::Once {
        start: estate.month.start(),
        end: estate.month.end() - 1000,
    };
    sheet.finish(estate.month, clock, Amount::steady(hours))
}

/// What was paid at the beginning, in the report's first month.
pub(super) fn reservation_upfront(estate: &Estate<'_>, n: usize, mut sheet: Sheet<'_>) -> Series {
    let ri = Reservation::draw(estate, n);
    ri.common(&mut sheet, "Fee", "HeavyUsage");
    cost(&mut sheet, ri.upfront);
    sheet
        .text("bill_bill_type", "Purchase")
        .text("bill_invoice_id", estate.invoice(1))
        .fixed("reservation_upfront_value", ri.upfront)
        .text(
            "line_item_line_item_description",
            "Sign up charge for subscription: 1 year",
        );
    let clock = Clock::Once {
        start: estate.month.start(),
        end: estate.month.end() - 1000,
    };
    sheet.finish(estate.month, clock, Amount::steady(1.0))
}

/// A compute savings plan.
struct Plan {
    arn: String,
    /// Dollars an hour, of which `upfront_share` were paid at the beginning.
    commitment: f64,
    /// Dollars an hour that found usage to cover.
    used: f64,
    upfront: f64,
}

/// Every second plan is half paid at the beginning.
pub(super) fn upfront_share(plan: usize) -> f64 {
    if plan % 2 == 1 { 0.5 } else { 0.0 }
}

/// What a plan's hour costs, relative to on demand.
const PLAN_PRICE: f64 = 0.72;

impl Plan {
    fn draw(estate: &Estate<'_>, plan: usize) -> Self {
        let id = uuid(&mut estate.rng(&[0x5F, plan as u64]));
        let used: f64 = (0..estate.members())
            .map(|m| Member::draw(estate, plan, m).plan_rate)
            .sum();
        // Commitments are bought in thousandths; this one is used to some nine tenths.
        let commitment = (used / 0.92 * 1000.0).ceil() / 1000.0;
        Plan {
            arn: format!("arn:aws:savingsplans::{}:savingsplan/{id}", estate.payer()),
            commitment,
            used,
            upfront: commitment * upfront_share(plan),
        }
    }

    fn common(&self, sheet: &mut Sheet<'_>, plan: usize) {
        let payment = if upfront_share(plan) > 0.0 {
            "Partial Upfront"
        } else {
            "No Upfront"
        };
        sheet.texts(&[
            ("savings_plan_savings_plan_a_r_n", self.arn.as_str()),
            ("savings_plan_start_time", "2025-09-01T00:00:00.000Z"),
            ("savings_plan_end_time", "2026-08-31T23:59:59.000Z"),
            ("savings_plan_offering_type", "ComputeSavingsPlans"),
            ("savings_plan_payment_option", payment),
            ("savings_plan_purchase_term", "1yr"),
        ]);
    }

    /// The lines about the plan itself.
    fn own(&self, estate: &Estate<'_>, sheet: &mut Sheet<'_>, plan: usize, kind: &str) {
        self.common(sheet, plan);
        sheet.texts(&[
            ("line_item_usage_account_id", estate.payer()),
            ("line_item_line_item_type", kind),
            ("line_item_product_code", "ComputeSavingsPlans"),
            ("line_item_usage_type", "ComputeSP:1yrNoUpfront"),
            (
                "product_product_name",
                "Savings Plans for AWS Compute usage",
            ),
            ("product_servicename", "Savings Plans for AWS Compute usage"),
            ("product_servicecode", "ComputeSavingsPlans"),
            ("product_product_family", "ComputeSavingsPlans"),
            (
                "line_item_line_item_description",
                "1 year Compute Savings Plan",
            ),
        ]);
    }
}

/// One machine under a savings plan.
struct Member {
    instance: &'static Instance,
    region: &'static Region,
    account: String,
    on_demand: f64,
    plan_rate: f64,
    number: usize,
}

impl Member {
    fn draw(estate: &Estate<'_>, plan: usize, member: usize) -> Self {
        let region = &REGIONS[(plan + member) % 3];
        let instance = committed_instance(estate, plan + 3 * member);
        let on_demand = ten_decimals(instance.rate * region.price);
        let accounts = estate.report.accounts.len().max(1);
        Member {
            instance,
            region,
            account: estate.account((plan + member) % accounts).to_owned(),
            on_demand,
            plan_rate: ten_decimals(on_demand * PLAN_PRICE),
            number: 0x5F_0000 + plan * 16 + member,
        }
    }

    fn usage_type(&self) -> String {
        format!("{}BoxUsage:{}", self.region.prefix, self.instance.name)
    }
}

/// Usage under a plan at its full on-demand price; the negation takes that back.
pub(super) fn covered(
    estate: &Estate<'_>,
    plan: usize,
    member: usize,
    mut sheet: Sheet<'_>,
) -> Series {
    let m = Member::draw(estate, plan, member);
    Plan::draw(estate, plan).common(&mut sheet, plan);
    let rate = format!("{:.10}", m.on_demand);
    sheet
        .texts(&[
            ("line_item_usage_account_id", m.account.as_str()),
            ("line_item_line_item_type", "SavingsPlanCoveredUsage"),
            ("line_item_product_code", EC2.code),
            ("line_item_usage_type", &m.usage_type()),
            ("line_item_operation", "RunInstances"),
            ("product_product_name", EC2.name),
            ("product_region", m.region.code),
            ("product_sku", &product_code(&m.usage_type(), 1, 16)),
            ("line_item_unblended_rate", &rate),
            ("line_item_blended_rate", &rate),
            ("pricing_public_on_demand_rate", &rate),
            ("pricing_term", "OnDemand"),
            ("pricing_unit", "Hrs"),
            ("pricing_currency", "USD"),
        ])
        .per_use("line_item_unblended_cost", m.on_demand)
        .per_use("line_item_blended_cost", m.on_demand)
        .per_use("line_item_net_unblended_cost", m.on_demand)
        .per_use("pricing_public_on_demand_cost", m.on_demand)
        .fixed("savings_plan_savings_plan_rate", m.plan_rate)
        .per_use("savings_plan_savings_plan_effective_cost", m.plan_rate)
        .per_use("savings_plan_net_savings_plan_effective_cost", m.plan_rate)
        .text(
            "line_item_line_item_description",
            format!(
                "${} per On Demand Linux {} Instance Hour",
                m.on_demand, m.instance.name
            ),
        );
    run(
        estate, &mut sheet, m.instance, m.region, &m.account, m.number,
    );
    sheet.finish(estate.month, estate.steady_clock(), Amount::steady(1.0))
}

/// The exact opposite of the covered usage beside it.
pub(super) fn negation(
    estate: &Estate<'_>,
    plan: usize,
    member: usize,
    mut sheet: Sheet<'_>,
) -> Series {
    let m = Member::draw(estate, plan, member);
    Plan::draw(estate, plan).common(&mut sheet, plan);
    sheet
        .texts(&[
            ("line_item_usage_account_id", m.account.as_str()),
            ("line_item_line_item_type", "SavingsPlanNegation"),
            ("line_item_product_code", EC2.code),
            ("line_item_usage_type", &m.usage_type()),
            ("line_item_operation", "RunInstances"),
            ("product_product_name", EC2.name),
            ("product_region", m.region.code),
        ])
        .per_use("line_item_unblended_cost", -m.on_demand)
        .per_use("line_item_blended_cost", -m.on_demand)
        .per_use("line_item_net_unblended_cost", -m.on_demand)
        .text(
            "line_item_line_item_description",
            format!("SavingsPlanNegation used by AccountId : {}", m.account),
        );
    sheet.finish(estate.month, estate.steady_clock(), Amount::steady(1.0))
}

/// The hourly fee, with what of the commitment was used in that hour (or day).
pub(super) fn plan_fee(estate: &Estate<'_>, plan: usize, mut sheet: Sheet<'_>) -> Series {
    let p = Plan::draw(estate, plan);
    p.own(estate, &mut sheet, plan, "SavingsPlanRecurringFee");
    let recurring = p.commitment - p.upfront;
    sheet
        .per_use("line_item_unblended_cost", recurring)
        .per_use("line_item_blended_cost", recurring)
        .per_use("line_item_net_unblended_cost", recurring)
        .per_use("savings_plan_total_commitment_to_date", p.commitment)
        .per_use("savings_plan_used_commitment", p.used)
        .per_use(
            "savings_plan_recurring_commitment_for_billing_period",
            recurring,
        )
        .per_use(
            "savings_plan_net_recurring_commitment_for_billing_period",
            recurring,
        )
        .per_use(
            "savings_plan_amortized_upfront_commitment_for_billing_period",
            p.upfront,
        )
        .per_use(
            "savings_plan_net_amortized_upfront_commitment_for_billing_period",
            p.upfront,
        )
        .text("line_item_unblended_rate", format!("{recurring:.10}"));
    sheet.finish(estate.month, estate.steady_clock(), Amount::steady(1.0))
}

/// What was paid for the plan at the beginning.
pub(super) fn plan_upfront(estate: &Estate<'_>, plan: usize, mut sheet: Sheet<'_>) -> Series {
    let p = Plan::draw(estate, plan);
    p.own(estate, &mut sheet, plan, "SavingsPlanUpfrontFee");
    cost(&mut sheet, p.upfront * TERM);
    sheet
        .text("bill_bill_type", "Purchase")
        .text("bill_invoice_id", estate.invoice(1));
    estate.once(sheet, 1.0)
}

/// Commitments are for the larger machines a payer runs.
fn committed_instance(estate: &Estate<'_>, n: usize) -> &'static Instance {
    let from = if estate.size() < 0.5 { 0 } else { 4 };
    &INSTANCES[from + n % 5]
}

/// The machine that runs: its size, place, id and tags.
fn run(
    estate: &Estate<'_>,
    sheet: &mut Sheet<'_>,
    instance: &'static Instance,
    region: &'static Region,
    account: &str,
    n: usize,
) {
    let mut rng = estate.rng(&[0x1D5, n as u64]);
    machine(sheet, instance, "");
    place(sheet, region, Resource::Instance, &mut rng);
    sheet.texts(&[
        ("product_servicename", EC2.service_name),
        ("product_servicecode", EC2.service_code),
        ("product_region_code", region.code),
        ("product_location", region.location),
        ("product_product_family", "Compute Instance"),
    ]);
    let id = resource_id(Resource::Instance, region.code, account, n, &mut rng);
    sheet.text("line_item_resource_id", id);
    tag(sheet, rng, n, Resource::Instance);
}

/// The same amount in every cost column.
pub(super) fn cost(sheet: &mut Sheet<'_>, amount: f64) {
    sheet
        .fixed("line_item_unblended_cost", amount)
        .fixed("line_item_blended_cost", amount)
        .fixed("line_item_net_unblended_cost", amount);
}

pub(super) fn uuid(rng: &mut Rng) -> String {
    [8, 4, 4, 4, 12].map(|len| rng.hex(len)).join("-")
}
