//! What can be bought: regions, instance types and metered services, with AWS's spellings and
//! about AWS's prices.

/// A place to run things.
#[derive(Debug)]
pub(super) struct Region {
    pub(super) code: &'static str,
    pub(super) location: &'static str,
    /// What usage types start with; nothing in us-east-1.
    pub(super) prefix: &'static str,
    /// Price relative to us-east-1.
    pub(super) price: f64,
}

const fn region(
    code: &'static str,
    location: &'static str,
    prefix: &'static str,
    price: f64,
) -> Region {
    Region {
        code,
        location,
        prefix,
        price,
    }
}

pub(super) const REGIONS: &[Region] = &[
    region("us-east-1", "US East (N. Virginia)", "", 1.0),
    region("eu-west-2", "EU (London)", "EUW2-", 1.13),
    region("eu-west-1", "EU (Ireland)", "EU-", 1.08),
    region("us-west-2", "US West (Oregon)", "USW2-", 1.0),
    region("ca-central-1", "Canada (Central)", "CAN1-", 1.11),
    region("ap-northeast-1", "Asia Pacific (Tokyo)", "APN1-", 1.29),
];

/// Route 53 and the like have the literal region `global`.
pub(super) const GLOBAL: Region = region("global", "Any", "", 1.0);

/// Some services' lines have no region at all.
pub(super) const NOWHERE: Region = region("", "", "", 1.0);

/// A size of virtual machine, for EC2 and (with `db.` before it) for RDS.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) name: &'static str,
    pub(super) vcpu: &'static str,
    pub(super) memory: &'static str,
    pub(super) processor: &'static str,
    pub(super) network: &'static str,
    /// Normalized units: a small is 1.
    pub(super) factor: f64,
    /// On-demand dollars an hour.
    pub(super) rate: f64,
}

impl Instance {
    /// `m5` of `m5.xlarge`.
    pub(super) fn family(&self) -> &'static str {
        self.name.split('.').next().unwrap_or(self.name)
    }

    /// AWS's words for the family.
    pub(super) fn group(&self) -> &'static str {
        match self.name.as_bytes()[0] {
            b'c' => "Compute optimized",
            b'r' => "Memory optimized",
            _ => "General purpose",
        }
    }
}

const fn instance(
    name: &'static str,
    vcpu: &'static str,
    memory: &'static str,
    processor: &'static str,
    factor: f64,
    rate: f64,
) -> Instance {
    Instance {
        name,
        vcpu,
        memory,
        processor,
        network: "Up to 10 Gigabit",
        factor,
        rate,
    }
}

const SKYLAKE: &str = "Intel Xeon Platinum 8175 (Skylake)";
const BURST: &str = "Intel Skylake E5 2686 v5";
const GRAVITON: &str = "AWS Graviton3 Processor";

/// From small to large: small bills take from the front.
pub(super) const INSTANCES: &[Instance] = &[
    instance("t3.micro", "2", "1 GiB", BURST, 0.5, 0.0104),
    instance("t2.micro", "1", "1 GiB", "Intel Xeon Family", 0.5, 0.0116),
    instance("t3.small", "2", "2 GiB", BURST, 1.0, 0.0208),
    instance("t3.medium", "2", "4 GiB", BURST, 2.0, 0.0416),
    instance("c7g.large", "2", "4 GiB", GRAVITON, 4.0, 0.0725),
    instance("m5.large", "2", "8 GiB", SKYLAKE, 4.0, 0.096),
    instance("r5.large", "2", "16 GiB", SKYLAKE, 4.0, 0.126),
    instance("m5.xlarge", "4", "16 GiB", SKYLAKE, 8.0, 0.192),
    instance(
        "c5.2xlarge",
        "8",
        "16 GiB",
        "Intel Xeon Platinum 8124M",
        16.0,
        0.34,
    ),
    instance("m5.4xlarge", "16", "64 GiB", SKYLAKE, 32.0, 0.768),
    instance("r5.8xlarge", "32", "256 GiB", SKYLAKE, 64.0, 2.016),
    instance("m5.12xlarge", "48", "192 GiB", SKYLAKE, 96.0, 2.304),
];

/// How a line names the thing it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Resource {
    Nothing,
    Instance,
    Volume,
    Snapshot,
    Bucket,
    Database,
    Function,
    NatGateway,
    LoadBalancer,
    Address,
    Job,
}

/// A service as its lines name it.
#[derive(Debug)]
pub(super) struct Service {
    /// `line_item_product_code`.
    pub(super) code: &'static str,
    /// `product_product_name`.
    pub(super) name: &'static str,
    /// `product_servicename`: for transfer not the same as the name, for Spot nothing.
    pub(super) service_name: &'static str,
    /// `product_servicecode`.
    pub(super) service_code: &'static str,
}

const fn service(code: &'static str, name: &'static str) -> Service {
    Service {
        code,
        name,
        service_name: name,
        service_code: code,
    }
}

pub(super) const EC2: Service = service("AmazonEC2", "Amazon Elastic Compute Cloud");
const SPOT: Service = Service {
    code: "AmazonEC2",
    name: EC2.name,
    service_name: "",
    service_code: "",
};
const TRANSFER: Service = Service {
    code: "AmazonEC2",
    name: EC2.name,
    service_name: "AWS Data Transfer",
    service_code: "AWSDataTransfer",
};
const S3: Service = service("AmazonS3", "Amazon Simple Storage Service");
pub(super) const RDS: Service = service("AmazonRDS", "Amazon Relational Database Service");
const LAMBDA: Service = service("AWSLambda", "AWS Lambda");
const CLOUDWATCH: Service = service("AmazonCloudWatch", "AmazonCloudWatch");
const GLUE: Service = service("AWSGlue", "AWS Glue");
const DNS: Service = service("AmazonRoute53", "Amazon Route 53");
const EXPLORER: Service = service("AWSCostExplorer", "AWS Cost Explorer");
const LOAD_BALANCER: Service = service("AWSELB", "Elastic Load Balancing");
const KEYS: Service = service("awskms", "AWS Key Management Service");

/// Where a meter's lines lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scope {
    Regional,
    Global,
    Nowhere,
}

/// Something metered.
#[derive(Debug)]
pub(super) struct Meter {
    pub(super) service: &'static Service,
    /// Without the region's prefix; instance meters have the size put behind it.
    pub(super) usage_type: &'static str,
    pub(super) operation: &'static str,
    pub(super) family: &'static str,
    pub(super) unit: &'static str,
    pub(super) rate: f64,
    /// Least and most used in an hour; equal means always that much.
    pub(super) hourly: (f64, f64),
    pub(super) resource: Resource,
    pub(super) scope: Scope,
    /// How many of 1000 resources have this meter.
    pub(super) weight: usize,
}

impl Meter {
    /// Instance meters take their price from the size.
    pub(super) fn sized(&self) -> bool {
        self.usage_type.ends_with(':') && self.unit != "GB-Mo"
    }

    pub(super) fn spot(&self) -> bool {
        self.usage_type == "SpotUsage:"
    }
}

macro_rules! meters {
    ($($service:ident $usage:literal $operation:literal $family:literal $unit:literal
       $rate:literal $low:literal..$high:literal $resource:ident $scope:ident $weight:literal;)*) => {
        &[$(Meter {
            service: &$service,
            usage_type: $usage,
            operation: $operation,
            family: $family,
            unit: $unit,
            rate: $rate,
            hourly: ($low, $high),
            resource: Resource::$resource,
            scope: Scope::$scope,
            weight: $weight,
        }),*]
    };
}

/// The catalogue; the weights add up to 1000.
pub(super) const METERS: &[Meter] = meters! {
    EC2 "BoxUsage:" "RunInstances" "Compute Instance" "Hrs" 0.0 1.0..1.0 Instance Regional 200;
    SPOT "SpotUsage:" "RunInstances:SV001" "" "" 0.0 1.0..1.0 Instance Regional 50;
    EC2 "EBS:VolumeUsage.gp3" "CreateVolume-Gp3" "Storage" "GB-Mo" 0.08 0.02..1.4 Volume Regional 90;
    EC2 "EBS:VolumeUsage.gp2" "CreateVolume-Gp2" "Storage" "GB-Mo" 0.1 0.01..0.9 Volume Regional 40;
    EC2 "EBS:SnapshotUsage" "CreateSnapshot" "Storage Snapshot" "GB-Mo" 0.05 0.01..0.6 Snapshot Regional 30;
    EC2 "NatGateway-Hours" "NatGateway" "NAT Gateway" "Hrs" 0.045 1.0..1.0 NatGateway Regional 30;
    EC2 "NatGateway-Bytes" "NatGateway" "NAT Gateway" "GB" 0.045 0.05..9.0 NatGateway Regional 30;
    EC2 "ElasticIP:IdleAddress" "AssociateAddress" "IP Address" "Hrs" 0.005 1.0..1.0 Address Regional 20;
    TRANSFER "DataTransfer-Out-Bytes" "RunInstances" "Data Transfer" "GB" 0.09 0.001..3.0 Instance Regional 50;
    TRANSFER "DataTransfer-Regional-Bytes" "InterZone-In" "Data Transfer" "GB" 0.01 0.001..6.0 Instance Regional 40;
    S3 "TimedStorage-ByteHrs" "StandardStorage" "Storage" "GB-Mo" 0.023 0.001..4.0 Bucket Regional 60;
    S3 "Requests-Tier1" "PutObject" "API Request" "Requests" 0.000005 1.0..20000.0 Bucket Regional 45;
    S3 "Requests-Tier2" "GetObject" "API Request" "Requests" 0.0000004 1.0..90000.0 Bucket Regional 45;
    RDS "InstanceUsage:" "CreateDBInstance:0014" "Database Instance" "Hrs" 0.0 1.0..1.0 Database Regional 60;
    RDS "RDS:GP2-Storage" "CreateDBInstance:0014" "Database Storage" "GB-Mo" 0.115 0.03..0.7 Database Regional 40;
    LAMBDA "Lambda-GB-Second" "Invoke" "Serverless" "Lambda-GB-Second" 0.0000166667 5.0..20000.0 Function Regional 40;
    LAMBDA "Request" "Invoke" "Serverless" "Requests" 0.0000002 10.0..60000.0 Function Regional 40;
    CLOUDWATCH "CW:MetricMonitorUsage" "MetricStorage" "Metric" "Metrics" 0.3 0.002..0.2 Nothing Regional 20;
    CLOUDWATCH "CW:Requests" "GetMetricData" "API Request" "Metrics" 0.00001 1.0..9000.0 Nothing Regional 15;
    CLOUDWATCH "DataProcessing-Bytes" "PutLogEvents" "Data Payload" "GB" 0.5 0.0001..0.5 Nothing Regional 15;
    GLUE "ETL-DPU-Hour" "Jobrun" "AWS Glue" "DPU-Hour" 0.44 0.05..1.5 Job Regional 10;
    LOAD_BALANCER "LoadBalancerUsage" "LoadBalancing:Application" "Load Balancer-Application" "Hrs" 0.0225 1.0..1.0 LoadBalancer Regional 15;
    DNS "DNS-Queries" "A" "DNS Query" "Queries" 0.0000004 5.0..90000.0 Nothing Global 6;
    KEYS "KMS-Requests" "Decrypt" "API Request" "Requests" 0.000003 1.0..5000.0 Nothing Regional 6;
    EXPLORER "USE1-APIRequest" "GetCostAndUsage" "" "Requests" 0.01 0.04..0.4 Nothing Nowhere 3;
};

/// Who pays for a thing; `''` is an untagged thing.
pub(super) const TEAMS: &[&str] = &[
    "platform",
    "data",
    "checkout",
    "Équipe Coûts",
    "R&D \"blue\" 'sky'",
    "分析チーム",
    "søk, og mer",
    "",
];

pub(super) const ENVIRONMENTS: &[&str] = &["prod", "prod", "prod", "staging", "dev", ""];

pub(super) const COST_CENTERS: &[&str] = &["CC-1001", "CC-1002", "CC-2040", "Köln 7", ""];
