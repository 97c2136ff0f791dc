//! A directory of fixtures, compilers to make them with, and the command.
#![allow(dead_code, unreachable_pub, reason = "tests are nobody's interface, and not all need all of the support")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A directory of one test; it goes away with it.
pub struct Fixtures {
    directory: PathBuf,
}

impl Fixtures {
    /// `test` must be unique among the tests of the program.
    pub fn new(test: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("linkjit-cli-{}-{test}", std::process::id()));
        fs::create_dir_all(&directory).expect("a directory for fixtures");
        Self { directory }
    }

    /// Returns the path of a fixture.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Writes a file.
    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).expect("a directory for the fixture");
        }
        fs::write(path, content).expect("the fixture is written");
    }

    /// Runs a tool in the directory.
    pub fn tool(&self, line: &[&str]) {
        let output = Command::new(line[0]).args(&line[1..]).current_dir(&self.directory).output();
        let output = output.unwrap_or_else(|error| panic!("{}: {error}: ./test installs it", line[0]));
        assert!(output.status.success(), "{line:?}:\n{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Compiles C to the object `name`.
    pub fn c(&self, name: &str, source: &str) {
        self.compile("cc", "c", name, source, &[]);
    }

    /// Compiles C++ to the object `name`.
    pub fn cpp(&self, name: &str, source: &str) {
        self.compile("c++", "cpp", name, source, &[]);
    }

    fn compile(&self, compiler: &str, extension: &str, name: &str, source: &str, options: &[&str]) {
        let file = format!("{name}.{extension}");
        self.write(&file, source);
        self.tool(&[&[compiler, "-c", "-O1", "-fPIC", &file, "-o", name], options].concat());
    }

    /// Links C to a shared library.
    pub fn shared(&self, name: &str, source: &str) {
        self.compile("cc", "c", &format!("{name}.o"), source, &[]);
        self.tool(&["cc", "-shared", &format!("{name}.o"), "-o", name]);
    }

    /// Packs objects into an archive.
    pub fn archive(&self, name: &str, objects: &[&str]) {
        self.tool(&[&["ar", "rcs", name], objects].concat());
    }

    /// Runs `linkjit` in the directory.
    pub fn linkjit(&self, arguments: &[&str]) -> Outcome {
        Outcome::run(&mut self.command(arguments))
    }

    /// `linkjit`, yet to be run in the directory.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_linkjit"));
        // Nothing of tests is of use to others.
        command.args(arguments).current_dir(&self.directory).env("LINKJIT_CACHE", "off");
        command
    }
}

impl Drop for Fixtures {
    fn drop(&mut self) {
        remove(&self.directory);
    }
}

fn remove(directory: &Path) {
    // What is left behind is in the system's directory of temporary files.
    let _left = fs::remove_dir_all(directory);
}

/// The outcome of a command.
#[derive(Debug)]
pub struct Outcome {
    /// `None` if a signal ended it.
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Outcome {
    /// Runs a command.
    pub fn run(command: &mut Command) -> Self {
        let Output { status, stdout, stderr } = command.output().expect("the command starts");
        let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
        Self { code: status.code(), out: text(stdout), err: text(stderr) }
    }

    /// The first line of standard error.
    pub fn headline(&self) -> &str {
        self.err.lines().next().unwrap_or_default()
    }

    /// Standard error as lines of JSON.
    pub fn json(&self) -> Vec<serde_json::Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        self.err.lines().map(parse).collect()
    }
}
