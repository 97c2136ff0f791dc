# The edges of what a call reaches; the graph lies at 0x10000000, and defines what is called as a number.
#! llvm It misses the definition of an absolute symbol.
#! check {at 0x10000000} forward.o -check-name forward
#! llvm As above.
#! check {at 0x10000000} backward.o -check-name backward
#! error {at 0x10000000} beyond.o => is out of range of Branch26PCRel fixup
#! error {at 0x10000000} before.o => is out of range of Branch26PCRel fixup

# forward: *{4}main = 0x95ffffff
# backward: *{4}main = 0x96000000
        .text
#--- forward.s
        .globl  main, far
        .set    far, 0x17fffffc
main:   .inst   0x94000000
        .reloc  main, R_AARCH64_CALL26, far
        .size   main, 4
#--- backward.s
        .globl  main, far
        .set    far, 0x8000000
main:   .inst   0x94000000
        .reloc  main, R_AARCH64_CALL26, far
        .size   main, 4
#--- beyond.s
        .globl  main, far
        .set    far, 0x18000000
main:   .inst   0x94000000
        .reloc  main, R_AARCH64_CALL26, far
        .size   main, 4
#--- before.s
        .globl  main, far
        .set    far, 0x7fffffc
main:   .inst   0x94000000
        .reloc  main, R_AARCH64_CALL26, far
        .size   main, 4
