//! Cases that are compiled from LLVM IR, too.

use crate::case::{Case, Variant};

/// Those of which this is always done, a few for each thing that IR has: exceptions, thread-local variables, COMDAT groups,
/// aliases, IFUNCs, addresses of labels, constructors, variable arguments, `@llvm.used`, several modules.
pub(crate) const CASES: &[&str] = &[
    "allocator_ifunc.c",
    "allocator_operators.cpp",
    "backtrace.c",
    "big_large.c",
    "c_control_flow.c",
    "c_data.c",
    "c_initializers.c",
    "c_stdio.c",
    "comdat.cpp",
    "coroutine.cpp",
    "cpu_dispatch.cpp",
    "cxx_exceptions.cpp",
    "cxx_initializers.cpp",
    "cxx_rtti.cpp",
    "cxx_thread_local.cpp",
    "emulated_tls.c",
    "function_identity.c",
    "hello.c",
    "ifunc.c",
    "library_thread_local.cpp",
    "recursion.c",
    "small_stacks.c",
    "start_stop.c",
    "symbol_versions.c",
    "tls_models.c",
    "vague_data.cpp",
    "vague_functions.cpp",
    "vague_thread_local.cpp",
    "weak.c",
    "word_before_data.c",
];

/// Those that do not do the same, each with its reason.
const OTHERS: &[(&str, &str)] = &[
    ("allocator_shared.c", "libmimalloc has to be the first library of a process"),
    ("allocator_shared_cxx.cpp", "libtcmalloc has to be the first library of a process"),
    ("linker_defined.c", "what is compiled later has boundaries of its own"),
    ("linker_defined_by_objects.c", "as linker_defined.c"),
    ("main_thread_exit.c", "the first thread can't end while functions may have to be compiled"),
];

/// The ways in which a case is compiled by way of IR.
pub(crate) fn variants(case: &Case) -> Vec<Variant> {
    let of_clang = case.variants().into_iter().find(|variant| variant.compiler == "clang-19");
    let is_c = case.files.first().is_some_and(|file| ["c", "cpp"].contains(&file.extension()));
    let does_other = OTHERS.iter().any(|(name, _)| *name == case.name);
    let Some(first) = of_clang.filter(|_| is_c && !does_other) else { return vec![] };
    // Flags that say what the source means, and not how it is compiled.
    let is_language = |flag: &&str| ["-std=", "-D", "-f", "-m"].iter().any(|prefix| flag.starts_with(prefix));
    let flags: String = first.flags.split_whitespace().filter(is_language).map(|flag| format!(" {flag}")).collect();
    let with = |level: &str| Variant { compiler: first.compiler.clone(), flags: format!("{level}{flags}"), ir: true };
    vec![with("-O0 -g"), with("-O2")]
}
