//! Formats: what an export is, as users see it.

use crate::{Dialect, Export, FileKind, Layout, Manifest};

/// What an export is: its layout, and the words its columns are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// AWS's legacy Cost and Usage Report in Parquet.
    AwsCurParquet,
    /// AWS's legacy Cost and Usage Report in CSV.
    AwsCurCsv,
    /// AWS Data Exports: CUR 2.0.
    AwsCur2,
    /// AWS Data Exports: FOCUS.
    AwsFocus,
    /// AWS Data Exports: another table, such as recommendations.
    AwsDataExport,
    /// Azure: actual costs.
    AzureActual,
    /// Azure: amortized costs. Never to be added to actual ones, for they are the same charges.
    AzureAmortized,
    /// Azure: FOCUS.
    AzureFocus,
    /// Azure: another table, such as a price sheet.
    AzureExport,
    /// Google's billing export.
    GcpBilling,
    /// FOCUS, from elsewhere than AWS or Azure.
    Focus,
    /// Parquet files of any other table.
    Parquet,
    /// CSV files of any other table.
    Csv,
}

impl Format {
    /// The name users see.
    pub fn name(self) -> &'static str {
        match self {
            Self::AwsCurParquet => "aws-cur-parquet",
            Self::AwsCurCsv => "aws-cur-csv",
            Self::AwsCur2 => "aws-cur2",
            Self::AwsFocus => "aws-focus",
            Self::AwsDataExport => "aws-data-export",
            Self::AzureActual => "azure-actual",
            Self::AzureAmortized => "azure-amortized",
            Self::AzureFocus => "azure-focus",
            Self::AzureExport => "azure-export",
            Self::GcpBilling => "gcp-billing",
            Self::Focus => "focus",
            Self::Parquet => "parquet",
            Self::Csv => "csv",
        }
    }

    /// What the paths alone suggest.
    pub(crate) fn of_path(layout: Layout, name: &str, kind: Option<FileKind>) -> Self {
        let is_csv = matches!(kind, Some(FileKind::Csv { .. }));
        match layout {
            Layout::AwsCurAthena => Self::AwsCurParquet,
            Layout::AwsCur if is_csv => Self::AwsCurCsv,
            Layout::AwsCur => Self::AwsCurParquet,
            Layout::AwsDataExport => Self::AwsDataExport,
            Layout::Azure => Self::of_azure(name),
            Layout::Months if is_csv => Self::Csv,
            Layout::Months => Self::Parquet,
        }
    }

    fn of_azure(name: &str) -> Self {
        if says_amortized(name) {
            Self::AzureAmortized
        } else if name.to_ascii_lowercase().contains("focus") {
            Self::AzureFocus
        } else {
            Self::AzureActual
        }
    }

    /// What Azure's manifests call a dataset (Cost Management REST API, `ExportType`; `Usage` is
    /// the oldest name of actual costs).
    fn of_dataset(dataset: &str) -> Self {
        match dataset.to_ascii_lowercase().as_str() {
            "actualcost" | "usage" => Self::AzureActual,
            "amortizedcost" => Self::AzureAmortized,
            "focuscost" => Self::AzureFocus,
            _ => Self::AzureExport,
        }
    }

    fn of_dialect(dialect: Dialect, layout: Layout, name: &str, is_csv: bool) -> Self {
        match (dialect, layout) {
            (Dialect::Focus, Layout::AwsDataExport) => Self::AwsFocus,
            (Dialect::Focus, Layout::Azure) => Self::AzureFocus,
            (Dialect::Focus, _) => Self::Focus,
            (Dialect::AwsCur | Dialect::AwsCur2, Layout::AwsDataExport) => Self::AwsCur2,
            (Dialect::AwsCur2, _) => Self::AwsCur2,
            (Dialect::AwsCur, _) if is_csv => Self::AwsCurCsv,
            (Dialect::AwsCur, _) => Self::AwsCurParquet,
            (Dialect::Azure, _) if says_amortized(name) => Self::AzureAmortized,
            (Dialect::Azure, _) => Self::AzureActual,
            (Dialect::Gcp, _) => Self::GcpBilling,
        }
    }
}

/// Whether a name says that costs are amortized, in either English.
pub(crate) fn says_amortized(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    name.contains("amortized") || name.contains("amortised")
}

/// What a look into an export showed: its newest manifest, or the head of one file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Evidence {
    /// Names of columns.
    pub columns: Vec<String>,
    /// [`Manifest::dataset`].
    pub dataset: Option<String>,
    /// What the files are.
    pub kind: Option<FileKind>,
}

impl From<&Manifest> for Evidence {
    fn from(manifest: &Manifest) -> Self {
        let named = manifest.files.iter().find_map(|file| FileKind::of(file));
        Self {
            columns: manifest.columns.clone(),
            dataset: manifest.dataset.clone(),
            kind: named.or(manifest.declared),
        }
    }
}

impl Evidence {
    /// Whether it is enough to tell the format.
    pub fn is_telling(&self) -> bool {
        self.dataset.is_some() || !self.columns.is_empty()
    }
}

impl Export {
    /// Decides the format by what a look has shown.
    pub fn tell(&mut self, evidence: &Evidence) {
        let is_csv = match evidence.kind {
            Some(kind) => matches!(kind, FileKind::Csv { .. }),
            None => matches!(self.format, Format::Csv | Format::AwsCurCsv),
        };
        if self.layout == Layout::Azure
            && let Some(dataset) = &evidence.dataset
        {
            self.format = Format::of_dataset(dataset);
        } else if let Some(dialect) = Dialect::of(&evidence.columns) {
            self.format = Format::of_dialect(dialect, self.layout, &self.report, is_csv);
        } else if self.layout == Layout::Azure && !evidence.columns.is_empty() {
            self.format = Format::AzureExport;
        } else {
            self.format = Format::of_path(self.layout, &self.report, evidence.kind.or(self.kind()));
        }
        self.certain = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Object, discover};

    fn told(key: &str, columns: &str, dataset: Option<&str>) -> &'static str {
        let object = Object {
            key: key.to_owned(),
            size: 1,
            etag: None,
            modified_ms: 0,
        };
        let mut export = discover([object]).exports.remove(0);
        assert!(!export.certain, "{key} needs no look");
        export.tell(&Evidence {
            columns: columns.split_whitespace().map(str::to_owned).collect(),
            dataset: dataset.map(str::to_owned),
            kind: None,
        });
        assert!(export.certain);
        export.format.name()
    }

    #[test]
    fn columns_tell_what_folders_do_not() {
        let export = "p/E/data/BILLING_PERIOD=2025-11/E-00001.snappy.parquet";
        let azure = "d/E/20251101-20251130/202511031200/g/part_0_0001.csv";
        let months = "g/2025-11/000000000000.parquet";
        for (key, columns, format) in [
            (export, "line_item_unblended_cost", "aws-cur2"),
            (export, "BilledCost ServiceName", "aws-focus"),
            (export, "recommendation_id", "aws-data-export"),
            (export, "", "aws-data-export"),
            (azure, "Date CostInBillingCurrency MeterId", "azure-actual"),
            (azure, "BilledCost", "azure-focus"),
            (azure, "basePrice marketPrice", "azure-export"),
            (azure, "", "azure-actual"),
            (months, "usage_start_time sku cost", "gcp-billing"),
            (months, "BilledCost", "focus"),
            (months, "line_item_unblended_cost product", "aws-cur2"),
            (months, "line_item_unblended_cost", "aws-cur-parquet"),
            (months, "x y", "parquet"),
            ("g/2025-11.csv", "x y", "csv"),
            ("g/2025-11.csv", "lineItem/UnblendedCost", "aws-cur-csv"),
            ("year=2025/month=11/x.parquet", "BilledCost", "focus"),
            ("year=2025/month=11/x.parquet", "x", "aws-cur-parquet"),
        ] {
            assert_eq!(told(key, columns, None), format, "{key} {columns}");
        }
    }

    #[test]
    fn actual_and_amortized_costs_have_the_same_columns_and_are_told_by_manifest_or_name() {
        let columns = "Date CostInBillingCurrency MeterId";
        let named = "d/costs-amortized/20251101-20251130/g/part_0_0001.csv";
        let plain = "d/costs/20251101-20251130/g/part_0_0001.csv";
        for (key, dataset, format) in [
            (named, None, "azure-amortized"),
            (plain, None, "azure-actual"),
            (named, Some("ActualCost"), "azure-actual"),
            (plain, Some("AmortizedCost"), "azure-amortized"),
            (plain, Some("FocusCost"), "azure-focus"),
            (plain, Some("PriceSheet"), "azure-export"),
            ("Amortised/2025-11/x.csv", None, "azure-amortized"),
        ] {
            assert_eq!(told(key, columns, dataset), format, "{key} {dataset:?}");
        }
    }
}
