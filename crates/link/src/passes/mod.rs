//! What runs between the phases of linking.

pub mod entries;
pub mod indirect;
