//! Prefixes as users write them.

use super::key::lies_in;
use super::{DATA, Export, Layout, METADATA, join, undoubled};
use crate::Error;

/// The one export that `prefix` means: its root, with or without the doubled report name, a Data
/// Export's `data` or a trailing slash, or a parent folder that holds exactly one export.
///
/// # Errors
/// [`Error::NoExport`], [`Error::AmbiguousPrefix`].
pub fn choose(exports: Vec<Export>, prefix: &str) -> Result<Export, Error> {
    let seen: Vec<String> = exports.iter().map(|export| export.root.clone()).collect();
    let wanted = prefix.trim_end_matches('/');
    let readings: [&dyn Fn(&Export) -> bool; 3] = [
        &|export| export.root == prefix || export.root == wanted,
        &|export| is_named(export, wanted),
        &|export| lies_in(&export.root, wanted),
    ];
    let matching = readings.iter().find_map(|reads| {
        let matching: Vec<_> = exports.iter().filter(|export| reads(export)).collect();
        (!matching.is_empty()).then_some(matching)
    });
    match matching.as_deref() {
        None => Err(Error::NoExport {
            prefix: prefix.to_owned(),
            found: seen,
        }),
        Some([export]) => Ok((*export).clone()),
        Some(several) => Err(Error::AmbiguousPrefix {
            prefix: prefix.to_owned(),
            found: several.iter().map(|export| export.root.clone()).collect(),
        }),
    }
}

/// The folder to list so that all of the export a prefix may mean is seen: manifests stand
/// above the doubled report name, so `a/R/R/` gives `a/R`.
pub fn listing_folder(prefix: &str) -> &str {
    let folder = prefix.trim_end_matches('/');
    undoubled(folder).unwrap_or(folder)
}

/// The folder to list instead of `folder`, where that showed only a part of an export: a Data
/// Export's `data` without its manifests, or one month.
pub fn wider_folder<'a>(exports: &'a [Export], folder: &str) -> Option<&'a str> {
    let roots = exports.iter().map(|export| export.root.as_str());
    let above = |root: &&str| {
        let below = folder.strip_prefix(root);
        below.is_some_and(|below| below.starts_with('/') || (root.is_empty() && !below.is_empty()))
    };
    roots.filter(above).min_by_key(|root| root.len())
}

fn is_named(export: &Export, wanted: &str) -> bool {
    let branches = [DATA, METADATA].map(|branch| join(&export.root, branch));
    undoubled(wanted).is_some_and(|outer| outer == export.root)
        || (export.layout == Layout::AwsDataExport && branches.contains(&wanted.to_owned()))
}

#[cfg(test)]
mod tests;
