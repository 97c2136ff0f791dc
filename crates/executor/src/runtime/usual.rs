//! For systems on which linked code is given no function in place of a library's, and whose programs have one form of
//! `main`.

use std::ffi::OsString;

use crate::call::Arguments;
use crate::{ExecAddr, MainForm};

/// The session asks for these before it looks into libraries.
pub(crate) fn replacement(_name: &[u8]) -> Option<ExecAddr> {
    None
}

/// All programs' `main` is called alike.
pub(crate) fn main_arguments(form: MainForm, _main: ExecAddr, usual: [usize; 4]) -> Option<[usize; 4]> {
    (form == MainForm::Main).then_some(usual)
}

/// Code finds its arguments nowhere else than `main` does.
pub(crate) fn set_arguments(_args: &[OsString], _main: Arguments) {}
