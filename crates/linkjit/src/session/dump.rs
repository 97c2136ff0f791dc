//! The tables as text, for people.

use std::fmt::Write as _;

use linkjit_link::graph::{Linkage, Scope};
use linkjit_link::names::NamePool;

use super::{Address, DefinedBy, DylibId, DylibState, Entry, ExecutionSession, MatchScope, Object, Owner, State};

impl ExecutionSession {
    /// All JITDylibs as text: see [`crate::JitDylib::dump`].
    #[must_use]
    pub fn dump(&self) -> String {
        self.dylibs().iter().map(crate::JitDylib::dump).collect::<Vec<_>>().join("\n")
    }

    /// A JITDylib as text; empty if it is closed.
    pub(crate) fn dump_dylib(&self, dylib: DylibId) -> String {
        let generators = self.state().dylib(dylib).map(|dylib| dylib.generators.clone()).unwrap_or_default();
        // Some are the user's: they are asked with nothing locked.
        let generators: Vec<_> = generators.iter().map(|generator| generator.definitions.describe()).collect();
        let (names, state) = (self.names(), self.state());
        state.dylib(dylib).map(|table| state.dump(dylib, table, &generators, &names)).unwrap_or_default()
    }
}

impl State {
    fn dump(&self, id: DylibId, dylib: &DylibState, generators: &[String], names: &NamePool) -> String {
        let mut text = format!("JITDylib '{}'\n", dylib.name);
        let order = dylib.link_order.iter().map(|&(id, scope)| match scope {
            MatchScope::All => format!("{} (all)", self.name_of(id)),
            MatchScope::Exported => format!("{} (exported)", self.name_of(id)),
        });
        line(&mut text, "link order", &order.collect::<Vec<_>>());
        line(&mut text, "generators", generators);
        let kinds = ["read-only data", "code", "writable data"].into_iter().enumerate();
        let memory = kinds.map(|(segment, what)| {
            let own = self.allocations.in_dylib(id);
            let bytes: u64 = own.map(|(_, allocation)| allocation.segments[segment].size()).sum();
            format!("{bytes} bytes of {what}")
        });
        line(&mut text, "memory", &memory.collect::<Vec<_>>());
        let retired =
            self.allocations.in_dylib(id).filter(|(_, allocation)| allocation.owner == Owner::Retired).count();
        if retired > 0 {
            line(&mut text, "retired", &[format!("{retired} allocations")]);
        }
        text += "  units:\n";
        for object in dylib.objects.iter().filter_map(|object| self.objects.get(object)) {
            let tracker = match object.tracker {
                owner if dylib.default_tracker == Some(owner) => String::new(),
                owner => format!(", tracker {}", owner.0),
            };
            // Writing to a string does not fail.
            let _written = writeln!(text, "    {}: {}{tracker}", object.name, state_of(object));
        }
        text += "  symbols:\n";
        let mut symbols: Vec<_> = dylib.symbols.iter().map(|(name, entry)| (names.text(*name), entry)).collect();
        symbols.sort_unstable_by(|one, other| one.0.cmp(&other.0));
        for (name, entry) in symbols {
            let hidden = names.find(name.as_bytes()).is_some_and(|name| dylib.hidden.contains_key(&name));
            let place = self.place(entry, names);
            let _written = writeln!(text, "    {name}: {}, {place}", flags(entry, hidden));
        }
        text
    }

    fn name_of(&self, dylib: DylibId) -> &str {
        self.dylib(dylib).map_or("a closed JITDylib", |dylib| dylib.name.as_str())
    }

    /// Describes where a definition is, or is to come from.
    fn place(&self, entry: &Entry, names: &NamePool) -> String {
        let by = match entry.by {
            DefinedBy::Object(object, _) | DefinedBy::Pending(object) => {
                self.objects.get(&object).map_or_else(String::new, |object| format!(" by {}", object.name))
            }
            DefinedBy::Outside | DefinedBy::Found => String::new(),
            DefinedBy::Alias(dylib, target) => {
                return format!("alias for {} of {}", names.text(target), self.name_of(dylib));
            }
        };
        match (entry.address, entry.by) {
            (Some(Address::At(address)), DefinedBy::Outside | DefinedBy::Found) => format!("absolute {address}"),
            (Some(Address::At(address)), _) => format!("linked at {address}{by}"),
            (Some(Address::ThreadLocal(_)), _) => format!("linked, thread-local{by}"),
            (None, DefinedBy::Pending(_)) => format!("not materialized{by}"),
            (None, _) => format!("not linked{by}"),
        }
    }
}

fn line(text: &mut String, title: &str, items: &[String]) {
    let items = if items.is_empty() { "none".into() } else { items.join(", ") };
    let _written = writeln!(text, "  {title}: {items}");
}

fn state_of(object: &Object) -> &'static str {
    match (&object.pending, object.started, &object.input) {
        (Some(pending), ..) if pending.is_taken() => "being materialized",
        (Some(_), ..) => "not materialized",
        (None, false, Some(_)) => "not linked",
        (None, true, Some(_)) => "linked in part",
        (None, true, None) => "linked",
        (None, false, None) => "materialized or being linked",
    }
}

fn flags(entry: &Entry, hidden: bool) -> String {
    let linkage = match entry.linkage {
        Linkage::Strong => "strong",
        Linkage::Weak => "weak",
        Linkage::Common => "common",
        Linkage::Fallback => "fallback",
    };
    let scope = if hidden || entry.scope != Scope::Default { "hidden" } else { "exported" };
    format!("{linkage}, {scope}")
}
