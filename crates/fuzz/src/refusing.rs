//! An executor that refuses nearly all: what comes over a connection gets as far as to it.

use std::sync::Arc;

use linkjit::executor::{
    Allocation, AllocationId, Arch, ExecAddr, ExecRange, Executor, ExecutorError, FinalizeActions, ImageId, Jump,
    LibraryId, MainForm, Nearby, ObjectFormat, Placement, PointerArray, ReentryId, Resolve, Result, RuntimeFunction,
    SegmentRequest, SymbolAddress, SymbolRequest, Target, TlsBlock, TlsId, TlsRequest, Window, WindowId,
};

/// The executor.
#[derive(Clone, Copy, Debug)]
pub struct Refusing;

/// An allocation of few bytes.
#[derive(Debug)]
struct Few([u8; 64]);

impl Allocation for Few {
    fn address(&self, _index: usize) -> ExecAddr {
        ExecAddr(0x1000)
    }

    fn bytes(&mut self, index: usize) -> &mut [u8] {
        if index < 3 { &mut self.0 } else { &mut [] }
    }

    fn make_executable(&mut self) -> Result<()> {
        Ok(())
    }

    fn finalize(self: Box<Self>, _actions: &FinalizeActions) -> Result<AllocationId> {
        Ok(AllocationId(1))
    }
}

fn refused<T>() -> Result<T> {
    Err(ExecutorError::NoSuch { what: "thing".into() })
}

impl Executor for Refusing {
    fn target(&self) -> Target {
        Target { arch: Arch::ALL[0], format: ObjectFormat::Elf, page_size: 4096 }
    }

    fn reserve_window(&self, _size: u64, _placement: Placement) -> Result<Window> {
        refused()
    }

    fn reserve_divided_window(&self, _stripes: [u64; 3], _placement: Placement) -> Result<Window> {
        refused()
    }

    fn release_window(&self, _window: WindowId) -> Result<()> {
        refused()
    }

    fn allocate(&self, _window: WindowId, _segments: &[SegmentRequest]) -> Result<Box<dyn Allocation>> {
        Ok(Box::new(Few([0; 64])))
    }

    fn deallocate(&self, _allocation: AllocationId) -> Result<()> {
        refused()
    }

    unsafe fn restore_contents(&self, _allocations: &[AllocationId]) -> Result<()> {
        refused()
    }

    fn make_image_header(&self, _window: WindowId, _kept: bool) -> Result<()> {
        refused()
    }

    fn make_stacks_executable(&self) -> Result<()> {
        refused()
    }

    fn open_image(&self, _name: &str) -> Result<ImageId> {
        Ok(ImageId(1))
    }

    fn set_dso_handle(&self, _image: ImageId, _handle: ExecAddr) -> Result<()> {
        refused()
    }

    unsafe fn run_initializers(&self, _: ImageId, _: &[PointerArray], _: &[PointerArray]) -> Result<()> {
        refused()
    }

    unsafe fn close_image(&self, _image: ImageId) -> Result<()> {
        refused()
    }

    unsafe fn close_part(
        &self,
        _image: ImageId,
        _allocations: &[AllocationId],
        _ended: &[PointerArray],
        _terminators: &[PointerArray],
    ) -> Result<()> {
        refused()
    }

    fn forget_registered(&self, _: ImageId, _: &[AllocationId], _: &[AllocationId]) -> Result<()> {
        refused()
    }

    fn reserve_tls(&self, _image: ImageId, _request: TlsRequest) -> Result<TlsBlock> {
        refused()
    }

    fn release_tls(&self, _block: TlsId) -> Result<()> {
        refused()
    }

    fn open_library(&self, _path: &[u8], _global: bool) -> Result<LibraryId> {
        refused()
    }

    fn find_symbols(&self, _library: LibraryId, requests: &[SymbolRequest<'_>]) -> Result<Vec<Option<SymbolAddress>>> {
        Ok(vec![None; requests.len()])
    }

    fn bring_near(&self, _near: ExecRange, addresses: &[ExecAddr], _slots: &[ExecAddr]) -> Result<Vec<Option<Nearby>>> {
        Ok(vec![None; addresses.len()])
    }

    fn allocator_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn has_allocator_of_another(&self) -> bool {
        false
    }

    fn prepare_allocator(&self) -> Result<Vec<(String, ExecAddr)>> {
        refused()
    }

    fn replace_allocator(&self, _definitions: &[(&str, ExecAddr)]) -> Result<()> {
        refused()
    }

    /// Asks at once, as code that is called would.
    fn open_reentry(&self, resolve: Arc<Resolve>) -> Result<ReentryId> {
        resolve(0);
        Ok(ReentryId(1))
    }

    fn close_reentry(&self, _reentry: ReentryId) -> Result<()> {
        refused()
    }

    fn redirect(&self, jumps: &[Jump]) -> Result<Vec<ExecAddr>> {
        Ok(vec![ExecAddr::NULL; jumps.len()])
    }

    fn runtime_function(&self, _function: RuntimeFunction) -> Option<ExecAddr> {
        None
    }

    fn runtime_symbols(&self, names: &[&[u8]]) -> Result<Vec<Option<ExecAddr>>> {
        Ok(vec![None; names.len()])
    }

    fn runtime_thread_locals(&self) -> Vec<(String, u64)> {
        Vec::new()
    }

    fn set_exports(&self, _image: ImageId, find: Arc<linkjit::executor::FindExport>) -> Result<()> {
        find(linkjit::executor::SymbolKey::Ordinal(1));
        Ok(())
    }

    fn set_arguments(&self, _args: &[Vec<u8>]) -> Result<()> {
        refused()
    }

    unsafe fn call_main(&self, _main: ExecAddr, _form: MainForm) -> Result<i32> {
        refused()
    }

    unsafe fn call(&self, _function: ExecAddr, _arguments: &[u64]) -> Result<u64> {
        refused()
    }

    fn read(&self, range: ExecRange) -> Result<Vec<u8>> {
        if range.size() < 4096 { Ok(vec![0; range.size() as usize]) } else { refused() }
    }
}
