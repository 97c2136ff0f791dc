//! Text that is no IR, or is cut off or damaged, gives errors and no panics; what can be read can be sliced.

use linkjit_ir::Module;

const SAMPLE: &str = include_str!("sample.ll");

/// Reads a text, and takes all slices if that succeeds. Slices can be read, too.
fn exercise(text: &str) -> bool {
    let Ok(module) = Module::read(text) else { return false };
    let functions: Vec<_> = module.functions().map(|function| function.id).collect();
    let single = functions.iter().filter_map(|&function| module.slice(&[function]).ok());
    for slice in single.chain(module.slice(&functions)).chain([module.rest()]) {
        if let Err(error) = Module::read(slice.as_str()) {
            panic!("{error} in a slice:\n{slice}\nof\n{text}");
        }
    }
    true
}

#[test]
fn the_sample_can_be_read() {
    assert!(exercise(SAMPLE));
}

#[test]
fn text_that_ends_anywhere_is_read_or_refused() {
    for end in (0..SAMPLE.len()).step_by(3) {
        if let Some(part) = SAMPLE.get(..end) {
            exercise(part);
        }
    }
}

#[test]
fn damaged_text_is_read_or_refused() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 16).unwrap_or(0) % below
    };
    let pieces =
        ["{", "}", "(", ")", "@x", "@0", "!0", "#0", "\"", "define", "declare", "comdat", "= ", ", ", "alias", "%0"];
    let mut read = 0;
    for _ in 0..800 {
        let mut text = SAMPLE.as_bytes().to_vec();
        for _ in 0..=random(3) {
            let at = random(text.len());
            let length = random(12).min(text.len() - at);
            let piece = match random(3) {
                0 => pieces[random(pieces.len())].as_bytes().to_vec(),
                1 => Vec::new(),
                _ => {
                    let from = random(text.len() - 30);
                    text[from..from + random(30)].to_vec()
                }
            };
            text.splice(at..at + length, piece);
        }
        read += usize::from(exercise(&String::from_utf8_lossy(&text)));
    }
    assert!(read > 20, "nearly all damage is refused: {read} texts were read");
}

#[test]
fn deep_nesting_takes_no_stack() {
    let deep = format!("@x = global {}i8{} zeroinitializer", "[1 x ".repeat(300_000), "]".repeat(300_000));
    assert!(exercise(&deep));
    assert!(!exercise(&"{".repeat(1_000_000)));
}

#[test]
fn errors_name_the_line_and_the_reason() {
    for (text, expected) in [
        ("define void @f() {\n", "line 1: the '{' that is here is never closed"),
        ("\ndefine void @f()\n", "line 2: the function that begins here has no body"),
        ("@x = global i32 0\n\n@x = global i32 1\n", "line 3: '@x' is there twice"),
        ("define void @f() {\n  call void @g()\n  ret void\n}\n", "line 2: the symbol '@g' is not in the module"),
        ("hello\n", "line 1: 'hello' begins no entity of a module"),
        ("@x = global [1 x i8) zeroinitializer", "line 1: ')' closes nothing that is open here"),
        ("@x = i32\n", "line 1: this is no whole definition or declaration"),
        ("define void @f() #3 {\n ret void\n}", "line 1: the attributes '#3' is not in the module"),
    ] {
        assert_eq!(Module::read(text).map(|_| ()).unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_suffix_has_characters_of_plain_names() {
    assert!(Module::read_with_suffix("", ".module7").is_ok());
    let error = Module::read_with_suffix("", "a b").unwrap_err();
    assert_eq!(error.to_string(), "'a b' can't end local names: use letters, digits, '.', '_', '-' and '$'");
}

#[test]
fn only_definitions_are_defined() {
    let module = Module::read("declare void @f()\n").unwrap();
    let error = module.slice(&[module.find("f").unwrap()]).unwrap_err();
    assert_eq!(error.to_string(), "the module does not define 'f', so no slice of it can");
}
