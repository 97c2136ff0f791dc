//! ELF
use crate::{error::*, graph::LinkGraph, names::NamePool, source::Source};
/// x
pub fn read(_source: &Source, _names: &mut NamePool) -> Result<LinkGraph> {
    unreachable!()
}
