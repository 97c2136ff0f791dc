//! Units that say what happens to them.

#![allow(dead_code, reason = "each test program uses a part of it")]

use std::sync::{Arc, Mutex};

use linkjit::Source;
use linkjit::{
    Error, FunctionUnit, Jit, MaterializationResponsibility, MaterializationUnit, Result, SymbolFlags, SymbolName,
    UnitInterface,
};

use crate::assembly::{Workshop, function, source};

/// A unit that says what happens to it.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) name: &'static str,
    pub(crate) symbols: Vec<(&'static str, SymbolFlags)>,
    pub(crate) delivers: Vec<Source>,
    pub(crate) initializers: bool,
    pub(crate) events: Events,
}

/// What happened, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Events(Arc<Mutex<Vec<String>>>);

impl Events {
    pub(crate) fn say(&self, text: String) {
        self.0.lock().unwrap().push(text);
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl MaterializationUnit for Recorded {
    fn name(&self) -> String {
        self.name.into()
    }

    fn interface(&self) -> UnitInterface {
        let interface = UnitInterface::new(self.symbols.iter().copied());
        if self.initializers { interface.with_initializers() } else { interface }
    }

    fn materialize(self: Box<Self>, responsibility: MaterializationResponsibility) {
        let mut names: Vec<_> = responsibility.symbols().iter().map(|(name, _)| name.text()).collect();
        names.sort_unstable();
        self.events.say(format!("{} makes {}", self.name, names.join(" ")));
        responsibility.complete_with(|responsibility| {
            self.delivers.iter().try_for_each(|source| responsibility.add_object(source))
        });
    }

    fn discard(&mut self, name: &SymbolName) {
        self.events.say(format!("{} discards {name}", self.name));
    }
}

impl Drop for Recorded {
    fn drop(&mut self) {
        self.events.say(format!("{} is dropped", self.name));
    }
}

/// What the tests share.
pub(crate) struct Fixture {
    pub(crate) workshop: Workshop,
    pub(crate) jit: Jit,
    pub(crate) events: Events,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self { workshop: Workshop::new(), jit: crate::host::jit().unwrap(), events: Events::default() }
    }

    pub(crate) fn object(&self, text: &str) -> Source {
        source(&self.workshop.object(text))
    }

    pub(crate) fn unit(
        &self,
        name: &'static str,
        symbols: &[(&'static str, SymbolFlags)],
        delivers: &[&str],
    ) -> Recorded {
        let delivers = delivers.iter().map(|text| self.object(text)).collect();
        Recorded { name, symbols: symbols.to_vec(), delivers, initializers: false, events: self.events.clone() }
    }

    /// A unit of one function.
    pub(crate) fn function(&self, name: &'static str, value: i32) -> Recorded {
        self.unit(name, &[(name, SymbolFlags::FUNCTION)], &[&function(name, value)])
    }
}

/// A unit that promises functions and is what a closure does.
pub(crate) fn promise<F>(names: &[&str], materialize: F) -> impl MaterializationUnit + use<F>
where
    F: FnOnce(&mut MaterializationResponsibility) -> Result<()> + Send,
{
    let name = format!("the unit of {}", names.join(" and "));
    FunctionUnit::new(name, UnitInterface::new(names.iter().map(|name| (*name, SymbolFlags::FUNCTION))), materialize)
}

pub(crate) fn undefined(error: &Error) -> bool {
    matches!(error, Error::Undefined { .. })
}

/// The error that a unit has failed with.
pub(crate) fn cause(error: Error) -> Error {
    match error {
        Error::Materialization { error, .. } => *error,
        other => panic!("{other}"),
    }
}
