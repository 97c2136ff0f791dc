# Thread-local variables of COFF are found by their offset in the storage of their image, whose sections are ordered by
# what follows a `$`.
#! llvm takes them for sections of their own, in the order of the file
#! check {at 0x100000} -abs _tls_index=3

        .text
        .globl  main, variable
main:   movl    _tls_index(%rip), %eax
        movq    %gs:88, %rcx
        movq    (%rcx,%rax,8), %rax
variable:
        leaq    second@SECREL32(%rax), %rcx
        retq

        .section .tls$z,"dw"
        .globl  end
end:    .quad   0
        .section .tls$,"dw"
        .globl  first, second
first:  .quad   1
second: .quad   2
        .section .tls,"dw"
        .globl  start
start:  .quad   0

        .data
        .globl  offsets
offsets:
        .secrel32 start
        .secrel32 first
        .secrel32 second
        .secrel32 end

# jitlink-check: decode_operand(variable, 4) = 16
# jitlink-check: *{4}offsets = 0
# jitlink-check: *{4}(offsets + 4) = 8
# jitlink-check: *{4}(offsets + 8) = 16
# jitlink-check: *{4}(offsets + 12) = 24
# jitlink-check: *{8}first = 1
# jitlink-check: *{8}second = 2
