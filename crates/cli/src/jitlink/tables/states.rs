//! The JITDylibs as `-show-init-es` and `-show-entry-es` show them.

use std::collections::BTreeMap;

use linkjit::ExecAddr;
use linkjit_link::graph::{Definition, Linkage, Scope, SymbolId};
use linkjit_link::input::Binding;
use linkjit_link::names::NameId;

use super::{By, Tables};
use crate::jitlink::execute::RESULT_OVERRIDE;
use crate::jitlink::show::{ABSOLUTE_SYMBOLS, DylibState, REEXPORTS, SymbolState};

impl Tables {
    /// The JITDylibs and what they define, before or after linking.
    pub(in crate::jitlink) fn session(&mut self, is_linked: bool) -> Vec<DylibState> {
        let process = if self.process_symbols { "Process" } else { "<TestResultJD>" };
        let mut states = Vec::new();
        let own = self.process;
        for dylib in (0..self.dylibs.len()).filter(|&dylib| Some(dylib) != own) {
            let table = &self.dylibs[dylib];
            let others = table.order.iter().map(|&other| self.dylibs[other].name.clone());
            let (name, order) = (table.name.clone(), others.chain([process.into()]).collect());
            let symbols = self.symbols(dylib, is_linked);
            states.push(DylibState { name, order, symbols });
        }
        let symbols = own.map(|dylib| self.symbols(dylib, is_linked)).unwrap_or_default();
        let mut process = DylibState { name: process.into(), order: Vec::new(), symbols };
        if self.process_symbols {
            states.insert(0, process);
        } else {
            let result = SymbolState {
                linkage: Linkage::Strong,
                scope: Scope::Default,
                callable: false,
                address: None,
                by: ABSOLUTE_SYMBOLS.into(),
            };
            process.symbols.insert(RESULT_OVERRIDE.into(), result);
            states.push(process);
        }
        states
    }

    fn symbols(&mut self, dylib: usize, is_linked: bool) -> BTreeMap<String, SymbolState> {
        let entries: Vec<_> = self.dylibs[dylib].symbols.iter().map(|(&name, &entry)| (name, entry)).collect();
        let symbols = entries.into_iter().map(|(name, entry)| {
            let state = SymbolState {
                linkage: entry.linkage,
                scope: entry.scope,
                callable: entry.callable,
                address: match entry.by {
                    By::Absolute(_) | By::Alias(..) if !entry.searched => None,
                    _ if is_linked => self.address(dylib, name),
                    _ => None,
                },
                by: match entry.by {
                    By::Input(input, _) => self.inputs[input as usize].graph.name().into(),
                    By::Absolute(_) => ABSOLUTE_SYMBOLS.into(),
                    By::Alias(..) => REEXPORTS.into(),
                },
            };
            (self.text(name), state)
        });
        symbols.collect()
    }

    /// Returns the address of a definition, once everything is placed. `None` if it is in a graph that was not linked.
    pub(in crate::jitlink) fn address(&mut self, dylib: usize, name: NameId) -> Option<ExecAddr> {
        let entry = self.dylibs.get(dylib)?.symbols.get(&name)?;
        match entry.by {
            By::Input(input, symbol) => self.address_in(input, symbol),
            By::Absolute(address) => Some(address),
            By::Alias(..) => match self.look_up(dylib, name, true, false).ok()?? {
                Binding::Input { input, symbol } => self.address_in(input, symbol),
                Binding::Linked(address) => Some(address),
                _ => None,
            },
        }
    }

    fn address_in(&self, input: u32, symbol: SymbolId) -> Option<ExecAddr> {
        let input = self.inputs.get(input as usize)?;
        let is_placed = match input.graph.symbol(symbol).definition {
            Definition::Defined { block, .. } => input.graph.block(block).placed,
            Definition::Absolute(_) => true,
            Definition::External => !matches!(input.binding(symbol), Binding::None),
        };
        is_placed.then(|| input.graph.address(symbol))
    }
}
