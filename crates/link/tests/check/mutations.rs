//! Rules that are damaged at random: each has a verdict, or an error that points into it.

use crate::random::Random;
use linkjit_link::arch::Arch;
use linkjit_link::check::{Failure, Rule, decode, evaluate, rules};

use crate::language::Invented;

/// Rules of all kinds, which hold.
const VALID: [&str; 12] = [
    "*{8}data = 0x1122334455667788",
    "(*{4}(data))[15:8] = 0x77",
    "decode_operand(main, 0) = 0x100",
    "decode_operand(main + 5, 4) = decode_operand(load,4)",
    "decode_operand(load, 4) & 0xffffffff = 0xfffffff8",
    "next_pc(.Lmain) = a:b$c + 5",
    "stub_addr(a.o, f) + stub_addr(a.o,.Lf,thumb.*) = 19",
    "section_addr(libx.a[0](b-c.o), .data.rel ro) << 60 >> 60 = 8",
    "section_addr(a.o, __TEXT,__text) | 8 = 15",
    "got_addr(a.o, f) - 11 = zero",
    "(((1 + 2) << 3) - (high & 0xf))[7:0] = 9",
    "*{1}next_pc(main) - 5 + 1 = 0",
];

impl Random {
    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }
}

/// Inserts, removes, replaces or doubles something, or puts in a part of another rule.
fn mutate(text: &mut Vec<char>, random: &mut Random) {
    const PIECES: [&str; 24] = [
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "*{8}",
        "*",
        "=",
        "+",
        "-",
        "<<",
        ">",
        ",",
        ":",
        "0x",
        "63",
        "18446744073709551616",
        "main",
        "decode_operand(",
        "next_pc",
        "\u{1f9ea}",
        "\u{2003}",
        "\0",
    ];
    let at = random.below(text.len() + 1);
    let to = at + random.below((text.len() - at).min(8) + 1);
    match random.below(5) {
        0 => drop(text.splice(at..at, random.pick(&PIECES).chars())),
        1 => drop(text.drain(at..to)),
        2 => drop(text.splice(at..to, random.pick(&PIECES).chars())),
        3 => {
            let part = text[at..to].to_vec();
            text.splice(at..at, part);
        }
        _ => {
            let other: Vec<char> = random.pick(&VALID).chars().collect();
            let from = random.below(other.len());
            text.splice(at..to, other[from..].iter().copied());
        }
    }
}

/// Evaluates a rule; returns the column of its error, if that is what it has.
fn error_column(text: &str) -> Option<usize> {
    let failure = evaluate(&Rule { text: text.into(), line: 1 }, &Invented).err()?;
    let message = failure.to_string();
    let Failure::Invalid { column, what, .. } = failure else {
        assert!(message.contains(" is false: 0x") && message.contains(" != 0x"), "{message}");
        return None;
    };
    assert!((1..=text.chars().count() + 1).contains(&column), "{message}");
    assert!(!what.is_empty() && message.contains(&what), "{message}");
    assert!(message.ends_with(&format!("{:>width$}", "^", width = 4 + column)), "{message}");
    Some(column)
}

#[test]
fn damaged_rules_have_verdicts_or_errors_that_point_into_them() {
    let mut random = Random(0x1234_5678_9abc_def1);
    let mut errors = 0;
    for round in 0..40_000 {
        let mut text: Vec<char> = VALID[round % VALID.len()].chars().collect();
        for _ in 0..=random.below(4) {
            mutate(&mut text, &mut random);
        }
        errors += usize::from(error_column(&text.iter().collect::<String>()).is_some());
    }
    // Most damage is seen, and not all is.
    assert!((20_000..39_900).contains(&errors), "{errors}");
}

#[test]
fn what_can_be_in_no_rule_is_pointed_at_or_before() {
    for rule in VALID {
        assert_eq!(error_column(rule), None, "{rule}");
        for at in 0..=rule.len() {
            // Nearly anything can be in the names of files and sections: there the name is unknown, from its start on.
            let mut text = rule.to_string();
            text.insert(at, '?');
            let column = error_column(&text).unwrap_or_else(|| panic!("{text}: no error"));
            let names_file = ["section_addr", "stub_addr", "got_addr"].iter().any(|name| rule.contains(name));
            assert!(column <= at + 1 || names_file, "{text}: column {column}");
        }
    }
}

#[test]
fn damaged_files_have_rules_or_none() {
    let mut random = Random(0xfeed_5eed);
    let file: String = VALID.map(|rule| format!("\tnop\n  # jitlink-check: {rule} \\\n# jitlink-check:\n")).concat();
    assert_eq!(rules(&file, "jitlink-check").len(), VALID.len());
    for _ in 0..2_000 {
        let mut text: Vec<char> = file.chars().collect();
        for _ in 0..20 {
            mutate(&mut text, &mut random);
        }
        let text: String = text.into_iter().collect();
        for rule in rules(&text, "jitlink-check") {
            assert!((1..=text.lines().count()).contains(&rule.line));
            error_column(&rule.text);
        }
    }
}

#[test]
fn any_bytes_are_an_instruction_of_their_length_or_none() {
    let mut random = Random(0xdec0_de00);
    let mut decoded = 0;
    for _ in 0..50_000 {
        let bytes: Vec<u8> = (0..=random.below(18)).map(|_| random.below(256) as u8).collect();
        if let Ok(instruction) = decode(Arch::X86_64, &bytes, u64::MAX - 8) {
            assert!(instruction.length as usize <= bytes.len(), "{bytes:02x?}");
            assert!(!instruction.describe().is_empty());
            decoded += 1;
        }
    }
    assert!(decoded > 10_000, "{decoded}");
}
