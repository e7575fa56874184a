//! The one way to the network: no request leaves for an address or a host that nobody configured.

use std::error::Error as StdError;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use async_trait::async_trait;
use object_store::ClientOptions;
use object_store::client::{
    HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse, HttpService,
};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::Network;
use crate::error::causes;

/// Why a request was not sent, or its answer not followed. Never retried: asking again would not
/// change it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// The host is, or resolves to, an address at which a cloud machine serves its own credentials.
    #[error("link-local address")]
    LinkLocal,
    /// The store points elsewhere. The next host was not checked against the allow-list, and the
    /// request might carry what only this one may see.
    #[error("redirect ({status})")]
    Redirect {
        /// The status of the response.
        status: u16,
    },
    /// Bucket and endpoint make no host name.
    #[error("no host name")]
    NoHost,
}

impl Refusal {
    /// The refusal among the causes of an error.
    pub(crate) fn cause_of<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        causes(error).find_map(|e| e.downcast_ref())
    }
}

/// A client that follows no redirect and connects to no link-local address that a name hides.
///
/// # Errors
/// When the machine's certificates cannot be loaded.
pub(crate) fn client(network: &Network) -> reqwest::Result<reqwest::Client> {
    client_builder(network)
        .dns_resolver(std::sync::Arc::new(GuardedResolver))
        .build()
}

fn client_builder(network: &Network) -> reqwest::ClientBuilder {
    reqwest::Client::builder()
        .user_agent(concat!("cur_fdw/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(network.connect_timeout)
        .timeout(network.read_timeout)
        .http1_only()
}

/// Whether requests to this address are refused: 169.254.0.0/16 (RFC 3927), fe80::/10 (RFC 4291),
/// the IPv6 spellings of the former, and fd00:ec2::/32, where AWS has the same services in IPv6.
fn is_refused(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => {
            v6.is_unicast_link_local()
                || v6.to_ipv4().is_some_and(|v4| v4.is_link_local())
                || matches!(v6.segments(), [0xfd00, 0x0ec2, ..])
        }
    }
}

/// Checks what a name resolves to at each connect: a name may change its address between the
/// check and the use.
struct GuardedResolver;

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let addresses: Vec<SocketAddr> = found.collect();
            if addresses.iter().any(|a| is_refused(a.ip())) {
                return Err(Refusal::LinkLocal.into());
            }
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

/// A client for the object store's library.
#[derive(Clone, Debug)]
pub(crate) struct Guarded(pub(crate) reqwest::Client);

impl HttpConnector for Guarded {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Guarded {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        check_host(&request.uri().to_string()).map_err(refused)?;
        match self.0.call(request).await {
            Ok(response) => not_redirected(response),
            Err(error) => Err(Refusal::cause_of(&error).cloned().map_or(error, refused)),
        }
    }
}

/// A client for asking for the machine's own identity, which link-local addresses serve. Where it
/// asks is written in the client library or in the environment of the server's process; no user has
/// a say in it.
#[derive(Clone, Debug)]
pub(crate) struct Machine(reqwest::Client);

impl Machine {
    /// # Errors
    /// When the machine's certificates cannot be loaded.
    pub(crate) fn new(network: &Network) -> reqwest::Result<Self> {
        // The service is on the machine, or there is none.
        let near = network.connect_timeout.min(Duration::from_secs(1));
        let client = client_builder(network).connect_timeout(near);
        Ok(Self(client.build()?))
    }
}

impl HttpConnector for Machine {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

#[async_trait]
impl HttpService for Machine {
    async fn call(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        not_redirected(self.0.call(request).await?)
    }
}

fn not_redirected(response: HttpResponse) -> Result<HttpResponse, HttpError> {
    let status = response.status();
    if status.is_redirection() && status.as_u16() != 304 {
        let status = status.as_u16();
        return Err(refused(Refusal::Redirect { status }));
    }
    Ok(response)
}

/// An address in the URL never reaches the resolver.
pub(crate) fn check_host(url: &str) -> Result<(), Refusal> {
    let url = Url::parse(url).map_err(|_| Refusal::NoHost)?;
    let address = match url.host() {
        Some(Host::Ipv4(v4)) => IpAddr::V4(v4),
        Some(Host::Ipv6(v6)) => IpAddr::V6(v6),
        Some(Host::Domain(_)) => return Ok(()),
        None => return Err(Refusal::NoHost),
    };
    match is_refused(address) {
        true => Err(Refusal::LinkLocal),
        false => Ok(()),
    }
}

/// The library retries errors of other kinds.
fn refused(refusal: Refusal) -> HttpError {
    HttpError::new(HttpErrorKind::Unknown, refusal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_in_any_spelling_is_refused() {
        for host in [
            "169.254.169.254",
            "2852039166",
            "0xa9fea9fe",
            "[fe80::1]",
            "[::ffff:169.254.169.254]",
            "[::169.254.169.254]",
            "[fd00:ec2::254]",
        ] {
            let url = format!("http://{host}/latest/meta-data");
            assert_eq!(check_host(&url), Err(Refusal::LinkLocal), "{host}");
        }
        for host in [
            "127.0.0.1",
            "[::1]",
            "10.0.0.1",
            "s3.example.com",
            "[fd00::1]",
        ] {
            assert_eq!(check_host(&format!("http://{host}/")), Ok(()), "{host}");
        }
    }

    #[tokio::test]
    async fn what_a_name_resolves_to_is_checked_at_each_resolution() {
        // An address resolves to itself, and stands for a name that resolves to it.
        let resolve = |name: &str| GuardedResolver.resolve(name.parse().unwrap());
        let error = resolve("169.254.169.254").await.err().unwrap();
        assert_eq!(Refusal::cause_of(&*error), Some(&Refusal::LinkLocal));
        assert!(resolve("127.0.0.1").await.is_ok());
    }

    #[test]
    fn a_bucket_before_an_address_is_an_error_and_no_panic() {
        assert_eq!(check_host("http://bills.127.0.0.1/"), Err(Refusal::NoHost));
    }
}
