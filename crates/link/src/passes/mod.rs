//! What happens to a graph between reading and layout.

pub mod eh_frame;
