//! One report in every format and odd spelling there is, for tests that go through all of them.

use super::format::{
    AzureDialect, BillFormat, CsvStyle, Delivery, Encoding, FocusVersion, GcpExport, Headers,
    Packing, Versioning,
};
use super::{Report, Width};

/// A report in some format.
#[derive(Clone, Debug)]
pub struct Sample {
    /// What is special about it, in words joined by `-`: a name for a bucket, too.
    pub name: &'static str,
    /// The report.
    pub report: Report,
}

/// The same small bill in every format of AWS's, of Azure's and of Google's.
pub fn samples() -> Vec<Sample> {
    let mut list = aws();
    list.extend(azure());
    list.extend(gcp());
    list
}

const NEW: Delivery = Delivery {
    versioning: Versioning::CreateNew,
    ..Delivery::PLAIN
};

/// The bill all of AWS's samples show.
fn aws_report() -> Report {
    Report {
        rows_per_month: 1_600,
        rows_per_file: 700,
        columns: Width::Wide,
        months: 2,
        split_costs: true,
        ..Report::press()
    }
}

fn aws() -> Vec<Sample> {
    use BillFormat::{AwsFocus, Cur, Cur2, Focus};
    use FocusVersion::{V1_0, V1_2};
    let sample =
        |name, format, encoding, delivery| aws_report().sample(name, format, encoding, delivery);
    let csv = Encoding::Csv(CsvStyle::GZIP);
    let style = |style: CsvStyle| Encoding::Csv(style);
    let odd = Delivery {
        empty_chunks: true,
        leftovers: 3,
        ..Delivery::PLAIN
    };
    let bare = Delivery {
        manifest: false,
        ..Delivery::PLAIN
    };
    let hostile = CsvStyle {
        packing: Packing::GzipMembers,
        bom: true,
        crlf: true,
        line_breaks: true,
        ..CsvStyle::PLAIN
    };
    let spelled = |headers, packing| {
        style(CsvStyle {
            headers,
            packing,
            ..CsvStyle::PLAIN
        })
    };
    vec![
        sample("cur-parquet", Cur, Encoding::Parquet, Delivery::PLAIN),
        sample("cur-csv", Cur, csv, Delivery::PLAIN),
        sample("cur-csv-new", Cur, csv, NEW),
        sample(
            "cur-csv-zip-new",
            Cur,
            spelled(Headers::Slash, Packing::Zip),
            NEW,
        ),
        sample("cur-csv-odd", Cur, style(hostile), odd),
        sample(
            "cur-csv-snake",
            Cur,
            spelled(Headers::Snake, Packing::Zip),
            Delivery::PLAIN,
        ),
        sample(
            "cur-csv-squeezed",
            Cur,
            spelled(Headers::Squeezed, Packing::Gzip),
            Delivery::PLAIN,
        ),
        sample(
            "cur-csv-bare",
            Cur,
            spelled(Headers::Slash, Packing::Gzip),
            bare,
        ),
        sample("cur2-parquet", Cur2, Encoding::Parquet, Delivery::PLAIN),
        sample("cur2-parquet-new", Cur2, Encoding::Parquet, NEW),
        sample("cur2-parquet-odd", Cur2, Encoding::Parquet, odd),
        sample("cur2-csv", Cur2, csv, Delivery::PLAIN),
        sample("cur2-csv-new", Cur2, csv, NEW),
        sample(
            "focus10-parquet",
            AwsFocus(V1_0),
            Encoding::Parquet,
            Delivery::PLAIN,
        ),
        sample(
            "focus12-parquet",
            AwsFocus(V1_2),
            Encoding::Parquet,
            Delivery::PLAIN,
        ),
        sample(
            "focus12-parquet-new",
            AwsFocus(V1_2),
            Encoding::Parquet,
            NEW,
        ),
        sample("focus10-csv", AwsFocus(V1_0), csv, Delivery::PLAIN),
        sample("focus12-csv-new", AwsFocus(V1_2), csv, NEW),
        sample(
            "focus-plain-parquet",
            Focus(V1_2),
            Encoding::Parquet,
            Delivery::PLAIN,
        ),
        sample(
            "focus-plain-csv",
            Focus(V1_0),
            Encoding::Csv(CsvStyle::FOCUS),
            Delivery::PLAIN,
        ),
    ]
}

fn azure() -> Vec<Sample> {
    use AzureDialect::{Ea, EaShort, Mca};
    use BillFormat::{AzureActual, AzureAmortized, AzureFocus};
    let runs = Delivery {
        older_runs: 2,
        ..NEW
    };
    let single = Delivery {
        manifest: false,
        ..Delivery::PLAIN
    };
    let sample =
        |name, format, encoding, delivery| Report::azure().sample(name, format, encoding, delivery);
    let csv = Encoding::Csv(CsvStyle::AZURE);
    let gzip = Encoding::Csv(CsvStyle {
        packing: Packing::Gzip,
        ..CsvStyle::AZURE
    });
    let whole = |mut sample: Sample| {
        sample.report.rows_per_file = 1_000_000;
        sample
    };
    vec![
        sample("azure-actual-ea", AzureActual(Ea), csv, runs),
        sample(
            "azure-actual-ea-short",
            AzureActual(EaShort),
            gzip,
            Delivery::PLAIN,
        ),
        sample("azure-actual-mca", AzureActual(Mca), csv, runs),
        sample(
            "azure-actual-parquet",
            AzureActual(Ea),
            Encoding::Parquet,
            runs,
        ),
        whole(sample("azure-actual-single", AzureActual(Ea), csv, single)),
        sample("azure-amortized-ea", AzureAmortized(Ea), csv, runs),
        sample("azure-amortized-mca", AzureAmortized(Mca), gzip, runs),
        sample("azure-focus-csv", AzureFocus, csv, runs),
        sample("azure-focus-parquet", AzureFocus, Encoding::Parquet, runs),
    ]
}

fn gcp() -> Vec<Sample> {
    let sample = |name, export, encoding| {
        Report::gcp().sample(name, BillFormat::Gcp(export), encoding, Delivery::PLAIN)
    };
    vec![
        sample(
            "gcp-standard-parquet",
            GcpExport::Standard,
            Encoding::Parquet,
        ),
        sample(
            "gcp-detailed-parquet",
            GcpExport::Detailed,
            Encoding::Parquet,
        ),
        sample(
            "gcp-detailed-csv",
            GcpExport::Detailed,
            Encoding::Csv(CsvStyle::PLAIN),
        ),
    ]
}

impl Report {
    fn sample(
        self,
        name: &'static str,
        format: BillFormat,
        encoding: Encoding,
        delivery: Delivery,
    ) -> Sample {
        let report = Report {
            format,
            encoding,
            delivery,
            ..self
        };
        Sample { name, report }
    }

    /// An Azure enrolment's export of actual costs.
    pub fn azure() -> Report {
        Report {
            name: "daily-costs".to_owned(),
            prefix: "exports/azure".to_owned(),
            seed: 0xA2_0BE,
            rows_per_month: 900,
            rows_per_file: 400,
            months: 2,
            format: BillFormat::AzureActual(AzureDialect::Ea),
            encoding: Encoding::Csv(CsvStyle::AZURE),
            ..Report::press()
        }
    }

    /// A Google billing account's detailed export.
    pub fn gcp() -> Report {
        Report {
            name: "billing".to_owned(),
            prefix: "gcp".to_owned(),
            seed: 0x6C9,
            rows_per_month: 900,
            rows_per_file: 400,
            months: 2,
            format: BillFormat::Gcp(GcpExport::Detailed),
            ..Report::press()
        }
    }
}
