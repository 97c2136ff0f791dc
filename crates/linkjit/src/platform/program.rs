//! Finding the function at which a program begins.

/// The functions that programs for Windows define, the most usual first ("/ENTRY (Entry-Point Symbol)", Microsoft Learn). The last
/// four are the C runtime's, or of a program that does without.
pub(super) const ENTRIES: [&str; 8] = [
    "main",
    "wmain",
    "WinMain",
    "wWinMain",
    "mainCRTStartup",
    "wmainCRTStartup",
    "WinMainCRTStartup",
    "wWinMainCRTStartup",
];

/// Finds where a program begins: at what it asks for, else at what is usual. What a C runtime begins with is the session's,
/// unless the program has its own: then `main` is meant, or what it is called.
pub(crate) fn entry(asked: Option<&str>, usual: &[&str], defines: impl Fn(&str) -> bool) -> Option<String> {
    let main = asked.map(|asked| asked.strip_suffix("CRTStartup").unwrap_or(asked));
    let found = asked.into_iter().chain(main).chain(usual.iter().copied()).find(|name| defines(name));
    found.or(main).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::{ENTRIES, entry};

    #[test]
    fn a_program_begins_where_it_says_or_where_programs_do() {
        let check = |asked: Option<&str>, has_usual: bool, defined: &[&str], expected: Option<&str>| {
            let found = entry(asked, if has_usual { &ENTRIES } else { &[] }, |name| defined.contains(&name));
            assert_eq!(found.as_deref(), expected, "{asked:?} {defined:?}");
        };
        check(None, true, &[], None);
        check(None, true, &["WinMain", "wmain"], Some("wmain"));
        check(None, true, &["mainCRTStartup"], Some("mainCRTStartup"));
        check(None, true, &["mainCRTStartup", "main"], Some("main"));
        check(None, false, &["wmain"], None);
        check(Some("begin"), true, &["begin", "main"], Some("begin"));
        check(Some("begin"), true, &[], Some("begin"));
        check(Some("mainCRTStartup"), true, &["WinMain", "main"], Some("main"));
        check(Some("wWinMainCRTStartup"), true, &["wWinMain", "main"], Some("wWinMain"));
        check(Some("mainCRTStartup"), true, &["mainCRTStartup", "main"], Some("mainCRTStartup"));
        check(Some("mainCRTStartup"), true, &[], Some("main"));
    }
}
