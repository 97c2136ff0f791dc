//! Writing slices: what a module defines, and the closure of what that refers to.

use std::ops::Range;

use crate::entity::{Entity, EntityId, EntityKind, Linkage, Reference, Symbol};
use crate::header::Header;
use crate::lexer::{Kind, Lexer, Token};
use crate::module::Module;
use crate::read::header;

/// The kinds of slices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// Some functions: no more metadata than they need.
    Part,
    /// The rest: all that describes the module as a whole.
    Rest,
}

/// A change of text while it is copied.
type Edit<'a> = (Range<usize>, &'a str);

/// The linker can tell that it is no name of others, and code need not be prepared for one of another library.
const PROMOTED: &str = " dso_local hidden";

/// Writes a module that defines some entities.
pub(crate) fn write(module: &Module, define: &[EntityId], extent: Extent) -> String {
    let mut writer = Writer {
        module,
        extent,
        defined: Set::new(module),
        seen: Set::new(module),
        queue: Vec::new(),
        parts: Parts::default(),
        units: Vec::new(),
    };
    for &id in define {
        writer.push(id);
        writer.defined.insert(id);
    }
    writer.queue.reverse();
    writer.module_wide();
    while let Some(id) = writer.queue.pop() {
        writer.entity(id);
    }
    writer.finish()
}

/// The text of a slice, by kinds.
#[derive(Default)]
struct Parts {
    head: String,
    types: String,
    comdats: String,
    variables: String,
    functions: String,
    attributes: String,
    metadata: String,
}

/// Takes away the model of a thread-local variable: a slice is linked by itself, when the variable may have got another
/// place than the model expects. Without one, code copes with any place.
fn model_edit(header: &Header) -> Option<Edit<'static>> {
    header.model.clone().map(|model| (model, ""))
}

/// A set of entities, a bit for each of the module: a slice must not cost much more than what is in it.
struct Set(Vec<u64>);

impl Set {
    fn new(module: &Module) -> Self {
        Self(vec![0; module.entities.all.len().div_ceil(64)])
    }

    fn contains(&self, id: EntityId) -> bool {
        self.0.get(id.index() / 64).is_some_and(|word| word >> (id.index() % 64) & 1 == 1)
    }

    /// Adds an entity, unless it is in the set.
    fn insert(&mut self, id: EntityId) -> bool {
        let is_new = !self.contains(id);
        if let Some(word) = self.0.get_mut(id.index() / 64) {
            *word |= 1 << (id.index() % 64);
        }
        is_new
    }
}

struct Writer<'a> {
    module: &'a Module,
    extent: Extent,
    defined: Set,
    seen: Set,
    queue: Vec<EntityId>,
    parts: Parts,
    /// The compile units that were written.
    units: Vec<EntityId>,
}

impl<'a> Writer<'a> {
    fn push(&mut self, id: EntityId) {
        if self.seen.insert(id) {
            self.queue.push(id);
        }
    }

    fn text(&self, range: Range<u32>) -> &'a str {
        self.module.text.get(range.start as usize..range.end as usize).unwrap_or_default()
    }

    fn references(&self, entity: &Entity) -> &'a [Reference] {
        let range = entity.references.start as usize..entity.references.end as usize;
        self.module.entities.references.get(range).unwrap_or_default()
    }

    /// The name of an entity in slices, with its sigil.
    fn name(&self, id: EntityId, entity: &Entity) -> &'a str {
        self.module.new_names.get(&id).map_or_else(|| self.text(entity.name.clone()), String::as_str)
    }

    /// Appends a part of an entity with edits in the order of the text, with new names. All that it refers to will be
    /// written.
    fn copy(&mut self, out: &mut String, entity: &Entity, range: Range<usize>, edits: &[Edit<'_>]) {
        let all = self.references(entity);
        let mut references = all[all.partition_point(|one| (one.start as usize) < range.start)..].iter().peekable();
        let mut at = range.start;
        let whole = [(range.end..range.end, "")];
        for (edit, replacement) in edits.iter().chain(&whole) {
            while let Some(reference) = references.next_if(|one| (one.end as usize) <= edit.start) {
                self.push(reference.target);
                if let Some(new) = self.module.new_names.get(&reference.target) {
                    out.push_str(self.module.text.get(at..reference.start as usize).unwrap_or_default());
                    out.push_str(new);
                    at = reference.end as usize;
                }
            }
            while references.next_if(|one| (one.start as usize) < edit.end).is_some() {}
            out.push_str(self.module.text.get(at..edit.start).unwrap_or_default());
            out.push_str(replacement);
            at = edit.end;
        }
    }

    /// The whole of an entity that is no symbol.
    fn whole(&mut self, id: EntityId, entity: &Entity, edits: &[Edit<'_>]) -> String {
        let mut out = self.name(id, entity).to_string();
        self.copy(&mut out, entity, entity.name.end as usize..entity.cut as usize, edits);
        out.push('\n');
        out
    }

    fn entity(&mut self, id: EntityId) {
        let module = self.module;
        let Some(entity) = module.entities.all.get(id.index()) else { return };
        match entity.kind {
            EntityKind::Type => {
                let text = self.whole(id, entity, &[]);
                self.parts.types += &text;
            }
            EntityKind::Comdat => {
                let text = self.whole(id, entity, &[]);
                self.parts.comdats += &text;
            }
            EntityKind::Attributes => {
                let text = format!("attributes {}", self.whole(id, entity, &[]));
                self.parts.attributes += &text;
            }
            EntityKind::Metadata => {
                let edits = self.compile_unit(id, entity);
                let text = self.whole(id, entity, &edits);
                self.parts.metadata += &text;
            }
            EntityKind::Assembly => {
                self.parts.head += self.text(entity.start..entity.end);
                self.parts.head.push('\n');
            }
            EntityKind::NamedMetadata | EntityKind::Head | EntityKind::UseListOrder | EntityKind::Summary => {}
            EntityKind::Function
            | EntityKind::Variable
            | EntityKind::Alias
            | EntityKind::Ifunc
            | EntityKind::Declaration => {
                let (Some(header), Some(symbol)) = (header(&module.text, entity), &entity.symbol) else { return };
                self.symbol(id, entity, &header, symbol);
            }
        }
    }

    fn symbol(&mut self, id: EntityId, entity: &Entity, header: &Header, symbol: &Symbol) {
        let is_copy = self.module.groups.is_copied(id);
        let mut out = String::new();
        let is_function = if self.defined.contains(id) || is_copy {
            self.definition(&mut out, id, entity, header, symbol);
            entity.kind == EntityKind::Function
        } else {
            self.declaration(&mut out, id, entity, header);
            header.parameters.is_some()
        };
        out.push('\n');
        if is_function {
            self.parts.functions += &out;
        } else {
            self.parts.variables += &out;
        }
    }

    fn definition(&mut self, out: &mut String, id: EntityId, entity: &Entity, header: &Header, symbol: &Symbol) {
        let mut edits: Vec<Edit<'_>> = Vec::new();
        if self.module.groups.is_promoted(id) {
            edits = self.linkage_edits(header, true);
        }
        // A definition that nothing in its module refers to must not be dropped: others do.
        let kept = match symbol.linkage {
            Linkage::Linkonce => header.linkage.zip(Some("weak")),
            Linkage::LinkonceOdr => header.linkage.zip(Some("weak_odr")),
            _ => None,
        };
        edits.extend(kept.map(|(word, kept)| (word.start..word.end, kept)));
        edits.extend(model_edit(header));
        edits.sort_by_key(|(range, _)| range.start);
        let is_copy = self.module.groups.is_copied(id);
        let start = entity.start as usize;
        if entity.kind == EntityKind::Function {
            edits.push((header.name.start..header.name.end, self.name(id, entity)));
            self.copy(out, entity, start..entity.cut as usize, &edits);
            out.push_str("}\n");
        } else {
            out.push_str(self.name(id, entity));
            if is_copy && self.extent == Extent::Part {
                let attached = header.clauses.iter().filter(|clause| self.clause(clause).starts_with('!'));
                edits.extend(attached.map(|clause| (clause.start - 1..clause.end, "")));
            }
            self.copy(out, entity, header.name.end..entity.end as usize, &edits);
        }
        if let Some(comdat) = symbol.comdat {
            self.push(comdat);
        }
    }

    fn clause(&self, clause: &Range<usize>) -> &'a str {
        self.module.text.get(clause.clone()).unwrap_or_default().trim_start()
    }

    /// Takes the words away that only a definition has; a symbol with a new name is for other slices only.
    fn linkage_edits(&self, header: &Header, is_promoted: bool) -> Vec<Edit<'static>> {
        let is_dropped =
            |word: &Token| is_promoted || word.text(&self.module.text) == "dllexport" || header.linkage == Some(*word);
        let words = [header.linkage, header.dso, header.visibility, header.dll].into_iter().flatten();
        let mut edits: Vec<Edit<'static>> = words.filter(is_dropped).map(|word| (word.start..word.end, "")).collect();
        if is_promoted {
            edits.push((header.start..header.start, PROMOTED));
        }
        edits.sort_by_key(|(range, _)| range.start);
        edits
    }

    fn declaration(&mut self, out: &mut String, id: EntityId, entity: &Entity, header: &Header) {
        let is_declared = entity.symbol.is_some_and(|s| !s.is_definition && s.linkage != Linkage::AvailableExternally);
        if is_declared {
            self.declared(out, id, entity, header);
            return;
        }
        let mut edits = self.linkage_edits(header, self.module.groups.is_promoted(id));
        edits.extend(model_edit(header));
        edits.sort_by_key(|(range, _)| range.start);
        match entity.kind {
            EntityKind::Function => {
                out.push_str("declare");
                edits.push((header.name.start..header.name.end, self.name(id, entity)));
                self.copy(out, entity, header.start..header.tail, &edits);
            }
            EntityKind::Alias | EntityKind::Ifunc if header.parameters.is_some() => {
                let parameters = header.parameters.clone().unwrap_or_default();
                out.push_str("declare");
                // The words for where an alias is and what its address means stand elsewhere in a function's header.
                let words = [header.dso, header.visibility, header.dll].into_iter().flatten();
                let is_kept = |word: &Token| !edits.iter().any(|(range, _)| range.start == word.start);
                let kept: Vec<Token> = words.filter(is_kept).collect();
                if self.module.groups.is_promoted(id) {
                    out.push_str(PROMOTED);
                }
                for word in kept {
                    out.push(' ');
                    out.push_str(word.text(&self.module.text));
                }
                out.push(' ');
                self.copy(out, entity, header.value_type.clone(), &[]);
                out.push(' ');
                out.push_str(self.name(id, entity));
                self.copy(out, entity, parameters, &[]);
            }
            _ => {
                out.push_str(self.name(id, entity));
                out.push_str(" = external ");
                self.copy(out, entity, header.start..header.keyword.start, &edits);
                let is_variable = entity.kind == EntityKind::Variable;
                out.push_str(if is_variable { header.keyword.text(&self.module.text) } else { "global" });
                out.push(' ');
                self.copy(out, entity, header.value_type.clone(), &[]);
                for clause in header.clauses.iter().filter(|_| is_variable) {
                    let first = self.clause(clause);
                    if ["align", "code_model", "no_sanitize", "sanitize"].iter().any(|word| first.starts_with(word)) {
                        out.push(',');
                        self.copy(out, entity, clause.clone(), &[]);
                    }
                }
            }
        }
    }

    /// Writes an entity that is a declaration in the module, too. Debug information of declarations is not needed.
    fn declared(&mut self, out: &mut String, id: EntityId, entity: &Entity, header: &Header) {
        let (start, end) = (entity.start as usize, entity.end as usize);
        let mut edits: Vec<Edit<'_>> = model_edit(header).into_iter().collect();
        if entity.kind == EntityKind::Declaration {
            let mut tokens = Lexer::new(&self.module.text, header.start, header.name.start);
            while let Some(token) = tokens.next() {
                if token.kind == Kind::MetadataName && token.text(&self.module.text) == "!dbg" {
                    let end = tokens.next().map_or(token.end, |node| node.end);
                    edits.push((token.start..end, ""));
                }
            }
        }
        edits.push((header.name.start..header.name.end, self.name(id, entity)));
        let attached = header.clauses.iter().filter(|clause| self.clause(clause).starts_with("!dbg"));
        edits.extend(attached.map(|clause| (clause.start - 1..clause.end, "")));
        edits.sort_by_key(|(range, _)| range.start);
        self.copy(out, entity, start..end, &edits);
    }

    /// A compile unit lists all that is in it: variables, types, imports. A part has no use for these.
    fn compile_unit(&mut self, id: EntityId, entity: &Entity) -> Vec<Edit<'static>> {
        let text = &self.module.text;
        let mut tokens = Lexer::new(text, entity.name.end as usize, entity.end as usize);
        let kind = tokens.by_ref().skip(1).find(|token| !token.is(text, "distinct"));
        if kind.is_none_or(|kind| kind.text(text) != "!DICompileUnit") {
            return Vec::new();
        }
        self.units.push(id);
        let mut edits = Vec::new();
        let mut before: Option<Token> = None;
        while let Some(token) = tokens.next().filter(|_| self.extent == Extent::Part) {
            const LISTS: [&str; 5] = ["enums", "retainedTypes", "globals", "imports", "macros"];
            let comma = before.replace(token).filter(|before| before.is(text, ","));
            let Some(comma) = comma.filter(|_| token.kind == Kind::Label && LISTS.contains(&token.text(text))) else {
                continue;
            };
            // A colon, and the number of the list.
            let value = tokens.nth(1).filter(|value| value.kind == Kind::Metadata);
            edits.extend(value.map(|value| (comma.start..value.end, "")));
        }
        edits
    }

    /// The text that belongs to no symbol.
    fn module_wide(&mut self) {
        let module = self.module;
        let of_module = module.entities.of_module.iter();
        for entity in of_module.filter_map(|id| module.entities.all.get(id.index())) {
            match entity.kind {
                EntityKind::Head => {
                    self.parts.head += self.text(entity.start..entity.end);
                    self.parts.head.push('\n');
                }
                EntityKind::NamedMetadata if self.extent == Extent::Rest => {
                    let mut out = String::new();
                    self.copy(&mut out, entity, entity.start as usize..entity.end as usize, &[]);
                    self.parts.metadata += &out;
                    self.parts.metadata.push('\n');
                }
                EntityKind::NamedMetadata if self.text(entity.name.clone()) == "!llvm.module.flags" => {
                    self.flags(entity);
                }
                _ => {}
            }
        }
    }

    /// All flags but those that speak of other functions.
    fn flags(&mut self, entity: &Entity) {
        let all = self.references(entity).iter().map(|reference| reference.target);
        let flags: Vec<EntityId> = all
            .filter(|flag| {
                let flag = self.module.entities.all.get(flag.index());
                let text = flag.filter(|flag| flag.kind == EntityKind::Metadata).map(|f| self.text(f.start..f.end));
                text.is_some_and(|text| !text.get(..80).unwrap_or(text).contains("!\"CG Profile\""))
            })
            .collect();
        flags.iter().for_each(|&flag| self.push(flag));
        self.list("!llvm.module.flags", &flags);
    }

    fn list(&mut self, name: &str, nodes: &[EntityId]) {
        let all = &self.module.entities.all;
        let nodes = nodes.iter().filter_map(|node| all.get(node.index())).map(|node| self.text(node.name.clone()));
        let nodes = nodes.collect::<Vec<_>>().join(", ");
        self.parts.metadata += &format!("{name} = !{{{nodes}}}\n");
    }

    fn finish(mut self) -> String {
        if self.extent == Extent::Part && !self.units.is_empty() {
            let units = std::mem::take(&mut self.units);
            self.list("!llvm.dbg.cu", &units);
        }
        let Parts { head, types, comdats, variables, functions, attributes, metadata } = self.parts;
        [head, types, comdats, variables, functions, attributes, metadata].concat()
    }
}
