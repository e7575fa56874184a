//! What a Google month is made of: usage with credits, committed use, tax, an adjustment and what
//! rounding left.
//!
//! Google's months are Californian, so an invoice's usage begins and ends some hours after the
//! month does in UTC, and some of the month before arrives late.

use super::super::Report;
use super::super::calendar::{DAY, HOUR, Month};
use super::super::commitments::uuid;
use super::super::rng::Rng;
use super::super::series::round10;
use super::super::totals::Key;

/// The account all is billed to.
pub(super) const BILLING_ACCOUNT: &str = "01ABCD-234567-89EF01";

/// One line; times in microseconds since 1970, UTC.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) service: &'static Service,
    pub(super) sku: (String, String),
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) export: i64,
    pub(super) project: Option<Project>,
    pub(super) labels: Vec<(String, String)>,
    pub(super) system_labels: Vec<(String, String)>,
    pub(super) region: Option<&'static Region>,
    pub(super) zone: Option<String>,
    pub(super) resource: Option<(String, String)>,
    pub(super) cost: f64,
    pub(super) list: f64,
    pub(super) usage: Option<Usage>,
    pub(super) credits: Vec<Credit>,
    /// `YYYYMM`.
    pub(super) invoice: String,
    pub(super) cost_type: &'static str,
    pub(super) adjustment: bool,
    pub(super) seller: &'static str,
}

#[derive(Clone, Debug)]
pub(super) struct Project {
    pub(super) id: String,
    pub(super) number: String,
    pub(super) name: String,
}

#[derive(Clone, Debug)]
pub(super) struct Usage {
    pub(super) amount: f64,
    pub(super) unit: &'static str,
    pub(super) priced: f64,
    pub(super) pricing_unit: &'static str,
    pub(super) price: f64,
}

#[derive(Clone, Debug)]
pub(super) struct Credit {
    pub(super) name: &'static str,
    /// Negative.
    pub(super) amount: f64,
    pub(super) full_name: Option<&'static str>,
    pub(super) id: Option<&'static str>,
    pub(super) kind: &'static str,
}

#[derive(Debug)]
pub(super) struct Service {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
}

#[derive(Debug)]
pub(super) struct Region {
    pub(super) location: &'static str,
    pub(super) country: &'static str,
    pub(super) region: Option<&'static str>,
}

const COMPUTE: Service = Service {
    id: "6F81-5844-456A",
    name: "Compute Engine",
};
const STORAGE: Service = Service {
    id: "95FF-2EF5-5EA1",
    name: "Cloud Storage",
};
const BIGQUERY: Service = Service {
    id: "24E6-581D-38E5",
    name: "BigQuery",
};
const LOGGING: Service = Service {
    id: "5490-F7B7-8DF6",
    name: "Cloud Logging",
};
const PARTNER: Service = Service {
    id: "E0EX-AMPL-0001",
    name: "Example Vault (SaaS)",
};
const INVOICE: Service = Service {
    id: "0000-0000-0001",
    name: "Invoice",
};

const REGIONS: &[Region] = &[
    Region {
        location: "europe-west1",
        country: "BE",
        region: Some("europe-west1"),
    },
    Region {
        location: "us-central1",
        country: "US",
        region: Some("us-central1"),
    },
    Region {
        location: "eu",
        country: "",
        region: None,
    },
    Region {
        location: "global",
        country: "",
        region: None,
    },
];

/// Something metered: service, what the SKU says, unit, pricing unit, units in one pricing unit,
/// dollars for that, most units in an hour.
struct Meter {
    service: &'static Service,
    sku: &'static str,
    unit: &'static str,
    pricing_unit: &'static str,
    block: f64,
    price: f64,
    hourly: f64,
    zonal: bool,
}

const METERS: &[Meter] = &[
    Meter {
        service: &COMPUTE,
        sku: "N2 Instance Core running in Belgium",
        unit: "seconds",
        pricing_unit: "hour",
        block: 3600.0,
        price: 0.034773,
        hourly: 28_800.0,
        zonal: true,
    },
    Meter {
        service: &COMPUTE,
        sku: "Storage PD Capacity, \"standard\"",
        unit: "byte-seconds",
        pricing_unit: "gibibyte month",
        block: 2.8e15,
        price: 0.04,
        hourly: 3.8e15,
        zonal: true,
    },
    Meter {
        service: &COMPUTE,
        sku: "Static Ip Charge",
        unit: "seconds",
        pricing_unit: "hour",
        block: 3600.0,
        price: 0.01,
        hourly: 3600.0,
        zonal: false,
    },
    Meter {
        service: &STORAGE,
        sku: "Standard Storage Europe Multi-region",
        unit: "byte-seconds",
        pricing_unit: "gibibyte month",
        block: 2.8e15,
        price: 0.026,
        hourly: 9.1e15,
        zonal: false,
    },
    Meter {
        service: &BIGQUERY,
        sku: "Analysis (eu)",
        unit: "bytes",
        pricing_unit: "tebibyte",
        block: 1_099_511_627_776.0,
        price: 6.25,
        hourly: 2.2e12,
        zonal: false,
    },
    Meter {
        service: &LOGGING,
        sku: "Log Storage cost",
        unit: "bytes",
        pricing_unit: "gibibyte",
        block: 1_073_741_824.0,
        price: 0.5,
        hourly: 9.0e8,
        zonal: false,
    },
];

/// Every line of an invoice's month, in the order of export.
pub(super) fn lines(report: &Report, month: Month, restatement: u32) -> Vec<Line> {
    let estate = Estate {
        report,
        month,
        restatement,
    };
    let resources = (report.rows_per_month / month.days()).max(8);
    let mut lines: Vec<Line> = (0..resources).flat_map(|n| estate.usage(n)).collect();
    estate.others(&mut lines);
    lines.sort_by_key(|line| line.export);
    lines
}

struct Estate<'a> {
    report: &'a Report,
    month: Month,
    restatement: u32,
}

impl Estate<'_> {
    /// Midnight in California: eight hours behind, seven in summer.
    fn midnight(&self) -> i64 {
        let summer = (4..=10).contains(&self.month.month);
        self.month.start() + if summer { 7 } else { 8 } * HOUR
    }

    fn project(&self, n: usize) -> Project {
        let mut rng = Rng::new(self.report.seed, &[0x6C9, n as u64]);
        let name = ["checkout", "Données", "lab, shared"][n % 3];
        Project {
            id: format!(
                "example-{}-{}",
                ["checkout", "data", "lab"][n % 3],
                rng.hex(4)
            ),
            number: rng.word(b"123456789", 12),
            name: format!("{name} {n}"),
        }
    }

    fn line(&self, service: &'static Service, sku: &str, start: i64, hours: i64) -> Line {
        let path: Vec<u64> = sku.bytes().map(u64::from).collect();
        let code = Rng::new(0x6C, &path).word(b"0123456789ABCDEF", 12);
        let (a, b, c) = (&code[..4], &code[4..8], &code[8..]);
        let end = start + hours * HOUR;
        Line {
            service,
            sku: (format!("{a}-{b}-{c}"), sku.to_owned()),
            start: start * 1000,
            end: end * 1000,
            // Some hours later, at no round time.
            export: (end + 3 * HOUR + start.rem_euclid(977) * 1001) * 1000 + 199,
            project: None,
            labels: Vec::new(),
            system_labels: Vec::new(),
            region: None,
            zone: None,
            resource: None,
            cost: 0.0,
            list: 0.0,
            usage: None,
            credits: Vec::new(),
            invoice: format!("{:04}{:02}", self.month.year, self.month.month),
            cost_type: "regular",
            adjustment: false,
            seller: "Google",
        }
    }

    /// One resource's hour of every day; the latest of them are in the next month in UTC.
    fn usage(&self, n: usize) -> Vec<Line> {
        let mut rng = Rng::new(self.report.seed, &[0x6C5E, n as u64]);
        let meter = rng.pick(METERS);
        let region = match meter.zonal {
            true => &REGIONS[rng.below(2)],
            false => rng.pick(REGIONS),
        };
        let project = self.project(rng.below(self.report.accounts.len().min(6)));
        let zone = format!("{}-{}", region.location, rng.word(b"bcd", 1));
        let name = format!("{}-{n:03}", ["vm", "disk", "job"][n % 3]);
        let global = uuid(&mut rng);
        let labels = labels(&mut rng);
        let hour = rng.below(24) as i64;
        let month = self.month.ordinal() as u64;
        let mut rng = Rng::new(self.report.seed, &[0x6C5F, n as u64, month]);
        let recalculated = self.restatement > 0 && n % 23 == 5;
        let days = 0..self.month.days() as i64;
        days.map(|day| {
            let start = self.midnight() + day * DAY + hour * HOUR;
            let share = rng.unit() * if recalculated { 1.05 } else { 1.0 };
            let amount = (meter.hourly * share).floor();
            let priced = amount / meter.block;
            let list = round6(priced * meter.price);
            // Most amounts are to the millionth, some are not.
            let cost = if n % 5 == 2 {
                priced * meter.price
            } else {
                list
            };
            Line {
                project: Some(project.clone()),
                labels: labels.clone(),
                system_labels: system_labels(meter),
                region: Some(region),
                zone: meter.zonal.then(|| zone.clone()),
                resource: Some((
                    name.clone(),
                    format!("//compute.googleapis.com/{global}/{name}"),
                )),
                cost,
                list,
                usage: Some(Usage {
                    amount,
                    unit: meter.unit,
                    priced,
                    pricing_unit: meter.pricing_unit,
                    price: meter.price,
                }),
                credits: credits(meter, n, cost),
                ..self.line(meter.service, meter.sku, start, 1)
            }
        })
        .collect()
    }

    fn others(&self, lines: &mut Vec<Line>) {
        let first = self.midnight();
        let mut add = |line: Line| lines.push(line);
        for day in 0..self.month.days() as i64 {
            add(Line {
                project: Some(self.project(0)),
                region: Some(&REGIONS[0]),
                cost: 1.872,
                list: 1.872,
                ..self.line(
                    &COMPUTE,
                    "Commitment v1: N2 Cpu in Belgium for 1 Year",
                    first + day * DAY,
                    24,
                )
            });
        }
        // Used the month before, reported too late for its invoice.
        for n in 0..3 {
            let start = first - (3 - n) * HOUR;
            add(Line {
                project: Some(self.project(1)),
                region: Some(&REGIONS[1]),
                cost: 0.4127,
                list: 0.4127,
                ..self.line(&LOGGING, "Log Storage cost", start, 1)
            });
        }
        add(Line {
            project: Some(self.project(1)),
            cost: 120.0,
            list: 120.0,
            seller: "Example Vault GmbH",
            ..self.line(&PARTNER, "Example Vault, subscription", first, 24)
        });
        let last = first + (self.month.days() as i64 - 1) * DAY;
        for n in 0..=self.restatement {
            add(Line {
                project: Some(self.project(0)),
                cost: -2.31,
                adjustment: true,
                cost_type: "adjustment",
                ..self.line(
                    &COMPUTE,
                    "Adjustment for N2 Instance Core",
                    first - 5 * DAY + i64::from(n) * HOUR,
                    1,
                )
            });
        }
        add(Line {
            cost: 17.24,
            cost_type: "tax",
            ..self.line(&INVOICE, "Tax", last, 24)
        });
        add(Line {
            cost: -0.000013,
            cost_type: "rounding_error",
            ..self.line(&INVOICE, "Rounding error", last, 24)
        });
    }
}

fn round6(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}

fn labels(rng: &mut Rng) -> Vec<(String, String)> {
    let sets: &[&[(&str, &str)]] = &[
        &[("env", "prod"), ("team", "checkout")],
        &[("env", "dev"), ("cost_center", "cc-1001")],
        &[("team", "")],
        &[],
    ];
    let pairs = rng.pick(sets).iter();
    pairs
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

fn system_labels(meter: &Meter) -> Vec<(String, String)> {
    if meter.unit != "seconds" || !meter.zonal {
        return Vec::new();
    }
    vec![
        ("compute.googleapis.com/cores".to_owned(), "8".to_owned()),
        (
            "compute.googleapis.com/machine_spec".to_owned(),
            "n2-standard-8".to_owned(),
        ),
    ]
}

/// Credits of none, one or two kinds.
fn credits(meter: &Meter, n: usize, cost: f64) -> Vec<Credit> {
    let share = |part: f64| -round10(cost * part);
    let mut list = Vec::new();
    if meter.zonal && meter.unit == "seconds" {
        list.push(Credit {
            name: "Committed Usage Discount: CPU",
            amount: share(0.57),
            full_name: Some("Committed Usage Discount: CPU"),
            id: None,
            kind: "COMMITTED_USAGE_DISCOUNT",
        });
    }
    if n % 4 == 1 {
        list.push(Credit {
            name: "Example promotion",
            amount: share(0.1),
            full_name: None,
            id: Some("FreeTrial:Credit-01ABCD-234567"),
            kind: "PROMOTION",
        });
    }
    list.retain(|credit| credit.amount != 0.0);
    list
}

impl Line {
    pub(super) fn key(&self) -> Key {
        let project = self.project.as_ref();
        Key {
            account: project
                .map_or(BILLING_ACCOUNT, |project| &project.id)
                .to_owned(),
            service: self.service.name.to_owned(),
            line_item_type: self.cost_type.to_owned(),
            currency: "USD".to_owned(),
        }
    }
}
