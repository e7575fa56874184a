//! The functions that `sql/` builds the sync on: looking at an export, loading one month.

mod costs;
mod insert;
mod load;
mod looking;
mod money;
mod normalization;
mod stored;

use billing::BillingPeriod;
use pgrx::datum::Date;

/// The day of a month as Postgres's `date`.
fn sql_date(period: BillingPeriod) -> Date {
    // BillingPeriod's years and months are within Postgres's.
    Date::new_unchecked(period.year() as isize, period.month() as u8, 1)
}

fn period(date: Date) -> BillingPeriod {
    BillingPeriod::from_days_since_epoch(date.to_unix_epoch_days())
}
