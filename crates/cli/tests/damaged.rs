//! Damaged objects, given to `linkjit jitlink`: each is linked or refused, and nothing panics.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

#[path = "../../link/tests/support/random.rs"]
mod random;
mod support;

use random::Random;
use std::path::Path;

use support::{Fixtures, Outcome};

fn mutate(bytes: &mut [u8], random: &mut Random) {
    // Headers, symbols and relocations are at the ends; a number has most consequences there.
    let at = match random.below(3) {
        0 => random.below(bytes.len().min(300)),
        1 => bytes.len() - 1 - random.below(bytes.len().min(500)),
        _ => random.below(bytes.len()),
    };
    bytes[at] = match random.below(5) {
        0 => 0,
        1 => 1,
        2 => 0xff,
        3 => bytes[at] ^ (1 << random.below(8)),
        _ => random.below(256) as u8,
    };
}

#[test]
fn damaged_objects_of_coff_are_linked_or_refused() {
    let fixtures = Fixtures::new("damaged");
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/jitlink");
    let mut random = Random(0x0dd_ba11);
    let mut linked = 0;
    for case in ["coff-comdat", "coff-directives", "coff-sections", "coff-weak"] {
        let text = std::fs::read_to_string(cases.join(case).with_extension("s")).expect("the case");
        // The first of its parts.
        fixtures.write("case.s", text.split("\n#---").next().expect("a part"));
        fixtures.tool(&["llvm-mc-19", "--triple=x86_64-windows-msvc", "--filetype=obj", "case.s", "-o", "case.o"]);
        let object = std::fs::read(fixtures.path("case.o")).expect("the object");
        for round in 0..100 {
            let mut bytes = object.clone();
            for _ in 0..=random.below(2) {
                mutate(&mut bytes, &mut random);
            }
            fixtures.write("damaged.o", bytes);
            let arguments =
                ["jitlink", "-noexec", "-phony-externals", "-slab-allocate", "1Mb", "-slab-address", "0x1000"];
            let shows = ["-slab-page-size", "4096", "-show-addrs", "-show-entry-es", "-show-graphs=.*", "damaged.o"];
            let outcome = Outcome::run(&mut fixtures.command(&[&arguments[..], &shows].concat()));
            assert!(matches!(outcome.code, Some(0 | 1)), "{case}, round {round}: {:?}: {}", outcome.code, outcome.err);
            linked += usize::from(outcome.code == Some(0));
        }
    }
    // Much damage is in names and contents.
    assert!((50..350).contains(&linked), "{linked}");
}
