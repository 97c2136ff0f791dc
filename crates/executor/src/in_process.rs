//! [`InProcess`]: the executor of the process we are in.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::fork::{self, Participant};
use crate::memory::{Division, Memory};
use crate::symbols::Libraries;
use crate::{
    Allocation, AllocationId, Arch, ExecAddr, ExecRange, Executor, ExecutorError, FindExport, ImageId, Jump, LibraryId,
    MainForm, MemoryProvider, Nearby, ObjectFormat, Placement, PointerArray, ReentryId, Resolve, Result,
    RuntimeFunction, SegmentRequest, SymbolAddress, SymbolRequest, SystemMemory, Target, TlsBlock, TlsId, TlsRequest,
    Window, WindowId, allocator, call, init, loaded, nearby, os, reentry, runtime, tls,
};

/// The executor of the process we are in.
///
/// Dropping it forgets the images that are still open, without running anything, and gives back thread-local storage
/// and windows; so close images before. Libraries stay loaded.
#[derive(Debug)]
pub struct InProcess {
    /// Tells the images and thread-local blocks of this executor from those of others in the process.
    owner: u32,
    arch: Arch,
    memory: Arc<Memory>,
    libraries: Arc<Libraries>,
    allocator: allocator::Use,
}

impl InProcess {
    /// Makes an executor. It takes nothing from the system yet.
    ///
    /// # Errors
    /// If linkjit has nothing for the processor.
    pub fn new() -> Result<Self> {
        Self::with_memory(Arc::new(SystemMemory))
    }

    /// Makes an executor whose windows are in memory of another provider.
    ///
    /// # Errors
    /// As for [`InProcess::new`].
    pub fn with_memory(memory: Arc<dyn MemoryProvider>) -> Result<Self> {
        let arch = Arch::HOST.ok_or(ExecutorError::Unsupported { what: "this processor".into() })?;
        static LAST_OWNER: AtomicU32 = AtomicU32::new(0);
        let owner = LAST_OWNER.fetch_add(1, Ordering::Relaxed);
        let (memory, libraries) = (Arc::new(Memory::new(memory)), Arc::<Libraries>::default());
        fork::take_part(Arc::downgrade(&(memory.clone() as Arc<dyn Participant>)));
        fork::take_part(Arc::downgrade(&(libraries.clone() as Arc<dyn Participant>)));
        Ok(Self { owner, arch, memory, libraries, allocator: allocator::Use::default() })
    }
}

impl Drop for InProcess {
    fn drop(&mut self) {
        #[cfg(glibc_x86_64)]
        crate::opening::forget_all_of(self.owner);
        crate::dylibs::forget_all_of(self.owner);
        init::forget_all_of(self.owner);
        if allocator::serves_owner(self.owner) {
            // The libraries go on using its code, and hold memory of it.
            std::mem::forget(Arc::clone(&self.memory));
            return;
        }
        tls::release_all_of(self.owner);
        self.memory.release_all();
    }
}

impl Executor for InProcess {
    fn target(&self) -> Target {
        Target { arch: self.arch, format: ObjectFormat::HOST, page_size: os::page_size() }
    }

    fn is_here(&self) -> bool {
        true
    }

    fn reserve_window(&self, size: u64, placement: Placement) -> Result<Window> {
        let window = self.memory.reserve_window(Division::Usual(size), placement)?;
        allocator::add_window(self.owner, window.range);
        Ok(window)
    }

    fn reserve_divided_window(&self, stripes: [u64; 3], placement: Placement) -> Result<Window> {
        let window = self.memory.reserve_window(Division::Stripes(stripes), placement)?;
        allocator::add_window(self.owner, window.range);
        Ok(window)
    }

    fn release_window(&self, window: WindowId) -> Result<()> {
        if let Some(range) = self.memory.window_range(window) {
            allocator::remove_window(self.owner, range);
        }
        self.memory.release_window(window)
    }

    fn allocate(&self, window: WindowId, segments: &[SegmentRequest]) -> Result<Box<dyn Allocation>> {
        self.allocator.placing();
        Ok(Box::new(self.memory.allocate(window, segments)?))
    }

    fn deallocate(&self, allocation: AllocationId) -> Result<()> {
        self.memory.deallocate(allocation)
    }

    unsafe fn restore_contents(&self, allocations: &[AllocationId]) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe { self.memory.restore(allocations) }
    }

    fn make_image_header(&self, window: WindowId, kept: bool) -> Result<()> {
        self.memory.make_image_header(window, kept)
    }

    fn make_stacks_executable(&self) -> Result<()> {
        #[cfg(glibc_x86_64)]
        return crate::stacks::make_executable();
        #[cfg(not(glibc_x86_64))]
        Err(crate::ExecutorError::NoExecutableStack { why: "this is not supported on this system".into() })
    }

    fn open_image(&self, _name: &str) -> Result<ImageId> {
        Ok(init::open(self.owner))
    }

    fn set_dso_handle(&self, image: ImageId, handle: ExecAddr) -> Result<()> {
        init::set_handle(image, handle)
    }

    fn set_exports(&self, image: ImageId, find: Arc<FindExport>) -> Result<()> {
        init::set_exports(image, find)
    }

    #[cfg(glibc_x86_64)]
    fn provide_needed(&self, provide: Arc<crate::ProvideNeeded>) {
        crate::opening::set_provider(self.owner, provide);
    }

    fn serve_dylibs(&self, ask: Arc<crate::AskDylibs>) {
        crate::dylibs::serve(self.owner, ask);
    }

    unsafe fn run_initializers(
        &self,
        image: ImageId,
        initializers: &[PointerArray],
        terminators: &[PointerArray],
    ) -> Result<()> {
        // SAFETY: the caller vouches for the arrays.
        unsafe { init::run_initializers(image, initializers, terminators) }
    }

    unsafe fn close_image(&self, image: ImageId) -> Result<()> {
        // SAFETY: the caller vouches for what is registered.
        unsafe { init::close(image) }
    }

    unsafe fn close_part(
        &self,
        image: ImageId,
        allocations: &[AllocationId],
        ended: &[PointerArray],
        terminators: &[PointerArray],
    ) -> Result<()> {
        let ranges = self.memory.ranges(allocations)?;
        let blocks = self.memory.thread_local_blocks(allocations);
        // SAFETY: the caller vouches for what is registered.
        unsafe { init::close_part(image, &ranges, &blocks, ended, terminators) }
    }

    fn forget_registered(&self, image: ImageId, functions: &[AllocationId], arguments: &[AllocationId]) -> Result<()> {
        init::forget_registered(image, &self.memory.ranges(functions)?, &self.memory.ranges(arguments)?)
    }

    fn reserve_tls(&self, image: ImageId, request: TlsRequest) -> Result<TlsBlock> {
        init::check_open(image)?;
        if !request.align.is_power_of_two() {
            let what = format!("alignment {} of a thread-local block: it is not a power of two", request.align);
            return Err(ExecutorError::Invalid { what });
        }
        tls::reserve(self.owner, image, request)
    }

    fn release_tls(&self, block: TlsId) -> Result<()> {
        tls::release(block)
    }

    fn open_library(&self, path: &[u8], global: bool) -> Result<LibraryId> {
        self.libraries.open(os::text(path)?.as_ref(), global)
    }

    fn set_library_directories(&self, directories: &[Vec<u8>]) {
        let known = directories.iter().filter_map(|directory| os::text(directory).ok());
        self.libraries.set_directories(known.map(PathBuf::from).collect());
    }

    fn may_export(&self, names: &[&[u8]]) -> Vec<bool> {
        loaded::may_export(names)
    }

    fn find_symbols(&self, library: LibraryId, requests: &[SymbolRequest<'_>]) -> Result<Vec<Option<SymbolAddress>>> {
        self.libraries.find(library, requests, &self.allocator)
    }

    fn bring_near(&self, near: ExecRange, addresses: &[ExecAddr], slots: &[ExecAddr]) -> Result<Vec<Option<Nearby>>> {
        let nearby = nearby::bring_near(near, addresses)?;
        self.memory.update_words(slots, nearby::current)?;
        Ok(nearby)
    }

    fn allocator_names(&self) -> Vec<String> {
        allocator::names().iter().map(|&name| name.into()).collect()
    }

    fn has_allocator_of_another(&self) -> bool {
        allocator::serves_another(self.owner)
    }

    fn prepare_allocator(&self) -> Result<Vec<(String, ExecAddr)>> {
        let prepared = allocator::prepare(self.owner, &self.allocator)?;
        Ok(prepared.into_iter().map(|(name, address)| (name.into(), address)).collect())
    }

    fn replace_allocator(&self, definitions: &[(&str, ExecAddr)]) -> Result<()> {
        allocator::replace(self.owner, definitions, &self.memory.window_ranges())
    }

    fn open_reentry(&self, resolve: Arc<Resolve>) -> Result<ReentryId> {
        reentry::open(resolve)
    }

    fn close_reentry(&self, reentry: ReentryId) -> Result<()> {
        reentry::close(reentry)
    }

    fn redirect(&self, jumps: &[Jump]) -> Result<Vec<ExecAddr>> {
        self.memory.redirect(jumps)
    }

    fn runtime_function(&self, function: RuntimeFunction) -> Option<ExecAddr> {
        match function {
            RuntimeFunction::Reenter => reentry::routine(),
            _ => tls::runtime_function(function),
        }
    }

    fn runtime_symbols(&self, names: &[&[u8]]) -> Result<Vec<Option<ExecAddr>>> {
        Ok(names.iter().map(|name| runtime::symbol(name)).collect())
    }

    fn runtime_thread_locals(&self) -> Vec<(String, u64)> {
        tls::RUNTIME_VARIABLES.iter().map(|&(name, offset)| (name.into(), offset)).collect()
    }

    fn set_arguments(&self, args: &[Vec<u8>]) -> Result<()> {
        let args: Vec<_> = args.iter().map(|arg| os::text(arg)).collect::<Result<_>>()?;
        call::set_arguments(&args).map(drop)
    }

    unsafe fn call_main(&self, main: ExecAddr, form: MainForm) -> Result<i32> {
        // SAFETY: the caller vouches for `main`.
        unsafe { call::call_main(main, form) }
    }

    unsafe fn call(&self, function: ExecAddr, arguments: &[u64]) -> Result<u64> {
        // SAFETY: the caller vouches for the function.
        unsafe { call::call(function, arguments) }
    }

    fn read(&self, range: ExecRange) -> Result<Vec<u8>> {
        self.memory.read(range)
    }
}
