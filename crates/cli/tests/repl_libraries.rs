//! Files that `%lib` has added may be gone when a further executor is to have them.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::Command;

#[path = "support/front_end.rs"]
mod front_end;
#[path = "support/transcript.rs"]
#[allow(dead_code, reason = "nothing is compared line by line")]
mod transcript;

#[test]
fn a_session_goes_on_without_a_library_that_is_gone() {
    if front_end::build().is_none() {
        return;
    }
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (source, object) = (directory.join("gone.c"), directory.join("gone.o"));
    fs::write(&source, "int seven(void) { return 7; }\n").expect("a file");
    let compiled = Command::new("cc").arg("-c").arg(&source).arg("-o").arg(&object).status().expect("cc");
    assert!(compiled.success());
    let object = object.display();
    let typed = format!(
        "%lib {object}\nextern \"C\" int seven();\nseven()\n%exec rm {object}\n\
         #include <csignal>\nraise(SIGKILL);\n1 + 1\n#include <csignal>\nraise(SIGKILL);\n2 + 2\n"
    );
    let mut command = Command::new(env!("CARGO_BIN_EXE_linkjit"));
    command.arg("repl").env("NO_COLOR", "1").env("LINKJIT_CACHE", "off");
    let printed = transcript::run(command, typed).expect("a session");
    let warning = format!("warning: '{object}' could not be added again: ");
    assert_eq!(printed.matches(&warning).count(), 1, "{printed}");
    let at = |text: &str| printed.find(text).unwrap_or_else(|| panic!("no {text} in: {printed}"));
    assert!(at("(int) 7") < at(&warning) && at(&warning) < at("(int) 2"), "{printed}");
    assert!(at("(int) 2") < at("(int) 4"), "{printed}");
}
