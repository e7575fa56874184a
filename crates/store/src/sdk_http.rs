//! The AWS SDK's requests through our own client, so that there is one TLS library and one guard.

use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;

use crate::guard::Refusal;

/// More than any answer of STS or a metadata service has.
const LARGEST_ANSWER: usize = 1024 * 1024;

/// A client for the AWS SDK.
#[derive(Clone, Debug)]
pub(crate) struct SdkHttp {
    client: reqwest::Client,
    /// Shorter than the client's own: the instance's metadata service is asked on the chance that
    /// there is one.
    timeout: Option<Duration>,
}

impl SdkHttp {
    pub(crate) fn new(client: reqwest::Client) -> Self {
        Self {
            client,
            timeout: None,
        }
    }

    async fn send(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let method = request.method().parse().map_err(other)?;
        let mut sent = self.client.request(method, request.uri());
        for (name, value) in request.headers() {
            sent = sent.header(name, value);
        }
        if let Some(timeout) = self.timeout {
            sent = sent.timeout(timeout);
        }
        let body = request.body().bytes().unwrap_or_default().to_vec();
        let response = sent.body(body).send().await.map_err(connector_error)?;
        let status = response.status();
        if status.is_redirection() {
            let status = status.as_u16();
            return Err(other(Refusal::Redirect { status }));
        }
        received(response).await
    }
}

async fn received(mut response: reqwest::Response) -> Result<HttpResponse, ConnectorError> {
    let status = response.status().as_u16().try_into().map_err(other)?;
    let headers = response.headers().clone();
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(connector_error)? {
        if body.len() + chunk.len() > LARGEST_ANSWER {
            return Err(ConnectorError::other("the answer is too long".into(), None));
        }
        body.extend_from_slice(&chunk);
    }
    let mut received = HttpResponse::new(status, SdkBody::from(body));
    for (name, value) in &headers {
        if let Ok(value) = value.to_str() {
            received
                .headers_mut()
                .append(name.as_str().to_owned(), value.to_owned());
        }
    }
    Ok(received)
}

impl HttpConnector for SdkHttp {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().send(request))
    }
}

impl HttpClient for SdkHttp {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        _: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let timeout = settings
            .read_timeout()
            .map(|read| read + settings.connect_timeout().unwrap_or_default());
        SharedHttpConnector::new(Self {
            client: self.client.clone(),
            timeout,
        })
    }
}

fn other(error: impl std::error::Error + Send + Sync + 'static) -> ConnectorError {
    ConnectorError::other(error.into(), None)
}

fn connector_error(error: reqwest::Error) -> ConnectorError {
    // The URL of a metadata service may carry a token.
    let error = error.without_url();
    if error.is_timeout() {
        ConnectorError::timeout(error.into())
    } else if Refusal::cause_of(&error).is_some() {
        other(error)
    } else {
        ConnectorError::io(error.into())
    }
}
