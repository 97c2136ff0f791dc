//! The source of the programs of IR: 2,000 functions with some work each, of which a part is called.
//!
//! A third of the functions is local to the module. Each refers to a variable and names two functions before it, which
//! it calls only for numbers that never come.

use std::fmt::Write as _;

/// Of so many functions, one is called.
pub(crate) const STEPS: [usize; 3] = [100, 10, 1];
const FUNCTIONS: usize = 2000;
const VARIABLES: usize = FUNCTIONS / 10;

/// The C source of the program that calls every `step`th function.
pub(crate) fn program(step: usize) -> String {
    let mut source = String::from(
        "#include <stdio.h>\n#include <string.h>\nstruct S { int a; long b; double c; char name[24]; };\n",
    );
    for i in 0..VARIABLES {
        _ = writeln!(source, "static int counter{i} = {i}; struct S global{i} = {{{i}, {}, {i}.5, \"g{i}\"}};", i * 3);
    }
    let head = |i: usize| {
        let linkage = if i > 0 && i.is_multiple_of(3) { "static " } else { "" };
        format!("{linkage}__attribute__((noinline)) long f{i}(struct S *s, long n)")
    };
    for i in 0..FUNCTIONS {
        _ = writeln!(source, "{};", head(i));
    }
    for i in 0..FUNCTIONS {
        let variable = i % VARIABLES;
        _ = write!(
            source,
            "{} {{
  long r = n * {factor}; counter{variable} += (int)n; char buf[64];
  for (long k = 0; k < (n & 7); k++) {{
    r += s->a * k; s->b ^= r;
    if (r & 1) s->c *= 1.0001; else s->c += global{variable}.c;
  }}
  snprintf(buf, sizeof buf, \"f{i} %ld %s\", r, s->name); r += (long)strlen(buf);
  switch (n & 15) {{
    case 1: r += 7; break;
    case 2: r ^= {mask}; break;
    case 5: r -= s->b; break;
    case 9: memset(buf, (int)r, 32); r += buf[3]; break;
    default: r++;
  }}
",
            head(i),
            factor = i + 1,
            mask = i * 31,
        );
        for callee in [i * 7919 % i.max(1), i * 104_729 % i.max(1)].into_iter().filter(|_| i > 2) {
            _ = writeln!(source, "  if (n > 1000000 + {callee}) r += f{callee}(s, n - 1);");
        }
        source.push_str("  return r;\n}\n");
    }
    source.push_str("int main(void) {\n  struct S s = {1, 2, 3.0, \"main\"};\n  long r = 0;\n");
    for i in (0..FUNCTIONS).step_by(step) {
        _ = writeln!(source, "  r += f{i}(&s, {});", i % 50);
    }
    source + "  printf(\"%ld %d\\n\", r, counter0);\n  return 0;\n}\n"
}
