//! The front end, asked by its protocol alone (docs/repl-frontend.md): nothing is linked or run.
//!
//! `cargo xtask frontend` builds the front end; where LLVM's packages for that are missing, there is nothing to test.
#![cfg(unix)]

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// A prelude that shows nothing: only its declarations matter here.
const PRELUDE: &str = "extern \"C\" { extern unsigned __linkjit_repl_serial; void *__linkjit_repl_last_of(unsigned); }
    namespace __linkjit_repl {
    template <class E> const char *enumerators() { return nullptr; }
    template <class T> void show(T &&) { enumerators<int>(); }
    }";

/// A front end, and its connection.
struct FrontEnd {
    process: Child,
    requests: ChildStdin,
    replies: ChildStdout,
    inputs: u32,
}

/// The fate of an input.
#[derive(Debug)]
struct Answer {
    status: u8,
    diagnostics: String,
    names: Vec<String>,
    object: Vec<u8>,
    entry: String,
    shown: String,
    lasts: bool,
    declares: bool,
}

/// The fields of a frame that are not read yet.
struct Fields(std::vec::IntoIter<u8>);

impl Fields {
    fn byte(&mut self) -> u8 {
        self.0.next().expect("a byte")
    }

    fn number(&mut self) -> u32 {
        u32::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    fn bytes(&mut self) -> Vec<u8> {
        let length = self.number();
        (0..length).map(|_| self.byte()).collect()
    }

    fn text(&mut self) -> String {
        String::from_utf8(self.bytes()).expect("text")
    }

    fn texts(&mut self) -> Vec<String> {
        let count = self.number();
        (0..count).map(|_| self.text()).collect()
    }
}

fn text(text: &str) -> Vec<u8> {
    let length = u32::try_from(text.len()).expect("a short text");
    [&length.to_le_bytes(), text.as_bytes()].concat()
}

impl FrontEnd {
    /// Starts it, unless it can't be built here.
    fn start(arguments: &[&str]) -> Option<Self> {
        let program = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).with_file_name("frontend").join("linkjit-clang-22");
        if !program.exists() {
            eprintln!("not tested: {} is missing, and cargo xtask frontend builds it", program.display());
            return None;
        }
        let mut command = Command::new(&program);
        let mut process =
            command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
        let ends = process.stdin.take().zip(process.stdout.take());
        let (requests, replies) = ends.expect("it has pipes");
        let mut this = Self { process, requests, replies, inputs: 0 };
        let (kind, mut greeting) = this.receive();
        assert_eq!((kind, greeting.number()), (b'G', 1));
        this.state();
        assert_eq!(this.try_input(PRELUDE, &[], "").map(|answer| answer.status), Some(0));
        Some(this)
    }

    fn send(&mut self, kind: u8, payload: &[u8]) {
        let length = u32::try_from(payload.len()).expect("a short payload");
        let frame = [&[kind][..], &length.to_le_bytes(), payload].concat();
        self.requests.write_all(&frame).expect("it reads");
    }

    fn receive(&mut self) -> (u8, Fields) {
        let mut head = [0; 5];
        self.replies.read_exact(&mut head).expect("it replies");
        let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]);
        let mut payload = vec![0; length as usize];
        self.replies.read_exact(&mut payload).expect("the reply is whole");
        (head[0], Fields(payload.into_iter()))
    }

    fn state(&mut self) {
        let (kind, mut state) = self.receive();
        assert_eq!(kind, b'S');
        self.inputs = state.number();
    }

    fn snapshot(&mut self) {
        self.send(b'P', &[]);
        self.state();
    }

    fn ask(&mut self, kind: u8, payload: &[u8]) -> Fields {
        self.send(kind, payload);
        let (replied, fields) = self.receive();
        assert_eq!(replied, kind);
        fields
    }

    /// Nothing if the compiler has crashed.
    fn try_input(&mut self, input: &str, hidden: &[String], namespace: &str) -> Option<Answer> {
        self.snapshot();
        let mut payload = vec![1];
        payload.extend(self.inputs.to_le_bytes());
        payload.extend(u32::try_from(hidden.len()).expect("few names").to_le_bytes());
        payload.extend(hidden.iter().flat_map(|name| text(name)));
        payload.extend([text(namespace), text(input)].concat());
        self.send(b'I', &payload);
        let (kind, mut fields) = self.receive();
        if kind == b'S' {
            self.inputs = fields.number();
            return None;
        }
        let answer = Answer {
            status: fields.byte(),
            diagnostics: fields.text(),
            names: fields.texts(),
            object: fields.bytes(),
            entry: fields.text(),
            shown: fields.text(),
            lasts: fields.byte() == 1,
            declares: fields.byte() == 1,
        };
        if answer.status == 0 {
            self.inputs += 1;
        } else {
            self.state();
        }
        Some(answer)
    }

    fn input(&mut self, input: &str) -> Answer {
        self.try_input(input, &[], "").expect("the compiler does not crash")
    }
}

impl Drop for FrontEnd {
    fn drop(&mut self) {
        // Its other processes end with their input.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn inputs_become_objects_with_an_entry_and_show_their_values() {
    let Some(mut clang) = FrontEnd::start(&[]) else { return };
    let defined = clang.input("int x = 42; template <class T> struct Box { T value; };");
    assert_eq!((defined.status, &*defined.entry, &*defined.shown), (0, "", ""));
    assert!(defined.object.starts_with(b"\x7fELF"));
    let shown = clang.input("x");
    assert_eq!((shown.status, &*shown.entry, &*shown.shown), (0, "__linkjit_input_2", "int"));
    assert_eq!(clang.input("Box<const int *>{&x}").shown, "Box<const int *>");
    assert_eq!(clang.input("_.value").shown, "const int *");
    let silent = clang.input("x++;");
    assert_eq!((&*silent.shown, silent.lasts, silent.declares), ("", false, false));
    for declaration in
        ["using Integer = int;", "#define ONE 1", "struct Later;", "namespace inner {}", "enum { two = 2 };"]
    {
        let declared = clang.input(declaration);
        assert_eq!((declared.status, declared.declares), (0, true), "{declaration}");
    }
    // An input that declares nothing is only counted when the state is made again.
    let inputs = clang.inputs;
    clang.send(b'N', &1_u32.to_le_bytes());
    clang.state();
    assert_eq!(clang.inputs, inputs + 1);
    assert!(clang.input("no_such_thing;").diagnostics.starts_with(&format!("input {}:1:1", inputs + 1)));
    assert!(clang.input("const char *text = \"kept\";").lasts);
    // Instances of templates are compiled once.
    clang.input("template <class T> T twice(T t) { return t + t; }");
    assert!(clang.input("twice(1);").lasts);
    assert!(!clang.input("twice(2);").lasts);
}

#[test]
fn broken_inputs_are_rejected_and_the_state_stays() {
    let Some(mut clang) = FrontEnd::start(&[]) else { return };
    clang.input("int x = 42;");
    for broken in
        ["int y = ;", "void f() {", "#include <no/such/header>", "\"abc", "#error no", "(", "/* ", "asm(\"zzz\");"]
    {
        let answer = clang.input(broken);
        assert_eq!((answer.status, clang.inputs), (1, 2), "{broken}: {answer:?}");
        assert!(answer.diagnostics.contains("error"), "{broken}: {answer:?}");
    }
    assert!(clang.input("int y = ;").diagnostics.starts_with("input 2:1:9: error: expected expression"));
    assert!(clang.try_input("#pragma clang __debug crash", &[], "").is_none());
    assert_eq!((clang.inputs, clang.input("x").status), (2, 0));
}

#[test]
fn redefinitions_name_what_is_to_be_hidden() {
    let Some(mut clang) = FrontEnd::start(&[]) else { return };
    clang.input("int f(int) { return 1; } int f(double) { return 2; } struct P { int a; };");
    let again = |clang: &mut FrontEnd, input: &str, name: &str| {
        let first = clang.input(input);
        assert_eq!((first.status, &first.names[..]), (2, &[name.to_string()][..]), "{input}: {first:?}");
        let namespace = format!("n{}", clang.inputs);
        let second = clang.try_input(input, &first.names, &namespace).expect("the compiler does not crash");
        assert_eq!(second.status, 0, "{input}: {second:?}");
        second.shown
    };
    assert_eq!(again(&mut clang, "long f(int) { return 3; } f(1)", "f(int)"), "long");
    assert_eq!(again(&mut clang, "short f(int) { return 3; } f(1)", "f(int)"), "short");
    assert_eq!(clang.input("f(1.5)").shown, "int");
    assert_eq!(again(&mut clang, "struct P { char b; }; P p; p.b = 1; p.b", "P"), "char");
}

#[test]
fn completion_types_comments_and_colours_leave_no_trace() {
    let Some(mut clang) = FrontEnd::start(&[]) else { return };
    clang.input("#define WIDE_SCREEN 1\n// A place.\nstruct Point { int alpha, beta; int gamma() const; }; Point pt;");
    let request = "pt.";
    let mut completed = clang.ask(b'C', &[text(request), 3_u32.to_le_bytes().to_vec()].concat());
    assert_eq!(completed.number(), 3);
    let offered: Vec<_> = (0..completed.number()).map(|_| (completed.text(), completed.text())).collect();
    for (word, detail) in [("alpha", "int alpha"), ("beta", "int beta"), ("gamma", "int gamma() const")] {
        assert!(offered.contains(&(word.into(), detail.into())), "{offered:?}");
    }
    for (request, word) in
        [("#include <stdde", "stddef.h>"), ("#ifdef WIDE_", "WIDE_SCREEN"), ("WIDE_S", "WIDE_SCREEN")]
    {
        let at = u32::try_from(request.len()).expect("short");
        let mut completed = clang.ask(b'C', &[text(request), at.to_le_bytes().to_vec()].concat());
        completed.number();
        let offered: Vec<_> = (0..completed.number()).map(|_| (completed.text(), completed.text()).0).collect();
        assert!(offered.iter().any(|offer| offer == word), "{request}: {offered:?}");
    }
    assert_eq!(clang.ask(b'T', &text("&pt.alpha")).text(), "int *");
    assert!(clang.ask(b'D', &text("Point")).text().starts_with("// A place.\nstruct Point {"));
    let mut coloured = clang.ask(b'H', &text("int x;"));
    let spans: Vec<_> =
        (0..coloured.number()).map(|_| (coloured.number(), coloured.number(), coloured.byte())).collect();
    assert_eq!(spans, [(0, 3, 1), (4, 5, 6), (5, 6, 7)]);
    assert_eq!(clang.inputs, 2);
    clang.send(b'R', &1_u32.to_le_bytes());
    clang.state();
    assert_eq!((clang.inputs, clang.input("pt").status), (1, 1));
}
