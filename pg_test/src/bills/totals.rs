//! What a month adds up to, as exact decimals.

use std::collections::BTreeMap;

use billing::ExactSum;

/// The sums a loader must reproduce. A double counts as the shortest decimal that reads back as
/// the same double; the sums are exact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Rows in all data files that count.
    pub rows: u64,
    /// The cost of every row: unblended, billed, in billing currency, or cost and credits. In
    /// Azure's amortized costs the amortized cost.
    pub unblended: String,
    /// Cost by currency, as invoiced; empty where the format does not have it.
    pub cash: BTreeMap<String, String>,
    /// Amortized cost by currency; empty where the format does not have it.
    pub amortized: BTreeMap<String, String>,
    /// [`Self::unblended`] by usage account, subscription or project. What has none belongs to the
    /// payer.
    pub by_account: BTreeMap<String, String>,
    /// [`Self::unblended`] by service: the first that is not empty of `product_product_name`,
    /// `product_servicename` and `line_item_product_code`, or the service's or meter category's name.
    pub by_service: BTreeMap<String, String>,
    /// Rows and [`Self::unblended`] by line item type, charge category, charge type or cost type.
    pub by_line_item_type: BTreeMap<String, (u64, String)>,
}

/// Which costs a format has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Views {
    Cash,
    Amortized,
    Both,
}

/// What rows are told apart by.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Key {
    pub(super) account: String,
    pub(super) service: String,
    pub(super) line_item_type: String,
    pub(super) currency: String,
}

/// The sums of one key.
#[derive(Clone, Default)]
pub(super) struct Sums {
    pub(super) rows: u64,
    pub(super) cash: ExactSum,
    pub(super) amortized: ExactSum,
}

/// Adds up rows as they are made: one exact addition a row, everything else once at the end.
#[derive(Default)]
pub(super) struct Tally(BTreeMap<Key, Sums>);

impl Tally {
    /// The sums of one key, to add to.
    pub(super) fn entry(&mut self, key: &Key) -> &mut Sums {
        if !self.0.contains_key(key) {
            self.0.insert(key.clone(), Sums::default());
        }
        self.0.get_mut(key).expect("it was put in")
    }

    pub(super) fn totals(&self, views: Views) -> Totals {
        let cost = |sums: &Sums| match views {
            Views::Amortized => sums.amortized.clone(),
            Views::Cash | Views::Both => sums.cash.clone(),
        };
        let mut types: BTreeMap<String, (u64, ExactSum)> = BTreeMap::new();
        for (key, sums) in &self.0 {
            let entry = types.entry(key.line_item_type.clone()).or_default();
            entry.0 += sums.rows;
            entry.1.merge(&cost(sums));
        }
        let mut all = ExactSum::default();
        types.values().for_each(|(_, sum)| all.merge(sum));
        let by_currency = |shown: bool, of: fn(&Sums) -> ExactSum| match shown {
            true => self.grouped(|key| &key.currency, of),
            false => BTreeMap::new(),
        };
        Totals {
            rows: types.values().map(|(rows, _)| rows).sum(),
            unblended: all.to_string(),
            cash: by_currency(views != Views::Amortized, |sums| sums.cash.clone()),
            amortized: by_currency(views != Views::Cash, |sums| sums.amortized.clone()),
            by_account: self.grouped(|key| &key.account, cost),
            by_service: self.grouped(|key| &key.service, cost),
            by_line_item_type: types
                .into_iter()
                .map(|(name, (n, sum))| (name, (n, sum.to_string())))
                .collect(),
        }
    }

    fn grouped(
        &self,
        by: impl Fn(&Key) -> &String,
        of: impl Fn(&Sums) -> ExactSum,
    ) -> BTreeMap<String, String> {
        let mut groups: BTreeMap<String, ExactSum> = BTreeMap::new();
        for (key, sums) in &self.0 {
            groups.entry(by(key).clone()).or_default().merge(&of(sums));
        }
        groups
            .into_iter()
            .map(|(name, sum)| (name, sum.to_string()))
            .collect()
    }
}
