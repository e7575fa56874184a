//! The columns that several files have between them.

use std::collections::HashSet;

use crate::footer::{Column, Footer};
use crate::names::Names;
use crate::types::sql_type;
use crate::widen::common_type;

/// The first file's columns, then what later ones add. A column that a later file spells otherwise
/// is the same, by the rule that reading follows, and not added. Where files disagree about a type,
/// the narrowest that holds the values of all.
pub(crate) fn common_columns(footers: Vec<Footer>) -> Vec<Column> {
    let files: Vec<File> = footers.into_iter().map(File::new).collect();
    let mut names: Vec<&str> = Vec::new();
    for file in &files {
        let found: HashSet<usize> = names.iter().filter_map(|n| file.names.place(n)).collect();
        let added = file.columns.iter().enumerate();
        let added = added.filter(|(place, _)| !found.contains(place));
        names.extend(added.map(|(_, column)| column.name.as_str()));
    }
    let columns = names.into_iter().filter_map(|name| column(name, &files));
    columns.collect()
}

struct File {
    names: Names,
    columns: Vec<Column>,
}

impl File {
    fn new(footer: Footer) -> Self {
        let columns = footer.columns;
        Self {
            names: Names::new(columns.iter().map(|column| column.name.clone()).collect()),
            columns,
        }
    }
}

/// The column of this name, as all files together have it.
fn column(name: &str, files: &[File]) -> Option<Column> {
    let found = files.iter().filter_map(|file| {
        let place = file.names.place(name)?;
        Some(&file.columns[place].data_type)
    });
    let mut types = found.cloned();
    let mut data_type = types.next()?;
    for other in types {
        match common_type(&data_type, &other) {
            Some(common) => data_type = common,
            // A type without a counterpart in Postgres stays, so that the error names it.
            None if sql_type(&data_type).is_some() => data_type = other,
            None => {}
        }
    }
    Some(Column {
        name: name.to_owned(),
        data_type,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::DataType;

    fn footer(columns: &[(&str, DataType)]) -> Footer {
        let columns = columns.iter().map(|(name, data_type)| Column {
            name: (*name).to_owned(),
            data_type: data_type.clone(),
        });
        Footer {
            columns: columns.collect(),
            rows: None,
        }
    }

    fn common(files: &[&[(&str, DataType)]]) -> Vec<String> {
        let footers = files.iter().map(|columns| footer(columns)).collect();
        let columns = common_columns(footers).into_iter();
        columns
            .map(|column| format!("{} {}", column.name, column.data_type))
            .collect()
    }

    #[test]
    fn a_month_that_spells_its_columns_otherwise_adds_none() {
        use DataType::{Float64, Int32, Utf8};
        let parquet = [
            ("line_item_usage_amount", Float64),
            ("resource_tags_user_owner", Utf8),
        ];
        let csv = [
            ("lineItem/UsageAmount", Int32),
            ("resourceTags/user:Owner", Utf8),
            ("resourceTags/user:owner", Utf8),
            ("resourceTags/user:Team", Utf8),
        ];
        assert_eq!(
            common(&[&parquet, &csv]),
            [
                "line_item_usage_amount Float64",
                "resource_tags_user_owner Utf8",
                // AWS keeps one of the two in Parquet; none is lost here.
                "resourceTags/user:owner Utf8",
                "resourceTags/user:Team Utf8",
            ]
        );
    }

    #[test]
    fn types_are_those_of_all_files_whichever_comes_first() {
        use DataType::{Int32, Int64, Utf8};
        let (narrow, wide) = ([("N", Int32)], [("n", Int64), ("x", Utf8)]);
        assert_eq!(common(&[&narrow, &wide]), ["N Int64", "x Utf8"]);
        assert_eq!(common(&[&wide, &narrow]), ["n Int64", "x Utf8"]);
    }
}
