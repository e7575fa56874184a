//! `IMPORT FOREIGN SCHEMA "prefix"`: one foreign table per export under the prefix.

use std::collections::{BTreeSet, HashMap};
use std::ffi::CString;

use engine::{Bill, Listing, Source, common_type, sql_type};
use pgrx::pg_sys;
use pgrx::prelude::*;

use super::columns::{Column, columns_of, quote};
use super::options::{self, Months};
use super::server::open;
use super::{OpenRelation, elements, string};
use crate::backend;
use crate::error::{Error, OrRaise};

/// A table to make.
struct Import {
    name: String,
    prefix: String,
    columns: Vec<engine::Column>,
    /// Whether the table has AWS's own path columns.
    has_year_and_month: bool,
}

#[pg_guard]
pub unsafe extern "C-unwind" fn import_foreign_schema(
    statement: *mut pg_sys::ImportForeignSchemaStmt,
    server: pg_sys::Oid,
) -> *mut pg_sys::List {
    // SAFETY: Postgres passes the parsed statement.
    unsafe {
        let prefix = string((*statement).remote_schema);
        let wanted = wanted_tables(statement);
        let server_name = string((*statement).server_name);
        let schema = string((*statement).local_schema);
        let options = options::from_list((*statement).options);
        let months = options::import_months(&options).or_raise();
        let imports = exports(server, &prefix, &wanted, months).or_raise();
        let mut commands: *mut pg_sys::List = std::ptr::null_mut();
        for import in imports {
            let command = import.command(&schema, &server_name).or_raise();
            let command = CString::new(command).unwrap_or_default();
            commands = pg_sys::lappend(commands, pg_sys::pstrdup(command.as_ptr()).cast());
        }
        commands
    }
}

/// Which tables LIMIT TO and EXCEPT let through.
unsafe fn wanted_tables(statement: *mut pg_sys::ImportForeignSchemaStmt) -> impl Fn(&str) -> bool {
    // SAFETY: the caller passes the parsed statement; its table list holds RangeVars.
    let (kind, listed) = unsafe {
        let names = elements::<pg_sys::RangeVar>((*statement).table_list);
        let names: BTreeSet<String> = names.map(|r| string((*r).relname)).collect();
        ((*statement).list_type, names)
    };
    move |name| match kind {
        pg_sys::ImportForeignSchemaType::FDW_IMPORT_SCHEMA_LIMIT_TO => listed.contains(name),
        pg_sys::ImportForeignSchemaType::FDW_IMPORT_SCHEMA_EXCEPT => !listed.contains(name),
        _ => true,
    }
}

fn exports(
    server: pg_sys::Oid,
    prefix: &str,
    wanted: &impl Fn(&str) -> bool,
    months: Months,
) -> Result<Vec<Import>, Error> {
    // SAFETY: reads a backend variable.
    let store = open(server, unsafe { pg_sys::GetUserId() })?;
    let folder = prefix.to_owned();
    let listed = store.clone();
    let listing = async move { Ok(Listing::of(&listed, &folder).await?.told().await) };
    let listing = backend::run(listing)?;
    let found = listing.found();
    if found.exports.is_empty() {
        // Says what stands there instead, if anything.
        let prefix = prefix.to_owned();
        backend::run(async move { Bill::find(&store, &prefix).await })?;
    }
    let reports = found.exports.iter().map(|e| e.report.as_str());
    let names = billing::table_names(&reports.collect::<Vec<_>>());
    let exports = found.exports.iter().zip(names);
    let chosen = exports.filter(|(_, name)| wanted(name));
    chosen
        .map(|(export, name)| import(listing.bill(export), export.root.clone(), name, months))
        .collect()
}

fn import(bill: Bill, prefix: String, name: String, months: Months) -> Result<Import, Error> {
    let (columns, has_year_and_month) = backend::run(async move {
        // The listing tells a thousand exports at most.
        let bill = bill.told().await;
        let deliveries = match months {
            Months::Newest => vec![bill.newest_delivery().await?],
            // The newest first: its columns lead, and older months add to them.
            Months::All => {
                let all: Vec<_> = bill.export().months.keys().rev().copied().collect();
                bill.deliveries(&all).await?
            }
        };
        let columns = bill.common_columns(&deliveries).await?;
        Ok((columns, bill.export().has_year_and_month()))
    })?;
    Ok(Import {
        name,
        prefix,
        columns,
        has_year_and_month,
    })
}

impl Import {
    fn command(&self, schema: &str, server: &str) -> Result<String, Error> {
        let originals: Vec<&str> = self.columns.iter().map(|c| c.name.as_str()).collect();
        let names = billing::sql_names(&originals, &self.reserved());
        let mut definitions = Vec::with_capacity(names.len() + PATH_COLUMNS.len());
        for (column, name) in self.columns.iter().zip(names) {
            let data_type = sql_type_of(column, &self.prefix)?;
            definitions.push(column_definition(&name, &data_type));
        }
        let of_path = self.path_columns().iter();
        definitions.extend(of_path.map(|(name, data_type)| format!("{name} {data_type}")));
        Ok(format!(
            "CREATE FOREIGN TABLE {}.{} (\n  {}\n) SERVER {} OPTIONS (prefix {})",
            quote(schema),
            quote(&self.name),
            definitions.join(",\n  "),
            quote(server),
            literal(&self.prefix),
        ))
    }

    fn path_columns(&self) -> &'static [(&'static str, &'static str)] {
        match self.has_year_and_month {
            true => &PATH_COLUMNS,
            false => &PATH_COLUMNS[..1],
        }
    }

    fn reserved(&self) -> Vec<&'static str> {
        let of_path = self.path_columns().iter().map(|(name, _)| *name);
        of_path.chain(RESERVED).collect()
    }
}

/// The columns that come from the path. Every table has the first; the others are AWS's own, in
/// tables of its legacy report as Athena shows it.
const PATH_COLUMNS: [(&str, &str); 3] = [
    ("billing_period", "date"),
    ("year", "text"),
    ("month", "text"),
];

/// Names a file's column can never have in a table: the raw table's own, and Postgres's system
/// columns.
const RESERVED: [&str; 7] = [
    "sync_timestamp",
    "tableoid",
    "xmin",
    "cmin",
    "xmax",
    "cmax",
    "ctid",
];

/// The `CREATE FOREIGN TABLE` for the one export that `prefix` means.
///
/// # Errors
/// Those of finding the export, reading its newest month's footers, and
/// [`engine::Error::UnsupportedType`].
pub fn create_table_sql(
    store: &store::Store,
    prefix: &str,
    schema: &str,
    name: &str,
    server: &str,
) -> Result<String, Error> {
    let (store, found) = (store.clone(), prefix.to_owned());
    let bill = backend::run(async move { Bill::find(&store, &found).await })?;
    import(bill, prefix.to_owned(), name.to_owned(), Months::Newest)?.command(schema, server)
}

/// A column of a month's files, and what the foreign table must do to hold it.
pub struct MonthColumn {
    /// Its name in the table.
    pub name: String,
    /// Its name in the files.
    pub original: String,
    /// The SQL type the table's column must have.
    pub data_type: String,
    /// `added` to the table, or `widened` there; `None` when the table's column holds it.
    pub change: Option<&'static str>,
}

/// A month's columns in the files' order, as a foreign table is to have them.
///
/// # Errors
/// [`engine::Error::UnsupportedType`].
pub fn month_columns(
    foreign_table: pg_sys::Oid,
    export: &str,
    found: Vec<engine::Column>,
) -> Result<Vec<MonthColumn>, Error> {
    let open = OpenRelation::new(foreign_table);
    // SAFETY: the relation is open until the end of this function.
    let present = unsafe { columns_of(open.0, &[]) }?;
    let names: Vec<&str> = found.iter().map(|c| c.name.as_str()).collect();
    let held = held_by(&present, &names);
    let of_table = |c: &engine::Column| held.get(c.name.as_str()).copied();
    let added = found.iter().filter(|c| of_table(c).is_none());
    let originals: Vec<&str> = added.map(|c| c.name.as_str()).collect();
    let mut reserved: Vec<&str> = present.iter().map(|c| c.target.name.as_str()).collect();
    reserved.extend(RESERVED);
    reserved.extend(PATH_COLUMNS.map(|(name, _)| name));
    let mut names = billing::sql_names(&originals, &reserved).into_iter();
    let columns = found.iter().map(|column| {
        let of_file = sql_type_of(column, export)?;
        let (name, data_type, change) = match of_table(column) {
            None => {
                let name = names.next().map_or_else(|| column.name.clone(), |n| n.sql);
                (name, of_file, Some("added"))
            }
            Some(known) => {
                let held = known.target.kind.held();
                let wide = common_type(&held, &column.data_type).and_then(|t| sql_type(&t));
                let wide = wide.unwrap_or(of_file);
                let change = (sql_type(&held).as_ref() != Some(&wide)).then_some("widened");
                (known.target.name.clone(), wide, change)
            }
        };
        Ok(MonthColumn {
            name,
            original: column.name.clone(),
            data_type,
            change,
        })
    });
    columns.collect()
}

/// Which of a table's columns reads each of a month's, however the month spells them.
fn held_by<'a, 'n>(present: &'a [Column], names: &[&'n str]) -> HashMap<&'n str, &'a Column> {
    let mut held = HashMap::new();
    for column in present {
        let Source::File(wanted) = &column.source else {
            continue;
        };
        let Some(place) = billing::column::position(names, wanted) else {
            continue;
        };
        let same = names[place] == wanted;
        if same || !held.contains_key(names[place]) {
            held.insert(names[place], column);
        }
    }
    held
}

fn sql_type_of(column: &engine::Column, export: &str) -> Result<String, Error> {
    let unsupported = || engine::Error::UnsupportedType {
        column: column.name.clone(),
        export: export.to_owned(),
        found: column.data_type.to_string(),
    };
    Ok(sql_type(&column.data_type).ok_or_else(unsupported)?)
}

fn column_definition(name: &billing::SqlName, data_type: &str) -> String {
    let column = quote(&name.sql);
    // Without the option, a column of such a name would come from the path.
    let looks_like_path = PATH_COLUMNS.iter().any(|(path, _)| *path == name.sql);
    if name.sql == name.original && !looks_like_path {
        return format!("{column} {data_type}");
    }
    format!(
        "{column} {data_type} OPTIONS (column_name {})",
        literal(&name.original)
    )
}

/// A literal as SQL spells it, whatever standard_conforming_strings says.
fn literal(text: &str) -> String {
    pgrx::spi::quote_literal(text)
}
