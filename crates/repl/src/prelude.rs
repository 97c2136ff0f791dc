//! The first input of each session: C++ that prints values and runs inputs, in the target.

/// Nothing here includes a header, and all names of libraries are declared under names of ours: what the user includes later
/// must not clash.
pub(crate) const TEXT: &str = concat!(include_str!("../prelude/transfer.h"));
