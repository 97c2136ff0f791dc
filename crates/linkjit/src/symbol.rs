//! Results of lookups, through which functions are called and variables used.

use std::fmt;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};

use crate::session::ExecutionSession;

/// A function or variable that was looked up, as a pointer of type `P`, to which it dereferences: a function is called
/// as if this were the function pointer.
///
/// It is a handle of the session: while it exists, dropping all others (the [`Jit`](crate::Jit), its JITDylibs) gives
/// no memory back, so that it can be stored beside them in any order. What is removed or closed on purpose goes
/// nevertheless; those functions are `unsafe` for that reason. A copy of the pointer itself, `*symbol`, keeps nothing.
///
/// ```
/// # fn main() -> linkjit::Result<()> {
/// # let path = std::env::temp_dir().join(format!("linkjit-doc-symbol-{}.c", std::process::id()));
/// # std::fs::write(&path, "int counter = 1; int next(void) { return ++counter; }").unwrap();
/// use linkjit::Symbol;
///
/// struct Counter {
///     next: Symbol<unsafe extern "C" fn() -> i32>,
///     value: Symbol<*mut i32>,
/// }
///
/// let jit = linkjit::Jit::host()?;
/// jit.add_source_file(&path)?;
/// # std::fs::remove_file(&path).unwrap();
/// // SAFETY: `int next(void)`.
/// let counter = Counter { next: unsafe { jit.lookup_fn("next")? }, value: jit.lookup_ptr("counter")? };
/// // The code and the variable stay.
/// drop(jit);
/// // SAFETY: nobody else calls it.
/// unsafe { (counter.next)() };
/// // SAFETY: it is an `int`, and nobody else uses it.
/// assert_eq!(unsafe { **counter.value }, 2);
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Symbol<P> {
    pointer: P,
    /// Keeps the memory.
    session: ExecutionSession,
}

impl<P> Symbol<P> {
    pub(crate) fn new(pointer: P, session: ExecutionSession) -> Self {
        Self { pointer, session }
    }

    /// The session that it keeps.
    #[must_use]
    pub fn session(this: &Self) -> &ExecutionSession {
        &this.session
    }
}

impl<P> Deref for Symbol<P> {
    type Target = P;

    fn deref(&self) -> &P {
        &self.pointer
    }
}

/// A panic of what is called leaves it as it is.
impl<P: UnwindSafe> UnwindSafe for Symbol<P> {}
impl<P: RefUnwindSafe> RefUnwindSafe for Symbol<P> {}

impl<P: fmt::Debug> fmt::Debug for Symbol<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Symbol").field(&self.pointer).finish()
    }
}
