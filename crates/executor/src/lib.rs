//! The executor: everything linkjit needs from the process that runs the linked code.
//!
//! [`Executor`] is the one interface to that process. [`InProcess`] implements it for the process we are in. Data flows
//! in one direction, once per batch of linked objects:
//!
//! [`Executor::reserve_window`] (addresses) -> [`Executor::reserve_tls`] (thread-local offsets) ->
//! [`Executor::allocate`] (memory to write the fixed-up bytes to) -> [`Allocation::finalize`] (protections, unwind
//! tables, thread-local images, indirect functions) -> [`Executor::run_initializers`] -> calls ->
//! [`Executor::close_image`] (terminators, `atexit`) -> [`Executor::deallocate`].
//!
//! On Windows an image is one window, which begins with the image's header. `__ImageBase` is the start of the window,
//! and unwind information, for one, is relative to it.
//!
//! All `unsafe` code of linkjit that talks to an operating system is in this crate.

mod agent;
mod allocator;
mod call;
pub mod crash;
mod dylibs;
#[cfg(glibc_x86_64)]
mod elf;
mod elf_header;
mod error;
pub mod exit_code;
#[cfg(known_convention)]
mod extended_state;
pub mod fork;
#[cfg(glibc_x86_64)]
mod fork_handlers;
mod free_list;
mod host_call;
mod in_process;
mod init;
#[cfg(glibc)]
mod initial_stack;
mod instruction_cache;
#[cfg(glibc)]
mod link_map;
mod listed;
mod loaded;
#[cfg(glibc_x86_64)]
mod loader;
mod memory;
mod nearby;
#[cfg(glibc_x86_64)]
mod opening;
mod os;
mod outermost;
mod pe;
mod reentry;
mod runtime;
#[cfg(glibc_x86_64)]
mod stacks;
mod symbols;
mod tls;
mod unwind;

pub use agent::{Adopted, Agent};
pub use dylibs::{AddressOf, AskDylibs, DylibReply, DylibRequest, OpenFlags, SearchFrom};
pub use error::{ExecutorError, Result};
pub use host_call::{HostCall, HostCallback, HostFunction, HostResult, HostValue};
pub use in_process::InProcess;
pub use linkjit_target::{Arch, ExecAddr, ExecRange, ObjectFormat, Protection, Target, TlsAddress};
pub use memory::{MemoryProvider, SystemMemory};

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A reserved range of addresses. Code and data of one window reach each other with 32-bit displacements.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct WindowId(pub u32);

/// The record of one JITDylib in the executor: its `__dso_handle`, its `atexit` functions, its TLS modules.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ImageId(pub u32);

/// A block of thread-local storage, one per batch that defines thread-local variables. On Windows, where code finds all
/// variables of its image through one `_tls_index`, it is a part of the storage that the image has in each thread.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TlsId(pub u32);

/// A finalized allocation: to be given back with [`Executor::deallocate`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AllocationId(pub u64);

/// A function that is asked when trampolines are called; see [`Executor::open_reentry`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ReentryId(pub u32);

/// Returns the address at which the call of a trampoline continues, by the trampoline's number.
pub type Resolve = dyn Fn(u32) -> ExecAddr + Send + Sync;

/// Finds an export of an image.
pub type FindExport = dyn Fn(SymbolKey<'_>) -> Option<ExecAddr> + Send + Sync;

/// Finds the symbols that a shared library needs from a program: their names and addresses. It is given the bytes of a file
/// that has the library's dynamic symbols, those at least that it does not define or that others may replace.
pub type ProvideNeeded = dyn Fn(&[u8]) -> Vec<(Vec<u8>, ExecAddr)> + Send + Sync;

/// Says what is at an address of linked code: `f (main.o)`.
pub type Symbolize = dyn Fn(ExecAddr) -> Option<String> + Send + Sync;

/// A loaded shared library, or the process itself.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct LibraryId(pub u32);

impl LibraryId {
    /// The process: every library that is loaded globally, in the loader's order.
    pub const PROCESS: Self = Self(0);
}

/// The place where a window should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Placement {
    /// Anywhere; preferably within 2 GiB of the process's shared libraries, so that fewer stubs are needed.
    Anywhere,
    /// Below 2 GiB: for code whose 32-bit fields hold addresses (compiled with -fno-pic).
    Low,
    /// In a place from which 32-bit displacements from all of the window reach all of these addresses.
    Near(ExecRange),
}

/// A reserved window.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Window {
    /// Its handle.
    pub id: WindowId,
    /// Its addresses.
    pub range: ExecRange,
    /// The ranges of its segments, by protection: read-only, executable, writable.
    pub stripes: [ExecRange; 3],
}

/// A segment to be allocated.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SegmentRequest {
    /// Its protection once finalized.
    pub protection: Protection,
    /// Size in bytes, zeros at its end included. Zero-sized segments are fine.
    pub size: u64,
    /// The number of bytes at its beginning that will be written. The rest stays zeros.
    pub contents: u64,
    /// Alignment in bytes: a power of two. May exceed the page size.
    pub align: u64,
}

/// The thread-local storage that code needs.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TlsRequest {
    /// Size in bytes of the block of each thread, zeros included.
    pub size: u64,
    /// Alignment in bytes: a power of two.
    pub align: u64,
    /// Some code uses the initial- or local-exec model: the block must be at a fixed offset from the thread pointer.
    pub fixed_offset: bool,
}

/// Reserved thread-local storage.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TlsBlock {
    /// Its handle.
    pub id: TlsId,
    /// The block begins here. The module is a number that the runtime's `__tls_get_addr` takes; on Windows
    /// `_tls_index`, the same for all blocks of an image.
    pub start: TlsAddress,
}

/// The initial content of a TLS block; what follows the bytes is zeros.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TlsImage {
    /// The block.
    pub id: TlsId,
    /// The fixed-up initial bytes are here, in the same allocation.
    pub bytes: ExecRange,
}

/// A slot that holds the address of an indirect function (`STT_GNU_IFUNC`).
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct IndirectSlot {
    /// Eight bytes in a `Read` or `ReadWrite` segment of the allocation.
    pub slot: ExecAddr,
    /// The resolver: a function without arguments that returns the address to be put into the slot.
    pub resolver: ExecAddr,
}

/// Actions that follow when the bytes are in place. The order is: make code executable, run resolvers, protect the
/// rest, register unwind tables, publish thread-local images. A failure undoes the actions before it.
#[derive(Clone, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FinalizeActions {
    /// `.eh_frame` tables, each ended by four zero bytes that are part of the range.
    pub unwind_tables: Vec<ExecRange>,
    /// `.pdata` tables of Windows: `RUNTIME_FUNCTION`s of 12 bytes for code of this allocation, in any order, relative
    /// to the start of the window. Those that are all zeros are skipped.
    pub function_tables: Vec<ExecRange>,
    /// Indirect functions to be resolved.
    pub indirect_slots: Vec<IndirectSlot>,
    /// The initial content of the batch's TLS block.
    pub tls_image: Option<TlsImage>,
    /// The directory of the image's resources (Windows). The image's header points to it from now on.
    pub resources: Option<ExecRange>,
    /// [`Executor::restore_contents`] is to find what writable segments contain now.
    pub keep_contents: bool,
}

/// Memory that is being filled. Dropping it without finalizing gives it back.
pub trait Allocation: Send + std::fmt::Debug {
    /// The address of segment `index` of the request in the executor's process.
    fn address(&self, index: usize) -> ExecAddr;

    /// The bytes of segment `index`, zeroed, to be written: as many at least as have contents. In-process they are the final
    /// memory itself.
    fn bytes(&mut self, index: usize) -> &mut [u8];

    /// Makes code executable, when all bytes are written: nothing can be written any more, and [`Allocation::bytes`] of code
    /// are empty. Finalizing does this, too; call it before if resolvers of several allocations may call each other's code.
    ///
    /// # Errors
    /// If the operating system refuses.
    fn make_executable(&mut self) -> Result<()>;

    /// Gives the memory its protections and runs `actions`.
    ///
    /// # Errors
    /// If the operating system refuses; then the memory was given back and no action is in effect.
    fn finalize(self: Box<Self>, actions: &FinalizeActions) -> Result<AllocationId>;
}

/// The key by which a symbol of a library is found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum SymbolKey<'a> {
    /// The name as the loader knows it.
    #[cfg_attr(feature = "serde", serde(borrow))]
    Name(&'a [u8]),
    /// The number of an export of a DLL.
    Ordinal(u16),
    /// The name of a definition that C++ puts wherever it is used, and that a process has once (inline functions and
    /// variables, and so on). Only symbols that the library's own code would find by that name are found. So variables
    /// of protected visibility are not, nor those of a library that was linked with `-Bsymbolic` or of the executable,
    /// which are bound to their own.
    Vague(&'a [u8]),
}

/// A symbol to be found in a library.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SymbolRequest<'a> {
    /// The key by which it is found.
    #[cfg_attr(feature = "serde", serde(borrow))]
    pub key: SymbolKey<'a>,
    /// Code refers to it as a thread-local variable.
    pub thread_local: bool,
}

/// The place of a library's symbol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum SymbolAddress {
    /// At an address.
    Address(ExecAddr),
    /// A thread-local variable of the system's modules.
    ThreadLocal(TlsAddress),
}

/// The replacement for a target that is out of reach of code that refers to it directly.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Nearby {
    /// The target is a function, for which a stub may stand.
    Function,
    /// The target is a variable that was moved to this address, or a function for which code at this address stands
    /// from now on.
    Moved(ExecAddr),
}

/// A new target for a jump of linked code through a slot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Jump {
    /// The word that holds the target.
    pub slot: ExecAddr,
    /// The new target.
    pub to: ExecAddr,
}

/// An array of function pointers to be called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PointerArray {
    /// Address of the first pointer.
    pub address: ExecAddr,
    /// There are so many pointers. Null and all-ones entries are skipped.
    pub count: u64,
    /// Call the last one first.
    pub backwards: bool,
    /// The functions are of this kind.
    pub kind: InitializerKind,
}

/// The way in which the functions of a [`PointerArray`] are called.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum InitializerKind {
    /// `void (int, char **, char **)`, with the program's arguments; terminators, `void (void)`. `.init_array` and its
    /// kin, `.CRT$XC*`, `.CRT$XP*`, `.CRT$XT*`.
    #[default]
    Plain,
    /// `int (void)`: a result other than zero is an error, after which no more initializers are called. `.CRT$XI*`.
    Fallible,
    /// `void (void *image, DWORD reason, void *)`: called now, when the process attaches, then on each thread that
    /// starts or ends, and when the image is closed. `.CRT$XL*`.
    ThreadCallback,
    /// `void (void)`: called now, then on each thread that starts; on threads that exist, when they ask for it by
    /// `__dyn_tls_on_demand_init`. `.CRT$XD*`.
    ThreadInitializer,
}

/// Functions of the executor's runtime that the linker refers to. [`Executor::runtime_symbols`] finds those that
/// objects refer to by name.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum RuntimeFunction {
    /// Descriptor resolver for blocks at a fixed offset from the thread pointer. Argument: that offset.
    TlsDescriptorFixed,
    /// Descriptor resolver for other blocks. Argument: address of a `{module, offset}` pair, as for `TlsGetAddr`.
    TlsDescriptorDynamic,
    /// The routine that trampolines jump to, after they have pushed their number and that of their [`ReentryId`].
    Reenter,
}

/// The form of a program's `main`: its parameters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum MainForm {
    /// `main(argc, argv, envp)`.
    #[default]
    Main,
    /// Windows: `wmain(argc, argv, envp)`, with wide strings.
    WideMain,
    /// Windows: `WinMain(instance, previous, line, show)`. The instance is the image that `WinMain` is in, and the line
    /// that of the arguments, without the program.
    WinMain,
    /// Windows: `wWinMain`, as `WinMain` with a wide string.
    WideWinMain,
}

/// The interface to the process that runs the linked code.
///
/// Code may run on other threads than those that ask for it; see [`Agent`] for the duties of such an executor.
pub trait Executor: Send + Sync + std::fmt::Debug {
    /// Says which objects its process can run.
    fn target(&self) -> Target;

    /// Says whether that is this process: then addresses of linked code are pointers of ours.
    fn is_here(&self) -> bool {
        false
    }

    /// Ends it, because nobody will ask it for anything any more: calls that wait for it fail, and its process ends, if that is
    /// another one. Executors of this process go when they are dropped.
    fn shut_down(&self) {}

    /// Reserves a window of `size` bytes.
    ///
    /// # Errors
    /// If there is no such range of free addresses.
    fn reserve_window(&self, size: u64, placement: Placement) -> Result<Window>;

    /// Reserves a window with so many bytes for segments of each protection, in the order of [`Window::stripes`].
    ///
    /// # Errors
    /// As [`Executor::reserve_window`].
    fn reserve_divided_window(&self, stripes: [u64; 3], placement: Placement) -> Result<Window>;

    /// Gives a window back, with everything that was allocated in it.
    ///
    /// # Errors
    /// If there is no such window.
    fn release_window(&self, window: WindowId) -> Result<()>;

    /// Allocates segments in a window. Segments of one protection lie side by side in the window, so that mappings stay
    /// few; freed memory is used again.
    ///
    /// # Errors
    /// [`ExecutorError::WindowFull`] if they do not fit.
    fn allocate(&self, window: WindowId, segments: &[SegmentRequest]) -> Result<Box<dyn Allocation>>;

    /// Gives finalized memory back: undoes the actions in reverse order, then frees it.
    ///
    /// # Errors
    /// If there is no such allocation.
    fn deallocate(&self, allocation: AllocationId) -> Result<()>;

    /// Gives writable segments of finalized allocations the contents back that they had when they were finalized, with
    /// redirected slots as they are now. Those that did not ask for it ([`FinalizeActions::keep_contents`]) stay as they
    /// are, and so does thread-local storage.
    ///
    /// # Errors
    /// If there is no such allocation.
    ///
    /// # Safety
    /// No thread may use them meanwhile.
    unsafe fn restore_contents(&self, allocations: &[AllocationId]) -> Result<()>;

    /// Makes the first page of a window the header of an image, with a section (Windows) or segment (ELF) for each
    /// protection. If the header is `kept` up to date, for code that reads it, it follows the contents of the window
    /// from now on: sections are as large as the memory that can be read, and data directories point to the tables of
    /// functions and of thread-local storage.
    ///
    /// # Errors
    /// If there is no such window or no memory.
    fn make_image_header(&self, window: WindowId, kept: bool) -> Result<()>;

    /// Makes the stacks of all threads executable, including those of later threads, for good. Code that calls
    /// functions which it has written to the stack needs this.
    ///
    /// # Errors
    /// [`ExecutorError::NoExecutableStack`] if the system does not let us.
    fn make_stacks_executable(&self) -> Result<()>;

    /// Opens the record of a JITDylib.
    ///
    /// # Errors
    /// If the executor is gone.
    fn open_image(&self, name: &str) -> Result<ImageId>;

    /// Tells the image the address that its code uses as `__dso_handle`, on Windows as `__ImageBase`: the start of its
    /// window. The last call before code of the image runs counts.
    ///
    /// # Errors
    /// If there is no such image, or its code has run with another one.
    fn set_dso_handle(&self, image: ImageId, handle: ExecAddr) -> Result<()>;

    /// Gives the image a function that finds its exports, for linked code that asks the system's loader for them. The
    /// function runs on the thread that asks, with no lock of the executor held, until the image is closed. Systems
    /// where nobody asks need none.
    ///
    /// # Errors
    /// If there is no such image.
    fn set_exports(&self, _image: ImageId, _find: Arc<FindExport>) -> Result<()> {
        Ok(())
    }

    /// Sets the function that finds symbols of the program for shared libraries that linked code opens (`dlopen`),
    /// because the loader does not see linked code. It runs on the thread that opens the library, with no lock of the
    /// executor held. Systems whose libraries need nothing from the program need none.
    fn provide_needed(&self, _provide: Arc<ProvideNeeded>) {}

    /// Sets the function that says what is at an address of linked code, for errors that say where linked code has crashed.
    /// Executors that end with their code need none.
    fn set_symbolizer(&self, _symbolize: Arc<Symbolize>) {}

    /// Sets the function that answers linked code which opens, searches or closes what may be a JITDylib. It runs on the
    /// thread of that code, with no lock of the executor held, and may run initializers and terminators. Without it,
    /// linked code knows the system's libraries only.
    fn serve_dylibs(&self, _ask: Arc<AskDylibs>) {}

    /// Calls initializers of an image in the given order, with the program's arguments, on the calling thread. The
    /// image's terminators, in the order in which they are to be called at close, are replaced by `terminators`.
    ///
    /// # Errors
    /// If there is no such image, or an initializer of the kind [`InitializerKind::Fallible`] fails.
    ///
    /// # Safety
    /// The arrays must hold pointers to functions of the type of their kind, which are sound to call now.
    unsafe fn run_initializers(
        &self,
        image: ImageId,
        initializers: &[PointerArray],
        terminators: &[PointerArray],
    ) -> Result<()>;

    /// Closes an image: runs thread-local destructors of the calling thread, `atexit` functions (last first, including
    /// those registered meanwhile), then terminators; drops the destructors of other threads. If the process exits
    /// while images are open, it closes them in the same way, last opened first.
    ///
    /// # Errors
    /// If there is no such image.
    ///
    /// # Safety
    /// The registered functions must be sound to call now.
    unsafe fn close_image(&self, image: ImageId) -> Result<()>;

    /// Closes a part of an image, whose memory is to be deallocated next: runs the calling thread's thread-local
    /// destructors and the image's `atexit` functions that lie in `allocations` or whose argument does, thread-local
    /// storage included (last first), then `ended`; forgets such destructors of other threads. The image's terminators
    /// are replaced by `terminators`.
    ///
    /// # Errors
    /// If there is no such image or allocation.
    ///
    /// # Safety
    /// As for [`Executor::close_image`].
    unsafe fn close_part(
        &self,
        image: ImageId,
        allocations: &[AllocationId],
        ended: &[PointerArray],
        terminators: &[PointerArray],
    ) -> Result<()>;

    /// Forgets exit functions of an image that lie in `functions`, if they were registered for objects in `arguments`,
    /// or for none, as is usual on Windows. Other code takes care of these objects from now on.
    ///
    /// # Errors
    /// If there is no such image or allocation.
    fn forget_registered(&self, image: ImageId, functions: &[AllocationId], arguments: &[AllocationId]) -> Result<()>;

    /// Reserves thread-local storage; on Windows even of size 0, for code that needs only its image's `_tls_index`.
    ///
    /// # Errors
    /// [`ExecutorError::TlsReserveFull`] if a fixed offset is needed and the reserve is exhausted, or on Windows the
    /// image's storage.
    fn reserve_tls(&self, image: ImageId, request: TlsRequest) -> Result<TlsBlock>;

    /// Gives thread-local storage back, finalized or not.
    ///
    /// # Errors
    /// If there is no such block.
    fn release_tls(&self, block: TlsId) -> Result<()>;

    /// Opens a shared library, globally if `global`. The path is one of the executor's system: bytes on Unix, UTF-8 on
    /// Windows.
    ///
    /// # Errors
    /// The error says what the system's loader says.
    fn open_library(&self, path: &[u8], global: bool) -> Result<LibraryId>;

    /// Sets the directories of libraries that others need and that the system does not find. An executor may ignore
    /// them.
    fn set_library_directories(&self, _directories: &[Vec<u8>]) {}

    /// Finds symbols of a library, in the order of `requests`.
    ///
    /// # Errors
    /// If there is no such library; a symbol that is not there is `None`.
    fn find_symbols(&self, library: LibraryId, requests: &[SymbolRequest<'_>]) -> Result<Vec<Option<SymbolAddress>>>;

    /// Says whether any loaded library may export each of the names. The answer is quick; only `false` is certain.
    fn may_export(&self, names: &[&[u8]]) -> Vec<bool> {
        vec![true; names.len()]
    }

    /// Brings variables and functions at `addresses`, which belong to the process or its libraries, within reach of
    /// code in the window `near` that refers to them by 32-bit displacements or addresses. If `near` is low, this moves
    /// a variable into low memory, and makes a stub there that stands for a function, for the whole process and for
    /// good. Libraries use the new address from now on, and [`Executor::find_symbols`] returns it. Those of `slots`
    /// that hold the old address get the new one; they are words of finalized read-only segments. The result is `None`
    /// for addresses that can't be moved or aren't known.
    ///
    /// If a thread writes such a variable at that moment, the value may be lost.
    ///
    /// # Errors
    /// If there is no low memory left, or the system does not let a slot be changed.
    fn bring_near(&self, near: ExecRange, addresses: &[ExecAddr], slots: &[ExecAddr]) -> Result<Vec<Option<Nearby>>>;

    /// The names by which a program replaces the allocator of the process: `malloc` and its kin, and C++'s operators.
    /// There are none on systems where a program's own allocator serves only the program.
    fn allocator_names(&self) -> Vec<String>;

    /// Says whether the allocator of another executor's program serves the process. Then definitions of linked code
    /// yield to that allocator, as those of a library do that is opened later.
    fn has_allocator_of_another(&self) -> bool;

    /// Prepares for a program that has its own allocator. Returns addresses that linked code must get for certain
    /// names, instead of those in the process: for the names of allocators, which lead to the program's functions once
    /// these are there, and for functions of the system that must know both allocators. [`Executor::find_symbols`]
    /// finds these from now on.
    ///
    /// # Errors
    /// [`ExecutorError::Allocator`] if the process's allocator can't be replaced any more.
    fn prepare_allocator(&self) -> Result<Vec<(String, ExecAddr)>>;

    /// Makes the libraries of the process use a program's functions instead of their old allocator, for the life of the
    /// process. The program's memory must never be given back; dropping the executor does not give it back either.
    /// Memory of the old allocator goes back to the old allocator, which the host continues to use.
    ///
    /// # Errors
    /// As for [`Executor::prepare_allocator`], which was called before.
    fn replace_allocator(&self, definitions: &[(&str, ExecAddr)]) -> Result<()>;

    /// Makes `resolve` the function that is asked when trampolines are called that push the returned id. It runs on the
    /// calling thread, on any number of threads at once, with no lock of the executor held. The call continues at the
    /// address that it returns, with all arguments; a null address ends the process.
    ///
    /// # Errors
    /// If there have been too many.
    fn open_reentry(&self, resolve: Arc<Resolve>) -> Result<ReentryId>;

    /// Forgets the function that is asked. If its trampolines are called nevertheless, they end the process.
    ///
    /// # Errors
    /// If it is not open.
    fn close_reentry(&self, reentry: ReentryId) -> Result<()>;

    /// Redirects jumps through slots, one after the other, each atomically: a thread that jumps at that moment reaches
    /// the old target or the new one. Returns the old targets.
    ///
    /// # Errors
    /// If a slot is not an aligned word of a finalized writable segment, or a target is null; then those before it
    /// are redirected.
    fn redirect(&self, jumps: &[Jump]) -> Result<Vec<ExecAddr>>;

    /// Address of a function of the executor's runtime; `None` where the platform has none.
    fn runtime_function(&self, function: RuntimeFunction) -> Option<ExecAddr>;

    /// Addresses of functions that the executor's runtime provides to linked code under these names: in place of the
    /// system's (`__cxa_atexit`, `_CxxThrowException`), or because they are in no library, but linked into each program
    /// (`__GSHandlerCheck`). `None` for names that the runtime does not have. Names are as the object format spells
    /// them.
    ///
    /// # Errors
    /// If the executor is gone.
    fn runtime_symbols(&self, names: &[&[u8]]) -> Result<Vec<Option<ExecAddr>>>;

    /// Thread-local variables of the runtime, and where they are in the storage of each image's module (not in that of
    /// a block). Windows: `_Init_thread_epoch`, `__tls_guard`.
    fn runtime_thread_locals(&self) -> Vec<(String, u64)>;

    /// Sets the arguments for initializers and `main`, beginning with the program's name; before that, they get this
    /// process's own arguments. Texts are as for [`Executor::open_library`]. On Linux the environment moves behind the
    /// arguments, as where a program starts, and the C library uses the program's name; no other thread may change the
    /// environment meanwhile.
    ///
    /// # Errors
    /// If an argument contains a NUL byte, or the executor is gone.
    fn set_arguments(&self, args: &[Vec<u8>]) -> Result<()>;

    /// Calls a program's `main` and returns its result. Exceptions of C++ that leave `main` end the program, as if
    /// nothing had called it; panics of Rust pass.
    ///
    /// # Errors
    /// If there is no code at the address, the platform has no such form of `main`, or the executor is gone.
    ///
    /// # Safety
    /// `main` must be the address of a function of that form that is sound to call.
    unsafe fn call_main(&self, main: ExecAddr, form: MainForm) -> Result<i32>;

    /// Calls a C function with up to six words as its arguments, and returns its result as a word.
    ///
    /// # Errors
    /// If there are more arguments, or the executor is gone.
    ///
    /// # Safety
    /// `function` must be the address of a function that is sound to call with these: each of its parameters is an
    /// integer or pointer, and so is its result, if it has one.
    unsafe fn call(&self, function: ExecAddr, arguments: &[u64]) -> Result<u64>;

    /// Reads finalized memory of linked code. If threads write to it meanwhile, the result may be partly old, partly
    /// new.
    ///
    /// # Errors
    /// If it is not within one finalized allocation.
    fn read(&self, range: ExecRange) -> Result<Vec<u8>>;
}

/// Locks a mutex of ours. No code that may panic halfway through a change runs under one, so poison means nothing.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
