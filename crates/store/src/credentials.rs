//! Who reads: keys that never show themselves, and roles taken with them.

use std::fmt;

use crate::Endpoint;

/// A value that is written nowhere: not in errors, not in `{:?}`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// In whose name requests are signed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Credentials {
    /// For S3.
    Aws(Aws),
    /// For Azure Blob Storage.
    Azure(Azure),
    /// For Google Cloud Storage.
    Google(Google),
}

/// Who reads from S3.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Aws {
    /// What is there to begin with.
    pub source: Source,
    /// The role to assume with it; None reads as the source itself.
    pub role: Option<Role>,
}

/// An identity that needs no other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// Keys, as a user mapping carries them.
    Keys(Keys),
    /// The machine's own identity: environment, profile, web identity, container, instance, in
    /// AWS's order (AWS SDKs and Tools Reference Guide, "Standardized credential providers").
    Ambient,
}

/// Static AWS keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Keys {
    /// `access_key_id`.
    pub access_key_id: Secret,
    /// `secret_access_key`.
    pub secret_access_key: Secret,
    /// `session_token`, for temporary keys.
    pub session_token: Option<Secret>,
}

/// A role to assume (AWS STS API reference, AssumeRole).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Role {
    /// `role_arn`.
    pub arn: String,
    /// `external_id`, which the role's trust policy may ask for.
    pub external_id: Option<Secret>,
    /// `role_session_name`, as CloudTrail shows it.
    pub session_name: String,
    /// `sts_endpoint`; None is AWS's own in the server's region.
    pub sts: Option<Endpoint>,
}

/// Who reads from Azure Blob Storage.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Azure {
    /// `account_key`: one of the storage account's two keys, in Base64.
    AccountKey(Secret),
    /// `sas_token`: a shared access signature of the account or the container.
    SasToken(Secret),
    /// An application of Entra ID.
    Client(Client),
    /// The machine's own identity: environment, workload identity, managed identity.
    Ambient,
}

/// An application with a secret (Microsoft identity platform, "OAuth 2.0 client credentials flow").
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    /// `client_id`, the application's.
    pub client_id: String,
    /// `client_secret`, its value and not its id.
    pub client_secret: Secret,
    /// `tenant_id`, the directory's id or domain.
    pub tenant_id: String,
    /// `authority_host`; None is that of Azure's public cloud.
    pub authority: Option<Endpoint>,
}

/// Who reads from Google Cloud Storage.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Google {
    /// `service_account_key`: the JSON file of a service account's key.
    ServiceAccount(Secret),
    /// The machine's own identity: Google's Application Default Credentials.
    Ambient,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_shows_no_part_of_a_secret() {
        let all = [
            Credentials::Aws(Aws {
                source: Source::Keys(Keys {
                    access_key_id: Secret::new("AKIAEXAMPLE"),
                    secret_access_key: Secret::new("wJalrXUtnFEMI"),
                    session_token: Some(Secret::new("FwoGZXIvYXdz")),
                }),
                role: Some(Role {
                    arn: "arn:aws:iam::1:role/r".to_owned(),
                    external_id: Some(Secret::new("ExtId")),
                    session_name: "cur_fdw".to_owned(),
                    sts: None,
                }),
            }),
            Credentials::Azure(Azure::AccountKey(Secret::new("Eby8vdM0"))),
            Credentials::Azure(Azure::SasToken(Secret::new("sv=1&sig=Sgn"))),
            Credentials::Azure(Azure::Client(Client {
                client_id: "app".to_owned(),
                client_secret: Secret::new("q8Q~"),
                tenant_id: "tenant".to_owned(),
                authority: None,
            })),
            Credentials::Google(Google::ServiceAccount(Secret::new("PRIVATE KEY"))),
        ];
        let shown = format!("{all:?}");
        for part in [
            "AKIA", "wJal", "FwoG", "ExtId", "Eby8", "Sgn", "q8Q", "PRIVATE",
        ] {
            assert!(!shown.contains(part), "{shown}");
        }
    }
}
