//! What can go wrong between us and a store, in words a user can act on.

use std::error::Error as StdError;

use object_store::client::{HttpError, HttpErrorKind};

use crate::Location;
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
    /// A container of Azure, and nobody says in which storage account.
    #[error("az://{container} names no storage account")]
    NoAccount {
        /// The container.
        container: String,
    },
    /// A secret that no store could have given out.
    #[error("the value of \"{option}\" cannot be used: {why}")]
    BadSecret {
        /// The option that holds or names it.
        option: &'static str,
        /// The reason, without any part of the value.
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
    /// PermanentRedirect or AuthorizationHeaderMalformed (Amazon S3 API reference, "Error
    /// responses").
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
    /// An issuer of access tokens refused to give one.
    #[error("{issuer} gives no access token ({code})")]
    Token {
        /// Its host.
        issuer: String,
        /// Its own error code.
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
                "Write url 's3://bucket', 'az://container', 'gs://bucket' or 'file:///directory', and give folders as the prefix."
            }
            Self::NoAccount { .. } => {
                "Add the server option account, or write url 'abfss://container@account.dfs.core.windows.net'."
            }
            Self::BadSecret { option, .. } => secret_hint(option),
            Self::BadEndpoint { .. } => "Write endpoint 'https://host[:port]'.",
            Self::BadKey { .. } => "Check the prefix and the export's manifest.",
            Self::Denied { object, code } => denied_hint(object, code),
            Self::NoBucket { bucket } if bucket.starts_with("az://") => {
                "Check the server's url and account options."
            }
            Self::NoBucket { .. } => "Check the server's url option.",
            Self::NotFound { .. } => "Check the prefix; cost_discover(server) shows what is there.",
            Self::Changed { .. } => "A new delivery arrived meanwhile. Run the statement again.",
            Self::WrongRegion { .. } => "Set the server's region option to the bucket's region.",
            Self::Unreachable { .. } => {
                "Check the server's endpoint, region and account options, name resolution and firewall."
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
            Self::Token { code, .. } => token_hint(code),
            Self::NoIdentity => {
                "Give the server's process one (environment, profile or credentials file, web or workload identity, container or instance), or put keys into the user mapping."
            }
            Self::Other { .. } => "Try again; if it stays, check the store's own log.",
        }
    }

    /// A client that could not be made. What the library says of it may repeat the options.
    pub(crate) fn unopened(location: &Location, error: &(dyn StdError + 'static)) -> Self {
        let object = location.display_name();
        let why = match location {
            Location::File { .. } => last_cause(error),
            _ => "no client can be made of the server's options".to_owned(),
        };
        Self::Other { object, why }
    }

    /// Credentials of one provider for the store of another, which no caller puts together.
    pub(crate) fn misdirected(location: &Location) -> Self {
        Self::Other {
            object: location.display_name(),
            why: "the credentials are those of another provider".to_owned(),
        }
    }

    /// Translates the client library's error about `object` (shown as `s3://bucket/key`).
    pub(crate) fn of(error: &object_store::Error, bucket: &str, object: String) -> Self {
        use object_store::Error as E;
        // Our own errors, raised below the library.
        if let Some(own) = causes(error).find_map(|e| e.downcast_ref::<Self>()) {
            return own.clone();
        }
        if let Some(refusal) = Refusal::cause_of(error) {
            return Self::refused(refusal, object);
        }
        let text = deepest_text(error);
        let code = error_code(&text);
        // A failed listing arrives as a generic error, so the store's own code decides first.
        match code.as_str() {
            "NoSuchBucket" | "ContainerNotFound" => {
                return Self::NoBucket {
                    bucket: bucket.to_owned(),
                };
            }
            "NoSuchKey" | "BlobNotFound" => return Self::NotFound { object },
            "PreconditionFailed" | "ConditionNotMet" => return Self::Changed { object },
            "PermanentRedirect" | "AuthorizationHeaderMalformed" => {
                return Self::WrongRegion { object, code };
            }
            code_of_denial if is_denial(code_of_denial) => return Self::Denied { object, code },
            _ => {}
        }
        match error {
            E::NotFound { .. } => Self::NotFound { object },
            E::Precondition { .. } => Self::Changed { object },
            E::PermissionDenied { .. } | E::Unauthenticated { .. } => Self::denied(object, code),
            E::InvalidPath { source } => Self::BadKey {
                key: object,
                why: source.to_string(),
            },
            other => Self::of_generic(other, object, code, &text),
        }
    }

    fn denied(object: String, code: String) -> Self {
        let code = match code.is_empty() {
            true => "AccessDenied".to_owned(),
            false => code,
        };
        Self::Denied { object, code }
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
        if text.contains("LOCATION") {
            return Self::WrongRegion { object, code };
        }
        match http_kind(error) {
            Some(HttpErrorKind::Timeout) => Self::TimedOut { object },
            Some(HttpErrorKind::Connect) => Self::Unreachable {
                object,
                why: last_cause(error),
            },
            _ => match status(text) {
                Some(401 | 403) => Self::denied(object, code),
                Some(404) => Self::NotFound { object },
                _ if !code.is_empty() => Self::Other { object, why: code },
                // What a server sends with a status and without a code may be anything, a proxy's
                // page or the request itself: it is not repeated.
                Some(status) => Self::Other {
                    object,
                    why: format!("status {status}"),
                },
                None => Self::Other {
                    object,
                    why: last_cause(error),
                },
            },
        }
    }
}

/// An error and its causes.
pub fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |e: &&'a (dyn StdError + 'static)| {
        (*e).source()
    })
}

fn http_kind(error: &object_store::Error) -> Option<HttpErrorKind> {
    causes(error)
        .find_map(|e| e.downcast_ref::<HttpError>())
        .map(HttpError::kind)
}

fn deepest_text(error: &object_store::Error) -> String {
    causes(error)
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}

/// The innermost cause, which for network errors names the fact ("Connection refused") and never
/// the request.
pub(crate) fn last_cause(error: &(dyn StdError + 'static)) -> String {
    causes(error)
        .last()
        .map(ToString::to_string)
        .unwrap_or_default()
}

/// The status of an answer that was none of success, in the client library's words.
fn status(text: &str) -> Option<u16> {
    let (_, rest) = text.split_once("non-2xx status code: ")?;
    rest.get(..3)?.parse().ok()
}

/// Whether a store's code says that it knows who asks, or does not, and will not answer. Azure has
/// a family of them ("Common REST API error codes"), of which S3's AuthorizationHeaderMalformed is
/// none.
fn is_denial(code: &str) -> bool {
    code.starts_with("Authorization")
        || matches!(
            code,
            "AccessDenied"
                | "SignatureDoesNotMatch"
                | "InvalidAccessKeyId"
                | "ExpiredToken"
                | "InvalidToken"
                | "AccountProblem"
                | "AllAccessDisabled"
                | "RequestTimeTooSkewed"
                | "AuthenticationFailed"
                | "AuthenticationRequired"
                | "InvalidAuthenticationInfo"
                | "InsufficientAccountPermissions"
                | "KeyBasedAuthenticationNotPermitted"
                | "NoAuthenticationInformation"
                | "PublicAccessNotPermitted"
                | "AccountIsDisabled"
        )
}

fn denied_hint(object: &str, code: &str) -> &'static str {
    match code {
        "SignatureDoesNotMatch" => {
            "Check secret_access_key and region in the user mapping and server."
        }
        "InvalidAccessKeyId" => "Check access_key_id in the user mapping.",
        "ExpiredToken" | "InvalidToken" => "Renew session_token in the user mapping.",
        "RequestTimeTooSkewed" => {
            "Set the database server's clock: requests are signed with its time."
        }
        "AuthenticationFailed" => {
            "Check account_key or sas_token in the user mapping, whether it has ended, and the database server's clock."
        }
        "KeyBasedAuthenticationNotPermitted" => {
            "The storage account forbids account keys: use sas_token, or client_id, client_secret and tenant_id."
        }
        _ if object.starts_with("az://") => {
            "Check that account_key, sas_token or client_id in the user mapping is right and has not ended, that it may read and list (role Storage Blob Data Reader, or sp=rl), and the storage account's network rules."
        }
        _ if object.starts_with("gs://") => {
            "Check service_account_key in the user mapping, and that its account has the role roles/storage.objectViewer on the bucket."
        }
        _ => {
            "Check the keys in the user mapping, and that they may s3:ListBucket and s3:GetObject."
        }
    }
}

fn secret_hint(option: &str) -> &'static str {
    match option {
        "account_key" => {
            "Azure's portal shows it under the storage account's \"Access keys\": give the key alone, not the connection string."
        }
        "sas_token" => {
            "Give what follows the question mark of the URL that Azure generates: sv=…&sig=…"
        }
        "service_account_key" => {
            "Give the JSON file that Google Cloud makes for a key of the service account, as it is."
        }
        _ => "Check the value in the user mapping.",
    }
}

/// Codes of Entra ID (Microsoft identity platform, "Authentication and authorization error codes").
fn token_hint(code: &str) -> &'static str {
    match code {
        "AADSTS7000215" | "AADSTS7000222" | "invalid_client" => {
            "Check client_secret in the user mapping: its value and not its id, and whether it has ended."
        }
        "AADSTS700016" | "unauthorized_client" => {
            "Check client_id in the user mapping, and that the application is in the tenant of tenant_id."
        }
        "AADSTS90002" => "Check tenant_id in the user mapping.",
        _ => "Check client_id, client_secret and tenant_id in the user mapping.",
    }
}

/// `<Code>…</Code>` of an error document, alike in S3, Azure and Google Cloud Storage (Amazon S3 API
/// reference, "Error responses"; Azure Storage REST API, "Status and error codes"; Google Cloud
/// Storage XML API, "HTTP status and error codes").
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

    #[test]
    fn a_wrong_region_is_not_reported_as_denied_access() {
        for code in ["AuthorizationHeaderMalformed", "PermanentRedirect"] {
            let body = format!(
                "non-2xx status code: 400 Bad Request: <Error><Code>{code}</Code><Message>The \
                 authorization header is malformed; the region 'us-east-1' is wrong; expecting \
                 'eu-west-2'</Message></Error>"
            );
            let source = object_store::Error::Generic {
                store: "S3",
                source: body.into(),
            };
            let error = Error::of(&source, "s3://b", "s3://b/k".into());
            assert!(matches!(error, Error::WrongRegion { .. }), "{error}");
            assert!(error.hint().contains("region"));
        }
        assert!(is_denial("AuthorizationPermissionMismatch"), "Azure's");
    }

    #[test]
    fn an_answer_without_a_code_is_not_repeated() {
        for (status, expected) in [
            (
                "403 Forbidden",
                "access to gs://b/k denied by the object store (AccessDenied)",
            ),
            (
                "502 Bad Gateway",
                "the object store failed for gs://b/k: status 502",
            ),
        ] {
            let text = format!("Server returned non-2xx status code: {status}: <p>hunter2</p>");
            let source = object_store::Error::Generic {
                store: "GCS",
                source: text.into(),
            };
            let error = Error::of(&source, "gs://b", "gs://b/k".into());
            assert_eq!(error.to_string(), expected);
        }
    }
}
