//! The objects of random sessions: each has a function, which may call another one and an inline function.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicU32;

use linkjit::Source;

use crate::assembly::Workshop;

/// The values of the copies of the inline function that were called, in their order, behind their number.
pub(crate) static SEEN: [AtomicU32; 64] = [const { AtomicU32::new(0) }; 64];

/// What the function of an object does beside adding a value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Function {
    pub(crate) rank: usize,
    pub(crate) callee: Option<usize>,
    /// It calls an inline function, which notes the value of the object that its copy is of.
    pub(crate) inline: bool,
    /// It adds how often it was called.
    pub(crate) counts: bool,
}

/// Objects are assembled once for all values.
pub(crate) struct Objects {
    pub(crate) workshop: Workshop,
    pub(crate) texts: BTreeMap<Function, Vec<u8>>,
}

pub(crate) const VALUE: i32 = 0x1122_3344;

impl Objects {
    pub(crate) fn make(&mut self, name: &str, function: Function, value: i32) -> Source {
        let template = self.texts.entry(function).or_insert_with(|| {
            let Function { rank, callee, inline, counts } = function;
            let call = callee.map_or("xor %eax,%eax\n".into(), |callee| format!("call f{callee}@PLT\n"));
            let (call_inline, group) = if inline {
                (
                    "mov %eax,%ebx\ncall inline@PLT\nmov seen@GOTPCREL(%rip),%rcx\nmov (%rcx),%edx\n\
                     mov %eax,4(%rcx,%rdx,4)\nincl (%rcx)\nmov %ebx,%eax\n",
                    format!(
                        ".section .text.inline,\"axG\",@progbits,inline,comdat\n.weak inline\n\
                         .type inline,@function\ninline: .cfi_startproc\nmov ${VALUE},%eax\nret\n.cfi_endproc\n"
                    ),
                )
            } else {
                ("", String::new())
            };
            let (count, variable) = if counts {
                (
                    "incl count(%rip)\nadd count(%rip),%eax\n",
                    ".section .data.count,\"aw\"\n.type count,@object\n.size count,4\ncount: .long 0\n",
                )
            } else {
                ("", "")
            };
            let text = format!(
                ".globl f{rank}\n.type f{rank},@function\nf{rank}: .cfi_startproc\npush %rbx\n.cfi_adjust_cfa_offset 8\n\
                 {call}{call_inline}{count}add ${VALUE},%eax\npop %rbx\nret\n.cfi_endproc\n{group}{variable}"
            );
            std::fs::read(self.workshop.object(&text)).unwrap()
        });
        let mut bytes = template.clone();
        while let Some(at) = bytes.windows(4).position(|window| window == VALUE.to_le_bytes()) {
            bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
        Source::new(name, bytes)
    }
}
