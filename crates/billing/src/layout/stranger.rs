//! Folders that hold tables and belong to no export: named, so that nobody wonders, and left alone.

use std::collections::BTreeMap;

use super::key::folder;
use crate::Object;

/// A folder whose tables fit no layout.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stranger {
    /// The folder, without a trailing slash; `""` for the bucket itself.
    pub folder: String,
    /// Parquet and CSV files in it, and where [`MANY`] of its folders are strangers, in those.
    pub files: u64,
    /// Their size in bytes.
    pub bytes: u64,
}

/// So many strange folders side by side are named by the folder they lie in: logs have one a day.
const MANY: usize = 5;

#[derive(Clone, Copy, Default)]
struct Size {
    files: u64,
    bytes: u64,
}

impl Size {
    fn add(&mut self, other: Self) {
        self.files += other.files;
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

/// The folders of these objects, sorted.
pub(super) fn folders(objects: &[Object]) -> Vec<Stranger> {
    let mut sizes: BTreeMap<&str, Size> = BTreeMap::new();
    for object in objects {
        let (files, bytes) = (1, object.size);
        let size = sizes.entry(folder(&object.key)).or_default();
        size.add(Size { files, bytes });
    }
    let deepest = sizes.keys().map(|name| depth(name)).max().unwrap_or(0);
    for level in (1..=deepest).rev() {
        gather(&mut sizes, level);
    }
    let strangers = sizes.into_iter().map(|(folder, size)| Stranger {
        folder: folder.to_owned(),
        files: size.files,
        bytes: size.bytes,
    });
    strangers.collect()
}

/// Replaces folders of a level by their parent where that has many.
fn gather(sizes: &mut BTreeMap<&str, Size>, level: usize) {
    let mut children: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for name in sizes.keys().filter(|name| depth(name) == level) {
        children.entry(folder(name)).or_default().push(name);
    }
    for (parent, names) in children {
        if names.len() < MANY {
            continue;
        }
        for name in names {
            let size = sizes.remove(name).unwrap_or_default();
            sizes.entry(parent).or_default().add(size);
        }
    }
}

/// Folders that a folder lies in, itself included.
fn depth(folder: &str) -> usize {
    match folder {
        "" => 0,
        folder => folder.split('/').count(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn named(keys: &[String]) -> Vec<(String, u64)> {
        let objects = keys.iter().map(|key| Object {
            key: key.clone(),
            size: 2,
            etag: None,
            modified_ms: 0,
        });
        let found = folders(&objects.collect::<Vec<_>>());
        assert!(
            found
                .iter()
                .all(|stranger| stranger.bytes == 2 * stranger.files)
        );
        let named = found.into_iter();
        named
            .map(|stranger| (stranger.folder, stranger.files))
            .collect()
    }

    #[test]
    fn a_few_folders_are_named_each_and_a_year_of_logs_by_the_folder_they_lie_in() {
        let few = ["a/x.csv", "a/y.csv", "b/c/x.csv", "x.csv"].map(str::to_owned);
        let expected = [("", 1), ("a", 2), ("b/c", 1)];
        assert_eq!(named(&few), expected.map(|(name, n)| (name.to_owned(), n)));

        let days = (1..=12).flat_map(|m| (1..=28).map(move |d| format!("logs/{m}/{d}/x.csv")));
        assert_eq!(named(&days.collect::<Vec<_>>()), [("logs".to_owned(), 336)]);
    }

    proptest! {
        #[test]
        fn no_file_is_lost_or_counted_twice(keys in proptest::collection::vec("([ab]/){0,5}[a-h]/x", 0..80)) {
            let total: u64 = named(&keys).iter().map(|(_, files)| files).sum();
            prop_assert_eq!(total, keys.len() as u64);
        }
    }
}
