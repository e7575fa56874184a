//! Opening a container of Azure Blob Storage.

use std::sync::Arc;

use object_store::CredentialProvider;
use object_store::azure::{
    AzureAccessKey, AzureConfigKey, AzureCredential, MicrosoftAzure, MicrosoftAzureBuilder,
};
use url::form_urlencoded;

use crate::credentials::{Azure, Client};
use crate::guard::{self, Guarded, Machine};
use crate::token::Issued;
use crate::{Credentials, Error, Location, Network, Result};

/// Where Azure's public cloud issues tokens.
const AUTHORITY: &str = "https://login.microsoftonline.com";

/// What Azure's own libraries read of a process's environment ("DefaultAzureCredential"): the secret
/// of an application, the file of a workload identity, and which managed identity is meant.
const ENVIRONMENT: [(&str, AzureConfigKey); 6] = [
    ("AZURE_CLIENT_ID", AzureConfigKey::ClientId),
    ("AZURE_CLIENT_SECRET", AzureConfigKey::ClientSecret),
    ("AZURE_TENANT_ID", AzureConfigKey::AuthorityId),
    (
        "AZURE_FEDERATED_TOKEN_FILE",
        AzureConfigKey::FederatedTokenFile,
    ),
    ("AZURE_AUTHORITY_HOST", AzureConfigKey::AuthorityHost),
    ("IDENTITY_ENDPOINT", AzureConfigKey::MsiEndpoint),
];

type Provider = Arc<dyn CredentialProvider<Credential = AzureCredential>>;

/// Without credentials the requests go unsigned.
///
/// # Errors
/// [`Error::BadSecret`] and [`Error::Other`].
pub(crate) fn open(
    location: &Location,
    credentials: Option<&Credentials>,
    network: &Network,
) -> Result<MicrosoftAzure> {
    let Location::Azure {
        account,
        container,
        endpoint,
        path_style,
    } = location
    else {
        return Err(Error::misdirected(location));
    };
    let unopened = |e: &(dyn std::error::Error + 'static)| Error::unopened(location, e);
    let guarded = Guarded(guard::client(network).map_err(|e| unopened(&e))?);
    let mut builder = MicrosoftAzureBuilder::new()
        .with_account(account)
        .with_container_name(container)
        // Whether http is allowed was decided when the endpoint was read.
        .with_allow_http(true)
        .with_http_connector(guarded.clone())
        .with_retry(network.retry_config());
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(match path_style {
            true => format!("{}/{account}", endpoint.as_str()),
            false => endpoint.as_str().to_owned(),
        });
    }
    let builder = match credentials {
        None => builder.with_skip_signature(true),
        Some(Credentials::Azure(Azure::AccountKey(key))) => {
            check_account_key(key.expose())?;
            builder.with_access_key(key.expose())
        }
        Some(Credentials::Azure(Azure::SasToken(token))) => {
            builder.with_sas_authorization(sas_pairs(token.expose())?)
        }
        Some(Credentials::Azure(Azure::Client(client))) => {
            let issued = of_client(client, guarded, network).map_err(|e| unopened(&e))?;
            builder.with_credentials(issued)
        }
        Some(Credentials::Azure(Azure::Ambient)) => {
            let machine = Machine::new(network).map_err(|e| unopened(&e))?;
            builder.with_credentials(of_machine(machine, network)?)
        }
        Some(_) => return Err(Error::misdirected(location)),
    };
    builder.build().map_err(|e| unopened(&e))
}

/// Tokens for an application, from the authority that the server's owner chose.
fn of_client(
    client: &Client,
    guarded: Guarded,
    network: &Network,
) -> object_store::Result<Provider> {
    let authority = client.authority.as_ref().map_or(AUTHORITY, |a| a.as_str());
    let issuer = issuer(network)
        .with_http_connector(guarded)
        .with_authority_host(authority)
        .with_client_secret_authorization(
            &client.client_id,
            client.client_secret.expose(),
            &client.tenant_id,
        );
    let tokens = issuer.build()?.credentials().clone();
    Ok(Arc::new(Issued::by(authority, tokens)))
}

/// Tokens for whatever Azure knows this machine as.
fn of_machine(machine: Machine, network: &Network) -> Result<Provider> {
    let mut issuer = issuer(network).with_http_connector(machine);
    for (variable, key) in ENVIRONMENT {
        if let Some(value) = std::env::var(variable).ok().filter(|v| !v.is_empty()) {
            // Azure's own libraries take it with a trailing slash.
            issuer = issuer.with_config(key, value.trim_end_matches('/'));
        }
    }
    let store = issuer.build().map_err(|_| Error::NoIdentity)?;
    Ok(Arc::new(Issued::to_machine(store.credentials().clone())))
}

/// Of this only the tokens are used: the library makes them as a part of opening a container.
fn issuer(network: &Network) -> MicrosoftAzureBuilder {
    MicrosoftAzureBuilder::new()
        .with_account("tokens")
        .with_container_name("tokens")
        .with_allow_http(true)
        .with_retry(network.retry_config())
}

/// Whether this can be an account key.
///
/// # Errors
/// [`Error::BadSecret`].
pub fn check_account_key(key: &str) -> Result<()> {
    // The library's error names the byte that is wrong.
    match AzureAccessKey::try_new(key) {
        Ok(_) if !key.is_empty() => Ok(()),
        _ => Err(Error::BadSecret {
            option: "account_key",
            why: "it is not Base64",
        }),
    }
}

/// Whether this can be a shared access signature.
///
/// # Errors
/// [`Error::BadSecret`].
pub fn check_sas_token(token: &str) -> Result<()> {
    sas_pairs(token).map(drop)
}

/// The query that a shared access signature is (Azure Storage REST API, "Create a service SAS").
fn sas_pairs(token: &str) -> Result<Vec<(String, String)>> {
    // A plus sign in a signature is one, also where somebody decoded the URL.
    let query = token.trim().trim_start_matches('?').replace('+', "%2B");
    let pairs: Vec<(String, String)> = form_urlencoded::parse(query.as_bytes())
        .into_owned()
        .collect();
    let signed = pairs
        .iter()
        .any(|(name, value)| name == "sig" && !value.is_empty());
    match signed && pairs.iter().all(|(name, _)| is_parameter(name)) {
        true => Ok(pairs),
        false => Err(Error::BadSecret {
            option: "sas_token",
            why: "it is not of the form sv=…&sig=…",
        }),
    }
}

/// Parameters of a signature have short names. Others would be ours, such as which page is listed.
fn is_parameter(name: &str) -> bool {
    (1..=5).contains(&name.len()) && name.chars().all(|c| c.is_ascii_lowercase()) && name != "comp"
}

/// An ETag as responses and If-Match have it (RFC 9110, section 8.8.3): Azure's listings leave the
/// quotation marks out.
pub(crate) fn quoted(etag: String) -> String {
    match etag.starts_with('"') || etag.starts_with("W/") {
        true => etag,
        false => format!("\"{etag}\""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_survives_however_it_was_copied() {
        let expected = [("sv", "2023-11-03"), ("sig", "a+b/c=")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()));
        for token in [
            "sv=2023-11-03&sig=a%2Bb%2Fc%3D",
            "?sv=2023-11-03&sig=a%2bb%2fc%3d",
            " sv=2023-11-03&sig=a+b/c=\n",
        ] {
            assert_eq!(sas_pairs(token).unwrap(), expected, "{token}");
        }
    }

    #[test]
    fn a_listed_etag_is_the_one_that_responses_have() {
        assert_eq!(quoted("0x8DC1".to_owned()), "\"0x8DC1\"");
        assert_eq!(quoted("\"0x8DC1\"".to_owned()), "\"0x8DC1\"");
    }

    #[test]
    fn what_is_no_signature_is_refused_without_being_repeated() {
        for token in [
            "",
            "hunter2",
            "sv=2023-11-03&sig=",
            "https://a.blob.core.windows.net/c?sv=1&sig=hunter2",
            "BlobEndpoint=https://a;SharedAccessSignature=sv=1&sig=hunter2",
            "sv=1&sig=hunter2&comp=metadata",
        ] {
            let error = check_sas_token(token).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
        for key in ["", "hunter2-", "AccountKey=hunter2"] {
            let error = check_account_key(key).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }
}
