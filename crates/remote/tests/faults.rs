//! Faults at random moments of a session's life: the executor is killed or stopped, the connection is cut, or bytes that
//! nobody has sent come in between. Nothing hangs or is left behind, errors say what happened, and others go on.
//!
//! `LINKJIT_FAULTS=FROM..TO` runs these seeds instead of a few. Started with `--fd` or `--dial`, this program is an executor.

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::{Read, Write};
    use std::net::{Shutdown, TcpListener, TcpStream};
    use std::ops::Range;
    use std::path::PathBuf;
    use std::process::Command;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Mutex, mpsc};
    use std::thread;
    use std::time::{Duration, Instant};

    use linkjit::executor::{ExecutorError, InProcess, crash, exit_code};
    use linkjit::{ErrorKind, Jit};
    use linkjit_remote::{Child, Outcome, Remote, Token, Transport, serve};

    /// A life takes at most so long; usually it takes a fraction of a second.
    const LONGEST: Duration = Duration::from_secs(60);

    const CODE: &str = "
        static int begun;
        __attribute__((constructor)) static void begin(void) { begun = 1; }
        int deep(int n) { return n ? deep(n - 1) + 1 : begun; }
        int other(int n) { return n + begun; }
        int (*volatile indirect)(int) = other;
        int called(int n) { return indirect(n) + deep(3); }";

    pub(super) fn main() {
        let arguments: Vec<_> = std::env::args().collect();
        let value =
            |name: &str| Some(arguments.get(arguments.iter().position(|argument| argument == name)? + 1)?.clone());
        if let Some(fd) = value("--fd") {
            be_executor(Transport::inherited(fd.parse().expect("it is a number")));
        }
        if let Some(address) = value("--dial") {
            be_executor(TcpStream::connect(address).and_then(Transport::tcp));
        }
        let asked = std::env::var("LINKJIT_FAULTS").ok();
        let seeds = asked.map_or(0..32, |seeds| {
            let (from, to) = seeds.split_once("..").expect("LINKJIT_FAULTS is FROM..TO");
            from.parse().expect("a number")..to.parse().expect("a number")
        });
        run(seeds);
    }

    fn be_executor(transport: std::io::Result<Transport>) -> ! {
        crash::print_backtraces();
        let executor = InProcess::new().expect("tests run where linkjit does");
        let outcome = transport.and_then(|transport| serve(transport, &Token::none(), Arc::new(executor)));
        exit_code::exit_now(if matches!(outcome, Ok(Outcome::Over)) { 0 } else { 1 })
    }

    fn executor() -> Command {
        let mut command = Command::new(std::env::current_exe().expect("this program has a path"));
        // Backtraces of those that get garbage are of no interest.
        command.stderr(std::process::Stdio::null());
        command
    }

    fn run(seeds: Range<u64>) {
        let object = Arc::new(compile());
        // Threads and files that stay are opened by the first.
        life(0, Fault::None, &object);
        settle(|| threads() == 1);
        let before = open_files();
        let (done, is_done) = mpsc::channel::<()>();
        let current = Arc::new(Mutex::new((0, Instant::now())));
        let watched = current.clone();
        thread::spawn(move || {
            while is_done.recv_timeout(Duration::from_secs(1)) == Err(mpsc::RecvTimeoutError::Timeout) {
                let (seed, start) = *watched.lock().unwrap();
                if start.elapsed() > LONGEST {
                    eprintln!("the life with the seed {seed} hangs");
                    std::process::abort();
                }
            }
        });
        let mut ends = std::collections::BTreeMap::new();
        for seed in seeds.clone() {
            *current.lock().unwrap() = (seed, Instant::now());
            let fault = [Fault::Kill, Fault::Cut, Fault::Garbage, Fault::Stall][(seed % 4) as usize];
            let end = life(seed, fault, &object);
            *ends.entry((fault, end)).or_insert(0) += 1;
            if seed % 8 == 7 {
                assert_eq!(life(seed, Fault::None, &object), "no error", "seed {seed}: the next session");
            }
        }
        // The watchdog has a thread, too.
        settle(|| (open_files(), threads()) == (before, 2));
        assert_eq!((open_files(), threads()), (before, 2), "files and threads");
        assert_eq!(children(), 0, "child processes are left");
        drop(done);
        for ((fault, end), count) in ends {
            println!("{count:5} {fault:?}: {end}");
        }
        println!("{} lives: ok", seeds.end - seeds.start);
    }

    #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
    enum Fault {
        None,
        Kill,
        Cut,
        Garbage,
        Stall,
    }

    struct Random(u64);

    impl Random {
        fn below(&mut self, limit: u64) -> u64 {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) % limit
        }
    }

    /// A session with a fault somewhere; returns how it ends.
    fn life(seed: u64, fault: Fault, object: &Arc<Vec<u8>>) -> String {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        random.below(2);
        match fault {
            Fault::Cut | Fault::Garbage => behind_proxy(&mut random, fault, object),
            _ => {
                let remote = match Child::start(executor()) {
                    Ok(remote) => Arc::new(remote),
                    Err(error) => panic!("{error}"),
                };
                remote.set_patience(Duration::from_secs(2));
                let id = remote.child().expect("it is one").id();
                let delay = Duration::from_micros(random.below(60_000));
                let ends = Arc::new(AtomicBool::new(false));
                let (faulty, has_ended) = (remote.clone(), ends.clone());
                let faults = thread::spawn(move || {
                    thread::sleep(delay);
                    match fault {
                        Fault::Kill => faulty.child().expect("it is one").kill().expect("it can be killed"),
                        Fault::Stall => signal(id, "STOP"),
                        _ => {}
                    }
                    drop(faulty);
                    thread::sleep(Duration::from_millis(20));
                    has_ended.store(true, Ordering::Relaxed);
                });
                let end = use_executor(remote, object, &ends);
                faults.join().unwrap();
                assert!(!PathBuf::from(format!("/proc/{id}")).exists(), "the child of seed {seed} is left");
                end
            }
        }
    }

    fn behind_proxy(random: &mut Random, fault: Fault, object: &Arc<Vec<u8>>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let mut command = executor();
        let address = listener.local_addr().unwrap().to_string();
        let mut process = command.args(["--dial", &address]).spawn().unwrap();
        let theirs = listener.accept().unwrap().0;
        let between = TcpStream::connect(address).unwrap();
        let ours = listener.accept().unwrap().0;
        for stream in [&theirs, &between, &ours] {
            stream.set_nodelay(true).unwrap();
        }
        let at = [random.below(20_000), random.below(20_000)];
        let is_forth = random.below(2) == 0;
        let garbage: Vec<_> = (0..=random.below(64)).map(|_| random.below(256) as u8).collect();
        let ends = Arc::new(AtomicBool::new(false));
        let forth = (between.try_clone().unwrap(), theirs.try_clone().unwrap());
        let back = (theirs.try_clone().unwrap(), between.try_clone().unwrap());
        let passing: Vec<_> = [(forth, is_forth), (back, !is_forth)]
            .into_iter()
            .zip(at)
            .map(|(((from, to), is_faulty), at)| {
                let (garbage, ends) = (garbage.clone(), ends.clone());
                thread::spawn(move || pass_on(from, to, fault, if is_faulty { at } else { u64::MAX }, &garbage, &ends))
            })
            .collect();
        let end = match Remote::connect(Transport::tcp(ours).unwrap(), &Token::none()) {
            Ok(remote) => {
                remote.set_patience(Duration::from_secs(2));
                // Garbage may ask for anything, and for nothing that ends.
                remote.set_time_limit(Some(Duration::from_secs(5)));
                use_executor(Arc::new(remote), object, &ends)
            }
            Err(error) => ending(&error),
        };
        let _gone = theirs.shutdown(Shutdown::Both);
        let _gone = between.shutdown(Shutdown::Both);
        passing.into_iter().for_each(|thread| thread.join().unwrap());
        let _ended = process.kill();
        process.wait().unwrap();
        end
    }

    /// Passes bytes on, up to the fault.
    fn pass_on(mut from: TcpStream, mut to: TcpStream, fault: Fault, mut at: u64, garbage: &[u8], ends: &AtomicBool) {
        let mut bytes = [0; 4096];
        while let Ok(size @ 1..) = from.read(&mut bytes) {
            if size as u64 <= at {
                at -= if at == u64::MAX { 0 } else { size as u64 };
                if to.write_all(&bytes[..size]).is_err() {
                    break;
                }
                continue;
            }
            let (before, after) = bytes[..size].split_at(at as usize);
            at = u64::MAX;
            let _gone = to.write_all(before);
            if fault == Fault::Cut {
                ends.store(true, Ordering::Relaxed);
                break;
            }
            let _gone = to.write_all(garbage).and_then(|()| to.write_all(after));
            ends.store(true, Ordering::Relaxed);
        }
        let _gone = from.shutdown(Shutdown::Both);
        let _gone = to.shutdown(Shutdown::Both);
    }

    /// Does this and that until something goes wrong, or for some rounds after `ends` is set.
    fn use_executor(remote: Arc<Remote>, object: &Arc<Vec<u8>>, ends: &AtomicBool) -> String {
        let jit = Jit::builder().executor(remote).build();
        let result = jit.and_then(|jit| {
            let start = Instant::now();
            let mut more = 3;
            for round in 0..10_000 {
                use_session(&jit, object, round)?;
                if ends.load(Ordering::Relaxed) || start.elapsed() > Duration::from_secs(10) {
                    more -= 1;
                    if more == 0 {
                        break;
                    }
                }
            }
            Ok(())
        });
        match result {
            Ok(()) => "no error".into(),
            Err(linkjit::Error::Executor(error)) => ending(&error),
            Err(other) => format!("{:?}", other.kind()),
        }
    }

    fn use_session(jit: &Jit, object: &Arc<Vec<u8>>, round: u32) -> linkjit::Result<()> {
        let dylib = jit.create_dylib(&format!("round {round}"))?;
        let source = linkjit::Source::new("code.o", object.to_vec());
        if round.is_multiple_of(2) {
            dylib.add_object(&source)?;
        } else {
            dylib.add_lazy_object(&source)?;
        }
        let called = dylib.lookup("called")?;
        let executor = jit.session().executor().clone();
        for n in 0..3 {
            // SAFETY: it is a function of this type.
            let result = unsafe { executor.call(called, &[n]) }?;
            if result as u32 != n as u32 + 5 {
                // Bytes that nobody has sent may look as if somebody had.
                return Err(ExecutorError::Invalid { what: "result".into() }.into());
            }
        }
        if round.is_multiple_of(3) {
            // SAFETY: nobody is in its code.
            unsafe { dylib.close() }?;
        }
        Ok(())
    }

    /// The kind of error, without what differs from life to life.
    fn ending(error: &ExecutorError) -> String {
        let kind = linkjit::Error::from(error.clone()).kind();
        let text = error.to_string();
        assert!(kind != ErrorKind::Disconnected || text.len() > 50, "an error that says nothing: {text}");
        format!("{kind:?}: {}", text.chars().map(|c| if c.is_ascii_digit() { 'N' } else { c }).collect::<String>())
    }

    fn compile() -> Vec<u8> {
        let directory = std::env::temp_dir().join(format!("linkjit-faults-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("code.c"), CODE).unwrap();
        let arguments = ["-c", "-O1", "-fPIC", "-ffunction-sections", "code.c", "-o", "code.o"];
        let status = Command::new("cc").args(arguments).current_dir(&directory).status();
        assert!(status.expect("cc: ./test installs it").success());
        let object = std::fs::read(directory.join("code.o")).unwrap();
        std::fs::remove_dir_all(&directory).unwrap();
        object
    }

    fn signal(process: u32, name: &str) {
        let status = Command::new("kill").args(["-s", name, &process.to_string()]).status();
        assert!(status.expect("there is a command for it").success());
    }

    /// Waits for threads that are about to end.
    fn settle(is_done: impl Fn() -> bool) {
        let start = Instant::now();
        while !is_done() && start.elapsed() < Duration::from_secs(10) {
            thread::sleep(Duration::from_millis(5));
        }
    }

    fn open_files() -> usize {
        std::fs::read_dir("/proc/self/fd").unwrap().count()
    }

    fn threads() -> usize {
        std::fs::read_dir("/proc/self/task").unwrap().count()
    }

    fn children() -> usize {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap().flatten();
        let of = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
        tasks.map(of).map(|text| text.split_whitespace().count()).sum()
    }
}
