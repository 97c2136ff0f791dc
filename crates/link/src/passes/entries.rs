//! GOT entries, stubs and TLS entries: code needs them to refer to a target that may be out of its reach, or whose
//! address is not a constant.
//!
//! This pass runs after pruning, when every live external is bound, so that dead code makes no entries and near targets
//! need none. Each target gets an entry once. If linked code does not define the target, the entry is in a graph that
//! lives as long as the JITDylib, and serves later batches, too; otherwise it is in a graph that is placed and removed
//! with the batch. An edge that needs an entry gets the entry's symbol as its target. It keeps its kind, except where a
//! `lea` must become a load.

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use linkjit_target::{ExecAddr, ExecRange};

use super::direct::is_out_of_reach;
use crate::arch::{Arch, ArchTables, Kinds, Role};
use crate::error::Result;
use crate::graph::{
    BlockId, Content, Definition, Edge, EdgeKind, Lifetime, LinkGraph, Name, Protection, Symbol, SymbolId,
};
use crate::input::{Binding, Bindings, Input, arch_of, next};
use crate::names::NameId;
use crate::source::Source;

/// The section of GOT and TLS entries.
pub const GOT_SECTION: &str = "$__GOT";
/// The section of what `__tls_get_addr` and the resolvers of descriptors take, where it is told apart.
const TLS_INFO_SECTION: &str = "$__TLSINFO";
/// The section of stubs.
pub const STUBS_SECTION: &str = "$__STUBS";

/// The purpose of an entry for its target.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum EntryKind {
    /// A word with its address.
    Got,
    /// A word with an address so many bytes behind: for code that takes it at once.
    GotAt(i32),
    /// A jump to it, through its GOT entry.
    Stub,
    /// A word with the address of its stub: for functions that their stub stands for.
    StubAddress,
    /// Its module and its offset there: the argument of `__tls_get_addr`.
    TlsPair,
    /// Its module and offset 0.
    TlsModule,
    /// Its offset from the thread pointer.
    ThreadOffset,
    /// A resolver and its argument.
    TlsDescriptor,
}

/// The entries of a JITDylib that outlive the batch that made them.
pub type SharedEntries = HashMap<SharedKey, ExecAddr, FixedState>;

/// The key of a shared entry: the start of the window whose code it serves, as another one may be out of its
/// reach, and its target. Not by the target's name, which may mean something else later.
pub type SharedKey = (ExecAddr, ExecAddr, EntryKind);

/// Which targets get entries, and how these are laid out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EntryStyle {
    /// Those that are out of reach for code of this window, in which the entries will be.
    Session(ExecRange),
    /// All that may have one: nothing outside of a graph counts as near. TLS entries have a section of their own, and
    /// stubs are packed.
    LikeLlvm,
}

/// The inputs with the entries that were made.
pub(crate) struct NewEntries {
    /// Entries for targets outside, to be added to the JITDylib's [`SharedEntries`] when the batch is finished.
    pub(crate) shared: u32,
    /// Their targets and symbols.
    pub(crate) symbols: Vec<(SharedKey, (u32, SymbolId))>,
    /// All other entries.
    pub(crate) own: u32,
}

/// The entry that an edge needs.
#[derive(Clone, Copy)]
struct Wanted {
    kind: EntryKind,
    /// The kind that the edge gets if its instruction is to load from the entry instead of computing an address.
    load: Option<EdgeKind>,
}

/// Target of an entry, as far as it tells entries apart.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Key {
    /// All names of one address share its entries: there is one to be changed if what is there moves.
    Outside(ExecAddr),
    Name(NameId),
    Symbol(u32, SymbolId),
}

/// Makes the entries that the live, not yet placed blocks of `members` need. All members belong to one JITDylib.
///
/// # Errors
/// If there are too many.
pub(crate) fn build(
    inputs: &mut Vec<Input>,
    members: &[u32],
    style: EntryStyle,
    existing: &SharedEntries,
) -> Result<NewEntries> {
    let dylib = members.first().map_or(0, |&member| inputs[member as usize].dylib);
    let arch = arch_of(inputs);
    let meant = members.first().map_or_else(ExecRange::default, |&member| inputs[member as usize].window);
    let shared = next(inputs);
    let own = shared.saturating_add(1);
    let mut builder = Builder {
        arch,
        style,
        existing,
        shared: Table::new("shared entries", shared, dylib, arch, style),
        own: Table::new("entries", own, dylib, arch, style),
        shared_symbols: Vec::new(),
        may_be_elsewhere: false,
    };
    for &member in members {
        builder.input(inputs, member)?;
    }
    inputs.extend([builder.shared.finish(meant)?, builder.own.finish(meant)?]);
    Ok(NewEntries { shared, symbols: builder.shared_symbols, own })
}

struct Builder<'a> {
    arch: Arch,
    style: EntryStyle,
    existing: &'a SharedEntries,
    shared: Table,
    shared_symbols: Vec<(SharedKey, (u32, SymbolId))>,
    own: Table,
    /// A part of the graph that needs entries just now was placed by an earlier batch, or lies in an area of its own.
    may_be_elsewhere: bool,
}

impl Builder<'_> {
    fn input(&mut self, inputs: &mut [Input], member: u32) -> Result<()> {
        let graph = &inputs[member as usize].graph;
        self.may_be_elsewhere = graph.is_partly_placed() || graph.has_large_sections();
        // The entry symbols of this graph, by target.
        let mut local: HashMap<(SymbolId, EntryKind), SymbolId, FixedState> = HashMap::default();
        for (block, index, target, Wanted { kind, load }) in self.wanted_by(inputs, &inputs[member as usize]) {
            let entry = match local.get(&(target, kind)) {
                Some(&entry) => entry,
                None => {
                    let (binding, size) = self.entry(inputs, member, target, kind)?;
                    let input = &mut inputs[member as usize];
                    let entry = input.graph.add_symbol(reference(size))?;
                    input.bind(entry, binding);
                    local.insert((target, kind), entry);
                    entry
                }
            };
            let edge = &mut inputs[member as usize].graph.edges_mut(block)[index];
            edge.target = entry;
            if let Some(load) = load {
                edge.kind = load;
            }
        }
        let entries = local.into_iter().map(|((target, _), entry)| (entry, target)).collect();
        inputs[member as usize].graph.add_entries(entries);
        Ok(())
    }

    /// The edges of a graph that need entries: where each is, its target, and what kind of entry.
    fn wanted_by(&self, inputs: &[Input], input: &Input) -> Vec<(BlockId, usize, SymbolId, Wanted)> {
        let kinds = input.graph.arch().kinds();
        let mut wanted = Vec::new();
        for block in input.unplaced() {
            for (index, edge) in input.graph.edges(block).iter().enumerate() {
                if let Some(entry) = self.wanted(kinds, inputs, input, block, edge) {
                    wanted.push((block, index, edge.target, entry));
                }
            }
        }
        wanted
    }

    /// The entry that an edge needs, if any.
    #[inline]
    fn wanted(&self, kinds: &Kinds, inputs: &[Input], input: &Input, block: BlockId, edge: &Edge) -> Option<Wanted> {
        let binding = || input.binding(edge.target);
        let kind = match kinds.info(edge.kind).role {
            role @ (Role::Branch | Role::StubOffset) => {
                let reach = if role == Role::Branch { self.arch.branch_reach() } else { self.arch.data_reach() };
                let needs = binding() == Binding::Missing || self.is_far(inputs, input, edge.target, reach);
                needs.then_some(EntryKind::Stub)?
            }
            // What is relative to the image is within it: what is outside is reached through a stub there.
            Role::ImageOffset => {
                let is_outside = || matches!(binding(), Binding::Outside(_) | Binding::OutsideFunction(_));
                let needs = !is_constant(inputs, input, edge.target)
                    && (is_outside() || self.is_far(inputs, input, edge.target, self.arch.data_reach()));
                needs.then_some(EntryKind::Stub)?
            }
            // As below; other addresses may be loaded.
            Role::NearDistance => {
                if !self.is_far_function(binding()) {
                    return self.loaded_address(kinds, inputs, input, block, edge);
                }
                EntryKind::Stub
            }
            // Where code refers to a far function directly, its stub becomes its address: for all kinds of references, so
            // that pointers to it compare equal.
            Role::Address | Role::LowAddress | Role::Distance => {
                self.is_far_function(binding()).then_some(EntryKind::Stub)?
            }
            Role::GotLoad => {
                let content = input.graph.content(block).unwrap_or_default();
                let target = binding();
                let absolute = input.graph.symbol(edge.target).block().is_none() && target == Binding::None;
                let direct = self.style != EntryStyle::LikeLlvm
                    && input.graph.arch().can_relax(edge, content)
                    && !absolute
                    && target != Binding::Missing
                    && !self.is_far(inputs, input, edge.target, self.arch.data_reach());
                if direct {
                    return None;
                }
                self.got_kind(target)
            }
            Role::Got => self.got_kind(binding()),
            Role::TlsPair => EntryKind::TlsPair,
            Role::TlsModule => EntryKind::TlsModule,
            Role::ThreadOffsetEntry => EntryKind::ThreadOffset,
            Role::TlsDescriptor => EntryKind::TlsDescriptor,
            Role::Value | Role::TinyAddress | Role::ThreadOffset => return None,
        };
        Some(Wanted { kind, load: None })
    }

    /// The entry for code that takes the address of what is out of its reach, if it can load that instead.
    #[inline]
    fn loaded_address(
        &self,
        kinds: &Kinds,
        inputs: &[Input],
        input: &Input,
        block: BlockId,
        edge: &Edge,
    ) -> Option<Wanted> {
        if self.style == EntryStyle::LikeLlvm || !self.is_far(inputs, input, edge.target, self.arch.data_reach()) {
            return None;
        }
        let is_code = input.graph.section(input.graph.block(block).section).protection == Protection::ReadExec;
        let offset = i32::try_from(edge.addend.checked_sub(kinds.info(edge.kind).bias.into())?).ok()?;
        let content = input.graph.content(block).filter(|_| is_code)?;
        let load = Some(input.graph.arch().address_load(edge, content)?);
        Some(Wanted { kind: if offset == 0 { EntryKind::Got } else { EntryKind::GotAt(offset) }, load })
    }

    /// Returns the kind of entry in which code finds the address of a target.
    fn got_kind(&self, target: Binding) -> EntryKind {
        if self.is_far_function(target) { EntryKind::StubAddress } else { EntryKind::Got }
    }

    fn is_far_function(&self, target: Binding) -> bool {
        let Binding::OutsideFunction(address) = target else { return false };
        match self.style {
            EntryStyle::Session(window) => is_out_of_reach(window, address, self.arch.data_reach()),
            EntryStyle::LikeLlvm => true,
        }
    }

    /// Returns whether code anywhere in the window, which reaches so far, may not reach it.
    #[inline]
    fn is_far(&self, inputs: &[Input], from: &Input, target: SymbolId, reach: u64) -> bool {
        // Most refer to what is placed beside them.
        let is_beside = !self.may_be_elsewhere && from.graph.symbol(target).block().is_some();
        !is_beside && self.is_bound_far(inputs, from, target, reach)
    }

    #[inline(never)]
    fn is_bound_far(&self, inputs: &[Input], from: &Input, target: SymbolId, reach: u64) -> bool {
        let binding = from.binding(target);
        let EntryStyle::Session(window) = self.style else { return binding != Binding::None };
        let is_elsewhere = |input: &Input, symbol| match input.graph.symbol(symbol).definition {
            Definition::Defined { block, .. } if input.graph.block(block).placed => {
                is_out_of_reach(window, input.graph.address(symbol), reach)
            }
            // A weak external of COFF may be null.
            Definition::Absolute(address) => is_out_of_reach(window, address, reach),
            Definition::Defined { block, .. } if input.graph.section(input.graph.block(block).section).large => true,
            _ => input.window != from.window,
        };
        match binding {
            Binding::Linked(address) | Binding::Outside(address) | Binding::OutsideFunction(address) => {
                is_out_of_reach(window, address, reach)
            }
            Binding::Input { input, symbol } => {
                let definer = inputs.get(input as usize);
                definer.is_some_and(|definer| definer.dylib != from.dylib || is_elsewhere(definer, symbol))
            }
            Binding::None => is_elsewhere(from, target),
            Binding::LinkedThreadLocal(_) | Binding::OutsideThreadLocal(_) | Binding::Missing => false,
        }
    }

    /// Returns the binding of the entry of `kind` for a target, and its size. Makes it if there is none.
    fn entry(&mut self, inputs: &[Input], member: u32, target: SymbolId, kind: EntryKind) -> Result<(Binding, u64)> {
        let input = &inputs[member as usize];
        let word = input.graph.arch().pointer_size();
        let symbol = input.graph.symbol(target);
        let binding = match input.binding(target) {
            Binding::None => Binding::Input { input: member, symbol: target },
            found => found,
        };
        // What is outside stays there. What was or is linked may be removed, and with it whatever refers to it.
        let outside = match binding {
            Binding::Outside(address) | Binding::OutsideFunction(address) => Some(address),
            _ => None,
        };
        let window = if let EntryStyle::Session(window) = self.style { window.start } else { ExecAddr::NULL };
        if let Some(target) = outside
            && let Some(&address) = self.existing.get(&(window, target, kind))
        {
            return Ok((Binding::Linked(address), word));
        }
        let binding = match kind {
            EntryKind::StubAddress => self.entry(inputs, member, target, EntryKind::Stub)?.0,
            _ => binding,
        };
        let key = match (outside, symbol.global_name(), binding) {
            (Some(address), ..) => Key::Outside(address),
            (None, Some(name), _) => Key::Name(name),
            (None, None, Binding::Input { input, symbol }) => Key::Symbol(input, symbol),
            (None, None, _) => Key::Symbol(member, target),
        };
        let fixed_tls = match binding {
            Binding::LinkedThreadLocal(address) | Binding::OutsideThreadLocal(address) => {
                address.thread_offset.is_some()
            }
            Binding::Input { input, .. } => inputs
                .get(input as usize)
                .and_then(|definer| definer.graph.tls_block)
                .is_some_and(|block| block.thread_offset.is_some()),
            _ => false,
        };
        let table = if outside.is_some() { &mut self.shared } else { &mut self.own };
        let made_before = table.symbols.len();
        let entry = table.entry(key, kind, binding, fixed_tls)?;
        if let Some(target) = outside {
            // A stub brings its GOT entry with it.
            let made = table.symbols[made_before..].iter();
            let entries = made.map(|&(kind, entry)| ((window, target, kind), (table.index, entry)));
            self.shared_symbols.extend(entries);
        }
        Ok((Binding::Input { input: table.index, symbol: entry }, word))
    }
}

/// A section of entries in the making: one block.
struct Part {
    block: BlockId,
    size: u64,
    edges: Vec<Edge>,
}

/// Which section.
#[derive(Clone, Copy)]
enum In {
    Got,
    TlsInfo,
    Stubs,
}

/// A graph of entries in the making. Its sections are in the order in which they were needed.
struct Table {
    graph: LinkGraph,
    bindings: Bindings,
    /// Which input of the batch it will be.
    index: u32,
    dylib: u32,
    parts: [Option<Part>; 3],
    style: EntryStyle,
    found: HashMap<(Key, EntryKind), SymbolId, FixedState>,
    /// The symbols of the entries, in the order in which they were made.
    symbols: Vec<(EntryKind, SymbolId)>,
    targets: HashMap<Key, SymbolId, FixedState>,
}

impl Table {
    fn new(name: &str, index: u32, dylib: u32, arch: Arch, style: EntryStyle) -> Self {
        Self {
            graph: LinkGraph::new(Source::new(name, []), arch),
            bindings: Bindings::default(),
            index,
            dylib,
            parts: [None, None, None],
            style,
            found: HashMap::default(),
            symbols: Vec::new(),
            targets: HashMap::default(),
        }
    }

    /// The section for entries of a kind.
    fn part(&mut self, place: In) -> Result<&mut Part> {
        let (words, stubs) = (self.graph.arch().pointer_align_log2(), self.graph.arch().code().stub.align_log2);
        let (place, name, protection, align_log2) = match place {
            In::TlsInfo if self.style == EntryStyle::LikeLlvm => (place, TLS_INFO_SECTION, Protection::Read, words),
            In::Got | In::TlsInfo => (In::Got, GOT_SECTION, Protection::Read, words),
            In::Stubs if self.style == EntryStyle::LikeLlvm => (place, STUBS_SECTION, Protection::ReadExec, 0),
            In::Stubs => (place, STUBS_SECTION, Protection::ReadExec, stubs),
        };
        let part = match self.parts[place as usize].take() {
            Some(part) => part,
            None => {
                let section = self.graph.add_section(name, protection, Lifetime::Standard)?;
                let block = self.graph.add_block(section, Content::Zeros, 0, align_log2)?;
                Part { block, size: 0, edges: Vec::new() }
            }
        };
        Ok(self.parts[place as usize].insert(part))
    }

    /// From stub to stub.
    fn stub_size(&self) -> u64 {
        let stub = &self.graph.arch().code().stub;
        if self.style == EntryStyle::LikeLlvm { stub.code.len() as u64 } else { stub.size }
    }

    /// The symbol of this graph that stands for a target.
    fn target(&mut self, key: Key, binding: Binding) -> Result<SymbolId> {
        if let Some(&symbol) = self.targets.get(&key) {
            return Ok(symbol);
        }
        let symbol = self.external(binding)?;
        if let Key::Name(name) = key {
            self.graph.symbol_mut(symbol).name = Name::Interned(name);
        }
        self.targets.insert(key, symbol);
        Ok(symbol)
    }

    /// A symbol of this graph for what is elsewhere.
    fn external(&mut self, binding: Binding) -> Result<SymbolId> {
        let symbol = self.graph.add_symbol(reference(0))?;
        self.bindings.set(symbol, binding, self.graph.symbols().len());
        Ok(symbol)
    }

    fn entry(&mut self, key: Key, kind: EntryKind, binding: Binding, fixed_tls: bool) -> Result<SymbolId> {
        if let Some(&entry) = self.found.get(&(key, kind)) {
            return Ok(entry);
        }
        let entry = match kind {
            EntryKind::Stub => {
                let got = self.entry(key, EntryKind::Got, binding, fixed_tls)?;
                let (stub, size) = (&self.graph.arch().code().stub, self.stub_size());
                let part = self.part(In::Stubs)?;
                let (start, block) = (part.size, part.block);
                part.edges.extend(stub.edges(table_offset(start), &[got]));
                part.size += size;
                self.graph.add_symbol(Symbol::anonymous(block, start, size))?
            }
            EntryKind::Got => self.words(In::Got, key, binding, &[Some(EdgeKind::POINTER)])?,
            EntryKind::GotAt(offset) => {
                let word = self.words(In::Got, key, binding, &[Some(EdgeKind::POINTER)])?;
                if let Some(edge) = self.part(In::Got)?.edges.last_mut() {
                    edge.addend = offset.into();
                }
                word
            }
            EntryKind::StubAddress => {
                let stub = self.external(binding)?;
                self.words_of(In::Got, stub, &[Some(EdgeKind::POINTER)])?
            }
            EntryKind::ThreadOffset => self.words(In::Got, key, binding, &[Some(EdgeKind::THREAD_OFFSET)])?,
            EntryKind::TlsPair => {
                self.words(In::TlsInfo, key, binding, &[Some(EdgeKind::TLS_MODULE), Some(EdgeKind::TLS_OFFSET)])?
            }
            EntryKind::TlsModule => self.words(In::TlsInfo, key, binding, &[Some(EdgeKind::TLS_MODULE), None])?,
            EntryKind::TlsDescriptor => {
                let argument = if fixed_tls { Some(EdgeKind::TLS_DESCRIPTOR_OFFSET) } else { None };
                let pair = match argument {
                    Some(_) => None,
                    None => Some(self.entry(key, EntryKind::TlsPair, binding, fixed_tls)?),
                };
                let kinds = [Some(EdgeKind::TLS_DESCRIPTOR_RESOLVER), argument];
                let entry = self.words(In::TlsInfo, key, binding, &kinds)?;
                if let Some(pair) = pair {
                    let word = self.graph.arch().pointer_size();
                    let part = self.part(In::TlsInfo)?;
                    part.edges.push(edge(part.size - word, EdgeKind::POINTER, pair, 0));
                }
                entry
            }
        };
        self.found.insert((key, kind), entry);
        self.symbols.push((kind, entry));
        Ok(entry)
    }

    /// An entry of some words, each of which is computed from the target or stays zero.
    fn words(&mut self, place: In, key: Key, binding: Binding, kinds: &[Option<EdgeKind>]) -> Result<SymbolId> {
        let target = self.target(key, binding)?;
        self.words_of(place, target, kinds)
    }

    fn words_of(&mut self, place: In, target: SymbolId, kinds: &[Option<EdgeKind>]) -> Result<SymbolId> {
        let word = self.graph.arch().pointer_size();
        let part = self.part(place)?;
        let (start, block) = (part.size, part.block);
        for kind in kinds {
            part.edges.extend(kind.map(|kind| edge(part.size, kind, target, 0)));
            part.size += word;
        }
        let size = part.size - start;
        self.graph.add_symbol(Symbol::anonymous(block, start, size))
    }

    fn finish(mut self, window: ExecRange) -> Result<Input> {
        let (code, stub_size) = (self.graph.arch().code(), self.stub_size() as usize);
        for (part, is_stubs) in self.parts.into_iter().zip([false, false, true]) {
            let Some(Part { block, size, edges }) = part else { continue };
            let mut content = vec![if is_stubs { code.filler } else { 0 }; usize::try_from(size).unwrap_or(0)];
            if is_stubs {
                let stubs = content.chunks_exact_mut(stub_size);
                stubs.for_each(|stub| stub[..code.stub.code.len()].copy_from_slice(code.stub.code));
            }
            self.graph.set_content(block, content.into());
            self.graph.block_mut(block).live = true;
            for edge in edges {
                self.graph.add_edge(block, edge)?;
            }
        }
        Ok(Input { bindings: self.bindings, ..Input::made(self.graph, self.dylib, window) })
    }
}

/// A live symbol without a name for what is in another graph.
fn reference(size: u64) -> Symbol {
    Symbol { definition: Definition::External, live: true, ..Symbol::anonymous(BlockId(0), 0, size) }
}

fn edge(offset: u64, kind: EdgeKind, target: SymbolId, addend: i64) -> Edge {
    Edge { offset: table_offset(offset), kind, target, addend }
}

/// A graph has fewer than 2^32 symbols; a table beyond 4 GiB has more entries than that.
fn table_offset(offset: u64) -> u32 {
    u32::try_from(offset).unwrap_or(u32::MAX)
}

/// Returns whether a symbol is defined as a number, which is no place that a stub could lead to: null, mostly.
fn is_constant(inputs: &[Input], input: &Input, symbol: SymbolId) -> bool {
    let definition = match input.binding(symbol) {
        Binding::None => Some(input.graph.symbol(symbol).definition),
        Binding::Input { input, symbol } => {
            inputs.get(input as usize).map(|definer| definer.graph.symbol(symbol).definition)
        }
        // The target of a weak external may be found like anything else.
        Binding::Linked(address) | Binding::Outside(address) | Binding::OutsideFunction(address) => {
            return address.is_null();
        }
        Binding::LinkedThreadLocal(_) | Binding::OutsideThreadLocal(_) | Binding::Missing => None,
    };
    matches!(definition, Some(Definition::Absolute(_)))
}
