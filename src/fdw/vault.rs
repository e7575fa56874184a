//! Secrets in Supabase's Vault: a user mapping names them, and `vault.decrypted_secrets` has them.
//!
//! Nothing read here is kept: every open reads anew, so that a replaced secret or a revoked
//! privilege counts from the next query on.

use std::ffi::c_int;

use pgrx::pg_sys;
use pgrx::prelude::*;
use store::Secret;

use super::relation::OpenRelation;
use super::server::role_name;
use crate::error::Error;

/// The secret that the value of `option` names, by id when it is a UUID and else by name, read
/// with the privileges of `user`.
///
/// The value appears in no message: it may be the secret itself, put there by mistake.
///
/// # Errors
/// [`Error::NoVault`], [`Error::VaultDenied`] and [`Error::NoVaultSecret`].
pub fn secret(user: pg_sys::Oid, option: &'static str, value: &str) -> Result<Secret, Error> {
    check_view(user, option)?;
    let _as_user = AsUser::new(user);
    let found = look_up(value).map_err(|_| Error::NoVault { option })?;
    let missing = |why| Error::NoVaultSecret { option, why };
    match found.as_slice() {
        [] => Err(missing("there is none of that id or name")),
        [Some(secret)] => Ok(Secret::new(secret)),
        [None] => Err(missing("it is NULL")),
        _ => Err(missing("there are several of that name")),
    }
}

/// At most two secrets, for the caller to refuse.
fn look_up(value: &str) -> pgrx::spi::SpiResult<Vec<Option<String>>> {
    let condition = match is_uuid(value) {
        true => "id OPERATOR(pg_catalog.=) $1::pg_catalog.uuid",
        false => "name OPERATOR(pg_catalog.=) $1",
    };
    let query = format!(
        "SELECT decrypted_secret::pg_catalog.text FROM vault.decrypted_secrets WHERE {condition}"
    );
    Spi::connect(|client| {
        let rows = client.select(&query, Some(2), &[value.into()])?;
        rows.map(|row| row.get::<String>(1)).collect()
    })
}

/// The form in which Postgres shows a UUID.
fn is_uuid(value: &str) -> bool {
    value.len() == 36
        && value.bytes().enumerate().all(|(i, byte)| match i {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

/// Refuses a view that is missing, that the user may not read, or that somebody made who could use
/// the user's privileges through it: reading a view runs its functions.
fn check_view(user: pg_sys::Oid, option: &'static str) -> Result<(), Error> {
    // SAFETY: lookups by name; the second finds nothing in an invalid namespace.
    let (schema, view) = unsafe {
        let schema = pg_sys::get_namespace_oid(c"vault".as_ptr(), true);
        let view = pg_sys::get_relname_relid(c"decrypted_secrets".as_ptr(), schema);
        (schema, view)
    };
    if view == pg_sys::InvalidOid {
        return Err(Error::NoVault { option });
    }
    if !may_read(user, schema, view) {
        return Err(Error::VaultDenied {
            role: role_name(user),
        });
    }
    let relation = OpenRelation::new(view);
    // SAFETY: an open relation has its pg_class row; the other is a lookup by OID.
    let trusted = unsafe {
        let owner = (*(*relation.0).rd_rel).relowner;
        owner == user || pg_sys::superuser_arg(owner)
    };
    match trusted {
        true => Ok(()),
        false => Err(Error::NoVault { option }),
    }
}

#[allow(
    clippy::useless_conversion,
    reason = "AclMode has 64 bits from Postgres 16 on"
)]
fn may_read(user: pg_sys::Oid, schema: pg_sys::Oid, view: pg_sys::Oid) -> bool {
    let (usage, select) = (pg_sys::ACL_USAGE.into(), pg_sys::ACL_SELECT.into());
    // SAFETY: permission lookups by OID.
    unsafe {
        #[cfg(feature = "pg15")]
        let in_schema = pg_sys::pg_namespace_aclcheck(schema, user, usage);
        #[cfg(not(feature = "pg15"))]
        let in_schema = pg_sys::object_aclcheck(pg_sys::NamespaceRelationId, schema, user, usage);
        let of_view = pg_sys::pg_class_aclcheck(view, user, select);
        [in_schema, of_view] == [pg_sys::AclResult::ACLCHECK_OK; 2]
    }
}

/// The privileges of a role until dropped, also by an ERROR that unwinds.
struct AsUser {
    previous: (pg_sys::Oid, c_int),
}

impl AsUser {
    fn new(user: pg_sys::Oid) -> Self {
        let (mut role, mut context) = (pg_sys::InvalidOid, 0);
        let restricted =
            pg_sys::SECURITY_LOCAL_USERID_CHANGE | pg_sys::SECURITY_RESTRICTED_OPERATION;
        // SAFETY: both pointers are valid, and `user` is the role Postgres has checked.
        unsafe {
            pg_sys::GetUserIdAndSecContext(&mut role, &mut context);
            pg_sys::SetUserIdAndSecContext(user, context | restricted as c_int);
        }
        Self {
            previous: (role, context),
        }
    }
}

impl Drop for AsUser {
    fn drop(&mut self) {
        // SAFETY: what GetUserIdAndSecContext returned.
        unsafe { pg_sys::SetUserIdAndSecContext(self.previous.0, self.previous.1) }
    }
}
