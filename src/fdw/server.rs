//! From a foreign table or server to an opened store, with the credentials of the checked user.

use engine::Bill;
use pgrx::pg_sys;
use store::{Endpoint, Provider, Store};

use super::{clients, mapping, options, string};
use crate::backend;
use crate::error::Error;
use crate::gucs;

/// A foreign table's options.
#[derive(Clone, Debug)]
pub struct ForeignTable {
    server: pg_sys::Oid,
    /// The folder of the table's export.
    pub prefix: String,
}

impl ForeignTable {
    /// Looks a foreign table up.
    ///
    /// # Errors
    /// [`Error::NotOurs`] for any other relation, [`Error::MissingOption`] without `prefix`.
    pub fn of(relation: pg_sys::Oid) -> Result<Self, Error> {
        // SAFETY: both return NULL or a C string in the current memory context for any OID.
        let (name, kind) = unsafe {
            (
                string(pg_sys::get_rel_name(relation)),
                pg_sys::get_rel_relkind(relation),
            )
        };
        if kind as u8 != pg_sys::RELKIND_FOREIGN_TABLE {
            return Err(Error::NotOurs { relation: name });
        }
        // SAFETY: the relation is a foreign table, so it has an entry with an options list.
        let (server, options) = unsafe {
            let table = pg_sys::GetForeignTable(relation);
            ((*table).serverid, options::from_list((*table).options))
        };
        check_wrapper(server).map_err(|_| Error::NotOurs {
            relation: name.clone(),
        })?;
        let prefix = options
            .get("prefix")
            .cloned()
            .ok_or_else(|| Error::MissingOption {
                object: format!("foreign table \"{name}\""),
                option: "prefix",
            })?;
        Ok(Self { server, prefix })
    }

    /// Lists the store and finds the table's export, as `user`.
    ///
    /// # Errors
    /// Those of [`open`] and [`Bill::find`].
    pub fn bill(&self, user: pg_sys::Oid) -> Result<Bill, Error> {
        let store = open(self.server, user)?;
        let prefix = self.prefix.clone();
        Ok(backend::run(
            async move { Bill::find(&store, &prefix).await },
        )?)
    }
}

/// Opens the server of this name as the current user.
///
/// # Errors
/// [`Error::NoServer`], and those of [`open`].
pub fn open_server(name: &str) -> Result<Store, Error> {
    let missing = || Error::NoServer {
        server: name.to_owned(),
    };
    let c_name = std::ffi::CString::new(name).map_err(|_| missing())?;
    // SAFETY: GetForeignServerByName with missing_ok returns NULL or a server.
    let server = unsafe {
        let server = pg_sys::GetForeignServerByName(c_name.as_ptr(), true);
        if server.is_null() {
            return Err(missing());
        }
        (*server).serverid
    };
    check_wrapper(server).map_err(|_| missing())?;
    // SAFETY: plain catalog lookups by OID.
    unsafe {
        let user = pg_sys::GetUserId();
        check_usage(server, user, name)?;
        open(server, user)
    }
}

/// Opens a server with the credentials of `user`. What may be opened is checked each time; only the
/// client is kept.
///
/// # Errors
/// [`Error::EndpointNotAllowed`], [`Error::NoServerFiles`], and those of the options, the mapping
/// and the store.
pub fn open(server: pg_sys::Oid, user: pg_sys::Oid) -> Result<Store, Error> {
    // SAFETY: `server` is the OID of an existing foreign server.
    let (name, owner, options) = unsafe {
        let server = pg_sys::GetForeignServer(server);
        (
            string((*server).servername),
            (*server).owner,
            options::from_list((*server).options),
        )
    };
    let location = options::location(&options)?;
    let credentials = match location.provider() {
        Provider::Directory => {
            check_server_files(user, &name)?;
            None
        }
        provider => {
            let issuer = options::issuer(&options)?;
            for endpoint in location.endpoint().into_iter().chain(&issuer) {
                // The owner chose it, and the user's credentials are sent there: Azure's tokens and
                // Google's can be used by whoever receives them.
                for role in [user, owner] {
                    check_endpoint(endpoint, role, &name)?;
                }
            }
            Some(mapping::credentials(server, user, &name, provider, issuer)?)
        }
    };
    clients::open(location, credentials, gucs::network())
}

fn check_wrapper(server: pg_sys::Oid) -> Result<(), ()> {
    // SAFETY: `server` is the OID of an existing server, whose wrapper exists.
    let handler = unsafe {
        let server = pg_sys::GetForeignServer(server);
        let wrapper = pg_sys::GetForeignDataWrapper((*server).fdwid);
        string(pg_sys::get_func_name((*wrapper).fdwhandler))
    };
    if handler == "cur_fdw_handler" {
        Ok(())
    } else {
        Err(())
    }
}

#[allow(
    clippy::useless_conversion,
    reason = "AclMode has 64 bits from Postgres 16 on"
)]
fn check_usage(server: pg_sys::Oid, user: pg_sys::Oid, name: &str) -> Result<(), Error> {
    let mode = pg_sys::ACL_USAGE.into();
    // SAFETY: a permission lookup by OID.
    let result = unsafe {
        #[cfg(feature = "pg15")]
        let result = pg_sys::pg_foreign_server_aclcheck(server, user, mode);
        #[cfg(not(feature = "pg15"))]
        let result = pg_sys::object_aclcheck(pg_sys::ForeignServerRelationId, server, user, mode);
        result
    };
    if result == pg_sys::AclResult::ACLCHECK_OK {
        Ok(())
    } else {
        Err(Error::NoServer {
            server: name.to_owned(),
        })
    }
}

/// A server names the host that requests are signed for and sent to, so an ordinary user could
/// use it to reach hosts only the database server can reach.
fn check_endpoint(endpoint: &Endpoint, role: pg_sys::Oid, server: &str) -> Result<(), Error> {
    // SAFETY: a catalog lookup by OID.
    let trusted = unsafe { pg_sys::superuser_arg(role) };
    if trusted
        || gucs::allowed_endpoints()
            .iter()
            .any(|pattern| endpoint.matches(pattern))
    {
        return Ok(());
    }
    Err(Error::EndpointNotAllowed {
        endpoint: endpoint.as_str().to_owned(),
        server: server.to_owned(),
    })
}

fn check_server_files(user: pg_sys::Oid, server: &str) -> Result<(), Error> {
    // SAFETY: a catalog lookup by OID.
    if unsafe {
        pg_sys::has_privs_of_role(user, pg_sys::Oid::from(pg_sys::ROLE_PG_READ_SERVER_FILES))
    } {
        return Ok(());
    }
    Err(Error::NoServerFiles {
        role: role_name(user),
        server: server.to_owned(),
    })
}

/// A role's name, for messages; empty for one that was dropped.
pub fn role_name(role: pg_sys::Oid) -> String {
    // SAFETY: with noerr, an unknown role gives NULL.
    unsafe { string(pg_sys::GetUserNameFromId(role, true)) }
}
