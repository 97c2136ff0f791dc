//! A Jupyter kernel for C++: clients such as notebooks send cells, which a session of linkjit's REPL compiles, links and runs.
//!
//! ```text
//! client ==ZeroMQ==> sockets (tasks of one thread) --jobs--> kernel (a thread) --> Repl --> clang, executor
//!        <========== sink <------------------- replies, results, output <----------------------'
//! ```
//!
//! The kernel's thread does what takes long; the sockets stay free for interrupts. `streams` has the pipes of the program,
//! `questions` finds out that it waits for input. docs/jupyter.md is for users.

mod cell;
mod connection;
mod error;
mod history;
mod install;
mod kernel;
mod media;
mod message;
mod questions;
mod session;
mod sink;
mod sockets;
mod streams;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Mutex, mpsc};
use std::thread;

use clap::{Args, Parser, Subcommand};

use crate::connection::Connection;
use crate::error::Result;
use crate::install::Place;
use crate::kernel::Kernel;
use crate::questions::Answers;
use crate::session::{Reins, Setup};
use crate::sink::Sink;
use crate::sockets::Queues;
use crate::streams::Streams;

/// A Jupyter kernel for C++.
#[derive(Debug, Parser)]
#[command(name = "linkjit-jupyter", version)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Be a kernel: Jupyter starts it so
    Run {
        /// The file in which Jupyter says where to listen
        #[arg(short = 'f', value_name = "FILE")]
        connection: PathBuf,
        #[command(flatten)]
        options: Options,
    },
    /// Tell Jupyter of this kernel
    Install {
        /// For this user; this is what happens if nothing else is said
        #[arg(long, conflicts_with_all = ["sys_prefix", "prefix"])]
        user: bool,
        /// In the Python environment that is active
        #[arg(long, conflicts_with = "prefix")]
        sys_prefix: bool,
        /// Below this directory, in share/jupyter
        #[arg(long, value_name = "DIRECTORY")]
        prefix: Option<PathBuf>,
        /// The kernel's name; usually it is linkjit-cpp, with the target
        #[arg(long, value_name = "NAME")]
        name: Option<String>,
        /// Its name for people
        #[arg(long, value_name = "TITLE")]
        display_name: Option<String>,
        #[command(flatten)]
        options: Options,
    },
}

#[derive(Debug, Args)]
struct Options {
    /// Compile for this target: a triple, or mingw or msvc for Windows, whose programs Wine runs
    #[arg(long, value_name = "TARGET")]
    target: Option<String>,
    /// Use this library
    #[arg(short = 'l', value_name = "LIB")]
    libraries: Vec<String>,
    /// Arguments of clang, behind --
    #[arg(last = true, value_name = "FLAG")]
    clang: Vec<OsString>,
}

impl Options {
    fn setup(self) -> Setup {
        let Self { target, libraries, clang } = self;
        Setup { target: target.as_deref().map(linkjit_repl::triple), libraries, clang }
    }
}

fn main() -> ExitCode {
    let done = match CommandLine::parse().command {
        Command::Run { connection, options } => run(&connection, options.setup()),
        Command::Install { user: _, sys_prefix, prefix, name, display_name, options } => {
            let place = match prefix {
                Some(directory) => Place::Prefix(directory),
                None if sys_prefix => Place::Environment,
                None => Place::User,
            };
            install(&place, name, display_name, &options.setup())
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("linkjit-jupyter: error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn install(place: &Place, name: Option<String>, title: Option<String>, setup: &Setup) -> Result<()> {
    let (usual_name, usual_title) = install::names(setup.target.as_deref());
    let (name, title) = (name.unwrap_or(usual_name), title.unwrap_or(usual_title));
    let directory = install::install(place, &name, &title, setup)?;
    println!("installed the kernel {name} in {}", directory.display());
    Ok(())
}

/// Is a kernel until a client ends it.
fn run(connection: &Path, setup: Setup) -> Result<()> {
    let connection = Connection::read(connection)?;
    let (replies, replies_to_send) = tokio::sync::mpsc::unbounded_channel();
    let (jobs, jobs_to_do) = mpsc::channel();
    let (answers, answers_to_take) = mpsc::channel();
    let (end, ended) = tokio::sync::oneshot::channel();
    let (sink, reins) = (Sink::new(replies), Reins::default());
    let answers_to_take = Answers(Mutex::new(answers_to_take));
    let kernel = Kernel::new(jobs_to_do, setup, sink.clone(), Streams::new(&sink)?, reins.clone(), answers_to_take);
    let serve = move || {
        kernel.serve();
        let _nobody_waits = end.send(());
    };
    thread::Builder::new().name("linkjit kernel".into()).spawn(serve)?;
    let interrupted = reins.clone();
    ctrlc::set_handler(move || interrupted.interrupt()).map_err(std::io::Error::other)?;
    end_with_parent()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let queues = Queues { jobs, answers, replies: replies_to_send, ended };
    runtime.block_on(sockets::serve(&connection, queues, &sink, &reins))
}

/// Ends the kernel when Jupyter has ended without a word: nobody else would.
fn end_with_parent() -> Result<()> {
    // Jupyter sets it.
    #[cfg(unix)]
    if std::env::var_os("JPY_PARENT_PID").is_some() {
        let parent = std::os::unix::process::parent_id();
        let watch = move || {
            while std::os::unix::process::parent_id() == parent {
                thread::sleep(std::time::Duration::from_secs(1));
            }
            // Clang and the program's process end when this one is gone.
            std::process::exit(1);
        };
        thread::Builder::new().name("linkjit parent".into()).spawn(watch)?;
    }
    Ok(())
}
