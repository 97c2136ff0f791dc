// Builds, optimizes and compiles twenty functions with LLVM's C API and prints a hash of the object.
#include <llvm-c/Core.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <stdint.h>
#include <stdio.h>

static const char TRIPLE[] = "x86_64-unknown-linux-gnu";

static int fail(const char *message) {
    fprintf(stderr, "error: %s\n", message);
    return 1;
}

static void add_function(LLVMModuleRef module, LLVMContextRef context, LLVMBuilderRef builder, unsigned number) {
    LLVMTypeRef i64 = LLVMInt64TypeInContext(context);
    char name[16];
    snprintf(name, sizeof name, "f%u", number);
    LLVMValueRef function = LLVMAddFunction(module, name, LLVMFunctionType(i64, &i64, 1, 0));
    LLVMPositionBuilderAtEnd(builder, LLVMAppendBasicBlockInContext(context, function, "entry"));
    LLVMValueRef value = LLVMGetParam(function, 0);
    for (unsigned step = 0; step < 10; step++) {
        LLVMValueRef square = LLVMBuildMul(builder, value, value, "square");
        value = LLVMBuildAdd(builder, square, LLVMConstInt(i64, step * number, 0), "sum");
    }
    LLVMBuildRet(builder, value);
}

int main(void) {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeX86AsmParser();

    LLVMContextRef context = LLVMContextCreate();
    LLVMModuleRef module = LLVMModuleCreateWithNameInContext("module", context);
    LLVMBuilderRef builder = LLVMCreateBuilderInContext(context);
    for (unsigned number = 0; number < 20; number++) add_function(module, context, builder, number);

    char *message = NULL;
    LLVMTargetRef target;
    if (LLVMGetTargetFromTriple(TRIPLE, &target, &message)) return fail(message);
    LLVMTargetMachineRef machine = LLVMCreateTargetMachine(target, TRIPLE, "x86-64", "", LLVMCodeGenLevelDefault,
                                                           LLVMRelocPIC, LLVMCodeModelDefault);
    LLVMErrorRef error = LLVMRunPasses(module, "default<O2>", machine, LLVMCreatePassBuilderOptions());
    if (error) return fail(LLVMGetErrorMessage(error));
    LLVMMemoryBufferRef object;
    if (LLVMTargetMachineEmitToMemoryBuffer(machine, module, LLVMObjectFile, &message, &object)) return fail(message);

    const char *bytes = LLVMGetBufferStart(object);
    size_t size = LLVMGetBufferSize(object);
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < size; i++) hash = (hash ^ (unsigned char)bytes[i]) * 16777619u;
    printf("obj bytes=%zu hash=%08x\n", size, hash);
    return 0;
}
