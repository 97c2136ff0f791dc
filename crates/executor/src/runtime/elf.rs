//! ELF: functions of the C library that must distinguish linked code from the system's.

use crate::{ExecAddr, init, listed, opening, tls};

pub(crate) fn symbol(name: &[u8]) -> Option<ExecAddr> {
    let address = match name {
        b"__tls_get_addr" => tls::tls_get_addr as *const (),
        b"__cxa_atexit" => init::cxa_atexit as *const (),
        b"__cxa_finalize" => init::cxa_finalize as *const (),
        b"__cxa_thread_atexit" | b"__cxa_thread_atexit_impl" => tls::cxa_thread_atexit as *const (),
        b"__cxa_at_quick_exit" => init::cxa_at_quick_exit as *const (),
        b"__linkjit_on_exit" => init::on_exit as *const (),
        b"dlclose" => opening::dlclose as *const (),
        b"dlopen" => opening::dlopen as *const (),
        b"dl_iterate_phdr" => listed::iterate as *const (),
        _ => return None,
    };
    Some(ExecAddr(address as u64))
}
