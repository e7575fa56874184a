//! The options, and what they may be.

use std::collections::HashMap;

use pgrx::pg_sys;
use pgrx::prelude::*;
use store::{Address, Endpoint, Location, Provider};

use super::{elements, string};
use crate::error::{Error, OrRaise};

/// Options by name.
pub type Options = HashMap<String, String>;

/// What a server has besides its `url`, by the store that the URL names.
const SERVER: &[(Provider, &[&str])] = &[
    (
        Provider::S3,
        &[
            "region",
            "endpoint",
            "path_style",
            "allow_http",
            "sts_endpoint",
        ],
    ),
    (
        Provider::Azure,
        &[
            "account",
            "endpoint",
            "path_style",
            "allow_http",
            "authority_host",
        ],
    ),
    (Provider::Google, &["endpoint", "allow_http"]),
    (Provider::Directory, &[]),
];

/// A way to prove who reads. A mapping has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// `access_key_id` and `secret_access_key`.
    AwsKeys,
    /// `account_key`.
    AccountKey,
    /// `sas_token`.
    SasToken,
    /// `client_id`, `client_secret` and `tenant_id`.
    Client,
    /// `service_account_key`.
    ServiceAccount,
}

/// An option of a mapping, and the one that names its value in the Vault instead.
type Key = (&'static str, Option<&'static str>);

/// `access_key_id`
pub const ACCESS_KEY_ID: Key = ("access_key_id", Some("vault_access_key_id"));
/// `secret_access_key`
pub const SECRET_ACCESS_KEY: Key = ("secret_access_key", Some("vault_secret_access_key"));
/// `session_token`
pub const SESSION_TOKEN: Key = ("session_token", Some("vault_session_token"));
/// `account_key`
pub const ACCOUNT_KEY: Key = ("account_key", Some("vault_account_key"));
/// `sas_token`
pub const SAS_TOKEN: Key = ("sas_token", Some("vault_sas_token"));
/// `client_id`
pub const CLIENT_ID: Key = ("client_id", None);
/// `client_secret`
pub const CLIENT_SECRET: Key = ("client_secret", Some("vault_client_secret"));
/// `tenant_id`
pub const TENANT_ID: Key = ("tenant_id", None);
/// `service_account_key`
pub const SERVICE_ACCOUNT_KEY: Key = ("service_account_key", Some("vault_service_account_key"));

impl Proof {
    const ALL: [Self; 5] = [
        Self::AwsKeys,
        Self::AccountKey,
        Self::SasToken,
        Self::Client,
        Self::ServiceAccount,
    ];

    /// Whom it proves something to.
    pub fn provider(self) -> Provider {
        match self {
            Self::AwsKeys => Provider::S3,
            Self::AccountKey | Self::SasToken | Self::Client => Provider::Azure,
            Self::ServiceAccount => Provider::Google,
        }
    }

    fn required(self) -> &'static [Key] {
        match self {
            Self::AwsKeys => &[ACCESS_KEY_ID, SECRET_ACCESS_KEY],
            Self::AccountKey => &[ACCOUNT_KEY],
            Self::SasToken => &[SAS_TOKEN],
            Self::Client => &[CLIENT_ID, CLIENT_SECRET, TENANT_ID],
            Self::ServiceAccount => &[SERVICE_ACCOUNT_KEY],
        }
    }

    fn keys(self) -> impl Iterator<Item = Key> {
        let optional = (self == Self::AwsKeys).then_some(SESSION_TOKEN);
        self.required().iter().copied().chain(optional)
    }

    /// The first of its options that a mapping has.
    pub fn given_in(self, options: &Options) -> Option<&'static str> {
        self.keys()
            .flat_map(|(key, in_vault)| [Some(key), in_vault])
            .flatten()
            .find(|option| options.contains_key(*option))
    }

    /// The one that a mapping has.
    pub fn of(options: &Options) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|proof| proof.given_in(options).is_some())
    }
}

/// Options of a mapping about a role to assume, which is AWS's way.
pub const ROLE: [&str; 3] = ["role_arn", "external_id", "role_session_name"];

/// All options of a mapping.
fn mapping() -> Vec<&'static str> {
    let keys = Proof::ALL.into_iter().flat_map(Proof::keys);
    keys.flat_map(|(key, in_vault)| [Some(key), in_vault])
        .flatten()
        .chain(ROLE)
        .chain(["ambient"])
        .collect()
}

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
    let (object, allowed): (_, Vec<&str>) = match catalog {
        pg_sys::ForeignServerRelationId => ("server", server()),
        pg_sys::UserMappingRelationId => ("user mapping", mapping()),
        pg_sys::ForeignTableRelationId => ("foreign table", TABLE.to_vec()),
        pg_sys::AttributeRelationId => ("column", COLUMN.to_vec()),
        _ => ("foreign-data wrapper", Vec::new()),
    };
    check_names(options, object, &allowed)?;
    match object {
        "server" => {
            location(options)?;
            issuer(options).map(drop)
        }
        "user mapping" => check_mapping(options),
        _ => Ok(()),
    }
}

/// All options of a server.
fn server() -> Vec<&'static str> {
    let all = SERVER.iter().flat_map(|(_, options)| *options).copied();
    std::iter::once("url").chain(all).collect()
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
    if mapping().contains(&name) && object != "user mapping" {
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
    let bad = |option, why: String| Err(Error::BadOption { option, why });
    let empty = |option: &&str| options.get(*option).is_some_and(String::is_empty);
    if let Some(option) = mapping().into_iter().find(empty) {
        return bad(option, "it is empty".to_owned());
    }
    let given = |option: &str| options.contains_key(option);
    for (key, in_vault) in Proof::ALL.into_iter().flat_map(Proof::keys) {
        match in_vault {
            Some(option) if given(key) && given(option) => {
                return bad(option, format!("{key} is given as well"));
            }
            _ => {}
        }
    }
    let proofs = Proof::ALL.map(|proof| proof.given_in(options));
    let mut proofs = proofs.into_iter().flatten();
    let first = proofs.next();
    if let (Some(first), Some(second)) = (first, proofs.next()) {
        return bad(second, format!("{first} is given as well"));
    }
    if let (Some(first), Some(role)) = (first, ROLE.into_iter().find(|role| given(role)))
        && Proof::of(options) != Some(Proof::AwsKeys)
    {
        return bad(role, format!("{first} is given as well"));
    }
    check_role(options)?;
    if ambient(options)? {
        return check_ambient(first);
    }
    let proof = match Proof::of(options) {
        Some(proof) => proof,
        None if given("role_arn") => Proof::AwsKeys,
        None => return Ok(()),
    };
    check_secrets(options)?;
    complete(options, proof, "user mapping".to_owned())
}

/// Refuses a mapping that lacks a part of its proof.
///
/// # Errors
/// [`Error::MissingOption`] about `object`.
pub fn complete(options: &Options, proof: Proof, object: String) -> Result<(), Error> {
    let lacks = |(key, in_vault): &&Key| {
        !options.contains_key(*key) && in_vault.is_none_or(|name| !options.contains_key(name))
    };
    match proof.required().iter().find(lacks) {
        None => Ok(()),
        Some((option, _)) => Err(Error::MissingOption { object, option }),
    }
}

/// Refuses secrets that no store could have given out.
fn check_secrets(options: &Options) -> Result<(), Error> {
    type Check = fn(&str) -> Result<(), store::Error>;
    let checks: [(Key, Check); 3] = [
        (ACCOUNT_KEY, store::check_account_key),
        (SAS_TOKEN, store::check_sas_token),
        (SERVICE_ACCOUNT_KEY, store::check_service_account_key),
    ];
    for ((option, _), check) in checks {
        if let Some(value) = options.get(option) {
            check(value)?;
        }
    }
    let in_path = |c: char| c.is_ascii_alphanumeric() || "-.".contains(c);
    match options.get(TENANT_ID.0) {
        Some(tenant) if !tenant.chars().all(in_path) => Err(Error::BadOption {
            option: TENANT_ID.0,
            why: "it is neither a directory's id nor its domain".to_owned(),
        }),
        _ => Ok(()),
    }
}

/// The machine's identity is its owner's. As with postgres_fdw's password_required, only a superuser
/// may lend it, and nobody else may change a mapping that has it.
fn check_ambient(key: Option<&str>) -> Result<(), Error> {
    if key.is_some() {
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
        return match ROLE.iter().any(|o| options.contains_key(*o)) {
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
/// [`Error::MissingOption`] without `url`, [`Error::UnknownOption`] for one that is another store's,
/// [`Error::BadOption`] for a flag that is no boolean, and the errors of [`Location::parse`] and
/// [`Endpoint::parse`].
pub fn location(options: &Options) -> Result<Location, Error> {
    let option = |name: &str| options.get(name).map(String::as_str);
    let url = option("url").ok_or_else(|| Error::MissingOption {
        object: "server".to_owned(),
        option: "url",
    })?;
    check_fit(options, store::provider(url)?)?;
    Ok(Location::parse(Address {
        url,
        region: option("region"),
        account: option("account"),
        endpoint: endpoint(options, "endpoint")?,
        path_style: flag(options, "path_style")?,
    })?)
}

fn check_fit(options: &Options, provider: Provider) -> Result<(), Error> {
    let fitting = SERVER.iter().find(|(of, _)| *of == provider);
    let fitting = fitting.map_or(&[][..], |(_, options)| options);
    let stray = |name: &&String| *name != "url" && !fitting.contains(&name.as_str());
    match options.keys().filter(stray).min() {
        None => Ok(()),
        Some(option) => Err(Error::StrayOption {
            option: option.clone(),
            object: "the server".to_owned(),
            scheme: provider.scheme(),
            hint: match fitting {
                [] => "It has no other option than url.".to_owned(),
                fitting => format!("It may have: {}.", fitting.join(", ")),
            },
        }),
    }
}

/// Who issues temporary keys, where the provider itself is not meant: `sts_endpoint` for S3,
/// `authority_host` for Azure.
///
/// # Errors
/// Those of [`Endpoint::parse`], and [`Error::BadOption`].
pub fn issuer(options: &Options) -> Result<Option<Endpoint>, Error> {
    match endpoint(options, "sts_endpoint")? {
        None => endpoint(options, "authority_host"),
        sts => Ok(sts),
    }
}

fn endpoint(options: &Options, option: &str) -> Result<Option<Endpoint>, Error> {
    let allow_http = flag(options, "allow_http")?.unwrap_or(false);
    let endpoint = options.get(option);
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
