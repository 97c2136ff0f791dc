//! Archives as the tools write them, as their formats allow them, and as nobody should write them.

use std::path::{Path, PathBuf};
use std::process::Command;

use linkjit_link::error::LinkError;
use linkjit_link::object::archive::{Archive, ArchiveIndex, Member, MemberContent, MemberRef};
use linkjit_link::source::Source;

const LLVM_AR: &str = "llvm-ar-19";

/// An empty directory for one test.
fn directory(test: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("archive").join(test);
    let _ = std::fs::remove_dir_all(&path);
    std::fs::create_dir_all(&path).unwrap();
    path
}

fn run(directory: &Path, tool: &str, arguments: &[&str]) {
    let output = Command::new(tool).args(arguments).current_dir(directory).output();
    let output = output.unwrap_or_else(|error| panic!("these tests need `{tool}` in the PATH: {error}"));
    assert!(output.status.success(), "{tool} {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Compiles an object that defines `symbols`.
fn object(directory: &Path, path: &str, symbols: &[&str]) {
    let code: String = symbols.iter().map(|symbol| format!("int {symbol}(void) {{ return 1; }}\n")).collect();
    let file = directory.join(path);
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    std::fs::write(directory.join("fixture.c"), code).unwrap();
    run(directory, "cc", &["-c", "fixture.c", "-o", path]);
}

fn open(directory: &Path, name: &str) -> Archive {
    Archive::parse(Source::new(name, std::fs::read(directory.join(name)).unwrap())).unwrap()
}

fn parse(bytes: impl Into<Vec<u8>>) -> Result<Archive, LinkError> {
    Archive::parse(Source::new("lib.a", bytes.into()))
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn bytes_of<'a>(member: &'a Member<'_>) -> &'a [u8] {
    match &member.content {
        MemberContent::Inline(source) => source.bytes(),
        MemberContent::External { .. } => panic!("{} is external", text(member.name)),
    }
}

fn member_names(archive: &Archive) -> Vec<String> {
    archive.members().map(|member| text(member.unwrap().name).to_owned()).collect()
}

/// Every symbol with the name of its member.
fn symbols(archive: &Archive) -> Vec<(String, String)> {
    let pair = |symbol: linkjit_link::object::archive::Symbol<'_>| {
        let member = archive.member_at(symbol.member).unwrap();
        (text(symbol.name).to_owned(), text(member.name).to_owned())
    };
    archive.symbols().map(|symbol| pair(symbol.unwrap())).collect()
}

/// One member with its header, padded.
fn member(name: &str, content: &[u8]) -> Vec<u8> {
    let header = format!("{name:<16}{:<12}{:<6}{:<6}{:<8}{:<10}`\n", 0, 0, 0, 644, content.len());
    let mut bytes = header.into_bytes();
    bytes.extend_from_slice(content);
    if bytes.len() % 2 == 1 {
        bytes.push(b'\n');
    }
    bytes
}

fn archive(members: &[Vec<u8>]) -> Vec<u8> {
    [b"!<arch>\n".to_vec(), members.concat()].concat()
}

/// What goes wrong first: parsing, listing symbols, or listing members.
fn first_error(bytes: Vec<u8>) -> String {
    let archive = match parse(bytes) {
        Ok(archive) => archive,
        Err(error) => return error.to_string(),
    };
    let error = archive.symbols().find_map(Result::err).or_else(|| archive.members().find_map(Result::err));
    error.expect("nothing is wrong").to_string()
}

#[test]
fn every_dialect_has_the_same_members_and_symbols() {
    let dir = directory("dialects");
    let files: [(&str, &[&str]); 4] = [
        ("a.o", &["f_a", "shared"]),
        ("even12345678.o", &["f_even"]),
        ("odd_and_much_longer_than_sixteen.o", &["f_odd", "a_name_that_is_first_when_sorted"]),
        ("sixteen_bytes_.o", &["f_sixteen"]),
    ];
    for (path, symbols) in files {
        object(&dir, path, symbols);
    }
    // Content of odd length, in the middle and at the end.
    std::fs::write(dir.join("odd.txt"), b"odd").unwrap();
    std::fs::write(dir.join("end.txt"), b"the end").unwrap();
    let paths =
        ["a.o", "even12345678.o", "odd.txt", "odd_and_much_longer_than_sixteen.o", "sixteen_bytes_.o", "end.txt"];

    let mut archives = vec!["system.a".to_owned()];
    run(&dir, "ar", &[&["rc", "system.a"], &paths[..]].concat());
    for format in ["gnu", "bsd", "darwin", "coff"] {
        let (name, format) = (format!("{format}.a"), format!("--format={format}"));
        run(&dir, LLVM_AR, &[&[&format, "rc", &name], &paths[..]].concat());
        archives.push(name);
    }
    for name in archives {
        let archive = open(&dir, &name);
        assert!(archive.has_index() && !archive.is_empty() && !archive.is_thin(), "{name}");
        assert_eq!(member_names(&archive), paths, "{name}");
        for (member, path) in archive.members().zip(paths) {
            let member = member.unwrap();
            let file = std::fs::read(dir.join(path)).unwrap();
            let content = bytes_of(&member);
            // Darwin pads the content of members to eight bytes.
            assert!(content.starts_with(&file) && content.len() < file.len() + 8, "{name}({path})");
            let MemberContent::Inline(source) = &member.content else { unreachable!() };
            assert_eq!(source.name().as_ref(), format!("{name}({path})"));
            assert_eq!(archive.member_at(member.offset).unwrap().name, member.name);
        }
        let mut expected: Vec<(String, String)> = Vec::new();
        for (path, symbols) in files {
            expected.extend(symbols.iter().map(|symbol| ((*symbol).to_owned(), path.to_owned())));
        }
        let mut found = symbols(&archive);
        if name == "coff.a" {
            assert!(found.is_sorted(), "the second linker member is sorted");
            found.sort();
            expected.sort();
        }
        assert_eq!(found, expected, "{name}");
    }
}

#[test]
fn members_may_have_directories_in_their_names() {
    let dir = directory("directories");
    object(&dir, "deep/er/f.o", &["f"]);
    object(&dir, "g.o", &["g"]);
    run(&dir, "ar", &["rcP", "nested.a", "deep/er/f.o", "g.o"]);
    let archive = open(&dir, "nested.a");
    assert_eq!(symbols(&archive), [("f".into(), "deep/er/f.o".into()), ("g".into(), "g.o".into())]);
}

#[test]
fn an_archive_without_an_index_can_be_given_one() {
    let dir = directory("no_index");
    object(&dir, "f.o", &["f"]);
    object(&dir, "g.o", &["g"]);
    for (name, tool) in [("system.a", "ar"), ("llvm.a", LLVM_AR)] {
        run(&dir, tool, &["rcS", name, "f.o", "g.o"]);
        let archive = open(&dir, name);
        assert!(!archive.has_index());
        assert_eq!(archive.symbols().count(), 0);
        assert_eq!(member_names(&archive), ["f.o", "g.o"]);

        let offsets: Vec<u64> = archive.members().map(|member| member.unwrap().offset).collect();
        let own = [(b"f".as_slice(), offsets[0]), (b"", offsets[1]), (b"g", offsets[1])];
        let indexed = archive.with_index(own).unwrap();
        assert!(indexed.has_index());
        let expected = [("f".into(), "f.o".into()), (String::new(), "g.o".into()), ("g".into(), "g.o".into())];
        assert_eq!(symbols(&indexed), expected);

        let mut index = ArchiveIndex::new();
        let id = index.add(indexed).unwrap();
        assert_eq!(index.find(b"g"), Some(MemberRef { archive: id, offset: offsets[1] }));
    }
}

#[test]
fn an_index_that_would_not_find_its_own_names_is_refused() {
    let archive = parse(archive(&[member("f.o/", b"f")])).unwrap();
    let error = archive.clone().with_index([(b"a\0b".as_slice(), 8)]).unwrap_err();
    assert_eq!(error.to_string(), "lib.a:0x8: malformed symbol name: it contains a NUL");
}

#[test]
fn an_empty_index_counts_only_if_there_are_no_members() {
    let dir = directory("empty");
    run(&dir, "ar", &["rc", "system.a"]);
    run(&dir, LLVM_AR, &["--format=darwin", "rc", "darwin.a"]);
    run(&dir, LLVM_AR, &["--format=coff", "rc", "coff.a"]);
    for name in ["system.a", "darwin.a", "coff.a"] {
        let archive = open(&dir, name);
        assert!(archive.is_empty() && archive.has_index(), "{name}");
        assert_eq!((archive.members().count(), archive.symbols().count()), (0, 0), "{name}");
    }

    std::fs::write(dir.join("notes.txt"), "no object").unwrap();
    run(&dir, LLVM_AR, &["--format=darwin", "rc", "notes.a", "notes.txt"]);
    let archive = open(&dir, "notes.a");
    assert!(!archive.is_empty() && !archive.has_index());
    assert_eq!(member_names(&archive), ["notes.txt"]);
}

#[test]
fn thin_archives_name_their_files() {
    let dir = directory("thin");
    object(&dir, "f.o", &["f"]);
    object(&dir, "sub/directory/of_a_long_name.o", &["g"]);
    run(&dir, "ar", &["rcT", "system.a", "f.o", "sub/directory/of_a_long_name.o"]);
    run(&dir, LLVM_AR, &["--thin", "rc", "llvm.a", "f.o", "sub/directory/of_a_long_name.o"]);
    for name in ["system.a", "llvm.a"] {
        let archive = open(&dir, name);
        assert!(archive.is_thin() && archive.has_index());
        let expected = [("f".into(), "f.o".into()), ("g".into(), "sub/directory/of_a_long_name.o".into())];
        assert_eq!(symbols(&archive), expected);
        for member in archive.members() {
            let MemberContent::External { path, nested: None } = member.unwrap().content else { panic!("{name}") };
            assert!(dir.join(text(path)).is_file());
        }
    }
}

#[test]
fn thin_archives_refer_to_members_of_archives() {
    let dir = directory("thin_nested");
    object(&dir, "f.o", &["f"]);
    object(&dir, "g.o", &["g"]);
    run(&dir, "ar", &["rc", "inner.a", "f.o", "g.o"]);
    run(&dir, "ar", &["rcT", "outer.a", "inner.a"]);
    let outer = open(&dir, "outer.a");
    let symbol = outer.symbols().map(Result::unwrap).find(|symbol| symbol.name == b"g").unwrap();
    let MemberContent::External { path, nested: Some(offset) } = outer.member_at(symbol.member).unwrap().content else {
        panic!("no reference into inner.a");
    };
    let inner = open(&dir, text(path));
    let member = inner.member_at(offset).unwrap();
    assert_eq!(text(member.name), "g.o");
    assert_eq!(bytes_of(&member), std::fs::read(dir.join("g.o")).unwrap());
}

#[test]
fn names_keep_their_blanks_and_lose_their_padding() {
    let bytes = archive(&[
        member("//", b"blank at the end /\nended as COFF does\0the last has no end"),
        member("/0", b"0"),
        member("/19", b"1"),
        member("/38", b"2"),
        member("blank .o /", b"3"),
        member("bsd.o", b"4"),
        member("#1/8", b"bsd 2\0\0\x005"),
        member("#1/20", b"long enough for BSD.6"),
    ]);
    let archive = parse(bytes).unwrap();
    let members: Vec<_> = archive.members().map(Result::unwrap).collect();
    let found: Vec<_> = members.iter().map(|member| (text(member.name), text(bytes_of(member)))).collect();
    let expected = [
        ("blank at the end ", "0"),
        ("ended as COFF does", "1"),
        ("the last has no end", "2"),
        ("blank .o ", "3"),
        ("bsd.o", "4"),
        ("bsd 2", "5"),
        ("long enough for BSD.", "6"),
    ];
    assert_eq!(found, expected);
}

/// An archive of `index` and two members, the second at an offset that `index` is given.
fn indexed(name: &str, index: impl Fn(u32, u32) -> Vec<u8>) -> Vec<u8> {
    let first = u32::try_from(archive(&[member(name, &index(0, 0))]).len()).unwrap();
    let second = first + u32::try_from(member("f.o/", b"f").len()).unwrap();
    archive(&[member(name, &index(first, second)), member("f.o/", b"f"), member("g.o/", b"g")])
}

fn gnu64(first: u32, second: u32) -> Vec<u8> {
    let words = [2, u64::from(first), u64::from(second)].map(u64::to_be_bytes);
    [words.as_flattened(), b"one\0two\0"].concat()
}

fn bsd32(first: u32, second: u32) -> Vec<u8> {
    let words = [16, 4, first, 0, second, 8].map(u32::to_le_bytes);
    [words.as_flattened(), b"two\0one\0"].concat()
}

fn bsd64(first: u32, second: u32) -> Vec<u8> {
    let words = [32, 4, u64::from(first), 0, u64::from(second), 8].map(u64::to_le_bytes);
    [words.as_flattened(), b"two\0one\0", b"alignment"].concat()
}

#[test]
fn indexes_of_all_widths_are_read() {
    let long_name = |name: &str, index: &dyn Fn(u32, u32) -> Vec<u8>, first, second| {
        [name.as_bytes().to_vec(), index(first, second)].concat()
    };
    let archives = [
        indexed("/SYM64/", gnu64),
        indexed("__.SYMDEF", bsd32),
        indexed("__.SYMDEF SORTED", bsd32),
        indexed("__.SYMDEF_64", bsd64),
        indexed("#1/12", |first, second| long_name("__.SYMDEF\0\0\0", &bsd32, first, second)),
        indexed("#1/20", |first, second| long_name("__.SYMDEF_64 SORTED\0", &bsd64, first, second)),
    ];
    for bytes in archives {
        let archive = parse(bytes).unwrap();
        assert!(archive.has_index());
        assert_eq!(symbols(&archive), [("one".into(), "f.o".into()), ("two".into(), "g.o".into())]);
        assert_eq!(member_names(&archive), ["f.o", "g.o"]);
    }
}

#[test]
fn sixty_four_bit_indexes_of_the_tools_are_read() {
    let dir = directory("wide");
    object(&dir, "f.o", &["f"]);
    object(&dir, "g.o", &["g"]);
    for (format, index) in [("gnu", "/SYM64/"), ("darwin", "__.SYMDEF_64")] {
        let name = format!("{format}.a");
        let format = format!("--format={format}");
        // From this size on llvm-ar writes wide indexes.
        run(&dir, "env", &["SYM64_THRESHOLD=1", LLVM_AR, &format, "rc", &name, "f.o", "g.o"]);
        let bytes = std::fs::read(dir.join(&name)).unwrap();
        assert!(bytes.windows(index.len()).any(|window| window == index.as_bytes()), "{name} has no wide index");
        assert_eq!(symbols(&open(&dir, &name)), [("f".into(), "f.o".into()), ("g".into(), "g.o".into())]);
    }
}

/// B7.42 of docs/coff-cases.md.
#[test]
fn tables_that_repeat_the_index_of_coff_are_passed_over() {
    let dir = directory("coff_tables");
    object(&dir, "f.o", &["f"]);
    run(&dir, LLVM_AR, &["--format=coff", "rc", "coff.a", "f.o"]);
    let mut bytes = std::fs::read(dir.join("coff.a")).unwrap();
    let index = bytes.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    let tables = ["/<ECSYMBOLS>/", "/<HYBRIDMAP>/", "/<XFGHASHMAP>/", "/CXXMODWEAKSYM/", "/<CXXMODWEAKSYM>", "/<NEW>/"];
    for name in tables {
        bytes.extend(member(name, b"123"));
    }
    assert_eq!(member_names(&parse(bytes.clone()).unwrap()), ["f.o"]);
    // Behind the index and the names, as link.exe writes them, or in front.
    let object = bytes[index..].to_vec();
    let front = tables.iter().flat_map(|name| member(name, b"1234"));
    let bytes: Vec<u8> = bytes[..index].iter().copied().chain(front).chain(object).collect();
    assert_eq!(member_names(&parse(bytes.clone()).unwrap()), ["f.o"]);
    let bytes = [bytes, member("/new/", b"123")].concat();
    assert!(first_error(bytes).contains("unsupported archive member '/new/'"));
}

#[test]
fn the_last_member_needs_no_padding() {
    let mut bytes = archive(&[member("f.o/", b"odd")]);
    assert_eq!(bytes.pop(), Some(b'\n'));
    let archive = parse(bytes).unwrap();
    assert_eq!(bytes_of(&archive.members().next().unwrap().unwrap()), b"odd");
}

#[test]
fn malformed_archives_are_refused_with_their_place() {
    let gnu32 = |words: &[u32], names: &[u8]| {
        let words: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
        archive(&[member("/", &[&words, names].concat()), member("f.o/", b"f")])
    };
    let patched = |at: usize, patch: &[u8]| {
        let mut bytes = archive(&[member("f.o/", b"f"), member("g.o/", b"g")]);
        bytes[at..at + patch.len()].copy_from_slice(patch);
        bytes
    };
    let truncated = |length: usize| archive(&[member("f.o/", b"f"), member("g.o/", b"1234")])[..length].to_vec();
    let outside = "malformed archive index: it refers to a member outside the file";
    let tables = "malformed archive index: its tables are larger than the member";
    let cases = [
        (b"".to_vec(), "lib.a:0x0: malformed archive: no `!<arch>` or `!<thin>` at its start"),
        (b"<bigaf>\n".to_vec(), "lib.a: unsupported AIX big archive"),
        (truncated(100), "lib.a:0x46: malformed archive member: its header is truncated"),
        (truncated(133), "lib.a:0x46: malformed archive member: its content is truncated"),
        (patched(66, b"x"), "lib.a:0x8: malformed archive member: it has no header"),
        (patched(56, b"-1"), "lib.a:0x8: malformed archive member: its size is not a number"),
        (patched(56, b"9999999999"), "lib.a:0x8: malformed archive member: its content is truncated"),
        (patched(56, b"          "), "lib.a:0x8: malformed archive member: its size is not a number"),
        (patched(8, b"/0  "), "lib.a:0x8: malformed archive member: its name lies outside the table of long names"),
        (patched(8, b"#1/2"), "lib.a:0x8: malformed archive member: its name is longer than the member"),
        (patched(8, b"#1/x"), "lib.a:0x8: malformed archive member: its name is longer than the member"),
        (gnu32(&[u32::MAX], b""), &format!("lib.a:0x8: {tables}")),
        (gnu32(&[2, 8], b""), &format!("lib.a:0x8: {tables}")),
        (gnu32(&[1, 1 << 20], b"name\0"), &format!("lib.a:0x8: {outside}")),
        (gnu32(&[1, 0], b"name\0"), &format!("lib.a:0x8: {outside}")),
        (gnu32(&[1, 8], b"name"), "lib.a:0x8: malformed archive index: a name lies outside the table of names"),
        (indexed("__.SYMDEF", |_, _| vec![0xff; 16]), &format!("lib.a:0x8: {tables}")),
        (
            indexed("__.SYMDEF", |_, _| [1, 0, 0, 0, 9, 0, 0, 0, 0, 0].to_vec()),
            "lib.a:0x8: malformed archive index: its size is not a multiple of the size of an entry",
        ),
        (
            [b"!<thin>\n".to_vec(), member("#1/4", b"f.o\0")].concat(),
            "lib.a:0x8: malformed archive member: a BSD name in a thin archive",
        ),
        (
            archive(&[member("//", b"in.a/\n"), member("/0:x", b"")]),
            "lib.a:0x4a: malformed archive member: the offset in its name is not a number",
        ),
    ];
    for (bytes, expected) in cases {
        assert_eq!(first_error(bytes), expected);
    }
}

#[test]
fn an_offset_that_is_no_member_is_an_error() {
    let bytes = archive(&[member("//", b"name/\n"), member("f.o/", b"f")]);
    let archive = parse(bytes.clone()).unwrap();
    assert_eq!(text(archive.member_at(74).unwrap().name), "f.o");
    for offset in [0, 7, 8, 9, 73, 75, bytes.len() as u64, u64::MAX] {
        assert!(archive.member_at(offset).is_err(), "{offset}");
    }
}

#[test]
fn names_that_all_share_one_long_string_are_refused() {
    let count = 10_000_u32;
    let mut index = (count * 8).to_le_bytes().to_vec();
    for entry in 0..count {
        index.extend([entry.to_le_bytes(), 8_u32.to_le_bytes()].as_flattened());
    }
    let names = [vec![b'x'; 10_000_000], vec![0]].concat();
    index.extend(u32::try_from(names.len()).unwrap().to_le_bytes());
    index.extend(names);
    let error = first_error(archive(&[member("__.SYMDEF", &index)]));
    assert_eq!(error, "lib.a:0x8: malformed archive index: names are longer than the archive");
}

#[test]
fn the_first_archive_and_its_first_member_win() {
    let dir = directory("merged");
    object(&dir, "first.o", &["only_first", "twice", "both"]);
    object(&dir, "second.o", &["twice"]);
    object(&dir, "third.o", &["both", "only_third"]);
    run(&dir, "ar", &["rc", "one.a", "first.o", "second.o"]);
    run(&dir, LLVM_AR, &["--format=bsd", "rc", "two.a", "third.o"]);

    let mut index = ArchiveIndex::new();
    assert!(index.is_empty());
    let one = index.add(open(&dir, "one.a")).unwrap();
    let two = index.add(open(&dir, "two.a")).unwrap();
    assert_eq!((one.0, two.0, index.len(), index.archives().len()), (0, 1, 4, 2));
    let find = |name: &str| {
        let member = index.find(name.as_bytes())?;
        let archive = index.archive(member.archive).unwrap();
        Some((member.archive, text(archive.member_at(member.offset).unwrap().name).to_owned()))
    };
    assert_eq!(find("only_first"), Some((one, "first.o".into())));
    assert_eq!(find("twice"), Some((one, "first.o".into())));
    assert_eq!(find("both"), Some((one, "first.o".into())));
    assert_eq!(find("only_third"), Some((two, "third.o".into())));
    for absent in ["", "only", "only_thir", "only_third_", "only_third\0"] {
        assert_eq!(find(absent), None, "{absent:?}");
    }
}

#[test]
fn an_archive_that_is_refused_leaves_no_names() {
    let good = indexed("/SYM64/", gnu64);
    // The name of the second symbol has no end.
    let mut bad = good.clone();
    let two = bad.windows(4).position(|window| window == b"two\0").unwrap();
    bad[two - 4..two + 4].copy_from_slice(b"new\0two!");

    let mut index = ArchiveIndex::new();
    let first = index.add(parse(good.clone()).unwrap()).unwrap();
    index.add(parse(bad).unwrap()).unwrap_err();
    assert_eq!((index.len(), index.archives().len()), (2, 1));
    assert_eq!(index.find(b"new"), None);
    assert_eq!(index.find(b"two").unwrap().archive, first);
    assert_eq!(index.add(parse(good).unwrap()).unwrap().0, 1);
}

#[test]
fn many_names_are_all_found() {
    let names: Vec<String> = (0..50_000).map(|number| format!("_ZN4name{number}Ev")).collect();
    let archive = parse(archive(&[member("f.o/", b"f"), member("g.o/", b"g")])).unwrap();
    let offsets: Vec<u64> = archive.members().map(|member| member.unwrap().offset).collect();
    let symbols = names.iter().enumerate().map(|(number, name)| (name.as_bytes(), offsets[number % 2]));
    let mut index = ArchiveIndex::new();
    index.add(archive.with_index(symbols).unwrap()).unwrap();
    assert_eq!(index.len(), names.len());
    for (number, name) in names.iter().enumerate() {
        assert_eq!(index.find(name.as_bytes()).unwrap().offset, offsets[number % 2]);
    }
}

/// Marsaglia's xorshift64.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit.max(1) as u64).unwrap()
    }
}

/// Uses everything an archive offers, whatever comes of it.
fn exercise(bytes: Vec<u8>) -> usize {
    let Ok(archive) = parse(bytes) else { return 0 };
    let mut seen = 0;
    for member in archive.members().flatten() {
        seen += 1 + usize::from(archive.member_at(member.offset).is_ok());
    }
    for symbol in archive.symbols().flatten() {
        seen += 1 + usize::from(archive.member_at(symbol.member).is_ok());
    }
    let mut index = ArchiveIndex::new();
    if index.add(archive.clone()).is_ok() {
        seen += archive.symbols().flatten().filter(|symbol| index.find(symbol.name).is_some()).count();
    }
    seen
}

#[test]
fn no_mutation_of_an_archive_panics_or_takes_long() {
    let dir = directory("mutations");
    object(&dir, "f.o", &["f", "both"]);
    object(&dir, "sub/with_a_name_that_is_long.o", &["g", "both_"]);
    let paths = ["f.o", "sub/with_a_name_that_is_long.o"];
    let mut seeds = vec![indexed("/SYM64/", gnu64), indexed("__.SYMDEF_64", bsd64)];
    for arguments in [
        ["--format=gnu", "rc", "gnu.a"],
        ["--format=bsd", "rc", "bsd.a"],
        ["--format=darwin", "rc", "darwin.a"],
        ["--format=coff", "rc", "coff.a"],
        ["--thin", "rc", "thin.a"],
    ] {
        run(&dir, LLVM_AR, &[&arguments[..], &paths[..]].concat());
        seeds.push(std::fs::read(dir.join(arguments[2])).unwrap());
    }

    let mut random = Random(0x2545_f491_4f6c_dd1d);
    let mut seen = 0;
    for seed in &seeds {
        // The objects in the archive are nothing to this reader: what is in front of them is hit more often.
        let interesting = seed.len().min(600);
        for round in 0..1_500 {
            let mut bytes = seed.clone();
            for _ in 0..=random.below(4) {
                let end = if random.below(4) == 0 { bytes.len() } else { interesting.min(bytes.len()) };
                let at = random.below(end);
                match (round + random.below(4)) % 4 {
                    0 => bytes.truncate(at),
                    1 => drop(bytes.splice(at..at, [0xff; 8].into_iter().take(1 + random.below(8)))),
                    2 => bytes[at..].iter_mut().take(1 + random.below(8)).for_each(|byte| *byte = 0xff),
                    _ => bytes[at..].iter_mut().take(1).for_each(|byte| *byte ^= 1 << (round % 8)),
                }
            }
            seen += exercise(bytes);
        }
    }
    assert!(seen > 1_000, "the mutations leave nothing to read");
}
