//! Functions of the system that find something in a module. If linked code names no module, they use its own image.

use std::ffi::CStr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use super::image;
use crate::{ExecAddr, os};

/// Passes on to a function of the system, whose address is in `real`, with the program's image for a null first
/// argument.
macro_rules! for_program {
    ($($library:literal: $($name:ident)*;)*) => {
        /// Returns what linked code is given in place of the system's.
        pub(super) fn replacement(name: &[u8]) -> Option<ExecAddr> {
            match name {
                $($(_ if name == stringify!($name).as_bytes() => {
                    static REAL: AtomicU64 = AtomicU64::new(0);
                    #[unsafe(naked)]
                    #[allow(non_snake_case, reason = "the system's names")]
                    unsafe extern "system" fn $name() {
                        std::arch::naked_asm!(
                            ".seh_proc {name}",
                            "sub rsp, 72",
                            ".seh_stackalloc 72",
                            ".seh_endprologue",
                            "test rcx, rcx",
                            "jnz 2f",
                            "mov [rsp + 32], rdx",
                            "mov [rsp + 40], r8",
                            "mov [rsp + 48], r9",
                            "mov rcx, [rsp + 72]",
                            "call {program}",
                            "mov rcx, rax",
                            "mov rdx, [rsp + 32]",
                            "mov r8, [rsp + 40]",
                            "mov r9, [rsp + 48]",
                            "2:",
                            "add rsp, 72",
                            "jmp qword ptr [rip + {real}]",
                            ".seh_endproc",
                            name = sym $name,
                            program = sym program,
                            real = sym REAL,
                        )
                    }
                    find(concat!($library, "\0"), concat!(stringify!($name), "\0"), &REAL)?;
                    Some(ExecAddr($name as *const () as u64))
                })*)*
                _ => None,
            }
        }
    };
}

for_program! {
    "kernel32.dll": FindResourceA FindResourceW FindResourceExA FindResourceExW LoadResource SizeofResource
        EnumResourceTypesA EnumResourceTypesW EnumResourceNamesA EnumResourceNamesW EnumResourceLanguagesA
        EnumResourceLanguagesW;
    "user32.dll": LoadStringA LoadStringW LoadMenuA LoadMenuW LoadAcceleratorsA LoadAcceleratorsW DialogBoxParamA
        DialogBoxParamW CreateDialogParamA CreateDialogParamW;
}

/// The image of the program, as code at `caller` sees it; 0 if there is none.
extern "system" fn program(caller: u64) -> u64 {
    image::program(caller).unwrap_or_default()
}

/// Has `real` hold the address of a function of the system.
fn find(library: &str, name: &str, real: &AtomicU64) -> Option<()> {
    let [library, name] = [library, name].map(|text| CStr::from_bytes_with_nul(text.as_bytes()).ok());
    let opened = os::open_library(Path::new(library?.to_str().ok()?), false, &[]).ok()?;
    real.store(os::find_symbol(opened, name?)?.0, Ordering::Release);
    Some(())
}
