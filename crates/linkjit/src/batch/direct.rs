//! Direct references to definitions in libraries that are out of reach. See [`linkjit_link::passes::direct`].

use linkjit_executor::{ExecAddr, ExecRange, Nearby, Window};
use linkjit_link::graph::Definition;
use linkjit_link::input::Binding;
use linkjit_link::passes::direct;

use super::Batch;
use super::domains::Domain;
use crate::error::Result;
use crate::session::DylibId;

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
        let slots = self.session.state().slots_of(&far);
        let nearby = self.session.executor().bring_near(window.range, &far, &slots)?;
        for (address, nearby) in far.into_iter().zip(nearby) {
            let outside = Binding::Outside(address);
            match nearby {
                None => {}
                Some(Nearby::Function) => {
                    let inputs = self.inputs.iter_mut().filter(|input| DylibId(input.dylib) == dylib);
                    direct::rebind(inputs, outside, Binding::OutsideFunction(address));
                }
                Some(Nearby::Moved(moved)) => {
                    direct::rebind(self.inputs.iter_mut(), outside, Binding::Outside(moved));
                    self.session.state().move_outside(address, moved);
                }
            }
        }
        Ok(())
    }

    /// Gives images in which nothing is yet another place if they are where code does not reach variables that it
    /// refers to directly: objects for a static C runtime do so, which means the DLLs' variables here. What can't be
    /// reached nevertheless is loaded from a table, if the instruction allows that.
    pub(super) fn settle_images(&mut self, domains: &[Domain]) -> Result<()> {
        if !self.is_image() {
            return Ok(());
        }
        for (at, DylibId(dylib)) in domains.iter().map(|domain| domain.dylib).enumerate() {
            let dylib = DylibId(dylib);
            let is_first = domains[..at].iter().all(|domain| domain.dylib != dylib);
            let window = {
                let state = self.session.state();
                let table = state.dylib(dylib)?;
                table.movable_window().filter(|_| is_first)
            };
            let Some(window) = window else { continue };
            let members = domains.iter().filter(|domain| domain.dylib == dylib).flat_map(|domain| &domain.members);
            let members: Vec<u32> = members.copied().collect();
            let mut far = direct::find(&self.inputs, &members, window.range);
            if far.is_empty() {
                continue;
            }
            let nearby = self.session.executor().bring_near(window.range, &far, &[])?;
            let mut nearby = nearby.into_iter();
            far.retain(|_| nearby.next().flatten().is_none());
            let needed = |address: &ExecAddr| {
                members.iter().any(|&member| direct::need(&self.inputs[member as usize], &[*address]))
            };
            let needed: Vec<_> = far.iter().copied().filter(needed).collect();
            let window_near = |addresses: &[ExecAddr]| match (addresses.first(), addresses.last()) {
                (Some(&start), Some(end)) => self.window_near(ExecRange { start, end: end.offset(1) }),
                _ => Ok(None),
            };
            if let Some(better) = window_near(&far)?.or(window_near(&needed)?) {
                self.move_image(dylib, window, better)?;
            }
        }
        Ok(())
    }

    /// Gives an image in which nothing is another window. All that knows the old one are the names of its start.
    fn move_image(&mut self, dylib: DylibId, old: Window, new: Window) -> Result<()> {
        let (from, to) = (old.range.start, new.range.start);
        let mut is_header_known = false;
        for input in self.inputs.iter_mut().filter(|input| DylibId(input.dylib) == dylib) {
            for symbol in input.graph.symbol_ids() {
                let definition = &mut input.graph.symbol_mut(symbol).definition;
                if *definition == Definition::Absolute(from) {
                    *definition = Definition::Absolute(to);
                    is_header_known = true;
                }
            }
        }
        direct::rebind(self.inputs.iter_mut(), Binding::Outside(from), Binding::Outside(to));
        let image = {
            let mut state = self.session.state();
            state.move_outside(from, to);
            let table = state.dylib_mut(dylib)?;
            table.move_to(new);
            table.image()
        };
        let executor = self.session.executor();
        executor.make_image_header(new.id, is_header_known)?;
        executor.set_dso_handle(image, to)?;
        Ok(executor.release_window(old.id)?)
    }
}
