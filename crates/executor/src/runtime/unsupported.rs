//! Systems without a runtime.

use crate::ExecAddr;

pub(crate) fn symbol(_name: &[u8]) -> Option<ExecAddr> {
    None
}

pub(crate) fn replacement(_name: &[u8]) -> Option<ExecAddr> {
    None
}
