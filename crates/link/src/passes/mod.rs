//! Passes over inputs between finding and placing them, one in each file.

pub mod areas;
pub mod direct;
pub mod entries;
pub mod image_sections;
pub mod indirect;
pub mod shared;
