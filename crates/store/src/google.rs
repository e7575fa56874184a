//! Opening a bucket of Google Cloud Storage.

use std::sync::Arc;

use object_store::gcp::{
    GcpCredential, GoogleCloudStorage, GoogleCloudStorageBuilder, ServiceAccountKey,
};
use object_store::{CredentialProvider, StaticCredentialProvider};
use serde::{Deserialize, Serialize};

use crate::credentials::Google;
use crate::guard::{self, Guarded, Machine};
use crate::token::Issued;
use crate::{Credentials, Error, Location, Network, Result};

const ENDPOINT: &str = "https://storage.googleapis.com";

type Provider = Arc<dyn CredentialProvider<Credential = GcpCredential>>;

/// Without credentials the requests go unsigned.
///
/// # Errors
/// [`Error::BadSecret`], [`Error::NoIdentity`] and [`Error::Other`].
pub(crate) fn open(
    location: &Location,
    credentials: Option<&Credentials>,
    network: &Network,
) -> Result<GoogleCloudStorage> {
    let Location::Google { bucket, endpoint } = location else {
        return Err(Error::misdirected(location));
    };
    let unopened = |e: &(dyn std::error::Error + 'static)| Error::unopened(location, e);
    let guarded = Guarded(guard::client(network).map_err(|e| unopened(&e))?);
    let builder = GoogleCloudStorageBuilder::new()
        .with_bucket_name(bucket)
        // Said also where it is the default: a key may name another, which nobody has allowed.
        .with_base_url(endpoint.as_ref().map_or(ENDPOINT, |e| e.as_str()))
        .with_http_connector(guarded)
        .with_retry(network.retry_config());
    let builder = match credentials {
        // Given something, the library does not look for the machine's credentials.
        None => builder.with_skip_signature(true).with_credentials(Arc::new(
            StaticCredentialProvider::new(GcpCredential {
                bearer: String::new(),
            }),
        )),
        // Tokens are signed with the key here, and asked for nowhere.
        Some(Credentials::Google(Google::ServiceAccount(key))) => {
            builder.with_service_account_key(Key::parse(key.expose())?.to_json())
        }
        Some(Credentials::Google(Google::Ambient)) => {
            let machine = Machine::new(network).map_err(|e| unopened(&e))?;
            builder.with_credentials(of_machine(machine, network)?)
        }
        Some(_) => return Err(Error::misdirected(location)),
    };
    builder.build().map_err(|e| unopened(&e))
}

/// Tokens for whatever Google knows this machine as, in the order of its Application Default
/// Credentials: the file that the environment names, gcloud's own, the metadata server.
fn of_machine(machine: Machine, network: &Network) -> Result<Provider> {
    let mut issuer = GoogleCloudStorageBuilder::new()
        // Of this only the tokens are used: the library makes them as a part of opening a bucket.
        .with_bucket_name("tokens")
        .with_http_connector(machine)
        .with_retry(network.retry_config());
    let file = std::env::var("GOOGLE_APPLICATION_CREDENTIALS");
    if let Some(file) = file.ok().filter(|file| !file.is_empty()) {
        issuer = issuer.with_application_credentials(file);
    }
    let store = issuer.build().map_err(|_| Error::NoIdentity)?;
    Ok(Arc::new(Issued::to_machine(store.credentials().clone())))
}

/// What signing takes of a service account's key (Google Cloud IAM, "Create and delete service
/// account keys"). The library would obey more of the file than Google defines: a host to send
/// requests to, for one.
#[derive(Deserialize, Serialize)]
struct Key {
    client_email: String,
    private_key: String,
    private_key_id: String,
}

impl Key {
    fn parse(json: &str) -> Result<Self> {
        let bad = |why| Error::BadSecret {
            option: "service_account_key",
            why,
        };
        // The reasons that the libraries give repeat what they found.
        let key: Self = serde_json::from_str(json)
            .map_err(|_| bad("it is not JSON with client_email, private_key and private_key_id"))?;
        match ServiceAccountKey::from_pem(key.private_key.as_bytes()) {
            Ok(_) => Ok(key),
            Err(_) => Err(bad("its private_key is no RSA key in PEM")),
        }
    }

    fn to_json(&self) -> String {
        serde_json::json!(self).to_string()
    }
}

/// Whether this can be the key of a service account.
///
/// # Errors
/// [`Error::BadSecret`].
pub fn check_service_account_key(json: &str) -> Result<()> {
    Key::parse(json).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key_is_refused_without_being_repeated() {
        for json in [
            "hunter2",
            "{\"private_key\": \"hunter2\"}",
            "{\"client_email\": \"a\", \"private_key_id\": \"b\", \"private_key\": \"hunter2\"}",
            "{\"client_email\": [\"hunter2\"], \"private_key_id\": \"b\", \"private_key\": \"\"}",
            "{\"client_email\": \"a\", \"private_key_id\": \"b\", \"private_key\": \
              \"-----BEGIN PRIVATE KEY-----\\nhunter2\\n-----END PRIVATE KEY-----\"}",
        ] {
            let error = check_service_account_key(json).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
