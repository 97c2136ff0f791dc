//! Temporary directories of compilers: private, and gone whatever becomes of the command.
#![cfg(all(target_os = "linux", target_arch = "x86_64"))]

mod support;

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::Duration;

use support::Fixtures;

const SOURCE: &str = "int main(void) { return 7; }";
/// A compiler that notes the rights of the directory of its output, says that it is there, and hangs.
const HANGS: &str = "#!/bin/sh\nfor last; do :; done\nstat -c %a \"${last%/*}\" >\"$NOTES\"\ntouch \"$last\"\n\
                     mv \"$NOTES\" \"$NOTES.done\"\nexec sleep 1000\n";

struct Place {
    fixtures: Fixtures,
    temporary: PathBuf,
}

impl Place {
    fn new(test: &str) -> Self {
        let fixtures = Fixtures::new(test);
        fixtures.write("a.c", SOURCE);
        fixtures.write("hangs", HANGS);
        fixtures.tool(&["chmod", "+x", "hangs"]);
        let temporary = fixtures.path("temporary");
        fs::create_dir(&temporary).unwrap();
        Self { fixtures, temporary }
    }

    fn left(&self) -> Vec<PathBuf> {
        fs::read_dir(&self.temporary).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    /// Starts a run whose compiler hangs, and waits until it does.
    fn hanging(&self, source: &[&str]) -> Child {
        let notes = self.fixtures.path("notes");
        let mut command = self.fixtures.command(&[&["run"], source].concat());
        command.env("TMPDIR", &self.temporary).env("CC", self.fixtures.path("hangs")).env("NOTES", &notes);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let done = notes.with_extension("done");
        while !done.exists() {
            std::thread::sleep(Duration::from_millis(5));
        }
        fs::remove_file(done).unwrap();
        child
    }

    /// Ends a run by a signal, and returns by which it ended.
    fn end(&self, mut child: Child, signal: &str) -> Option<i32> {
        let compiler = fs::read_to_string(format!("/proc/{0}/task/{0}/children", child.id())).unwrap_or_default();
        let children: Vec<_> = fs::read_dir(format!("/proc/{}/task", child.id()))
            .unwrap()
            .flat_map(|task| fs::read_to_string(task.unwrap().path().join("children")))
            .flat_map(|text| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
            .chain(compiler.split_whitespace().map(str::to_owned))
            .collect();
        self.fixtures.tool(&["kill", signal, &child.id().to_string()]);
        let status = child.wait().unwrap();
        for compiler in children {
            let _ended = std::process::Command::new("kill").args(["-9", &compiler]).stderr(Stdio::null()).status();
        }
        std::os::unix::process::ExitStatusExt::signal(&status)
    }

    fn run(&self) {
        let outcome = support::Outcome::run(self.fixtures.command(&["run", "a.c"]).env("TMPDIR", &self.temporary));
        assert_eq!((outcome.code, outcome.err.as_str()), (Some(7), ""));
    }
}

#[test]
fn signals_that_end_the_command_remove_what_it_has_made() {
    let place = Place::new("signals");
    for (signal, number) in [("-INT", 2), ("-TERM", 15), ("-HUP", 1)] {
        let child = place.hanging(&["a.c"]);
        let [directory] = &place.left()[..] else { panic!("{:?}", place.left()) };
        let rights = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(directory).unwrap().permissions());
        assert_eq!(rights & 0o777, 0o700);
        assert_eq!(place.end(child, signal), Some(number));
        assert!(place.left().is_empty(), "{signal}: {:?}", place.left());
    }
}

/// A handler of signals removes no folders within; the next command does.
#[test]
fn a_copy_of_code_of_the_command_line_does_not_stay() {
    let place = Place::new("signals-code");
    let child = place.hanging(&["-e", "return 7;"]);
    assert_eq!(place.end(child, "-INT"), Some(2));
    place.run();
    assert!(place.left().is_empty(), "{:?}", place.left());
}

/// Nobody is there to remove it; the next one does, but not what is in use.
#[test]
fn what_a_killed_command_leaves_is_removed_by_the_next() {
    let place = Place::new("killed");
    let child = place.hanging(&["a.c"]);
    assert_eq!(place.end(child, "-KILL"), Some(9));
    let left = place.left();
    assert_eq!(left.len(), 1);
    let second = place.hanging(&["a.c"]);
    let used = place.left();
    assert!(used.len() == 1 && used != left, "{left:?} {used:?}");
    fs::create_dir(place.temporary.join("linkjit-private-0")).unwrap();
    fs::create_dir(place.temporary.join("linkjit-private-1")).unwrap();
    fs::write(place.temporary.join("linkjit-private-1/other"), "not ours").unwrap();
    place.run();
    let mut expected = [used[0].clone(), place.temporary.join("linkjit-private-1")];
    expected.sort();
    let mut left = place.left();
    left.sort();
    assert_eq!(left, expected);
    assert_eq!(place.end(second, "-TERM"), Some(15));
}

/// Compilers take `-x.c` for an option, and `@x.c` for a file of options.
#[test]
fn names_of_sources_are_no_options() {
    let fixtures = Fixtures::new("options");
    for name in ["-x.c", "@x.c", "-o.s", "-.cpp", "--help.c"] {
        let source = if name.ends_with(".s") {
            ".globl main\nmain: mov $7, %eax\nret\n.section .note.GNU-stack,\"\",@progbits\n"
        } else {
            SOURCE
        };
        fixtures.write(name, source);
        // A word that begins with a dash is an option of ours, too.
        let path = fixtures.path(name);
        for file in [format!("./{name}"), path.display().to_string(), name.into()] {
            if file.starts_with('-') {
                continue;
            }
            let outcome = fixtures.linkjit(&["run", &file]);
            assert_eq!((outcome.code, outcome.err.as_str()), (Some(7), ""), "{file}");
        }
    }
}
