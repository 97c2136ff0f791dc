; One of each kind of entity.
source_filename = "sample.c"
target datalayout = "e-m:e-i64:64-n8:16:32:64-S128"
target triple = "x86_64-pc-linux-gnu"

module asm "named_by_assembly_too = 5"

%struct.pair = type { i32, %"struct with space" }
%"struct with space" = type <{ ptr, [2 x i8] }>

$group = comdat any

@0 = private unnamed_addr constant [3 x i8] c"a\22\00", align 1
@"quoted \22name\22" = internal global %struct.pair zeroinitializer, align 8, !dbg !4
@counter = internal thread_local(localdynamic) global i32 0, align 4
@blocks = internal constant [1 x ptr] [ptr blockaddress(@jumps, %there)]
@imported = external dllimport global i32
@tied = linkonce_odr constant i32 1, comdat($group), section ".data.tied"
@llvm.used = appending global [1 x ptr] [ptr @listed], section "llvm.metadata"
@llvm.global_ctors = appending global [1 x { i32, ptr, ptr }] [{ i32, ptr, ptr } { i32 1, ptr @construct, ptr null }]
@by_asm = internal global i32 7

@other = hidden alias i32 (i32, ...), ptr @group
@chosen = ifunc i32 (), ptr @resolver

define internal void @listed() {
  ret void
}

define internal void @construct() #0 section ".text.startup" {
  store i32 3, ptr @counter
  ret void
}

define internal ptr @resolver() {
  ret ptr @implementation
}

define internal i32 @implementation() {
  ret i32 4
}

define linkonce_odr noundef i32 @group(i32 noundef %0, ...) local_unnamed_addr #0 comdat personality ptr @personality !dbg !7 {
  %2 = call i32 @"declared ; too"(ptr @0, ptr @"quoted \22name\22") #1, !dbg !9
  %3 = load i32, ptr @tied
  ret i32 %2
}

define void @jumps(ptr %a) {
; labels and comments { may look like anything
define:
  indirectbr ptr %a, [label %there]
there:
  %x = load ptr, ptr @blocks
  %z = load ptr, ptr @blocks
  %y = getelementptr %struct.pair, ptr @"quoted \22name\22", i32 1
  ret void

  uselistorder ptr @blocks, { 1, 0 }
}

define i32 @with_asm() {
  %a = call i32 asm "movl by_asm(%rip), $0\0A\09nop", "=r"()
  %b = call i32 @other(i32 1)
  %c = call i32 @chosen()
  ret i32 %a
}

declare !dbg !12 i32 @"declared ; too"(ptr, ptr) #1
declare i32 @personality(...)

attributes #0 = { nounwind "frame-pointer"="all" }
attributes #1 = { nounwind }

!llvm.dbg.cu = !{!0}
!llvm.module.flags = !{!2, !3}
!llvm.ident = !{!13}

!0 = distinct !DICompileUnit(language: DW_LANG_C11, file: !1, emissionKind: FullDebug, globals: !6, nameTableKind: None)
!1 = !DIFile(filename: "sample.c", directory: "/")
!2 = !{i32 2, !"Debug Info Version", i32 3}
!3 = !{i32 5, !"CG Profile", !{!{ptr @jumps, ptr @group, i64 3}}}
!4 = !DIGlobalVariableExpression(var: !5, expr: !DIExpression())
!5 = distinct !DIGlobalVariable(name: "quoted", scope: !0, file: !1, line: 1, type: !10, isLocal: true, isDefinition: true)
!6 = !{!4}
!7 = distinct !DISubprogram(name: "group", scope: !1, file: !1, line: 2, type: !8, unit: !0, retainedNodes: !11)
!8 = !DISubroutineType(types: !11)
!9 = !DILocation(line: 3, column: 1, scope: !7)
!10 = !DIBasicType(name: "int", size: 32, encoding: DW_ATE_signed)
!11 = !{}
!12 = !DISubprogram(name: "declared", scope: !1, file: !1, line: 4, type: !8, spFlags: DISPFlagOptimized)
!13 = !{!"an ident"}

^0 = module: (path: "sample.ll", hash: (0, 0, 0, 0, 0))
