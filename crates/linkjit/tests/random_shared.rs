//! Pairs of C++ objects at random that have inline functions, variables, templates and statics in common: linked at
//! once, lazily and updatably, in any order, they do what the system's linker makes of them. On Windows with MSVC's and
//! MinGW's objects, beside DLLs of lld-link and GNU ld.
//!
//! `LINKJIT_RANDOM_PAIRS=FROM..TO` says which pairs, if it is not the few of a usual run.
#![cfg(target_arch = "x86_64")]

mod assembly;
#[path = "random_shared/generator.rs"]
mod generator;
mod host;
#[path = "../../link/tests/support/random.rs"]
mod random;

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;

use assembly::{Workshop, call, run};
use generator::Common;
use linkjit::Source;
use linkjit::{Generation, Jit};
use random::Random;

/// Which compilers' objects go together; GNU ld does not link clang's with gcc's if they share variables.
const FAMILIES: &[&[&str]] =
    if cfg!(windows) { &[&["msvc"], &["clang-gnu"], &["mingw"]] } else { &[&["gcc", "clang"]] };

fn pairs() -> Range<u64> {
    let number = |text: &str| text.parse().expect("a number");
    match std::env::var("LINKJIT_RANDOM_PAIRS") {
        Ok(text) => text.split_once("..").map(|(from, to)| number(from)..number(to)).expect("FROM..TO"),
        Err(_) => 0..if cfg!(windows) { 4 } else { 8 },
    }
}

/// How an object is added.
#[derive(Clone, Copy, PartialEq, Debug)]
enum How {
    Eager,
    Tracked,
    Lazy,
    Updatable,
}

/// An object in a file and as a source.
struct Object {
    path: PathBuf,
    source: Source,
}

fn compile(workshop: &Workshop, compiler: &str, level: &str, name: &str, text: &str) -> Object {
    let flags = ["-std=c++17", level, "-ffunction-sections", "-fdata-sections", "-w"];
    // What these need of a runtime there is not on all sides.
    let plain = ["-fno-threadsafe-statics", "-fno-exceptions", "-fno-rtti"];
    let other = |program: &str, flags: &[&str]| {
        let (source, object) = (workshop.path("cpp"), workshop.path("o"));
        std::fs::write(&source, text).unwrap();
        run(Command::new(program).arg("-c").args(flags).arg(&source).arg("-o").arg(&object));
        object
    };
    let path = match compiler {
        "gcc" => workshop.compile("cpp", text, &[&flags[..], &["-fPIC"]].concat()),
        "clang" => other("clang++-19", &[&flags[..], &["-fPIC"]].concat()),
        "msvc" => workshop.compile("cpp", text, &[&flags[..], &plain[..2], &["-fno-cxx-exceptions"]].concat()),
        "clang-gnu" => {
            workshop.compile("cpp", text, &[&flags[..], &["--target=x86_64-w64-windows-gnu"], &plain].concat())
        }
        _ => other("x86_64-w64-mingw32-g++-posix", &[&flags[..], &plain].concat()),
    };
    let source = Source::new(name, std::fs::read(&path).unwrap());
    Object { path, source }
}

/// What a program says of itself: what its variables are at first, whose addresses differ, what it computes.
type Outcome = [i32; 3];

/// Links natively, and runs.
#[cfg(not(windows))]
fn native(workshop: &Workshop, _family: &[&str], objects: &[&Path]) -> Outcome {
    let main = "#include <stdio.h>\nint initial(void), all_identity(void), result(void);
        int main(void) { printf(\"%d\\n\", initial()); printf(\"%d\\n\", all_identity()); printf(\"%d\\n\", result()); return 0; }";
    static MAIN: std::sync::OnceLock<(Workshop, PathBuf)> = std::sync::OnceLock::new();
    let (_, main) = MAIN.get_or_init(|| {
        let workshop = Workshop::new();
        let main = workshop.compile("c", main, &["-fPIC"]);
        (workshop, main)
    });
    let program = workshop.path("exe");
    run(Command::new("g++").arg("-o").arg(&program).arg(main).args(objects));
    let output = Command::new(&program).output().unwrap();
    assert!(output.status.success(), "{}", output.status);
    let numbers: Vec<i32> = String::from_utf8_lossy(&output.stdout).lines().map(|line| line.parse().unwrap()).collect();
    numbers.try_into().unwrap()
}

/// Links natively as a DLL, and calls.
#[cfg(windows)]
fn native(workshop: &Workshop, family: &[&str], objects: &[&Path]) -> Outcome {
    let dll = workshop.path("dll");
    if family == ["msvc"] {
        // What the C runtime would do, and a table that it has.
        let start = "typedef void (*function)(); extern \"C\" { int _fltused;
            __attribute__((section(\".CRT$XCA\"))) extern const function first = 0; __attribute__((section(\".CRT$XCZ\"))) extern const function last = 0;
            void *types __asm__(\"??_7type_info@@6B@\") = 0;
            int start(void *, unsigned reason, void *) {
                if (reason == 1) for (const function *volatile at = &first; at != &last; at++) if (*at) (*at)();
                return 1; } }";
        let start = compile(workshop, "msvc", "-O0", "start.o", start);
        let exports = ["initial", "all_identity", "result"].map(|name| format!("/export:{name}"));
        let mut linker = Command::new("lld-link-19");
        linker.args(["/dll", "/nodefaultlib", "/entry:start"]).args(exports).arg(&start.path).args(objects);
        run(linker.arg(format!("/out:{}", dll.display()).replace('\\', "/")));
    } else {
        run(Command::new("x86_64-w64-mingw32-g++-posix").args(["-shared", "-static", "-o"]).arg(&dll).args(objects));
    }
    let jit = host::jit().unwrap();
    jit.add_library(&dll).unwrap();
    let outcome = ["initial", "all_identity", "result"].map(|name| call(&jit, name).unwrap());
    // SAFETY: nothing of it is called any more.
    unsafe { jit.close() }.unwrap();
    outcome
}

fn add(jit: &Jit, how: How, object: &Object) -> linkjit::Result<()> {
    match how {
        How::Eager => jit.main().add_object(&object.source),
        How::Tracked => jit.create_tracker()?.add_object(&object.source),
        How::Lazy => jit.main().add_lazy_object(&object.source),
        How::Updatable => jit.main().add_updatable_object(&object.source),
    }
}

/// Replaces objects.
fn update(jit: &Jit, objects: &[&Object], keep: bool) -> linkjit::Result<Generation> {
    let update = objects.iter().fold(jit.main().update(), |update, object| update.replace(&object.source));
    let update = if keep { update.keep_variables() } else { update };
    // SAFETY: nobody is in the code.
    unsafe { update.commit() }
}

/// A pair with all that it is made of, and what it is to do.
struct Pair {
    user: Object,
    /// The sides as they are at first; the first as it is then; both as they are in the end.
    sides: [Object; 2],
    other: Object,
    edited: [Object; 2],
    expected: [Outcome; 3],
}

impl Pair {
    fn new(workshop: &Workshop, family: &[&str], number: u64, random: &mut Random) -> Self {
        let common = Common::new(number, random);
        let edited = common.edited(random);
        let compile_side = |common: &Common, side: &str, random: &mut Random| {
            let (compiler, level) = (family[random.below(family.len())], ["-O0", "-O1", "-O2"][random.below(3)]);
            compile(workshop, compiler, level, &format!("{side}.o"), &common.side(side, random))
        };
        let sides = ["a", "b"].map(|side| compile_side(&common, side, random));
        let other = compile_side(&common, "a", random);
        let edited = ["a", "b"].map(|side| compile_side(&edited, side, random));
        let user = compile(workshop, family[0], "-O1", "user.o", &common.user(random));
        let native = |sides: [&Object; 2]| native(workshop, family, &[&sides[0].path, &sides[1].path, &user.path]);
        let expected = [[&sides[0], &sides[1]], [&other, &sides[1]], [&edited[0], &edited[1]]].map(native);
        Self { user, sides, other, edited, expected }
    }

    /// Links and runs in one manner; the error says what is wrong.
    fn check(&self, manners: [How; 2], order: [usize; 3], keep: bool) -> Result<(), String> {
        let error = |error: linkjit::Error| error.to_string();
        let jit = host::jit().map_err(error)?;
        for at in order {
            match at {
                2 => add(&jit, How::Eager, &self.user),
                _ => add(&jit, manners[at], &self.sides[at]),
            }
            .map_err(error)?;
        }
        let check = |when: &str, names: &[&str], expected: &[i32]| {
            for (name, expected) in names.iter().zip(expected) {
                let found = call(&jit, name).map_err(|error| format!("{when}: {name}: {error}"))?;
                if found != *expected {
                    return Err(format!("{when}: {name} is {found:#x}, not {expected:#x}"));
                }
            }
            Ok(())
        };
        let [first, other, edited] = self.expected;
        check("at first", &["initial", "all_identity", "result"], &first)?;
        check("again", &["result"], &first[2..])?;
        // Constants' and functions' addresses may differ as long as others are bound to old ones.
        let is_one = ["variables_identity", "result"];
        if manners[0] == How::Updatable {
            let generation = update(&jit, &[&self.other], keep).map_err(error)?;
            check("one updated", &is_one, &[0, other[2]])?;
            // SAFETY: nobody is in the code.
            unsafe { generation.rollback() }.map_err(|error| format!("rollback: {error}"))?;
            check("rolled back", &is_one, &[0, first[2]])?;
            drop(update(&jit, &[&self.other], keep).map_err(error)?);
            jit.session().reclaim().map_err(error)?;
            check("updated again", &is_one, &[0, other[2]])?;
        }
        if manners == [How::Updatable; 2] {
            let generation = update(&jit, &[&self.edited[0], &self.edited[1]], keep).map_err(error)?;
            check("both updated", &is_one, &[0, edited[2]])?;
            drop(generation);
            jit.session().reclaim().map_err(error)?;
            check("reclaimed", &is_one, &[0, edited[2]])?;
        }
        // SAFETY: nobody is in the code.
        unsafe { jit.close() }.map_err(error)
    }
}

#[test]
fn pairs_of_objects_do_what_the_system_makes_of_them() {
    let manners = [How::Eager, How::Tracked, How::Lazy, How::Updatable];
    let manners: Vec<_> = manners.into_iter().flat_map(|a| manners.map(|b| [a, b])).collect();
    let orders = [[0, 1, 2], [1, 0, 2], [2, 0, 1], [2, 1, 0], [0, 2, 1], [1, 2, 0]];
    let (mut links, mut wrong) = (0, Vec::new());
    for family in FAMILIES {
        for number in pairs() {
            let mut random = Random((number + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let workshop = Workshop::new();
            let pair = Pair::new(&workshop, family, number, &mut random);
            for &manner in &manners {
                let (order, keep) = (orders[random.below(orders.len())], random.below(2) == 0);
                links += 1;
                if let Err(error) = pair.check(manner, order, keep) {
                    wrong.push(format!("{family:?} {number}: {manner:?} {order:?} keep {keep}: {error}"));
                }
            }
        }
    }
    println!("{links} links of {} pairs", pairs().count() * FAMILIES.len());
    assert!(wrong.is_empty(), "{} of {links}:\n{}", wrong.len(), wrong.join("\n"));
}
