//! From a user mapping to credentials.

use pgrx::pg_sys;
use store::{Credentials, Endpoint, Keys, Role, Secret, Source};

use super::options::{self, Options};
use super::server::role_name;
use super::vault;
use crate::error::Error;

/// What a mapping says of a role that gives no `role_session_name`.
const SESSION_NAME: &str = "cur_fdw";

/// The credentials of `user` on a server. Secrets in the Vault are read now, as `user`.
///
/// # Errors
/// [`Error::NoMapping`], [`Error::MissingOption`], and those of [`vault::secret`].
pub fn credentials(
    server: pg_sys::Oid,
    user: pg_sys::Oid,
    server_name: &str,
    sts: Option<Endpoint>,
) -> Result<Credentials, Error> {
    let options = options_of(server, user).ok_or_else(|| Error::NoMapping {
        role: role_name(user),
        server: server_name.to_owned(),
    })?;
    Ok(Credentials {
        source: source(&options, user, server_name)?,
        role: role(&options, sts),
    })
}

fn source(options: &Options, user: pg_sys::Oid, server_name: &str) -> Result<Source, Error> {
    // Only a superuser can have set it, see `options::check_ambient`.
    if options::ambient(options)? {
        return Ok(Source::Ambient);
    }
    let secret = |option, in_vault| match (options.get(option), options.get(in_vault)) {
        (Some(secret), _) => Ok(Some(Secret::new(secret))),
        (None, Some(name)) => vault::secret(user, in_vault, name).map(Some),
        (None, None) => Ok(None),
    };
    let required = |option: &'static str, in_vault| {
        secret(option, in_vault)?.ok_or_else(|| Error::MissingOption {
            object: format!(
                "user mapping for \"{}\" on server \"{server_name}\"",
                role_name(user)
            ),
            option,
        })
    };
    Ok(Source::Keys(Keys {
        access_key_id: required("access_key_id", "vault_access_key_id")?,
        secret_access_key: required("secret_access_key", "vault_secret_access_key")?,
        session_token: secret("session_token", "vault_session_token")?,
    }))
}

fn role(options: &Options, sts: Option<Endpoint>) -> Option<Role> {
    Some(Role {
        arn: options.get("role_arn")?.clone(),
        external_id: options.get("external_id").map(Secret::new),
        session_name: options
            .get("role_session_name")
            .map_or_else(|| SESSION_NAME.to_owned(), Clone::clone),
        sts,
    })
}

/// The options of the user's mapping, else of PUBLIC's.
fn options_of(server: pg_sys::Oid, user: pg_sys::Oid) -> Option<Options> {
    [user, pg_sys::InvalidOid]
        .into_iter()
        .find(|u| exists(server, *u))?;
    // SAFETY: one of the two mappings GetUserMapping looks for exists, so it does not raise.
    unsafe {
        Some(options::from_list(
            (*pg_sys::GetUserMapping(user, server)).options,
        ))
    }
}

fn exists(server: pg_sys::Oid, user: pg_sys::Oid) -> bool {
    // SAFETY: a syscache lookup with keys of the types this cache has; the tuple is released.
    unsafe {
        let tuple = pg_sys::SearchSysCache2(
            pg_sys::SysCacheIdentifier::USERMAPPINGUSERSERVER as _,
            pg_sys::Datum::from(user),
            pg_sys::Datum::from(server),
        );
        if tuple.is_null() {
            return false;
        }
        pg_sys::ReleaseSysCache(tuple);
        true
    }
}
