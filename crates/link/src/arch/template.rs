//! Templates of the machine code that linkjit itself puts beside linked code, with the fields that depend on symbols.

use crate::error::Result;
use crate::graph::{BlockId, Content, Edge, EdgeKind, LinkGraph, SectionId, Symbol, SymbolId};

/// Code with fields for symbols.
#[derive(Clone, Copy, Debug)]
pub struct Template {
    /// The bytes, zeros in the fields.
    pub code: &'static [u8],
    /// The size of its symbol, and from one to the next: of stubs none is to straddle a cache line.
    pub size: u64,
    /// The alignment as a power of two.
    pub align_log2: u8,
    /// The parts that depend on symbols.
    pub fields: &'static [Field],
}

/// A field of a template.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its offset in the code.
    pub offset: u32,
    /// The value that is written there.
    pub kind: EdgeKind,
    /// Which of the operands it depends on.
    pub operand: usize,
    /// Added to the operand's address.
    pub addend: i64,
}

impl Template {
    pub(super) const fn new(code: &'static [u8], align_log2: u8, fields: &'static [Field]) -> Self {
        Self { code, size: code.len() as u64, align_log2, fields }
    }

    /// The edges of code that begins at an offset of its block; every field has an operand.
    pub fn edges(&self, offset: u32, operands: &[SymbolId]) -> impl Iterator<Item = Edge> {
        self.fields.iter().filter_map(move |field| {
            let target = *operands.get(field.operand)?;
            Some(Edge { offset: offset.saturating_add(field.offset), kind: field.kind, target, addend: field.addend })
        })
    }
}

pub(super) const fn field(offset: u32, kind: EdgeKind, operand: usize, addend: i64) -> Field {
    Field { offset, kind, operand, addend }
}

/// A function whose frame is unwound by a record of a table of functions.
#[derive(Clone, Copy, Debug)]
pub struct Framed {
    /// Its code.
    pub code: Template,
    /// The description of how its frame is unwound, to which the record refers.
    pub unwind: &'static [u8],
    /// The record: where the function *begins*, where it *ends*, how it is *unwound*.
    pub record: Template,
}

/// The code that linkjit has for an architecture. Operands of templates are in the order in which the text names them.
#[derive(Debug)]
pub struct Code {
    /// Jumps through a *slot*.
    pub stub: Template,
    /// The byte between stubs: nobody is to run into that.
    pub filler: u8,
    /// Stands for a function that is not linked yet: pushes two numbers and jumps to a *routine*.
    pub trampoline: Template,
    /// Puts the number of a function and that of its way back into a copy of [`Code::trampoline`].
    pub set_numbers: fn(&mut [u8], u32, u32),
    /// `atexit(f)` as `function(f, 0, handle)`: *handle*, *function*.
    pub atexit: Template,
    /// `at_quick_exit(f)` as `function(f, handle)`: *handle*, *function*.
    pub at_quick_exit: Template,
    /// `on_exit(f, argument)` as `function(f, argument, handle)`: *handle*, *function*.
    pub on_exit: Template,
    /// Goes on to a *routine* with the address of *data* where conventions have a nested function's context: *data*,
    /// *routine*.
    pub host_call: Template,
    /// Opens a function around *code* that falls through to its end.
    pub init_entry: Template,
    /// Closes it, behind that code.
    pub init_exit: &'static [u8],
    /// The code that images need beside, if objects for images are linked.
    pub image: Option<&'static ImageCode>,
}

/// The code that linkjit has for images of an architecture.
#[derive(Debug)]
pub struct ImageCode {
    /// Compares the caller's copy of a *cookie* with that, and goes on to a *function* if they differ.
    pub cookie_check: Template,
    /// Goes on to a function with two more arguments, as the third and the fourth: *third*, *fourth*, *function*.
    pub with_two_more: Template,
    /// Calls a *function* with zero, and returns zero if that returns true.
    pub start_call: Framed,
    /// Goes on to a *function* with the arguments one and zero.
    pub terminating_call: Template,
    /// A function that is looked up when it is first called: jumps through a *slot*, which leads to
    /// [`ImageCode::delay_load_start`] at first; that passes a *descriptor* and the slot to a *helper*.
    pub delay_load: Framed,
    /// The offset in [`ImageCode::delay_load`] to which the slot leads at first.
    pub delay_load_start: i64,
}

impl LinkGraph {
    /// Adds a block of bytes, and a symbol for it.
    ///
    /// # Errors
    /// See [`LinkGraph::add_section`].
    pub fn add_data(
        &mut self,
        section: SectionId,
        bytes: impl Into<Box<[u8]>>,
        align_log2: u8,
    ) -> Result<(BlockId, SymbolId)> {
        let block = self.add_block(section, Content::Owned(bytes.into()), 0, align_log2)?;
        Ok((block, self.add_symbol(Symbol::anonymous(block, 0, self.block(block).size))?))
    }

    /// Adds a block of pointers, and a symbol for it.
    ///
    /// # Errors
    /// See [`LinkGraph::add_section`].
    pub fn add_pointers(&mut self, section: SectionId, targets: &[SymbolId]) -> Result<(BlockId, SymbolId)> {
        let size = self.arch().pointer_size();
        let bytes = vec![0; targets.len() * size as usize];
        let added = self.add_data(section, bytes, self.arch().pointer_align_log2())?;
        let offsets = (0u32..).step_by(size as usize);
        let edge = |(offset, &target)| Edge { offset, kind: EdgeKind::POINTER, target, addend: 0 };
        self.add_edges(added.0, offsets.zip(targets).map(edge))?;
        Ok(added)
    }

    /// Adds code, and a symbol for it.
    ///
    /// # Errors
    /// See [`LinkGraph::add_section`].
    pub fn add_code(
        &mut self,
        section: SectionId,
        template: &Template,
        operands: &[SymbolId],
    ) -> Result<(BlockId, SymbolId)> {
        let (block, symbol) = self.add_data(section, template.code, template.align_log2)?;
        self.symbol_mut(symbol).size = template.size;
        self.add_edges(block, template.edges(0, operands))?;
        Ok((block, symbol))
    }

    /// Adds a function with a frame, with what tells how that is unwound in `constants` and a record in `records`.
    ///
    /// # Errors
    /// See [`LinkGraph::add_section`].
    pub fn add_framed_code(
        &mut self,
        [code, constants, records]: [SectionId; 3],
        framed: &Framed,
        operands: &[SymbolId],
    ) -> Result<(BlockId, SymbolId)> {
        let (block, function) = self.add_code(code, &framed.code, operands)?;
        let (_, unwind) = self.add_data(constants, framed.unwind, 2)?;
        let end = self.add_symbol(Symbol::anonymous(block, framed.code.size, 0))?;
        let (record, _) = self.add_code(records, &framed.record, &[function, end, unwind])?;
        self.add_dependent(block, record);
        Ok((block, function))
    }
}
