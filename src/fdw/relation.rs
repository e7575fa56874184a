//! An open relation.

use pgrx::pg_sys;

/// A relation opened for reading its description, closed when dropped. The lock stays until the
/// end of the transaction.
pub struct OpenRelation(pub pg_sys::Relation);

impl OpenRelation {
    /// Opens a relation; raises Postgres's ERROR when there is none.
    pub fn new(relation: pg_sys::Oid) -> Self {
        // SAFETY: relation_open raises for an OID that is no relation.
        Self(unsafe { pg_sys::relation_open(relation, pg_sys::AccessShareLock as i32) })
    }
}

impl Drop for OpenRelation {
    fn drop(&mut self) {
        // SAFETY: opened by `new`. While an ERROR unwinds, Postgres's own cleanup releases the
        // reference instead.
        unsafe {
            if !std::thread::panicking() {
                pg_sys::relation_close(self.0, pg_sys::NoLock as i32);
            }
        }
    }
}
