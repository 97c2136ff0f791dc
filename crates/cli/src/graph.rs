//! `linkjit graph`: the contents of a file as text.

use std::io::{self, BufWriter, Write};

use linkjit::executor::ObjectFormat;
use linkjit_link::graph::{LinkGraph, Reachability, SymbolId};
use linkjit_link::names::NamePool;
use linkjit_link::object;
use linkjit_link::object::archive::{Archive, Member, MemberContent};
use linkjit_link::source::Source;

use crate::args::GraphOptions;
use crate::inputs::{self, Kind};
use crate::report::Failure;
use crate::sources::SourceCompiler;

/// Prints what `options` ask for.
pub(crate) fn graph(options: &GraphOptions) -> Result<(), Failure> {
    let source = if inputs::is_source(&options.file) {
        SourceCompiler::new(ObjectFormat::HOST).compile_file(&options.file)?.object
    } else {
        inputs::read(&options.file)?
    };
    let mut out = BufWriter::new(io::stdout().lock());
    match (Kind::from_content(source.bytes()), &options.member) {
        (Kind::Archive, None) => list(&Archive::parse(source)?, &mut out)?,
        (Kind::Archive, Some(name)) => dump(&member(&Archive::parse(source)?, name)?, options, &mut out)?,
        (_, Some(name)) => return Err(Failure::NoMember { file: source.name().to_string(), member: name.clone() }),
        (_, None) => dump(&source, options, &mut out)?,
    }
    Ok(out.flush()?)
}

/// The members of an archive, each with the names that the index knows of it.
fn list(archive: &Archive, out: &mut impl Write) -> Result<(), Failure> {
    writeln!(out, "archive \"{}\"{}", archive.source().name(), if archive.is_thin() { " (thin)" } else { "" })?;
    let names = archive.symbols().map(|symbol| symbol.map(|symbol| (symbol.member, symbol.name)));
    let mut names = names.collect::<Result<Vec<_>, _>>()?;
    if !archive.has_index() {
        writeln!(out, "there is no symbol index, so linkjit makes one from the members")?;
    }
    // Stable: the names of a member stay in the order of the index.
    names.sort_by_key(|(member, _)| *member);
    for member in archive.members() {
        let member = member?;
        write!(out, "member {}", String::from_utf8_lossy(member.name))?;
        match &member.content {
            MemberContent::Inline(source) => writeln!(out, " ({} bytes)", source.bytes().len())?,
            MemberContent::External { .. } => writeln!(out, " (a file beside the archive)")?,
        }
        let first = names.partition_point(|(offset, _)| *offset < member.offset);
        for (_, name) in names.iter().skip(first).take_while(|(offset, _)| *offset == member.offset) {
            writeln!(out, "  {}", String::from_utf8_lossy(name))?;
        }
    }
    Ok(())
}

/// The first member of that name.
fn member(archive: &Archive, name: &str) -> Result<Source, Failure> {
    let is_it = |member: &Member<'_>| member.name == name.as_bytes();
    let found = archive.members().find(|member| member.as_ref().map_or(true, is_it));
    let Some(found) = found else {
        return Err(Failure::NoMember { file: archive.source().name().to_string(), member: name.into() });
    };
    Ok(linkjit::object::member_source(archive, found?.offset)?)
}

fn dump(source: &Source, options: &GraphOptions, out: &mut impl Write) -> Result<(), Failure> {
    let mut names = NamePool::new();
    let mut graph = object::read(source, &mut names)?;
    let pruned = options.pruned || !options.roots.is_empty();
    if pruned {
        let roots = roots(&graph, &names, &options.roots)?;
        prune(&mut graph, &roots);
    }
    write!(out, "{}", graph.dump(&names, pruned))?;
    Ok(())
}

/// The symbols to keep: those that were named, else all that other objects can see.
fn roots(graph: &LinkGraph, names: &NamePool, wanted: &[String]) -> Result<Vec<SymbolId>, Failure> {
    let defined = |&id: &SymbolId| !graph.symbol(id).is_external();
    if wanted.is_empty() {
        return Ok(graph.symbol_ids().filter(defined).filter(|&id| graph.symbol(id).global_name().is_some()).collect());
    }
    let find = |name: &String| {
        let mut all = graph.symbol_ids().filter(defined);
        all.find(|&id| graph.symbol_name(names, id) == name.as_bytes())
            .ok_or_else(|| Failure::NoSymbol { file: graph.name().into(), name: name.clone() })
    };
    wanted.iter().map(find).collect()
}

/// Marks what a link with these roots would take of the graph.
fn prune(graph: &mut LinkGraph, roots: &[SymbolId]) {
    let mut reach = Reachability::new();
    for block in graph.retained.clone() {
        reach.mark_block(graph, block);
    }
    for &root in roots {
        reach.mark_symbol(graph, root);
    }
    reach.follow(graph, |_| {});
}
