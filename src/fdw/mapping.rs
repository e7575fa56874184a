//! From a user mapping to credentials.

use pgrx::pg_sys;
use store::{
    Aws, Azure, Client, Credentials, Endpoint, Google, Keys, Provider, Role, Secret, Source,
};

use super::options::{self, Options, Proof};
use super::server::role_name;
use super::vault;
use crate::error::Error;

/// What a mapping says of a role that gives no `role_session_name`.
const SESSION_NAME: &str = "cur_fdw";

/// The credentials of `user` on a server of this provider, with keys from `issuer` where they have
/// to be asked for. Secrets in the Vault are read now, as `user`.
///
/// # Errors
/// [`Error::NoMapping`], [`Error::MissingOption`], [`Error::StrayOption`], and those of
/// [`vault::secret`].
pub fn credentials(
    server: pg_sys::Oid,
    user: pg_sys::Oid,
    server_name: &str,
    provider: Provider,
    issuer: Option<Endpoint>,
) -> Result<Credentials, Error> {
    let options = options_of(server, user).ok_or_else(|| Error::NoMapping {
        role: role_name(user),
        server: server_name.to_owned(),
        provider,
    })?;
    let mapping = Mapping {
        options,
        user,
        server_name,
    };
    // Only a superuser can have set it, see `options::check_ambient`.
    let ambient = options::ambient(&mapping.options)?;
    mapping.check_fit(provider, ambient)?;
    Ok(match provider {
        Provider::Azure => Credentials::Azure(match ambient {
            true => Azure::Ambient,
            false => mapping.azure(issuer)?,
        }),
        Provider::Google => Credentials::Google(match ambient {
            true => Google::Ambient,
            false => Google::ServiceAccount(mapping.secret(options::SERVICE_ACCOUNT_KEY)?),
        }),
        Provider::S3 | Provider::Directory => Credentials::Aws(Aws {
            source: match ambient {
                true => Source::Ambient,
                false => Source::Keys(mapping.keys()?),
            },
            role: mapping.role(issuer),
        }),
    })
}

struct Mapping<'a> {
    options: Options,
    user: pg_sys::Oid,
    server_name: &'a str,
}

impl Mapping<'_> {
    /// The mapping, as messages name it.
    fn name(&self) -> String {
        let role = role_name(self.user);
        format!(
            "user mapping for \"{role}\" on server \"{}\"",
            self.server_name
        )
    }

    /// Refuses what is meant for another provider: a mapping is made before or after its server's
    /// `url` changes, and the validator sees one of them only.
    fn check_fit(&self, provider: Provider, ambient: bool) -> Result<(), Error> {
        let role = || {
            options::ROLE
                .into_iter()
                .find(|o| self.options.contains_key(*o))
        };
        let stray = match Proof::of(&self.options) {
            Some(proof) if proof.provider() != provider => proof.given_in(&self.options),
            _ if provider != Provider::S3 => role(),
            _ => None,
        };
        if let Some(option) = stray {
            return Err(Error::StrayOption {
                option: option.to_owned(),
                object: format!("the {}", self.name()),
                scheme: provider.scheme(),
                hint: format!("It may have {}.", proofs(provider)),
            });
        }
        if ambient {
            return Ok(());
        }
        let usual = match provider {
            Provider::Azure => Proof::AccountKey,
            Provider::Google => Proof::ServiceAccount,
            Provider::S3 | Provider::Directory => Proof::AwsKeys,
        };
        let proof = Proof::of(&self.options).unwrap_or(usual);
        options::complete(&self.options, proof, self.name())
    }

    fn keys(&self) -> Result<Keys, Error> {
        Ok(Keys {
            access_key_id: self.secret(options::ACCESS_KEY_ID)?,
            secret_access_key: self.secret(options::SECRET_ACCESS_KEY)?,
            session_token: self.find(options::SESSION_TOKEN)?,
        })
    }

    fn role(&self, sts: Option<Endpoint>) -> Option<Role> {
        Some(Role {
            arn: self.options.get("role_arn")?.clone(),
            external_id: self.options.get("external_id").map(Secret::new),
            session_name: self
                .options
                .get("role_session_name")
                .map_or_else(|| SESSION_NAME.to_owned(), Clone::clone),
            sts,
        })
    }

    fn azure(&self, authority: Option<Endpoint>) -> Result<Azure, Error> {
        Ok(match Proof::of(&self.options) {
            Some(Proof::SasToken) => Azure::SasToken(self.secret(options::SAS_TOKEN)?),
            Some(Proof::Client) => Azure::Client(Client {
                client_id: self.text(options::CLIENT_ID.0)?,
                client_secret: self.secret(options::CLIENT_SECRET)?,
                tenant_id: self.text(options::TENANT_ID.0)?,
                authority,
            }),
            _ => Azure::AccountKey(self.secret(options::ACCOUNT_KEY)?),
        })
    }

    fn text(&self, option: &'static str) -> Result<String, Error> {
        let text = self.options.get(option).cloned();
        text.ok_or_else(|| self.missing(option))
    }

    fn secret(&self, key: (&'static str, Option<&'static str>)) -> Result<Secret, Error> {
        self.find(key)?.ok_or_else(|| self.missing(key.0))
    }

    /// A secret that stands in the mapping or that it names in the Vault.
    fn find(
        &self,
        (option, in_vault): (&'static str, Option<&'static str>),
    ) -> Result<Option<Secret>, Error> {
        if let Some(secret) = self.options.get(option) {
            return Ok(Some(Secret::new(secret)));
        }
        let named = in_vault.and_then(|option| Some((option, self.options.get(option)?)));
        named
            .map(|(option, name)| vault::secret(self.user, option, name))
            .transpose()
    }

    fn missing(&self, option: &'static str) -> Error {
        Error::MissingOption {
            object: self.name(),
            option,
        }
    }
}

/// What a mapping for this provider has.
pub fn proofs(provider: Provider) -> &'static str {
    match provider {
        Provider::S3 => "access_key_id and secret_access_key",
        Provider::Azure => "account_key, or sas_token, or client_id, client_secret and tenant_id",
        Provider::Google => "service_account_key",
        Provider::Directory => "nothing",
    }
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
