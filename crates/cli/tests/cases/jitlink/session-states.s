# What is in the session before and after linking: only aliases that something needs have an address.
#! check {at 0x100000} -alias one=first -alias two=second -abs three=3 -abs four=4 -show-init-es -show-entry-es
#! prints => Link order: [ ("main", MatchAllSymbols), ("Process", MatchExportedSymbolsOnly) ]
#! prints =>     "one": <not resolved>  [Data] Never-Searched (Materializer 0x
#! prints =>     "one": 0x101007 [Data] Ready
#! prints =>     "two": <not resolved>  [Data] Materializing (Materializer 0x
#! prints =>     "three": 0x3 [Data] Ready
#! prints =>     "four": <not resolved>  [Data] Never-Searched (Materializer 0x
#! prints =>     "first": 0x101007 [Callable] Ready
#! prints =>     "second": 0x101008 [Callable][Weak] Ready
#! check {at 0x100000} -no-process-syms -alias one=first -abs three=3 -show-entry-es
#! prints => Link order: [ ("main", MatchAllSymbols), ("<TestResultJD>", MatchExportedSymbolsOnly) ]
#! prints => JITDylib "<TestResultJD>"
#! prints =>     "llvm_jitlink_setTestResultOverride": <not resolved>  [Data] Never-Searched (Materializer 0x
#! check {at 0x100000} -alias one=first -alias entry=main -abs three=3 -entry entry -show-entry-es
#! prints =>     "entry": 0x101000 [Data] Ready
#! run -alias one=first -alias two=second -alias entry=main -abs three=3 -abs four=4 -entry entry -show-entry-es => 3
#! prints =>     "two": <not resolved>  [Data] Materializing (Materializer 0x
#! prints =>     "four": <not resolved>  [Data] Never-Searched (Materializer 0x
#! prints =>     "three": 0x3 [Data] Ready

        .text
        .globl  main, first
        .weak   second
        .type   main,@function
        .type   first,@function
        .type   second,@function
main:   movl    pointer+8(%rip), %eax
        ret
first:  ret
second: ret

        .data
        .globl  pointer
pointer:
        .quad   one
        .quad   three

# jitlink-check: *{8}pointer = first
