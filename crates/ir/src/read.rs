//! Reading: tokens to entities and their references.
//!
//! An entity ends where the next one begins. Outside of all brackets, only a few words and `name =` begin one.

use std::collections::HashMap;
use std::ops::Range;

use crate::entity::{Entity, EntityId, EntityKind, Linkage, Reference, Symbol, Visibility};
use crate::error::{Error, Result, at};
use crate::header::Header;
use crate::lexer::{Kind, Lexer, Token, decode};

/// A larger constant has one place, not a copy in each slice that refers to it.
const LARGEST_COPY: u32 = 4096;

/// Intrinsics whose first operand is a function that has to be in the same module: they refer to its frame.
const KNOW_FRAMES: [&str; 2] = ["@llvm.localrecover", "@llvm.eh.recoverfp"];

/// The entities of a text, and what is known about which belong together.
#[derive(Debug, Default)]
pub(crate) struct Entities {
    pub(crate) all: Vec<Entity>,
    pub(crate) references: Vec<Reference>,
    pub(crate) symbols: Names,
    pub(crate) comdats: Names,
    /// The text about the whole module: its head, and named metadata.
    pub(crate) of_module: Vec<EntityId>,
    /// Pairs of which neither works without the other in its module.
    pub(crate) pairs: Vec<(EntityId, EntityId)>,
    /// Strings of assembly, with the entities that have them.
    pub(crate) assembly: Vec<(EntityId, Range<u32>)>,
}

/// Names of one kind, without sigil and quotes.
pub(crate) type Names = HashMap<Vec<u8>, EntityId>;

/// The kinds of names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Space {
    Symbol,
    Type,
    Comdat,
    Attributes,
    Metadata,
}

/// A reference by name.
struct Unresolved {
    start: u32,
    end: u32,
    space: Space,
}

/// Reads all entities of a text.
pub(crate) fn read(text: &str) -> Result<Entities> {
    if u32::try_from(text.len()).is_err() {
        return Err(Error::TooLong);
    }
    let mut reader = Reader {
        text,
        lexer: Lexer::new(text, 0, text.len()),
        ahead: None,
        entities: Entities::default(),
        unresolved: Vec::new(),
        pairs: Vec::new(),
    };
    reader.ahead = reader.lexer.next_token()?;
    while let Some(first) = reader.ahead {
        reader.entity(first)?;
    }
    reader.resolve()
}

struct Reader<'a> {
    text: &'a str,
    lexer: Lexer<'a>,
    ahead: Option<Token>,
    entities: Entities,
    unresolved: Vec<Unresolved>,
    /// An entity, and the number of the reference to the one that it has to be with.
    pairs: Vec<(EntityId, usize)>,
}

/// The state while an entity is read.
struct Parts {
    id: EntityId,
    /// The brackets that are open, with their places.
    open: Vec<Token>,
    before: [Option<Token>; 2],
    /// The last brace that was opened outside of all other brackets.
    body: Option<usize>,
    /// The place from which on orders of uses fill the body.
    cut: Option<usize>,
    is_assembly: bool,
    needs_frame: bool,
}

impl<'a> Reader<'a> {
    fn take(&mut self) -> Result<()> {
        self.ahead = self.lexer.next_token()?;
        Ok(())
    }

    /// The kind of entity that begins at a token outside of all brackets, if one does.
    fn begins(&self, token: Token) -> Option<EntityKind> {
        let next = || self.lexer.clone().next();
        let next_is = |what| next().is_some_and(|next| next.is(self.text, what));
        let named = |kind| next_is("=").then_some(kind);
        match token.kind {
            Kind::Global => named(EntityKind::Variable),
            Kind::Local => named(EntityKind::Type),
            Kind::Comdat => named(EntityKind::Comdat),
            Kind::Metadata => named(EntityKind::Metadata),
            Kind::MetadataName => named(EntityKind::NamedMetadata),
            Kind::Summary => named(EntityKind::Summary),
            Kind::Word => match token.text(self.text) {
                "define" => Some(EntityKind::Function),
                "declare" => Some(EntityKind::Declaration),
                "module" => next_is("asm").then_some(EntityKind::Assembly),
                "target" => (next_is("triple") || next_is("datalayout")).then_some(EntityKind::Head),
                "source_filename" => named(EntityKind::Head),
                "attributes" => {
                    next().is_some_and(|next| next.kind == Kind::Attributes).then_some(EntityKind::Attributes)
                }
                "uselistorder" | "uselistorder_bb" => Some(EntityKind::UseListOrder),
                _ => None,
            },
            _ => None,
        }
    }

    /// Reads an entity, up to the next one.
    fn entity(&mut self, first: Token) -> Result<()> {
        let Some(kind) = self.begins(first) else {
            let found = first.text(self.text).chars().take(40).collect::<String>();
            return Err(at(self.text, first.start, format!("'{found}' begins no entity of a module")));
        };
        let id = EntityId(short(self.entities.all.len()));
        let mut parts = Parts {
            id,
            open: Vec::new(),
            before: [None; 2],
            body: None,
            cut: None,
            is_assembly: false,
            needs_frame: false,
        };
        let references = self.unresolved.len();
        let mut last = first;
        let mut count = 0;
        let keeps_references = !matches!(kind, EntityKind::UseListOrder | EntityKind::Summary);
        while let Some(token) = self.ahead {
            let is_first = token.start == first.start;
            if parts.open.is_empty() && !is_first && self.begins(token).is_some() {
                break;
            }
            self.brackets(&mut parts, token)?;
            if !is_first && keeps_references {
                self.observe(&mut parts, token, kind);
            }
            parts.before = [parts.before[1], Some(token)];
            last = token;
            count += 1;
            self.take()?;
        }
        if let Some(open) = parts.open.last() {
            let reason = format!("the '{}' that is here is never closed", open.text(self.text));
            return Err(at(self.text, open.start, reason));
        }
        let end = last.end;
        let of_words = matches!(kind, EntityKind::Head | EntityKind::Assembly);
        let length = if first.is(self.text, "target") { 4 } else { 3 };
        if of_words && (last.kind != Kind::String || count != length || self.unresolved.len() != references) {
            return Err(at(self.text, first.start, "here is more or less than a string for one word"));
        }
        if kind == EntityKind::Function && (!last.is(self.text, "}") || parts.body.is_none()) {
            return Err(at(self.text, first.start, "the function that begins here has no body"));
        }
        let body = if kind == EntityKind::Function { parts.body.unwrap_or(end) } else { end };
        let cut = match (kind, parts.cut) {
            (EntityKind::Function, cut) => cut.unwrap_or(last.start),
            _ => end,
        };
        if matches!(kind, EntityKind::Head | EntityKind::NamedMetadata) {
            self.entities.of_module.push(id);
        }
        let name = if kind == EntityKind::Attributes { self.attributes_name(first) } else { first };
        self.entities.all.push(Entity {
            kind,
            start: short(first.start),
            end: short(end),
            name: short(name.start)..short(name.end),
            body: short(body),
            cut: short(cut),
            references: short(references)..short(self.unresolved.len()),
            symbol: None,
        });
        Ok(())
    }

    fn attributes_name(&self, first: Token) -> Token {
        Lexer::new(self.text, first.end, self.text.len()).next().unwrap_or(first)
    }

    /// Keeps account of brackets.
    fn brackets(&self, parts: &mut Parts, token: Token) -> Result<()> {
        match token.kind {
            Kind::Open => {
                if parts.open.is_empty() && token.is(self.text, "{") {
                    if parts.cut.is_some() {
                        return Err(at(self.text, token.start, "the function has a body already"));
                    }
                    parts.body = Some(token.start);
                }
                parts.open.push(token);
            }
            Kind::Close => {
                let close = token.text(self.text);
                let matching = parts.open.pop().map(|open| match open.text(self.text) {
                    "(" => ")",
                    "[" => "]",
                    "{" => "}",
                    _ => ">",
                });
                if matching != Some(close) {
                    return Err(at(self.text, token.start, format!("'{close}' closes nothing that is open here")));
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Notes what a token refers to.
    fn observe(&mut self, parts: &mut Parts, token: Token, kind: EntityKind) {
        let word = token.text(self.text);
        let is_order = token.kind == Kind::Word && matches!(word, "uselistorder" | "uselistorder_bb");
        if kind == EntityKind::Function && parts.open.len() == 1 && is_order && parts.body.is_some() {
            parts.cut.get_or_insert(token.start);
        }
        if parts.cut.is_some() {
            return;
        }
        let space = match token.kind {
            Kind::Global => Space::Symbol,
            Kind::Local => Space::Type,
            Kind::Comdat => Space::Comdat,
            Kind::Attributes => Space::Attributes,
            Kind::Metadata => Space::Metadata,
            Kind::Word => {
                parts.is_assembly |= word == "asm";
                return;
            }
            Kind::String => {
                if std::mem::take(&mut parts.is_assembly) {
                    self.entities.assembly.push((parts.id, short(token.start)..short(token.end)));
                }
                return;
            }
            _ => return,
        };
        let here = self.unresolved.len();
        let before = |number: usize, what: &str| parts.before[number].is_some_and(|t| t.text(self.text) == what);
        let is_block = space == Space::Symbol && before(1, "(") && before(0, "blockaddress");
        let is_associated = space == Space::Metadata && before(1, "!associated");
        if is_block || is_associated || (space == Space::Symbol && std::mem::take(&mut parts.needs_frame)) {
            self.pairs.push((parts.id, here));
        }
        parts.needs_frame |= space == Space::Symbol && parts.open.len() == 1 && KNOW_FRAMES.contains(&word);
        self.unresolved.push(Unresolved { start: short(token.start), end: short(token.end), space });
    }

    /// Finds the entities that names refer to.
    fn resolve(mut self) -> Result<Entities> {
        let mut all = std::mem::take(&mut self.entities.all);
        self.headers(&mut all)?;
        let [types, attributes, metadata] = self.other_names(&all)?;
        let mut numbers = Vec::with_capacity(self.unresolved.len());
        let mut references = Vec::with_capacity(self.unresolved.len());
        for unresolved in &self.unresolved {
            let name = self.slice(unresolved.start, unresolved.end);
            let key = key(name);
            let (names, what) = match unresolved.space {
                Space::Symbol => (&self.entities.symbols, Some("symbol")),
                Space::Type => (&types, None),
                Space::Comdat => (&self.entities.comdats, None),
                Space::Attributes => (&attributes, Some("attributes")),
                Space::Metadata => (&metadata, Some("metadata")),
            };
            numbers.push(references.len());
            match (names.get(&*key), what) {
                (Some(&target), _) => {
                    references.push(Reference { start: unresolved.start, end: unresolved.end, target });
                }
                // Intrinsics need no declaration; a `%name` is a value if it is no type.
                (None, Some(what)) if !name.starts_with("@llvm.") => {
                    let reason = format!("the {what} '{name}' is not in the module");
                    return Err(at(self.text, unresolved.start as usize, reason));
                }
                (None, _) => {}
            }
        }
        numbers.push(references.len());
        let number = |old: u32| numbers.get(old as usize).copied().map_or(0, short);
        for entity in &mut all {
            entity.references = number(entity.references.start)..number(entity.references.end);
        }
        let target = |unresolved: usize| {
            let number = *numbers.get(unresolved)?;
            let is_resolved = numbers.get(unresolved + 1) != Some(&number);
            references.get(number).filter(|_| is_resolved).map(|reference: &Reference| reference.target)
        };
        let pairs = self.pairs.iter().filter_map(|&(id, unresolved)| Some((id, target(unresolved)?))).collect();
        Ok(Entities { all, references, pairs, ..self.entities })
    }

    /// Reads the headers of all symbols, and gives symbols and COMDAT groups their names.
    fn headers(&mut self, all: &mut [Entity]) -> Result<()> {
        for (number, entity) in all.iter().enumerate().filter(|(_, entity)| entity.kind == EntityKind::Comdat) {
            let name = key(self.slice(entity.name.start, entity.name.end)).into_owned();
            self.entities.comdats.insert(name, EntityId(short(number)));
        }
        for (number, entity) in all.iter_mut().enumerate().filter(|(_, entity)| entity.kind.is_symbol()) {
            let Some(header) = self.header(entity) else {
                return Err(at(self.text, entity.start as usize, "this is no whole definition or declaration"));
            };
            entity.name = short(header.name.start)..short(header.name.end);
            match header.keyword.text(self.text) {
                "alias" => entity.kind = EntityKind::Alias,
                "ifunc" => entity.kind = EntityKind::Ifunc,
                _ => {}
            }
            entity.symbol = Some(self.symbol(entity, &header));
            let name = self.slice(entity.name.start, entity.name.end);
            if self.entities.symbols.insert(key(name).into_owned(), EntityId(short(number))).is_some() {
                return Err(at(self.text, entity.start as usize, format!("'{name}' is there twice")));
            }
        }
        Ok(())
    }

    fn header(&self, entity: &Entity) -> Option<Header> {
        header(self.text, entity)
    }

    fn symbol(&self, entity: &Entity, header: &Header) -> Symbol {
        let linkage = header.linkage.and_then(|word| Linkage::of(word.text(self.text))).unwrap_or(Linkage::External);
        let visibility = match header.visibility.map(|word| word.text(self.text)) {
            Some("hidden") => Visibility::Hidden,
            Some("protected") => Visibility::Protected,
            _ => Visibility::Default,
        };
        let is_declaration = match entity.kind {
            EntityKind::Declaration => true,
            EntityKind::Variable => {
                header.linkage.is_some_and(|word| ["external", "extern_weak"].contains(&word.text(self.text)))
            }
            _ => false,
        };
        let is_constant = header.keyword.is(self.text, "constant");
        let may_be_copied = is_constant
            && linkage.is_local()
            && header.is_unnamed_addr
            && !header.is_thread_local
            && !header.has_section
            && header.comdat.is_none()
            && entity.end - entity.start <= LARGEST_COPY;
        let comdat = header.comdat.and_then(|named| {
            let name = named.unwrap_or(header.name).text(self.text);
            self.entities.comdats.get(&*key(name)).copied()
        });
        let is_definition = !is_declaration && linkage != Linkage::AvailableExternally;
        Symbol { linkage, visibility, is_definition, may_be_copied, has_prefix: header.has_prefix, comdat }
    }

    fn other_names(&self, all: &[Entity]) -> Result<[Names; 3]> {
        let mut names = [Names::new(), Names::new(), Names::new()];
        for (number, entity) in all.iter().enumerate() {
            let space = match entity.kind {
                EntityKind::Type => 0,
                EntityKind::Attributes => 1,
                EntityKind::Metadata => 2,
                _ => continue,
            };
            let name = self.slice(entity.name.start, entity.name.end);
            if names[space].insert(key(name).into_owned(), EntityId(short(number))).is_some() {
                return Err(at(self.text, entity.start as usize, format!("'{name}' is there twice")));
            }
        }
        Ok(names)
    }

    fn slice(&self, start: u32, end: u32) -> &'a str {
        self.text.get(start as usize..end as usize).unwrap_or_default()
    }
}

/// Reads the header of a symbol.
pub(crate) fn header(text: &str, entity: &Entity) -> Option<Header> {
    let (start, body) = (entity.start as usize, entity.body as usize);
    match entity.kind {
        EntityKind::Function | EntityKind::Declaration => Header::of_function(text, start, body),
        _ => Header::of_variable(text, start, body),
    }
}

/// A name as a key: `@0` is not `@"0"`. No name has a zero byte.
pub(crate) fn key(name: &str) -> std::borrow::Cow<'_, [u8]> {
    let rest = name.as_bytes().get(1..).unwrap_or_default();
    if !rest.is_empty() && rest.iter().all(u8::is_ascii_digit) {
        let mut key = vec![0];
        key.extend(rest);
        return key.into();
    }
    decode(name)
}

/// An offset or number that fits, since the text is shorter than 4 GiB.
fn short(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
