//! The functions of LLVM's C API that are used, as the headers in `llvm-c/` declare them.

use std::ffi::{c_char, c_int, c_uint, c_void};
use std::ptr::NonNull;

use libloading::Library;

macro_rules! opaque {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[repr(C)]
        pub(super) struct $name {
            _private: [u8; 0],
        }
    )*};
}

opaque! {
    /// `LLVMContextRef`
    LlvmContext;
    /// `LLVMModuleRef`
    LlvmModule;
    /// `LLVMValueRef`
    LlvmValue;
    /// `LLVMTypeRef`
    LlvmType;
    /// `LLVMMetadataRef`
    LlvmMetadata;
    /// `LLVMComdatRef`
    LlvmComdat;
    /// `LLVMMemoryBufferRef`
    LlvmMemoryBuffer;
    /// `LLVMDiagnosticInfoRef`
    LlvmDiagnosticInfo;
    /// `LLVMTargetRef`
    LlvmTarget;
    /// `LLVMTargetMachineRef`
    LlvmTargetMachine;
    /// `LLVMTargetDataRef`
    LlvmTargetData;
    /// `LLVMPassBuilderOptionsRef`
    LlvmPassBuilderOptions;
    /// `LLVMErrorRef`
    LlvmError;
}

/// A pointer that may be null.
pub(super) type Ref<T> = Option<NonNull<T>>;
/// A string of LLVM's, which `dispose_message` frees.
pub(super) type Message = Ref<c_char>;
pub(super) type DiagnosticHandler = extern "C" fn(Ref<LlvmDiagnosticInfo>, *const c_void);
pub(super) type FatalErrorHandler = extern "C" fn(*const c_char);

macro_rules! functions {
    ($($field:ident = $symbol:literal ($($argument:ty),*) $(-> $result:ty)?;)*) => {
        /// The functions that all versions have which can be used. Those that return no [`Ref`] make something with
        /// C++'s `new`, which returns no null.
        pub(super) struct Functions {
            $(pub(super) $field: unsafe extern "C" fn($($argument),*) $(-> $result)?,)*
        }

        impl Functions {
            /// Looks up all functions; the error is the name of one that is missing.
            pub(super) fn load(library: &Library) -> Result<Self, &'static str> {
                $(
                    // SAFETY: the type is what LLVM's header declares for this name, in all versions since the oldest
                    // that is accepted.
                    let $field = *unsafe {
                        library.get::<unsafe extern "C" fn($($argument),*) $(-> $result)?>($symbol)
                    }.map_err(|_| $symbol)?;
                )*
                Ok(Self { $($field,)* })
            }
        }
    };
}

functions! {
    // Core.h
    get_version = "LLVMGetVersion" (*mut c_uint, *mut c_uint, *mut c_uint);
    dispose_message = "LLVMDisposeMessage" (NonNull<c_char>);
    context_create = "LLVMContextCreate" () -> NonNull<LlvmContext>;
    context_dispose = "LLVMContextDispose" (NonNull<LlvmContext>);
    context_set_diagnostic_handler = "LLVMContextSetDiagnosticHandler"
        (NonNull<LlvmContext>, DiagnosticHandler, *const c_void);
    get_diagnostic_description = "LLVMGetDiagInfoDescription" (NonNull<LlvmDiagnosticInfo>) -> Message;
    get_diagnostic_severity = "LLVMGetDiagInfoSeverity" (NonNull<LlvmDiagnosticInfo>) -> c_int;
    create_memory_buffer = "LLVMCreateMemoryBufferWithMemoryRangeCopy"
        (*const u8, usize, *const c_char) -> NonNull<LlvmMemoryBuffer>;
    get_buffer_start = "LLVMGetBufferStart" (NonNull<LlvmMemoryBuffer>) -> *const u8;
    get_buffer_size = "LLVMGetBufferSize" (NonNull<LlvmMemoryBuffer>) -> usize;
    dispose_memory_buffer = "LLVMDisposeMemoryBuffer" (NonNull<LlvmMemoryBuffer>);
    dispose_module = "LLVMDisposeModule" (NonNull<LlvmModule>);
    get_triple = "LLVMGetTarget" (NonNull<LlvmModule>) -> *const c_char;
    set_triple = "LLVMSetTarget" (NonNull<LlvmModule>, *const c_char);
    print_module = "LLVMPrintModuleToString" (NonNull<LlvmModule>) -> Message;
    get_first_function = "LLVMGetFirstFunction" (NonNull<LlvmModule>) -> Ref<LlvmValue>;
    get_next_function = "LLVMGetNextFunction" (NonNull<LlvmValue>) -> Ref<LlvmValue>;
    get_first_global = "LLVMGetFirstGlobal" (NonNull<LlvmModule>) -> Ref<LlvmValue>;
    get_next_global = "LLVMGetNextGlobal" (NonNull<LlvmValue>) -> Ref<LlvmValue>;
    get_value_name = "LLVMGetValueName2" (NonNull<LlvmValue>, *mut usize) -> *const u8;
    get_linkage = "LLVMGetLinkage" (NonNull<LlvmValue>) -> c_int;
    is_declaration = "LLVMIsDeclaration" (NonNull<LlvmValue>) -> c_int;
    is_thread_local = "LLVMIsThreadLocal" (NonNull<LlvmValue>) -> c_int;
    is_global_constant = "LLVMIsGlobalConstant" (NonNull<LlvmValue>) -> c_int;
    is_null = "LLVMIsNull" (NonNull<LlvmValue>) -> c_int;
    get_initializer = "LLVMGetInitializer" (NonNull<LlvmValue>) -> Ref<LlvmValue>;
    get_section = "LLVMGetSection" (NonNull<LlvmValue>) -> *const c_char;
    set_section = "LLVMSetSection" (NonNull<LlvmValue>, *const c_char);
    named_metadata_count = "LLVMGetNamedMetadataNumOperands" (NonNull<LlvmModule>, *const c_char) -> c_uint;
    named_metadata = "LLVMGetNamedMetadataOperands" (NonNull<LlvmModule>, *const c_char, *mut Ref<LlvmValue>);
    node_count = "LLVMGetMDNodeNumOperands" (NonNull<LlvmValue>) -> c_uint;
    node_operands = "LLVMGetMDNodeOperands" (NonNull<LlvmValue>, *mut Ref<LlvmValue>);
    node_replace = "LLVMReplaceMDNodeOperandWith" (NonNull<LlvmValue>, c_uint, NonNull<LlvmMetadata>);
    metadata_string = "LLVMGetMDString" (NonNull<LlvmValue>, *mut c_uint) -> *const u8;
    value_as_metadata = "LLVMValueAsMetadata" (NonNull<LlvmValue>) -> NonNull<LlvmMetadata>;
    type_of = "LLVMTypeOf" (NonNull<LlvmValue>) -> NonNull<LlvmType>;
    is_const_int = "LLVMIsAConstantInt" (NonNull<LlvmValue>) -> Ref<LlvmValue>;
    const_int_value = "LLVMConstIntGetZExtValue" (NonNull<LlvmValue>) -> u64;
    get_parent = "LLVMGetGlobalParent" (NonNull<LlvmValue>) -> NonNull<LlvmModule>;
    get_value_type = "LLVMGlobalGetValueType" (NonNull<LlvmValue>) -> NonNull<LlvmType>;
    const_null = "LLVMConstNull" (NonNull<LlvmType>) -> NonNull<LlvmValue>;
    get_named_global = "LLVMGetNamedGlobal" (NonNull<LlvmModule>, *const c_char) -> Ref<LlvmValue>;
    add_global = "LLVMAddGlobal" (NonNull<LlvmModule>, NonNull<LlvmType>, *const c_char) -> NonNull<LlvmValue>;
    delete_global = "LLVMDeleteGlobal" (NonNull<LlvmValue>);
    set_initializer = "LLVMSetInitializer" (NonNull<LlvmValue>, NonNull<LlvmValue>);
    set_linkage = "LLVMSetLinkage" (NonNull<LlvmValue>, c_int);
    is_global = "LLVMIsAGlobalObject" (NonNull<LlvmValue>) -> Ref<LlvmValue>;
    num_operands = "LLVMGetNumOperands" (NonNull<LlvmValue>) -> c_int;
    operand = "LLVMGetOperand" (NonNull<LlvmValue>, c_uint) -> Ref<LlvmValue>;
    // Comdat.h
    set_comdat = "LLVMSetComdat" (NonNull<LlvmValue>, NonNull<LlvmComdat>);
    get_comdat = "LLVMGetComdat" (NonNull<LlvmValue>) -> Ref<LlvmComdat>;
    // Analysis.h; the action is an enumeration, of which 2 is LLVMReturnStatusAction.
    verify_module = "LLVMVerifyModule" (NonNull<LlvmModule>, c_int, *mut Message) -> c_int;
    // ErrorHandling.h
    install_fatal_error_handler = "LLVMInstallFatalErrorHandler" (FatalErrorHandler);
    // Error.h
    get_error_message = "LLVMGetErrorMessage" (NonNull<LlvmError>) -> Message;
    dispose_error_message = "LLVMDisposeErrorMessage" (NonNull<c_char>);
    // TargetMachine.h
    get_default_triple = "LLVMGetDefaultTargetTriple" () -> Message;
    get_host_cpu = "LLVMGetHostCPUName" () -> Message;
    get_host_features = "LLVMGetHostCPUFeatures" () -> Message;
    get_target = "LLVMGetTargetFromTriple" (*const c_char, *mut Ref<LlvmTarget>, *mut Message) -> c_int;
    create_target_machine = "LLVMCreateTargetMachine"
        (NonNull<LlvmTarget>, *const c_char, *const c_char, *const c_char, c_int, c_int, c_int) -> Ref<LlvmTargetMachine>;
    dispose_target_machine = "LLVMDisposeTargetMachine" (NonNull<LlvmTargetMachine>);
    create_data_layout = "LLVMCreateTargetDataLayout" (NonNull<LlvmTargetMachine>) -> NonNull<LlvmTargetData>;
    // The file type is an enumeration, of which 1 is LLVMObjectFile.
    emit = "LLVMTargetMachineEmitToMemoryBuffer"
        (NonNull<LlvmTargetMachine>, NonNull<LlvmModule>, c_int, *mut Message, *mut Ref<LlvmMemoryBuffer>) -> c_int;
    // Target.h
    get_data_layout = "LLVMGetModuleDataLayout" (NonNull<LlvmModule>) -> NonNull<LlvmTargetData>;
    size_of_type = "LLVMABISizeOfType" (NonNull<LlvmTargetData>, NonNull<LlvmType>) -> u64;
    set_data_layout = "LLVMSetModuleDataLayout" (NonNull<LlvmModule>, NonNull<LlvmTargetData>);
    dispose_data_layout = "LLVMDisposeTargetData" (NonNull<LlvmTargetData>);
    // Transforms/PassBuilder.h
    create_pass_options = "LLVMCreatePassBuilderOptions" () -> NonNull<LlvmPassBuilderOptions>;
    set_loop_vectorization = "LLVMPassBuilderOptionsSetLoopVectorization" (NonNull<LlvmPassBuilderOptions>, c_int);
    set_slp_vectorization = "LLVMPassBuilderOptionsSetSLPVectorization" (NonNull<LlvmPassBuilderOptions>, c_int);
    dispose_pass_options = "LLVMDisposePassBuilderOptions" (NonNull<LlvmPassBuilderOptions>);
    run_passes = "LLVMRunPasses"
        (NonNull<LlvmModule>, *const c_char, NonNull<LlvmTargetMachine>, NonNull<LlvmPassBuilderOptions>) -> Ref<LlvmError>;
}

/// The function that parses IR. Later versions deprecate the first in favour of the second.
#[derive(Clone, Copy)]
pub(super) enum Parse {
    /// It takes the buffer over.
    Consuming(ParseFunction),
    /// The buffer is still the caller's.
    Borrowing(ParseFunction),
}

type ParseFunction =
    unsafe extern "C" fn(NonNull<LlvmContext>, NonNull<LlvmMemoryBuffer>, *mut Ref<LlvmModule>, *mut Message) -> c_int;

impl Parse {
    pub(super) fn load(library: &Library) -> Result<Self, &'static str> {
        let name = "LLVMParseIRInContext";
        // SAFETY: the type is what IRReader.h declares for the name.
        if let Ok(function) = unsafe { library.get::<ParseFunction>(name) } {
            return Ok(Self::Consuming(*function));
        }
        // SAFETY: as above.
        let function = unsafe { library.get::<ParseFunction>("LLVMParseIRInContext2") };
        function.map(|function| Self::Borrowing(*function)).map_err(|_| name)
    }
}

/// The back ends of LLVM that linkjit's users may want code of. A library has those that it was built with.
const TARGETS: &[&str] =
    &["X86", "AArch64", "ARM", "RISCV", "LoongArch", "PowerPC", "SystemZ", "Mips", "Sparc", "WebAssembly"];
const PARTS: &[&str] = &["TargetInfo", "Target", "TargetMC", "AsmPrinter", "AsmParser"];

/// Registers the back ends that the library has. Only one thread may do this at a time.
pub(super) fn initialize_targets(library: &Library) {
    for (target, part) in TARGETS.iter().flat_map(|target| PARTS.iter().map(move |part| (target, part))) {
        let name = format!("LLVMInitialize{target}{part}");
        // SAFETY: Target.h declares all of these so.
        let function = unsafe { library.get::<unsafe extern "C" fn()>(name.as_str()) };
        if let Ok(function) = function {
            // SAFETY: no other thread registers targets, since the caller has a lock.
            unsafe { function() };
        }
    }
}
