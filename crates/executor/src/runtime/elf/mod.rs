//! ELF: functions of the C library that must distinguish linked code from the system's. Those that open libraries have the
//! names of LLVM's ORC runtime, too.

pub(crate) mod dylibs;

use crate::{ExecAddr, init, listed, tls};

pub(crate) fn symbol(name: &[u8]) -> Option<ExecAddr> {
    let address = match name {
        b"__tls_get_addr" => tls::tls_get_addr as *const (),
        b"__cxa_atexit" => init::cxa_atexit as *const (),
        b"__cxa_finalize" => init::cxa_finalize as *const (),
        b"__cxa_thread_atexit" | b"__cxa_thread_atexit_impl" => tls::cxa_thread_atexit as *const (),
        b"__cxa_at_quick_exit" => init::cxa_at_quick_exit as *const (),
        b"__linkjit_on_exit" => init::on_exit as *const (),
        b"dladdr" => dylibs::dladdr as *const (),
        b"dlclose" | b"__orc_rt_jit_dlclose" => dylibs::dlclose as *const (),
        b"dlerror" | b"__orc_rt_jit_dlerror" => dylibs::dlerror as *const (),
        b"dlinfo" => dylibs::dlinfo as *const (),
        b"dlopen" | b"__orc_rt_jit_dlopen" => dylibs::dlopen as *const (),
        b"dlsym" | b"__orc_rt_jit_dlsym" => dylibs::dlsym as *const (),
        b"__orc_rt_jit_dlupdate" => dylibs::dlupdate as *const (),
        b"dlvsym" => dylibs::dlvsym as *const (),
        b"dl_iterate_phdr" => listed::iterate as *const (),
        _ => return None,
    };
    Some(ExecAddr(address as u64))
}
