//! Damaged objects are linked or refused, whatever is damaged.

use linkjit::Source;

use crate::assemble;

/// An object with all that the session looks at.
const SOURCE: &str = ".text\n.globl f\nf: call g\njmp w\nret\n.globl roots\n.data\nroots: .quad f, w, x, c, start, a
    .long f@imgrel\n.secrel32 x\n.secidx x\n.weak w\n.set w, g\n.comm c, 8, 3\n.globl constant\n.set constant, 7
    .section .text$g,\"xr\",discard,g\n.globl g\ng: ret\n.section .data$x,\"dw\",largest,x\n.globl x\nx: .quad f
    .section .assoc,\"dr\",associative,x\n.quad 1\n.section list$m,\"dr\"\n.globl start\nstart: .quad 5
    .section .tls$,\"dw\"\n.long 5
    .section .drectve,\"yni\"\n.ascii \"/include:f /alternatename:a=b /alternatename:b=f /export:z=f,@3 /merge:list=.rdata \"
    .ascii \"/failifmismatch:k=v /defaultlib:none /section:list,RW /disallowlib:no -aligncomm:c,5 \"";

#[test]
fn damaged_objects_are_linked_or_refused() {
    let good = assemble(SOURCE);
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 1).unwrap()
    };
    let mut linked = 0;
    for _ in 0..400 {
        let mut bytes = good.clone();
        for _ in 0..=random() % 3 {
            let at = random() % bytes.len();
            bytes[at] = [0, 1, 0xff, 0x80, bytes[random() % good.len()]][random() % 5];
        }
        let jit = crate::host::jit().unwrap();
        if jit.add_object(Source::new("damaged.obj", bytes.clone())).is_ok() {
            linked += usize::from(jit.lookup("roots").is_ok());
            // What failed has left everything as it was, so it fails or succeeds again.
            _ = jit.lookup("f");
            _ = jit.add_object(Source::new("damaged.obj", bytes));
            _ = jit.lookup("x");
        }
    }
    assert!(linked > 40, "{linked}");
}

#[test]
fn the_object_is_linked_when_it_is_not_damaged() {
    let jit = crate::host::jit().unwrap();
    jit.add_object(Source::new("good.obj", assemble(SOURCE))).unwrap();
    jit.lookup("roots").unwrap_or_else(|error| panic!("{error}"));
}
