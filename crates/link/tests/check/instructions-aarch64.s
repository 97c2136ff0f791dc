# Branches.
b #0x1234
b #-8
bl #4
bl #-134217728
b.ne #1048572
b.al #-1048576
cbz x3, #32
cbnz w3, #-32
tbz x9, #45, #32764
tbz w9, #3, #-4
tbnz x1, #63, #-32768
br x16
blr x1
ret
# Addresses.
adr x0, #1048575
adr x0, #-1048576
adr x7, #-1
adrp x0, #0x12345000
adrp x1, #-4096
add x0, x1, #4095
add w0, w1, #1, lsl #12
adds x2, x3, #8
sub sp, sp, #16
cmp x0, #7
# Loads and stores.
ldr x1, #32
ldr w1, #-32
ldr q1, #1048572
ldrsw x1, #4
ldrb w1, [x0, #4095]
ldrh w1, [x0, #8190]
ldr w1, [x0, #16380]
ldr x1, [x0, #32760]
ldr q1, [x0, #65520]
ldr d1, [x0, #8]
ldr s1, [x0, #4]
ldrsb w1, [x0, #1]
ldrsb x1, [x0, #1]
ldrsh w1, [x0, #2]
ldrsh x1, [x0, #2]
ldrsw x1, [x0, #4]
strb w1, [x0, #1]
strh w1, [x0, #2]
str w1, [x0, #4]
str x1, [sp, #8]
str q1, [x0, #16]
prfm pldl1keep, [x0, #8]
# Moves.
movz x0, #0xffff
movz w0, #1, lsl #16
movz x0, #1, lsl #48
movn x0, #0x1234
movk x0, #0x8765, lsl #32
movk w0, #1
