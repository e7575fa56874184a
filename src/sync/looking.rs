//! Looking at a server and its exports before anything is loaded.

use billing::BillingPeriod;
use engine::{Bill, Listing, discover};
use pgrx::datum::Date;
use pgrx::prelude::*;
use pgrx::{AnyNumeric, pg_sys};
use store::Store;

use super::sql_date;
use crate::backend;
use crate::error::{Error, OrRaise};
use crate::fdw::{self, ForeignTable};

type Check = (&'static str, bool, String, Option<String>);

/// `cost_test(server)`: each step of reading a bill, up to the first that fails.
#[pg_extern(sql = false)]
fn cost_test(
    server: String,
) -> TableIterator<
    'static,
    (
        name!(check, &'static str),
        name!(ok, bool),
        name!(detail, String),
        name!(hint, Option<String>),
    ),
> {
    TableIterator::new(checks(&server))
}

fn checks(server: &str) -> Vec<Check> {
    let mut done = Vec::new();
    let mut check = |name, result: Result<String, Error>| match result {
        Ok(detail) => done.push((name, true, detail, None)),
        Err(error) => done.push((name, false, error.to_string(), Some(error.hint()))),
    };
    let store = match fdw::open_server(server) {
        Ok(store) => store,
        Err(error) => {
            check("credentials", Err(error));
            return done;
        }
    };
    check("credentials", Ok(format!("present for {}", store.name())));
    let listing = match backend::run(async move { Listing::of(&store, "").await }) {
        Ok(listing) => listing,
        Err(error) => {
            check("list", Err(error.into()));
            return done;
        }
    };
    let found = listing.found();
    let exports = found.exports.iter();
    let newest = exports.max_by_key(|e| e.months.keys().next_back().copied());
    check(
        "list",
        Ok(format!(
            "{} exports, {} other objects",
            found.exports.len(),
            found.ignored
        )),
    );
    let Some(newest) = newest else {
        check(
            "manifest",
            Err(billing::Error::NoExport {
                prefix: String::new(),
                found: Vec::new(),
            }
            .into()),
        );
        return done;
    };
    let bill = listing.bill(newest);
    let delivery = backend::run(async move {
        let bill = bill.told().await;
        let delivery = bill.delivery(bill.newest()?).await?;
        Ok((bill, delivery))
    });
    let (bill, delivery) = match delivery {
        Ok(both) => both,
        Err(error) => {
            check("manifest", Err(error.into()));
            return done;
        }
    };
    check(
        "manifest",
        Ok(format!(
            "{} ({}): newest month {} with {} files, {} bytes, {}",
            bill.export().root,
            bill.export().format.name(),
            delivery.period,
            delivery.files.len(),
            delivery.bytes(),
            delivery
                .manifest_id
                .as_ref()
                .map_or("no manifest".to_owned(), |id| format!("manifest {id}")),
        )),
    );
    let columns = backend::run(async move { bill.columns(&delivery).await });
    check(
        "footer",
        columns
            .map(|c| format!("{} columns", c.len()))
            .map_err(Error::from),
    );
    done
}

/// `cost_discover(server, under)`.
#[pg_extern(sql = false)]
#[allow(
    clippy::type_complexity,
    reason = "pgrx reads the columns from the type"
)]
fn cost_discover(
    server: String,
    under: String,
) -> TableIterator<
    'static,
    (
        name!(prefix, String),
        name!(format, &'static str),
        name!(readable, bool),
        name!(months, i64),
        name!(first_month, Option<Date>),
        name!(last_month, Option<Date>),
        name!(files, i64),
        name!(bytes, AnyNumeric),
    ),
> {
    let store = fdw::open_server(&server).or_raise();
    let found = backend::run(async move { discover(&store, &under).await }).or_raise();
    let exports = found.exports.into_iter().map(|export| {
        (
            export.root.clone(),
            export.format.name(),
            true,
            export.months.len() as i64,
            export.months.keys().next().map(|m| sql_date(*m)),
            export.months.keys().next_back().map(|m| sql_date(*m)),
            export.files() as i64,
            AnyNumeric::from(export.bytes()),
        )
    });
    let strangers = found.strangers.into_iter().map(|stranger| {
        let files = stranger.files as i64;
        let bytes = AnyNumeric::from(stranger.bytes);
        (stranger.folder, UNKNOWN, false, 0, None, None, files, bytes)
    });
    TableIterator::new(exports.chain(strangers).collect::<Vec<_>>())
}

/// The format of files that are in no export.
const UNKNOWN: &str = "unknown";

/// `export_root(server, prefix)`.
#[pg_extern(sql = false)]
fn export_root(server: String, prefix: String) -> String {
    let store = fdw::open_server(&server).or_raise();
    find(&store, &prefix).or_raise().export().root.clone()
}

/// `foreign_table_sql(server, prefix, table_name)`.
#[pg_extern(sql = false)]
fn foreign_table_sql(server: String, prefix: String, table_name: String) -> String {
    let store = fdw::open_server(&server).or_raise();
    fdw::create_table_sql(&store, &prefix, "cost_analytics", &table_name, &server).or_raise()
}

/// A month as the plan needs it.
struct PlannedMonth {
    period: BillingPeriod,
    fingerprint: String,
    manifest_id: Option<String>,
    files: u64,
    bytes: u64,
    problem: Option<String>,
    kept: bool,
}

/// Which months a plan is about.
struct Wanted {
    /// Fingerprints of deliveries whose manifests were read before.
    known: Vec<String>,
    first: Option<BillingPeriod>,
    last: Option<BillingPeriod>,
    /// At most so many of these, the newest.
    months: Option<usize>,
    /// Older ones than so many calendar months, counted from the newest, are not to be loaded.
    keep: Option<i32>,
}

/// `export_months(regclass, known, since, until, months, keep)`.
#[pg_extern(sql = false)]
#[allow(
    clippy::type_complexity,
    reason = "pgrx reads the columns from the type"
)]
fn export_months(
    foreign_table: pg_sys::Oid,
    known: Vec<String>,
    since: Option<Date>,
    until: Option<Date>,
    months: Option<i32>,
    keep: Option<i32>,
) -> TableIterator<
    'static,
    (
        name!(billing_period, Date),
        name!(fingerprint, String),
        name!(manifest_id, Option<String>),
        name!(files, i64),
        name!(bytes, AnyNumeric),
        name!(problem, Option<String>),
        name!(kept, bool),
    ),
> {
    let bill = bill_of(foreign_table).or_raise();
    let wanted = Wanted {
        known,
        first: since.map(super::period),
        last: until.map(super::period),
        months: months.map(|n| usize::try_from(n).unwrap_or(0)),
        keep,
    };
    let months = backend::run(planned_months(bill, wanted)).or_raise();
    TableIterator::new(months.into_iter().map(|m| {
        (
            sql_date(m.period),
            m.fingerprint,
            m.manifest_id,
            m.files as i64,
            AnyNumeric::from(m.bytes),
            m.problem,
            m.kept,
        )
    }))
}

async fn planned_months(bill: Bill, wanted: Wanted) -> engine::Result<Vec<PlannedMonth>> {
    let newest = bill.export().months.keys().next_back().copied();
    let in_range = |period: BillingPeriod| {
        wanted.first.is_none_or(|first| period >= first)
            && wanted.last.is_none_or(|last| period <= last)
    };
    let months = bill.export().months.iter().rev();
    let months = months.filter(|(period, _)| in_range(**period));
    let mut planned = Vec::new();
    for (period, month) in months.take(wanted.months.unwrap_or(usize::MAX)) {
        planned.push(PlannedMonth {
            period: *period,
            fingerprint: bill.fingerprint(*period)?,
            manifest_id: None,
            files: month.data.len() as u64,
            bytes: month.data.iter().map(|o| o.size).sum(),
            problem: None,
            kept: match (newest, wanted.keep) {
                (Some(newest), Some(keep)) => age(newest) - age(*period) < keep,
                _ => true,
            },
        });
    }
    let is_new = |plan: &PlannedMonth| plan.kept && !wanted.known.contains(&plan.fingerprint);
    let mut new: Vec<_> = planned.iter_mut().filter(|plan| is_new(plan)).collect();
    let periods: Vec<_> = new.iter().map(|plan| plan.period).collect();
    for (plan, delivery) in new.iter_mut().zip(bill.each_delivery(&periods).await) {
        match delivery {
            Ok(delivery) => {
                plan.files = delivery.files.len() as u64;
                plan.bytes = delivery.bytes();
                plan.manifest_id = delivery.manifest_id;
            }
            // One month's bad manifest must not hide the others.
            Err(error) => plan.problem = Some(format!("{error}. {}", error.hint())),
        }
    }
    Ok(planned)
}

/// Calendar months since the year 0.
fn age(period: BillingPeriod) -> i32 {
    period.year() * 12 + period.month() as i32
}

/// `export_columns(regclass, date)`.
#[pg_extern(sql = false)]
#[allow(
    clippy::type_complexity,
    reason = "pgrx reads the columns from the type"
)]
fn export_columns(
    foreign_table: pg_sys::Oid,
    billing_period: Date,
) -> TableIterator<
    'static,
    (
        name!(position, i32),
        name!(column_name, String),
        name!(file_column, String),
        name!(data_type, String),
        name!(change, Option<&'static str>),
    ),
> {
    let bill = bill_of(foreign_table).or_raise();
    let root = bill.export().root.clone();
    let period = super::period(billing_period);
    let found = backend::run(async move {
        let delivery = bill.delivery(period).await?;
        bill.columns(&delivery).await
    });
    let columns = fdw::month_columns(foreign_table, &root, found.or_raise()).or_raise();
    TableIterator::new(
        (1..)
            .zip(columns)
            .map(|(position, c)| (position, c.name, c.original, c.data_type, c.change)),
    )
}

fn find(store: &Store, prefix: &str) -> Result<Bill, Error> {
    let (store, prefix) = (store.clone(), prefix.to_owned());
    Ok(backend::run(
        async move { Bill::find(&store, &prefix).await },
    )?)
}

/// The export of a foreign table, read as the current user.
pub fn bill_of(foreign_table: pg_sys::Oid) -> Result<Bill, Error> {
    // SAFETY: reads a backend variable.
    ForeignTable::of(foreign_table)?.bill(unsafe { pg_sys::GetUserId() })
}
