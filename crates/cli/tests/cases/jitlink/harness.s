# A harness calls what a test keeps to itself, and replaces what it defines.
#! check {at 0x100000} harness.o -harness use.o
#! check {at 0x100000} harness.o again.o -harness use.o
#! run harness.o again.o -harness use.o => 31
#! error {at 0x100000} harness.o => Symbols not found: [ main ]
#! error {at 0x100000} harness.o twice.o -harness use.o => duplicate definition of symbol 'private'
#! error harness.o -harness nowhere.o => 'nowhere.o': No such file or directory
#! error -harness use.o => Not enough positional command line arguments specified!

        .section .text.public,"ax",@progbits
        .globl  public, replaced, call_replaced
        .type   public,@function
        .type   replaced,@function
public: movl    $1, %eax
        ret
        .size   public, .-public
replaced:
        ud2
        .size   replaced, .-replaced

        .text
        .type   call_replaced,@function
call_replaced:
        pushq   %rbx
        call    replaced@PLT
        movl    %eax, %ebx
        call    private_replaced@PLT
        addl    %ebx, %eax
        popq    %rbx
        ret
        .size   call_replaced, .-call_replaced

        .section .text.private,"ax",@progbits
        .type   private,@function
        .type   private_replaced,@function
private:
        movl    $2, %eax
        ret
        .size   private, .-private
private_replaced:
        ud2
        .size   private_replaced, .-private_replaced

        .section .text.weak,"ax",@progbits
        .weak   chosen
        .type   chosen,@function
chosen: movl    $4, %eax
        ret
        .size   chosen, .-chosen

#--- again.s
        .text
        .weak   chosen
        .type   chosen,@function
chosen: ud2
        .size   chosen, .-chosen
        .globl  unused
unused: jmp     chosen@PLT
        .size   unused, .-unused

#--- twice.s
        .text
        .type   private,@function
private:
        ret
        .size   private, .-private

#--- use.s
        .text
        .globl  main, replaced, private_replaced
        .type   main,@function
        .type   replaced,@function
        .type   private_replaced,@function
main:   pushq   %rbx
        call    public@PLT
        movl    %eax, %ebx
        call    private@PLT
        addl    %eax, %ebx
        call    chosen@PLT
        addl    %eax, %ebx
        call    call_replaced@PLT
        addl    %ebx, %eax
        popq    %rbx
        ret
        .size   main, .-main
replaced:
        movl    $8, %eax
        ret
        .size   replaced, .-replaced
private_replaced:
        movl    $16, %eax
        ret
        .size   private_replaced, .-private_replaced

# jitlink-check: decode_operand(private, 1) = 2
# jitlink-check: decode_operand(chosen, 1) = 4
# jitlink-check: decode_operand(replaced, 1) = 8
# jitlink-check: *{8}(got_addr(harness.o, private_replaced)) = private_replaced
# jitlink-check: *{8}(got_addr(use.o, private)) = private
