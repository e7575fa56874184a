//! The options, and what they may be.

use std::collections::HashMap;

use pgrx::pg_sys;
use pgrx::prelude::*;
use store::{Endpoint, Location};

use super::{elements, string};
use crate::error::{Error, OrRaise};

/// Options by name.
pub type Options = HashMap<String, String>;

const SERVER: &[&str] = &[
    "url",
    "region",
    "endpoint",
    "path_style",
    "allow_http",
    "sts_endpoint",
];
const MAPPING: &[&str] = &[
    "access_key_id",
    "secret_access_key",
    "session_token",
    "vault_access_key_id",
    "vault_secret_access_key",
    "vault_session_token",
    "role_arn",
    "external_id",
    "role_session_name",
    "ambient",
];
/// A key, and the option that names it in the Vault instead.
const KEYS: [(&str, &str); 3] = [
    ("access_key_id", "vault_access_key_id"),
    ("secret_access_key", "vault_secret_access_key"),
    ("session_token", "vault_session_token"),
];
const TABLE: &[&str] = &["prefix"];
const COLUMN: &[&str] = &["column_name"];
const IMPORT: &[&str] = &["columns"];

/// `cur_fdw_validator(text[], oid)`: refuses at CREATE and ALTER what could not work at SELECT.
#[pg_extern(sql = false)]
fn cur_fdw_validator(options: Vec<String>, catalog: pg_sys::Oid) {
    let options = options.iter().map(|option| {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        (name.to_owned(), value.to_owned())
    });
    validate(&options.collect(), catalog).or_raise();
}

fn validate(options: &Options, catalog: pg_sys::Oid) -> Result<(), Error> {
    let (object, allowed): (_, &[&str]) = match catalog {
        pg_sys::ForeignServerRelationId => ("server", SERVER),
        pg_sys::UserMappingRelationId => ("user mapping", MAPPING),
        pg_sys::ForeignTableRelationId => ("foreign table", TABLE),
        pg_sys::AttributeRelationId => ("column", COLUMN),
        _ => ("foreign-data wrapper", &[]),
    };
    check_names(options, object, allowed)?;
    match object {
        "server" => {
            location(options)?;
            sts_endpoint(options).map(drop)
        }
        "user mapping" => check_mapping(options),
        _ => Ok(()),
    }
}

fn check_names(options: &Options, object: &'static str, allowed: &[&str]) -> Result<(), Error> {
    let unknown = |name: &&String| !allowed.contains(&name.as_str());
    match options.keys().find(unknown) {
        None => Ok(()),
        Some(name) => Err(Error::UnknownOption {
            option: name.clone(),
            object,
            hint: unknown_option_hint(name, object, allowed),
        }),
    }
}

/// Which months an imported table has its columns from.
#[derive(Clone, Copy, Debug)]
pub enum Months {
    /// The newest, which has what the export has now.
    Newest,
    /// Every month, widened where they disagree.
    All,
}

/// What the options of IMPORT FOREIGN SCHEMA ask for.
///
/// # Errors
/// [`Error::UnknownOption`], and [`Error::BadOption`] for other columns than `newest` and `all`.
pub fn import_months(options: &Options) -> Result<Months, Error> {
    check_names(options, "import", IMPORT)?;
    match options.get("columns").map(String::as_str) {
        None | Some("newest") => Ok(Months::Newest),
        Some("all") => Ok(Months::All),
        Some(_) => Err(Error::BadOption {
            option: "columns",
            why: "it is not newest or all".to_owned(),
        }),
    }
}

fn unknown_option_hint(name: &str, object: &str, allowed: &[&str]) -> String {
    // A secret is worth its own words: options of a server can be read by everyone.
    if MAPPING.contains(&name) && object != "user mapping" {
        return format!(
            "Secrets belong into the user mapping: CREATE USER MAPPING … OPTIONS ({name} '…')."
        );
    }
    let near = |candidate: &&&str| strsim::levenshtein(name, candidate) <= name.len() / 2 + 1;
    let closest = allowed
        .iter()
        .filter(near)
        .min_by_key(|c| strsim::levenshtein(name, c));
    match closest {
        Some(closest) => format!("Perhaps you meant the option \"{closest}\"."),
        None if allowed.is_empty() => "There are no valid options in this context.".to_owned(),
        None => format!("Valid options in this context are: {}.", allowed.join(", ")),
    }
}

fn check_mapping(options: &Options) -> Result<(), Error> {
    let empty = MAPPING
        .iter()
        .find(|name| options.get(**name).is_some_and(String::is_empty));
    if let Some(option) = empty {
        return Err(Error::BadOption {
            option,
            why: "it is empty".to_owned(),
        });
    }
    let given = |option: &str| options.contains_key(option);
    let twice = KEYS
        .into_iter()
        .find(|(key, name)| given(key) && given(name));
    if let Some((key, option)) = twice {
        return Err(Error::BadOption {
            option,
            why: format!("{key} is given as well"),
        });
    }
    check_role(options)?;
    if ambient(options)? {
        return check_ambient(options);
    }
    let [id, secret, _] = KEYS;
    match [id, secret].iter().find(|(k, v)| !given(k) && !given(v)) {
        Some((option, _)) if !options.is_empty() => Err(Error::MissingOption {
            object: "user mapping".to_owned(),
            option,
        }),
        _ => Ok(()),
    }
}

/// The machine's identity is its owner's. As with postgres_fdw's password_required, only a superuser
/// may lend it, and nobody else may change a mapping that has it.
fn check_ambient(options: &Options) -> Result<(), Error> {
    let given = |option: &str| options.contains_key(option);
    if KEYS.iter().any(|(key, name)| given(key) || given(name)) {
        return Err(Error::BadOption {
            option: "ambient",
            why: "keys are given as well".to_owned(),
        });
    }
    // SAFETY: asks for the current user.
    match unsafe { pg_sys::superuser() } {
        true => Ok(()),
        false => Err(Error::AmbientNotAllowed),
    }
}

/// Limits are those of AWS STS (API reference, AssumeRole). No message repeats a value.
fn check_role(options: &Options) -> Result<(), Error> {
    let Some(role) = options.get("role_arn") else {
        return match ["external_id", "role_session_name"]
            .iter()
            .any(|o| options.contains_key(*o))
        {
            true => Err(Error::MissingOption {
                object: "user mapping".to_owned(),
                option: "role_arn",
            }),
            false => Ok(()),
        };
    };
    let bad = |option, why: &str| {
        Err(Error::BadOption {
            option,
            why: why.to_owned(),
        })
    };
    if !role.starts_with("arn:") || !role.contains(":role/") {
        return bad("role_arn", "it is not arn:aws:iam::account:role/name");
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    match options.get("role_session_name") {
        Some(name) if !(2..=64).contains(&name.len()) || !name.chars().all(plain) => bad(
            "role_session_name",
            "it must have 2 to 64 letters, digits or _+=,.@-",
        ),
        _ => Ok(()),
    }
}

/// Whether a mapping signs with the machine's own identity.
///
/// # Errors
/// [`Error::BadOption`] when the option is no boolean.
pub fn ambient(options: &Options) -> Result<bool, Error> {
    Ok(flag(options, "ambient")?.unwrap_or(false))
}

/// Where a server's options point.
///
/// # Errors
/// [`Error::MissingOption`] without `url`, [`Error::BadOption`] for a flag that is no boolean, and
/// the errors of [`Location::parse`] and [`Endpoint::parse`].
pub fn location(options: &Options) -> Result<Location, Error> {
    let option = |name: &str| options.get(name).map(String::as_str);
    let url = option("url").ok_or_else(|| Error::MissingOption {
        object: "server".to_owned(),
        option: "url",
    })?;
    let allow_http = flag(options, "allow_http")?.unwrap_or(false);
    let endpoint = option("endpoint")
        .map(|e| Endpoint::parse(e, allow_http))
        .transpose()?;
    // AWS wants the bucket in the host name; most other servers know it only in the path.
    let path_style = flag(options, "path_style")?.unwrap_or(endpoint.is_some());
    Ok(Location::parse(
        url,
        option("region"),
        endpoint,
        path_style,
    )?)
}

/// Where roles are assumed, when that is not AWS.
///
/// # Errors
/// Those of [`Endpoint::parse`], and [`Error::BadOption`].
pub fn sts_endpoint(options: &Options) -> Result<Option<Endpoint>, Error> {
    let allow_http = flag(options, "allow_http")?.unwrap_or(false);
    let endpoint = options.get("sts_endpoint");
    Ok(endpoint
        .map(|e| Endpoint::parse(e, allow_http))
        .transpose()?)
}

fn flag(options: &Options, option: &'static str) -> Result<Option<bool>, Error> {
    match options
        .get(option)
        .map(|v| v.to_ascii_lowercase())
        .as_deref()
    {
        None => Ok(None),
        Some("true" | "on" | "yes" | "1") => Ok(Some(true)),
        Some("false" | "off" | "no" | "0") => Ok(Some(false)),
        Some(_) => Err(Error::BadOption {
            option,
            why: "it is not true or false".to_owned(),
        }),
    }
}

/// Copies an options list of Postgres's catalogs.
///
/// # Safety
/// `list` is NIL or a list of `DefElem` with string values.
pub unsafe fn from_list(list: *mut pg_sys::List) -> Options {
    // SAFETY: the caller's promise.
    let elements = unsafe { elements::<pg_sys::DefElem>(list) };
    elements
        // SAFETY: a DefElem of a catalog has a name and a String node.
        .map(|e| unsafe { (string((*e).defname), string(pg_sys::defGetString(e))) })
        .collect()
}
