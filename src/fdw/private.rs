//! What a plan carries from planning to execution: plain nodes only, because a cached plan outlives
//! the transaction and is copied.

use std::ffi::CString;

use engine::Query;
use pgrx::pg_sys;
use serde::{Deserialize, Serialize};

use super::string;
use crate::error::Error;

/// The query of a scan and what becomes of its result.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Private {
    /// The foreign table.
    pub relation: u32,
    /// What to ask the engine for.
    pub query: Query,
    /// The names of the query's columns in the table, for messages.
    pub names: Vec<String>,
    /// The conditions that choose the months, as Postgres spells them.
    pub months: Vec<String>,
    /// For each attribute of the scan's rows that is not NULL always, where it comes from.
    pub outputs: Vec<Output>,
    /// The most rows, as the sum of these parameters; all if empty.
    pub limit: Vec<usize>,
    /// Whether the plan holds only while the session's time zone is UTC.
    pub needs_utc: bool,
}

/// An attribute of a scan's rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// Its number, from 1.
    pub attribute: i16,
    /// Its value.
    pub value: OutputValue,
}

/// Where an attribute's value comes from: columns of the engine's result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum OutputValue {
    /// A column.
    Column(usize),
    /// A sum divided by a count, as `numeric`: `avg` of integers. Postgres divides.
    Quotient {
        /// The column with the sum.
        sum: usize,
        /// The column with the count.
        count: usize,
    },
}

impl Private {
    /// `fdw_private`: the query as text, then the conditions on the path.
    ///
    /// # Safety
    /// `months` is NIL or a list of expressions.
    pub unsafe fn to_list(&self, months: *mut pg_sys::List) -> *mut pg_sys::List {
        let json = serde_json::to_string(self).unwrap_or_default();
        let json = CString::new(json).unwrap_or_default();
        // SAFETY: makeString keeps the pointer it is given, which is a copy that Postgres owns.
        unsafe {
            let text = pg_sys::makeString(pg_sys::pstrdup(json.as_ptr()));
            let list = pg_sys::lappend(std::ptr::null_mut(), text.cast());
            pg_sys::lappend(list, months.cast())
        }
    }

    /// The inverse of [`Private::to_list`].
    ///
    /// # Errors
    /// [`Error::Plan`] for a plan of another version of the extension.
    ///
    /// # Safety
    /// `list` is the `fdw_private` of a scan of this extension.
    pub unsafe fn of_list(list: *mut pg_sys::List) -> Result<(Self, *mut pg_sys::List), Error> {
        // SAFETY: the caller's promise.
        let (json, months) = unsafe {
            let text = pg_sys::list_nth(list, 0).cast::<pg_sys::String>();
            (string((*text).sval), pg_sys::list_nth(list, 1).cast())
        };
        let private =
            serde_json::from_str(&json).map_err(|e| Error::Plan { why: e.to_string() })?;
        Ok((private, months))
    }
}
