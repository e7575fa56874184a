//! One listed object.

/// An object as a store's listing shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// Full key relative to the bucket, exactly as listed: doubled slashes are part of the name.
    pub key: String,
    /// Size in bytes.
    pub size: u64,
    /// Entity tag, if the store gives one. It changes whenever the content does.
    pub etag: Option<String>,
    /// Last modification, milliseconds since 1970-01-01T00:00:00 UTC.
    pub modified_ms: i64,
}
