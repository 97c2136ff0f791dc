//! Reports and checks after linking.

use std::io::{self, Write};
use std::path::Path;

use linkjit_link::check::{evaluate, rules};
use linkjit_link::names::NamePool;
use regex_lite::Regex;

use super::failure::{Failure, Result};
use super::linked::{LinkedFile, LinkedProgram};
use super::options::Options;
use super::registry::Registry;
use super::symbolicate::write_table;
use super::{read, show, sizes};

/// The reports on each file that is linked.
#[derive(Clone)]
pub(super) struct FileReports {
    name: bool,
    graph: Option<Regex>,
}

impl FileReports {
    /// Shows a file.
    pub(super) fn show(&self, names: &NamePool, file: &LinkedFile<'_>, out: &mut impl Write) -> io::Result<()> {
        if self.name {
            writeln!(out, "Linking {}", file.name)?;
        }
        if self.graph.as_ref().is_some_and(|regex| regex.is_match(&file.name)) {
            show::graph(names, file, out)?;
        }
        Ok(())
    }
}

/// The reports that the options ask for.
pub(super) struct Reports<'a> {
    options: &'a Options,
    files_shown: FileReports,
    /// The text of `-check`.
    rules: Option<String>,
}

impl<'a> Reports<'a> {
    pub(super) fn new(options: &'a Options) -> Result<Self> {
        let regex =
            |pattern: &String| Regex::new(pattern).map_err(|error| Failure::usage(format!("-show-graphs: {error}")));
        let text = |path| -> Result<_> { Ok(String::from_utf8_lossy(read(path)?.bytes()).into_owned()) };
        Ok(Self {
            options,
            files_shown: FileReports {
                name: options.show_linked_files,
                graph: options.show_graphs.as_ref().map(regex).transpose()?,
            },
            rules: options.check.as_deref().map(text).transpose()?,
        })
    }

    /// The reports on each file.
    pub(super) fn for_files(&self) -> FileReports {
        self.files_shown.clone()
    }

    /// Returns whether there is anything to be said about what was linked.
    pub(super) fn is_needed(&self) -> bool {
        let options = self.options;
        let shows = options.show_linked_files || options.show_contents || options.show_addrs;
        let counts = options.pre_prune_size || options.post_fixup_size;
        shows || counts || options.write_symtab.is_some() || options.show_graphs.is_some() || self.rules.is_some()
    }

    /// Shows files as they were linked.
    pub(super) fn files(&self, program: &LinkedProgram<'_>, out: &mut impl Write) -> Result<()> {
        for file in &program.files {
            self.files_shown.show(program.names, file, out)?;
            if self.options.show_contents {
                show::contents(program, file, out)?;
            }
        }
        let mut err = std::io::stderr().lock();
        if self.options.pre_prune_size || self.options.post_fixup_size {
            writeln!(err, "Statistics:")?;
        }
        if self.options.pre_prune_size {
            writeln!(err, "  Total size of all blocks before pruning: {}", sizes::before_pruning(program))?;
        }
        if self.options.post_fixup_size {
            writeln!(err, "  Total size of all blocks after fixups: {}", sizes::after_fixups(program))?;
        }
        self.options.write_symtab.as_deref().map_or(Ok(()), |path| write_table(program, path))
    }

    /// Shows addresses, and evaluates rules.
    pub(super) fn addresses(&self, program: &LinkedProgram<'_>, out: &mut impl Write) -> Result<()> {
        if !self.options.show_addrs && self.rules.is_none() {
            return Ok(());
        }
        let registry = Registry::new(program)?;
        if self.options.show_addrs {
            show::addresses(&registry, out)?;
        }
        out.flush()?;
        match (&self.rules, &self.options.check) {
            (Some(text), Some(path)) => self.check(&registry, text, path),
            _ => Ok(()),
        }
    }

    /// Evaluates all rules, also after one is false.
    fn check(&self, registry: &Registry<'_>, text: &str, file: &Path) -> Result<()> {
        let name = self.options.check_name.as_deref().unwrap_or("jitlink-check");
        let rules = rules(text, name);
        let failures: Vec<_> = rules.iter().filter_map(|rule| evaluate(rule, registry).err()).collect();
        let mut err = std::io::stderr().lock();
        for failure in &failures {
            writeln!(err, "{failure}")?;
        }
        if rules.is_empty() {
            writeln!(err, "{} has no line that begins with '# {name}:'", file.display())?;
        }
        if rules.is_empty() || !failures.is_empty() {
            return Err(Failure::usage(format!("Some checks in {} failed", file.display())));
        }
        Ok(())
    }
}
