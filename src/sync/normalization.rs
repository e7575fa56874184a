//! `normalization_sql(regclass)`: the columns of a relation, handed to the `billing` crate.

use pgrx::pg_sys;
use pgrx::prelude::*;

use crate::error::OrRaise;
use crate::fdw::{OpenRelation, columns_of, quote};

#[pg_extern(sql = false)]
fn normalization_sql(relation: pg_sys::Oid) -> String {
    billing::normalization_sql(&column_names(relation), &qualified_name(relation))
}

/// `normalized_column_sql(regclass, name)`: NULL for a name without a rule.
#[pg_extern(sql = false)]
fn normalized_column_sql(relation: pg_sys::Oid, name: &str) -> Option<String> {
    billing::normalized_column_sql(&column_names(relation), name)
}

fn column_names(relation: pg_sys::Oid) -> Vec<String> {
    let open = OpenRelation::new(relation);
    // SAFETY: the relation is open until the end of this function.
    let columns = unsafe { columns_of(open.0, &["sync_timestamp"]) }.or_raise();
    columns.into_iter().map(|c| c.target.name).collect()
}

fn qualified_name(relation: pg_sys::Oid) -> String {
    // SAFETY: the relation exists; its schema does, too.
    let (schema, name) = unsafe {
        let schema = pg_sys::get_namespace_name(pg_sys::get_rel_namespace(relation));
        let name = pg_sys::get_rel_name(relation);
        (
            std::ffi::CStr::from_ptr(schema),
            std::ffi::CStr::from_ptr(name),
        )
    };
    format!(
        "{}.{}",
        quote(&schema.to_string_lossy()),
        quote(&name.to_string_lossy())
    )
}
