//! What runs between the phases of linking.

pub mod eh_frame;
pub mod entries;
pub mod indirect;
pub mod init_code;
