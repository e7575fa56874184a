//! Opening a bucket of S3, or of a store that speaks its language.

use std::sync::Arc;

use object_store::StaticCredentialProvider;
use object_store::aws::{AmazonS3, AmazonS3Builder, AwsCredential};

use crate::credentials::{Aws, Source};
use crate::guard::{self, Guarded};
use crate::identity::Identity;
use crate::{Credentials, Error, Location, Network, Result};

/// Without credentials the requests go unsigned.
///
/// # Errors
/// [`Error::Other`].
pub(crate) fn open(
    location: &Location,
    credentials: Option<&Credentials>,
    network: &Network,
) -> Result<AmazonS3> {
    let Location::S3 {
        bucket,
        region,
        endpoint,
        path_style,
    } = location
    else {
        return Err(Error::misdirected(location));
    };
    let client = guard::client(network).map_err(|e| Error::unopened(location, &e))?;
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(bucket)
        .with_region(region)
        .with_virtual_hosted_style_request(!path_style)
        // Whether http is allowed was decided when the endpoint was read.
        .with_allow_http(true)
        .with_http_connector(Guarded(client.clone()))
        .with_retry(network.retry_config());
    if let Some(endpoint) = endpoint {
        builder = builder.with_endpoint(endpoint.for_bucket(bucket, *path_style));
    }
    let builder = match credentials {
        // Without keys the request goes unsigned: the library would otherwise ask the machine's
        // metadata service for the identity of the machine.
        None => builder.with_skip_signature(true),
        Some(Credentials::Aws(Aws {
            source: Source::Keys(keys),
            role: None,
        })) => builder.with_credentials(Arc::new(StaticCredentialProvider::new(AwsCredential {
            key_id: keys.access_key_id.expose().to_owned(),
            secret_key: keys.secret_access_key.expose().to_owned(),
            token: keys.session_token.as_ref().map(|t| t.expose().to_owned()),
        }))),
        Some(Credentials::Aws(other)) => {
            builder.with_credentials(Arc::new(Identity::new(other, region, network, client)))
        }
        Some(_) => return Err(Error::misdirected(location)),
    };
    builder.build().map_err(|e| Error::unopened(location, &e))
}
