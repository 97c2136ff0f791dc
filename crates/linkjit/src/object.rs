//! Reading objects and archives, for tools that look into them before they add them.

pub use linkjit_link::object::archive::{Archive, Member, MemberContent, Members};
pub use linkjit_link::object::import::{Import, ImportKey};
pub use linkjit_link::object::read;

pub use crate::generators::{member_source, with_index};
