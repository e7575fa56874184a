//! Temporary keys: the machine's own identity, and assumed roles, renewed before they end.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use aws_config::BehaviorVersion;
use aws_config::default_provider::credentials::DefaultCredentialsChain;
use aws_config::provider_config::ProviderConfig;
use aws_credential_types::Credentials as SdkKeys;
use aws_credential_types::provider::error::CredentialsError;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_sts::config::Region;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_types::retry::RetryConfig;
use object_store::CredentialProvider;
use object_store::aws::AwsCredential;
use tokio::sync::{Mutex, OnceCell};

use crate::credentials::{Aws, Keys, Role, Source};
use crate::error::{causes, last_cause, plain_code};
use crate::guard::Refusal;
use crate::sdk_http::SdkHttp;
use crate::{Error, Network, Result};

/// Keys are renewed when they have this long to live: longer than any one request takes with its
/// retries at the default settings.
const RENEWED_BEFORE_END: Duration = Duration::from_secs(5 * 60);

/// How long keys are held that do not say when they end, such as those of a profile: its file may
/// be rewritten.
const HELD_WITHOUT_END: Duration = Duration::from_secs(15 * 60);

/// Signs in the name of [`Aws`] credentials that have to be asked for.
#[derive(Debug)]
pub(crate) struct Identity {
    credentials: Aws,
    region: Region,
    network: Network,
    http: SdkHttp,
    source: OnceCell<SharedCredentialsProvider>,
    held: Mutex<Option<Held>>,
}

#[derive(Clone, Debug)]
struct Held {
    keys: Arc<AwsCredential>,
    end: SystemTime,
}

impl Identity {
    pub(crate) fn new(
        credentials: &Aws,
        region: &str,
        network: &Network,
        client: reqwest::Client,
    ) -> Self {
        Self {
            credentials: credentials.clone(),
            region: Region::new(region.to_owned()),
            network: network.clone(),
            http: SdkHttp::new(client),
            source: OnceCell::new(),
            held: Mutex::new(None),
        }
    }

    /// The keys held, or new ones. The lock is kept meanwhile, so that many readers ask once.
    async fn keys(&self) -> Result<Arc<AwsCredential>> {
        let mut held = self.held.lock().await;
        let lasts = |held: &&Held, time| held.end > SystemTime::now() + time;
        if let Some(held) = held.as_ref().filter(|h| lasts(h, RENEWED_BEFORE_END)) {
            return Ok(held.keys.clone());
        }
        match self.renewed().await {
            Ok(new) => Ok(held.insert(new).keys.clone()),
            Err(error) => match held.as_ref().filter(|h| lasts(h, Duration::ZERO)) {
                Some(held) => Ok(held.keys.clone()),
                None => Err(error),
            },
        }
    }

    async fn renewed(&self) -> Result<Held> {
        let source = self.source.get_or_init(|| self.source()).await.clone();
        match &self.credentials.role {
            Some(role) => self.assume(role, source).await,
            None => {
                let keys = source.provide_credentials().await.map_err(ambient_error)?;
                Ok(Held::from(&keys))
            }
        }
    }

    async fn source(&self) -> SharedCredentialsProvider {
        match &self.credentials.source {
            Source::Keys(keys) => SharedCredentialsProvider::new(sdk_keys(keys)),
            Source::Ambient => {
                let config = ProviderConfig::without_region()
                    .with_behavior_version(Some(BehaviorVersion::latest()))
                    .with_http_client(self.http.clone());
                let chain = DefaultCredentialsChain::builder()
                    .configure(config)
                    .region(self.region.clone());
                SharedCredentialsProvider::new(chain.build().await)
            }
        }
    }

    async fn assume(&self, role: &Role, source: SharedCredentialsProvider) -> Result<Held> {
        let attempts = u32::try_from(self.network.retries).unwrap_or(u32::MAX);
        let mut config = aws_sdk_sts::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(self.http.clone())
            .retry_config(RetryConfig::standard().with_max_attempts(attempts.saturating_add(1)))
            .region(self.region.clone())
            .credentials_provider(source);
        if let Some(endpoint) = &role.sts {
            config = config.endpoint_url(endpoint.as_str());
        }
        let assumed = aws_sdk_sts::Client::from_conf(config.build())
            .assume_role()
            .role_arn(&role.arn)
            .role_session_name(&role.session_name)
            .set_external_id(role.external_id.as_ref().map(|id| id.expose().to_owned()))
            .send()
            .await
            .map_err(|e| role_error(&e, role))?;
        let keys = assumed.credentials().ok_or_else(|| Error::Role {
            role: role.arn.clone(),
            code: "no credentials in the answer".to_owned(),
        })?;
        Ok(Held {
            keys: Arc::new(AwsCredential {
                key_id: keys.access_key_id().to_owned(),
                secret_key: keys.secret_access_key().to_owned(),
                token: Some(keys.session_token().to_owned()),
            }),
            end: SystemTime::try_from(*keys.expiration()).unwrap_or(SystemTime::UNIX_EPOCH),
        })
    }
}

#[async_trait]
impl CredentialProvider for Identity {
    type Credential = AwsCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<AwsCredential>> {
        self.keys().await.map_err(|e| object_store::Error::Generic {
            store: "identity",
            source: Box::new(e),
        })
    }
}

impl From<&SdkKeys> for Held {
    fn from(keys: &SdkKeys) -> Self {
        Self {
            keys: Arc::new(AwsCredential {
                key_id: keys.access_key_id().to_owned(),
                secret_key: keys.secret_access_key().to_owned(),
                // An agent that lends lasting keys still has to write a token.
                token: keys
                    .session_token()
                    .filter(|token| !token.is_empty())
                    .map(str::to_owned),
            }),
            end: keys
                .expiry()
                .unwrap_or_else(|| SystemTime::now() + HELD_WITHOUT_END),
        }
    }
}

fn sdk_keys(keys: &Keys) -> SdkKeys {
    SdkKeys::new(
        keys.access_key_id.expose(),
        keys.secret_access_key.expose(),
        keys.session_token.as_ref().map(|t| t.expose().to_owned()),
        None,
        "user mapping",
    )
}

/// Of the SDK's errors only codes and kinds are kept: their texts may repeat parts of a request.
fn role_error<E>(error: &SdkError<E>, role: &Role) -> Error
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let endpoint = role.sts.as_ref().map_or("AWS STS", |e| e.as_str());
    match error {
        // Nothing to sign with: the chain found no identity.
        _ if source_is_missing(error) => Error::NoIdentity,
        SdkError::TimeoutError(_) => Error::TimedOut {
            object: endpoint.to_owned(),
        },
        SdkError::DispatchFailure(failure) if failure.is_timeout() => Error::TimedOut {
            object: endpoint.to_owned(),
        },
        SdkError::DispatchFailure(_) => match Refusal::cause_of(error) {
            Some(refusal) => Error::refused(refusal, endpoint.to_owned()),
            None => Error::Unreachable {
                object: endpoint.to_owned(),
                why: last_cause(error),
            },
        },
        _ => Error::Role {
            role: role.arn.clone(),
            code: error
                .code()
                .map_or("no usable answer".to_owned(), plain_code),
        },
    }
}

fn source_is_missing(error: &(dyn std::error::Error + 'static)) -> bool {
    causes(error).any(|e| e.is::<CredentialsError>())
}

fn ambient_error(error: CredentialsError) -> Error {
    match error {
        CredentialsError::ProviderTimedOut(_) => Error::TimedOut {
            object: "the machine's identity".to_owned(),
        },
        _ => Error::NoIdentity,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;
    use crate::{Endpoint, Secret, guard};

    /// Speaks STS for as many answers as it is given: keys that last so many seconds, or a refusal.
    /// The real thing is asked in the server tests; no real STS lends keys for a minute.
    async fn sts(answers: &'static [Option<u64>]) -> (String, Arc<AtomicUsize>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = asked.clone();
        tokio::spawn(async move {
            loop {
                let (mut connection, _) = listener.accept().await.unwrap();
                let mut request = vec![0; 16 * 1024];
                let _ = connection.read(&mut request).await;
                let n = counter.fetch_add(1, Ordering::SeqCst);
                let answer = answer(n, answers.get(n).copied().flatten());
                let _ = connection.write_all(answer.as_bytes()).await;
            }
        });
        (address, asked)
    }

    fn answer(n: usize, lasts: Option<u64>) -> String {
        let (status, body) = match lasts {
            Some(seconds) => {
                let end = SystemTime::now() + Duration::from_secs(seconds);
                let end = aws_smithy_types::DateTime::from(end);
                let end = end
                    .fmt(aws_smithy_types::date_time::Format::DateTime)
                    .unwrap();
                (
                    "200 OK",
                    format!(
                        "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
                         <AssumeRoleResult><Credentials><AccessKeyId>K{n}</AccessKeyId>\
                         <SecretAccessKey>S</SecretAccessKey><SessionToken>T</SessionToken>\
                         <Expiration>{end}</Expiration></Credentials></AssumeRoleResult>\
                         </AssumeRoleResponse>"
                    ),
                )
            }
            None => (
                "403 Forbidden",
                "<ErrorResponse><Error><Code>AccessDenied</Code><Message>hunter2</Message></Error>\
                 </ErrorResponse>"
                    .to_owned(),
            ),
        };
        let length = body.len();
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
    }

    fn identity(sts: &str) -> Identity {
        let network = Network {
            retries: 0,
            ..Network::default()
        };
        let credentials = Aws {
            source: Source::Keys(Keys {
                access_key_id: Secret::new("A"),
                secret_access_key: Secret::new("B"),
                session_token: None,
            }),
            role: Some(Role {
                arn: "arn:aws:iam::1:role/r".to_owned(),
                external_id: None,
                session_name: "cur_fdw".to_owned(),
                sts: Some(Endpoint::parse(sts, true).unwrap()),
            }),
        };
        let client = guard::client(&network).unwrap();
        Identity::new(&credentials, "us-east-1", &network, client)
    }

    #[tokio::test]
    async fn keys_are_held_until_shortly_before_their_end() {
        let (address, asked) = sts(&[Some(60), Some(3600), None]).await;
        let identity = identity(&address);
        let mut ids = Vec::new();
        for _ in 0..3 {
            ids.push(identity.keys().await.unwrap().key_id.clone());
        }
        assert_eq!(ids, ["K0", "K1", "K1"]);
        assert_eq!(asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn a_failed_renewal_does_not_end_keys_that_still_work() {
        let (address, _) = sts(&[Some(60), None]).await;
        let identity = identity(&address);
        identity.keys().await.unwrap();
        assert_eq!(identity.keys().await.unwrap().key_id, "K0");
    }

    #[tokio::test]
    async fn a_refused_role_is_named_with_the_code_alone() {
        let (address, _) = sts(&[None]).await;
        let error = identity(&address).keys().await.unwrap_err();
        assert_eq!(
            error.to_string(),
            "role arn:aws:iam::1:role/r cannot be assumed (AccessDenied)"
        );
    }
}
