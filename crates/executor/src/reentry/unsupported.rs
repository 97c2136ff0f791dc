//! For systems whose calling convention has no routine yet.

use crate::ExecAddr;

pub(super) fn routine() -> Option<ExecAddr> {
    None
}
