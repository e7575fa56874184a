//! Prefixes as users write them.

use super::{Export, undoubled};
use crate::Error;

/// The one export that `prefix` means: its root, with or without the doubled report name or a
/// trailing slash, or a parent folder that holds exactly one export.
///
/// Where a legacy report and a Data Export share a root, no prefix could tell them apart: the one
/// that can be read is meant, else the report.
pub fn choose(exports: Vec<Export>, prefix: &str) -> Result<Export, Error> {
    let seen = roots(&exports);
    let wanted = prefix.trim_end_matches('/');
    let (named, others): (Vec<_>, Vec<_>) = exports
        .into_iter()
        .partition(|export| export.root == prefix || is_named(export, wanted));
    let candidates = if named.is_empty() {
        others
            .into_iter()
            .filter(|export| is_under(export, wanted))
            .collect()
    } else {
        named
    };
    single(candidates).map_err(|found| {
        let prefix = prefix.to_owned();
        if found.is_empty() {
            Error::NoExport {
                prefix,
                found: seen,
            }
        } else {
            Error::AmbiguousPrefix { prefix, found }
        }
    })
}

/// The folder to list so that all of the export a prefix may mean is seen: manifests stand
/// above the doubled report name, so `a/R/R/` gives `a/R`.
pub fn listing_folder(prefix: &str) -> &str {
    let folder = prefix.trim_end_matches('/');
    undoubled(folder).unwrap_or(folder)
}

fn is_named(export: &Export, wanted: &str) -> bool {
    export.root == wanted || undoubled(wanted).is_some_and(|outer| outer == export.root)
}

fn is_under(export: &Export, folder: &str) -> bool {
    let below = export.root.strip_prefix(folder);
    folder.is_empty() || below.is_some_and(|below| below.starts_with('/'))
}

/// The candidate if all have one root, else the roots.
fn single(candidates: Vec<Export>) -> Result<Export, Vec<String>> {
    let found = roots(&candidates);
    let best = candidates.into_iter().min_by_key(|export| {
        let format = export.format;
        (!format.is_readable(), format)
    });
    match best {
        Some(export) if found.len() == 1 => Ok(export),
        _ => Err(found),
    }
}

fn roots(exports: &[Export]) -> Vec<String> {
    let mut roots: Vec<String> = exports.iter().map(|export| export.root.clone()).collect();
    roots.sort();
    roots.dedup();
    roots
}
