//! What rules mean, and what is said about those that mean nothing.

use linkjit_link::ExecAddr;
use linkjit_link::arch::Arch;
use linkjit_link::check::{Rule, Target, evaluate, rules};

const BASE: u64 = 0x1000;

/// Names, and some memory at [`BASE`]: `call .+0x105` at `main`, numbers at `data`.
pub(crate) struct Invented;

const MEMORY: [u8; 24] = [
    0xe8, 0, 1, 0, 0, 0x48, 0x8b, 0x05, 0xf8, 0xff, 0xff, 0xff, 0, 0, 0, 0, //
    0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,
];

impl Target for Invented {
    fn arch(&self) -> Arch {
        Arch::X86_64
    }

    fn symbol(&self, name: &str) -> Option<ExecAddr> {
        Some(ExecAddr(match name {
            "main" | "a:b$c" | ".Lmain" => BASE,
            "load" => BASE + 5,
            "data" => BASE + 16,
            "zero" => 0,
            "high" => u64::MAX,
            _ => return None,
        }))
    }

    fn section(&self, file: &str, section: &str) -> Result<ExecAddr, String> {
        match (file, section) {
            ("a.o", "__TEXT,__text") => Ok(ExecAddr(7)),
            ("libx.a[0](b-c.o)", ".data.rel ro") => Ok(ExecAddr(8)),
            _ => Err(format!("no section '{section}' in '{file}'")),
        }
    }

    fn stub(&self, file: &str, symbol: &str, kind: Option<&str>) -> Result<ExecAddr, String> {
        match (file, symbol, kind) {
            ("a.o", "f", None) => Ok(ExecAddr(9)),
            ("a.o", ".Lf", Some("thumb.*")) => Ok(ExecAddr(10)),
            _ => Err(format!("no stub for '{symbol}' in '{file}'")),
        }
    }

    fn got_entry(&self, file: &str, symbol: &str) -> Result<ExecAddr, String> {
        if (file, symbol) == ("a.o", "f") { Ok(ExecAddr(11)) } else { Err(format!("no GOT entry for '{symbol}'")) }
    }

    fn memory(&self, address: ExecAddr) -> &[u8] {
        let offset = address.0.checked_sub(BASE).and_then(|offset| usize::try_from(offset).ok());
        offset.and_then(|offset| MEMORY.get(offset..)).unwrap_or_default()
    }
}

fn verdict(rule: &str) -> Result<(), String> {
    let rule = Rule { text: rule.into(), line: 1 };
    evaluate(&rule, &Invented).map_err(|failure| failure.to_string())
}

#[track_caller]
fn holds(rule: &str) {
    assert_eq!(verdict(rule), Ok(()));
}

/// The rule is false with these values, as the message prints them.
#[track_caller]
fn is_false(rule: &str, values: &str) {
    assert_eq!(verdict(rule), Err(format!("Expression '{rule}' is false: {values}")));
}

/// The rule is refused at this column, for this reason.
#[track_caller]
fn is_refused(rule: &str, column: usize, why: &str) {
    let message = verdict(rule).expect_err("an error");
    let expected = format!("Error evaluating expression '{rule}': column {column}: {why}");
    assert_eq!(message.lines().next(), Some(&*expected));
    let caret = message.lines().nth(2).expect("a line that points");
    assert_eq!(caret.chars().count(), 4 + column);
}

#[test]
fn operators_group_to_the_left_and_wrap() {
    holds("1 + 2 & 2 = 2");
    holds("2 & 1 + 2 = 2");
    holds("10 - 3 - 2 = 5");
    holds("1 << 4 - 1 = 15");
    holds("1 << (4 - 1) = 8");
    holds("0x10>>2|3 = 7");
    holds("0 - 1 = 0xffffffffffffffff");
    holds("high + 2 = 1");
    holds("1 << 64 = 0");
    holds("1 >> 0x100000000 = 0");
    is_false("1 + 2 = 4", "0x3 != 0x4");
}

#[test]
fn numbers_that_begin_with_zero_are_octal() {
    holds("010 = 8");
    holds("00 = 0");
    holds("0x010 = 16");
}

#[test]
fn slices_take_bits_of_what_is_before_them() {
    holds("0xabcd[11:4] = 0xbc");
    holds("(0xff00 + 0xcd)[15:8] = 0xff");
    holds("high[63:0] = high");
    holds("high[63:63] = 1");
    holds("1 + 0x20[5:5] = 2");
}

#[test]
fn a_load_takes_the_whole_expression_after_it() {
    holds("*{8}data = 0x1122334455667788");
    holds("*{1}data + 1 = 0x77");
    holds("(*{1}data) + 1 = 0x89");
    holds("*{2}data - 0 = 0x7788");
    holds("*{4}data + 4 - 2 = 0x33445566");
    holds("(*{4}(data))[7:0] = 0x88");
    is_refused("*{4}data[7:4] = 0", 5, "there are no 4 bytes of linked memory at 0x1");
}

#[test]
fn address_zero_reads_as_zero() {
    holds("*{8}zero = 0");
    holds("*{4}(data - data) = 0");
    is_refused("*{4}1 = 0", 5, "there are no 4 bytes of linked memory at 0x1");
    is_refused("*{8}data + 1 = 0", 5, "there are no 8 bytes of linked memory at 0x1011");
}

#[test]
fn names_may_hold_colons_and_dollars() {
    holds("a:b$c = main");
    is_refused(".Lmain = main", 1, "expected a number, a symbol, '(' or '*{', found '.'");
    holds("next_pc(.Lmain) = 0x1005");
}

#[test]
fn functions_find_what_the_linker_made() {
    holds("section_addr(a.o, __TEXT,__text) = 7");
    holds("section_addr(libx.a[0](b-c.o), .data.rel ro) = 8");
    holds("stub_addr(a.o, f) + stub_addr(a.o,.Lf,thumb.*) = 19");
    holds("got_addr( a.o , f ) = 11");
    is_refused("got_addr(a.o, g) = 0", 10, "no GOT entry for 'g'");
    is_refused("0 = stub_addr(b.o, f)", 15, "no stub for 'f' in 'b.o'");
    is_refused("section_addr(a.o, x) = 0", 14, "no section 'x' in 'a.o'");
}

#[test]
fn instructions_are_decoded() {
    holds("decode_operand(main, 0) = 0x100");
    holds("next_pc(main) = main + 5");
    holds("decode_operand(main + 5, 4) = decode_operand(load,4)");
    holds("decode_operand(load, 4) = 0 - 8");
    is_refused(
        "decode_operand(load, 0) = 0",
        22,
        "operand 0 of 'mov' is not an immediate: its operands are 0: register, 1: register, 2: 0x1, 3: register, 4: 0xfffffffffffffff8, 5: register",
    );
    is_refused("decode_operand(main, 1) = 0", 22, "'call' has no operand 1: its operands are 0: 0x100");
    is_refused("next_pc(nobody) = 0", 9, "cannot decode unknown symbol 'nobody'");
    is_refused("next_pc(zero) = 0", 9, "cannot decode the instruction at 0x0: there is no linked memory");
}

#[test]
fn what_is_no_rule_is_refused_where_it_goes_wrong() {
    is_refused("main + = 3", 8, "expected a number, a symbol, '(' or '*{', found '='");
    is_refused("nosuch = 3", 1, "no known address for symbol 'nosuch'");
    is_refused("(main = 1", 7, "expected ')', found '='");
    is_refused("1", 2, "expected an operator or '=', found the end of the rule");
    is_refused("1 = 2 3", 7, "expected an operator or the end of the rule, found '3'");
    is_refused("1 == 1", 4, "expected a number, a symbol, '(' or '*{', found '='");
    is_refused("*{3}data = 0", 3, "a load reads 1, 2, 4 or 8 bytes, not 3");
    is_refused("5[3:9] = 0", 3, "[3:9] is not a range of bits of a 64-bit value, highest first");
    is_refused("5[64:9] = 0", 3, "[64:9] is not a range of bits of a 64-bit value, highest first");
    is_refused("frob(1) = 0", 1, "there is no function 'frob'");
    is_refused("0x = 0", 1, "expected a 64-bit number: cannot parse integer from empty string");
    is_refused("99999999999999999999 = 0", 1, "expected a 64-bit number: number too large to fit in target type");
    is_refused("ä = 0", 1, "expected a number, a symbol, '(' or '*{', found 'ä'");
    is_refused("1 + ß = 0", 5, "expected a number, a symbol, '(' or '*{', found 'ß'");
    is_refused("", 1, "expected a number, a symbol, '(' or '*{', found the end of the rule");
    is_refused("got_addr(a.o) = 0", 18, "expected ',', found the end of the rule");
}

#[test]
fn no_nesting_overflows_the_stack() {
    for opening in ["(", "*{8}", "*{8}("] {
        let message = verdict(&opening.repeat(100_000)).expect_err("an error");
        assert!(message.contains("nested too deeply"), "{opening}");
    }
    holds(&("0".to_string() + &"+1".repeat(100_000) + " = 100000"));
}

/// Every text of up to five tokens ends with a verdict; most are no rules.
#[test]
fn no_text_makes_it_panic() {
    const TOKENS: [&str; 13] =
        ["main", "9", "0x", "(", ")", "*{4}", "[1:0]", "=", "next_pc(", "got_addr(a.o", ",", "<<", "é\u{2003}"];
    let mut texts = vec![String::new()];
    for _ in 0..5 {
        texts = texts.iter().flat_map(|text| TOKENS.map(|token| format!("{text}{token}"))).collect();
        let held = texts.iter().filter(|text| verdict(text).is_ok()).count();
        assert!(held < texts.len() / 10);
    }
    let all = texts.iter().map(|text| format!("# jitlink-check: {text}\\\n")).collect::<String>();
    assert_eq!(rules(&all, "jitlink-check").len(), 1);
}
