//! Publishing: the batch enters the addresses of what it placed into the tables, and returns the graphs that later
//! batches may need.

use std::collections::BTreeSet;

use super::Batch;
use crate::error::Result;
use crate::session::{DSO_HANDLE, DylibId, Inheritance};

impl Batch<'_> {
    /// Makes the addresses of what was placed known, and hands the graphs back.
    pub(super) fn publish(&mut self) -> Result<()> {
        // Publishing can't be undone, so all that may fail comes first.
        let handles = self.set_dso_handles()?;
        let serves = self.replace_allocator()?;
        let mut state = self.session.state();
        let mut unfinished = Vec::with_capacity(self.objects.len());
        for (input, &object) in self.inputs.iter().zip(&self.objects) {
            unfinished.push(state.publish_names(object, input)?);
        }
        let placed = std::mem::take(&mut self.placed);
        let mut linked = placed.publish(&self.inputs, &self.objects, &mut state)?;
        state.keep_pulled();
        self.rebound.clear();
        self.yielded = Inheritance::default();
        self.plugins.keep();
        state.forget_wanted_of_allocator();

        serves.note(&mut state);
        for dylib in handles {
            state.dylib_mut(dylib)?.note_dso_handle();
        }

        for ((input, object), unfinished) in self.inputs.take().zip(self.objects.drain(..)).zip(unfinished) {
            linked.objects += u64::from(state.take_back_linked(object, input, unfinished));
        }
        linked.batches = 1;
        state.count(&linked);
        Ok(())
    }

    /// Tells images their handles that the batch has placed; returns the JITDylibs.
    fn set_dso_handles(&self) -> Result<Vec<DylibId>> {
        let dylibs: BTreeSet<_> = self.inputs.iter().map(|input| DylibId(input.dylib)).collect();
        let name = self.session.names().find(DSO_HANDLE);
        let Some(name) = name else { return Ok(Vec::new()) };
        let handles: Vec<_> = {
            let state = self.session.state();
            let handle = |&id: &DylibId| {
                let dylib = state.dylib(id).ok().filter(|dylib| !dylib.is_dso_handle_known())?;
                Some((id, dylib.image(), self.address_of(&state, id, name)?))
            };
            dylibs.iter().filter_map(handle).collect()
        };
        for &(_, image, address) in &handles {
            self.session.executor().set_dso_handle(image, address)?;
        }
        Ok(handles.into_iter().map(|(id, ..)| id).collect())
    }
}
