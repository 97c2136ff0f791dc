//! A module that was read, and what can be asked of it.

use crate::entity::{Definition, Entity, EntityId, EntityKind};
use crate::error::{Error, Result};
use crate::groups::{Groups, targets};
use crate::names::{NewNames, new_names, plain, suffix_of};
use crate::read::{Entities, read};
use crate::table::Set;
use crate::write::{Extent, write};

/// A module of LLVM IR. It is read once; many threads may then take slices of it.
#[derive(Debug)]
pub struct Module {
    pub(crate) text: String,
    pub(crate) entities: Entities,
    pub(crate) groups: Groups,
    pub(crate) new_names: NewNames,
}

impl Module {
    /// Reads IR text. Local names that slices share end with a hash of the text, so that they are no other module's.
    ///
    /// # Errors
    /// If the text is not IR as far as it can be told without knowing instructions.
    pub fn read(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        let suffix = suffix_of(&text);
        Self::read_with_suffix(text, &suffix)
    }

    /// Reads IR text; local names that slices share end with a suffix of the caller's, such as `.module7`. Modules that
    /// are linked together need different ones.
    ///
    /// # Errors
    /// As [`Module::read`], and if the suffix has characters that would have to be quoted.
    pub fn read_with_suffix(text: impl Into<String>, suffix: &str) -> Result<Self> {
        let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-$._".contains(&byte);
        if suffix.is_empty() || !suffix.bytes().all(is_of_name) {
            return Err(Error::Suffix(suffix.to_string()));
        }
        let text = text.into();
        let entities = read(&text)?;
        let groups = Groups::of(&text, &entities);
        let new_names = new_names(&text, &entities, &groups, suffix);
        Ok(Self { text, entities, groups, new_names })
    }

    /// The text that was read.
    pub fn into_text(self) -> String {
        self.text
    }

    /// The functions that the module defines, in its order, with the reasons why some of them stay in the rest.
    pub fn functions(&self) -> impl Iterator<Item = Definition> {
        self.definitions().filter(|definition| definition.kind == EntityKind::Function)
    }

    /// All symbols that the module has definitions of, in its order: functions, variables, aliases, ifuncs.
    pub fn definitions(&self) -> impl Iterator<Item = Definition> {
        (0..self.entities.all.len()).filter_map(|number| self.definition(EntityId(number as u32)))
    }

    fn definition(&self, id: EntityId) -> Option<Definition> {
        let entity = self.entities.all.get(id.index())?;
        let symbol = entity.symbol?;
        let stays = self.groups.stays(id).filter(|_| entity.kind == EntityKind::Function);
        if !symbol.is_definition && stays.is_none() {
            return None;
        }
        let name = self.text.get(entity.name.start as usize..entity.name.end as usize)?;
        let new = self.new_names.get(&id).map_or(name, String::as_str);
        Some(Definition {
            id,
            kind: entity.kind,
            name: plain(name),
            symbol: plain(new),
            linkage: symbol.linkage,
            visibility: symbol.visibility,
            is_callable: self.is_callable(id),
            stays,
        })
    }

    fn is_callable(&self, id: EntityId) -> bool {
        let mut at = id;
        // Aliases of aliases end, or the module is not valid.
        for _ in 0..self.entities.all.len() {
            match self.kind(at) {
                Some(EntityKind::Alias) => match targets(&self.entities, at).find(|&to| self.is_symbol(to)) {
                    Some(target) => at = target,
                    None => return false,
                },
                kind => return kind != Some(EntityKind::Variable),
            }
        }
        false
    }

    fn is_symbol(&self, id: EntityId) -> bool {
        self.kind(id).is_some_and(EntityKind::is_symbol)
    }

    /// The symbol with a name of the module, without sigil and quotes; `0` is not the name of `@0`.
    pub fn find(&self, name: &str) -> Option<EntityId> {
        self.entities.symbols.find(name.as_bytes())
    }

    /// The kind of an entity.
    pub fn kind(&self, id: EntityId) -> Option<EntityKind> {
        self.entities.all.get(id.index()).map(|entity| entity.kind)
    }

    /// The definitions that must be in one module with a definition, and itself: members of its COMDAT group, its
    /// aliases, variables with addresses of its blocks.
    pub fn together_with(&self, id: EntityId) -> impl Iterator<Item = Definition> {
        self.groups.members(id).iter().filter_map(|&id| self.definition(id))
    }

    /// The groups of definitions that are cut from the rest, in the order of the module: each is a slice of its own, made by
    /// wanting any of its members.
    pub fn cuts(&self) -> impl Iterator<Item = Vec<Definition>> {
        let ids = (0..self.entities.all.len()).map(|number| EntityId(number as u32));
        let is_first = |&id: &EntityId| self.groups.is_cut(id) && self.groups.members(id).first() == Some(&id);
        ids.filter(is_first).map(|first| self.together_with(first).collect())
    }

    /// A module that defines the wanted symbols and those that must be with them, and declares all else that they need.
    /// Slices that are linked together must not define a symbol twice; [`Module::rest`] is one of them.
    ///
    /// # Errors
    /// If the module does not define a wanted symbol.
    pub fn slice(&self, wanted: &[EntityId]) -> Result<String> {
        let mut define = Vec::new();
        let mut groups = Set::<u32>::default();
        for &id in wanted {
            if !self.is_defined(id) {
                return Err(Error::NotDefined(self.shown(id)));
            }
            if groups.insert(self.groups.of_entity(id)) {
                define.extend_from_slice(self.groups.members(id));
            }
        }
        Ok(write(self, &define, Extent::Part))
    }

    /// A module that defines all that is not with a function that can be cut: variables, constructors, lists, ifuncs,
    /// assembly, and functions that stay. It also has what says something about the whole module. It is compiled first.
    pub fn rest(&self) -> String {
        let all = (0..self.entities.all.len()).map(|number| EntityId(number as u32));
        let define: Vec<EntityId> = all.filter(|&id| self.is_of_rest(id)).collect();
        write(self, &define, Extent::Rest)
    }

    fn is_of_rest(&self, id: EntityId) -> bool {
        self.is_defined(id) && !self.groups.is_cut(id) && !self.groups.is_copied(id)
    }

    /// Says whether slices can define an entity: a symbol of the module's, or assembly.
    fn is_defined(&self, id: EntityId) -> bool {
        self.entities.all.get(id.index()).is_some_and(Entity::is_definition)
    }

    fn shown(&self, id: EntityId) -> String {
        let entity = self.entities.all.get(id.index());
        let name = entity.and_then(|entity| self.text.get(entity.name.start as usize..entity.name.end as usize));
        name.map_or_else(|| format!("entity {}", id.0), plain)
    }
}
