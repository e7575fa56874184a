//! What an Azure month is made of: machines and storage by the day, reservations and savings plans
//! bought, used and wasted, refunds, the Marketplace, tax and rounding.

use std::rc::Rc;

use super::super::Report;
use super::super::calendar::{DAY, Month};
use super::super::commitments::uuid;
use super::super::rng::Rng;
use super::super::series::round10;
use super::super::totals::Key;
use super::focus;

/// The enrolment all is billed to.
pub(super) const BILLING_ACCOUNT: &str = "88812345";

/// Euros for a dollar: prices are in dollars, the bill is in euros.
pub(super) const EXCHANGE: f64 = 0.9137;

/// One line; days in UTC, amounts in euros.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// The first instant of the day it is for.
    pub(super) day: i64,
    pub(super) month: Month,
    /// `ChargeType`.
    pub(super) charge: &'static str,
    /// `PricingModel`; nothing for what is not priced.
    pub(super) model: &'static str,
    pub(super) frequency: &'static str,
    pub(super) subscription: Option<Rc<Subscription>>,
    pub(super) meter: &'static Meter,
    pub(super) region: Option<&'static Region>,
    pub(super) resource: Option<Rc<Resource>>,
    pub(super) quantity: f64,
    /// Euros for a unit, on demand.
    pub(super) unit_price: f64,
    /// In actual costs; None where those have no such line.
    pub(super) actual: Option<f64>,
    /// In amortized costs; None where those have no such line.
    pub(super) amortized: Option<f64>,
    /// The reservation or savings plan it is about.
    pub(super) benefit: Option<Rc<Benefit>>,
    pub(super) invoice: Option<String>,
}

#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) id: String,
    pub(super) name: String,
}

#[derive(Debug)]
pub(super) struct Resource {
    pub(super) id: String,
    pub(super) group: String,
    pub(super) name: String,
    pub(super) tags: Vec<(&'static str, &'static str)>,
}

#[derive(Debug)]
pub(super) struct Benefit {
    pub(super) id: String,
    pub(super) order: String,
    /// The last part of the id.
    pub(super) item: String,
    pub(super) name: String,
    pub(super) reservation: bool,
}

/// Something metered.
#[derive(Debug)]
pub(super) struct Meter {
    pub(super) category: &'static str,
    pub(super) subcategory: &'static str,
    pub(super) name: &'static str,
    pub(super) family: &'static str,
    /// `ConsumedService`.
    pub(super) provider: &'static str,
    /// The resource's type below the provider.
    pub(super) kind: &'static str,
    /// With its block: `100 Hours`.
    pub(super) unit: &'static str,
    /// Dollars for a unit.
    pub(super) price: f64,
    /// Most units in a day.
    pub(super) daily: f64,
    /// FOCUS's category and subcategory.
    pub(super) focus: (&'static str, &'static str),
}

#[derive(Debug)]
pub(super) struct Region {
    pub(super) code: &'static str,
    pub(super) name: &'static str,
    pub(super) meter: &'static str,
}

const REGIONS: &[Region] = &[
    Region {
        code: "westeurope",
        name: "West Europe",
        meter: "EU West",
    },
    Region {
        code: "northeurope",
        name: "North Europe",
        meter: "EU North",
    },
    Region {
        code: "eastus2",
        name: "East US 2",
        meter: "US East 2",
    },
];

macro_rules! meters {
    ($($category:literal $subcategory:literal $name:literal $family:literal $provider:literal
       $kind:literal $unit:literal $price:literal $daily:literal $focus:literal $sub:literal;)*) => {
        &[$(Meter {
            category: $category,
            subcategory: $subcategory,
            name: $name,
            family: $family,
            provider: $provider,
            kind: $kind,
            unit: $unit,
            price: $price,
            daily: $daily,
            focus: ($focus, $sub),
        }),*]
    };
}

/// The first is what commitments are for.
const METERS: &[Meter] = meters! {
    "Virtual Machines" "Dv3/DSv3 Series" "D4 v3/D4s v3" "Compute" "Microsoft.Compute" "virtualMachines" "1 Hour" 0.192 24.0 "Compute" "Virtual Machines";
    "Virtual Machines" "BS Series" "B2s" "Compute" "Microsoft.Compute" "virtualMachines" "100 Hours" 4.16 0.24 "Compute" "Virtual Machines";
    "Storage" "Blob Storage" "Hot LRS Data Stored" "Storage" "Microsoft.Storage" "storageAccounts" "1 GB/Month" 0.0184 40.0 "Storage" "Object Storage";
    "Storage" "Tiered Block Blob" "All Other Operations" "Storage" "Microsoft.Storage" "storageAccounts" "10K" 0.00043 12.0 "Storage" "Object Storage";
    "SQL Database" "Single Standard" "S2 DTUs" "Databases" "Microsoft.Sql" "servers/databases" "1/Day" 2.419 1.0 "Databases" "Relational Databases";
    "Bandwidth" "Inter-Region" "Standard Data Transfer Out" "Networking" "Microsoft.Network" "virtualNetworks" "1 GB" 0.0875 9.0 "Networking" "Other (Networking)";
    "Log Analytics" "Log Analytics" "Pay-as-you-go Data Ingestion" "Management and Governance" "microsoft.operationalinsights" "workspaces" "1 GB" 2.76 3.0 "Management and Governance" "Observability";
    "Azure Functions" "Azure Functions" "Execution Time" "Compute" "Microsoft.Web" "sites" "50,000" 0.8 0.01 "Compute" "Serverless Compute";
};

const MARKETPLACE: Meter = Meter {
    category: "SaaS",
    subcategory: "Unassigned",
    name: "Example Observability Pro",
    family: "SaaS",
    provider: "Microsoft.SaaS",
    kind: "resources",
    unit: "1",
    price: 0.0,
    daily: 1.0,
    focus: ("Management and Governance", "Observability"),
};

const UNASSIGNED: Meter = Meter {
    category: "Unassigned",
    subcategory: "Unassigned",
    name: "Unassigned",
    family: "Unassigned",
    provider: "",
    kind: "",
    unit: "",
    price: 0.0,
    daily: 1.0,
    focus: ("Other", "Other (Other)"),
};

const TAGS: &[&[(&str, &str)]] = &[
    &[("env", "prod"), ("team", "Équipe Coûts")],
    &[("Env", "prod"), ("project", "R&D \"blue\"")],
    &[("env", "dev"), ("cost center", "CC-1001, north")],
    &[("team", "")],
    &[],
];

/// What a reserved machine's hour costs, and one under a savings plan, relative to on demand.
const RESERVED: f64 = 0.61;
const PLANNED: f64 = 0.78;

/// Every line of the month in the order of days, in actual costs or amortized ones or both.
pub(super) fn lines(report: &Report, month: Month, restatement: u32) -> Vec<Line> {
    let estate = Estate::new(report, month, restatement);
    let mut lines = Vec::new();
    let resources = (report.rows_per_month / month.days()).max(8);
    for n in 0..resources {
        estate.usage(n, &mut lines);
    }
    estate.commitments(&mut lines);
    estate.others(&mut lines);
    lines.sort_by_key(|line| line.day);
    lines
}

struct Estate<'a> {
    report: &'a Report,
    month: Month,
    restatement: u32,
    subscriptions: Vec<Rc<Subscription>>,
    reservation: Rc<Benefit>,
    plan: Rc<Benefit>,
    invoice: Option<String>,
}

/// Every tenth machine is reserved, every tenth under the plan.
const RESERVED_PLACE: usize = 3;
const PLANNED_PLACE: usize = 6;

impl<'a> Estate<'a> {
    fn new(report: &'a Report, month: Month, restatement: u32) -> Self {
        let subscriptions = report
            .accounts
            .iter()
            .take(5)
            .enumerate()
            .map(|(n, account)| {
                Rc::new(Subscription {
                    id: uuid(&mut Rng::new(report.seed, &[0x50B, n as u64])),
                    name: format!("{} {}", ["Production", "R&D, shared"][n % 2], &account[8..]),
                })
            });
        let benefit = |reservation: bool| {
            let mut rng = Rng::new(report.seed, &[0xBE, u64::from(reservation)]);
            let (order, item) = (uuid(&mut rng), uuid(&mut rng));
            let id = match reservation {
                true => format!(
                    "/providers/Microsoft.Capacity/reservationOrders/{order}/reservations/{item}"
                ),
                false => format!(
                    "/providers/Microsoft.BillingBenefits/savingsPlanOrders/{order}/savingsPlans/{item}"
                ),
            };
            let name = if reservation {
                "VM_RI_D4s_v3"
            } else {
                "Compute_SavingsPlan"
            };
            Rc::new(Benefit {
                id,
                order,
                item,
                name: name.to_owned(),
                reservation,
            })
        };
        let first = Month::new(report.first.0, report.first.1);
        let open = month.ordinal() + 1 >= first.ordinal() + report.months as i32;
        let invoice = Rng::new(report.seed, &[0x17, month.ordinal() as u64]).word(b"0123456789", 8);
        Estate {
            report,
            month,
            restatement,
            subscriptions: subscriptions.collect(),
            reservation: benefit(true),
            plan: benefit(false),
            invoice: (!open).then(|| format!("E0{invoice}")),
        }
    }

    fn blank(&self, day: i64) -> Line {
        Line {
            day,
            month: self.month,
            charge: "Usage",
            model: "OnDemand",
            frequency: "UsageBased",
            subscription: None,
            meter: &UNASSIGNED,
            region: None,
            resource: None,
            quantity: 1.0,
            unit_price: 0.0,
            actual: None,
            amortized: None,
            benefit: None,
            invoice: self.invoice.clone(),
        }
    }

    fn days(&self) -> impl Iterator<Item = i64> {
        let start = self.month.start();
        (0..self.month.days() as i64).map(move |n| start + n * DAY)
    }

    /// Machines under commitments run all day.
    fn committed(n: usize) -> Option<f64> {
        match n % 10 {
            RESERVED_PLACE => Some(RESERVED),
            PLANNED_PLACE => Some(PLANNED),
            _ => None,
        }
    }

    fn usage(&self, n: usize, lines: &mut Vec<Line>) {
        let mut rng = Rng::new(self.report.seed, &[0xA205E, n as u64]);
        let committed = Self::committed(n);
        let meter = match committed {
            Some(_) => &METERS[0],
            None => rng.pick(METERS),
        };
        let region = rng.pick(REGIONS);
        let subscription = Rc::clone(rng.pick(&self.subscriptions));
        let resource = Rc::new(resource(n, meter, &subscription, &mut rng));
        let month = self.month.ordinal() as u64;
        let mut rng = Rng::new(self.report.seed, &[0xA206E, n as u64, month]);
        let recalculated = self.restatement > 0 && n % 23 == 5;
        let unit_price = round10(meter.price * EXCHANGE);
        for day in self.days() {
            let share = if committed.is_some() {
                1.0
            } else {
                rng.between(0.001, 1.0)
            };
            let share = if recalculated { share * 1.05 } else { share };
            let quantity = round10(meter.daily * share);
            let full = round10(quantity * unit_price);
            let mut line = Line {
                subscription: Some(Rc::clone(&subscription)),
                meter,
                region: Some(region),
                resource: Some(Rc::clone(&resource)),
                quantity,
                unit_price,
                actual: Some(full),
                amortized: Some(full),
                ..self.blank(day)
            };
            if n % 31 == 17 {
                line.model = "Spot";
            }
            if let Some(part) = committed {
                let reserved = part == RESERVED;
                line.model = if reserved {
                    "Reservation"
                } else {
                    "SavingsPlan"
                };
                line.actual = Some(0.0);
                line.amortized = Some(round10(full * part));
                line.benefit = Some(Rc::clone(if reserved {
                    &self.reservation
                } else {
                    &self.plan
                }));
            }
            lines.push(line);
        }
    }

    /// What is bought is what the machines used and a tenth more, which nothing used.
    fn commitments(&self, lines: &mut Vec<Line>) {
        let mut bought = 0.0;
        for day in self.days() {
            for (benefit, charge, model) in [
                (&self.reservation, "UnusedReservation", "Reservation"),
                (&self.plan, "UnusedSavingsPlan", "SavingsPlan"),
            ] {
                let covered = |line: &&Line| {
                    let same = |b: &Rc<Benefit>| Rc::ptr_eq(b, benefit);
                    line.day == day
                        && line.charge == "Usage"
                        && line.benefit.as_ref().is_some_and(same)
                };
                let used = lines
                    .iter()
                    .filter(covered)
                    .filter_map(|line| line.amortized);
                let used = round10(used.sum::<f64>());
                let wasted = round10(used / 9.0 + 0.0101);
                let line = Line {
                    charge,
                    model,
                    meter: &METERS[0],
                    region: benefit.reservation.then_some(&REGIONS[0]),
                    quantity: 2.4,
                    amortized: Some(wasted),
                    benefit: Some(Rc::clone(benefit)),
                    ..self.blank(day)
                };
                lines.push(line);
                if benefit.reservation {
                    bought = round10(bought + used + wasted);
                } else {
                    lines.push(self.purchase(day, benefit, round10(used + wasted)));
                }
            }
        }
        lines.push(self.purchase(self.month.start(), &self.reservation, bought));
        lines.push(Line {
            charge: "Refund",
            frequency: "OneTime",
            quantity: -1.0,
            ..self.purchase(self.month.start() + 11 * DAY, &self.reservation, -41.37)
        });
    }

    fn purchase(&self, day: i64, benefit: &Rc<Benefit>, amount: f64) -> Line {
        Line {
            charge: "Purchase",
            model: if benefit.reservation {
                "Reservation"
            } else {
                "SavingsPlan"
            },
            frequency: "Recurring",
            subscription: self.subscriptions.first().cloned(),
            meter: &METERS[0],
            region: benefit.reservation.then_some(&REGIONS[0]),
            unit_price: amount,
            actual: Some(amount),
            benefit: Some(Rc::clone(benefit)),
            ..self.blank(day)
        }
    }

    fn others(&self, lines: &mut Vec<Line>) {
        let both = |day: i64, charge, amount: f64| Line {
            charge,
            frequency: "OneTime",
            model: "",
            actual: Some(amount),
            amortized: Some(amount),
            ..self.blank(self.month.start() + day * DAY)
        };
        lines.push(Line {
            model: "OnDemand",
            meter: &MARKETPLACE,
            subscription: self.subscriptions.last().cloned(),
            unit_price: 249.0,
            ..both(2, "Purchase", 249.0)
        });
        lines.push(Line {
            model: "OnDemand",
            meter: &METERS[2],
            region: Some(&REGIONS[1]),
            subscription: self.subscriptions.first().cloned(),
            ..both(6, "Refund", -3.27)
        });
        for n in 0..self.restatement {
            lines.push(both(9 + i64::from(n % 15), "Refund", -1.01));
        }
        lines.push(both(27, "Tax", 88.15));
        lines.push(both(27, "RoundingAdjustment", 0.0000004321));
    }
}

/// Names as people give them; the same group is written in both cases.
fn resource(n: usize, meter: &Meter, subscription: &Subscription, rng: &mut Rng) -> Resource {
    let group = format!("rg-{}-{}", ["web", "data", "CORE"][n % 3], n % 7);
    let (kind, name) = match meter.kind.split_once('/') {
        Some((server, child)) => {
            let name = format!("{server}/sql-{}/{child}", n % 5);
            (name, format!("orders-{n}"))
        }
        None => (meter.kind.to_owned(), format!("{}{n:04}", &meter.kind[..2])),
    };
    let id = format!(
        "/subscriptions/{}/resourceGroups/{group}/providers/{}/{kind}/{name}",
        subscription.id, meter.provider
    );
    Resource {
        id: if n % 4 == 1 { id.to_lowercase() } else { id },
        group,
        name,
        tags: rng.pick(TAGS).to_vec(),
    }
}

impl Line {
    pub(super) fn key(&self, focus: bool) -> Key {
        let subscription = self.subscription.as_ref();
        let account = match (subscription, focus) {
            (Some(subscription), false) => subscription.id.clone(),
            (Some(subscription), true) => format!("/subscriptions/{}", subscription.id),
            (None, false) => BILLING_ACCOUNT.to_owned(),
            (None, true) => focus::account(),
        };
        let kind = if focus {
            self.focus_category()
        } else {
            self.charge
        };
        Key {
            account,
            service: self.meter.category.to_owned(),
            line_item_type: kind.to_owned(),
            currency: "EUR".to_owned(),
        }
    }

    /// FOCUS's `ChargeCategory`.
    pub(super) fn focus_category(&self) -> &'static str {
        match self.charge {
            "UnusedReservation" | "UnusedSavingsPlan" => "Usage",
            "Refund" => "Purchase",
            "Usage" | "Purchase" | "Tax" => self.charge,
            _ => "Adjustment",
        }
    }

    pub(super) fn marketplace(&self) -> bool {
        self.meter.category == MARKETPLACE.category
    }

    /// A name that is the same wherever the meter is used.
    pub(super) fn meter_id(&self) -> String {
        let path: Vec<u64> = self.meter.name.bytes().map(u64::from).collect();
        uuid(&mut Rng::new(0xA2, &path))
    }

    pub(super) fn product(&self) -> String {
        let region = self.region.map_or("", |region| region.meter);
        format!(
            "{} {} - {} - {region}",
            self.meter.category, self.meter.subcategory, self.meter.name
        )
    }
}
