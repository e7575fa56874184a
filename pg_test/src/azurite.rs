//! A throwaway Azure Blob Storage: Azurite, Microsoft's own emulator, which runs on Node.js.

use crate::keys::RsaKey;
use crate::process::{self, User};
use crate::{Result, objects, ports};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use object_store::ClientOptions;
use object_store::azure::{
    AzureAccessKey, AzureAuthorizer, AzureCredential, MicrosoftAzure, MicrosoftAzureBuilder,
};
use object_store::client::{HttpConnector, HttpRequest, HttpRequestBody, ReqwestConnector};
use ring::hmac;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// The account that every Azurite has, with its published key.
const ACCOUNT: &str = "devstoreaccount1";
const ACCOUNT_KEY: &str =
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";
/// The version of the protocol that signatures are made for.
const VERSION: &str = "2023-11-03";

/// A running emulator; dropping it ends its process and forgets its data.
#[derive(Debug)]
pub struct Azurite {
    port: u16,
    https: bool,
    process: Child,
    runtime: Runtime,
    // The last field, for the files must go after the process.
    directory: TempDir,
}

impl Azurite {
    /// Where Azurite is installed; None where `CUR_FDW_AZURITE` does not say so, as on a machine
    /// without Node.js.
    pub fn installation() -> Option<PathBuf> {
        std::env::var_os("CUR_FDW_AZURITE").map(PathBuf::from)
    }

    /// Starts an emulator on a free port. With a key it speaks HTTPS and accepts access tokens.
    pub fn start(installation: &Path, key: Option<&RsaKey>) -> Result<Self> {
        let user = User::for_servers()?;
        let directory = process::directory("cur_fdw-azure-", user)?;
        let port = ports::free()?;
        let main = installation.join("node_modules/azurite/dist/src/blob/main.js");
        let mut command = process::server(installation.join("node"), "KILL", user);
        command.arg(main);
        command.args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string()]);
        command.args(["--inMemoryPersistence", "--disableTelemetry"]);
        command.arg("--skipApiVersionCheck");
        if let Some(key) = key {
            command.args(["--oauth", "basic"]);
            command.arg("--cert").arg(&key.certificate);
            command.arg("--key").arg(&key.private);
        }
        let log = directory.path().join("azurite.log");
        command.stdin(Stdio::null());
        command.stdout(fs::File::create(&log)?);
        let errors = directory.path().join("azurite.err");
        command.stderr(fs::File::create(&errors)?);
        let mut process = process::spawn(command)?;
        ports::wait_open(port, "Azurite", &mut process, &errors)?;
        Ok(Azurite {
            port,
            https: key.is_some(),
            process,
            runtime: objects::runtime()?,
            directory,
        })
    }

    /// The address to give to clients: `http://127.0.0.1:port`.
    pub fn endpoint(&self) -> String {
        let scheme = if self.https { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// The storage account.
    pub fn account(&self) -> &'static str {
        ACCOUNT
    }

    /// The key that may do everything in the account.
    pub fn account_key(&self) -> &'static str {
        ACCOUNT_KEY
    }

    /// Makes a container.
    pub fn create_container(&self, name: &str) -> Result<()> {
        // The object store's client makes no containers, but it signs.
        let mut request = HttpRequest::new(HttpRequestBody::empty());
        *request.method_mut() = "PUT".parse()?;
        let url = format!("{}/{ACCOUNT}/{name}?restype=container", self.endpoint());
        *request.uri_mut() = url.parse()?;
        let key = AzureCredential::AccessKey(AzureAccessKey::try_new(ACCOUNT_KEY)?);
        AzureAuthorizer::new(&key, ACCOUNT).authorize(&mut request);
        let client = ReqwestConnector::default().connect(&client_options())?;
        let response = self.runtime.block_on(client.execute(request))?;
        match response.status().as_u16() {
            201 => Ok(()),
            status => Err(format!("cannot make container {name}: status {status}").into()),
        }
    }

    /// A shared access signature for a container, with permissions such as `rl` to read and list,
    /// that ends at `expiry`, such as `2099-01-01T00:00:00Z`.
    pub fn sas_token(&self, container: &str, permissions: &str, expiry: &str) -> Result<String> {
        // Azure Storage REST API, "Create a service SAS", version 2020-12-06 and later: permissions,
        // start, expiry, resource, identifier, addresses, protocol, version, kind of resource, and
        // seven more that are empty.
        let resource = format!("/blob/{ACCOUNT}/{container}");
        let fields = [permissions, "", expiry, &resource, "", "", "", VERSION, "c"];
        let signed = format!("{}{}", fields.join("\n"), "\n".repeat(7));
        let key = BASE64_STANDARD.decode(ACCOUNT_KEY)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let signature = BASE64_STANDARD.encode(hmac::sign(&key, signed.as_bytes()));
        let signature = signature.replace('+', "%2B").replace('/', "%2F");
        Ok(format!(
            "sv={VERSION}&sr=c&sp={permissions}&se={}&sig={}",
            expiry.replace(':', "%3A"),
            signature.replace('=', "%3D")
        ))
    }

    /// Writes blobs, several at a time.
    pub fn put_all(
        &self,
        container: &str,
        blobs: impl IntoIterator<Item = (String, Vec<u8>)>,
    ) -> Result<()> {
        objects::put_all(&self.runtime, self.store(container)?, blobs)
    }

    /// The lines of the access log so far: method, target and status of each request.
    pub fn requests(&self) -> Result<Vec<String>> {
        let log = fs::read_to_string(self.directory.path().join("azurite.log"))?;
        let requests = log.lines().filter_map(|line| line.split_once('"'));
        Ok(requests.map(|(_, request)| request.to_owned()).collect())
    }

    fn store(&self, container: &str) -> Result<MicrosoftAzure> {
        Ok(MicrosoftAzureBuilder::new()
            .with_account(ACCOUNT)
            .with_access_key(ACCOUNT_KEY)
            .with_endpoint(format!("{}/{ACCOUNT}", self.endpoint()))
            .with_client_options(client_options())
            .with_container_name(container)
            .build()?)
    }
}

impl Drop for Azurite {
    fn drop(&mut self) {
        // Everything is in memory, so there is nothing to save; errors have no reader.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The emulator's certificate is signed by nobody.
fn client_options() -> ClientOptions {
    ClientOptions::new()
        .with_allow_http(true)
        .with_allow_invalid_certificates(true)
}
