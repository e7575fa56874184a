//! What can go wrong between us and a store, in words a user can act on.

use std::error::Error as StdError;

use object_store::client::{HttpError, HttpErrorKind};

use crate::guard::Refusal;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// A failure of a store. No variant carries a secret: of an S3 error document only the code is
/// kept, because the document may repeat the access key and the signed request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The `url` option cannot be used.
    #[error("invalid url \"{url}\": {why}")]
    BadUrl {
        /// The option's value.
        url: String,
        /// The reason.
        why: &'static str,
    },
    /// The `endpoint` option cannot be used.
    #[error("invalid endpoint \"{endpoint}\": {why}")]
    BadEndpoint {
        /// The option's value, without user and password.
        endpoint: String,
        /// The reason.
        why: &'static str,
    },
    /// A key that no object can have.
    #[error("\"{key}\" is not a usable object key: {why}")]
    BadKey {
        /// The key.
        key: String,
        /// The reason.
        why: String,
    },
    /// 403 or 401.
    #[error("access to {object} denied by the object store ({code})")]
    Denied {
        /// What was asked for.
        object: String,
        /// The store's own error code.
        code: String,
    },
    /// 404 for the bucket, or no such directory.
    #[error("{bucket} does not exist")]
    NoBucket {
        /// The bucket.
        bucket: String,
    },
    /// 404 for an object.
    #[error("{object} does not exist")]
    NotFound {
        /// The object.
        object: String,
    },
    /// 412: the object is no longer the one that was listed.
    #[error("{object} was overwritten while it was read")]
    Changed {
        /// The object.
        object: String,
    },
    /// 301, 307 or AuthorizationHeaderMalformed.
    #[error("{object} lies in another region ({code})")]
    WrongRegion {
        /// The object.
        object: String,
        /// The store's own error code.
        code: String,
    },
    /// No connection could be made.
    #[error("cannot reach the object store for {object}: {why}")]
    Unreachable {
        /// What was asked for.
        object: String,
        /// The cause.
        why: String,
    },
    /// The store did not answer in time.
    #[error("the object store did not answer in time for {object}")]
    TimedOut {
        /// What was asked for.
        object: String,
    },
    /// An object that is too large to be what it should be.
    #[error("{object} has {size} bytes, at most {limit} are read")]
    TooLarge {
        /// The object.
        object: String,
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// 301, 302, 307 or 308. Not followed: the other host is not the one that was allowed.
    #[error("the object store redirects the request for {object} elsewhere ({status})")]
    Redirected {
        /// What was asked for.
        object: String,
        /// The status of the response.
        status: u16,
    },
    /// A host that nothing is sent to.
    #[error("no request is sent for {object}: {why}")]
    Refused {
        /// What was asked for.
        object: String,
        /// The reason.
        why: &'static str,
    },
    /// STS refused to lend the role.
    #[error("role {role} cannot be assumed ({code})")]
    Role {
        /// `role_arn`.
        role: String,
        /// STS's own error code.
        code: String,
    },
    /// The default chain came to its end.
    #[error("the database server has no cloud identity of its own")]
    NoIdentity,
    /// Anything else.
    #[error("the object store failed for {object}: {why}")]
    Other {
        /// What was asked for.
        object: String,
        /// The cause.
        why: String,
    },
}

impl Error {
    /// The next step for the user.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::BadUrl { .. } => {
                "Write url 's3://bucket' or 'file:///directory', and give folders as the prefix."
            }
            Self::BadEndpoint { .. } => "Write endpoint 'https://host[:port]'.",
            Self::BadKey { .. } => "Check the prefix and the export's manifest.",
            Self::Denied { code, .. } => match code.as_str() {
                "SignatureDoesNotMatch" => {
                    "Check secret_access_key and region in the user mapping and server."
                }
                "InvalidAccessKeyId" => "Check access_key_id in the user mapping.",
                "ExpiredToken" | "InvalidToken" => "Renew session_token in the user mapping.",
                "RequestTimeTooSkewed" => {
                    "Set the database server's clock: requests are signed with its time."
                }
                _ => {
                    "Check the keys in the user mapping, and that they may s3:ListBucket and s3:GetObject."
                }
            },
            Self::NoBucket { .. } => "Check the server's url option.",
            Self::NotFound { .. } => "Check the prefix; cost_discover(server) shows what is there.",
            Self::Changed { .. } => "A new delivery arrived meanwhile. Run the statement again.",
            Self::WrongRegion { .. } => "Set the server's region option to the bucket's region.",
            Self::Unreachable { .. } => {
                "Check the server's endpoint and region options, name resolution and firewall."
            }
            Self::TimedOut { .. } => {
                "Try again, or raise cur_fdw.read_timeout if the store is slow."
            }
            Self::TooLarge { .. } => "Check that the prefix holds a billing export.",
            Self::Redirected { .. } => {
                "Set the server's region and endpoint options to where the bucket lies; redirects are not followed."
            }
            Self::Refused { .. } => {
                "Check the server's endpoint and path_style options, and what the host's name resolves to."
            }
            Self::Role { code, .. } => match code.as_str() {
                "InvalidClientTokenId" | "InvalidAccessKeyId" | "SignatureDoesNotMatch" => {
                    "Check the keys in the user mapping, with which the role is assumed."
                }
                "ExpiredToken" => "Renew session_token in the user mapping.",
                _ => {
                    "Check role_arn and external_id in the user mapping, and that the role's trust policy admits the keys."
                }
            },
            Self::NoIdentity => {
                "Give the server's process one (environment, profile, web identity, container or instance), or put keys into the user mapping."
            }
            Self::Other { .. } => "Try again; if it stays, check the store's own log.",
        }
    }

    /// Translates the client library's error about `object` (shown as `s3://bucket/key`).
    pub(crate) fn of(error: &object_store::Error, bucket: &str, object: String) -> Self {
        use object_store::Error as E;
        // Our own errors, raised below the library.
        if let Some(own) = chain(error).find_map(|e| e.downcast_ref::<Self>()) {
            return own.clone();
        }
        if let Some(refusal) = Refusal::cause_of(error) {
            return Self::refused(refusal, object);
        }
        let text = deepest_text(error);
        let code = error_code(&text);
        // A failed listing arrives as a generic error, so the store's own code decides first.
        match code.as_str() {
            "NoSuchBucket" => {
                return Self::NoBucket {
                    bucket: bucket.to_owned(),
                };
            }
            "NoSuchKey" => return Self::NotFound { object },
            "PreconditionFailed" => return Self::Changed { object },
            "AccessDenied"
            | "SignatureDoesNotMatch"
            | "InvalidAccessKeyId"
            | "ExpiredToken"
            | "InvalidToken"
            | "AccountProblem"
            | "AllAccessDisabled"
            | "RequestTimeTooSkewed" => {
                return Self::Denied { object, code };
            }
            _ => {}
        }
        match error {
            E::NotFound { .. } => Self::NotFound { object },
            E::Precondition { .. } => Self::Changed { object },
            E::PermissionDenied { .. } | E::Unauthenticated { .. } => {
                let code = if code.is_empty() {
                    "AccessDenied".to_owned()
                } else {
                    code
                };
                Self::Denied { object, code }
            }
            E::InvalidPath { source } => Self::BadKey {
                key: object,
                why: source.to_string(),
            },
            other => Self::of_generic(other, object, code, &text),
        }
    }

    pub(crate) fn refused(refusal: &Refusal, object: String) -> Self {
        match refusal {
            Refusal::LinkLocal => Self::Refused {
                object,
                why: "its host has a link-local address, where cloud machines serve credentials",
            },
            Refusal::NoHost => Self::Refused {
                object,
                why: "bucket and endpoint make no valid host name",
            },
            Refusal::Redirect { status } => Self::Redirected {
                object,
                status: *status,
            },
        }
    }

    fn of_generic(error: &object_store::Error, object: String, code: String, text: &str) -> Self {
        if matches!(
            code.as_str(),
            "PermanentRedirect" | "AuthorizationHeaderMalformed"
        ) || text.contains("LOCATION")
        {
            return Self::WrongRegion { object, code };
        }
        match http_kind(error) {
            Some(HttpErrorKind::Timeout) => Self::TimedOut { object },
            Some(HttpErrorKind::Connect) => Self::Unreachable {
                object,
                why: last_cause(error),
            },
            _ if !code.is_empty() => Self::Other { object, why: code },
            _ => Self::Other {
                object,
                why: last_cause(error),
            },
        }
    }
}

/// An error and its causes.
pub(crate) fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |e: &&'a (dyn StdError + 'static)| {
        (*e).source()
    })
}

fn http_kind(error: &object_store::Error) -> Option<HttpErrorKind> {
    chain(error)
        .find_map(|e| e.downcast_ref::<HttpError>())
        .map(HttpError::kind)
}

fn deepest_text(error: &object_store::Error) -> String {
    chain(error)
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}

/// The innermost cause, which for network errors names the fact ("Connection refused") and never
/// the request.
pub(crate) fn last_cause(error: &(dyn StdError + 'static)) -> String {
    chain(error)
        .last()
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// `<Code>…</Code>` of an S3 error document (Amazon S3 API reference, "Error responses").
fn error_code(text: &str) -> String {
    let code = text
        .split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"));
    code.map(|(code, _)| plain_code(code)).unwrap_or_default()
}

/// A code as AWS's are, whatever a server sends in its place.
pub(crate) fn plain_code(code: &str) -> String {
    code.chars()
        .filter(char::is_ascii_alphanumeric)
        .take(64)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_code_of_an_error_document_is_kept() {
        let body =
            "<Error><Code>InvalidAccessKeyId</Code><AWSAccessKeyId>AKIA1</AWSAccessKeyId></Error>";
        let source = object_store::Error::PermissionDenied {
            path: "k".into(),
            source: body.into(),
        };
        let error = Error::of(&source, "s3://b", "s3://b/k".into());
        assert_eq!(
            error,
            Error::Denied {
                object: "s3://b/k".into(),
                code: "InvalidAccessKeyId".into()
            }
        );
        assert!(!error.to_string().contains("AKIA1"));
    }
}
