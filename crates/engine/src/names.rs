//! A file's columns by name, however the table spells them.

use std::collections::HashMap;
use std::sync::OnceLock;

use billing::column::column_name;

/// What [`billing::column::position`] says, for many columns of one file.
#[derive(Debug)]
pub(crate) struct Names {
    names: Vec<String>,
    exact: HashMap<String, usize>,
    /// By the name in Postgres, the first of each: found out when a name is not there as it is.
    meant: OnceLock<HashMap<String, usize>>,
}

impl Names {
    pub(crate) fn new(names: Vec<String>) -> Self {
        Self {
            exact: first_of_each(names.iter().cloned()),
            names,
            meant: OnceLock::new(),
        }
    }

    /// The name of the column that [`Names::place`] finds.
    pub(crate) fn find(&self, wanted: &str) -> Option<&str> {
        self.place(wanted).map(|place| self.names[place].as_str())
    }

    /// The place of the column of this name, else of the first that means the same.
    pub(crate) fn place(&self, wanted: &str) -> Option<usize> {
        let meant = || {
            let names = self.names.iter().map(|name| column_name(name));
            first_of_each(names)
        };
        let exact = self.exact.get(wanted).copied();
        exact.or_else(|| {
            let meant = self.meant.get_or_init(meant);
            meant.get(&column_name(wanted)).copied()
        })
    }
}

fn first_of_each(
    names: impl DoubleEndedIterator<Item = String> + ExactSizeIterator,
) -> HashMap<String, usize> {
    // The last of equal keys stays, so from the end.
    names
        .enumerate()
        .rev()
        .map(|(place, name)| (name, place))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use billing::column::position;

    #[test]
    fn places_are_those_of_the_rule() {
        let columns = [
            "Date",
            "resourceTags/user:Owner",
            "resourceTags/user:owner",
            "lineitem_usagestartdate",
            "date",
            "service.id",
        ];
        let names = Names::new(columns.map(str::to_owned).into());
        for wanted in columns.into_iter().chain([
            "DATE",
            "resource_tags_user_owner",
            "line_item_usage_start_date",
            "serviceId",
            "nothing",
            "",
        ]) {
            assert_eq!(names.place(wanted), position(&columns, wanted), "{wanted}");
        }
    }
}
