//! The programs of `linkjit run -e`: statements become the body of a main function.

use linkjit::Language;

/// The name of such a source.
pub(crate) const NAME: &str = "-e";

/// Headers that most C programs need some of. All of them cost a few milliseconds.
const C_HEADERS: &[&str] = &[
    "assert.h",
    "ctype.h",
    "errno.h",
    "float.h",
    "inttypes.h",
    "limits.h",
    "math.h",
    "signal.h",
    "stdarg.h",
    "stdbool.h",
    "stddef.h",
    "stdint.h",
    "stdio.h",
    "stdlib.h",
    "string.h",
    "time.h",
];
/// Those of Unix, if they are there.
const UNIX_HEADERS: &[&str] = &["sys/stat.h", "sys/types.h", "unistd.h", "fcntl.h"];
const CXX_HEADERS: &[&str] = &[
    "algorithm",
    "array",
    "chrono",
    "cmath",
    "cstdint",
    "cstdio",
    "cstdlib",
    "cstring",
    "deque",
    "fstream",
    "functional",
    "iomanip",
    "iostream",
    "iterator",
    "limits",
    "list",
    "map",
    "memory",
    "numeric",
    "set",
    "sstream",
    "stdexcept",
    "string",
    "tuple",
    "unordered_map",
    "unordered_set",
    "utility",
    "vector",
];

/// The program that statements stand for. The numbers of their lines stay.
pub(crate) fn program(code: &str, language: Language) -> String {
    let is_cxx = matches!(language, Language::Cxx | Language::ObjectiveCxx);
    match language {
        _ if language.is_c_family() => c_program(code, is_cxx),
        Language::Rust if !code.contains("fn main(") => format!("fn main() {{ {code}\n}}\n"),
        Language::D if !has_main(code) => format!("import std; void main(string[] args) {{ {code}\n}}\n"),
        Language::Fortran if !code.to_lowercase().contains("end program") => {
            format!("program e; {code}\nend program\n")
        }
        _ => format!("{code}\n"),
    }
}

fn c_program(code: &str, is_cxx: bool) -> String {
    let line = format!("#line 1 \"{NAME}\"\n");
    let headers = headers(is_cxx);
    if has_main(code) {
        return format!("{headers}{line}{code}\n");
    }
    // Headers can't be included in a function: they go before it, and leave an empty line.
    let is_include =
        |line: &&str| line.trim_start().strip_prefix('#').is_some_and(|rest| rest.trim_start().starts_with("include"));
    let includes: String = code.lines().filter(is_include).map(|line| format!("{line}\n")).collect();
    let body: String =
        code.lines().map(|line| if is_include(&line) { "\n".into() } else { format!("{line}\n") }).collect();
    let using = if is_cxx { "using namespace std;\n" } else { "" };
    format!(
        "{headers}{line}{includes}{using}int main(int argc, char **argv) {{\n(void)argc, (void)argv;\n{line}{body};\nreturn 0;\n}}\n"
    )
}

fn headers(is_cxx: bool) -> String {
    let all = if is_cxx { CXX_HEADERS } else { C_HEADERS };
    let all: String = all.iter().map(|name| format!("#include <{name}>\n")).collect();
    let unix: String = UNIX_HEADERS.iter().map(|name| format!("#include <{name}>\n")).collect();
    format!("{all}#if __has_include(<unistd.h>)\n{unix}#endif\n")
}

/// Returns whether code defines `main`, or at least names it as a function.
fn has_main(code: &str) -> bool {
    code.match_indices("main").any(|(place, name)| {
        let before = code.get(..place).and_then(|text| text.chars().next_back());
        let is_word = before.is_some_and(|char| char.is_whitespace() || char == '*' || char == ';');
        is_word && code.get(place + name.len()..).is_some_and(|rest| rest.trim_start().starts_with('('))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn main_is_made_if_there_is_none() {
        for (code, expected) in [
            ("int main() { return 1; }", true),
            ("int\nmain (void) {}", true),
            ("void f(); auto main() -> int {}", true),
            ("domain(1); puts(\"main\");", false),
            ("main_loop();", false),
            ("", false),
        ] {
            assert_eq!(has_main(code), expected, "{code}");
        }
    }
}
