//! Host functions: linked code calls functions and closures of this program.
//!
//! A C function has no place for the captures of a closure. So linked code calls a *thunk*, a few bytes of code that
//! linkjit makes for each host function. The thunk passes the address of the function's [data](HostCallback::data) in
//! the register that conventions have for a nested function's context, and jumps to one [routine]. The routine puts the
//! argument registers into an array and calls a Rust function that knows the types. That function takes the arguments
//! from the array, calls the closure, and leaves the result there. Each calling convention has a file.

#[cfg(linux_x86_64)]
mod x86_64_sysv;
#[cfg(linux_x86_64)]
use x86_64_sysv as abi;

#[cfg(windows_x86_64)]
mod x86_64_win64;
#[cfg(windows_x86_64)]
use x86_64_win64 as abi;

#[cfg(not(known_convention))]
mod unsupported;
#[cfg(not(known_convention))]
use unsupported as abi;

use std::any::Any;
use std::fmt;

use crate::ExecAddr;
use abi::{Frame, Reader};

/// A function or closure that linked code can call as a C function: its arguments are [`HostValue`]s, and so is its
/// result, if it has one. `Signature` is the type of function pointers with its arguments and result; the compiler
/// finds it.
#[diagnostic::on_unimplemented(
    message = "linked code can't call `{Self}` as a host function",
    note = "closures and functions of Rust are host functions if all arguments and the result are of types that C passes in \
            one register; `extern \"C\"` functions are defined by their addresses: `define_ptr(name, function as *const ())`"
)]
pub trait HostFunction<Signature>: Send + Sync + 'static {
    #[doc(hidden)]
    fn call_with(&self, call: &mut HostCall);
}

/// A type of C that is passed in one register: integers, `bool`, floating-point numbers, pointers, addresses.
pub trait HostValue: sealed::Value {}

/// The result of a host function: a [`HostValue`], or nothing.
pub trait HostResult: sealed::Outcome {}

/// A call in progress.
#[doc(hidden)]
#[derive(Debug)]
#[repr(transparent)]
pub struct HostCall {
    frame: Frame,
}

mod sealed {
    use super::{Frame, Reader};

    pub trait Value: Sized {
        fn take(arguments: &mut Reader<'_>) -> Self;
        fn give(self, frame: &mut Frame);
    }

    pub trait Outcome {
        fn leave(self, frame: &mut Frame);
    }
}

impl<T: HostValue> HostResult for T {}

impl<T: HostValue> sealed::Outcome for T {
    fn leave(self, frame: &mut Frame) {
        self.give(frame);
    }
}

impl HostResult for () {}

impl sealed::Outcome for () {
    fn leave(self, _: &mut Frame) {}
}

/// Values that are in registers of one kind: how they are made of 64 bits, of which C leaves the upper ones open, and
/// made such.
macro_rules! values {
    ($take:ident, $result:ident: $([$($generic:tt)*] $type:ty: $bits:ident => $from:expr, $value:ident => $into:expr;)*) => {
        $(impl<$($generic)*> HostValue for $type {}

        impl<$($generic)*> sealed::Value for $type {
            fn take(arguments: &mut Reader<'_>) -> Self {
                let $bits = arguments.$take();
                $from
            }

            fn give(self, frame: &mut Frame) {
                let $value = self;
                frame.$result = $into;
            }
        })*
    };
}

values! {
    integer, integer_result:
    [] u8: bits => bits as u8, value => value.into();
    [] u16: bits => bits as u16, value => value.into();
    [] u32: bits => bits as u32, value => value.into();
    [] u64: bits => bits, value => value;
    [] usize: bits => bits as usize, value => value as u64;
    [] i8: bits => bits as i8, value => i64::from(value).cast_unsigned();
    [] i16: bits => bits as i16, value => i64::from(value).cast_unsigned();
    [] i32: bits => bits as i32, value => i64::from(value).cast_unsigned();
    [] i64: bits => bits.cast_signed(), value => value.cast_unsigned();
    [] isize: bits => bits as isize, value => value as u64;
    [] bool: bits => bits & 0xff != 0, value => value.into();
    [] ExecAddr: bits => ExecAddr(bits), address => address.0;
    [T] *const T: bits => ExecAddr(bits).to_ptr(), pointer => ExecAddr::from_ptr(pointer).0;
    [T] *mut T: bits => ExecAddr(bits).to_ptr(), pointer => ExecAddr::from_ptr(pointer).0;
}

values! {
    vector, vector_result:
    [] f32: bits => Self::from_bits(bits as u32), value => value.to_bits().into();
    [] f64: bits => Self::from_bits(bits), value => value.to_bits();
}

/// Host functions by the number of their arguments.
macro_rules! host_functions {
    ($(($($argument:ident)*))*) => {
        $(impl<F, R, $($argument),*> HostFunction<fn($($argument),*) -> R> for F
        where
            F: Fn($($argument),*) -> R + Send + Sync + 'static,
            R: HostResult,
            $($argument: HostValue,)*
        {
            #[allow(non_snake_case, unused_mut, unused_variables, reason = "the arguments are called as their types")]
            fn call_with(&self, call: &mut HostCall) {
                let mut arguments = Reader::new(&call.frame);
                $(let $argument = $argument::take(&mut arguments);)*
                self($($argument),*).leave(&mut call.frame);
            }
        })*
    };
}

host_functions! {
    () (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E G) (A B C D E G H) (A B C D E G H I) (A B C D E G H I J)
    (A B C D E G H I J K) (A B C D E G H I J K L) (A B C D E G H I J K L M)
}

/// A host function whose thunk is to be made: what that is to pass, and where it is to jump.
pub struct HostCallback {
    /// The function, to which the first word of the data points.
    _function: Box<dyn Any + Send + Sync>,
    data: [ExecAddr; 2],
    routine: ExecAddr,
}

impl HostCallback {
    /// Of a function; none where there is no routine for the calling convention. Its thunk may be called as long as
    /// this exists.
    pub fn new<S, F: HostFunction<S>>(function: F) -> Option<Self> {
        let function = Box::new(function);
        let data = [ExecAddr::from_ptr(&raw const *function), ExecAddr::from_ptr(enter::<S, F> as *const ())];
        Some(Self { _function: function, data, routine: abi::routine()? })
    }

    /// Two pointers, whose address the thunk is to pass.
    #[must_use]
    pub fn data(&self) -> [ExecAddr; 2] {
        self.data
    }

    /// Returns where the thunk is to jump.
    #[must_use]
    pub fn routine(&self) -> ExecAddr {
        self.routine
    }
}

impl fmt::Debug for HostCallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostCallback").field("data", &self.data).finish_non_exhaustive()
    }
}

/// The function that the routine calls. A panic ends the process here: the caller is C code, which can't be unwound.
///
/// # Safety
/// `function` is an `F`, and `call` the registers of a call of a C function of type `S`.
unsafe extern "C" fn enter<S, F: HostFunction<S>>(function: *const F, call: *mut HostCall) {
    // SAFETY: a callback of this function has it; nobody changes it.
    let function = unsafe { &*function };
    // SAFETY: it is in the frame of the routine, which waits.
    function.call_with(unsafe { &mut *call });
}
