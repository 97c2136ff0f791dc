//! Both ends of the executor protocol, with peers that say anything. An executor obeys its session, but must not panic; a
//! session must take nothing at its word.

#![no_main]

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::sync::{Arc, OnceLock};
use std::thread;

use libfuzzer_sys::fuzz_target;
use linkjit::executor::{
    ExecAddr, ExecRange, Executor, ExecutorError, ImageId, Jump, LibraryId, Placement, Protection, SegmentRequest,
    SymbolKey, SymbolRequest, WindowId,
};
use linkjit_fuzz::refusing::Refusing;
use linkjit_remote::{Remote, Token, Transport, serve};

/// The bytes with which a session without a token greets.
const GREETING: &[u8] = b"linkjit\0\x03\0\0\0\0\0\0\0";

fuzz_target!(|bytes: &[u8]| {
    let Some((&first, said)) = bytes.split_first() else { return };
    // Few inputs would get past the greeting.
    let greets = first & 2 != 0;
    let (ours, theirs) = UnixStream::pair().expect("there are sockets");
    let transport = Transport::unix(ours).expect("there are sockets");
    if first & 1 == 0 {
        let peer = speak(theirs, &[if greets { GREETING } else { b"" }, said].concat());
        let _refused = serve(transport, &Token::none(), Arc::new(Refusing));
        peer.join().expect("it only speaks");
    } else {
        let peer = speak(theirs, &[if greets { welcome() } else { b"" }, said].concat());
        if let Ok(remote) = Remote::connect(transport, &Token::none()) {
            let _gone = ask(&remote);
        }
        peer.join().expect("it only speaks");
    }
});

/// Says all, then nothing more; what the other end says is dropped.
fn speak(mut stream: UnixStream, bytes: &[u8]) -> thread::JoinHandle<()> {
    let bytes = bytes.to_vec();
    thread::spawn(move || {
        let _gone = stream.write_all(&bytes);
        let _gone = stream.shutdown(Shutdown::Write);
        let _gone = stream.read_to_end(&mut Vec::new());
    })
}

/// The answer of an executor to such a greeting.
fn welcome() -> &'static [u8] {
    static WELCOME: OnceLock<Vec<u8>> = OnceLock::new();
    WELCOME.get_or_init(|| {
        let (ours, mut theirs) = UnixStream::pair().expect("there are sockets");
        let transport = Transport::unix(ours).expect("there are sockets");
        let serving = thread::spawn(move || serve(transport, &Token::none(), Arc::new(Refusing)));
        theirs.write_all(GREETING).expect("it reads");
        theirs.shutdown(Shutdown::Write).expect("it is connected");
        let mut answer = Vec::new();
        theirs.read_to_end(&mut answer).expect("it answers");
        serving.join().expect("it does not panic").expect("it serves");
        answer
    })
}

/// Asks for one thing of each kind of result.
fn ask(remote: &Remote) -> Result<(), ExecutorError> {
    let range = ExecRange::new(ExecAddr(0x1000), 64);
    remote.open_reentry(Arc::new(|number| ExecAddr(number.into())))?;
    remote.set_exports(ImageId(1), Arc::new(|_| Some(ExecAddr(1))))?;
    remote.reserve_window(1 << 20, Placement::Anywhere)?;
    let segment = SegmentRequest { protection: Protection::ReadExec, size: 64, align: 16, contents: 64 };
    let mut allocation = remote.allocate(WindowId(1), &[segment; 3])?;
    allocation.bytes(1).fill(1);
    allocation.finalize(&linkjit::executor::FinalizeActions::default())?;
    let request = SymbolRequest { key: SymbolKey::Name(b"name"), thread_local: false };
    remote.find_symbols(LibraryId::PROCESS, &[request; 2])?;
    remote.may_export(&[b"name"]);
    remote.bring_near(range, &[ExecAddr(8)], &[])?;
    remote.redirect(&[Jump { slot: ExecAddr(8), to: ExecAddr(8) }])?;
    remote.prepare_allocator()?;
    remote.read(range)?;
    Ok(())
}
