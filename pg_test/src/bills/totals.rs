//! What a month adds up to, as exact decimals.

use std::collections::BTreeMap;

use billing::ExactSum;

/// The sums a loader must reproduce. A double counts as the shortest decimal that reads back as
/// the same double; the sums are exact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Rows in all data files.
    pub rows: u64,
    /// Unblended cost of every row.
    pub unblended: String,
    /// Unblended cost by usage account.
    pub by_account: BTreeMap<String, String>,
    /// Unblended cost by service: the first that is not empty of `product_product_name`,
    /// `product_servicename` and `line_item_product_code`.
    pub by_service: BTreeMap<String, String>,
    /// Rows and unblended cost by line item type.
    pub by_line_item_type: BTreeMap<String, (u64, String)>,
}

/// What rows are told apart by.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) account: String,
    pub(super) service: String,
    pub(super) line_item_type: String,
}

/// Adds up rows as they are made: one exact addition a row, everything else once at the end.
#[derive(Default)]
pub(super) struct Tally(BTreeMap<Key, (u64, ExactSum)>);

impl Tally {
    /// Adds the rows of one key.
    pub(super) fn add(&mut self, key: &Key, costs: impl Iterator<Item = f64>) {
        if !self.0.contains_key(key) {
            self.0.insert(key.clone(), Default::default());
        }
        let Some((rows, sum)) = self.0.get_mut(key) else {
            return;
        };
        for cost in costs {
            *rows += 1;
            sum.add(cost);
        }
    }

    pub(super) fn totals(&self) -> Totals {
        let mut rows = 0;
        let mut all = ExactSum::default();
        let mut types: BTreeMap<String, (u64, ExactSum)> = BTreeMap::new();
        for (key, (n, sum)) in &self.0 {
            rows += n;
            all.merge(sum);
            let entry = types.entry(key.line_item_type.clone()).or_default();
            entry.0 += n;
            entry.1.merge(sum);
        }
        Totals {
            rows,
            unblended: all.to_string(),
            by_account: self.grouped(|key| &key.account),
            by_service: self.grouped(|key| &key.service),
            by_line_item_type: types
                .into_iter()
                .map(|(name, (n, sum))| (name, (n, sum.to_string())))
                .collect(),
        }
    }

    fn grouped(&self, by: fn(&Key) -> &String) -> BTreeMap<String, String> {
        let mut sums: BTreeMap<String, ExactSum> = BTreeMap::new();
        for (key, (_, sum)) in &self.0 {
            sums.entry(by(key).clone()).or_default().merge(sum);
        }
        sums.into_iter()
            .map(|(name, sum)| (name, sum.to_string()))
            .collect()
    }
}
