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
pub struct Credentials {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_shows_no_part_of_a_secret() {
        let credentials = Credentials {
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
        };
        let shown = format!("{credentials:?}");
        for part in ["AKIA", "wJal", "FwoG", "ExtId"] {
            assert!(!shown.contains(part), "{shown}");
        }
    }
}
