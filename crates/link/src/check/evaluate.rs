//! Evaluating a rule.

use std::fmt;

use linkjit_target::ExecAddr;

use super::decode::{Operand, decode};
use super::scan::{Fault, Scanner};
use super::{Rule, Target};

/// Parentheses and loads may be nested this deep: far more than anybody writes, far less than a stack holds.
const DEPTH: usize = 200;

/// The sign of a binary operator, and its meaning.
type Operator = (&'static str, fn(u64, u64) -> u64);

const OPERATORS: [Operator; 6] = [
    ("+", u64::wrapping_add),
    ("-", u64::wrapping_sub),
    ("&", |a, b| a & b),
    ("|", |a, b| a | b),
    ("<<", |a, b| u32::try_from(b).ok().and_then(|b| a.checked_shl(b)).unwrap_or(0)),
    (">>", |a, b| u32::try_from(b).ok().and_then(|b| a.checked_shr(b)).unwrap_or(0)),
];

/// Why a rule does not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Failure {
    /// Its sides differ.
    False {
        /// The rule.
        rule: Rule,
        /// Value of its left side.
        left: u64,
        /// Value of its right side.
        right: u64,
    },
    /// It has no value.
    Invalid {
        /// The rule.
        rule: Rule,
        /// The column where it goes wrong, from 1.
        column: usize,
        /// The fault there.
        what: String,
    },
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::False { rule, left, right } => {
                write!(f, "Expression '{}' is false: {left:#x} != {right:#x}", rule.text)
            }
            Self::Invalid { rule, column, what } => {
                writeln!(f, "Error evaluating expression '{}': column {column}: {what}", rule.text)?;
                writeln!(f, "    {}", rule.text)?;
                write!(f, "    {:>column$}", "^")
            }
        }
    }
}

/// Evaluates a rule.
///
/// # Errors
/// If it is false or can't be evaluated.
pub fn evaluate(rule: &Rule, target: &dyn Target) -> Result<(), Failure> {
    let mut evaluator = Evaluator { scanner: Scanner::new(&rule.text), target, depth: 0 };
    match evaluator.rule() {
        Ok((left, right)) if left == right => Ok(()),
        Ok((left, right)) => Err(Failure::False { rule: rule.clone(), left, right }),
        Err(Fault { at, what }) => {
            let column = 1 + rule.text.get(..at).unwrap_or_default().chars().count();
            Err(Failure::Invalid { rule: rule.clone(), column, what })
        }
    }
}

struct Evaluator<'a> {
    scanner: Scanner<'a>,
    target: &'a dyn Target,
    depth: usize,
}

impl<'a> Evaluator<'a> {
    fn rule(&mut self) -> Result<(u64, u64), Fault> {
        let left = self.expression()?;
        if !self.scanner.take("=") {
            return Err(self.scanner.unexpected("an operator or '='"));
        }
        let right = self.expression()?;
        if !self.scanner.is_at_end() {
            return Err(self.scanner.unexpected("an operator or the end of the rule"));
        }
        Ok((left, right))
    }

    fn expression(&mut self) -> Result<u64, Fault> {
        if self.depth == DEPTH {
            return Err(Fault { at: self.scanner.position(), what: "the rule is nested too deeply".into() });
        }
        self.depth += 1;
        let mut value = self.simple()?;
        while let Some(&(_, apply)) = OPERATORS.iter().find(|(sign, _)| self.scanner.take(sign)) {
            value = apply(value, self.simple()?);
        }
        self.depth -= 1;
        Ok(value)
    }

    fn simple(&mut self) -> Result<u64, Fault> {
        let value = match self.scanner.peek() {
            Some('(') => self.parenthesized()?,
            Some('*') => self.load()?,
            Some('0'..='9') => self.scanner.number()?,
            Some('a'..='z' | 'A'..='Z' | '_') => self.named()?,
            _ => return Err(self.scanner.unexpected("a number, a symbol, '(' or '*{'")),
        };
        if !self.scanner.take("[") {
            return Ok(value);
        }
        let at = self.scanner.position();
        let high = self.scanner.number()?;
        self.scanner.expect(":")?;
        let low = self.scanner.number()?;
        self.scanner.expect("]")?;
        if high > 63 || low > high {
            return Err(Fault {
                at,
                what: format!("[{high}:{low}] is not a range of bits of a 64-bit value, highest first"),
            });
        }
        // Bits 63:0 are all there are, and shifting by 64 is none.
        Ok(value >> low & (u64::MAX >> (63 - (high - low))))
    }

    fn parenthesized(&mut self) -> Result<u64, Fault> {
        self.scanner.expect("(")?;
        let value = self.expression()?;
        self.scanner.expect(")")?;
        Ok(value)
    }

    fn load(&mut self) -> Result<u64, Fault> {
        self.scanner.expect("*")?;
        self.scanner.expect("{")?;
        let at = self.scanner.position();
        let size = match self.scanner.number()? {
            size @ (1 | 2 | 4 | 8) => size,
            size => return Err(Fault { at, what: format!("a load reads 1, 2, 4 or 8 bytes, not {size}") }),
        };
        self.scanner.expect("}")?;
        let at = self.scanner.position();
        let address = self.expression()?;
        let memory = self.target.memory(ExecAddr(address));
        // At most 8.
        match memory.get(..size as usize) {
            Some(bytes) => Ok(bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte))),
            // What is known to have no content is said to be at address zero.
            None if address == 0 => Ok(0),
            None => Err(Fault { at, what: format!("there are no {size} bytes of linked memory at {address:#x}") }),
        }
    }

    /// A symbol or a call.
    fn named(&mut self) -> Result<u64, Fault> {
        let at = self.scanner.position();
        let name = self.scanner.symbol()?;
        if !self.scanner.take("(") {
            let address = self.target.symbol(name);
            return Ok(address.ok_or_else(|| Fault { at, what: format!("no known address for symbol '{name}'") })?.0);
        }
        let argument = self.scanner.position();
        match name {
            "decode_operand" => self.decode_operand(),
            "next_pc" => self.next_pc(),
            "stub_addr" => {
                let file = self.file()?;
                let symbol = self.scanner.symbol()?;
                let kind = if self.scanner.take(",") { Some(self.scanner.until(")", "a kind of stub")?) } else { None };
                self.found(argument, self.target.stub(file, symbol, kind))
            }
            "got_addr" => {
                let file = self.file()?;
                let symbol = self.scanner.symbol()?;
                self.found(argument, self.target.got_entry(file, symbol))
            }
            "section_addr" => {
                let file = self.file()?;
                let section = self.scanner.until(")", "a section")?;
                self.found(argument, self.target.section(file, section))
            }
            _ => Err(Fault { at, what: format!("there is no function '{name}'") }),
        }
    }

    fn file(&mut self) -> Result<&'a str, Fault> {
        let file = self.scanner.until(",", "a file")?;
        self.scanner.expect(",")?;
        Ok(file)
    }

    fn found(&mut self, at: usize, found: Result<ExecAddr, String>) -> Result<u64, Fault> {
        self.scanner.expect(")")?;
        found.map(|address| address.0).map_err(|what| Fault { at, what })
    }

    /// The address of a symbol that names an instruction.
    fn label(&mut self) -> Result<u64, Fault> {
        let at = self.scanner.position();
        let name = self.scanner.symbol()?;
        let address = self.target.symbol(name);
        Ok(address.ok_or_else(|| Fault { at, what: format!("cannot decode unknown symbol '{name}'") })?.0)
    }

    fn decode_operand(&mut self) -> Result<u64, Fault> {
        let at = self.scanner.position();
        let mut address = self.label()?;
        if self.scanner.take("+") {
            address = address.wrapping_add(self.scanner.number()?);
        }
        self.scanner.expect(",")?;
        let index_at = self.scanner.position();
        let index = self.scanner.number()?;
        self.scanner.expect(")")?;
        let instruction = self.instruction(at, address)?;
        let operand = usize::try_from(index).ok().and_then(|index| instruction.operands.get(index));
        let (name, all) = (&instruction.name, instruction.describe());
        let what = match operand {
            Some(Operand::Immediate(value)) => return Ok(value.cast_unsigned()),
            Some(Operand::Other) => format!("operand {index} of '{name}' is not an immediate: {all}"),
            None => format!("'{name}' has no operand {index}: {all}"),
        };
        Err(Fault { at: index_at, what })
    }

    fn next_pc(&mut self) -> Result<u64, Fault> {
        let at = self.scanner.position();
        let address = self.label()?;
        self.scanner.expect(")")?;
        Ok(address.wrapping_add(self.instruction(at, address)?.length))
    }

    fn instruction(&self, at: usize, address: u64) -> Result<super::Instruction, Fault> {
        decode(self.target.arch(), self.target.memory(ExecAddr(address)), address)
            .map_err(|what| Fault { at, what: format!("cannot decode the instruction at {address:#x}: {what}") })
    }
}
