//! Reading: tokens to entities and their references.
//!
//! An entity ends where the next one begins. Outside of all brackets, only a few words and `name =` begin one.

use std::ops::Range;

use crate::entity::{Entity, EntityId, EntityKind, Linkage, Reference, Symbol, Visibility};
use crate::error::{Error, Result, at};
use crate::header::Header;
use crate::lexer::{Kind, Lexer, Token};
use crate::table::Names;

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
        names: Vec::new(),
        pairs: Vec::new(),
        open: Vec::new(),
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
    /// The places of names that may refer to entities.
    names: Vec<(u32, u32)>,
    /// An entity, and the place of its reference to the one that it has to be with.
    pairs: Vec<(EntityId, u32)>,
    /// The brackets that are open, with their places.
    open: Vec<(u8, usize)>,
}

/// The state while an entity is read.
struct Parts {
    id: EntityId,
    kind: EntityKind,
    /// The last brace that was opened outside of all other brackets.
    body: Option<usize>,
    /// The place from which on orders of uses fill the body.
    cut: Option<usize>,
    is_assembly: bool,
    /// The next symbol is a function whose frame it refers to.
    knows_frame: bool,
    /// The place of a name that the entity has to be with.
    companion: Option<usize>,
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
        let mut parts =
            Parts { id, kind, body: None, cut: None, is_assembly: false, knows_frame: false, companion: None };
        let references = self.names.len();
        let mut last = first;
        let mut count = 0;
        let keeps_references = !matches!(kind, EntityKind::UseListOrder | EntityKind::Summary);
        while let Some(token) = self.ahead {
            let is_first = token.start == first.start;
            match token.kind {
                Kind::Open => self.open(&mut parts, token)?,
                Kind::Close => self.close(token)?,
                _ if is_first => {}
                _ if self.open.is_empty() && self.begins(token).is_some() => break,
                _ if keeps_references => self.observe(&mut parts, token),
                _ => {}
            }
            last = token;
            count += 1;
            self.take()?;
        }
        if let Some(&(open, start)) = self.open.last() {
            return Err(at(self.text, start, format!("the '{}' that is here is never closed", char::from(open))));
        }
        let end = last.end;
        let of_words = matches!(kind, EntityKind::Head | EntityKind::Assembly);
        let length = if first.is(self.text, "target") { 4 } else { 3 };
        if of_words && (last.kind != Kind::String || count != length || self.names.len() != references) {
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
            references: short(references)..short(self.names.len()),
            symbol: None,
        });
        Ok(())
    }

    fn attributes_name(&self, first: Token) -> Token {
        Lexer::new(self.text, first.end, self.text.len()).next().unwrap_or(first)
    }

    /// Takes account of a bracket that is opened.
    fn open(&mut self, parts: &mut Parts, token: Token) -> Result<()> {
        let bracket = self.text.as_bytes().get(token.start).copied().unwrap_or_default();
        if self.open.is_empty() && bracket == b'{' {
            if parts.cut.is_some() {
                return Err(at(self.text, token.start, "the function has a body already"));
            }
            parts.body = Some(token.start);
        }
        self.open.push((bracket, token.start));
        Ok(())
    }

    /// Takes account of a bracket that is closed.
    fn close(&mut self, token: Token) -> Result<()> {
        let close = token.text(self.text);
        let matching = self.open.pop().map(|(open, _)| match open {
            b'(' => ")",
            b'[' => "]",
            b'{' => "}",
            _ => ">",
        });
        if matching != Some(close) {
            return Err(at(self.text, token.start, format!("'{close}' closes nothing that is open here")));
        }
        Ok(())
    }

    /// Notes what a token refers to.
    fn observe(&mut self, parts: &mut Parts, token: Token) {
        if parts.cut.is_some() {
            return;
        }
        let is_companion = |parts: &Parts| parts.companion == Some(token.start);
        let is_paired = match token.kind {
            Kind::Local | Kind::Comdat | Kind::Attributes => false,
            Kind::Metadata => is_companion(parts),
            Kind::Global => {
                let is_in_body = self.open.len() == 1;
                let knows_frame = is_in_body && KNOW_FRAMES.contains(&token.text(self.text));
                std::mem::replace(&mut parts.knows_frame, knows_frame) || is_companion(parts)
            }
            _ => return self.observe_word(parts, token),
        };
        if is_paired {
            self.pairs.push((parts.id, short(token.start)));
        }
        self.names.push((short(token.start), short(token.end)));
    }

    /// Notes what a token means that is no name.
    fn observe_word(&mut self, parts: &mut Parts, token: Token) {
        let mut rest = self.lexer.clone();
        match (token.kind, token.text(self.text)) {
            (Kind::Word, "asm") => parts.is_assembly = true,
            (Kind::Word, "blockaddress") => {
                let open = rest.next().filter(|open| open.is(self.text, "("));
                parts.companion = open.and_then(|_| Some(rest.next()?.start));
            }
            (Kind::Word, "uselistorder" | "uselistorder_bb")
                if parts.kind == EntityKind::Function && self.open.len() == 1 && parts.body.is_some() =>
            {
                parts.cut = Some(token.start);
            }
            (Kind::MetadataName, "!associated") => parts.companion = rest.next().map(|node| node.start),
            (Kind::String, _) if std::mem::take(&mut parts.is_assembly) => {
                self.entities.assembly.push((parts.id, short(token.start)..short(token.end)));
            }
            _ => {}
        }
    }

    /// Finds the entities that names refer to.
    fn resolve(mut self) -> Result<Entities> {
        let mut all = std::mem::take(&mut self.entities.all);
        self.headers(&mut all)?;
        let [types, attributes, metadata] = self.other_names(&all)?;
        let mut references = Vec::new();
        for entity in &mut all {
            let names = entity.references.start as usize..entity.references.end as usize;
            let first = short(references.len());
            for &(start, end) in self.names.get(names).unwrap_or_default() {
                let name = self.slice(start, end);
                let (names, what) = match name.as_bytes().first() {
                    // A `%name` is a value if it is no type.
                    Some(b'%') => (&types, None),
                    Some(b'@') => (&self.entities.symbols, Some("symbol")),
                    Some(b'!') => (&metadata, Some("metadata")),
                    Some(b'#') => (&attributes, Some("attributes")),
                    _ => (&self.entities.comdats, None),
                };
                match (names.get(name), what) {
                    (Some(target), _) => references.push(Reference { start, end, target }),
                    // Intrinsics need no declaration.
                    (None, Some(what)) if !name.starts_with("@llvm.") => {
                        let reason = format!("the {what} '{name}' is not in the module");
                        return Err(at(self.text, start as usize, reason));
                    }
                    (None, _) => {}
                }
            }
            entity.references = first..short(references.len());
        }
        let target = |id: EntityId, start: u32| {
            let range = all.get(id.index())?.references.clone();
            let references = references.get(range.start as usize..range.end as usize)?;
            let at = references.binary_search_by_key(&start, |reference| reference.start).ok()?;
            references.get(at).map(|reference| reference.target)
        };
        let pairs = self.pairs.iter().filter_map(|&(id, start)| Some((id, target(id, start)?))).collect();
        Ok(Entities { all, references, pairs, ..self.entities })
    }

    /// Reads the headers of all symbols, and gives symbols and COMDAT groups their names.
    fn headers(&mut self, all: &mut [Entity]) -> Result<()> {
        for (number, entity) in all.iter().enumerate().filter(|(_, entity)| entity.kind == EntityKind::Comdat) {
            let name = self.slice(entity.name.start, entity.name.end);
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
            if self.entities.symbols.insert(name, EntityId(short(number))).is_some() {
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
            self.entities.comdats.get(name)
        });
        let is_definition = !is_declaration && linkage != Linkage::AvailableExternally;
        Symbol { linkage, visibility, is_definition, may_be_copied, has_prefix: header.has_prefix, comdat }
    }

    fn other_names(&self, all: &[Entity]) -> Result<[Names; 3]> {
        let mut names = [Names::default(), Names::default(), Names::default()];
        for (number, entity) in all.iter().enumerate() {
            let space = match entity.kind {
                EntityKind::Type => 0,
                EntityKind::Attributes => 1,
                EntityKind::Metadata => 2,
                _ => continue,
            };
            let name = self.slice(entity.name.start, entity.name.end);
            if names[space].insert(name, EntityId(short(number))).is_some() {
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

/// An offset or number that fits, since the text is shorter than 4 GiB.
fn short(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
