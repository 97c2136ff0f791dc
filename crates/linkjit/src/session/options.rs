//! Options and counters of a session.

use std::ops::AddAssign;
use std::path::PathBuf;
use std::time::Duration;

use super::Limits;
use crate::compile::IrCompiler;
use crate::crt::CrtProvider;

/// The policy says how much of an object is linked when something of it is wanted.
///
/// ```
/// # fn main() -> linkjit::Result<()> {
/// # use linkjit::{LinkPolicy, SourceModule};
/// # let text = ".section .text.f,\"ax\"\n.globl f\nf: mov $1,%eax\nret\n.section .text.g,\"ax\"\n.globl g\ng: jmp missing@PLT\n";
/// # let object = SourceModule::text("doc.s", text).compile()?;
/// // `object` has `f`, which needs nothing, and `g`, which calls `missing`, each in a section of its own.
/// let [some, all] = [LinkPolicy::Demand, LinkPolicy::Whole].map(|policy| {
///     let jit = linkjit::Jit::builder().policy(policy).build()?;
///     jit.add_object(&object)?;
///     jit.lookup("f").map(|_| jit.session().statistics().code_bytes)
/// });
/// assert!(some.is_ok());
/// assert!(all.unwrap_err().to_string().contains("missing"));
/// # Ok(()) }
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LinkPolicy {
    /// The batch links what lookups reach, and initializers. The rest follows when somebody asks for it.
    #[default]
    Demand,
    /// Everything that the object defines.
    Whole,
}

/// The options that a session is made with.
#[derive(Clone, Debug)]
pub struct SessionOptions {
    /// The policy says how much of an object is linked.
    pub policy: LinkPolicy,
    /// Bytes of address space to be reserved for each JITDylib, and again whenever that is used up; more where a batch
    /// needs more (ELF). Code and data of one window reach each other directly, if it has at most 2 GiB.
    pub window_size: u64,
    /// The limits say how much there may be in the session.
    pub limits: Limits,
    /// The number of threads that the session may have to materialize units and to do the lookups of futures, beside those that
    /// wait for it. They are started when there is something to do for them. 0: everything is done by the threads that
    /// ask for it; `None`: as many as the machine runs at once.
    pub threads: Option<usize>,
    /// The directories of the libraries that objects themselves ask for (COFF `/defaultlib`, ELF `.deplibs`).
    pub library_paths: Vec<PathBuf>,
    /// The source of the C runtime that objects for Windows ask for.
    pub crt: CrtProvider,
    /// The session remembers what is added, sources included, so that its executor
    /// [can be replaced](crate::ExecutionSession::replace_executor).
    pub replaceable: bool,
    /// Compiles LLVM IR; `None`: one that is opened when the session is first given some ([`IrCompiler::open`]).
    pub ir_compiler: Option<IrCompiler>,
}

impl Default for SessionOptions {
    fn default() -> Self {
        Self {
            policy: LinkPolicy::default(),
            window_size: 1 << 30,
            limits: Limits::default(),
            threads: None,
            library_paths: Vec::new(),
            crt: CrtProvider::default(),
            replaceable: false,
            ir_compiler: None,
        }
    }
}

/// The times that a session's batches took, by phase.
#[derive(Clone, Copy, Debug, Default)]
pub struct BatchTimes {
    /// Finding definitions: lookups, generators, pruning.
    pub find: Duration,
    /// Table entries, layout, memory.
    pub place: Duration,
    /// Copying and fixing up.
    pub fix: Duration,
    /// Protections, unwind tables, thread-local images, publication.
    pub finalize: Duration,
}

/// The numbers of what a session has linked so far.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct Statistics {
    /// Batches: lookups that had something to link.
    pub batches: u64,
    /// Objects of which something was linked, pulled archive members included.
    pub objects: u64,
    /// Units that were materialized: functions of LLVM IR that were compiled because they were called, among others.
    pub units: u64,
    /// Blocks placed.
    pub blocks: u64,
    /// Edges applied.
    pub edges: u64,
    /// Bytes of code, stubs included.
    pub code_bytes: u64,
    /// Bytes of read-only data, unwind tables included.
    pub read_only_bytes: u64,
    /// Bytes of writable data.
    pub writable_bytes: u64,
    /// Windows of address space that were reserved.
    pub windows: u64,
    /// Time, by phase.
    pub times: BatchTimes,
}

impl AddAssign for Statistics {
    fn add_assign(&mut self, more: Self) {
        let Self {
            batches,
            objects,
            units,
            blocks,
            edges,
            code_bytes,
            read_only_bytes,
            writable_bytes,
            windows,
            times,
        } = self;
        *batches += more.batches;
        *objects += more.objects;
        *units += more.units;
        *blocks += more.blocks;
        *edges += more.edges;
        *code_bytes += more.code_bytes;
        *read_only_bytes += more.read_only_bytes;
        *writable_bytes += more.writable_bytes;
        *windows += more.windows;
        times.find += more.times.find;
        times.place += more.times.place;
        times.fix += more.times.fix;
        times.finalize += more.times.finalize;
    }
}
