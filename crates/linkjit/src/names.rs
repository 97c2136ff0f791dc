//! Names as people know them.

use msvc_demangler::DemangleFlags;

/// A symbol name in its source form, as far as its mangling is known: Itanium's and MSVC's C++, Rust. Other names come
/// back as they are.
#[must_use]
pub fn demangle(name: &str) -> String {
    if let Ok(rust) = rustc_demangle::try_demangle(name) {
        return format!("{rust:#}");
    }
    // A name of absurd nesting would cost absurd time; nobody reads its demangled form.
    if name.starts_with("_Z") && name.len() < 4096 {
        let demangled = cpp_demangle::Symbol::new(name).ok().and_then(|symbol| symbol.demangle().ok());
        return demangled.unwrap_or_else(|| name.into());
    }
    if name.starts_with('?') && name.len() < 4096 {
        // What a reader looks for is the name and its arguments, not who calls it how.
        let flags = DemangleFlags::NO_MS_KEYWORDS | DemangleFlags::NO_ACCESS_SPECIFIERS;
        let flags = flags | DemangleFlags::NO_FUNCTION_RETURNS | DemangleFlags::NO_MEMBER_TYPE;
        let flags = flags | DemangleFlags::SPACE_AFTER_COMMA | DemangleFlags::NO_CLASS_TYPE;
        return msvc_demangler::demangle(name, flags).unwrap_or_else(|_| name.into());
    }
    name.into()
}

/// What compilers call in libraries that their drivers link when they are told how the objects were compiled: beginnings of
/// names, and what to do. The longest that fits counts.
const HINTS: [(&str, &str); 47] = [
    ("GOMP_", "GOMP_* is OpenMP (-fopenmp) of GCC: -l gomp"),
    ("omp_", "omp_* is OpenMP: -l gomp for objects of GCC, -l omp for those of clang"),
    ("__kmpc_", "__kmpc_* is OpenMP (-fopenmp) of clang: -l omp"),
    ("GOACC_", "GOACC_* is OpenACC (-fopenacc) of GCC: -l gomp"),
    ("_gfortran_", "_gfortran_* is Fortran of GCC: -l gfortran"),
    ("_Fortran", "_Fortran* is Fortran of flang: -l FortranRuntime"),
    (
        "__asan_",
        "__asan_* is AddressSanitizer (-fsanitize=address): run with LD_PRELOAD=$(cc -print-file-name=libasan.so)",
    ),
    ("__lsan_", "__lsan_* is LeakSanitizer (-fsanitize=leak): run with LD_PRELOAD=$(cc -print-file-name=liblsan.so)"),
    ("__ubsan_", "__ubsan_* is UndefinedBehaviorSanitizer (-fsanitize=undefined): -l ubsan"),
    (
        "__tsan_",
        "__tsan_* is ThreadSanitizer (-fsanitize=thread): run with LD_PRELOAD=$(cc -print-file-name=libtsan.so)",
    ),
    (
        "__msan_",
        "__msan_* is MemorySanitizer (-fsanitize=memory), which all of a process has to be compiled for: compile without",
    ),
    ("__hwasan_", "__hwasan_* is HWAddressSanitizer (-fsanitize=hwaddress): compile without"),
    ("__sanitizer_cov_", "__sanitizer_cov_* are callbacks of -fsanitize-coverage: define them, or compile without"),
    ("__safestack_", "__safestack_* is clang's -fsanitize=safe-stack: compile without"),
    ("__cfi_", "__cfi_* is clang's control-flow integrity (-fsanitize=cfi): compile without"),
    (
        "__gcov_",
        "__gcov_* counts coverage (--coverage): -l gcov for objects of GCC, libclang_rt.profile.a for those of clang",
    ),
    ("llvm_gcov_", "llvm_gcov_* counts coverage (--coverage) of clang: link its libclang_rt.profile.a"),
    (
        "__llvm_profile_",
        "__llvm_profile_* counts for profiles (-fprofile-instr-generate): link libclang_rt.profile.a, which is in $(clang -print-runtime-dir)",
    ),
    ("__xray_", "__xray_* is clang's -fxray-instrument: compile without"),
    ("__cpu_", "__cpu_* is of the compilers' own library: install libgcc.a, which comes with GCC"),
    ("__morestack", "__morestack* is of the compilers' own library: install libgcc.a, which comes with GCC"),
    ("__atomic_", "__atomic_* are atomic operations that the processor has no instruction for: -l atomic"),
    ("_ITM_", "_ITM_* is transactional memory (-fgnu-tm): -l itm"),
    ("_ZGTt", "_ZGTt* is transactional memory (-fgnu-tm): -l itm"),
    ("_ZNSt3__1", "std::__1 is LLVM's C++ library: -l c++ -l c++abi"),
    ("_ZNKSt3__1", "std::__1 is LLVM's C++ library: -l c++ -l c++abi"),
    ("_ZTVNSt3__1", "std::__1 is LLVM's C++ library: -l c++ -l c++abi"),
    ("_ZTINSt3__1", "std::__1 is LLVM's C++ library: -l c++ -l c++abi"),
    ("_ZSt", "std:: is the C++ library: -l stdc++"),
    ("_ZNSt", "std:: is the C++ library: -l stdc++"),
    ("_ZNKSt", "std:: is the C++ library: -l stdc++"),
    ("__cxa_", "__cxa_* is the C++ runtime: -l stdc++"),
    (
        "_ZN3std",
        "std is Rust's: build with --crate-type=staticlib, or link the libstd-*.so that is in $(rustc --print target-libdir)",
    ),
    (
        "_ZN4core",
        "core is Rust's: build with --crate-type=staticlib, or link the libstd-*.so that is in $(rustc --print target-libdir)",
    ),
    (
        "_ZN5alloc",
        "alloc is Rust's: build with --crate-type=staticlib, or link the libstd-*.so that is in $(rustc --print target-libdir)",
    ),
    ("__rust_", "__rust_* is Rust's: build with --crate-type=staticlib, which has all that a crate needs"),
    ("_D3std", "_D3std* is D's library: -l phobos2 or -l phobos2-ldc-shared, -l gphobos for objects of GCC"),
    ("_D4core", "_D4core* is D's runtime: -l phobos2 or -l druntime-ldc-shared, -l gdruntime for objects of GCC"),
    ("_d_", "_d_* is D's runtime: -l phobos2 or -l druntime-ldc-shared, -l gdruntime for objects of GCC"),
    ("__gnat_", "__gnat_* is Ada's runtime: -l gnat, with what gnatbind makes of the program"),
    ("ada__", "ada__* is Ada's library: -l gnat, with what gnatbind makes of the program"),
    ("system__", "system__* is Ada's library: -l gnat, with what gnatbind makes of the program"),
    ("objc_", "objc_* is the runtime of Objective-C: -l objc"),
    ("__objc_", "__objc_* is the runtime of Objective-C: -l objc"),
    ("quadmath_", "quadmath_* is quad precision: -l quadmath"),
    ("_cgo_", "_cgo_* is Go's: build with -buildmode=c-archive"),
    ("Py", "Py* is Python: -l with the name that python3-config --embed --libs says"),
];

/// Functions of quad precision have the names of those of double precision and a q.
const QUAD: [&str; 14] = [
    "sqrtq",
    "expq",
    "logq",
    "sinq",
    "cosq",
    "tanq",
    "powq",
    "fabsq",
    "floorq",
    "ceilq",
    "atan2q",
    "log10q",
    "strtoflt128",
    "fmodq",
];

/// What a compiler's name wants that nobody defines.
pub(crate) fn hint(name: &str) -> Option<&'static str> {
    if QUAD.contains(&name) {
        return Some("functions of quad precision are in -l quadmath");
    }
    // Rust's other mangling has the crate inside.
    if name.starts_with("_R") && ["3std", "4core", "5alloc"].iter().any(|of| name.contains(of)) {
        return hint("_ZN3std");
    }
    let fitting = HINTS.iter().filter(|(start, _)| name.starts_with(start));
    fitting.max_by_key(|(start, _)| start.len()).map(|&(_, hint)| hint)
}

/// Those of `candidates` that a user may have meant by `name`, best first, at most three.
pub(crate) fn near_misses<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Vec<String> {
    let limit = (name.len() / 4).clamp(1, 3);
    let mut near: Vec<(usize, &str)> = candidates
        .filter(|candidate| candidate.len().abs_diff(name.len()) <= limit)
        .filter_map(|candidate| {
            let distance = distance(name.as_bytes(), candidate.as_bytes());
            (distance <= limit && distance > 0).then_some((distance, candidate))
        })
        .collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().take(3).map(|(_, name)| name.into()).collect()
}

/// Edit distance; two letters swapped count once (optimal string alignment).
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut before = vec![0; b.len() + 1];
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut next = Vec::with_capacity(row.len());
        next.push(i + 1);
        for (j, y) in b.iter().enumerate() {
            let mut least = (row[j] + usize::from(x != y)).min(row[j + 1] + 1).min(next[j] + 1);
            if i > 0 && j > 0 && x == &b[j - 1] && y == &a[i - 1] {
                least = least.min(before[j - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_as_they_were_written() {
        assert_eq!(demangle("_ZN3foo3barEi"), "foo::bar(int)");
        assert_eq!(demangle("_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE"), "core::fmt::Write::write_fmt");
        assert_eq!(demangle("?bar@foo@@YAXHPEBD@Z"), "foo::bar(int, char const *)");
        assert_eq!(demangle("?garbage"), "?garbage");
        assert_eq!(demangle("printf"), "printf");
        assert_eq!(demangle("_Zgarbage"), "_Zgarbage");
    }

    #[test]
    fn a_slip_of_the_finger_is_recognised() {
        assert_eq!(near_misses("pritnf", ["printf", "puts", "sprintf"].into_iter()), ["printf"]);
        assert_eq!(near_misses("mian", ["main", "man", "mine"].into_iter()), ["main", "man"]);
        assert_eq!(near_misses("x", ["zebra"].into_iter()), Vec::<String>::new());
    }
}
