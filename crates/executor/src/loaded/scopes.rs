//! Symbols of loaded objects, found without the loader: in the tables that it reads itself.
//!
//! A thread holds the loader's lock while it runs initializers of a library that it opens. These may wait for another
//! thread, which may call a function that is not linked yet; and `dlsym` takes the lock. It also changes what `dlerror`
//! says next, whether it succeeds or not: a program may call such a function between a failure and `dlerror`.
//!
//! The loader searches an object that was opened and its dependencies, breadth first (System V ABI, "Shared Object
//! Dependencies"). For the process it searches the executable, preloaded objects, and their dependencies; then objects
//! that were opened globally (`RTLD_GLOBAL`). We can't tell which objects others have opened globally. So if one may
//! have a name, we must ask the loader, as for names with a version and for symbols that a process has once
//! (`STB_GNU_UNIQUE`).

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};

use super::objects::for_each_object;
use super::tables::{Hashes, Search, Tables};
use crate::{ExecAddr, lock};

/// The place of a symbol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    At(ExecAddr),
    Nowhere,
    /// The loader knows.
    Unknown,
}

/// Objects that stay, in the order in which they are searched.
type Scope = Arc<[Tables<'static>]>;

/// By the loader's handle: libraries that stay open.
static OPENED: Mutex<BTreeMap<usize, Opened>> = Mutex::new(BTreeMap::new());

#[derive(Clone, Debug)]
struct Opened {
    /// So many libraries were opened before it.
    order: usize,
    /// `None` if something of it was not understood.
    scope: Option<Scope>,
    /// It is searched for the process, too.
    global: bool,
}

/// Takes the lock for a fork.
pub(crate) fn hold(held: &mut crate::fork::Held) -> bool {
    held.hold_static(&OPENED)
}

/// Notes a library that stays open; `base` is what has to be added to addresses in it.
pub(crate) fn note_opened(handle: usize, base: u64, global: bool) {
    let is_known = |opened: &Opened| opened.global || !global;
    if lock(&OPENED).get(&handle).is_some_and(is_known) {
        return;
    }
    // It stays open, and what it needs stays with it.
    let scope = scope(&|objects| Some(vec![objects.iter().position(|object| object.base() == base)?]));
    let mut opened = lock(&OPENED);
    let order = opened.len();
    opened.entry(handle).or_insert(Opened { order, scope, global }).global |= global;
}

/// The executable, what is preloaded, and what these need: it stays for the life of the process.
fn process() -> Option<&'static Scope> {
    static PROCESS: OnceLock<Option<Scope>> = OnceLock::new();
    let begins = |objects: &[Tables<'_>]| {
        // The loader lists what it searches at the start in the order in which it does: what is between the executable
        // and the first that the executable needs is preloaded.
        let first = objects.first()?.needed().next();
        let preloaded = match first {
            Some(name) => objects.iter().skip(1).position(|object| object.has_name(name))?,
            None => 0,
        };
        Some((0..=preloaded).collect())
    };
    PROCESS.get_or_init(|| scope(&begins)).as_ref()
}

/// Returns where a library, or the process (`RTLD_DEFAULT`), has names.
pub(crate) fn look_up(handle: usize, names: &[&[u8]]) -> Vec<Place> {
    if handle != libc::RTLD_DEFAULT as usize {
        let scope = lock(&OPENED).get(&handle).and_then(|opened| opened.scope.clone());
        let Some(scope) = scope else { return vec![Place::Unknown; names.len()] };
        return names.iter().map(|name| find(&scope, name, Hashes::new(name))).collect();
    }
    let Some(process) = process() else { return vec![Place::Unknown; names.len()] };
    let hashes: Vec<_> = names.iter().map(|name| Hashes::new(name)).collect();
    let mut places: Vec<_> = names.iter().zip(&hashes).map(|(name, hashes)| find(process, name, *hashes)).collect();
    let mut open: Vec<usize> = (0..places.len()).filter(|&at| places[at] == Place::Nowhere).collect();
    if open.is_empty() {
        return places;
    }
    // Behind that, what was opened for all, by us and by others.
    let mut opened: Vec<_> = lock(&OPENED).values().filter(|opened| opened.global).cloned().collect();
    opened.sort_unstable_by_key(|opened| opened.order);
    let Some(scopes) = opened.into_iter().map(|opened| opened.scope).collect::<Option<Vec<Scope>>>() else {
        open.iter().for_each(|&at| places[at] = Place::Unknown);
        return places;
    };
    let is_known = |base| scopes.iter().chain([process]).any(|scope| scope.iter().any(|known| known.base() == base));
    for_each_object(&mut |object| {
        if object.is_vdso || is_known(object.base()) {
            return;
        }
        let tables = Tables::new(*object);
        open.retain(|&at| {
            let is_absent = matches!(tables.search(names[at], hashes[at]), Search::Absent);
            if !is_absent {
                places[at] = Place::Unknown;
            }
            is_absent
        });
    });
    for at in open {
        let found = scopes.iter().map(|scope| find(scope, names[at], hashes[at]));
        places[at] = found.into_iter().find(|place| *place != Place::Nowhere).unwrap_or(Place::Nowhere);
    }
    places
}

fn find(scope: &Scope, name: &[u8], hashes: Hashes) -> Place {
    if name.contains(&b'@') {
        return Place::Unknown;
    }
    for tables in scope.iter() {
        match tables.search(name, hashes) {
            Search::Absent => {}
            Search::Found(symbol) => return tables.address(&symbol).map_or(Place::Unknown, Place::At),
            Search::Unclear => return Place::Unknown,
        }
    }
    Place::Nowhere
}

/// Says whether what has an address stays: it is the process's, or was opened and noted.
pub(crate) fn stays(address: ExecAddr) -> bool {
    let is_in = |scope: &Scope| scope.iter().any(|tables| tables.contains(address));
    process().is_some_and(is_in) || lock(&OPENED).values().filter_map(|opened| opened.scope.as_ref()).any(is_in)
}

/// The objects that `begin` gives the numbers of, and what they need, breadth first; they must stay.
fn scope(begin: &dyn Fn(&[Tables<'_>]) -> Option<Vec<usize>>) -> Option<Scope> {
    let mut objects: Vec<Tables<'static>> = Vec::new();
    for_each_object(&mut |object| {
        if !object.is_vdso {
            // SAFETY: those that the scope has stay, as the caller says; the others are not used but here.
            objects.push(Tables::new(unsafe { object.lasting() }));
        }
    });
    let mut order = begin(&objects)?;
    let mut at = 0;
    while let Some(object) = order.get(at).and_then(|&index| objects.get(index)) {
        if object.is_filter() {
            return None;
        }
        for name in object.needed() {
            let index = objects.iter().position(|object| object.has_name(name))?;
            if !order.contains(&index) {
                order.push(index);
            }
        }
        at += 1;
    }
    order.into_iter().map(|index| objects.get(index).copied()).collect()
}

#[cfg(test)]
mod tests {
    use std::ffi::CStr;

    use super::{Place, look_up, note_opened};
    use crate::{link_map, os};

    /// Symbols of all kinds: indirect functions, variables, those of old versions, and what nobody has.
    const NAMES: [&CStr; 15] = [
        c"printf",
        c"memcpy",
        c"strlen",
        c"stdout",
        c"environ",
        c"malloc",
        c"pthread_create",
        c"dlsym",
        c"realpath",
        c"timer_create",
        c"_ZNSsC1Ev",
        c"_ZSt4cout",
        c"nobody_has_this",
        c"__libc_start_main",
        c"errno",
    ];

    fn check(handle: usize) -> usize {
        let mut known = 0;
        for name in NAMES {
            let loader = os::find_symbol(handle, name);
            match look_up(handle, &[name.to_bytes()])[..] {
                [Place::At(address)] => assert_eq!(Some(address), loader, "{name:?}"),
                [Place::Nowhere] => assert_eq!(loader, None, "{name:?}"),
                _ => continue,
            }
            known += 1;
        }
        known
    }

    #[test]
    fn the_tables_say_what_the_loader_says() {
        let process = libc::RTLD_DEFAULT as usize;
        let known = check(process);
        assert!(known >= 11, "{known} of {}", NAMES.len());
        for library in [c"libm.so.6", c"libstdc++.so.6", c"libc.so.6"] {
            // SAFETY: a C string; these libraries have no initializers that matter here.
            let handle = unsafe { libc::dlopen(library.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL) } as usize;
            assert_ne!(handle, 0, "{library:?}");
            note_opened(handle, link_map::base(handle).unwrap(), true);
            let known = check(handle);
            assert!(known >= NAMES.len() - 1, "{library:?}: {known} of {}", NAMES.len());
        }
        let known = check(process);
        assert!(known >= NAMES.len() - 1, "{known} of {}", NAMES.len());
        assert_eq!(look_up(process, &[b"nobody_has_this"]), [Place::Nowhere]);
        assert!(matches!(look_up(process, &[b"printf"])[..], [Place::At(_)]));
    }
}
