//! What is done to inputs between finding and placing them, one file each.

pub mod areas;
pub mod direct;
pub mod entries;
pub mod image_sections;
pub mod indirect;
pub mod shared;
