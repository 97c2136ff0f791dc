//! What slices have: written out for small modules, so that each rule can be seen.

use linkjit_ir::{Module, Stays};

/// Checks the slice with a function, line by line without empty ones.
fn check(text: &str, wanted: &str, expected: &str) {
    let module = Module::read_with_suffix(text, ".s").unwrap();
    let id = module.find(wanted).unwrap_or_else(|| panic!("no {wanted}"));
    check_text(&module.slice(&[id]).unwrap(), expected);
}

fn check_rest(text: &str, expected: &str) {
    check_text(&Module::read_with_suffix(text, ".s").unwrap().rest(), expected);
}

fn check_text(slice: &str, expected: &str) {
    let lines = |text: &str| text.lines().map(squeeze).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n");
    assert_eq!(lines(slice), lines(expected), "\n{slice}");
    // It can be read again.
    Module::read(slice).unwrap();
}

/// A line with single spaces.
fn squeeze(line: &str) -> String {
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn others_are_declared_and_local_ones_get_a_name_for_all() {
    let text = r#"
        @seen = global i32 4, align 4
        @mine = internal thread_local global [2 x i32] zeroinitializer, section "s", align 8
        define i32 @f() {
          %1 = call i32 @helper(i32 1)
          %2 = load i32, ptr @mine
          %3 = load i32, ptr @seen
          ret i32 %2
        }
        define internal fastcc noundef i32 @helper(i32 %0) unnamed_addr section "t" align 16 personality ptr @f {
          ret i32 %0
        }"#;
    check(
        text,
        "f",
        "@seen = external global i32, align 4
        @mine.s = external dso_local hidden thread_local global [2 x i32], align 8
        define i32 @f() {
        %1 = call i32 @helper.s(i32 1)
        %2 = load i32, ptr @mine.s
        %3 = load i32, ptr @seen
        ret i32 %2
        }
        declare dso_local hidden fastcc noundef i32 @helper.s(i32 %0) unnamed_addr",
    );
    check(
        text,
        "helper",
        r#"define dso_local hidden fastcc noundef i32 @helper.s(i32 %0) unnamed_addr section "t" align 16 personality ptr @f {
        ret i32 %0
        }
        declare i32 @f()"#,
    );
    check_rest(
        text,
        r#"@seen = global i32 4, align 4
        @mine.s = dso_local hidden thread_local global [2 x i32] zeroinitializer, section "s", align 8"#,
    );
}

#[test]
fn functions_are_cut_together_with_what_only_they_know() {
    let text = r#"
        @table = internal constant [1 x ptr] [ptr blockaddress(@f, %b)]
        @other_name = alias void (ptr), ptr @f
        define void @f(ptr %p) {
          %q = load ptr, ptr @table
          br label %b
        b:
          ret void
        }
        define void @g(ptr %p) {
          call void @other_name(ptr %p)
          ret void
        }"#;
    check(
        text,
        "f",
        r"@table = internal constant [1 x ptr] [ptr blockaddress(@f, %b)]
        @other_name = alias void (ptr), ptr @f
        define void @f(ptr %p) {
        %q = load ptr, ptr @table
        br label %b
        b:
        ret void
        }",
    );
    check(
        text,
        "g",
        "define void @g(ptr %p) {
        call void @other_name(ptr %p)
        ret void
        }
        declare void @other_name(ptr)",
    );
    check_rest(text, "");
}

/// The definitions that a function is compiled with.
fn companions(text: &str, function: &str) -> Vec<String> {
    let module = Module::read(text).unwrap();
    module.together_with(module.find(function).unwrap()).map(|one| one.name).collect()
}

#[test]
fn functions_are_cut_together_with_what_depends_on_their_places() {
    let text = r#"
        @notes = internal global i32 1, section "notes", !associated !0
        @others = internal global i32 1, section "notes", !other !0
        declare void @llvm.localescape(...)
        declare ptr @llvm.localrecover(ptr, ptr, i32)
        define void @parent() {
          ret void
        }
        define void @other() {
          call void @parent()
          ret void
        }
        define ptr @filter(ptr %frame) {
          %place = call ptr @llvm.localrecover(ptr @parent, ptr %frame, i32 0)
          call void @other()
          ret ptr %place
        }
        !0 = !{ptr @other}"#;
    assert_eq!(companions(text, "other"), ["notes", "other"]);
    assert_eq!(companions(text, "parent"), ["parent", "filter"]);
}

#[test]
fn groups_are_whole_and_nothing_in_them_is_dropped() {
    check(
        r"
        $f = comdat any
        @guard = linkonce_odr global i8 0, comdat($f)
        define linkonce_odr void @f() comdat {
          store i8 1, ptr @guard
          ret void
        }",
        "f",
        r"$f = comdat any
        @guard = weak_odr global i8 0, comdat($f)
        define weak_odr void @f() comdat {
        store i8 1, ptr @guard
        ret void
        }",
    );
}

#[test]
fn small_constants_without_an_address_are_copied_and_numbers_become_names() {
    check(
        r#"
        @0 = private unnamed_addr constant [2 x i8] c"a\00", !dbg !0
        @table = private unnamed_addr constant [1 x ptr] [ptr @0]
        define ptr @f() #0 {
          ret ptr @table
        }
        attributes #0 = { nounwind }
        !0 = !{}"#,
        "f",
        r#"@table = private unnamed_addr constant [1 x ptr] [ptr @unnamed.0.s]
        @unnamed.0.s = private unnamed_addr constant [2 x i8] c"a\00"
        define ptr @f() #0 {
        ret ptr @table
        }
        attributes #0 = { nounwind }"#,
    );
}

#[test]
fn quoted_names_stay_quoted() {
    check(
        r#"
        %"a type" = type { ptr }
        @"a \22b\22" = internal global %"a type" zeroinitializer
        define ptr @"f;{"() {
          ret ptr @"a \22b\22"
        }"#,
        "f;{",
        r#"%"a type" = type { ptr }
        @"a \22b\22.s" = external dso_local hidden global %"a type"
        define ptr @"f;{"() {
        ret ptr @"a \22b\22.s"
        }"#,
    );
}

#[test]
fn functions_have_their_debug_information_and_no_more() {
    check(
        r#"
        define void @f() !dbg !3 {
          ret void, !dbg !6
        }
        !llvm.dbg.cu = !{!0, !8}
        !llvm.module.flags = !{!2, !9}
        !llvm.ident = !{!7}
        !0 = distinct !DICompileUnit(language: DW_LANG_C11, file: !1, emissionKind: FullDebug, enums: !5, globals: !7, nameTableKind: None)
        !1 = !DIFile(filename: "a", directory: "")
        !2 = !{i32 2, !"Debug Info Version", i32 3}
        !3 = distinct !DISubprogram(name: "f", file: !1, type: !4, unit: !0)
        !4 = !DISubroutineType(types: !5)
        !5 = !{null}
        !6 = !DILocation(line: 1, scope: !3)
        !7 = !{!"not wanted"}
        !8 = distinct !DICompileUnit(language: DW_LANG_C11, file: !1, emissionKind: FullDebug)
        !9 = !{i32 5, !"CG Profile", !7}"#,
        "f",
        r#"define void @f() !dbg !3 {
        ret void, !dbg !6
        }
        !llvm.module.flags = !{!2}
        !2 = !{i32 2, !"Debug Info Version", i32 3}
        !6 = !DILocation(line: 1, scope: !3)
        !3 = distinct !DISubprogram(name: "f", file: !1, type: !4, unit: !0)
        !0 = distinct !DICompileUnit(language: DW_LANG_C11, file: !1, emissionKind: FullDebug, nameTableKind: None)
        !4 = !DISubroutineType(types: !5)
        !5 = !{null}
        !1 = !DIFile(filename: "a", directory: "")
        !llvm.dbg.cu = !{!0}"#,
    );
}

#[test]
fn what_is_listed_or_known_to_assembly_stays_with_a_reason() {
    let module = Module::read(include_str!("sample.ll")).unwrap();
    let stays: Vec<_> = module.functions().filter_map(|one| Some((one.name, one.stays?))).collect();
    let expected = [
        ("listed", Stays::Listed),
        ("construct", Stays::Listed),
        ("resolver", Stays::Ifunc),
        ("with_asm", Stays::Assembly),
    ];
    assert_eq!(stays, expected.map(|(name, reason)| (name.to_string(), reason)));
    let together = |name: &str| {
        let all = module.together_with(module.find(name).unwrap()).map(|one| one.name);
        all.collect::<Vec<_>>()
    };
    assert_eq!(together("jumps"), ["blocks", "jumps"]);
    assert_eq!(together("group"), ["tied", "other", "group"]);
}

#[test]
fn all_slices_of_a_module_agree_on_names() {
    let text = include_str!("sample.ll");
    let names = |module: &Module| module.definitions().map(|one| one.symbol).collect::<Vec<_>>();
    let first = Module::read(text).unwrap();
    assert_eq!(names(&first), names(&Module::read(text).unwrap()));
    let other = Module::read(format!("{text}\n")).unwrap();
    assert_ne!(names(&first), names(&other), "another module has names of its own");
}
