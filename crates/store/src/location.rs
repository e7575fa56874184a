//! Where a bill lies: the `url` and `endpoint` options of a server.

use std::path::PathBuf;

use url::Url;

use crate::guard::{Refusal, check_host};
use crate::{Error, Result};

/// Whose store it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Provider {
    /// `s3://`
    S3,
    /// `az://`
    Azure,
    /// `gs://`
    Google,
    /// `file://`
    Directory,
}

impl Provider {
    /// The beginning of its URLs.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::S3 => "s3://",
            Self::Azure => "az://",
            Self::Google => "gs://",
            Self::Directory => "file://",
        }
    }
}

/// A place that holds exports.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Location {
    /// `s3://bucket`
    S3 {
        /// The bucket's name.
        bucket: String,
        /// The AWS region requests are signed for.
        region: String,
        /// A store that is not AWS's own.
        endpoint: Option<Endpoint>,
        /// `https://host/bucket/key` instead of `https://bucket.host/key`.
        path_style: bool,
    },
    /// `az://container`
    Azure {
        /// The storage account's name.
        account: String,
        /// The container's name.
        container: String,
        /// The account's blob service, where it is not `https://account.blob.core.windows.net`.
        endpoint: Option<Endpoint>,
        /// `https://host/account/container/key`, as the emulator Azurite has it.
        path_style: bool,
    },
    /// `gs://bucket`
    Google {
        /// The bucket's name.
        bucket: String,
        /// Where it is not `https://storage.googleapis.com`.
        endpoint: Option<Endpoint>,
    },
    /// `file:///absolute/directory`
    File {
        /// The directory that stands for the bucket.
        directory: PathBuf,
    },
}

/// What a server's options say of a place.
#[derive(Clone, Debug, Default)]
pub struct Address<'a> {
    /// `url`.
    pub url: &'a str,
    /// `region`, for S3.
    pub region: Option<&'a str>,
    /// `account`, for Azure.
    pub account: Option<&'a str>,
    /// `endpoint`, for all but directories.
    pub endpoint: Option<Endpoint>,
    /// `path_style`, for S3 and Azure.
    pub path_style: Option<bool>,
}

/// The hosts of Azure's public cloud, behind the account's name. The second is that of the same
/// blobs as a file system, which is what Azure shows for accounts with hierarchical namespace.
const AZURE_HOSTS: [&str; 2] = [".blob.core.windows.net", ".dfs.core.windows.net"];

impl Location {
    /// Reads a server's options. Those that do not apply to the store are ignored.
    ///
    /// # Errors
    /// [`Error::BadUrl`] for another scheme, a missing bucket, a path behind the bucket or a
    /// relative directory, [`Error::NoAccount`] when no option names Azure's storage account.
    pub fn parse(address: Address<'_>) -> Result<Self> {
        let url = address.url;
        // Before anything else, so that no message repeats what may be a key.
        if url.contains('?') {
            return Err(hidden(
                "it must end with the name of the bucket or container; a SAS token belongs into a user mapping",
            ));
        }
        match provider(url)? {
            Provider::Azure => azure(address),
            _ if url.contains('@') => Err(hidden("user and password belong into a user mapping")),
            Provider::S3 => s3(address),
            Provider::Google => Ok(Self::Google {
                bucket: bucket(url)?,
                endpoint: address.endpoint,
            }),
            Provider::Directory => directory(url),
        }
    }

    /// Whose store it is.
    pub fn provider(&self) -> Provider {
        match self {
            Self::S3 { .. } => Provider::S3,
            Self::Azure { .. } => Provider::Azure,
            Self::Google { .. } => Provider::Google,
            Self::File { .. } => Provider::Directory,
        }
    }

    /// The host that somebody chose, as opposed to the provider's own.
    pub fn endpoint(&self) -> Option<&Endpoint> {
        match self {
            Self::S3 { endpoint, .. }
            | Self::Azure { endpoint, .. }
            | Self::Google { endpoint, .. } => endpoint.as_ref(),
            Self::File { .. } => None,
        }
    }

    /// The bucket, or the directory standing for it, as messages name it.
    pub fn display_name(&self) -> String {
        match self {
            Self::S3 { bucket, .. } => format!("s3://{bucket}"),
            Self::Azure { container, .. } => format!("az://{container}"),
            Self::Google { bucket, .. } => format!("gs://{bucket}"),
            Self::File { directory } => format!("file://{}", directory.display()),
        }
    }
}

/// Whose store a `url` option names.
///
/// # Errors
/// [`Error::BadUrl`].
pub fn provider(url: &str) -> Result<Provider> {
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    match scheme {
        Some("s3") => Ok(Provider::S3),
        Some("az" | "abfs" | "abfss") => Ok(Provider::Azure),
        Some("https") if AZURE_HOSTS.iter().any(|host| url.contains(host)) => Ok(Provider::Azure),
        Some("gs") => Ok(Provider::Google),
        Some("file") => Ok(Provider::Directory),
        Some(_) if url.contains('@') => Err(hidden("user and password belong into a user mapping")),
        Some(_) => Err(bad(
            url,
            "only s3://, az://, gs:// and file:// are supported",
        )),
        None => Err(bad(url, "it is not a URL")),
    }
}

fn bad(url: &str, why: &'static str) -> Error {
    Error::BadUrl {
        url: url.to_owned(),
        why,
    }
}

/// An error about a URL that may hold a secret.
fn hidden(why: &'static str) -> Error {
    bad("…", why)
}

fn s3(address: Address<'_>) -> Result<Location> {
    let bucket = bucket(address.url)?;
    let region = address.region.unwrap_or("us-east-1").to_owned();
    let in_region = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if region.is_empty() || !region.chars().all(in_region) {
        return Err(bad(address.url, "the region must be a name as eu-west-2"));
    }
    // AWS wants the bucket in the host name; most other servers know it only in the path.
    let path_style = address.path_style.unwrap_or(address.endpoint.is_some());
    Ok(Location::S3 {
        bucket,
        region,
        endpoint: address.endpoint,
        path_style,
    })
}

/// The bucket of `scheme://bucket`.
fn bucket(url: &str) -> Result<String> {
    let parsed = Url::parse(url).map_err(|_| bad(url, "it is not a URL"))?;
    let bucket = parsed.host_str().filter(|host| !host.is_empty());
    let bucket = bucket
        .ok_or_else(|| bad(url, "it names no bucket"))?
        .to_owned();
    if !matches!(parsed.path(), "" | "/") {
        return Err(bad(
            url,
            "a folder belongs into the prefix, not behind the bucket",
        ));
    }
    // Bucket and region become parts of a host name: anything else in them could send requests to
    // another host.
    let in_host = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    if !bucket.chars().all(in_host) {
        return Err(bad(
            url,
            "a bucket's name has letters, digits, dots, hyphens and underscores only",
        ));
    }
    Ok(bucket)
}

fn directory(url: &str) -> Result<Location> {
    let parsed = Url::parse(url).map_err(|_| bad(url, "it is not a URL"))?;
    match parsed.to_file_path() {
        Ok(directory) => Ok(Location::File { directory }),
        Err(()) => Err(bad(
            url,
            "file:// needs an absolute directory, as in file:///srv/bills",
        )),
    }
}

/// `az://container`, `abfss://container@account.dfs.core.windows.net` as Spark and Fabric write it,
/// or `https://account.blob.core.windows.net/container` as Azure's portal shows it.
fn azure(address: Address<'_>) -> Result<Location> {
    let url = address.url;
    // What stands before an @ may be a password.
    let bad = |why| bad(if url.contains('@') { "…" } else { url }, why);
    let (scheme, rest) = url
        .split_once("://")
        .ok_or_else(|| bad("it is not a URL"))?;
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (container, host) = match (scheme, rest.split_once('@'), rest.split_once('/')) {
        ("https", None, Some((host, container))) => (container, Some(host)),
        ("https", ..) => return Err(bad("it names no container")),
        (_, Some((container, host)), _) => (container, Some(host)),
        (_, None, _) => (rest, None),
    };
    if container.contains('/') || host.is_some_and(|host| host.contains('/')) {
        return Err(bad(
            "a folder belongs into the prefix, not behind the container",
        ));
    }
    if !is_container(container) {
        return Err(bad(
            "a container's name has 3 to 63 lower-case letters, digits and hyphens",
        ));
    }
    let in_host = host
        .map(|host| account_of(host).ok_or_else(|| bad(
            "its host is not account.blob.core.windows.net; write az://container, and the options account and endpoint",
        )))
        .transpose()?;
    let account = match (in_host, address.account) {
        (Some(in_host), Some(option)) if in_host != option => {
            return Err(bad("the option account names another storage account"));
        }
        (Some(account), _) | (None, Some(account)) => account,
        (None, None) => {
            return Err(Error::NoAccount {
                container: container.to_owned(),
            });
        }
    };
    if !is_account(account) {
        return Err(bad(
            "a storage account's name has 3 to 24 lower-case letters and digits",
        ));
    }
    Ok(Location::Azure {
        account: account.to_owned(),
        container: container.to_owned(),
        endpoint: address.endpoint,
        path_style: address.path_style.unwrap_or(false),
    })
}

fn account_of(host: &str) -> Option<&str> {
    AZURE_HOSTS
        .iter()
        .find_map(|suffix| host.strip_suffix(suffix))
}

/// Azure's rule ("Naming and referencing containers, blobs, and metadata"), `$web` and its like
/// included.
fn is_container(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let name = name.strip_prefix('$').unwrap_or(name);
    (3..=63).contains(&name.len()) && name.chars().all(plain)
}

/// Azure's rule ("Storage account overview"). The name becomes a part of the host's name.
fn is_account(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (3..=24).contains(&name.len()) && name.chars().all(plain)
}

/// The address of a server: a store that is not the provider's own, or who issues temporary keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint(Url);

impl Endpoint {
    /// Reads the `endpoint` option.
    ///
    /// # Errors
    /// [`Error::BadEndpoint`] when it is no http(s) URL, carries a user, query or path, is plain
    /// http without `allow_http`, or is a link-local address: those serve a cloud machine's own
    /// credentials (169.254.169.254), and no bill lies there.
    pub fn parse(endpoint: &str, allow_http: bool) -> Result<Self> {
        let bad = |why| Error::BadEndpoint {
            endpoint: endpoint.to_owned(),
            why,
        };
        // Before anything else, so that no message repeats what may be a password or a SAS token.
        if endpoint.contains(['@', '?']) {
            return Err(Error::BadEndpoint {
                endpoint: "…".to_owned(),
                why: "it must end after host and port; user, password and tokens belong into a user mapping",
            });
        }
        let url = Url::parse(endpoint).map_err(|_| bad("it is not a URL"))?;
        match url.scheme() {
            "https" => {}
            "http" if allow_http => {}
            "http" => return Err(bad("plain http needs the server option allow_http 'true'")),
            _ => return Err(bad("it must begin with https:// or http://")),
        }
        if url.host_str().is_none_or(str::is_empty) {
            return Err(bad("it names no host"));
        }
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(bad("it must end after host and port"));
        }
        if check_host(url.as_str()) == Err(Refusal::LinkLocal) {
            return Err(bad("link-local addresses are always refused"));
        }
        Ok(Self(url))
    }

    /// `https://host[:port]`, without a trailing slash.
    pub fn as_str(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }

    /// The endpoint as the client library wants it: in virtual-host style the bucket is part of
    /// the host name.
    pub(crate) fn for_bucket(&self, bucket: &str, path_style: bool) -> String {
        match self.as_str().split_once("://") {
            Some((scheme, host)) if !path_style => format!("{scheme}://{bucket}.{host}"),
            _ => self.as_str().to_owned(),
        }
    }

    /// Whether a pattern of the allow-list covers this endpoint: `*` stands for any characters
    /// except `/`, everything else for itself. A pattern without scheme matches https only.
    pub fn matches(&self, pattern: &str) -> bool {
        let pattern = pattern.trim().trim_end_matches('/');
        if pattern.contains("://") {
            glob(pattern.as_bytes(), self.as_str().as_bytes())
        } else {
            glob(
                format!("https://{pattern}").as_bytes(),
                self.as_str().as_bytes(),
            )
        }
    }
}

fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) if glob(rest, text) => true,
        (Some((b'*', _)), Some((byte, rest))) => *byte != b'/' && glob(pattern, rest),
        (Some((expected, pattern)), Some((byte, text))) => expected == byte && glob(pattern, text),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(url: &str) -> Result<Location> {
        Location::parse(Address {
            url,
            ..Address::default()
        })
    }

    fn azure_of(url: &str, account: Option<&str>) -> Result<(String, String)> {
        let address = Address {
            url,
            account,
            ..Address::default()
        };
        match Location::parse(address)? {
            Location::Azure {
                account, container, ..
            } => Ok((account, container)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_bucket_and_a_directory_are_told_apart() {
        for (url, name) in [
            ("s3://bills", "s3://bills"),
            ("s3://bills/", "s3://bills"),
            ("gs://my_bills.example", "gs://my_bills.example"),
            ("file:///srv/bills", "file:///srv/bills"),
        ] {
            assert_eq!(location(url).unwrap().display_name(), name);
        }
    }

    #[test]
    fn a_container_is_found_in_every_form_that_azure_shows() {
        let expected = Ok(("acct1".to_owned(), "bills-1".to_owned()));
        for (url, account) in [
            ("az://bills-1", Some("acct1")),
            ("az://bills-1/", Some("acct1")),
            ("abfss://bills-1", Some("acct1")),
            ("abfss://bills-1@acct1.dfs.core.windows.net/", None),
            ("abfs://bills-1@acct1.blob.core.windows.net", Some("acct1")),
            ("az://bills-1@acct1.blob.core.windows.net", None),
            ("https://acct1.blob.core.windows.net/bills-1", None),
            ("https://acct1.dfs.core.windows.net/bills-1/", Some("acct1")),
        ] {
            assert_eq!(azure_of(url, account), expected, "{url}");
        }
    }

    #[test]
    fn an_account_cannot_name_another_host() {
        for (url, account) in [
            ("az://bills", Some("evil.example.com/x")),
            ("az://bills", Some("Acct1")),
            ("az://bills", Some("")),
            ("az://bills", Some("a#")),
            ("abfss://bills@evil.example.com", None),
            (
                "abfss://bills@evil.example.com/.blob.core.windows.net",
                None,
            ),
            ("abfss://bills@a.b.dfs.core.windows.net", None),
            ("abfss://bills@acct1.dfs.core.windows.net", Some("acct2")),
            ("https://evil.example.com/.blob.core.windows.net", None),
            ("https://u:p@acct1.blob.core.windows.net/bills", None),
            ("https://acct1.blob.core.windows.net:8443/bills", None),
        ] {
            assert!(azure_of(url, account).is_err(), "{url} {account:?}");
        }
        assert_eq!(
            azure_of("az://bills", None).unwrap_err().to_string(),
            "az://bills names no storage account"
        );
    }

    #[test]
    fn no_message_repeats_what_may_be_a_secret() {
        for url in [
            "s3://key:hunter2@b",
            "gs://key:hunter2@b",
            "ftp://key:hunter2@b",
            "az://key:hunter2@b",
            "abfss://hunter2@acct1.example.com",
            "https://acct1.blob.core.windows.net/bills?sv=1&sig=hunter2",
            "az://bills?sig=hunter2",
        ] {
            let error = location(url).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
        let error = Endpoint::parse("https://acct1.blob.core.windows.net/?sig=hunter2", false);
        assert!(!error.unwrap_err().to_string().contains("hunter2"));
    }

    #[test]
    fn urls_that_would_be_misread_are_refused() {
        for url in [
            "s3://",
            "s3://key:secret@b",
            "s3://b/folder",
            "gs://",
            "gs://b/folder",
            "az://",
            "az://bills/folder",
            "az://Bills",
            "https://acct1.blob.core.windows.net",
            "https://acct1.blob.core.windows.net/bills/folder",
            "abfss://bills@acct1.dfs.core.windows.net/folder",
            "bills",
            "http://b",
            "https://example.com/bills",
            "file://relative/x",
        ] {
            assert!(location(url).is_err(), "{url} was accepted");
        }
    }

    #[test]
    fn a_region_cannot_name_another_host() {
        let in_region = |region| {
            Location::parse(Address {
                url: "s3://b",
                region: Some(region),
                ..Address::default()
            })
        };
        for region in ["x@10.0.0.5:8443/", "eu-west-2/", "", "EU", "a.b"] {
            assert!(in_region(region).is_err(), "{region}");
        }
        assert!(in_region("eu-west-2").is_ok());
    }

    #[test]
    fn endpoints_that_reach_further_than_a_store_are_refused() {
        for endpoint in [
            "http://s3.example.com",
            "https://169.254.169.254",
            "https://[fe80::1]",
            "https://[::ffff:169.254.169.254]",
            "https://user:hunter2@s3.example.com",
            "http://user:hunter2@s3.example.com",
            "https://s3.example.com/x",
            "https://s3.example.com?x=1",
            "ftp://s3.example.com",
        ] {
            let error = Endpoint::parse(endpoint, false).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert!(Endpoint::parse("http://127.0.0.1:9000", true).is_ok());
    }

    #[test]
    fn the_allow_list_does_not_cross_hosts_or_schemes() {
        let endpoint = Endpoint::parse("http://127.0.0.1:9000", true).unwrap();
        assert!(endpoint.matches("http://127.0.0.1:*"));
        assert!(!endpoint.matches("127.0.0.1:9000"));
        assert!(!endpoint.matches("http://127.0.0.1"));
        let endpoint = Endpoint::parse("https://s3.evil.example/", false).unwrap();
        assert!(endpoint.matches("*.evil.example"));
        assert!(!endpoint.matches("*.example.com"));
    }
}
