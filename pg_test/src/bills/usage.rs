//! Plain usage: a resource, its meter, and what it costs on demand.

use super::catalog::{
    COST_CENTERS, ENVIRONMENTS, GLOBAL, INSTANCES, Instance, METERS, Meter, NOWHERE, RDS, REGIONS,
    Region, Resource, Scope, TEAMS,
};
use super::estate::Estate;
use super::rng::Rng;
use super::series::{Amount, Clock, Series, Sheet};

/// What remains to pay after the enterprise discount.
const NET: f64 = 0.97;

/// One resource's meter.
pub(super) struct Usage {
    number: usize,
    meter: &'static Meter,
    region: &'static Region,
    instance: &'static Instance,
    /// Index into the report's accounts.
    pub(super) account: usize,
    rate: f64,
    clock: Clock,
    amount: Amount,
    tags: Rng,
}

impl Usage {
    /// Resource `n` of the report; the same in every month but for what it used.
    pub(super) fn draw(estate: &Estate<'_>, n: usize) -> Self {
        let mut rng = estate.rng(&[0x05A6E, n as u64]);
        let meter = meter(rng.below(1000));
        let accounts = estate.report.accounts.len();
        // The smaller of two draws: a few accounts have most of the resources.
        let account = rng.below(accounts).min(rng.below(accounts));
        let region = region(meter, &mut rng);
        let instance = instance(estate, &mut rng);
        let on_demand = if meter.sized() {
            sized_rate(meter, instance)
        } else {
            meter.rate
        };
        Usage {
            number: n,
            meter,
            region,
            instance,
            account,
            rate: ten_decimals(on_demand * region.price),
            clock: clock(estate, &mut rng),
            amount: amount(estate, n, meter),
            tags: rng,
        }
    }

    /// What `lines` of it cost, about.
    pub(super) fn expected_cost(&self, lines: usize) -> f64 {
        let hourly = (self.amount.low + self.amount.high) / 2.0;
        hourly * self.rate * self.clock.hours() * lines as f64
    }

    pub(super) fn series(self, estate: &Estate<'_>, mut sheet: Sheet<'_>) -> Series {
        let account = estate.account(self.account).to_owned();
        sheet.texts(&[
            ("line_item_usage_account_id", account.as_str()),
            ("line_item_line_item_type", "Usage"),
        ]);
        self.product(&mut sheet);
        if self.meter.sized() && !self.meter.spot() {
            let prefix = if self.meter.service.code == RDS.code {
                "db."
            } else {
                ""
            };
            machine(&mut sheet, self.instance, prefix);
        }
        self.price(&mut sheet);
        let resource = self.resource_id(estate, &account);
        sheet.text("line_item_resource_id", resource);
        tag(
            &mut sheet,
            self.tags.clone(),
            self.number,
            self.meter.resource,
        );
        sheet.finish(estate.month, self.clock, self.amount)
    }

    fn product(&self, sheet: &mut Sheet<'_>) {
        let (meter, region) = (self.meter, self.region);
        let usage_type = self.usage_type();
        sheet.texts(&[
            ("line_item_product_code", meter.service.code),
            ("line_item_usage_type", &usage_type),
            ("line_item_operation", meter.operation),
            ("product_product_name", meter.service.name),
            ("product_region", region.code),
        ]);
        place(sheet, region, meter.resource, &mut self.tags.clone());
        sheet.text("product_sku", self.code(1, 16));
        if meter.spot() {
            // A spot line names its service nowhere but in product_product_name.
            return;
        }
        sheet.texts(&[
            ("product_servicename", meter.service.service_name),
            ("product_servicecode", meter.service.service_code),
            ("product_region_code", region.code),
            ("product_location", region.location),
            ("product_product_family", meter.family),
            ("product_usagetype", &usage_type),
            ("product_operation", meter.operation),
        ]);
        self.details(sheet);
    }

    /// The attributes only this kind of product has.
    fn details(&self, sheet: &mut Sheet<'_>) {
        let location = self.region.location;
        let cells: &[(&str, &str)] = match self.meter.usage_type {
            "EBS:VolumeUsage.gp3" => &[
                ("product_volume_type", "General Purpose"),
                ("product_volume_api_name", "gp3"),
                ("product_storage_media", "SSD-backed"),
                ("product_max_iopsvolume", "16000"),
                ("product_max_throughputvolume", "1000 MiB/s"),
                ("product_max_volume_size", "16 TiB"),
            ],
            "EBS:VolumeUsage.gp2" => &[
                ("product_volume_type", "General Purpose"),
                ("product_volume_api_name", "gp2"),
                ("product_storage_media", "SSD-backed"),
                (
                    "product_max_iops_burst_performance",
                    "3000 for volumes <= 1 TiB",
                ),
                ("product_max_iopsvolume", "16000"),
                ("product_max_throughputvolume", "250 MiB/s"),
                ("product_max_volume_size", "16 TiB"),
            ],
            "DataTransfer-Out-Bytes" => &[
                ("product_transfer_type", "AWS Outbound"),
                ("product_from_location", location),
                ("product_from_location_type", "AWS Region"),
                ("product_from_region_code", self.region.code),
                ("product_to_location", "External"),
                ("product_to_location_type", "Other"),
            ],
            "DataTransfer-Regional-Bytes" => &[
                ("product_transfer_type", "IntraRegion"),
                ("product_from_location", location),
                ("product_from_location_type", "AWS Region"),
                ("product_from_region_code", self.region.code),
                ("product_to_location", location),
                ("product_to_location_type", "AWS Region"),
                ("product_to_region_code", self.region.code),
            ],
            "TimedStorage-ByteHrs" => &[
                ("product_storage_class", "General Purpose"),
                ("product_volume_type", "Standard"),
                ("product_availability", "99.99%"),
                ("product_durability", "99.999999999%"),
            ],
            "Requests-Tier1" => &[
                ("product_group", "S3-API-Tier1"),
                (
                    "product_group_description",
                    "PUT/COPY/POST or LIST requests",
                ),
            ],
            "Requests-Tier2" => &[
                ("product_group", "S3-API-Tier2"),
                ("product_group_description", "GET and all other requests"),
            ],
            "Lambda-GB-Second" => &[
                ("product_group", "AWS-Lambda-Duration"),
                (
                    "product_group_description",
                    "Invocation duration weighted by memory, in GB-s",
                ),
            ],
            "InstanceUsage:" => &[
                ("product_database_engine", "PostgreSQL"),
                ("product_deployment_option", "Multi-AZ"),
                ("product_engine_code", "14"),
            ],
            _ => &[],
        };
        sheet.texts(cells);
    }

    fn price(&self, sheet: &mut Sheet<'_>) {
        let rate = format!("{:.10}", self.rate);
        sheet
            .per_use("line_item_unblended_cost", self.rate)
            .per_use("line_item_blended_cost", self.rate)
            .per_use("line_item_net_unblended_cost", self.rate * NET)
            .per_use("discount_edp_discount", self.rate * (NET - 1.0))
            .per_use("discount_total_discount", self.rate * (NET - 1.0))
            .text("pricing_rate_id", self.code_digits())
            .text("line_item_line_item_description", self.description());
        if self.meter.spot() {
            return;
        }
        sheet
            .per_use("pricing_public_on_demand_cost", self.rate)
            .text(
                "line_item_net_unblended_rate",
                format!("{:.10}", self.rate * NET),
            )
            .text(
                "pricing_rate_code",
                format!("{}.JRTCKXETXF.6YS6EN2CT7", self.code(1, 16)),
            )
            .texts(&[
                ("line_item_unblended_rate", rate.as_str()),
                ("line_item_blended_rate", rate.as_str()),
                ("pricing_public_on_demand_rate", rate.as_str()),
                ("pricing_currency", "USD"),
                ("pricing_term", "OnDemand"),
                ("pricing_unit", self.meter.unit),
            ]);
    }

    fn usage_type(&self) -> String {
        let (prefix, meter) = (self.region.prefix, self.meter);
        let database = if meter.service.code == RDS.code {
            "db."
        } else {
            ""
        };
        let size = if meter.sized() {
            self.instance.name
        } else {
            ""
        };
        let database = if meter.sized() { database } else { "" };
        format!("{prefix}{}{database}{size}", meter.usage_type)
    }

    fn description(&self) -> String {
        let (name, location) = (self.instance.name, self.region.location);
        if self.meter.spot() {
            format!("{name} Linux/UNIX Spot Instance-hour in {location} in VPC Zone #1")
        } else if self.meter.sized() {
            format!("${} per On Demand Linux {name} Instance Hour", self.rate)
        } else {
            format!(
                "${} per {} of {}",
                self.rate,
                self.meter.unit,
                self.usage_type()
            )
        }
    }

    /// A code of AWS's kind that belongs to the product, not to the resource.
    fn code(&self, salt: u64, len: usize) -> String {
        product_code(&self.usage_type(), salt, len)
    }

    fn code_digits(&self) -> String {
        product_rng(&self.usage_type(), 2).word(b"123456789", 9)
    }

    /// A tenth of the resources is replaced every month.
    fn resource_id(&self, estate: &Estate<'_>, account: &str) -> String {
        let n = self.number as u64;
        let replaced = estate.month_rng(&[0x2E, n]).chance(10);
        let mut rng = if replaced {
            estate.month_rng(&[0x1D5, n])
        } else {
            estate.rng(&[0x1D5, n])
        };
        resource_id(
            self.meter.resource,
            self.region.code,
            account,
            self.number,
            &mut rng,
        )
    }
}

/// The catalogue's meter at `draw` of 1000.
fn meter(draw: usize) -> &'static Meter {
    let mut left = draw;
    for meter in METERS {
        if left < meter.weight {
            return meter;
        }
        left -= meter.weight;
    }
    &METERS[0]
}

fn region(meter: &Meter, rng: &mut Rng) -> &'static Region {
    match meter.scope {
        Scope::Regional => &REGIONS[rng.below(REGIONS.len()).min(rng.below(REGIONS.len()))],
        Scope::Global => &GLOBAL,
        Scope::Nowhere => &NOWHERE,
    }
}

/// Small payers run small machines.
fn instance(estate: &Estate<'_>, rng: &mut Rng) -> &'static Instance {
    let sizes = INSTANCES.len() as f64 * estate.size();
    &INSTANCES[rng.below((sizes as usize).clamp(4, INSTANCES.len()))]
}

/// Spot is a third of on demand; a database twice the machine.
fn sized_rate(meter: &Meter, instance: &Instance) -> f64 {
    match meter.usage_type {
        "SpotUsage:" => instance.rate * 0.34,
        "InstanceUsage:" => instance.rate * 1.9,
        _ => instance.rate,
    }
}

/// Rates are decimals of ten places.
pub(super) fn ten_decimals(rate: f64) -> f64 {
    format!("{rate:.10}").parse().unwrap_or(rate)
}

/// In a bill by the day, some lines still cover one hour: small payers run half of their things
/// so.
fn clock(estate: &Estate<'_>, rng: &mut Rng) -> Clock {
    let hour = rng.below(24) as i64;
    let percent = if estate.size() < 0.5 { 55 } else { 25 };
    match (estate.hourly(), rng.chance(percent)) {
        (true, _) => Clock::Hourly,
        (false, true) => Clock::HourOfDay(hour),
        (false, false) => Clock::Daily,
    }
}

/// What is used differs by line, grows a little every month, and a restatement recalculates it
/// for one resource in 23.
fn amount(estate: &Estate<'_>, n: usize, meter: &Meter) -> Amount {
    let (low, high) = meter.hourly;
    let seed = estate.month_rng(&[0xA, n as u64]).next();
    if low == high {
        return Amount { low, high, seed };
    }
    let restatement = estate.restatement as usize;
    let recalculated = restatement > 0 && (n + restatement) % 23 == 5;
    let growth = 1.0 + 0.03 * f64::from(estate.age().max(0));
    let scale = estate.size() * growth * if recalculated { 1.05 } else { 1.0 };
    Amount {
        low: low * scale,
        high: high * scale,
        seed,
    }
}

/// Where it runs: only things in a zone have one.
pub(super) fn place(sheet: &mut Sheet<'_>, region: &Region, resource: Resource, rng: &mut Rng) {
    if region.prefix.is_empty() && region.code != "us-east-1" {
        return;
    }
    sheet.text("product_location_type", "AWS Region");
    if matches!(
        resource,
        Resource::Instance | Resource::Volume | Resource::Database
    ) {
        let zone = format!("{}{}", region.code, rng.word(b"abc", 1));
        sheet.text("line_item_availability_zone", zone);
    }
}

/// The attributes of a machine's size.
pub(super) fn machine(sheet: &mut Sheet<'_>, instance: &Instance, prefix: &str) {
    let factor = instance.factor.to_string();
    sheet
        .fixed("line_item_normalization_factor", instance.factor)
        .per_use("line_item_normalized_usage_amount", instance.factor)
        .text(
            "product_instance_type",
            format!("{prefix}{}", instance.name),
        )
        .texts(&[
            ("product_availability_zone", "NA"),
            ("product_capacitystatus", "Used"),
            ("product_category", "Compute"),
            ("product_classicnetworkingsupport", "false"),
            ("product_clock_speed", "3.1 GHz"),
            ("product_compute_family", instance.group()),
            ("product_current_generation", "Yes"),
            ("product_dedicated_ebs_throughput", "Up to 2120 Mbps"),
            ("product_ecu", "Variable"),
            ("product_enhanced_networking_supported", "Yes"),
            ("product_gpu_memory", "NA"),
            ("product_instance_family", instance.group()),
            ("product_instance_type_family", instance.family()),
            ("product_intel_avx2_available", "Yes"),
            ("product_intel_avx_available", "Yes"),
            ("product_intel_turbo_available", "Yes"),
            ("product_license_model", "No License required"),
            ("product_marketoption", "OnDemand"),
            ("product_memory", instance.memory),
            ("product_network_performance", instance.network),
            ("product_normalization_size_factor", &factor),
            ("product_operating_system", "Linux"),
            ("product_physical_processor", instance.processor),
            ("product_pre_installed_sw", "NA"),
            ("product_processor_architecture", "64-bit"),
            (
                "product_processor_features",
                "AVX; AVX2; Intel AVX; Intel AVX2; Intel Turbo",
            ),
            ("product_storage", "EBS only"),
            ("product_tenancy", "Shared"),
            ("product_vcpu", instance.vcpu),
            ("product_vpcnetworkingsupport", "true"),
        ]);
}

/// Tags; a quarter of the resources has none.
pub(super) fn tag(sheet: &mut Sheet<'_>, mut rng: Rng, n: usize, resource: Resource) {
    if resource == Resource::Nothing || rng.chance(25) {
        return;
    }
    let team = *rng.pick(TEAMS);
    let env = *rng.pick(ENVIRONMENTS);
    let center = *rng.pick(COST_CENTERS);
    sheet.texts(&[
        ("resource_tags_user_team", team),
        ("resource_tags_user_env", env),
        ("cost_category_cost_center", center),
        (
            "cost_category_business_unit",
            if env == "prod" { "Retail" } else { "" },
        ),
        (
            "resource_tags_user_projet",
            if rng.chance(30) {
                "Rénovation «été»"
            } else {
                ""
            },
        ),
        (
            "resource_tags_user_backup",
            if resource == Resource::Volume {
                "daily"
            } else {
                ""
            },
        ),
        (
            "resource_tags_user_owner_i_d",
            if rng.chance(20) { "o'hara" } else { "" },
        ),
    ]);
    sheet
        .text(
            "resource_tags_user_name",
            format!("{resource:?}-{n:04}").to_lowercase(),
        )
        .text(
            "resource_tags_aws_created_by",
            format!("AssumedRole:AROA{}:deploy", rng.hex(12)),
        );
    if rng.chance(40) {
        let stack = format!(
            "{}-stack-{}",
            if env.is_empty() { "old" } else { env },
            n % 40
        );
        sheet.text("resource_tags_aws_cloudformation_stack_name", stack);
    }
}

/// A resource's name in the form its service uses: an id, an ARN or a bucket's name.
pub(super) fn resource_id(
    resource: Resource,
    region: &str,
    account: &str,
    n: usize,
    rng: &mut Rng,
) -> String {
    match resource {
        Resource::Nothing => String::new(),
        Resource::Instance => format!("i-{}", rng.hex(17)),
        Resource::Volume => format!("vol-{}", rng.hex(17)),
        Resource::Address => {
            format!(
                "arn:aws:ec2:{region}:{account}:elastic-ip/eipalloc-{}",
                rng.hex(17)
            )
        }
        Resource::Snapshot => {
            format!(
                "arn:aws:ec2:{region}:{account}:snapshot/snap-{}",
                rng.hex(17)
            )
        }
        Resource::Bucket => format!("{}-assets-{}", ["web", "log", "lake"][n % 3], rng.hex(6)),
        Resource::Database => {
            format!("arn:aws:rds:{region}:{account}:db:orders-{}", rng.hex(4))
        }
        Resource::Function => {
            format!(
                "arn:aws:lambda:{region}:{account}:function:job-{}",
                rng.hex(6)
            )
        }
        Resource::NatGateway => {
            format!(
                "arn:aws:ec2:{region}:{account}:natgateway/nat-{}",
                rng.hex(17)
            )
        }
        Resource::LoadBalancer => format!(
            "arn:aws:elasticloadbalancing:{region}:{account}:loadbalancer/app/web/{}",
            rng.hex(16)
        ),
        Resource::Job => format!("arn:aws:glue:{region}:{account}:job/etl-{}", rng.hex(4)),
    }
}

/// A generator that depends on the product alone.
fn product_rng(usage_type: &str, salt: u64) -> Rng {
    let path: Vec<u64> = usage_type.bytes().map(u64::from).collect();
    Rng::new(salt, &path)
}

pub(super) fn product_code(usage_type: &str, salt: u64, len: usize) -> String {
    product_rng(usage_type, salt).word(b"ABCDEFGHJKMNPQRSTUVWXYZ23456789", len)
}
