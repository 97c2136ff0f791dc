; linkjit run examples/hello.ll

@text = private unnamed_addr constant [24 x i8] c"hello from compiled IR!\00"

declare i32 @puts(ptr)

define i32 @main() {
  %printed = call i32 @puts(ptr @text)
  ret i32 0
}
