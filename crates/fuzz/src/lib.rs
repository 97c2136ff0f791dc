//! Code that the fuzz targets share.

pub mod executor;
pub mod input;
