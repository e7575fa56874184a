//! Access tokens that somebody issues, and what it means when he does not.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use object_store::CredentialProvider;
use object_store::client::{HttpError, HttpErrorKind};

use crate::Error;
use crate::error::{causes, last_cause, plain_code};
use crate::guard::Refusal;

/// Tokens as the client library gets and keeps them, with failures in our own words: the library's
/// repeat the issuer's answer.
pub(crate) struct Issued<C> {
    tokens: Arc<dyn CredentialProvider<Credential = C>>,
    /// Who issues them; None for the machine's own identity, which has several sources.
    issuer: Option<String>,
}

/// The library's providers show the secrets they hold.
impl<C> fmt::Debug for Issued<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issued")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}

impl<C> Issued<C> {
    pub(crate) fn by(issuer: &str, tokens: Arc<dyn CredentialProvider<Credential = C>>) -> Self {
        Self {
            tokens,
            issuer: Some(issuer.to_owned()),
        }
    }

    pub(crate) fn to_machine(tokens: Arc<dyn CredentialProvider<Credential = C>>) -> Self {
        Self {
            tokens,
            issuer: None,
        }
    }
}

#[async_trait]
impl<C: fmt::Debug + Send + Sync> CredentialProvider for Issued<C> {
    type Credential = C;

    async fn get_credential(&self) -> object_store::Result<Arc<C>> {
        let token = self.tokens.get_credential().await;
        token.map_err(|e| object_store::Error::Generic {
            store: "token",
            source: Box::new(match &self.issuer {
                Some(issuer) => refused(&e, issuer),
                None => of_machine(&e),
            }),
        })
    }
}

fn refused(error: &object_store::Error, issuer: &str) -> Error {
    let issuer = issuer.to_owned();
    if let Some(refusal) = Refusal::cause_of(error) {
        return Error::refused(refusal, issuer);
    }
    let kind = causes(error)
        .find_map(|e| e.downcast_ref::<HttpError>())
        .map(HttpError::kind);
    match kind {
        Some(HttpErrorKind::Timeout) => Error::TimedOut { object: issuer },
        Some(HttpErrorKind::Connect) => Error::Unreachable {
            object: issuer,
            why: last_cause(error),
        },
        _ => Error::Token {
            issuer,
            code: code(&last_cause(error)),
        },
    }
}

/// A machine without any identity fails in as many ways as there are sources; one that has an
/// identity which Entra ID does not accept hears why.
fn of_machine(error: &object_store::Error) -> Error {
    match code(&last_cause(error)) {
        code if code.starts_with("AADSTS") => Error::Token {
            issuer: "Entra ID".to_owned(),
            code,
        },
        _ => Error::NoIdentity,
    }
}

/// The code of an answer, `AADSTS…` where Entra ID has a finer one than OAuth (RFC 6749, section
/// 5.2): `{"error":"invalid_client","error_description":"AADSTS7000215: …"}`.
fn code(answer: &str) -> String {
    if let Some((_, rest)) = answer.split_once("AADSTS") {
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        return format!("AADSTS{digits}");
    }
    let code = answer
        .split_once("\"error\"")
        .and_then(|(_, rest)| rest.split('"').nth(1))
        .map(|code| {
            code.split('_')
                .map(plain_code)
                .collect::<Vec<_>>()
                .join("_")
        })
        .unwrap_or_default();
    match code.is_empty() {
        true => "no usable answer".to_owned(),
        false => code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_code_of_an_answer_is_kept() {
        let status = "Server returned non-2xx status code: 401 Unauthorized: ";
        for (answer, expected) in [
            (
                "{\"error\":\"invalid_client\",\"error_description\":\"AADSTS7000215: Invalid client \
                 secret hunter2\"}",
                "AADSTS7000215",
            ),
            (
                "{ \"error\" : \"unauthorized_client\" }",
                "unauthorized_client",
            ),
            ("<html>hunter2</html>", "no usable answer"),
            ("{\"error\":{\"message\":\"hunter2\"}}", "message"),
        ] {
            assert_eq!(code(&format!("{status}{answer}")), expected);
        }
    }
}
