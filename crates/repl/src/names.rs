//! Names that the REPL gives, and that users need not see.

/// The names of objects of inputs begin so, as the compiler calls these.
pub(crate) const INPUT: &str = "input ";
/// The names of the bodies of functions that are called through a pointer end so.
pub(crate) const BODY: &str = ".body";
/// Inputs that declare something again are in inline namespaces that are called so. Where that is not possible, it is a tag, or
/// the end of symbols.
pub(crate) const NAMESPACE: &str = "__lj";

/// Names of libstdc++'s ABI, and what users write instead.
const SHORTER: [(&str, &str); 3] = [
    ("std::__cxx11::", "std::"),
    ("[abi:cxx11]", ""),
    ("std::basic_string<char, std::char_traits<char>, std::allocator<char> >", "std::string"),
];

/// A text about linked code as users would write it, without the namespaces of [`NAMESPACE`].
pub(crate) fn as_written(text: &str) -> String {
    let text = SHORTER.iter().fold(text.to_owned(), |text, (long, short)| text.replace(long, short));
    let mut parts = text.split(NAMESPACE);
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest = part.trim_start_matches(|c: char| c.is_ascii_digit());
        let is_numbered = rest.len() < part.len();
        // As a namespace, the end of a symbol of C, or a tag.
        let forms = [("", "::"), ("$", ""), ("[abi:", "]")];
        let form = forms.into_iter().filter(|_| is_numbered).find_map(|(before, after)| {
            let rest = rest.strip_prefix(after)?;
            Some((result.strip_suffix(before)?.len(), rest))
        });
        if let Some((length, rest)) = form {
            result.truncate(length);
            result += rest;
        } else {
            result = result + NAMESPACE + part;
        }
    }
    result
}

/// Says whether a symbol is the body of a function that has the name that users know.
pub(crate) fn is_body(symbol: &str) -> bool {
    symbol.ends_with(BODY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_of_ours_are_not_shown() {
        assert_eq!(as_written("f(__lj12::E const&, a::__lj3::B)"), "f(E const&, a::B)");
        assert_eq!(as_written("in f$__lj12, input 3:2"), "in f, input 3:2");
        assert_eq!(as_written("a::f[abi:__lj3]()"), "a::f()");
        let text =
            "f[abi:cxx11](std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> > const&)";
        assert_eq!(as_written(text), "f(std::string const&)");
        assert_eq!(as_written("__lj __ljx __lj1 x"), "__lj __ljx __lj1 x");
    }
}
