//! An executor that runs nothing: memory is plain buffers at addresses that exist nowhere else.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use linkjit::executor::{
    Allocation, AllocationId, Arch, ExecAddr, ExecRange, Executor, ExecutorError, FinalizeActions, ImageId, Jump,
    LibraryId, MainForm, Nearby, ObjectFormat, Placement, PointerArray, Protection, ReentryId, Resolve, Result,
    RuntimeFunction, SegmentRequest, SymbolAddress, SymbolKey, SymbolRequest, Target, TlsAddress, TlsBlock, TlsId,
    TlsRequest, Window, WindowId,
};

/// Memory of all allocations together: more is refused.
const MOST: u64 = 64 << 20;

/// The executor.
#[derive(Debug)]
pub struct Fake {
    format: ObjectFormat,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    next_window: u64,
    next_low: u64,
    next_id: u64,
    windows: HashMap<u32, (Window, [u64; 3])>,
    allocations: HashMap<u64, Vec<Segment>>,
    tls: HashMap<u32, u64>,
    images: HashMap<u32, ()>,
    used: u64,
}

#[derive(Clone, Debug)]
struct Segment {
    protection: Protection,
    start: u64,
    bytes: Vec<u8>,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    fn id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id
    }
}

impl Fake {
    /// One whose system has that format.
    #[must_use]
    pub fn new(format: ObjectFormat) -> Self {
        Self { format, state: Arc::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// What was not given back: allocations and thread-local storage.
    #[must_use]
    pub fn left(&self) -> (usize, usize) {
        let state = self.state();
        (state.allocations.len(), state.tls.len())
    }
}

#[derive(Debug)]
struct Pending {
    state: Arc<Mutex<State>>,
    segments: Vec<Segment>,
}

impl Allocation for Pending {
    fn address(&self, index: usize) -> ExecAddr {
        ExecAddr(self.segments[index].start)
    }

    fn bytes(&mut self, index: usize) -> &mut [u8] {
        &mut self.segments[index].bytes
    }

    fn make_executable(&mut self) -> Result<()> {
        Ok(())
    }

    fn finalize(mut self: Box<Self>, actions: &FinalizeActions) -> Result<AllocationId> {
        let mut state = lock(&self.state);
        for slot in &actions.indirect_slots {
            let segment = self.segments.iter().find(|segment| segment.range().contains(slot.slot));
            assert!(segment.is_some_and(|segment| segment.protection != Protection::ReadExec), "a slot in no segment");
        }
        for table in actions.unwind_tables.iter().chain(&actions.function_tables).chain(&actions.resources) {
            let is_within = |segment: &Segment| segment.start <= table.start.0 && table.end.0 <= segment.range().end.0;
            assert!(self.segments.iter().any(is_within), "a table in no segment");
        }
        let id = state.id();
        state.used += self.segments.iter().map(|segment| segment.bytes.len() as u64).sum::<u64>();
        state.allocations.insert(id, std::mem::take(&mut self.segments));
        Ok(AllocationId(id))
    }
}

impl Segment {
    fn range(&self) -> ExecRange {
        ExecRange::new(ExecAddr(self.start), self.bytes.len() as u64)
    }
}

const NOTHING: ExecutorError = ExecutorError::NoSuch { what: Cow::Borrowed("thing") };

/// A number for a name.
fn hash(name: &[u8]) -> u64 {
    name.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

impl Executor for Fake {
    fn target(&self) -> Target {
        Target { arch: Arch::ALL[0], format: self.format, page_size: 4096 }
    }

    fn reserve_window(&self, size: u64, placement: Placement) -> Result<Window> {
        let third = size / 3 & !4095;
        self.reserve_divided_window([third, third, third], placement)
    }

    fn reserve_divided_window(&self, stripes: [u64; 3], placement: Placement) -> Result<Window> {
        let mut state = self.state();
        let id = u32::try_from(state.id()).unwrap_or(0);
        let sum = stripes
            .iter()
            .try_fold(4096 * 4, |sum: u64, stripe| sum.checked_add(stripe.checked_next_multiple_of(4096)?));
        let size = sum.filter(|size| *size < 1 << 40).ok_or(NOTHING)?;
        let start = match placement {
            Placement::Anywhere => 0x7000_0000_0000 + state.next_window,
            Placement::Low if state.next_low + size > 0x6000_0000 => return Err(NOTHING),
            Placement::Low => 0x1000_0000 + state.next_low,
            // Nothing is near anything here.
            Placement::Near(_) => {
                return Err(ExecutorError::NoAddressSpace { size, place: "near".into(), limit: String::new() });
            }
        };
        match placement {
            Placement::Low => state.next_low += size,
            _ => state.next_window += size + (8 << 30),
        }
        let mut at = ExecAddr(start);
        let stripes = stripes.map(|size| {
            let stripe = ExecRange::new(at, size.next_multiple_of(4096));
            at = stripe.end;
            stripe
        });
        let range = ExecRange::new(ExecAddr(start), size);
        let window = Window { id: WindowId(id), range, stripes };
        state.windows.insert(id, (window, [if self.format == ObjectFormat::Coff { 4096 } else { 0 }, 0, 0]));
        Ok(window)
    }

    fn allocator_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn has_allocator_of_another(&self) -> bool {
        false
    }

    fn prepare_allocator(&self) -> Result<Vec<(String, ExecAddr)>> {
        Ok(Vec::new())
    }

    fn replace_allocator(&self, _definitions: &[(&str, ExecAddr)]) -> Result<()> {
        Ok(())
    }

    fn release_window(&self, window: WindowId) -> Result<()> {
        self.state().windows.remove(&window.0).map(drop).ok_or(NOTHING)
    }

    fn allocate(&self, window: WindowId, segments: &[SegmentRequest]) -> Result<Box<dyn Allocation>> {
        let mut state = self.state();
        let used = state.used;
        let (of, next) = state.windows.get_mut(&window.0).ok_or(NOTHING)?;
        let window_range = of.range;
        let mut made = Vec::new();
        let mut total = used;
        let mut ends = *next;
        for request in segments {
            assert!(request.align.is_power_of_two());
            let index = request.protection as usize;
            let stripe = of.stripes[index];
            let full = || ExecutorError::WindowFull {
                window: window_range.start,
                protection: "segments".into(),
                size: request.size,
            };
            let start = stripe.start.0 + ends[index];
            let start = start.checked_next_multiple_of(request.align).ok_or_else(full)?;
            let end = start.checked_add(request.size).filter(|&end| end <= stripe.end.0).ok_or_else(full)?;
            total = total.saturating_add(request.size);
            if total > MOST {
                return Err(full());
            }
            ends[index] = end - stripe.start.0;
            let size = usize::try_from(request.size).map_err(|_| full())?;
            made.push(Segment { protection: request.protection, start, bytes: vec![0; size] });
        }
        *next = ends;
        Ok(Box::new(Pending { state: self.state.clone(), segments: made }))
    }

    fn deallocate(&self, allocation: AllocationId) -> Result<()> {
        let mut state = self.state();
        let segments = state.allocations.remove(&allocation.0).ok_or(NOTHING)?;
        state.used -= segments.iter().map(|segment| segment.bytes.len() as u64).sum::<u64>();
        Ok(())
    }

    fn make_image_header(&self, window: WindowId, _kept: bool) -> Result<()> {
        if self.state().windows.contains_key(&window.0) { Ok(()) } else { Err(NOTHING) }
    }

    fn make_stacks_executable(&self) -> Result<()> {
        Ok(())
    }

    fn open_image(&self, _name: &str) -> Result<ImageId> {
        let mut state = self.state();
        let id = u32::try_from(state.id()).unwrap_or(0);
        state.images.insert(id, ());
        Ok(ImageId(id))
    }

    fn set_dso_handle(&self, image: ImageId, _handle: ExecAddr) -> Result<()> {
        if self.state().images.contains_key(&image.0) { Ok(()) } else { Err(NOTHING) }
    }

    unsafe fn restore_contents(&self, _allocations: &[AllocationId]) -> Result<()> {
        Ok(())
    }

    unsafe fn run_initializers(&self, image: ImageId, _first: &[PointerArray], _last: &[PointerArray]) -> Result<()> {
        if self.state().images.contains_key(&image.0) { Ok(()) } else { Err(NOTHING) }
    }

    unsafe fn close_image(&self, image: ImageId) -> Result<()> {
        self.state().images.remove(&image.0).ok_or(NOTHING)
    }

    unsafe fn close_part(
        &self,
        image: ImageId,
        allocations: &[AllocationId],
        _ended: &[PointerArray],
        _terminators: &[PointerArray],
    ) -> Result<()> {
        let state = self.state();
        let known = allocations.iter().all(|allocation| state.allocations.contains_key(&allocation.0));
        if known && state.images.contains_key(&image.0) { Ok(()) } else { Err(NOTHING) }
    }

    fn forget_registered(
        &self,
        image: ImageId,
        _functions: &[AllocationId],
        _arguments: &[AllocationId],
    ) -> Result<()> {
        if self.state().images.contains_key(&image.0) { Ok(()) } else { Err(NOTHING) }
    }

    fn reserve_tls(&self, _image: ImageId, request: TlsRequest) -> Result<TlsBlock> {
        let mut state = self.state();
        let id = u32::try_from(state.id()).unwrap_or(0);
        // One without a size is the number of the image's storage, which goes with the image.
        if request.size > 0 {
            state.tls.insert(id, request.size);
        }
        let thread_offset = request.fixed_offset.then_some(-0x1000);
        Ok(TlsBlock { id: TlsId(id), start: TlsAddress { module: u64::from(id), offset: 0, thread_offset } })
    }

    fn release_tls(&self, block: TlsId) -> Result<()> {
        self.state().tls.remove(&block.0).map(drop).ok_or(NOTHING)
    }

    fn open_library(&self, _path: &[u8], _global: bool) -> Result<LibraryId> {
        Ok(LibraryId(1))
    }

    /// Half of all names are somewhere.
    fn find_symbols(&self, _library: LibraryId, requests: &[SymbolRequest<'_>]) -> Result<Vec<Option<SymbolAddress>>> {
        let found = requests.iter().map(|request| {
            let hash = match request.key {
                SymbolKey::Name(name) | SymbolKey::Vague(name) => hash(name),
                SymbolKey::Ordinal(number) => u64::from(number),
            };
            let near = if hash & 2 == 0 { 0x7000_0000_0000_u64.wrapping_sub(0x1000_0000) } else { 0x5000_0000_0000 };
            let address = near + (hash & 0xff_fff0);
            (hash & 1 == 0).then_some(if request.thread_local {
                let thread_offset = (hash & 4 == 0).then_some(-64);
                SymbolAddress::ThreadLocal(TlsAddress { module: 7, offset: hash & 0xff8, thread_offset })
            } else {
                SymbolAddress::Address(ExecAddr(address))
            })
        });
        Ok(found.collect())
    }

    fn bring_near(&self, near: ExecRange, addresses: &[ExecAddr], _slots: &[ExecAddr]) -> Result<Vec<Option<Nearby>>> {
        let moved = addresses.iter().map(|address| match address.0 & 0x30 {
            0 => None,
            0x10 => Some(Nearby::Function),
            _ => Some(Nearby::Moved(ExecAddr(near.end.0.saturating_add(address.0 & 0xfff0)))),
        });
        Ok(moved.collect())
    }

    fn open_reentry(&self, _resolve: Arc<Resolve>) -> Result<ReentryId> {
        Ok(ReentryId(1))
    }

    fn close_reentry(&self, _reentry: ReentryId) -> Result<()> {
        Ok(())
    }

    fn redirect(&self, jumps: &[Jump]) -> Result<Vec<ExecAddr>> {
        let mut state = self.state();
        let redirected = jumps.iter().map(|jump| {
            let segments = state.allocations.values_mut().flatten();
            let mut segments = segments.filter(|segment| segment.protection == Protection::ReadWrite);
            let before = segments.find_map(|segment| {
                let start = usize::try_from(jump.slot.0.checked_sub(segment.start)?).ok()?;
                let word = segment.bytes.get_mut(start..)?.first_chunk_mut::<8>()?;
                Some(u64::from_le_bytes(std::mem::replace(word, jump.to.0.to_le_bytes())))
            });
            before.filter(|_| !jump.to.is_null()).map(ExecAddr).ok_or(NOTHING)
        });
        redirected.collect()
    }

    fn runtime_function(&self, function: RuntimeFunction) -> Option<ExecAddr> {
        Some(ExecAddr(match function {
            RuntimeFunction::TlsDescriptorFixed => 0x5000_0000_1000,
            RuntimeFunction::TlsDescriptorDynamic => 0x5000_0000_2000,
            _ => 0x5000_0000_3000,
        }))
    }

    fn runtime_symbols(&self, names: &[&[u8]]) -> Result<Vec<Option<ExecAddr>>> {
        let address = |name: &&[u8]| {
            let is_known = matches!(*name, b"__cxa_atexit" | b"__tls_get_addr" | b"_CxxThrowException");
            is_known.then_some(ExecAddr(0x5000_0000_4000))
        };
        Ok(names.iter().map(address).collect())
    }

    fn runtime_thread_locals(&self) -> Vec<(String, u64)> {
        let is_coff = self.format == ObjectFormat::Coff;
        if is_coff { vec![("_Init_thread_epoch".into(), 0), ("__tls_guard".into(), 8)] } else { Vec::new() }
    }

    fn set_arguments(&self, _args: &[Vec<u8>]) -> Result<()> {
        Ok(())
    }

    unsafe fn call_main(&self, _main: ExecAddr, _form: MainForm) -> Result<i32> {
        Ok(0)
    }

    unsafe fn call(&self, _function: ExecAddr, _arguments: &[u64]) -> Result<u64> {
        Ok(0)
    }

    fn read(&self, range: ExecRange) -> Result<Vec<u8>> {
        let state = self.state();
        let bytes = state.allocations.values().flatten().find_map(|segment| {
            let start = usize::try_from(range.start.0.checked_sub(segment.start)?).ok()?;
            segment.bytes.get(start..start.checked_add(usize::try_from(range.size()).ok()?)?)
        });
        bytes.map(<[u8]>::to_vec).ok_or(NOTHING)
    }
}
