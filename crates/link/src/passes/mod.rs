//! What runs between the phases of linking, one file each.

pub mod areas;
pub mod direct;
pub mod eh_frame;
pub mod entries;
pub mod image_sections;
pub mod imports;
pub mod indirect;
pub mod init_code;
pub mod shared;
