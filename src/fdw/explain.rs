//! What EXPLAIN says of a scan.

use std::ffi::CString;

use pgrx::pg_sys;
use pgrx::prelude::*;

use super::scan;
use crate::error::OrRaise;

/// Shows the export and how much of it the query can touch. Lists the store and reads the
/// manifests of the matching months, but opens no data file.
#[pg_guard]
pub unsafe extern "C-unwind" fn explain_foreign_scan(
    node: *mut pg_sys::ForeignScanState,
    explain: *mut pg_sys::ExplainState,
) {
    // SAFETY: Postgres passes a scan that was begun, and its EXPLAIN state.
    unsafe {
        let Some(state) = scan::state(node) else {
            return;
        };
        let traffic = state.traffic();
        let prefix = state.table.prefix.clone();
        // A scan that was never started, as in a subplan that no row asked for, must not start now:
        // its parameters have no values, and nobody asked for its listing.
        if !state.explain_only && state.resolved.is_none() {
            text(explain, c"Export", &prefix);
            return;
        }
        let resolved = state.resolve(node).or_raise();
        let files: usize = resolved.deliveries.iter().map(|d| d.files.len()).sum();
        let bytes: u64 = resolved.deliveries.iter().map(|d| d.bytes()).sum();
        let months = resolved.bill.export().months.len();
        text(
            explain,
            c"Export",
            &format!("{}/{prefix}", resolved.bill.store().name()),
        );
        text(
            explain,
            c"Files",
            &format!(
                "{files}, {bytes} bytes, {} of {months} months",
                resolved.deliveries.len()
            ),
        );
        if let (true, Some((requests, bytes))) = ((*explain).analyze, traffic) {
            text(
                explain,
                c"Read",
                &format!("{bytes} bytes in {requests} requests"),
            );
        }
    }
}

unsafe fn text(explain: *mut pg_sys::ExplainState, label: &std::ffi::CStr, value: &str) {
    let value = CString::new(value).unwrap_or_default();
    // SAFETY: the caller passes EXPLAIN's state; both strings end in NUL and are copied.
    unsafe { pg_sys::ExplainPropertyText(label.as_ptr(), value.as_ptr(), explain) }
}
