//! Cases that are compiled from LLVM IR, too.

use crate::case::{Case, Variant};

/// Those of which this is always done, a few for each thing that IR has: exceptions, thread-local variables, COMDAT groups,
/// aliases, IFUNCs, addresses of labels, constructors, variable arguments, `@llvm.used`, several modules.
pub(crate) const CASES: &[&str] = &[
    "allocator_ifunc.c",
    "allocator_operators.cpp",
    "backtrace.c",
    "c_control_flow.c",
    "c_data.c",
    "c_initializers.c",
    "c_stdio.c",
    "comdat.cpp",
    "coroutine.cpp",
    "cpu_dispatch.cpp",
    "cxx_exceptions.cpp",
    "cxx_rtti.cpp",
    "cxx_thread_local.cpp",
    "emulated_tls.c",
    "function_identity.c",
    "hello.c",
    "ifunc.c",
    "recursion.c",
    "start_stop.c",
    "symbol_versions.c",
    "tls_models.c",
    "vague_data.cpp",
    "vague_thread_local.cpp",
    "weak.c",
    "word_before_data.c",
];

/// Those that do not do the same, each with its reason.
const OTHERS: &[(&str, &str)] = &[
    (
        "allocator_jemalloc_cxx.cpp",
        "thread-local variables of a PIE are referred to as if they were linked with the code",
    ),
    ("allocator_shared.c", "libmimalloc has to be the first library of a process"),
    ("allocator_shared_cxx.cpp", "libtcmalloc has to be the first library of a process"),
    ("allocator_tcmalloc_cxx.cpp", "as allocator_jemalloc_cxx.cpp"),
    ("big_large.c", "without optimization, slices refer to large variables of -mcmodel=medium as if they were near"),
    ("c_signals.c", "functions that are called on a small stack are compiled there"),
    ("contexts.c", "as c_signals.c"),
    ("cxx_initializers.cpp", "LLVM's C API writes .ctors, which have another order"),
    ("linker_defined.c", "what is compiled later has boundaries of its own"),
    ("linker_defined_by_objects.c", "constructors are in .ctors, and not in .init_array"),
    ("main_thread_exit.c", "the first thread can't end while functions may have to be compiled"),
    ("vague_functions.cpp", "the address of an inline function is that of its stub, and not of a library's copy"),
    ("vague_sysv_functions.cpp", "as vague_functions.cpp"),
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
