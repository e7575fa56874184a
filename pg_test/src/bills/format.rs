//! In which of the clouds' formats a sample bill is written.

/// What a data set is: which columns, under which names, and where its files lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BillFormat {
    /// AWS's legacy Cost and Usage Report.
    Cur,
    /// AWS Data Exports, `COST_AND_USAGE_REPORT`: a fixed schema with maps.
    Cur2,
    /// AWS Data Exports, `FOCUS_1_0_AWS` or `FOCUS_1_2_AWS`.
    AwsFocus(FocusVersion),
    /// The same files in folders of somebody's own making, without a manifest.
    Focus(FocusVersion),
    /// Azure Cost Management, actual costs: purchases when they were made.
    AzureActual(AzureDialect),
    /// Azure Cost Management, amortized costs: purchases spread over what they covered.
    AzureAmortized(AzureDialect),
    /// Azure Cost Management, FOCUS 1.2-preview.
    AzureFocus,
    /// Google's billing export, landed from BigQuery.
    Gcp(GcpExport),
}

/// A version of FOCUS that AWS exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FocusVersion {
    /// 48 columns.
    V1_0,
    /// 60 columns.
    V1_2,
}

/// Whose column names an Azure export has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AzureDialect {
    /// Enterprise Agreement: `CostInBillingCurrency`.
    Ea,
    /// The same with shorter names for some: `Cost`.
    EaShort,
    /// Microsoft Customer Agreement: `costInBillingCurrency`, and prices in a second currency.
    Mca,
}

/// Which of Google's two tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GcpExport {
    /// `gcp_billing_export_v1_…`.
    Standard,
    /// `gcp_billing_export_resource_v1_…`: resources and prices besides.
    Detailed,
}

/// How a data file is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// As the provider's own Parquet.
    Parquet,
    /// As text.
    Csv(CsvStyle),
}

/// How CSV looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CsvStyle {
    /// How a legacy AWS report spells its header.
    pub headers: Headers,
    /// How a file is packed.
    pub packing: Packing,
    /// A byte order mark before the header, in every file.
    pub bom: bool,
    /// Lines end in CR LF.
    pub crlf: bool,
    /// Descriptions have a line break in them.
    pub line_breaks: bool,
    /// What stands for nothing, unquoted; texts are quoted then, as in FOCUS's own sample.
    pub null: &'static str,
}

impl CsvStyle {
    /// The plainest there is.
    pub const PLAIN: CsvStyle = CsvStyle {
        headers: Headers::Slash,
        packing: Packing::Plain,
        bom: false,
        crlf: false,
        line_breaks: false,
        null: "",
    };

    /// As AWS writes it.
    pub const GZIP: CsvStyle = CsvStyle {
        packing: Packing::Gzip,
        ..CsvStyle::PLAIN
    };

    /// As FOCUS's own sample is written.
    pub const FOCUS: CsvStyle = CsvStyle {
        null: "NULL",
        ..CsvStyle::PLAIN
    };

    /// As Azure writes it.
    pub const AZURE: CsvStyle = CsvStyle {
        bom: true,
        crlf: true,
        ..CsvStyle::PLAIN
    };
}

/// Spellings of a legacy report's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Headers {
    /// `lineItem/UnblendedCost`, AWS's.
    Slash,
    /// `line_item_unblended_cost`, as in Parquet.
    Snake,
    /// `lineitem_unblendedcost`, as third parties write it.
    Squeezed,
}

/// What is around the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Packing {
    /// Nothing.
    Plain,
    /// One gzip member.
    Gzip,
    /// Many gzip members, one behind the other, cut anywhere.
    GzipMembers,
    /// A zip archive with one entry, whose sizes come behind it.
    Zip,
}

impl Packing {
    /// What a file's name ends in, with the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Packing::Plain => ".csv",
            Packing::Gzip | Packing::GzipMembers => ".csv.gz",
            Packing::Zip => ".csv.zip",
        }
    }
}

/// How the files of a month are delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Where a delivery goes when there was one before.
    pub versioning: Versioning,
    /// Whether there is a manifest. Without one Azure's layout is the older one.
    pub manifest: bool,
    /// Two chunks more that the manifest names: one with a header only, one of no bytes. In Parquet
    /// one without rows.
    pub empty_chunks: bool,
    /// Chunks of an older, longer delivery that the manifest does not name: the first has rows, the
    /// second a header only, the third no bytes, and so on.
    pub leftovers: usize,
    /// Azure's older runs that stay beside this one, each with the month up to some day.
    pub older_runs: usize,
}

impl Delivery {
    /// In place, with a manifest and nothing odd.
    pub const PLAIN: Delivery = Delivery {
        versioning: Versioning::Overwrite,
        manifest: true,
        empty_chunks: false,
        leftovers: 0,
        older_runs: 0,
    };
}

/// Where a delivery goes when there was one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versioning {
    /// In its place.
    Overwrite,
    /// Into a folder of its own.
    CreateNew,
}

impl BillFormat {
    /// What `cost_discover` calls it.
    pub fn discovered_as(self, encoding: Encoding) -> &'static str {
        match (self, encoding) {
            (BillFormat::Cur, Encoding::Parquet) => "aws-cur-parquet",
            (BillFormat::Cur, Encoding::Csv(_)) => "aws-cur-csv",
            (BillFormat::Cur2, _) => "aws-cur2",
            (BillFormat::AwsFocus(_), _) => "aws-focus",
            (BillFormat::Focus(_), _) => "focus",
            (BillFormat::AzureActual(_), _) => "azure-actual",
            (BillFormat::AzureAmortized(_), _) => "azure-amortized",
            (BillFormat::AzureFocus, _) => "azure-focus",
            (BillFormat::Gcp(_), _) => "gcp-billing",
        }
    }
}
