//! `linkjit lli`: the command line of LLVM's `lli`, as one of `linkjit run`.

use std::ffi::{OsStr, OsString};

/// The words of `linkjit run` for those of `lli`: options, the program, and the program's arguments.
///
/// # Errors
/// For an option that has no meaning here, or lacks its value.
pub(crate) fn as_run(words: Vec<OsString>) -> Result<Vec<OsString>, String> {
    let mut words = words.into_iter();
    let mut name_of_program = None;
    let (mut options, mut others) = (Vec::<OsString>::new(), Vec::<OsString>::new());
    let program = loop {
        let word = words.next().ok_or("lli needs a program: a file of LLVM IR or bitcode, or - for standard input")?;
        let Some(option) = option(&word) else { break word };
        let (name, value) = option.split_once('=').map_or((option, None), |(name, value)| (name, Some(value)));
        let mut value = || match value {
            Some(value) => Ok(OsString::from(value)),
            None => words.next().ok_or_else(|| format!("-{name} needs a value")),
        };
        match name {
            "jit-kind" => match value()?.to_str() {
                Some("orc-lazy") => options.push("--lazy".into()),
                Some("orc" | "mcjit") => {}
                _ => return Err("-jit-kind is orc, orc-lazy or mcjit".into()),
            },
            "per-module-lazy" => options.push("--lazy".into()),
            "entry-function" => options.extend(["--entry".into(), value()?]),
            "fake-argv0" => name_of_program = Some(value()?),
            "extra-module" | "extra-object" | "extra-archive" => others.push(value()?),
            "jd" => others.extend(["--jd".into(), value()?]),
            "dlopen" | "load" => others.extend(library(value()?)),
            "O" | "O0" | "O1" | "O2" | "O3" => options.push(level(name, &mut value)?),
            // Threads compile what they call, and no runtime has to be chosen.
            "compile-threads" | "lljit-platform" => drop(value()?),
            _ => return Err(format!("lli's option -{name} has no meaning in linkjit")),
        }
    };
    let is_lazy = options.iter().any(|option| option == "--lazy");
    let mut seen_lazy = false;
    options.retain(|option| option != "--lazy" || is_lazy && !std::mem::replace(&mut seen_lazy, true));
    // The words after `-` are for the program, so it comes last.
    let name = ["--program-name".into(), name_of_program.unwrap_or_else(|| program.clone())];
    let to_main = others.iter().any(|other| other == "--jd").then(|| ["--jd".into(), "main".into()]);
    let inputs = others.into_iter().chain(to_main.into_iter().flatten()).chain([program, "--".into()]);
    Ok(["run".into()].into_iter().chain(name).chain(options).chain(inputs).chain(words).collect())
}

/// The word without its dashes, if it is an option. Options of LLVM's tools may have one or two.
fn option(word: &OsStr) -> Option<&str> {
    let word = word.to_str()?;
    let option = word.strip_prefix("--").or_else(|| word.strip_prefix('-'))?;
    (!option.is_empty()).then_some(option)
}

/// `-O2`, `-O=2`, or `-O 2`.
fn level(name: &str, value: &mut impl FnMut() -> Result<OsString, String>) -> Result<OsString, String> {
    let level = match name.strip_prefix('O') {
        Some("") | None => value()?,
        Some(level) => level.into(),
    };
    Ok([OsStr::new("-O"), &level].into_iter().collect())
}

/// A library, by its path or the name that the loader finds it by.
fn library(name: OsString) -> Vec<OsString> {
    if name.as_encoded_bytes().contains(&b'/') {
        return vec![name];
    }
    vec!["-l".into(), [OsStr::new(":"), &name].into_iter().collect()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(line: &str) -> Result<String, String> {
        let words = as_run(line.split_whitespace().map(OsString::from).collect())?;
        Ok(words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn words_of_lli_become_those_of_run() {
        for (lli, run) in [
            ("x.ll", "run --program-name x.ll x.ll --"),
            ("-jit-kind=orc-lazy -per-module-lazy x.bc -a --lazy", "run --program-name x.bc --lazy x.bc -- -a --lazy"),
            (
                "--entry-function main2 -extra-module=a.ll -jd=lib -extra-object b.o -dlopen=libm.so.6 -dlopen=./c.so x.ll 1",
                "run --program-name x.ll --entry main2 a.ll --jd lib b.o -l :libm.so.6 ./c.so --jd main x.ll -- 1",
            ),
            ("-O3 -fake-argv0=name -compile-threads=4 -", "run --program-name name -O3 - --"),
            ("-O=1 x.ll", "run --program-name x.ll -O1 x.ll --"),
        ] {
            assert_eq!(translated(lli).as_deref(), Ok(run));
        }
        for (lli, error) in [("-extra-module", "needs a value"), ("-O2", "needs a program"), ("-mcpu=x y.ll", "-mcpu")]
        {
            let said = translated(lli).unwrap_err();
            assert!(said.contains(error), "{said}");
        }
    }
}
