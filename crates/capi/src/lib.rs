//! The C API of rekindle. Its documentation is in the headers. A test compares their declarations
//! with this source: `include/rekindle_ts.h` with `ts.rs`, `include/rekindle.h` with the rest.
//!
//! Every call goes through [`call::call`], which turns errors and panics into return values.

// C passes raw pointers; each function's contract is in its header.
#![allow(missing_docs, unsafe_code, clippy::missing_safety_doc)]
// C's names.
#![allow(non_camel_case_types)]

mod call;
pub mod config;
mod failure;
pub mod own;
mod service;
pub mod stats;
pub mod ts;
