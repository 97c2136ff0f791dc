//! What runs between the phases of linking.

pub mod direct;
pub mod eh_frame;
pub mod entries;
pub mod indirect;
