//! What objects of COFF ask for across objects: selections of COMDAT sections, weak externals, alternates, agreement.
//!
//! Variables are linked on any system: no code is called.
#![cfg(not(windows))]

#[path = "../host/mod.rs"]
mod host;
mod image;
mod mutations;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use linkjit::Source;
use linkjit::{Error, Jit, PassLists, Stage};
use linkjit_link::graph::LinkGraph;

/// Assembles an object for Windows.
fn assemble(source: &str) -> Vec<u8> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let output = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("session_{}_{number}.obj", std::process::id()));
    let mut command = Command::new("clang-19");
    command.args(["--target=x86_64-pc-windows-msvc", "-x", "assembler", "-", "-c", "-o"]).arg(&output);
    let mut process = command.stdin(Stdio::piped()).spawn().expect("clang is installed");
    process.stdin.take().expect("a pipe").write_all(source.as_bytes()).expect("it reads");
    assert!(process.wait().expect("it ends").success(), "{source}");
    let bytes = std::fs::read(&output).expect("an object");
    std::fs::remove_file(&output).expect("it is ours");
    bytes
}

/// A session with these objects, `0.obj` and so on; the first error otherwise.
fn link(sources: &[&str]) -> Result<Jit, Error> {
    let jit = host::jit()?;
    for (number, source) in sources.iter().enumerate() {
        jit.add_object(Source::new(format!("{number}.obj"), assemble(source)))?;
    }
    Ok(jit)
}

/// The value of a variable.
fn value(jit: &Jit, name: &str) -> u32 {
    let address = jit.lookup(name).unwrap_or_else(|error| panic!("{error}"));
    // SAFETY: the tests define variables of four bytes at least.
    unsafe { (address.0 as *const u32).read_unaligned() }
}

/// A COMDAT section that defines `x`.
fn comdat(selection: &str, body: &str) -> String {
    format!(".section .data$x,\"dw\",{selection},x\n.globl x\nx: {body}\n")
}

/// The value of `x` of two objects, or what is wrong with them.
fn selected(selection: &str, first: &str, second: &str) -> Result<u32, String> {
    let jit = link(&[&comdat(selection, first), &comdat(selection, second)]).map_err(|error| error.to_string())?;
    Ok(value(&jit, "x"))
}

/// B7.20 of docs/coff-cases.md.
#[test]
fn selections_are_checked() {
    assert_eq!(selected("discard", ".long 1", ".long 2, 3"), Ok(1));
    assert_eq!(selected("same_size", ".long 1", ".long 2"), Ok(1));
    assert_eq!(
        selected("same_size", ".long 1", ".long 2, 3"),
        Err("1.obj: its copy of 'x' differs in size from the copy in 0.obj".into())
    );
    assert_eq!(selected("same_contents", ".long 1", ".long 1"), Ok(1));
    assert_eq!(
        selected("same_contents", ".long 1", ".long 2"),
        Err("1.obj: its copy of 'x' differs in content from the copy in 0.obj".into())
    );
    assert_eq!(
        selected("one_only", ".long 1", ".long 1"),
        Err("1.obj: duplicate definition of symbol 'x', which 0.obj defines already".into())
    );
}

/// B7.20 of docs/coff-cases.md.
#[test]
fn the_largest_is_taken_wherever_it_is() {
    assert_eq!(selected("largest", ".long 1", ".long 2, 3"), Ok(2));
    assert_eq!(selected("largest", ".long 1, 4", ".long 2"), Ok(1));
    // Who referred to the smaller one refers to the larger one.
    let first = comdat("largest", ".long 1") + ".data\n.globl pointer\npointer: .quad x";
    let jit = link(&[&first, &comdat("largest", ".long 2, 3")]).unwrap();
    let pointer = jit.lookup("pointer").unwrap().0 as *const u64;
    // SAFETY: a pointer of the first object.
    assert_eq!(unsafe { pointer.read() }, jit.lookup("x").unwrap().0);
}

/// Functions that are linked lazily, or can be updated, are chosen as others are.
#[test]
fn selections_hold_for_functions_however_they_are_added() {
    type Add = fn(&Jit, &Source) -> Result<(), Error>;
    let manners: [Add; 3] = [
        |jit, source| jit.main().add_object(source),
        |jit, source| jit.main().add_lazy_object(source),
        |jit, source| jit.main().add_updatable_object(source),
    ];
    let function = |selection: &str, body: &str| {
        let leader = ".def x; .scl 2; .type 32; .endef";
        assemble(&format!(".section .text$x,\"xr\",{selection},x\n.globl x\n{leader}\nx: {body}\n"))
    };
    let cases = [
        ("discard", ".long 1", ".long 2, 3", Ok(1)),
        ("same_size", ".long 1", ".long 2", Ok(1)),
        ("same_size", ".long 1", ".long 2, 3", Err("1.obj: its copy of 'x' differs in size from the copy in 0.obj")),
        ("same_contents", ".long 1", ".long 1", Ok(1)),
        (
            "same_contents",
            ".long 1",
            ".long 2",
            Err("1.obj: its copy of 'x' differs in content from the copy in 0.obj"),
        ),
        ("largest", ".long 1", ".long 2, 3", Ok(2)),
        ("largest", ".long 2, 3", ".long 1", Ok(2)),
        (
            "one_only",
            ".long 1",
            ".long 1",
            Err("1.obj: duplicate definition of symbol 'x', which 0.obj defines already"),
        ),
    ];
    for (selection, first, second, expected) in cases {
        let objects = [("0.obj", first), ("1.obj", second)];
        let objects = objects.map(|(name, body)| Source::new(name, function(selection, body)));
        for (number, [one, other]) in manners.iter().flat_map(|one| manners.map(|other| [*one, other])).enumerate() {
            let jit = host::jit().unwrap();
            let added = one(&jit, &objects[0]).and_then(|()| other(&jit, &objects[1]));
            let found = added.map(|()| value(&jit, "x")).map_err(|error| error.to_string());
            assert_eq!(found, expected.map_err(str::to_owned), "{selection} {first} {second}: {number}");
        }
    }
}

#[test]
fn what_is_linked_is_not_replaced_by_what_is_larger() {
    let jit = link(&[&comdat("largest", ".long 1")]).unwrap();
    assert_eq!(value(&jit, "x"), 1);
    jit.add_object(Source::new("late.obj", assemble(&comdat("largest", ".long 2, 3")))).unwrap();
    assert_eq!(value(&jit, "x"), 1);
}

/// B7.20 of docs/coff-cases.md.
#[test]
fn an_ordinary_definition_beside_a_comdat_section_is_a_duplicate() {
    let ordinary = ".data\n.globl x\nx: .long 5";
    for pair in [[&comdat("discard", ".long 1")[..], ordinary], [ordinary, &comdat("discard", ".long 1")]] {
        let error = link(&pair).unwrap_err();
        assert!(matches!(error, Error::Duplicate { ref name, .. } if name == "x"), "{error}");
    }
}

/// B7.21 of docs/coff-cases.md.
#[test]
fn associated_sections_go_with_the_copy_that_is_dropped() {
    let with_child = |value: u32| {
        comdat("discard", &format!(".long {value}"))
            + &format!(".section .c,\"dw\",associative,x\nchild{value}: .long {value}\n.globl child{value}")
    };
    let jit = link(&[&with_child(1), &with_child(2)]).unwrap();
    assert_eq!((value(&jit, "x"), value(&jit, "child1")), (1, 1));
    assert!(matches!(jit.lookup("child2").unwrap_err(), Error::Undefined { .. }));
}

/// B7.9 of docs/coff-cases.md.
#[test]
fn weak_externals_yield_to_definitions() {
    let weak = ".weak w\n.set w, fallback\n.data\n.globl fallback\nfallback: .long 1";
    let strong = ".data\n.globl w\nw: .long 2";
    assert_eq!(value(&link(&[weak]).unwrap(), "w"), 1);
    assert_eq!(value(&link(&[weak, strong]).unwrap(), "w"), 2);
    assert_eq!(value(&link(&[strong, weak]).unwrap(), "w"), 2);
    // The first of several counts.
    let other = ".weak w\n.set w, other\n.data\n.globl other\nother: .long 3";
    assert_eq!(value(&link(&[weak, other]).unwrap(), "w"), 1);
}

/// B7.9 of docs/coff-cases.md.
#[test]
fn weak_externals_may_stand_for_other_objects_definitions() {
    let weak = ".weak w\n.set w, elsewhere\n.data\n.globl pointer\npointer: .quad w";
    let jit = link(&[weak, ".data\n.globl elsewhere\nelsewhere: .long 4"]).unwrap();
    assert_eq!(value(&jit, "w"), 4);
    let jit = link(&[weak, ".data\n.globl w\nw: .long 5"]).unwrap();
    assert_eq!(value(&jit, "w"), 5);
    let error = link(&[weak]).unwrap().lookup("pointer").unwrap_err();
    assert!(matches!(error, Error::Undefined { .. }), "{error}");
}

/// An object that says what a name means if nobody defines it.
fn alternate(directives: &str) -> String {
    format!(".section .drectve,\"yni\"\n.ascii \" {directives} \"\n.data\n.globl b\nb: .long 1\n")
}

/// B7.11 of docs/coff-cases.md.
#[test]
fn alternates_count_across_objects_unless_there_is_a_definition() {
    let uses = ".data\n.globl pointer\npointer: .quad a";
    let jit = link(&[uses, &alternate("/alternatename:a=b")]).unwrap();
    let pointer = jit.lookup("pointer").unwrap().0 as *const u64;
    // SAFETY: a pointer of the first object.
    assert_eq!(unsafe { pointer.read() }, jit.lookup("b").unwrap().0);
    let jit = link(&[&alternate("/alternatename:a=b"), ".data\n.globl a\na: .long 2"]).unwrap();
    assert_eq!(value(&jit, "a"), 2);
}

/// B7.11 of docs/coff-cases.md.
#[test]
fn alternates_form_chains_but_no_circles() {
    let jit = link(&[&alternate("/alternatename:a=c"), ".section .drectve,\"yni\"\n.ascii \" /alternatename:c=b \""]);
    assert_eq!(value(&jit.unwrap(), "a"), 1);
    let jit = link(&[&alternate("/alternatename:b=b /alternatename:d=d")]).unwrap();
    assert_eq!(value(&jit, "b"), 1);
    assert!(matches!(jit.lookup("d").unwrap_err(), Error::Undefined { .. }));
    let jit = link(&[&alternate("/alternatename:a=c /alternatename:c=a")]).unwrap();
    let error = jit.lookup("a").unwrap_err();
    assert!(matches!(error, Error::AliasCycle { .. } | Error::Undefined { .. }), "{error}");
}

/// B7.22 of docs/coff-cases.md.
#[test]
fn objects_must_agree_on_what_they_say_has_to_match() {
    let says = |value: &str| format!(".section .drectve,\"yni\"\n.ascii \" /failifmismatch:level={value} \"");
    assert!(link(&[&says("2"), &says("2")]).is_ok());
    let error = link(&[&says("2"), &says("0")]).unwrap_err().to_string();
    assert_eq!(error, "objects disagree about 'level': 2 in 0.obj, 0 in 1.obj");
}

/// What a generation asks for goes with it, and comes back with it.
#[test]
fn an_update_changes_what_an_object_asks_for() {
    let jit = host::jit().unwrap();
    let object = |name: &str, level: u32, more: &str| {
        let directives = format!(" /failifmismatch:level={level} /alternatename:a=v /export:e{level}=v {more} ");
        let text = ".data\n.globl v\nv: .long 7\n.text\n.globl f\n.def f; .scl 2; .type 32; .endef\nf: ret\n";
        Source::new(name, assemble(&format!("{text}.section .drectve,\"yni\"\n.ascii \"{directives}\"")))
    };
    let says = |level: u32| {
        let tracker = jit.create_tracker().unwrap();
        let text = format!(".section .drectve,\"yni\"\n.ascii \" /failifmismatch:level={level} \"");
        let result = tracker.add_object(Source::new("other.obj", assemble(&text)));
        // SAFETY: it has no code.
        unsafe { tracker.remove() }.unwrap();
        result.is_ok()
    };
    // SAFETY: nobody runs it.
    let update = |object: &Source| unsafe { jit.main().update().replace(object).keep_variables().commit() };
    jit.main().add_updatable_object(object("a.obj", 1, "/entry:first")).unwrap();
    assert_eq!((value(&jit, "a"), value(&jit, "e1"), says(1), says(2)), (7, 7, true, false));
    let generation = update(&object("a.obj", 2, "/entry:second")).unwrap();
    assert_eq!((value(&jit, "e2"), says(1), says(2)), (7, false, true));
    assert!(jit.lookup("e1").is_err());
    assert_eq!(jit.main().entry().unwrap().as_deref(), Some("second"));
    // SAFETY: as above.
    unsafe { generation.rollback() }.unwrap();
    assert_eq!((value(&jit, "a"), value(&jit, "e1"), says(1), says(2)), (7, 7, true, false));
    assert!(jit.lookup("e2").is_err());
    assert_eq!(jit.main().entry().unwrap().as_deref(), Some("first"));
    // One that fails changes nothing.
    jit.add_object(Source::new("b.obj", assemble(".section .drectve,\"yni\"\n.ascii \" /failifmismatch:level=1 \"")))
        .unwrap();
    assert!(matches!(update(&object("a.obj", 2, "/entry:second")), Err(Error::Mismatch { .. })));
    assert_eq!((value(&jit, "e1"), says(1), says(2)), (7, true, false));
}

/// B7.5 of docs/coff-cases.md.
#[test]
fn sections_are_sorted_by_suffix_across_objects() {
    let piece =
        |suffix: &str, value: u32| format!(".section list${suffix},\"dw\"\n.globl p{value}\np{value}: .long {value}\n");
    let first = piece("z", 4)
        + &piece("a", 1)
        + ".section list$m,\"dw\"\n.globl p2\np2: .long 2\n.data\n.globl roots\nroots: .quad p1,p2,p3,p4";
    let jit = link(&[&first, &piece("m", 3)]).unwrap();
    let address = |name: &str| jit.lookup(name).unwrap_or_else(|error| panic!("{error}")).0;
    jit.lookup("roots").unwrap();
    let order = [address("p1"), address("p2"), address("p3"), address("p4")];
    assert!(order.is_sorted(), "{order:x?}");
    assert!(order[3] - order[0] <= 64, "{order:x?}");
}

/// B7.22 of docs/coff-cases.md.
#[test]
fn unknown_directives_are_warned_of_once() {
    let jit = link(&[".section .drectve,\"yni\"\n.ascii \" /unheard:of /stack:1000 \""]).unwrap();
    assert_eq!(jit.session().take_warnings(), ["0.obj: unknown directive '/unheard:of'"]);
    assert!(jit.session().take_warnings().is_empty());
}

/// B7.22 of docs/coff-cases.md.
#[test]
fn libraries_may_be_forbidden() {
    let asks = ".section .drectve,\"yni\"\n.ascii \" /defaultlib:bad \"";
    let forbids = ".section .drectve,\"yni\"\n.ascii \" /disallowlib:bad.lib \"";
    let error = link(&[asks, forbids]).unwrap_err().to_string();
    assert_eq!(error, "1.obj forbids library 'bad.lib' (/disallowlib), but another object asks for it");
}

/// B7.9 of docs/coff-cases.md.
#[test]
fn weak_externals_follow_the_copy_that_is_kept() {
    let copy = |value: u32| format!(".section .text$g,\"xr\",discard,g\n.globl g\ng: .long {value}\n");
    for kind in [".weak w\n.set w, g", ".weak_anti_dep w\n.set w, g"] {
        let jit = link(&[&copy(1), &(copy(2) + kind + "\n.data\n.globl pointer\npointer: .quad w")]).unwrap();
        assert_eq!((value(&jit, "w"), value(&jit, "g")), (1, 1));
        let pointer = jit.lookup("pointer").unwrap().0 as *const u64;
        // SAFETY: a pointer of the second object.
        assert_eq!(unsafe { pointer.read() }, jit.lookup("g").unwrap().0);
        // A definition comes before what stands for it.
        let jit = link(&[&(copy(1) + kind), ".data\n.globl w\nw: .long 3"]).unwrap();
        assert_eq!((value(&jit, "w"), value(&jit, "g")), (3, 1));
    }
}

/// B7.9 of docs/coff-cases.md.
#[test]
fn weak_externals_form_chains() {
    let chain = ".weak a\n.set a, b\n.weak b\n.set b, c\n.weak c\n.set c, d\n.data\n.globl d\nd: .long 1\n";
    assert_eq!(value(&link(&[chain]).unwrap(), "a"), 1);
    let jit = link(&[chain, ".data\n.globl b\nb: .long 2"]).unwrap();
    assert_eq!((value(&jit, "a"), value(&jit, "b"), value(&jit, "c")), (2, 2, 1));
    let absolute = ".globl x\n.set x, 0x1234\n.weak w\n.set w, x\n.data\n.globl pointer\npointer: .quad w";
    assert_eq!(value(&link(&[absolute]).unwrap(), "pointer"), 0x1234);
}

/// B7.5 of docs/coff-cases.md.
#[test]
fn zeros_are_sorted_by_suffix_too() {
    let piece = |suffix: &str, name: &str| format!(".section .bss${suffix},\"bw\"\n.globl {name}\n{name}: .zero 4\n");
    let first = piece("z", "end") + &piece("a", "start") + ".data\n.globl roots\nroots: .quad start, middle, end";
    let jit = link(&[&first, &piece("m", "middle")]).unwrap();
    jit.lookup("roots").unwrap();
    let address = |name: &str| jit.lookup(name).unwrap_or_else(|error| panic!("{error}")).0;
    let order = [address("start"), address("middle"), address("end")];
    assert!(order.is_sorted() && order[2] - order[0] <= 64, "{order:x?}");
    // Zeros between what is not zero are in order with that.
    let list = |suffix: &str, flags: &str, name: &str| {
        format!(".section list${suffix},\"{flags}\"\n.globl {name}\n{name}: .zero 4\n")
    };
    let source = list("c", "dw", "end") + &list("b", "bw", "middle") + &list("a", "dw", "start");
    let jit = link(&[&(source + ".data\n.globl roots\nroots: .quad start, middle, end")]).unwrap();
    let roots = jit.lookup("roots").unwrap().0 as *const [u64; 3];
    // SAFETY: three pointers of the object.
    let roots = unsafe { roots.read() };
    assert!(roots.is_sorted() && roots[2] - roots[0] <= 64, "{roots:x?}");
}

/// B7.28 of docs/coff-cases.md.
#[test]
fn what_is_nowhere_has_no_offset_and_the_section_behind_the_last() {
    let source = ".weak nobody\n.data\n.globl x\nx: .long nobody@imgrel\n.secidx outside\n.short 0";
    let jit = link(&[source, ".globl outside\n.set outside, 0x77"]).unwrap();
    assert_eq!(value(&jit, "x"), 0);
    let section = jit.lookup("x").unwrap().0 as *const [u16; 4];
    // SAFETY: the variable has eight bytes.
    assert_eq!(unsafe { section.read() }[2], 4);
    let error = link(&[".data\n.globl x\nx: .secrel32 outside", ".globl outside\n.set outside, 0x77"]).unwrap();
    let error = error.lookup("x").unwrap_err().to_string();
    assert!(error.contains("0.obj:.data") && error.contains("in no section of this image"), "{error}");
}

/// Rule 22: what a directive asks for is linked with its object, though nothing refers to it, and has to be there.
/// B7.16 of docs/coff-cases.md.
#[test]
fn names_that_are_to_be_included_are_roots() {
    let asks = ".section .drectve,\"yn\"\n.ascii \" /include:needed\"\n.data\n.globl first\nfirst: .long 1\n";
    let jit = link(&[asks]).unwrap();
    let error = jit.lookup("first").unwrap_err().to_string();
    assert!(error.contains("undefined symbol: needed"), "{error}");
    let needed = ".data\n.globl needed\nneeded: .long 2\n.quad deeper\n";
    jit.add_object(Source::new("needed.obj", assemble(needed))).unwrap();
    let error = jit.lookup("first").unwrap_err().to_string();
    assert!(error.contains("undefined symbol: deeper"), "{error}");
    jit.add_object(Source::new("deeper.obj", assemble(".data\n.globl deeper\ndeeper: .long 3\n"))).unwrap();
    assert_eq!((value(&jit, "first"), jit.session().statistics().objects), (1, 3));
}

/// Rules 20 and 21: a function has its record, which is no reason to link it.
/// B7.32 of docs/coff-cases.md.
#[test]
fn records_of_functions_are_linked_with_them() {
    let function = |name: &str| {
        format!(
            ".section .text${name},\"xr\",one_only,{name}\n.globl {name}\n.seh_proc {name}\n{name}: sub $40,%rsp\n\
             .seh_stackalloc 40\n.seh_endprologue\nadd $40,%rsp\nret\n.seh_endproc\n"
        )
    };
    let jit = link(&[&["one", "two", "three"].map(function).concat()]).unwrap();
    let records = Arc::new(AtomicU32::new(0));
    let count = records.clone();
    jit.session().add_plugin(Arc::new(move |_: &LinkGraph, passes: &mut PassLists| {
        let count = count.clone();
        passes.add(Stage::PostPrune, move |graph, _| {
            let live = graph.blocks().iter().filter(|block| block.live && !block.placed);
            let records = live.filter(|block| graph.section(block.section).function_records);
            count.fetch_add(u32::try_from(records.count()).unwrap(), Ordering::Relaxed);
            Ok(())
        });
    }));
    for name in ["two", "one", "three"] {
        // Only on Windows is there somebody to tell of them.
        if let Err(error) = jit.main().link(&[name]) {
            assert!(error.to_string().contains("Windows unwind tables"), "{error}");
        }
        assert_eq!(records.swap(0, Ordering::Relaxed), 1);
    }
}

/// An archive of objects.
fn archive(members: &[&str]) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("coff_{}_{number}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let path = directory.join("members.lib");
    let mut command = Command::new("llvm-ar-19");
    command.arg("rcs").arg(&path);
    for (number, source) in members.iter().enumerate() {
        let member = directory.join(format!("member{number}.obj"));
        std::fs::write(&member, assemble(source)).unwrap();
        command.arg(member);
    }
    assert!(command.status().expect("llvm-ar is installed").success());
    path
}

#[test]
fn what_did_not_fit_has_replaced_nothing() {
    // B7.20: an object with a larger copy is refused for another reason.
    let small = comdat("largest", ".long 1") + ".data\n.globl y\ny: .long 1";
    let jit = link(&[&small]).unwrap();
    let large = assemble(&(comdat("largest", ".long 2, 3") + ".data\n.globl y\ny: .long 2"));
    let error = jit.add_object(Source::new("large.obj", large)).unwrap_err();
    assert!(matches!(error, Error::Duplicate { .. }), "{error}");
    assert_eq!(value(&jit, "x"), 1);
}

#[test]
fn what_was_pulled_in_vain_has_replaced_nothing() {
    let member = comdat("largest", ".long 2, 3")
        + ".data\n.globl wanted\nwanted: .quad nowhere\n.section .drectve,\"yni\"\n\
           .ascii \" /failifmismatch:level=2 /alternatename:b=wanted /nodefaultlib \"";
    let small = comdat("largest", ".long 1") + ".data\n.globl pointer\npointer: .quad x";
    let jit = link(&[&small, &comdat("largest", ".long 4")]).unwrap();
    jit.add_archive(archive(&[&member])).unwrap();
    let error = jit.lookup("wanted").unwrap_err().to_string();
    assert!(error.contains("undefined symbol: nowhere"), "{error}");
    assert_eq!(value(&jit, "x"), 1);
    let pointer = jit.lookup("pointer").unwrap().0 as *const u64;
    // SAFETY: a pointer of the object.
    assert_eq!(unsafe { pointer.read() }, jit.lookup("x").unwrap().0);
    assert!(matches!(jit.lookup("b").unwrap_err(), Error::Undefined { .. }));
    let other = ".section .drectve,\"yni\"\n.ascii \" /failifmismatch:level=3 \"";
    jit.add_object(Source::new("other.obj", assemble(other))).unwrap();
}

#[test]
fn a_larger_copy_that_is_pulled_takes_the_place_of_what_is_not_linked() {
    let member = comdat("largest", ".long 2, 3") + ".data\n.globl wanted\nwanted: .quad x";
    let small = comdat("largest", ".long 1") + ".data\n.globl y\ny: .long 5";
    let jit = link(&[&small]).unwrap();
    jit.add_archive(archive(&[&member])).unwrap();
    assert_eq!(value(&jit, "y"), 5);
    jit.lookup("wanted").unwrap();
    assert_eq!(value(&jit, "x"), 2);
    // When a batch has the smaller one already, that stays.
    let small = comdat("largest", ".long 1") + ".data\n.globl pointer\npointer: .quad x, wanted";
    let jit = link(&[&small]).unwrap();
    jit.add_archive(archive(&[&member])).unwrap();
    jit.lookup("pointer").unwrap();
    assert_eq!(value(&jit, "x"), 1);
}

#[test]
fn the_next_largest_counts_when_the_largest_goes() {
    let jit = link(&[&comdat("largest", ".long 1"), &comdat("largest", ".long 2, 2")]).unwrap();
    let tracker = jit.create_tracker().unwrap();
    let largest = Source::new("largest.obj", assemble(&comdat("largest", ".long 3, 3, 3")));
    tracker.add_object(&largest).unwrap();
    // SAFETY: nothing of it was linked.
    unsafe { tracker.remove() }.unwrap();
    assert_eq!(value(&jit, "x"), 2);
}

#[test]
fn the_larger_of_any_and_largest_is_taken() {
    // As lld-link does: tables of virtual functions have one or the other, with run-time types and without.
    assert_eq!(selected("largest", ".long 1", ".long 2, 3"), Ok(2));
    let pair = |first: (&str, &str), second: (&str, &str)| {
        let jit = link(&[&comdat(first.0, first.1), &comdat(second.0, second.1)]).unwrap();
        value(&jit, "x")
    };
    let (small, large) = (".long 1", ".long 2, 3");
    assert_eq!(pair(("discard", small), ("largest", large)), 2);
    assert_eq!(pair(("largest", small), ("discard", large)), 2);
    assert_eq!(pair(("largest", large), ("discard", small)), 2);
}

#[test]
fn selections_that_differ_are_checked_in_either_order() {
    let (small, large) = (".long 1", ".long 2, 3");
    let pair = |first: (&str, &str), second: (&str, &str)| {
        link(&[&comdat(first.0, first.1), &comdat(second.0, second.1)]).map(|jit| value(&jit, "x"))
    };
    // GCC's variables that are `selectany` beside clang's.
    assert_eq!(pair(("same_size", small), ("discard", ".long 4")).unwrap(), 1);
    assert_eq!(pair(("discard", ".long 4"), ("same_size", small)).unwrap(), 4);
    // Names of types, which GCC pads, and other constants.
    let constant = |(selection, body): (&str, &str)| comdat(selection, body).replace("\"dw\"", "\"dr\"");
    for (first, second) in [(("same_size", small), ("discard", large)), (("discard", large), ("same_size", small))] {
        assert_eq!(value(&link(&[&constant(first), &constant(second)]).unwrap(), "x"), 2);
        let error = pair(first, second).unwrap_err().to_string();
        assert!(error.contains("size"), "{error}");
    }
    let unlike = [
        (("same_contents", small), ("discard", small)),
        (("same_size", small), ("same_contents", small)),
        (("largest", small), ("same_size", small)),
        (("largest", large), ("same_contents", small)),
    ];
    for (one, other) in unlike {
        for (first, second) in [(one, other), (other, one)] {
            let error = pair(first, second).unwrap_err();
            assert!(matches!(error, Error::GroupMismatch { .. }), "{first:?} {second:?}: {error}");
        }
    }
    for other in ["discard", "same_size", "same_contents", "largest"] {
        for (first, second) in [("one_only", other), (other, "one_only")] {
            let error = pair((first, small), (second, small)).unwrap_err();
            assert!(matches!(error, Error::Duplicate { .. }), "{first} {second}: {error}");
        }
    }
}

fn drectve(directives: &str) -> String {
    format!(".section .drectve,\"yni\"\n.ascii \" {directives} \"\n")
}

/// B7.22 of docs/coff-cases.md.
#[test]
fn exports_are_found_under_their_names_and_numbers() {
    let exports = drectve("/export:renamed=own,@7 /export:own") + ".data\n.globl own\nown: .long 5";
    let user = ".data\n.globl user\nuser: .quad renamed";
    let jit = link(&[&exports, user]).unwrap();
    assert_eq!([value(&jit, "renamed"), value(&jit, "#7"), value(&jit, "own")], [5; 3]);
    let pointer = jit.lookup("user").unwrap().0 as *const u64;
    // SAFETY: it is 8 bytes.
    assert_eq!(unsafe { pointer.read_unaligned() }, jit.lookup("own").unwrap().0);
    // Another JITDylib sees them, too.
    let other = jit.create_dylib("other").unwrap();
    other.add_to_link_order(jit.main(), linkjit::MatchScope::Exported).unwrap();
    assert_eq!(other.link(&["renamed"]).unwrap(), [jit.lookup("own").unwrap()]);
}

#[test]
fn what_is_exported_may_be_another_objects_and_circles_are_errors() {
    let own = ".data\n.globl own\nown: .long 6";
    assert_eq!(value(&link(&[&drectve("/export:renamed=own"), own]).unwrap(), "renamed"), 6);
    let circle = link(&[&drectve("/export:a=b /export:b=a")]).unwrap();
    assert!(matches!(circle.lookup("a"), Err(Error::AliasCycle { .. })));
    assert!(matches!(link(&[&drectve("/export:a=b")]).unwrap().lookup("a"), Err(Error::Undefined { .. })));
}

#[test]
fn exports_go_with_their_objects() {
    let jit = link(&[".data\n.globl own\nown: .long 6"]).unwrap();
    let tracker = jit.create_tracker().unwrap();
    let object = linkjit::Source::new("exports.obj", assemble(&drectve("/export:renamed=own /entry:start")));
    tracker.add_object(&object).unwrap();
    assert_eq!(value(&jit, "renamed"), 6);
    assert_eq!(jit.main().entry().unwrap().as_deref(), Some("start"));
    // SAFETY: nothing of it is in use.
    unsafe { tracker.remove() }.unwrap();
    assert!(jit.lookup("renamed").is_err());
    assert_eq!(jit.main().entry().unwrap(), None);
}

#[test]
fn an_export_stays_as_long_as_one_object_says_it() {
    let jit = link(&[".data\n.globl own\nown: .long 6"]).unwrap();
    let object = assemble(&drectve("/export:renamed=own"));
    let trackers = ["first.obj", "second.obj"].map(|name| {
        let tracker = jit.create_tracker().unwrap();
        tracker.add_object(Source::new(name, object.clone())).unwrap();
        tracker
    });
    let [first, second] = trackers;
    // SAFETY: nothing of it was linked.
    unsafe { first.remove() }.unwrap();
    assert_eq!(value(&jit, "renamed"), 6);
    // SAFETY: as above.
    unsafe { second.remove() }.unwrap();
    assert!(jit.lookup("renamed").is_err());
}

#[cfg(unix)]
#[test]
fn a_library_that_imports_name_may_come_after_a_lookup_that_has_missed_it() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let stem = format!("late_{}", std::process::id());
    let path = |extension: &str| directory.join(format!("{stem}.{extension}"));
    let (library, imports, definition, source) = (path("so"), path("lib"), path("def"), path("c"));
    // What the library calls otherwise is found by nobody else.
    std::fs::write(&definition, format!("LIBRARY \"{stem}.so\"\nEXPORTS\nlate == in_the_library\n")).unwrap();
    std::fs::write(&source, "int in_the_library = 7;\n").unwrap();
    let run = |command: &mut Command| assert!(command.status().expect("it is installed").success());
    run(Command::new("llvm-dlltool-19").args(["-m", "i386:x86-64", "-d"]).arg(&definition).arg("-l").arg(&imports));
    let jit = link(&[".data\n.globl user\nuser: .quad late"]).unwrap();
    jit.main().add_archive(&imports).unwrap();
    let error = jit.lookup("user").unwrap_err().to_string();
    assert!(error.contains("exports it, but"), "{error}");
    let soname = format!("-Wl,-soname,{stem}.so");
    run(Command::new("clang-19").args(["-shared", &soname, "-o"]).arg(&library).arg(&source));
    // The loader knows the name from now on.
    link(&[]).unwrap().add_library(&library).unwrap();
    jit.lookup("user").unwrap();
    [library, imports, definition, source].iter().for_each(|file| std::fs::remove_file(file).unwrap());
}

#[test]
fn sections_get_the_protection_that_is_asked_for() {
    let directives = drectve("/section:.own,rw /merge:.from=.to /merge:.back=.forth /merge:.forth=.back");
    let body = ".section .own,\"dr\"\n.globl x\nx: .long 1
        .section .from$a,\"dr\"\n.globl y\ny: .long 2
        .section .to,\"dw\"\n.globl z\nz: .long 3
        .section .back,\"dw\"\n.globl w\nw: .long 4";
    let jit = link(&[&directives, body]).unwrap();
    for name in ["x", "y", "z", "w"] {
        let variable = jit.lookup(name).unwrap().0 as *mut u32;
        // SAFETY: it is 4 bytes, which may be written to.
        unsafe { variable.write_unaligned(9) };
        assert_eq!(value(&jit, name), 9);
    }
}

#[test]
fn sections_are_not_shared_and_never_writable_and_executable() {
    let jit = link(&[&drectve("/section:.s,RWS")]).unwrap();
    assert_eq!(
        jit.session().take_warnings(),
        ["0.obj: section '.s' is not shared with other processes, though the object asks for that"]
    );
    let error = link(&[&drectve("/section:.s,ERW")]).unwrap_err().to_string();
    assert!(error.contains("directive /section:.s,ERW: section that is both writable and executable"), "{error}");
}

#[test]
fn what_objects_say_counts_as_long_as_one_of_them_is_there() {
    let says = |level: u32| drectve(&format!("/failifmismatch:level={level} /alternatename:a=b"));
    let definition = ".data\n.globl b\nb: .long 6";
    let jit = link(&[definition]).unwrap();
    let first = jit.create_tracker().unwrap();
    first.add_object(Source::new("first.obj", assemble(&says(2)))).unwrap();
    let second = jit.create_tracker().unwrap();
    second.add_object(Source::new("second.obj", assemble(&says(2)))).unwrap();
    // SAFETY: nothing of it was linked.
    unsafe { first.remove() }.unwrap();
    let error = jit.add_object(Source::new("third.obj", assemble(&says(3)))).unwrap_err().to_string();
    assert_eq!(error, "objects disagree about 'level': 2 in second.obj, 3 in third.obj");
    assert_eq!(value(&jit, "a"), 6);
    // SAFETY: nothing of it was linked.
    unsafe { second.remove() }.unwrap();
    jit.add_object(Source::new("third.obj", assemble(&drectve("/failifmismatch:level=3")))).unwrap();
}

#[test]
fn constants_may_be_defined_more_than_once() {
    // B7.13, as lld-link does.
    let constant = |value: u32| format!(".globl constant\n.set constant, {value}\n");
    let jit = link(&[&constant(7), &constant(7), ".data\n.globl pointer\npointer: .quad constant"]).unwrap();
    assert_eq!(value(&jit, "pointer"), 7);
    let error = link(&[&constant(7), &constant(8)]).unwrap_err();
    assert!(matches!(error, Error::Duplicate { .. }), "{error}");
}

#[test]
fn weak_externals_wait_for_what_is_pulled_for_another_reason() {
    // B7.9: virtual tables have such references, and the definition may be in a library.
    let copy = ".section .text$g,\"xr\",discard,g\n.globl g\ng: .long 1\n.weak w\n.set w, g\n";
    let user = format!("{copy}.data\n.globl pointers\npointers: .quad w, wanted\n");
    let member = ".section .text$w,\"xr\",discard,w\n.globl w\nw: .long 2\n.data\n.globl wanted\nwanted: .long 3\n";
    let jit = link(&[&user]).unwrap();
    jit.add_archive(archive(&[member])).unwrap();
    let pointers = jit.lookup("pointers").unwrap().0 as *const u64;
    // SAFETY: a pointer of the object.
    assert_eq!(unsafe { pointers.read() }, jit.lookup("w").unwrap().0);
    assert_eq!(value(&jit, "w"), 2);
    // For its own sake none is pulled.
    let jit = link(&[copy, ".data\n.globl pointer\npointer: .quad w"]).unwrap();
    jit.add_archive(archive(&[member])).unwrap();
    jit.lookup("pointer").unwrap();
    assert_eq!((value(&jit, "w"), jit.session().statistics().objects), (1, 2));
    // So it is for weak references, which stand for null.
    let reference = ".weak w\n.data\n.globl pointers\npointers: .quad w, wanted\n";
    let jit = link(&[reference]).unwrap();
    jit.add_archive(archive(&[".data\n.globl w\nw: .long 2\n.globl wanted\nwanted: .long 3\n"])).unwrap();
    let pointers = jit.lookup("pointers").unwrap().0 as *const u64;
    // SAFETY: a pointer of the object.
    assert_eq!(unsafe { pointers.read() }, jit.lookup("w").unwrap().0);
    assert_eq!(value(&jit, "w"), 2);
    let jit = link(&[".weak w\n.data\n.globl pointer\npointer: .quad w"]).unwrap();
    assert_eq!(value(&jit, "pointer"), 0);
}

#[test]
fn all_names_of_a_long_chain_are_found() {
    const COUNT: usize = 20_000;
    let chain: String = (0..COUNT).map(|n| format!(".ascii \" /alternatename:a{n}=a{}\"\n", n + 1)).collect();
    let users: String = (0..COUNT).map(|n| format!(".quad a{n}\n")).collect();
    let end = format!(".data\n.globl a{COUNT}\na{COUNT}: .quad 8\n.globl users\nusers:\n");
    let jit = link(&[&format!(".section .drectve,\"yni\"\n{chain}{end}{users}")]).unwrap();
    let users = jit.lookup("users").unwrap().0 as *const [u64; COUNT];
    let end = jit.lookup(format!("a{COUNT}")).unwrap().0;
    // SAFETY: that many pointers of the object.
    assert!(unsafe { &*users }.iter().all(|&user| user == end));
}
