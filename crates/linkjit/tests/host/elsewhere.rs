//! An executor whose code runs on another thread than the one that asks, as that of another process does.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use linkjit::executor::*;
use linkjit_remote::{Remote, Token, Transport};

/// As much as the first thread of a program has.
const STACK: usize = 8 << 20;

#[derive(Debug)]
pub(crate) struct Elsewhere {
    here: Arc<dyn Executor>,
    /// The number of the connection that it is at the other end of. Then it has threads of its own.
    connection: Option<usize>,
    refuses: AtomicBool,
    arch: Option<Arch>,
}

#[derive(Debug)]
struct AllocationElsewhere(Box<dyn Allocation>);

/// Calls `f` on a new thread, which acts for the agent of this one.
fn elsewhere<T: Send>(f: impl FnOnce() -> T + Send) -> T {
    let agent = Agent::current();
    let acting = || {
        let _adopted = agent.adopt();
        f()
    };
    let done = thread::scope(|scope| {
        let thread = thread::Builder::new().stack_size(STACK).spawn_scoped(scope, acting);
        thread.expect("there may be another thread").join()
    });
    done.unwrap_or_else(|panic| resume_unwind(panic))
}

thread_local! {
    /// The connections at whose other ends a thread acts for this one.
    static REPRESENTED: RefCell<BTreeSet<usize>> = const { RefCell::new(BTreeSet::new()) };
}

static NEWEST: AtomicUsize = AtomicUsize::new(0);

/// Has this thread act for another, for good.
extern "C" fn represent(agent: &Agent) {
    std::mem::forget(agent.adopt());
}

/// Both ends of a connection.
#[cfg(unix)]
fn ends() -> (Transport, Transport) {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
    (Transport::unix(ours).unwrap(), Transport::unix(theirs).unwrap())
}

#[cfg(not(unix))]
fn ends() -> (Transport, Transport) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (Transport::tcp(ours).unwrap(), Transport::tcp(listener.accept().unwrap().0).unwrap())
}

impl Elsewhere {
    pub(crate) fn new(here: InProcess) -> Self {
        Self { here: Arc::new(here), connection: None, refuses: AtomicBool::new(false), arch: None }
    }

    /// This process, over a connection.
    #[allow(dead_code, reason = "few tests use it")]
    pub(crate) fn wired() -> Self {
        let (ours, theirs) = ends();
        let serving = move || {
            let here = InProcess::new().expect("tests run where linkjit does");
            linkjit_remote::serve(theirs, &Token::none(), Arc::new(here)).expect("the session greets");
        };
        thread::Builder::new().stack_size(STACK).spawn(serving).expect("there may be another thread");
        let remote = Remote::connect(ours, &Token::none()).expect("the executor greets");
        Self {
            here: Arc::new(remote),
            connection: Some(NEWEST.fetch_add(1, Ordering::Relaxed)),
            refuses: AtomicBool::new(false),
            arch: None,
        }
    }

    /// Calls `f`, which has linked code run on another thread for this one.
    fn elsewhere<T: Send>(&self, f: impl FnOnce() -> T + Send) -> T {
        let Some(connection) = self.connection else { return elsewhere(f) };
        if REPRESENTED.with_borrow_mut(|known| known.insert(connection)) {
            // The thread at the other end, which has this one's calls, is in the same process. So linked code may ask the
            // session for something through functions of the tests, which no other process could.
            let (function, agent) = (ExecAddr::from_ptr(represent as *const ()), Agent::current());
            // SAFETY: it takes a reference.
            unsafe { self.here.call(function, &[ExecAddr::from_ptr(&raw const agent).0]).expect("it can be called") };
        }
        f()
    }

    /// One that says that its processor is another.
    #[allow(dead_code, reason = "few tests use it")]
    pub(crate) fn of_arch(here: InProcess, arch: Arch) -> Self {
        Self { arch: Some(arch), ..Self::new(here) }
    }

    /// Has it refuse what a batch asks for last, or not any more.
    #[allow(dead_code, reason = "few tests use it")]
    pub(crate) fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::Relaxed);
    }

    fn may(&self) -> Result<()> {
        let refused = || ExecutorError::Invalid { what: "request: it is refused".into() };
        if self.refuses.load(Ordering::Relaxed) { Err(refused()) } else { Ok(()) }
    }
}

impl Allocation for AllocationElsewhere {
    fn address(&self, index: usize) -> ExecAddr {
        self.0.address(index)
    }

    fn bytes(&mut self, index: usize) -> &mut [u8] {
        self.0.bytes(index)
    }

    fn make_executable(&mut self) -> Result<()> {
        self.0.make_executable()
    }

    fn finalize(self: Box<Self>, actions: &FinalizeActions) -> Result<AllocationId> {
        elsewhere(|| self.0.finalize(actions))
    }
}

impl Executor for Elsewhere {
    fn target(&self) -> Target {
        let here = self.here.target();
        Target { arch: self.arch.unwrap_or(here.arch), ..here }
    }

    fn is_here(&self) -> bool {
        true
    }

    fn reserve_window(&self, size: u64, placement: Placement) -> Result<Window> {
        self.here.reserve_window(size, placement)
    }

    fn reserve_divided_window(&self, stripes: [u64; 3], placement: Placement) -> Result<Window> {
        self.here.reserve_divided_window(stripes, placement)
    }

    fn release_window(&self, window: WindowId) -> Result<()> {
        self.here.release_window(window)
    }

    fn allocate(&self, window: WindowId, segments: &[SegmentRequest]) -> Result<Box<dyn Allocation>> {
        let allocation = self.here.allocate(window, segments)?;
        Ok(if self.connection.is_some() { allocation } else { Box::new(AllocationElsewhere(allocation)) })
    }

    fn deallocate(&self, allocation: AllocationId) -> Result<()> {
        self.here.deallocate(allocation)
    }

    fn make_image_header(&self, window: WindowId, kept: bool) -> Result<()> {
        self.here.make_image_header(window, kept)
    }

    fn make_stacks_executable(&self) -> Result<()> {
        self.here.make_stacks_executable()
    }

    fn open_image(&self, name: &str) -> Result<ImageId> {
        self.here.open_image(name)
    }

    fn set_dso_handle(&self, image: ImageId, handle: ExecAddr) -> Result<()> {
        self.may()?;
        self.here.set_dso_handle(image, handle)
    }

    fn set_exports(&self, image: ImageId, find: Arc<FindExport>) -> Result<()> {
        self.here.set_exports(image, find)
    }

    fn provide_needed(&self, provide: Arc<ProvideNeeded>) {
        self.here.provide_needed(provide);
    }

    fn serve_dylibs(&self, ask: Arc<AskDylibs>) {
        self.here.serve_dylibs(ask);
    }

    unsafe fn restore_contents(&self, allocations: &[AllocationId]) -> Result<()> {
        // SAFETY: the caller's promise.
        unsafe { self.here.restore_contents(allocations) }
    }

    unsafe fn run_initializers(
        &self,
        image: ImageId,
        initializers: &[PointerArray],
        terminators: &[PointerArray],
    ) -> Result<()> {
        // SAFETY: the caller's promise.
        self.elsewhere(|| unsafe { self.here.run_initializers(image, initializers, terminators) })
    }

    unsafe fn close_image(&self, image: ImageId) -> Result<()> {
        // SAFETY: the caller's promise.
        self.elsewhere(|| unsafe { self.here.close_image(image) })
    }

    unsafe fn close_part(
        &self,
        image: ImageId,
        allocations: &[AllocationId],
        ended: &[PointerArray],
        terminators: &[PointerArray],
    ) -> Result<()> {
        // SAFETY: the caller's promise.
        self.elsewhere(|| unsafe { self.here.close_part(image, allocations, ended, terminators) })
    }

    fn forget_registered(&self, image: ImageId, functions: &[AllocationId], arguments: &[AllocationId]) -> Result<()> {
        self.here.forget_registered(image, functions, arguments)
    }

    fn reserve_tls(&self, image: ImageId, request: TlsRequest) -> Result<TlsBlock> {
        self.here.reserve_tls(image, request)
    }

    fn release_tls(&self, block: TlsId) -> Result<()> {
        self.here.release_tls(block)
    }

    fn open_library(&self, path: &[u8], global: bool) -> Result<LibraryId> {
        self.here.open_library(path, global)
    }

    fn set_library_directories(&self, directories: &[Vec<u8>]) {
        self.here.set_library_directories(directories);
    }

    fn find_symbols(&self, library: LibraryId, requests: &[SymbolRequest<'_>]) -> Result<Vec<Option<SymbolAddress>>> {
        self.here.find_symbols(library, requests)
    }

    fn may_export(&self, names: &[&[u8]]) -> Vec<bool> {
        self.here.may_export(names)
    }

    fn bring_near(&self, near: ExecRange, addresses: &[ExecAddr], slots: &[ExecAddr]) -> Result<Vec<Option<Nearby>>> {
        self.here.bring_near(near, addresses, slots)
    }

    fn allocator_names(&self) -> Vec<String> {
        self.here.allocator_names()
    }

    fn has_allocator_of_another(&self) -> bool {
        self.here.has_allocator_of_another()
    }

    fn prepare_allocator(&self) -> Result<Vec<(String, ExecAddr)>> {
        self.here.prepare_allocator()
    }

    fn replace_allocator(&self, definitions: &[(&str, ExecAddr)]) -> Result<()> {
        self.may()?;
        self.here.replace_allocator(definitions)
    }

    fn open_reentry(&self, resolve: Arc<Resolve>) -> Result<ReentryId> {
        self.here.open_reentry(resolve)
    }

    fn close_reentry(&self, reentry: ReentryId) -> Result<()> {
        self.here.close_reentry(reentry)
    }

    fn redirect(&self, jumps: &[Jump]) -> Result<Vec<ExecAddr>> {
        self.here.redirect(jumps)
    }

    fn runtime_function(&self, function: RuntimeFunction) -> Option<ExecAddr> {
        self.here.runtime_function(function)
    }

    fn runtime_symbols(&self, names: &[&[u8]]) -> Result<Vec<Option<ExecAddr>>> {
        self.here.runtime_symbols(names)
    }

    fn runtime_thread_locals(&self) -> Vec<(String, u64)> {
        self.here.runtime_thread_locals()
    }

    fn set_arguments(&self, args: &[Vec<u8>]) -> Result<()> {
        self.here.set_arguments(args)
    }

    unsafe fn call_main(&self, main: ExecAddr, form: MainForm) -> Result<i32> {
        // SAFETY: the caller's promise.
        self.elsewhere(|| unsafe { self.here.call_main(main, form) })
    }

    unsafe fn call(&self, function: ExecAddr, arguments: &[u64]) -> Result<u64> {
        // SAFETY: the caller's promise.
        self.elsewhere(|| unsafe { self.here.call(function, arguments) })
    }

    fn read(&self, range: ExecRange) -> Result<Vec<u8>> {
        self.here.read(range)
    }
}
