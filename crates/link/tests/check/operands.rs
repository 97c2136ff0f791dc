//! Decodes instructions with linkjit and with LLVM's disassembler and compares all operands that are numbers.

use std::io::Write;
use std::process::{Command, Stdio};

use linkjit_link::arch::Arch;
use linkjit_link::check::{Operand, decode};

/// Architectures, and one instruction a line, of every form that the numbering tells apart.
const INSTRUCTIONS: [(Arch, &str); 2] =
    [(Arch::X86_64, include_str!("instructions.s")), (Arch::AArch64, include_str!("instructions-aarch64.s"))];

fn llvm_mc(arch: Arch, arguments: &[&str], input: &str) -> String {
    let mut child = Command::new("llvm-mc-19")
        .arg(format!("--triple={}-linux-gnu", arch.triple_name()))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("llvm-mc-19: ./test installs it");
    child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("llvm-mc reads");
    let output = child.wait_with_output().expect("llvm-mc ends");
    assert!(output.status.success());
    String::from_utf8(output.stdout).expect("text")
}

/// The encodings in `# encoding: [0x01,A,...]` comments; letters stand for bytes that a fixup fills.
fn encodings(assembly: &str) -> Vec<Vec<u8>> {
    let lists = assembly.lines().filter_map(|line| line.split_once("encoding: [")?.1.split_once(']'));
    let byte = |text: &str| u8::from_str_radix(text.trim().trim_start_matches("0x"), 16).expect("a byte");
    lists.map(|(list, _)| list.split(',').map(byte).collect()).collect()
}

/// The operands in `<MCInst #n NAME` `<MCOperand Reg:n>` ... comments.
fn described(disassembly: &str) -> Vec<(String, Vec<Operand>)> {
    let mut all: Vec<(String, Vec<Operand>)> = Vec::new();
    for line in disassembly.lines() {
        if let Some((_, name)) = line.split_once("<MCInst #") {
            let name = name.split_whitespace().nth(1).unwrap_or_default().trim_end_matches('>');
            all.push((name.into(), Vec::new()));
        }
        if let (Some((_, operand)), Some((_, operands))) = (line.split_once("<MCOperand "), all.last_mut()) {
            let immediate = operand.split_once("Imm:").map(|(_, value)| value.trim_end_matches('>'));
            let value = immediate.map(|value| value.parse().expect("a number"));
            operands.push(value.map_or(Operand::Other, Operand::Immediate));
        }
    }
    all
}

#[test]
fn operands_are_numbered_as_llvm_numbers_them() {
    for (arch, instructions) in INSTRUCTIONS {
        compare(arch, instructions);
    }
}

fn compare(arch: Arch, instructions: &str) {
    let lines: Vec<_> = instructions.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#')).collect();
    let source: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let encodings = encodings(&llvm_mc(arch, &["--show-encoding"], &source));
    assert_eq!(encodings.len(), lines.len());
    let bytes: String = encodings
        .iter()
        .map(|bytes| bytes.iter().map(|byte| format!("{byte:#04x} ")).collect::<String>() + "\n")
        .collect();
    let expected = described(&llvm_mc(arch, &["--disassemble", "--show-inst"], &bytes));
    assert_eq!(expected.len(), lines.len());
    let mut wrong = Vec::new();
    for ((line, bytes), (name, operands)) in lines.iter().zip(&encodings).zip(&expected) {
        match decode(arch, bytes, 0x1234_5678) {
            Ok(ours) if ours.operands == *operands && ours.length == bytes.len() as u64 => {}
            ours => wrong.push(format!("{line} ({name})\n  LLVM: {operands:?}\n  here: {ours:?}")),
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
