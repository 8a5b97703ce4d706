//! What makes it safe to look at lines and entries.
#![allow(unsafe_code)]

/// Proof that the calling thread holds back reclamation for as long as the value lives.
///
/// # Safety
///
/// While a value exists, no line or entry that was in a table at any time since it was made may be
/// reclaimed or recycled.
pub(crate) unsafe trait Protection {}
