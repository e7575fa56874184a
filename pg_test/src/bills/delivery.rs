//! A month as its provider delivers it: data files first, the manifest last.

use std::io::{Error, Write};

use super::calendar::Month;
use super::format::BillFormat;
use super::totals::Totals;
use super::{Report, azure, cur, exports, gcp};

/// Where a delivery goes: opened by key, closed when complete.
pub(super) trait Destination {
    type File: Write + Send;

    fn open(&mut self, key: &str) -> Result<Self::File, Error>;
    fn close(&mut self, key: String, file: Self::File) -> Result<(), Error>;

    fn put(&mut self, key: String, bytes: &[u8]) -> Result<(), Error> {
        let mut file = self.open(&key)?;
        file.write_all(bytes)?;
        self.close(key, file)
    }
}

/// Writes the whole month.
pub(super) fn deliver<D: Destination>(
    report: &Report,
    month: Month,
    restatement: u32,
    to: &mut D,
) -> Result<Totals, Error> {
    match report.format {
        BillFormat::Cur => cur::deliver(report, month, restatement, to),
        BillFormat::Cur2 | BillFormat::AwsFocus(_) | BillFormat::Focus(_) => {
            exports::deliver(report, month, restatement, to)
        }
        BillFormat::AzureActual(_) | BillFormat::AzureAmortized(_) | BillFormat::AzureFocus => {
            azure::deliver(report, month, restatement, to)
        }
        BillFormat::Gcp(export) => gcp::deliver(report, export, month, restatement, to),
    }
}
