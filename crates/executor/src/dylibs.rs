//! JITDylibs as the shared libraries that linked code takes them for: requests to sessions.
//!
//! The system's loader does not know JITDylibs. Linked code gets functions of ours in place of the system's that open,
//! search and close libraries. They ask the sessions first; what no session has is the system's.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::{ExecAddr, ImageId, SymbolAddress, init, lock};

/// The way in which a library is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct OpenFlags {
    /// All that its code needs must be there (`RTLD_NOW`).
    pub now: bool,
    /// Others find its symbols without its handle (`RTLD_GLOBAL`).
    pub global: bool,
    /// It stays when it is closed (`RTLD_NODELETE`).
    pub keep: bool,
    /// Only if it is open (`RTLD_NOLOAD`).
    pub only_open: bool,
}

/// The place where a search for a symbol begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum SearchFrom {
    /// With a JITDylib, followed by what it needs.
    Image(ImageId),
    /// With the program, then what is open to all.
    Program {
        /// The code that asks, or null.
        caller: ExecAddr,
        /// Then with its JITDylib (`RTLD_DEFAULT`).
        with_own: bool,
    },
    /// Behind the JITDylib of the code that asks (`RTLD_NEXT`).
    Behind {
        /// The code that asks.
        caller: ExecAddr,
    },
}

/// A request of linked code about the JITDylibs of a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum DylibRequest<'a> {
    /// Opens a JITDylib once more.
    Open {
        /// Its name.
        #[cfg_attr(feature = "serde", serde(borrow))]
        name: &'a [u8],
        /// How.
        flags: OpenFlags,
        /// The code that asks: that of another session is not answered. Null if nobody knows it.
        caller: ExecAddr,
    },
    /// Opens a JITDylib once more that is open.
    OpenAgain {
        /// The JITDylib.
        image: ImageId,
        /// It stays when it is closed.
        keep: bool,
    },
    /// Takes one opening back.
    Close {
        /// The JITDylib.
        image: ImageId,
    },
    /// Finds a symbol, which is linked if it was not.
    Find {
        /// The place to search.
        from: SearchFrom,
        /// The symbol.
        #[cfg_attr(feature = "serde", serde(borrow))]
        name: &'a [u8],
    },
    /// Tells what is at an address.
    Describe {
        /// The address.
        address: ExecAddr,
    },
    /// Initializes what was added to an open JITDylib.
    Update {
        /// The JITDylib.
        image: ImageId,
    },
}

/// The answer of a session.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum DylibReply {
    /// The code that asks is not its own, nor is what it asks about: another one is to be asked.
    NotHere,
    /// The code that asks is its own, and it has no such thing: the system may have it.
    LeftToSystem,
    /// It has the JITDylib, which is not open.
    NotOpen,
    /// The JITDylib is open.
    Opened(ImageId),
    /// It is closed, or others still have it open.
    Closed,
    /// The symbol is there.
    Found(SymbolAddress),
    /// The address is one of linked code.
    Described(AddressOf),
    /// Why that can't be done.
    Failed(String),
}

/// The things at an address of linked code.
#[derive(Clone, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct AddressOf {
    /// The name of the JITDylib.
    pub dylib: String,
    /// The beginning of its memory.
    pub base: ExecAddr,
    /// The function or variable there, and where it begins.
    pub symbol: Option<(Vec<u8>, ExecAddr)>,
}

/// Answers what linked code asks of JITDylibs.
pub type AskDylibs = dyn Fn(DylibRequest<'_>) -> DylibReply + Send + Sync;

/// By executor: who answers for its session.
static SESSIONS: Mutex<BTreeMap<u32, Asked>> = Mutex::new(BTreeMap::new());

#[derive(Clone)]
#[cfg_attr(not(any(glibc_x86_64, windows_x86_64)), allow(dead_code, reason = "nothing is interposed there"))]
struct Asked(Arc<AskDylibs>);

/// Takes the lock for a fork.
#[cfg(glibc_x86_64)]
pub(crate) fn hold(held: &mut crate::fork::Held) -> bool {
    held.hold_static(&SESSIONS)
}

/// See [`crate::Executor::serve_dylibs`].
pub(crate) fn serve(owner: u32, ask: Arc<AskDylibs>) {
    // The lock is free when the old one drops what it owns.
    let old = lock(&SESSIONS).insert(owner, Asked(ask));
    drop(old);
}

/// The executor goes away.
pub(crate) fn forget_all_of(owner: u32) {
    let old = lock(&SESSIONS).remove(&owner);
    drop(old);
}

/// An answer, and the executor whose session has given it, if one has.
#[derive(Debug)]
#[cfg_attr(not(any(glibc_x86_64, windows_x86_64)), allow(dead_code, reason = "nothing is interposed there"))]
pub(crate) struct Answer {
    pub(crate) reply: DylibReply,
    #[cfg_attr(not(glibc_x86_64), allow(dead_code, reason = "libraries need nothing of programs there"))]
    pub(crate) owner: Option<u32>,
}

/// Asks the session of the code that asks. If nobody knows whose that is, because it has called us in its very last step and
/// its caller is no linked code, all sessions are asked, the newest first.
#[cfg_attr(not(any(glibc_x86_64, windows_x86_64)), allow(dead_code, reason = "nothing is interposed there"))]
pub(crate) fn ask(request: DylibRequest<'_>) -> DylibReply {
    answer(request).reply
}

/// The same, with who answers.
#[cfg_attr(not(any(glibc_x86_64, windows_x86_64)), allow(dead_code, reason = "nothing is interposed there"))]
pub(crate) fn answer(request: DylibRequest<'_>) -> Answer {
    // The lock is not held while they are asked: they link, and run initializers.
    let sessions: Vec<(u32, Asked)> = lock(&SESSIONS).iter().rev().map(|(owner, ask)| (*owner, ask.clone())).collect();
    let ask_all = |request| {
        let of_image = match request {
            DylibRequest::Close { image }
            | DylibRequest::Update { image }
            | DylibRequest::OpenAgain { image, .. }
            | DylibRequest::Find { from: SearchFrom::Image(image), .. } => Some(init::owner_of(image)),
            _ => None,
        };
        let asked = sessions.iter().filter(|(owner, _)| of_image.is_none_or(|of_image| of_image == Some(*owner)));
        let mut replies = asked.map(|(owner, Asked(ask))| Answer { reply: ask(request), owner: Some(*owner) });
        replies.find(|answer| answer.reply != DylibReply::NotHere)
    };
    let answer = ask_all(request).or_else(|| match request {
        DylibRequest::Open { name, flags, caller } if !caller.is_null() => {
            ask_all(DylibRequest::Open { name, flags, caller: ExecAddr::NULL })
        }
        DylibRequest::Find { from: SearchFrom::Program { caller, with_own }, name } if !caller.is_null() => {
            let from = SearchFrom::Program { caller: ExecAddr::NULL, with_own };
            ask_all(DylibRequest::Find { from, name })
        }
        _ => None,
    });
    answer.unwrap_or(Answer { reply: DylibReply::NotHere, owner: None })
}
