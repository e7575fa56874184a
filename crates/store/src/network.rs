//! How long to wait for a store, and how often to ask again.

use std::time::Duration;

use object_store::{BackoffConfig, RetryConfig};

/// Limits of one request. The defaults suit a store in another region.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Network {
    /// Time to establish a connection.
    pub connect_timeout: Duration,
    /// Time for one whole request, body included.
    pub read_timeout: Duration,
    /// Repetitions of a failed request, with exponential backoff and jitter.
    pub retries: usize,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            read_timeout: Duration::from_secs(30),
            retries: 3,
        }
    }
}

impl Network {
    pub(crate) fn retry_config(&self) -> RetryConfig {
        RetryConfig {
            backoff: BackoffConfig {
                init_backoff: Duration::from_millis(100),
                max_backoff: Duration::from_secs(5),
                base: 2.0,
            },
            max_retries: self.retries,
            retry_timeout: self.read_timeout * (self.retries as u32 + 1),
        }
    }
}
