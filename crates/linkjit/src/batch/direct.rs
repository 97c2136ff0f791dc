//! Direct references to what libraries define, from where it is out of reach. See [`linkjit_link::passes::direct`].

use linkjit_executor::{ExecAddr, Import, Window};
use linkjit_link::link::Binding;
use linkjit_link::passes::direct;
use linkjit_link::passes::entries::EntryKind;

use super::Batch;
use crate::error::Result;
use crate::session::{Address, DefinedBy, DylibId, State};

impl Batch<'_> {
    /// Has the executor move variables into the reach of a window, and functions bound so that their stubs stand for
    /// them. What can't be helped is left to its fixup, whose error says what to do.
    ///
    /// What is moved stays moved, even if the batch fails: it is the process that was changed.
    pub(super) fn bring_near(&mut self, dylib: DylibId, members: &[u32], window: Window) -> Result<()> {
        let far = direct::find(&self.inputs, members, window.range);
        if far.is_empty() {
            return Ok(());
        }
        let slots = self.session.state().slots(&far);
        let imports = self.session.executor().import(window.range, &far, &slots)?;
        for (address, import) in far.into_iter().zip(imports) {
            let outside = Binding::Outside(address);
            match import {
                None => {}
                Some(Import::Function) => {
                    let inputs = self.inputs.iter_mut().filter(|input| DylibId(input.dylib) == dylib);
                    direct::rebind(inputs, outside, Binding::OutsideFunction(address));
                }
                Some(Import::Moved(moved)) => {
                    direct::rebind(&mut self.inputs, outside, Binding::Outside(moved));
                    self.session.state().move_outside(address, moved);
                }
            }
        }
        Ok(())
    }
}

impl State {
    /// The GOT entries that earlier batches made for what is outside, at one of `addresses`.
    fn slots(&self, addresses: &[ExecAddr]) -> Vec<ExecAddr> {
        let dylibs = self.dylibs.values();
        dylibs
            .flat_map(|dylib| {
                let keys = dylib
                    .windows
                    .iter()
                    .flat_map(|window| addresses.iter().map(|&address| (window.range.start, address, EntryKind::Got)));
                keys.filter_map(|key| dylib.entries.get(&key).copied())
            })
            .collect()
    }

    /// Gives names that stand for an address outside another one.
    fn move_outside(&mut self, from: ExecAddr, to: ExecAddr) {
        for entry in self.dylibs.values_mut().flat_map(|dylib| dylib.symbols.values_mut()) {
            if matches!(entry.by, DefinedBy::Outside | DefinedBy::Found) && entry.address == Some(Address::At(from)) {
                entry.address = Some(Address::At(to));
            }
        }
    }
}
