//! The columns of a table, and what each takes from the files.

use engine::{Field, Kind, Source};
use pgrx::{PgRelation, pg_sys};

use super::{options, string};
use crate::datum::{Target, kind_of};
use crate::error::Error;

/// A column of a table that files can fill.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its number in the table, from 1.
    pub attnum: i16,
    /// Its name and type.
    pub target: Target,
    /// Where its values come from.
    pub source: Source,
}

impl Column {
    /// The request for this column.
    pub fn field(&self) -> Field {
        Field {
            source: self.source.clone(),
            kind: self.target.kind,
        }
    }
}

/// The columns of a table, without those `skip` names.
///
/// `billing_period`, `year` and `month` come from the path, unless the column has the option
/// `column_name`; any other column comes from the file's column of the same name.
///
/// # Errors
/// [`Error::ColumnType`].
///
/// # Safety
/// `relation` is an open relation.
pub unsafe fn columns_of(relation: pg_sys::Relation, skip: &[&str]) -> Result<Vec<Column>, Error> {
    // SAFETY: the caller's promise; the descriptor lives as long as the relation is open.
    let relation_box = unsafe { PgRelation::from_pg(relation) };
    let descriptor = relation_box.tuple_desc();
    let attributes = descriptor.iter();
    let attributes = attributes.filter(|a| !a.attisdropped);
    // SAFETY: the name of an attribute is NUL-terminated.
    let named = attributes.map(|a| (a, unsafe { string(a.attname.data.as_ptr()) }));
    named
        .filter(|(_, name)| !skip.contains(&name.as_str()))
        .map(|(attribute, name)| column(relation, attribute, name))
        .collect()
}

fn column(
    relation: pg_sys::Relation,
    attribute: &pg_sys::FormData_pg_attribute,
    name: String,
) -> Result<Column, Error> {
    let Some(kind) = kind_of(attribute.atttypid, attribute.atttypmod) else {
        // SAFETY: the relation is open; format_type_be accepts any type OID.
        let (relation, found) = unsafe {
            let relation = pg_sys::get_rel_name((*relation).rd_id);
            let found = pg_sys::format_type_with_typemod(attribute.atttypid, attribute.atttypmod);
            (string(relation), string(found))
        };
        return Err(Error::ColumnType {
            column: name,
            relation,
            found,
        });
    };
    let source = match column_name_option(attribute) {
        Some(original) => Source::File(original),
        None => match (name.as_str(), kind) {
            ("billing_period", Kind::Date) => Source::BillingPeriod,
            ("year", Kind::Text) => Source::Year,
            ("month", Kind::Text) => Source::Month,
            _ => Source::File(name.clone()),
        },
    };
    Ok(Column {
        attnum: attribute.attnum,
        target: Target { name, kind },
        source,
    })
}

fn column_name_option(attribute: &pg_sys::FormData_pg_attribute) -> Option<String> {
    // SAFETY: for a relation without column options, foreign or not, the list is NIL.
    let mut options = unsafe {
        options::from_list(pg_sys::GetForeignColumnOptions(
            attribute.attrelid,
            attribute.attnum,
        ))
    };
    options.remove("column_name")
}

/// An identifier as SQL spells it.
pub fn quote(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}
