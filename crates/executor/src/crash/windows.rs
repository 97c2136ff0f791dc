//! Exceptions that nobody handles, and that end the process therefore.

use std::ptr::null_mut;

use linkjit_target::ExecAddr;
use windows_sys::Win32::Foundation::NTSTATUS;
use windows_sys::Win32::System::Diagnostics::Debug::{
    CONTEXT, EXCEPTION_POINTERS, EXCEPTION_RECORD, RtlLookupFunctionEntry, RtlVirtualUnwind,
    SetUnhandledExceptionFilter, UNW_FLAG_NHANDLER,
};

use super::{Crash, TELL};

/// The process ends as it would have without us.
const CONTINUE_SEARCH: i32 = 0;

const ACCESS_VIOLATION: NTSTATUS = 0xc000_0005_u32.cast_signed();
const IN_PAGE_ERROR: NTSTATUS = 0xc000_0006_u32.cast_signed();
const STACK_OVERFLOW: NTSTATUS = 0xc000_00fd_u32.cast_signed();

/// Others than people are told of so many frames.
const TOLD_FRAMES: usize = 32;

pub(super) fn install() {
    // SAFETY: the filter may be called at any time, on any thread. One that was set before is the system's.
    let _before = unsafe { SetUnhandledExceptionFilter(Some(filter)) };
}

unsafe extern "system" fn filter(exception: *const EXCEPTION_POINTERS) -> i32 {
    // SAFETY: the system passes the exception and the context of the thread.
    let (Some(tell), Some(exception)) = (TELL.get(), unsafe { exception.as_ref() }) else { return CONTINUE_SEARCH };
    // SAFETY: as above.
    let Some(record) = (unsafe { exception.ExceptionRecord.as_ref() }) else { return CONTINUE_SEARCH };
    // SAFETY: as above.
    let Some(context) = (unsafe { exception.ContextRecord.as_ref() }) else { return CONTINUE_SEARCH };
    let (signal, address) = (name(record.ExceptionCode), address(record));
    tell(&Crash { signal, address, frames: &[ExecAddr(record.ExceptionAddress as u64)] });
    // Walking takes more of a stack than is left.
    if record.ExceptionCode != STACK_OVERFLOW {
        let mut frames = [ExecAddr::NULL; TOLD_FRAMES];
        // SAFETY: the thread is in that context, and stays in it.
        let count = unsafe { walk(*context, &mut frames) };
        tell(&Crash { signal, address, frames: &frames[..count] });
    }
    CONTINUE_SEARCH
}

/// The address that could not be accessed.
fn address(record: &EXCEPTION_RECORD) -> Option<ExecAddr> {
    let is_access = matches!(record.ExceptionCode, ACCESS_VIOLATION | IN_PAGE_ERROR) && record.NumberParameters >= 2;
    is_access.then(|| ExecAddr(record.ExceptionInformation[1] as u64))
}

/// Finds the instructions that a thread's frames are at, the innermost first; returns how many there are.
///
/// # Safety
/// It must be a context that a thread is in, and stays in meanwhile.
unsafe fn walk(mut context: CONTEXT, frames: &mut [ExecAddr]) -> usize {
    let mut count = 0;
    while context.Rip != 0
        && let Some(frame) = frames.get_mut(count)
    {
        *frame = ExecAddr(context.Rip);
        count += 1;
        let mut base = 0;
        // SAFETY: it only looks into tables of functions.
        let function = unsafe { RtlLookupFunctionEntry(context.Rip, &raw mut base, null_mut()) };
        if function.is_null() {
            // A function without a record has nothing on the stack but its return address. Most often it is none at all:
            // somebody has called what is no code. Farther up, who knows what the stack is.
            if count > 1 {
                break;
            }
            // SAFETY: the top of the thread's stack, on which the system has put the exception, too.
            context.Rip = unsafe { (context.Rsp as *const u64).read() };
            context.Rsp += 8;
            continue;
        }
        let (mut data, mut frame) = (null_mut(), 0);
        // SAFETY: the record of the function that the context is in.
        let _handler = unsafe {
            RtlVirtualUnwind(
                UNW_FLAG_NHANDLER,
                base,
                context.Rip,
                function,
                &raw mut context,
                &raw mut data,
                &raw mut frame,
                null_mut(),
            )
        };
    }
    count
}

/// The name of an exception, as headers of Windows have it.
fn name(code: NTSTATUS) -> &'static str {
    match code.cast_unsigned() {
        0x8000_0001 => "EXCEPTION_GUARD_PAGE",
        0x8000_0002 => "EXCEPTION_DATATYPE_MISALIGNMENT",
        0x8000_0003 => "EXCEPTION_BREAKPOINT",
        0xc000_0005 => "EXCEPTION_ACCESS_VIOLATION",
        0xc000_0006 => "EXCEPTION_IN_PAGE_ERROR",
        0xc000_001d => "EXCEPTION_ILLEGAL_INSTRUCTION",
        0xc000_0025 => "EXCEPTION_NONCONTINUABLE_EXCEPTION",
        0xc000_008e => "EXCEPTION_FLT_DIVIDE_BY_ZERO",
        0xc000_0094 => "EXCEPTION_INT_DIVIDE_BY_ZERO",
        0xc000_0095 => "EXCEPTION_INT_OVERFLOW",
        0xc000_0096 => "EXCEPTION_PRIV_INSTRUCTION",
        0xc000_00fd => "EXCEPTION_STACK_OVERFLOW",
        0xc000_0374 => "STATUS_HEAP_CORRUPTION",
        0xc000_0409 => "STATUS_STACK_BUFFER_OVERRUN",
        0xe06d_7363 => "a C++ exception",
        _ => "an exception",
    }
}
