//! Object stores: where a bill lies, who may read it, and reads that cannot mix two deliveries.
//!
//! The door is [`Store`]: opened from a [`Location`], [`Credentials`] and [`Network`] limits, it
//! lists objects, reads small ones whole, and hands DataFusion a [`Pinned`] view whose every range
//! read carries the ETag seen at planning.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod azure;
mod credentials;
mod error;
mod google;
mod guard;
mod identity;
mod location;
mod network;
mod pinned;
mod s3;
mod sdk_http;
mod store;
mod token;

pub use azure::{check_account_key, check_sas_token};
pub use credentials::{Aws, Azure, Client, Credentials, Google, Keys, Role, Secret, Source};
pub use error::{Error, Result, causes};
pub use google::check_service_account_key;
pub use location::{Address, Endpoint, Location, Provider, provider};
pub use network::Network;
pub use pinned::{Pinned, Traffic};
pub use store::Store;
