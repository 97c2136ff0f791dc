//! Threads to compile in. Each keeps target machines: making one costs 0.4 to 1.5 ms, which is as much as a small function
//! costs, and only one thread may use a machine at a time.
//!
//! A call takes an idle thread, or starts one, so that there are as many as there are calls at once. When LLVM meets an
//! error that it would end the process with, it calls [`lose_thread`], which reports it and doesn't return: that thread
//! sleeps until the process ends, and others take its place.

use std::cell::RefCell;
use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::compile::Machines;
use crate::error::Error;
use crate::exit::Stay;
use crate::ffi::Library;

/// LLVM's parser and its passes are recursive. Only pages that are touched take memory.
const STACK_SIZE: usize = 64 << 20;

type Job = Box<dyn FnOnce(&mut Machines) + Send>;
type Report = Box<dyn FnOnce(String)>;

thread_local! {
    /// Tells the caller that waits for this thread of an error that ends it.
    static REPORT: RefCell<Option<Report>> = const { RefCell::new(None) };
}

pub(crate) struct Workers {
    library: &'static Library,
    idle: Mutex<Idle>,
}

struct Idle {
    /// The process that the threads are in: a child has none of its parent's.
    process: u32,
    workers: Vec<Worker>,
}

struct Worker {
    jobs: Sender<Job>,
    thread: JoinHandle<()>,
}

enum Answer<T> {
    Done(Result<T, Error>),
    Fatal(String),
}

impl Workers {
    pub(crate) fn new(library: &'static Library) -> Self {
        Self { library, idle: Mutex::new(Idle { process: std::process::id(), workers: Vec::new() }) }
    }

    /// Does work for the input `name` in one of the threads, and waits for it.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        name: &str,
        work: impl FnOnce(&mut Machines) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let failed = |message: String| Error::Thread { name: name.to_owned(), message };
        let worker = self.take().map_err(|error| failed(error.to_string()))?;
        let (sender, answers) = mpsc::channel();
        let stay = Stay::begin();
        let job = move |machines: &mut Machines| {
            let fatal = sender.clone();
            // The caller waits; if it doesn't, nobody is interested.
            REPORT.set(Some(Box::new(move |reason| drop(fatal.send(Answer::Fatal(reason))))));
            let result = work(machines);
            REPORT.set(None);
            drop(sender.send(Answer::Done(result)));
        };
        worker.jobs.send(Box::new(job)).map_err(|_| failed("it has ended".into()))?;
        let answer = answers.recv();
        drop(stay);
        match answer {
            Ok(Answer::Done(result)) => {
                self.give_back(worker);
                result
            }
            Ok(Answer::Fatal(message)) => Err(Error::Fatal { name: name.to_owned(), message }),
            Err(_) => Err(failed("it ended before it was done".into())),
        }
    }

    fn take(&self) -> std::io::Result<Worker> {
        match self.idle().workers.pop() {
            Some(worker) => Ok(worker),
            None => Worker::start(self.library),
        }
    }

    fn give_back(&self, worker: Worker) {
        let most = std::thread::available_parallelism().map_or(1, usize::from);
        let mut idle = self.idle();
        if idle.workers.len() < most {
            idle.workers.push(worker);
        } else {
            drop(idle);
            worker.end();
        }
    }

    /// The idle threads of this process.
    fn idle(&self) -> MutexGuard<'_, Idle> {
        // Nothing that is done under this lock can panic.
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let process = std::process::id();
        if idle.process != process {
            idle.process = process;
            // They can be neither joined nor detached: they are not there.
            std::mem::forget(std::mem::take(&mut idle.workers));
        }
        idle
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        let workers = std::mem::take(&mut self.idle().workers);
        workers.into_iter().for_each(Worker::end);
    }
}

impl Worker {
    fn start(library: &'static Library) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel::<Job>();
        let thread = std::thread::Builder::new().name("linkjit-llvm".into()).stack_size(STACK_SIZE);
        let thread = thread.spawn(move || {
            let mut machines = Machines::new(library);
            queue.into_iter().for_each(|job| job(&mut machines));
        })?;
        Ok(Self { jobs, thread })
    }

    /// Waits until the thread has given back its machines.
    fn end(self) {
        drop(self.jobs);
        // It has nothing to return.
        drop(self.thread.join());
    }
}

/// LLVM ends the process when this returns, so it doesn't, in a thread of ours. In another, whose program uses the same
/// LLVM, that is as it would be without us.
pub(crate) fn lose_thread(reason: String) {
    let Some(report) = REPORT.take() else { return };
    report(reason);
    loop {
        std::thread::park();
    }
}
