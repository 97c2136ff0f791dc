# COMDAT sections whose leaders are local: they are nobody else's, though others have leaders of that name, too.
#! llvm leaves the symbols of such sections without a place
#! check {at 0x100000}

        .text
        .globl  main, load
main:   callq   other
load:   leaq    leader(%rip), %rax
        retq
        .section .rdata$l,"dr",discard,leader
leader: .quad   0x1111
        .data
        .globl  mine
mine:   .quad   leader
        .quad   .rdata$l

#--- other.s
        .text
        .globl  other
other:  leaq    leader(%rip), %rax
        retq
        .section .rdata$l,"dr",discard,leader
        .quad   0
leader: .quad   0x2222
        .data
        .globl  theirs
theirs: .quad   leader
        .quad   .rdata$l

# jitlink-check: *{8}(*{8}mine) = 0x1111
# jitlink-check: *{8}(*{8}theirs) = 0x2222
# jitlink-check: (*{8}theirs) - (*{8}(theirs + 8)) = 8
# jitlink-check: decode_operand(load, 4) = (*{8}mine) - next_pc(load)
# jitlink-check: (*{8}mine) - (*{8}(mine + 8)) = 0
