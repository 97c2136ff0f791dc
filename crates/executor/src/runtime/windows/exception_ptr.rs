//! `std::exception_ptr` to exceptions of linked code. The C++ runtime would ask the loader for the image that describes
//! the exception, as it does for a throw. So we throw a copy ourselves, catch it, and ask the runtime for the current
//! exception.

use std::ffi::{CStr, c_int, c_void};
use std::process::abort;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use super::{library_function, needed_function, throw};
use crate::unwind::window_at;
use crate::{ExecAddr, os};

/// `__ExceptionPtrCopyException(void *pointer, const void *object, const void *description)`.
pub(super) const COPY: &CStr = c"?__ExceptionPtrCopyException@@YAXPEAXPEBX1@Z";
/// `__ExceptionPtrCurrentException(void *pointer)`.
const CURRENT: &CStr = c"?__ExceptionPtrCurrentException@@YAXPEAX@Z";

/// Of a type that can be caught: its objects may be copied as bytes; they have virtual bases.
const SIMPLE: u32 = 1;
const HAS_VIRTUAL_BASE: u32 = 4;

/// The runtime's functions: how the frame below is unwound, and what is asked for the exception.
static FRAME_HANDLER: AtomicU64 = AtomicU64::new(0);
static CURRENT_EXCEPTION: AtomicU64 = AtomicU64::new(0);

/// `__ExceptionPtrCopyException` for linked code: makes `pointer` refer to a copy of an exception.
pub(super) unsafe extern "C-unwind" fn copy(pointer: *mut c_void, object: *const c_void, description: *const c_void) {
    let Some(base) = window_at(description as u64) else {
        type Copy = extern "C-unwind" fn(*mut c_void, *const c_void, *const c_void);
        // SAFETY: the function has this type.
        let real: Copy = unsafe { needed_function(COPY) };
        return real(pointer, object, description);
    };
    for (place, name) in [(&FRAME_HANDLER, c"__CxxFrameHandler3"), (&CURRENT_EXCEPTION, CURRENT)] {
        place.store(library_function(name).unwrap_or_else(|| abort()).0, Ordering::Relaxed);
    }
    // SAFETY: linked code passes what it would throw.
    let mut copy = unsafe { copy_of(object, description as u64, base) };
    // SAFETY: the copy is one that may be thrown; its destructor runs once it is caught.
    unsafe { throw_and_catch(pointer, copy.as_mut_ptr().cast(), description) };
}

/// A copy of an object that `description` describes, relative to `base`.
///
/// # Safety
/// The description must be one of an exception that the object is.
unsafe fn copy_of(object: *const c_void, description: u64, base: u64) -> Vec<u128> {
    let word = |place: u64| {
        // SAFETY: within the descriptions of the exception.
        unsafe { (place as *const u32).read_unaligned() }
    };
    // The types that it can be caught as come fourth; the first of these is its own.
    let types = base + u64::from(word(description + 12));
    let own = base + u64::from(word(types + 4));
    let (properties, size, constructor) = (word(own), word(own + 20) as usize, word(own + 24));
    let mut copy = vec![0u128; size.div_ceil(16).max(1)];
    let place: *mut c_void = copy.as_mut_ptr().cast();
    if properties & SIMPLE != 0 || constructor == 0 {
        // SAFETY: both have this size.
        unsafe { place.cast::<u8>().copy_from_nonoverlapping(object.cast(), size) };
        return copy;
    }
    type Construct = extern "C-unwind" fn(*mut c_void, *const c_void, u32);
    // SAFETY: a copy constructor; those of classes with virtual bases are told that they are to construct these.
    let construct: Construct = unsafe { os::as_function(ExecAddr(base + u64::from(constructor))) };
    construct(place, object, u32::from(properties & HAS_VIRTUAL_BASE != 0));
    copy
}

/// `try { throw_exception(object, description); } catch (...) { CURRENT_EXCEPTION(pointer); }`
#[unsafe(naked)]
unsafe extern "C-unwind" fn throw_and_catch(pointer: *mut c_void, object: *mut c_void, description: *const c_void) {
    std::arch::naked_asm!(
        ".seh_proc {this}",
        ".seh_handler {frame_handler}, @unwind, @except",
        "push rbp",
        ".seh_pushreg rbp",
        "sub rsp, 64",
        ".seh_stackalloc 64",
        "lea rbp, [rsp + 64]",
        ".seh_setframe rbp, 64",
        ".seh_endprologue",
        // The runtime keeps the state here.
        "mov qword ptr [rbp - 8], -2",
        "mov [rbp - 16], rcx",
        "lea rax, [rip + 2f]",
        "mov [rbp - 24], rax",
        "mov rcx, rdx",
        "mov rdx, r8",
        "call {throw}",
        "2:",
        "nop",
        "add rsp, 64",
        "pop rbp",
        "ret",
        ".seh_endproc",
        this = sym throw_and_catch,
        frame_handler = sym frame_handler,
        throw = sym throw::throw_exception,
    )
}

/// The body of `catch`, which is passed the frame in rdx and returns where to go on.
#[unsafe(naked)]
unsafe extern "C-unwind" fn caught() {
    std::arch::naked_asm!(
        ".seh_proc {this}",
        ".seh_handler {frame_handler}, @unwind, @except",
        "mov [rsp + 16], rdx",
        "push rbp",
        ".seh_pushreg rbp",
        "sub rsp, 32",
        ".seh_stackalloc 32",
        "lea rbp, [rdx + 64]",
        ".seh_endprologue",
        "mov rcx, [rbp - 16]",
        "call [rip + {current}]",
        "mov rax, [rbp - 24]",
        "add rsp, 32",
        "pop rbp",
        "ret",
        ".seh_endproc",
        this = sym caught,
        frame_handler = sym frame_handler,
        current = sym CURRENT_EXCEPTION,
    )
}

/// The beginning of `DISPATCHER_CONTEXT`.
#[repr(C)]
struct Dispatcher {
    control: u64,
    image_base: u64,
    function: u64,
    frame: u64,
    target: u64,
    context: u64,
    handler: u64,
    data: *const AtomicU32,
}

/// `__CxxFrameHandler3` reads these, in the order in which it is here: the offset of what follows, `FuncInfo`, the
/// unwind map, the try block, its handler, and which state code is in. Offsets are relative to the image that we are
/// in.
static TABLES: [AtomicU32; 29] = [const { AtomicU32::new(0) }; 29];

/// Fills in the tables, of a function with two states: 0 within `try`, 1 within `catch`.
fn fill_tables(image_base: u64) {
    const MAGIC: u32 = 0x1993_0522;
    const NO_STATE: u32 = u32::MAX;
    const ANY_TYPE: u32 = 0x40;
    let offset = |address: u64| (address - image_base) as u32;
    let table = |index: usize| offset(&raw const TABLES[index] as u64);
    let (body, handler) = (offset(throw_and_catch as *const () as u64), offset(caught as *const () as u64));
    let mut states = [[body, 0], [handler, 1]];
    states.sort_unstable();
    let [[first, first_state], [second, second_state]] = states;
    // The number behind each count is where it is. The state is kept 56 bytes, and `caught` finds its frame 56 bytes,
    // from their frames; 1: only C++ exceptions are caught.
    let words: [&[u32]; 5] = [
        &[table(1), MAGIC, 2, table(11), 1, table(15), 2, table(25), 56, 0],
        &[1, NO_STATE, 0, NO_STATE, 0],
        &[0, 0, 1, 1, table(20)],
        &[ANY_TYPE, 0, 0, handler, 56],
        &[first, first_state, second, second_state],
    ];
    for (place, word) in TABLES.iter().zip(words.concat()) {
        place.store(word, Ordering::Relaxed);
    }
}

/// The handler of the two frames: the runtime's, which is told where the tables are.
unsafe extern "C-unwind" fn frame_handler(
    record: *mut c_void,
    frame: *mut c_void,
    context: *mut c_void,
    dispatcher: *mut Dispatcher,
) -> c_int {
    type Handler = extern "C-unwind" fn(*mut c_void, *mut c_void, *mut c_void, *mut Dispatcher) -> c_int;
    // SAFETY: the system passes a valid context.
    let dispatcher_context = unsafe { &mut *dispatcher };
    fill_tables(dispatcher_context.image_base);
    dispatcher_context.data = TABLES.as_ptr();
    // SAFETY: the function has this type.
    let handler: Handler = unsafe { os::as_function(ExecAddr(FRAME_HANDLER.load(Ordering::Relaxed))) };
    handler(record, frame, context, dispatcher)
}
