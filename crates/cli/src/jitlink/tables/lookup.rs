//! The search for names in the link orders of JITDylibs.

use linkjit::ExecAddr;
use linkjit::executor::ExecRange;
use linkjit::executor::TlsAddress;
use linkjit_link::graph::{Linkage, Scope};
use linkjit_link::input::Binding;
use linkjit_link::names::NameId;
use linkjit_link::object::import_slots;
use linkjit_link::rules::AliasChain;
use linkjit_link::source::Source;

use super::{By, Dylib, Entry, NOBODY, Tables};
use crate::jitlink::execute::{RESULT_OVERRIDE, result_override};
use crate::jitlink::failure::{Failure, Result};
use crate::jitlink::interfaces::{REGION_END, REGION_SIZE};
use crate::jitlink::load::{Dylibs, Way, add_object};

/// Slots of imports of slots of imports, and so on, are taken for a circle if there are more.
const MOST_SLOTS: usize = 100;

impl Dylib {
    /// The member of an archive that defines a name, unless it was taken before.
    fn take_member(&mut self, name: &[u8]) -> Result<Option<(Source, Way)>> {
        for members in &mut self.archives {
            if let Some(member) = members.take(name)? {
                return Ok(Some((member, members.way)));
            }
        }
        Ok(None)
    }
}

impl Tables {
    /// A JITDylib and the others of its link order.
    fn order(&self, dylib: usize) -> impl Iterator<Item = usize> {
        let process = self.process.filter(|&process| process != dylib);
        std::iter::once(dylib).chain(self.dylibs[dylib].order.iter().copied()).chain(process)
    }

    /// The definition of a name that a JITDylib has so far.
    pub(in crate::jitlink) fn definition(&self, dylib: usize, name: NameId) -> Option<By> {
        Some(self.dylibs.get(dylib)?.symbols.get(&name)?.by)
    }

    /// The name that is missing if one is: the end of its chain of aliases, which nobody defines.
    #[cold]
    pub(in crate::jitlink) fn missing(&self, mut dylib: usize, mut name: NameId) -> String {
        let mut chain = AliasChain::new((dylib, name));
        loop {
            match self.order(dylib).find_map(|searched| self.definition(searched, name)) {
                Some(By::Alias(next, target)) if chain.follow((next, target)) => (dylib, name) = (next, target),
                _ => return self.text(name),
            }
        }
    }

    /// Finds a name in the link order of a JITDylib; archive members are added on the way, but not for weak
    /// references. `None` if it is nothing.
    pub(in crate::jitlink) fn look_up(
        &mut self,
        dylib: usize,
        name: NameId,
        weak: bool,
        is_tls: bool,
    ) -> Result<Option<Binding>> {
        let mut place = (dylib, name);
        let mut chain = AliasChain::new(place);
        loop {
            let mut entry = self.look_up_directly(place.0, place.1, weak)?;
            if entry.is_none() {
                if let Some(found) = self.look_up_outside(place.0, place.1, is_tls)? {
                    return Ok(Some(found));
                }
                entry = self.fall_back(place.0, place.1)?;
            }
            match entry.map(|entry| entry.by) {
                Some(By::Input(input, symbol)) => return Ok(Some(Binding::Input { input, symbol })),
                Some(By::Absolute(address)) => return Ok(Some(Binding::Linked(address))),
                Some(By::Alias(dylib, name)) => place = (dylib, name),
                None => return Ok(self.has_phony(place.0).then(|| null(is_tls))),
            }
            if !chain.follow(place) {
                return Err(self.circle(name));
            }
        }
    }

    /// The substitute for a name that nobody defines: the default of a weak external of COFF, another name, the slot of an
    /// import.
    fn fall_back(&mut self, dylib: usize, name: NameId) -> Result<Option<Entry>> {
        if let Some(entry) = self.order(dylib).find_map(|searched| self.dylibs[searched].symbols.get(&name)) {
            return Ok(Some(*entry).filter(|entry| entry.linkage == Linkage::Fallback));
        }
        let alternate = self
            .order(dylib)
            .find_map(|searched| Some((searched, self.dylibs[searched].alternates.get(&name)?.target)));
        if let Some((searched, target)) = alternate {
            return Ok(Some(Entry { by: By::Alias(searched, target), ..NOBODY }));
        }
        let bytes = self.names().bytes(name).to_vec();
        let Some(target) = import_slots::target(&bytes) else { return Ok(None) };
        let id = self.names().intern(target);
        // By other names it may be the slot of something, or its own.
        if self.slots_begun >= MOST_SLOTS {
            return Err(self.circle(name));
        }
        self.slots_begun += 1;
        // Of what is nothing, the slot is nothing, too.
        let phony = std::mem::take(&mut self.phony_externals);
        let found = self.look_up(dylib, id, false, false);
        self.phony_externals = phony;
        self.slots_begun -= 1;
        if found?.is_none() {
            return Ok(None);
        }
        let slot = import_slots::slot(target, self.arch(), &mut self.names())?;
        self.add_graph(dylib, slot)?;
        Ok(self.dylibs[dylib].symbols.get(&name).copied())
    }

    fn look_up_directly(&mut self, dylib: usize, name: NameId, weak: bool) -> Result<Option<Entry>> {
        for searched in self.order(dylib).collect::<Vec<_>>() {
            let is_visible = |entry: &&Entry| {
                let is_shown = searched == dylib || entry.scope == Scope::Default;
                is_shown && !entry.own && entry.linkage != Linkage::Fallback
            };
            if let Some(entry) = self.dylibs[searched].symbols.get_mut(&name).filter(|entry| is_visible(&&**entry)) {
                entry.searched = true;
                return Ok(Some(*entry));
            }
            if let Some(&target) = self.dylibs[searched].exports.get(&name).filter(|_| searched != dylib) {
                return Ok(Some(Entry { by: By::Alias(searched, target), ..NOBODY }));
            }
            let alternate = self.dylibs[searched].alternates.get(&name);
            if weak || alternate.is_some_and(|alternate| !alternate.after_libraries) {
                continue;
            }
            let bytes = self.names().bytes(name).to_vec();
            if let Some((member, way)) = self.dylibs[searched].take_member(&bytes)? {
                add_object(self, searched, &member, way)?;
                if let Some(entry) = self.dylibs[searched].symbols.get(&name).filter(is_visible) {
                    return Ok(Some(*entry));
                }
            }
        }
        Ok(None)
    }

    /// Libraries of the link order, and the process.
    fn look_up_outside(&mut self, dylib: usize, name: NameId, thread_local: bool) -> Result<Option<Binding>> {
        if let Some(&found) = self.found.get(&(dylib, name)) {
            return Ok(Some(found));
        }
        let bytes = self.names().bytes(name).to_vec();
        let in_libraries = |searched: usize| {
            let table = &self.dylibs[searched];
            let found = table.libraries.iter().find_map(|&library| self.libraries.find(library, &bytes, thread_local));
            found.or_else(|| table.nulls.contains(&bytes).then(|| null(thread_local)))
        };
        let found = self.order(dylib).find_map(in_libraries);
        let found = match found {
            Some(found) => Some(found),
            None if self.has_phony(dylib) => None,
            None if bytes == RESULT_OVERRIDE.as_bytes() => Some(Binding::Linked(result_override())),
            None if self.process_symbols => self.libraries.find_in_process(&bytes, thread_local)?,
            None => None,
        };
        self.found.extend(found.map(|found| ((dylib, name), found)));
        Ok(found)
    }

    /// Returns whether names that nobody defines are null for a JITDylib. As in LLVM, it is `main` that has them: the
    /// process's symbols behind it are not seen.
    fn has_phony(&self, dylib: usize) -> bool {
        self.phony_externals && (dylib == 0 || self.dylibs[dylib].order.contains(&0))
    }

    /// Moves the shared libraries, which the graphs `order` refer to.
    pub(in crate::jitlink) fn move_libraries(&mut self, order: &[u32], end: u64) {
        let from = ExecRange { start: ExecAddr(REGION_END - REGION_SIZE), end: ExecAddr(REGION_END) };
        let moved = |binding: Binding| match binding {
            Binding::Linked(address) if from.contains(address) => {
                Some(Binding::Linked(ExecAddr(end - REGION_SIZE + address.distance_from(from.start).cast_unsigned())))
            }
            _ => None,
        };
        for &member in order {
            let input = &mut self.inputs[member as usize];
            for symbol in input.graph.symbol_ids() {
                if let Some(binding) = moved(input.binding(symbol)) {
                    input.bind(symbol, binding);
                }
            }
        }
        for binding in self.found.values_mut() {
            *binding = moved(*binding).unwrap_or(*binding);
        }
    }

    #[cold]
    fn circle(&self, name: NameId) -> Failure {
        Failure::link(format!("alias '{}' is defined by itself", self.text(name)))
    }
}

/// The substitute for a name that is nowhere.
fn null(thread_local: bool) -> Binding {
    let null = TlsAddress { module: 0, offset: 0, thread_offset: Some(0) };
    if thread_local { Binding::LinkedThreadLocal(null) } else { Binding::Linked(ExecAddr::NULL) }
}
