//! Reads the text of an LLVM IR module and cuts it into small ones, of a function each, without LLVM. A session that
//! compiles functions when they are first called hands one slice after the other to a compiler.
//!
//! # The way of the data
//!
//! ```text
//! text --lexer--> tokens --read--> entities, and what each refers to
//!      --groups--> what must be in one module, what stays, which local names others need   --names--> their new names
//! slice(f): f and its group, whole --write--> + declarations, types, attributes, COMDAT groups, metadata: a closure
//! rest():   all that is with no function that can be cut
//! ```
//!
//! Entities are separated by tokens alone: instructions are not understood, and need not be. So the text may be of any
//! LLVM from 17 to 22.
//!
//! # Example
//!
//! ```
//! let text = "
//!     @count = internal global i32 0
//!     define void @add() {
//!       store i32 1, ptr @count
//!       call void @log()
//!       ret void
//!     }
//!     define internal void @log() {
//!       ret void
//!     }";
//! let module = linkjit_ir::Module::read_with_suffix(text, ".of_example")?;
//! assert!(module.rest().contains("@count.of_example = dso_local hidden"));
//! for function in module.functions().filter(|function| function.stays.is_none()) {
//!     // To be compiled when the function is first called. It defines `function.symbol`.
//!     let slice = module.slice(&[function.id])?;
//!     assert_eq!(slice.matches("define").count(), 1);
//! }
//! # Ok::<(), linkjit_ir::Error>(())
//! ```
//!
//! # What a slice has
//!
//! - The wanted definitions with all that can't be in another module: members of the COMDAT group, aliases, tables with
//!   `blockaddress`, the parent of a function that knows its frame, what `!associated` names.
//! - Declarations of other symbols. Small constants whose address means nothing are copied instead.
//! - Local symbols that other groups refer to are hidden ones with a suffix in all slices. What has only a number gets a
//!   name. `linkonce` is `weak`, since the reasons to keep a definition are in other slices.
//! - Named types, attribute groups, the module's flags, the metadata that is referred to. A compile unit has no lists of
//!   what else is in it.
//!
//! # What stays in the rest
//!
//! Variables, assembly of the module, ifuncs with their resolvers, what lists like `llvm.global_ctors` and `llvm.used`
//! name, functions with something before their code, and those that know a local symbol by its name in assembly (see
//! [`Stays`]). Orders of uses and summaries are
//! in no slice. `available_externally` definitions are declared.

#![forbid(unsafe_code)]

mod entity;
mod error;
mod groups;
mod header;
mod lexer;
mod module;
mod names;
mod read;
mod table;
mod write;

pub use entity::{Definition, EntityId, EntityKind, Linkage, Stays, Visibility};
pub use error::{Error, Result};
pub use module::Module;
