//! Object bytes to link graphs to placed, fixed-up bytes.

#![forbid(unsafe_code)]
#![allow(clippy::result_large_err, reason = "errors are rare and end the link")]

pub mod error;
pub mod names;
pub mod object;
pub mod source;
