//! Functions that compilers call where processors have no instruction: 128-bit arithmetic and conversions
//! (`clang_rt.builtins`, `libgcc`). Linked code gets those that are linked into linkjit itself.

use crate::ExecAddr;

/// Functions by name, which are nobody's to call here.
macro_rules! builtins {
    ($function:ident: $($name:ident)*) => {
        unsafe extern "C" {
            $(fn $name();)*
        }

        fn $function(name: &[u8]) -> Option<ExecAddr> {
            match name {
                $(_ if name == stringify!($name).as_bytes() => Some(ExecAddr($name as *const () as u64)),)*
                _ => None,
            }
        }
    };
}

builtins! {
    usual:
    __udivti3 __umodti3 __divti3 __modti3 __udivmodti4 __divmodti4
    __multi3 __muloti4 __mulodi4 __mulosi4 __ashlti3 __ashrti3 __lshrti3
    __floattidf __floattisf __floatuntidf __floatuntisf
    __fixdfti __fixsfti __fixunsdfti __fixunssfti
    __udivdi3 __umoddi3 __divdi3 __moddi3 __udivmoddi4 __divmoddi4
    __fixunsdfdi __fixunssfdi __floatundidf __floatundisf
    __powidf2 __powisf2
    __extendhfsf2 __truncsfhf2 __truncdfhf2
}

// Only GNU's compilers have numbers of 128 bits with a fraction, and pass them in a way of their own.
#[cfg(target_env = "gnu")]
builtins! {
    quadruple:
    __addtf3 __subtf3 __multf3 __divtf3 __extenddftf2 __extendsftf2 __trunctfdf2 __trunctfsf2
    __fixtfsi __fixtfdi __fixtfti __fixunstfsi __fixunstfdi __fixunstfti
    __floatsitf __floatditf __floattitf __floatunsitf __floatunditf __floatuntitf
    __eqtf2 __netf2 __lttf2 __letf2 __gttf2 __getf2 __unordtf2 __powitf2
}

#[cfg(not(target_env = "gnu"))]
fn quadruple(_name: &[u8]) -> Option<ExecAddr> {
    None
}

pub(super) fn symbol(name: &[u8]) -> Option<ExecAddr> {
    if name.starts_with(b"__") { usual(name).or_else(|| quadruple(name)) } else { None }
}
