# The edges of relative fields of 16 and 8 bits.
#! check {at 0x100000} -abs a=0x107fff -abs b=0x100081
#! check {at 0x100000} -abs a=0xf8000 -abs b=0xfff82
#! error {at 0x100000} -abs a=0x108000 -abs b=0x100000 => is out of range of Delta16 fixup
#! error {at 0x100000} -abs a=0xf7fff -abs b=0x100000 => is out of range of Delta16 fixup
#! error {at 0x100000} -abs a=0x100000 -abs b=0x100082 => is out of range of Delta8 fixup
#! error {at 0x100000} -abs a=0x100000 -abs b=0xfff81 => is out of range of Delta8 fixup

        .text
        .globl  main, short
main:   .short  0
        .reloc  main, R_X86_64_PC16, a
        .size   main, 2
short:  .byte   0
        .reloc  short, R_X86_64_PC8, b
        .size   short, 1

# jitlink-check: *{2}main = (a - main)[15:0]
# jitlink-check: *{1}short = (b - short)[7:0]
