//! Variables of the C runtime to which programs refer directly. The runtime's DLL does not export them, but has for
//! each a function that returns its address ("Global variables", Microsoft Learn).

use super::library_function;
use crate::{ExecAddr, os};

pub(super) fn symbol(name: &[u8]) -> Option<ExecAddr> {
    let function = match name {
        b"_environ" | b"environ" => c"__p__environ",
        b"_wenviron" => c"__p__wenviron",
        b"_fmode" => c"__p__fmode",
        b"_commode" => c"__p__commode",
        b"_daylight" | b"daylight" => c"__daylight",
        b"_dstbias" => c"__dstbias",
        b"_timezone" | b"timezone" => c"__timezone",
        b"_tzname" | b"tzname" => c"__tzname",
        b"_sys_errlist" | b"sys_errlist" => c"__sys_errlist",
        b"_sys_nerr" | b"sys_nerr" => c"__sys_nerr",
        _ => return None,
    };
    // SAFETY: the functions above take nothing and return an address.
    let function: extern "C" fn() -> u64 = unsafe { os::as_function(library_function(function)?) };
    Some(ExecAddr(function()))
}
