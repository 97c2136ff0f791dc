//! Finding: from wanted names to a set of graphs in which every live symbol is bound.
//!
//! The search works in waves. A wave follows all edges that were not followed yet, and looks up the externals that it
//! reaches in the tables. It gives those that are not there to the generators of the link order, all at once. The
//! definitions that it finds may bring new graphs, hence new externals, for the next wave.

use foldhash::fast::FixedState;
use hashbrown::HashSet;
use linkjit_link::graph::{Lifetime, Linkage, Request, SymbolId};
use linkjit_link::input::{Binding, Input};
use linkjit_link::names::NameId;
use linkjit_link::rules::AliasChain;

use super::{Ask, Batch, Found, Goal};
use crate::error::{Error, Result};
use crate::jitdylib::JitDylib;
use crate::plugin::Stage;
use crate::session::{
    Address, DefinedBy, DefinitionGenerator, DylibId, Entry, Generator, LinkPolicy, LookupKind, MatchScope, ObjectId,
    Roots,
};

/// A name that is searched.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unfound {
    pub(crate) name: NameId,
    /// Code refers to it as a thread-local variable.
    pub(crate) thread_local: bool,
    /// It may stay missing.
    pub(crate) weak: bool,
    pub(crate) kind: LookupKind,
    /// Code refers to it. If it is a weak external, its default waits until everything else is found.
    pub(crate) is_from_code: bool,
}

impl Unfound {
    /// One that a lookup needs.
    pub(crate) fn required(name: NameId) -> Self {
        Self { name, thread_local: false, weak: false, kind: LookupKind::Static, is_from_code: false }
    }

    /// Says what a search that may see `scope` may see for it: a running program sees what is exported.
    pub(super) fn scope(&self, scope: MatchScope) -> MatchScope {
        if self.kind == LookupKind::Dlsym { MatchScope::Exported } else { scope }
    }

    /// One that nothing is to be pulled for.
    fn again(name: NameId) -> Self {
        Self { weak: true, ..Self::required(name) }
    }
}

impl Batch<'_> {
    /// Finds what the lookup wants and all that this needs, or what has to be done before it can be found.
    pub(super) fn find(&mut self) -> Result<()> {
        let dylib = self.query.dylib;
        if let Some(which) = self.query.goal.roots() {
            self.adopt_roots(dylib, which)?;
        }
        let names = self.query.names.clone();
        self.find_names(dylib, &names)?;
        self.follow()?;
        if !self.plugins.is_empty() && self.work.is_empty() {
            self.run_passes(Stage::PostPrune)?;
            self.follow_anew()?;
        }
        // A pass may have defined what replaces something.
        while self.rebind_overridden()? || self.find_allocator()? || self.adopt_roots_of_used()? {
            self.follow()?;
        }
        for Input { graph, reach, .. } in self.inputs.iter_mut() {
            reach.sort(graph);
        }
        Ok(())
    }

    /// Finds what names need that were awaited, and what has to be done for that.
    pub(super) fn find_awaited(&mut self, awaited: &[(DylibId, NameId)]) -> Result<()> {
        for names in awaited.chunk_by(|one, other| one.0 == other.0) {
            let Some(&(dylib, _)) = names.first() else { continue };
            let names: Vec<_> = names.iter().map(|&(_, name)| Unfound::required(name)).collect();
            self.find_names(dylib, &names)?;
        }
        self.follow()
    }

    pub(super) fn find_names(&mut self, dylib: DylibId, names: &[Unfound]) -> Result<()> {
        self.look_up(dylib, names)?;
        for unfound in names {
            if let Some(found) = self.found.get(&(dylib, unfound.name)) {
                self.reach(found.binding);
            }
        }
        Ok(())
    }

    /// Takes all objects into the batch that are to be initialized and were not linked yet.
    fn adopt_roots(&mut self, dylib: DylibId, which: Roots) -> Result<()> {
        let mut state = self.session.state();
        let order = state.dependency_order([dylib]);
        let objects: Vec<ObjectId> = order.into_iter().flat_map(|dylib| state.unlinked_roots(dylib, which)).collect();
        drop(state);
        self.adopt_all(&objects)
    }

    /// Takes objects into the batch, or has them materialized.
    fn adopt_all(&mut self, objects: &[ObjectId]) -> Result<()> {
        let state = self.session.state();
        let (pending, objects): (Vec<_>, Vec<_>) = objects.iter().partition(|&&object| state.is_pending(object));
        drop(state);
        self.pending.extend(&pending);
        self.work.objects.extend(pending);
        for object in objects {
            self.adopt(object)?;
        }
        Ok(())
    }

    /// Takes those objects into the batch, too, that are to be initialized because the batch binds code to their JITDylibs,
    /// or they have what the lookup wants, though they are initialized on demand. False if there are none.
    fn adopt_roots_of_used(&mut self) -> Result<bool> {
        if !self.query.goal.initializes_used() {
            return Ok(false);
        }
        let mut state = self.session.state();
        let on_demand: Vec<_> = state.on_demand_dylibs().collect();
        if on_demand.is_empty() {
            return Ok(false);
        }
        let definer = |unfound: &Unfound| Some(self.found.get(&(self.query.dylib, unfound.name))?.definer.0);
        let wanted: Vec<_> = self.query.names.iter().filter_map(definer).collect();
        let has_input = |dylib: &DylibId| self.inputs.iter().any(|input| input.dylib == dylib.0);
        let is_used = |dylib: &DylibId| wanted.contains(dylib) || has_input(dylib);
        let order = state.dependency_order(on_demand.into_iter().filter(is_used));
        let objects = order.into_iter().flat_map(|dylib| state.unlinked_roots(dylib, Roots::All));
        let is_new = |object: &ObjectId| !self.input_of.contains_key(object) && !self.pending.contains(object);
        let objects: Vec<_> = objects.filter(is_new).collect();
        drop(state);
        self.adopt_all(&objects)?;
        Ok(!objects.is_empty())
    }

    /// Takes an object into the batch; returns its input. Marks what is wanted of any object that is linked at all.
    pub(super) fn adopt(&mut self, object: ObjectId) -> Result<u32> {
        if let Some(&input) = self.input_of.get(&object) {
            return Ok(input);
        }
        let (input, is_first) = self.session.state().lend(object).ok_or(Error::Closed)?;
        let index = self.inputs.push(input);
        self.objects.push(object);
        self.unfollowed.push(index);
        self.input_of.insert(object, index);
        // From here on rolling back finds it, whatever a plugin does.
        self.plugins.add_passes(&self.inputs);
        let input = &mut self.inputs[index as usize];
        self.plugins.run(Stage::PrePrune, (index as usize, &mut *input), self.session.names_mutex())?;
        let Input { graph, reach, .. } = input;
        reach.reserve(graph);
        // What was inherited since, at most, if something of it was linked before.
        for block in graph.retained.clone() {
            reach.mark_block(graph, block);
        }
        if !is_first {
            return Ok(index);
        }
        for request in graph.requests.clone() {
            if let Request::Include(symbol) = request
                && reach.mark_symbol(graph, symbol)
            {
                self.wanted.push((index, symbol));
            }
        }
        match self.session.options().policy {
            LinkPolicy::Whole => reach.mark_all(graph),
            // All thread-local variables of an object are in one block of storage: local-dynamic code relies on it.
            LinkPolicy::Demand if graph.has_thread_local_sections() => {
                for block in graph.block_ids() {
                    if graph.section(graph.block(block).section).lifetime == Lifetime::ThreadLocal {
                        reach.mark_block(graph, block);
                    }
                }
            }
            LinkPolicy::Demand => {}
        }
        Ok(index)
    }

    /// Follows all that is live once more: passes may have added blocks, and changed what edges refer to.
    fn follow_anew(&mut self) -> Result<()> {
        self.lists.start_anew();
        for (index, Input { graph, reach, .. }) in (0u32..).zip(self.inputs.iter_mut()) {
            reach.start_anew(graph);
            self.unfollowed.push(index);
        }
        self.follow()
    }

    /// Makes live what a symbol was bound to.
    #[inline]
    pub(super) fn reach(&mut self, binding: Binding) {
        let Binding::Input { input, symbol } = binding else { return };
        let Input { graph, reach, .. } = &mut self.inputs[input as usize];
        if reach.mark_symbol(graph, symbol) {
            self.wanted.push((input, symbol));
        }
        if reach.has_new() {
            self.unfollowed.push(input);
        }
    }

    /// Follows edges and binds externals until nothing is left to do, or to be found.
    fn follow(&mut self) -> Result<()> {
        loop {
            while let Some(input) = self.unfollowed.pop() {
                let wanted = &mut self.wanted;
                let Input { graph, reach, .. } = &mut self.inputs[input as usize];
                reach.follow(graph, |symbol| wanted.push((input, symbol)));
                self.weak.extend(reach.take_weak().into_iter().map(|symbol| (input, symbol)));
            }
            if !self.wanted.is_empty() {
                self.bind_wanted()?;
            } else if !self.weak.is_empty() {
                // When all libraries are open that are needed.
                self.yield_vague()?;
            } else if !self.bind_unbound()?
                && !self.reach_late_sections()
                && !self.reach_walked()?
                && !self.bind_alternates()?
            {
                return Ok(());
            }
        }
    }

    /// Binds the externals of a wave.
    fn bind_wanted(&mut self) -> Result<()> {
        let wave = std::mem::take(&mut self.wanted);
        let mut unfound: Vec<(DylibId, Vec<Unfound>)> = Vec::new();
        // Many objects refer to one name.
        let mut sought: HashSet<(DylibId, NameId, bool), FixedState> = HashSet::default();
        for &(input, symbol) in &wave {
            let holder = &self.inputs[input as usize];
            let (dylib, symbol) = (DylibId(holder.dylib), holder.graph.symbol(symbol));
            let Some(name) = symbol.global_name() else { continue };
            let weak = symbol.linkage == Linkage::Weak;
            if self.found.contains_key(&(dylib, name)) || !sought.insert((dylib, name, weak)) {
                continue;
            }
            let thread_local = symbol.thread_local;
            let unfound_name = Unfound { thread_local, weak, is_from_code: true, ..Unfound::required(name) };
            match unfound.iter_mut().find(|(other, _)| *other == dylib) {
                Some((_, names)) => names.push(unfound_name),
                None => unfound.push((dylib, vec![unfound_name])),
            }
        }
        for (dylib, names) in unfound {
            self.look_up(dylib, &names)?;
        }
        for (input, symbol) in wave {
            let holder = &self.inputs[input as usize];
            let (dylib, from) = (DylibId(holder.dylib), holder.graph.symbol(symbol));
            let (Some(name), linkage) = (from.global_name(), from.linkage) else { continue };
            if !self.try_bind(input, symbol, (dylib, name))? {
                // A weak reference is no reason to pull a member of an archive, but is bound to one that is pulled for
                // another reason, later perhaps.
                if linkage == Linkage::Weak {
                    self.bind(input, symbol, Binding::Missing);
                }
                self.unbound.push((input, symbol));
            }
        }
        Ok(())
    }

    fn bind(&mut self, input: u32, symbol: SymbolId, binding: Binding) {
        self.binds_linked |= matches!(binding, Binding::Linked(_) | Binding::LinkedThreadLocal(_));
        self.inputs[input as usize].bind(symbol, binding);
        self.reach(binding);
    }

    /// Binds a reference to what was found for its name, or to what the linker itself defines. Returns whether there is one.
    fn try_bind(&mut self, input: u32, symbol: SymbolId, name: (DylibId, NameId)) -> Result<bool> {
        match self.found.get(&name).map(|found| found.binding) {
            Some(binding) => self.bind(input, symbol, binding),
            None => return self.bind_special(input, symbol, name.1),
        }
        Ok(true)
    }

    /// Tries again to bind what was not found when it was wanted. Returns whether something was bound.
    pub(super) fn bind_unbound(&mut self) -> Result<bool> {
        let mut any = false;
        for (input, symbol) in std::mem::take(&mut self.unbound) {
            let holder = &self.inputs[input as usize];
            let dylib = DylibId(holder.dylib);
            let Some(name) = holder.graph.symbol(symbol).global_name() else { continue };
            if !self.found.contains_key(&(dylib, name)) {
                self.look_up_again((dylib, name))?;
            }
            if self.try_bind(input, symbol, (dylib, name))? {
                any = true;
            } else {
                self.unbound.push((input, symbol));
            }
        }
        Ok(any)
    }

    /// Looks up in the tables what was not found before; if it is an alias, its target.
    fn look_up_again(&mut self, name: (DylibId, NameId)) -> Result<()> {
        loop {
            let end = self.alias_end(name)?;
            let order = self.session.state().dylib(end.0).map(|table| table.link_order().to_vec());
            for searched in order.unwrap_or_default() {
                if self.look_up_in(end.0, searched, vec![Unfound::again(end.1)])?.is_empty() {
                    break;
                }
            }
            if let Some(&found) = self.found.get(&end) {
                self.found.insert(name, found);
            }
            if self.alias_end(name)? == end {
                return Ok(());
            }
        }
    }

    /// Looks names up in the link order of a JITDylib, aliases followed, and enters what is found into `found`.
    pub(super) fn look_up(&mut self, dylib: DylibId, names: &[Unfound]) -> Result<()> {
        let mut pending = vec![(dylib, names.to_vec())];
        while let Some((dylib, names)) = pending.pop() {
            self.look_up_in_order(dylib, names)?;
            for (dylib, target) in std::mem::take(&mut self.alias_targets) {
                let is_new = |name| !self.found.contains_key(&name) && !self.aliases.contains_key(&name);
                // What a closed JITDylib had is missing.
                if is_new((dylib, target.name)) && self.session.state().dylib(dylib).is_ok() {
                    pending.push((dylib, vec![target]));
                }
            }
        }
        if self.aliases.is_empty() {
            return Ok(());
        }
        for name in names.iter().map(|name| (dylib, name.name)) {
            let end = self.alias_end(name)?;
            if end == name {
                continue;
            }
            self.shorten_aliases(name, end);
            if let Some(&found) = self.found.get(&end) {
                self.found.insert(name, found);
            }
        }
        Ok(())
    }

    /// Makes all aliases of a chain lead to its end at once: many names may begin in the middle of a long one.
    fn shorten_aliases(&mut self, mut name: (DylibId, NameId), end: (DylibId, NameId)) {
        while let Some(next) = self.aliases.get_mut(&name).filter(|next| **next != end) {
            name = std::mem::replace(next, end);
        }
    }

    /// Finds what a name is, in the end, an alias for: itself if it is none.
    pub(super) fn alias_end(&self, name: (DylibId, NameId)) -> Result<(DylibId, NameId)> {
        let (mut chain, mut end) = (AliasChain::new(name), name);
        while let Some(&target) = self.aliases.get(&end) {
            if !chain.follow(target) {
                return Err(Error::AliasCycle { name: self.session.names().text(name.1).into_owned() });
            }
            end = target;
        }
        Ok(end)
    }

    /// Searches one JITDylib of the link order after the other: first what it defines, then what its generators know.
    fn look_up_in_order(&mut self, dylib: DylibId, mut unfound: Vec<Unfound>) -> Result<()> {
        unfound.retain(|unfound| !self.found.contains_key(&(dylib, unfound.name)));
        let order = self.session.state().dylib(dylib)?.link_order().to_vec();
        for (position, &(searched, scope)) in order.iter().enumerate() {
            unfound = self.look_up_in(dylib, (searched, scope), unfound)?;
            if position == 0 {
                // Mostly few are left.
                unfound.sort_by_key(|unfound| (unfound.name, unfound.weak));
                unfound.dedup_by_key(|unfound| unfound.name);
            }
            unfound = self.take_alternates(dylib, searched, unfound)?;
            self.open_default_libraries(searched)?;
            let generators = self.session.state().dylib(searched)?.generators().to_vec();
            for generator in generators {
                if unfound.is_empty() {
                    return Ok(());
                }
                if generator.is_from_user {
                    unfound = self.leave_to_generator(searched, &generator, unfound)?;
                } else {
                    let place = generator.place(self.session, searched);
                    self.generate(&place, generator.definitions.as_ref(), &unfound)?;
                }
                // Also what was defined for another lookup just now.
                unfound = self.look_up_in(dylib, (searched, scope), unfound)?;
            }
        }
        if self.has_dependencies(&order, &unfound)? {
            return self.look_up_in_order(dylib, unfound);
        }
        let unfound = self.ask_compiler_runtime(dylib, unfound)?;
        let unfound = self.look_up_open_to_all(dylib, unfound)?;
        self.fall_back(dylib, &order, unfound)
    }

    /// Looks names up that code refers to in JITDylibs that a running program has opened for all. Returns those that are in none.
    fn look_up_open_to_all(&mut self, dylib: DylibId, unfound: Vec<Unfound>) -> Result<Vec<Unfound>> {
        let (mut from_code, mut others): (Vec<_>, Vec<_>) =
            unfound.into_iter().partition(|unfound| unfound.is_from_code);
        if !from_code.is_empty() {
            let searched = self.session.state().open_to_all();
            for searched in searched.into_iter().filter(|searched| *searched != dylib) {
                from_code = self.look_up_in(dylib, (searched, MatchScope::Exported), from_code)?;
            }
        }
        others.extend(from_code);
        Ok(others)
    }

    /// Looks names up in the table of one JITDylib, for code of `dylib`; returns those that it does not show.
    pub(super) fn look_up_in(
        &mut self,
        dylib: DylibId,
        (searched, scope): (DylibId, MatchScope),
        names: Vec<Unfound>,
    ) -> Result<Vec<Unfound>> {
        let entries: Vec<_> = {
            let mut state = self.session.state();
            state.mend_vague(searched, names.iter().map(|unfound| unfound.name));
            let table = state.dylib(searched)?;
            let exported = |name| table.image_requests().exported(searched, name);
            let visible = |unfound: &Unfound| table.visible(unfound.name, unfound.scope(scope)).copied();
            names.iter().map(|unfound| visible(unfound).or_else(|| exported(unfound.name))).collect()
        };
        let mut unfound = Vec::new();
        for (name, entry) in names.into_iter().zip(entries) {
            match entry {
                Some(entry) => self.enter(dylib, searched, name, &entry)?,
                None => unfound.push(name),
            }
        }
        Ok(unfound)
    }

    /// Enters what a name was found to be, for code of `dylib`.
    pub(super) fn enter(&mut self, dylib: DylibId, searched: DylibId, name: Unfound, entry: &Entry) -> Result<()> {
        let binding = match (entry.address, entry.by) {
            (_, DefinedBy::Alias(other, target)) => {
                self.enter_alias(dylib, name, (other, target));
                return Ok(());
            }
            (_, DefinedBy::Object(..) | DefinedBy::Pending(_)) if self.query.goal == Goal::Find => Binding::None,
            (Some(Address::ThreadLocal(address)), DefinedBy::Object(..)) => Binding::LinkedThreadLocal(address),
            (Some(Address::ThreadLocal(address)), DefinedBy::Outside | DefinedBy::Found) => {
                Binding::OutsideThreadLocal(address)
            }
            (Some(Address::At(address)), DefinedBy::Object(..)) => Binding::Linked(address),
            (Some(Address::At(address)), DefinedBy::Outside | DefinedBy::Found) => Binding::Outside(address),
            (None, DefinedBy::Object(object, symbol)) => Binding::Input { input: self.adopt(object)?, symbol },
            (_, DefinedBy::Pending(object)) => {
                self.session.state().request(object, name.name);
                self.awaited.insert((dylib, name.name));
                if self.pending.insert(object) {
                    self.work.objects.push(object);
                }
                return Ok(());
            }
            (None, DefinedBy::Outside | DefinedBy::Found) => return Ok(()),
        };
        self.found.insert((dylib, name.name), Found { binding, definer: (searched, name.name) });
        Ok(())
    }

    /// Notes that a name is another one to code of `dylib`.
    pub(super) fn enter_alias(&mut self, dylib: DylibId, name: Unfound, target: (DylibId, NameId)) {
        self.aliases.insert((dylib, name.name), target);
        self.alias_targets.push((target.0, Unfound { name: target.1, ..name }));
    }

    /// Asks a generator of a JITDylib for names, but for those that the JITDylib has and hides.
    pub(super) fn generate(
        &mut self,
        searched: &JitDylib,
        generator: &dyn DefinitionGenerator,
        unfound: &[Unfound],
    ) -> Result<()> {
        let names: Vec<(Unfound, Vec<u8>)> = {
            let names = self.session.names();
            let state = self.session.state();
            let table = state.dylib(searched.id())?;
            let offered = unfound.iter().filter(|unfound| !table.defines(unfound.name));
            offered.map(|unfound| (*unfound, names.bytes(unfound.name).to_vec())).collect()
        };
        let wanted: Vec<_> = names.iter().map(|(unfound, name)| unfound.wanted(name)).collect();
        if !wanted.is_empty() {
            generator.generate(searched, &wanted)?;
            self.rebind_overridden()?;
        }
        Ok(())
    }

    /// Leaves names to a generator of the user that this lookup has not asked for them. Returns those that it was asked
    /// for in vain.
    fn leave_to_generator(
        &mut self,
        searched: DylibId,
        generator: &Generator,
        unfound: Vec<Unfound>,
    ) -> Result<Vec<Unfound>> {
        let state = self.session.state();
        let table = state.dylib(searched)?;
        let was_asked = |wanted: &Unfound| {
            let asked = self.query.asked.get(&(generator.id, wanted.name));
            // It hides those that are in the table.
            asked.is_some_and(|was_weak| wanted.weak || !was_weak) || table.defines(wanted.name)
        };
        let (asked, names): (Vec<_>, Vec<_>) = unfound.into_iter().partition(was_asked);
        drop(state);
        if !names.is_empty() {
            let generator = generator.clone();
            self.work.asks.push(Ask { dylib: searched, generator, names });
        }
        Ok(asked)
    }

    /// A pulled member may define strongly what an object of this batch defines weakly. Returns whether one does.
    fn rebind_overridden(&mut self) -> Result<bool> {
        let overridden = self.session.state().take_overridden();
        let any = !overridden.is_empty();
        for (object, symbol) in overridden {
            let Some(&input) = self.input_of.get(&object) else { continue };
            let holder = &mut self.inputs[input as usize];
            self.rebound.push((object, symbol, holder.graph.symbol(symbol).clone()));
            holder.graph.make_external(symbol);
            let (dylib, reference) = (DylibId(holder.dylib), holder.graph.symbol(symbol));
            let Some(name) = reference.global_name() else { continue };
            if reference.live {
                self.wanted.push((input, symbol));
            }
            if self.found.remove(&(dylib, name)).is_some() {
                let again = Unfound::again(name);
                self.look_up_in(dylib, (dylib, MatchScope::All), vec![again])?;
            }
        }
        Ok(any)
    }
}
