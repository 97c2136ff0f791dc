//! An executor that runs nothing, and both ends of a connection in one process.
#![allow(dead_code, unreachable_pub, reason = "tests are nobody's interface, and not all need all of the support")]

use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use linkjit_executor::{
    Allocation, AllocationId, ExecAddr, ExecRange, Executor, ExecutorError, FindExport, ImageId, InProcess, Jump,
    LibraryId, MainForm, Nearby, Placement, PointerArray, ProvideNeeded, ReentryId, Resolve, Result, RuntimeFunction,
    SegmentRequest, SymbolAddress, SymbolKey, SymbolRequest, Target, TlsBlock, TlsId, TlsRequest, Window, WindowId,
};
use linkjit_remote::{Outcome, Remote, Token, Transport, serve};

/// An executor whose functions are numbers, and which lies about how many things it has found.
#[derive(Debug, Default)]
pub struct Fake {
    asks: Mutex<Asks>,
}

#[derive(Default)]
struct Asks {
    resolve: Option<Arc<Resolve>>,
    find: Option<Arc<FindExport>>,
    provide: Option<Arc<ProvideNeeded>>,
}

impl std::fmt::Debug for Asks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Asks")
    }
}

/// Adds its arguments.
pub const ADD: ExecAddr = ExecAddr(1);
/// Has the session resolve its argument, and returns one more than the address.
pub const RESOLVE: ExecAddr = ExecAddr(2);
/// Has the session find the export whose number is its argument; returns its address.
pub const FIND: ExecAddr = ExecAddr(3);
/// Panics.
pub const PANIC: ExecAddr = ExecAddr(4);
/// Sleeps for some milliseconds.
pub const SLEEP: ExecAddr = ExecAddr(5);

/// Sleeps for some milliseconds, then has the session find the export whose number that is; returns its address.
pub const FIND_LATER: ExecAddr = ExecAddr(6);

/// Has the session provide what a library of so many bytes needs; returns how many bytes that has.
pub const PROVIDE: ExecAddr = ExecAddr(7);

const MISSING: ExecutorError = ExecutorError::Unsupported { what: std::borrow::Cow::Borrowed("this") };

impl Fake {
    fn find(&self, number: u32) -> Result<u64> {
        let find = self.asks.lock().unwrap().find.clone();
        Ok(find.ok_or(MISSING)?(SymbolKey::Ordinal(number as u16)).unwrap_or(ExecAddr::NULL).0)
    }
}

impl Executor for Fake {
    fn target(&self) -> Target {
        InProcess::new().expect("tests run where linkjit does").target()
    }

    unsafe fn call(&self, function: ExecAddr, arguments: &[u64]) -> Result<u64> {
        let argument = arguments.first().copied().unwrap_or_default();
        let number = argument as u32;
        match function {
            ADD => Ok(arguments.iter().sum()),
            RESOLVE => {
                let resolve = self.asks.lock().unwrap().resolve.clone();
                Ok(resolve.ok_or(MISSING)?(number).0 + 1)
            }
            FIND => self.find(number),
            PANIC => panic!("linked code panics"),
            SLEEP => {
                thread::sleep(Duration::from_millis(argument));
                Ok(argument)
            }
            FIND_LATER => {
                thread::sleep(Duration::from_millis(argument));
                self.find(number)
            }
            PROVIDE => {
                let provide = self.asks.lock().unwrap().provide.clone();
                Ok(provide.ok_or(MISSING)?(&vec![0; argument as usize]).len() as u64)
            }
            _ => Err(MISSING),
        }
    }

    fn provide_needed(&self, provide: Arc<ProvideNeeded>) {
        self.asks.lock().unwrap().provide = Some(provide);
    }

    fn open_reentry(&self, resolve: Arc<Resolve>) -> Result<ReentryId> {
        self.asks.lock().unwrap().resolve = Some(resolve);
        Ok(ReentryId(7))
    }

    fn set_exports(&self, _image: ImageId, find: Arc<FindExport>) -> Result<()> {
        self.asks.lock().unwrap().find = Some(find);
        Ok(())
    }

    fn find_symbols(&self, _library: LibraryId, requests: &[SymbolRequest<'_>]) -> Result<Vec<Option<SymbolAddress>>> {
        Ok(vec![None; requests.len() + 1])
    }

    fn may_export(&self, names: &[&[u8]]) -> Vec<bool> {
        vec![false; names.len() + 1]
    }

    fn bring_near(&self, _near: ExecRange, addresses: &[ExecAddr], _slots: &[ExecAddr]) -> Result<Vec<Option<Nearby>>> {
        Ok(vec![None; addresses.len() + 1])
    }

    fn redirect(&self, jumps: &[Jump]) -> Result<Vec<ExecAddr>> {
        Ok(vec![ExecAddr::NULL; jumps.len() + 1])
    }

    fn runtime_symbols(&self, names: &[&[u8]]) -> Result<Vec<Option<ExecAddr>>> {
        Ok(vec![None; names.len() + 1])
    }

    fn read(&self, range: ExecRange) -> Result<Vec<u8>> {
        Ok(vec![0; range.size() as usize + 1])
    }

    fn reserve_window(&self, _size: u64, _placement: Placement) -> Result<Window> {
        let range = ExecRange { start: ExecAddr(0x2000), end: ExecAddr(0x1000) };
        Ok(Window { id: WindowId(1), range, stripes: [range; 3] })
    }

    fn reserve_divided_window(&self, _stripes: [u64; 3], placement: Placement) -> Result<Window> {
        self.reserve_window(0, placement)
    }

    fn release_window(&self, _window: WindowId) -> Result<()> {
        Err(MISSING)
    }

    fn allocate(&self, _window: WindowId, _segments: &[SegmentRequest]) -> Result<Box<dyn Allocation>> {
        Err(MISSING)
    }

    fn deallocate(&self, _allocation: AllocationId) -> Result<()> {
        Err(MISSING)
    }

    fn make_image_header(&self, _window: WindowId, _kept: bool) -> Result<()> {
        Err(MISSING)
    }

    fn make_stacks_executable(&self) -> Result<()> {
        Err(MISSING)
    }

    fn open_image(&self, _name: &str) -> Result<ImageId> {
        Ok(ImageId(1))
    }

    fn set_dso_handle(&self, _image: ImageId, _handle: ExecAddr) -> Result<()> {
        Err(MISSING)
    }

    unsafe fn restore_contents(&self, _: &[AllocationId]) -> Result<()> {
        Err(MISSING)
    }

    unsafe fn run_initializers(&self, _: ImageId, _: &[PointerArray], _: &[PointerArray]) -> Result<()> {
        Err(MISSING)
    }

    unsafe fn close_image(&self, _image: ImageId) -> Result<()> {
        Err(MISSING)
    }

    unsafe fn close_part(
        &self,
        _image: ImageId,
        _allocations: &[AllocationId],
        _ended: &[PointerArray],
        _terminators: &[PointerArray],
    ) -> Result<()> {
        Err(MISSING)
    }

    fn forget_registered(&self, _: ImageId, _: &[AllocationId], _: &[AllocationId]) -> Result<()> {
        Err(MISSING)
    }

    fn reserve_tls(&self, _image: ImageId, _request: TlsRequest) -> Result<TlsBlock> {
        Err(MISSING)
    }

    fn release_tls(&self, _block: TlsId) -> Result<()> {
        Err(MISSING)
    }

    fn open_library(&self, _path: &[u8], _global: bool) -> Result<LibraryId> {
        Ok(LibraryId::PROCESS)
    }

    fn allocator_names(&self) -> Vec<String> {
        vec![]
    }

    fn has_allocator_of_another(&self) -> bool {
        false
    }

    fn prepare_allocator(&self) -> Result<Vec<(String, ExecAddr)>> {
        Err(MISSING)
    }

    fn replace_allocator(&self, _definitions: &[(&str, ExecAddr)]) -> Result<()> {
        Err(MISSING)
    }

    fn close_reentry(&self, _reentry: ReentryId) -> Result<()> {
        Ok(())
    }

    fn runtime_function(&self, _function: RuntimeFunction) -> Option<ExecAddr> {
        None
    }

    fn runtime_thread_locals(&self) -> Vec<(String, u64)> {
        vec![]
    }

    fn set_arguments(&self, _args: &[Vec<u8>]) -> Result<()> {
        Err(MISSING)
    }

    unsafe fn call_main(&self, _main: ExecAddr, _form: MainForm) -> Result<i32> {
        Err(MISSING)
    }
}

/// A connected pair of sockets.
pub fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    ours.set_nodelay(true).unwrap();
    (ours, listener.accept().unwrap().0)
}

/// The thread that serves a session.
pub type Serving = JoinHandle<io::Result<Outcome>>;

/// Serves the session at the other end of a socket.
pub fn serving(socket: TcpStream, token: &Token, executor: Arc<dyn Executor>) -> Serving {
    let token = token.clone();
    thread::spawn(move || serve(Transport::tcp(socket).unwrap(), &token, executor))
}

/// A session's end of a connection to an executor.
pub fn connected(executor: Arc<dyn Executor>) -> (Remote, Serving) {
    let (ours, theirs) = sockets();
    let serving = serving(theirs, &Token::none(), executor);
    (Remote::connect(Transport::tcp(ours).unwrap(), &Token::none()).unwrap(), serving)
}

/// Calls a function of [`Fake`].
pub fn call(remote: &Remote, function: ExecAddr, arguments: &[u64]) -> Result<u64> {
    // SAFETY: they are numbers.
    unsafe { remote.call(function, arguments) }
}

/// Ends the process if `test` takes too long: a test that hangs says nothing.
pub fn in_time<T>(test: impl FnOnce() -> T) -> T {
    let (done, is_done) = std::sync::mpsc::channel::<()>();
    thread::spawn(move || {
        if is_done.recv_timeout(Duration::from_secs(120)) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
            eprintln!("a test hangs");
            std::process::abort();
        }
    });
    let result = test();
    drop(done);
    result
}
