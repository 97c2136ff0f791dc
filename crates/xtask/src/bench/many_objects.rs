//! E3's sources: thousands of small objects that call each other.
//!
//! Object `i` has five functions, five numbers, and a table of five pointers to functions. Its calls and pointers stay
//! inside its block of [`BLOCK`] objects, so that the first N objects of the corpus are a program for every N of
//! [`COUNTS`]. Function 0 to 3 of an object call only functions of a higher number, hence the calls end.

use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Numbers of objects that a program is made of.
pub(crate) const COUNTS: [usize; 5] = [250, 500, 1000, 2000, 4000];
/// Number of objects in the corpus.
pub(crate) const MAXIMUM: usize = 4000;
const BLOCK: usize = 250;
const FUNCTIONS: usize = 5;

/// The C source of object `i`.
pub(crate) fn object(i: usize) -> String {
    let first = i / BLOCK * BLOCK;
    let neighbour = |distance: usize| first + (i - first + distance) % BLOCK;
    let last = FUNCTIONS - 1;

    let mut declared: BTreeSet<String> = (0..FUNCTIONS).map(|j| format!("f{i}_{j}")).collect();
    let mut bodies = String::new();
    for j in 0..last {
        let next = format!("f{}_{}", neighbour(17 * j + 3 + i % 5), j + 1);
        let leaf = format!("f{}_{last}", neighbour(29 * j + 7));
        let factor = i % 7 + 3;
        _ = writeln!(
            bodies,
            "long f{i}_{j}(long x) {{ return {next}(x * {factor} + {j}) + {leaf}(x ^ {i}) + d{i}[{j}]; }}"
        );
        declared.extend([next, leaf]);
    }
    _ = writeln!(bodies, "long f{i}_{last}(long x) {{ return x * d{i}[{last}] + {i}; }}");
    let pointers: Vec<String> = (0..FUNCTIONS).map(|j| format!("f{}_{}", neighbour(11 * j + 1), (j + i) % 5)).collect();
    declared.extend(pointers.iter().cloned());
    let numbers: Vec<String> = (0..FUNCTIONS).map(|j| (i * j + 1).to_string()).collect();

    let mut source = String::new();
    for function in declared {
        _ = writeln!(source, "long {function}(long);");
    }
    _ = writeln!(source, "long d{i}[{FUNCTIONS}] = {{{}}};", numbers.join(", "));
    _ = writeln!(source, "long (*tbl{i}[{FUNCTIONS}])(long) = {{{}}};", pointers.join(", "));
    source + &bodies
}

/// The C source of the program that calls through the tables of the first `count` objects.
pub(crate) fn main(count: usize) -> String {
    let mut source = String::from("#include <stdio.h>\ntypedef long (*function)(long);\n");
    for i in 0..count {
        _ = writeln!(source, "extern function tbl{i}[{FUNCTIONS}];");
    }
    let tables: Vec<String> = (0..count).map(|i| format!("tbl{i}")).collect();
    _ = writeln!(source, "static function *const tables[{count}] = {{{}}};", tables.join(", "));
    _ = write!(
        source,
        "int main(void) {{
    unsigned long long sum = 0;
    for (int i = 0; i < {count}; i++)
        for (int j = 0; j < {FUNCTIONS}; j++) sum = sum * 31 + (unsigned long)tables[i][j](i + j);
    printf(\"checksum=%llx\\n\", sum);
    return 0;
}}
"
    );
    source
}
