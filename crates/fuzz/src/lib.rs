//! Code that the fuzz targets share.

pub mod executor;
pub mod input;
pub mod refusing;
