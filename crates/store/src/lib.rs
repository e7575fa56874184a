//! Object stores: where a bill lies, who may read it, and reads that cannot mix two deliveries.
//!
//! The door is [`Store`]: opened from a [`Location`], [`Credentials`] and [`Network`] limits, it
//! lists objects, reads small ones whole, and hands DataFusion a [`Pinned`] view whose every range
//! read carries the ETag seen at planning.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod credentials;
mod error;
mod guard;
mod identity;
mod location;
mod network;
mod pinned;
mod sdk_http;
mod store;

pub use credentials::{Credentials, Keys, Role, Secret, Source};
pub use error::{Error, Result};
pub use location::{Endpoint, Location};
pub use network::Network;
pub use pinned::{Pinned, Traffic};
pub use store::Store;
