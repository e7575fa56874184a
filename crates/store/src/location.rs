//! Where a bill lies: the `url` and `endpoint` options of a server.

use std::net::IpAddr;
use std::path::PathBuf;

use url::Url;

use crate::guard::is_refused;
use crate::{Error, Result};

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
    /// `file:///absolute/directory`
    File {
        /// The directory that stands for the bucket.
        directory: PathBuf,
    },
}

impl Location {
    /// Reads the `url` option. For `file://` the other arguments do not apply.
    ///
    /// # Errors
    /// [`Error::BadUrl`] for another scheme, a missing bucket, a path behind the bucket or a
    /// relative directory.
    pub fn parse(
        url: &str,
        region: Option<&str>,
        endpoint: Option<Endpoint>,
        path_style: bool,
    ) -> Result<Self> {
        let bad = |why| Error::BadUrl {
            url: url.to_owned(),
            why,
        };
        // Before anything else, so that no message repeats what may be a key.
        if url.contains('@') {
            return Err(Error::BadUrl {
                url: "…".to_owned(),
                why: "user and password belong into a user mapping",
            });
        }
        let parsed = Url::parse(url).map_err(|_| bad("it is not a URL"))?;
        match parsed.scheme() {
            "s3" => {
                let bucket = parsed.host_str().filter(|host| !host.is_empty());
                let bucket = bucket.ok_or_else(|| bad("it names no bucket"))?.to_owned();
                if !matches!(parsed.path(), "" | "/") {
                    return Err(bad(
                        "a folder belongs into the prefix, not behind the bucket",
                    ));
                }
                // Bucket and region become parts of a host name: anything else in them could send
                // requests to another host.
                let in_host = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
                if !bucket.chars().all(in_host) {
                    return Err(bad(
                        "a bucket's name has letters, digits, dots and hyphens only",
                    ));
                }
                let region = region.unwrap_or("us-east-1").to_owned();
                let in_region = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
                if region.is_empty() || !region.chars().all(in_region) {
                    return Err(bad("the region must be a name as eu-west-2"));
                }
                Ok(Self::S3 {
                    bucket,
                    region,
                    endpoint,
                    path_style,
                })
            }
            "file" => match parsed.to_file_path() {
                Ok(directory) => Ok(Self::File { directory }),
                Err(()) => Err(bad(
                    "file:// needs an absolute directory, as in file:///srv/bills",
                )),
            },
            _ => Err(bad("only s3:// and file:// are supported")),
        }
    }

    /// The bucket, or the directory standing for it, as messages name it.
    pub fn display_name(&self) -> String {
        match self {
            Self::S3 { bucket, .. } => format!("s3://{bucket}"),
            Self::File { directory } => format!("file://{}", directory.display()),
        }
    }
}

/// The address of an S3-compatible server.
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
        // Before anything else, so that no message repeats what may be a password.
        if endpoint.contains('@') {
            return Err(Error::BadEndpoint {
                endpoint: "…".to_owned(),
                why: "user and password belong into a user mapping",
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
        if is_link_local(&url) {
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

fn is_link_local(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    match host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>()
    {
        Ok(address) => is_refused(address),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(url: &str) -> Result<Location> {
        Location::parse(url, None, None, false)
    }

    #[test]
    fn a_bucket_and_a_directory_are_told_apart() {
        assert_eq!(location("s3://bills").unwrap().display_name(), "s3://bills");
        assert_eq!(
            location("s3://bills/").unwrap().display_name(),
            "s3://bills"
        );
        assert_eq!(
            location("file:///srv/bills").unwrap().display_name(),
            "file:///srv/bills"
        );
    }

    #[test]
    fn urls_that_would_be_misread_are_refused() {
        for url in [
            "s3://",
            "s3://key:secret@b",
            "s3://b/folder",
            "bills",
            "http://b",
            "file://relative/x",
            "gs://b",
        ] {
            assert!(location(url).is_err(), "{url} was accepted");
        }
    }

    #[test]
    fn a_region_cannot_name_another_host() {
        for region in ["x@10.0.0.5:8443/", "eu-west-2/", "", "EU", "a.b"] {
            assert!(
                Location::parse("s3://b", Some(region), None, false).is_err(),
                "{region}"
            );
        }
        assert!(Location::parse("s3://b", Some("eu-west-2"), None, false).is_ok());
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
