#include "objects.h"

#include "clang/CodeGen/BackendUtil.h"
#include "clang/Basic/TargetInfo.h"
#include "clang/Frontend/CompilerInstance.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SmallPtrSet.h"
#include "llvm/Demangle/Demangle.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/DebugInfo.h"
#include "llvm/IR/DiagnosticInfo.h"
#include "llvm/IR/DiagnosticPrinter.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/Mangler.h"
#include "llvm/IR/Module.h"
#include "llvm/Linker/Linker.h"

using namespace clang;

namespace linkjit {

namespace {

/// The number of inputs whose functions can be listed.
constexpr size_t MostListed = 32;

/// A frame may have no more bytes than 256 MiB, and has diagnostics, too.
constexpr size_t MostBytes = 255u << 20;

std::string symbolOf(const llvm::GlobalValue &Value) {
  llvm::SmallString<64> Symbol;
  llvm::Mangler().getNameWithPrefix(Symbol, &Value, /*CannotUsePrivateLabel=*/false);
  return std::string(Symbol);
}

/// True for entities that the language names: later inputs can refer to them. The compiler's own helpers are not.
bool isNamedByLanguage(StringRef Name) {
  bool IsMangled = Name.starts_with("_Z") || Name.starts_with("?");
  // Those of C, and static variables in Microsoft's ABI.
  bool IsPlain = !Name.contains('.') && !Name.starts_with("__") && !Name.starts_with("_GLOBAL__");
  return IsMangled || IsPlain;
}

struct Initializer {
  uint64_t Priority;
  llvm::Function *Function;
  /// The variable whose group the initializer belongs to, if it may be in several modules.
  const llvm::GlobalValue *Variable;
};

/// Takes the initializers out of a module, in the order in which they run.
std::vector<Initializer> takeInitializers(llvm::Module &Module) {
  std::vector<Initializer> Found;
  llvm::GlobalVariable *List = Module.getGlobalVariable("llvm.global_ctors");
  if (!List)
    return Found;
  if (auto *Array = dyn_cast_or_null<llvm::ConstantArray>(List->getInitializer()))
    for (const llvm::Use &Operand : Array->operands()) {
      auto *Entry = dyn_cast<llvm::ConstantStruct>(Operand);
      auto *Function = Entry ? dyn_cast<llvm::Function>(Entry->getOperand(1)->stripPointerCasts()) : nullptr;
      auto *Priority = Entry ? dyn_cast<llvm::ConstantInt>(Entry->getOperand(0)) : nullptr;
      if (Function && Priority)
        Found.push_back({Priority->getZExtValue(), Function,
                         dyn_cast<llvm::GlobalValue>(Entry->getOperand(2)->stripPointerCasts())});
    }
  List->eraseFromParent();
  llvm::stable_sort(Found, [](const Initializer &A, const Initializer &B) { return A.Priority < B.Priority; });
  return Found;
}

/// Makes a definition a declaration.
void dropDefinition(llvm::GlobalObject &Value) {
  if (auto *Function = dyn_cast<llvm::Function>(&Value)) {
    Function->deleteBody();
    Function->setPersonalityFn(nullptr);
  } else if (auto *Variable = dyn_cast<llvm::GlobalVariable>(&Value)) {
    Variable->setInitializer(nullptr);
  }
  Value.setComdat(nullptr);
  Value.setLinkage(llvm::GlobalValue::ExternalLinkage);
}

/// Errors of the code generator, as of inline assembly.
void collectErrors(const llvm::DiagnosticInfo *Info, void *Errors) {
  if (Info->getSeverity() != llvm::DS_Error)
    return;
  llvm::raw_string_ostream Stream(*static_cast<std::string *>(Errors));
  llvm::DiagnosticPrinterRawOStream Printer(Stream);
  Stream << "error: ";
  Info->print(Printer);
  Stream << '\n';
}

/// Returns whether somebody may refer to something of a module when its entry has run: anything but the code of statements,
/// for addresses of constants and functions may be kept.
bool lasts(const llvm::Module &Module, const llvm::Function *Entry) {
  auto IsOfStatements = [&](const llvm::GlobalObject &Each) {
    bool IsRun = Each.getName().starts_with("__stmts__") || Each.getName().starts_with("_GLOBAL__");
    return Each.isDeclarationForLinker() || &Each == Entry || (isa<llvm::Function>(Each) && IsRun);
  };
  return !llvm::all_of(Module.global_objects(), IsOfStatements) || !Module.alias_empty() || !Module.ifunc_empty() ||
         !Module.getModuleInlineAsm().empty();
}

std::string emit(CompilerInstance &Compiler, llvm::Module &Module, std::string &Errors) {
  llvm::SmallString<0> Bytes;
  Module.getContext().setDiagnosticHandlerCallBack(collectErrors, &Errors);
  CodeGenOptions Options = Compiler.getCodeGenOpts();
  Options.DisableLLVMPasses = false;
  emitBackendOutput(Compiler, Options, Compiler.getTarget().getDataLayoutString(), &Module,
                    Backend_EmitObj, Compiler.getFileManager().getVirtualFileSystemPtr(),
                    std::make_unique<llvm::raw_svector_ostream>(Bytes));
  Module.getContext().setDiagnosticHandlerCallBack(nullptr);
  return std::string(Bytes);
}

} // namespace

/// Gives internal entities to all inputs: clang makes them anew in each input that uses them, where their variables
/// would begin anew, too. The first definition stays, and the others become references to it.
void Objects::shareInternals(llvm::Module &Module) {
  for (llvm::GlobalObject &Value : Module.global_objects()) {
    if (Value.isDeclaration() || !Value.hasInternalLinkage() || !isNamedByLanguage(Value.getName()))
      continue;
    if (Shared.insert(Value.getName()).second)
      Value.setLinkage(llvm::GlobalValue::ExternalLinkage);
    else
      dropDefinition(Value);
  }
}

/// Leaves inline functions and instances of templates to the first input that has them: compiling them takes more time than
/// all else, and code that is compiled only once can be forgotten with its input. Optimizers may still look at them, but not
/// drop them from the first object.
void Objects::shareInlines(llvm::Module &Module) {
  for (llvm::Function &Function : Module) {
    bool IsAlone = !Function.hasComdat() || Function.getComdat()->getName() == Function.getName();
    if (Function.isDeclaration() || !Function.hasLinkOnceODRLinkage() || !IsAlone)
      continue;
    if (Inlines.insert(Function.getName()).second) {
      Function.setLinkage(llvm::GlobalValue::WeakODRLinkage);
    } else {
      Function.setComdat(nullptr);
      Function.setLinkage(llvm::GlobalValue::AvailableExternallyLinkage);
    }
  }
}

/// Makes the function that calls all initializers, among them the statements, after another function if there is one.
llvm::Function *Objects::makeEntry(llvm::Module &Module, unsigned Serial, llvm::Function *First) {
  std::vector<Initializer> Initializers = takeInitializers(Module);
  llvm::erase_if(Initializers, [&](const Initializer &Each) {
    return Each.Variable && !Initialized.insert(Each.Variable->getName()).second;
  });
  if (First)
    Initializers.insert(Initializers.begin(), {0, First, nullptr});
  if (Initializers.empty())
    return nullptr;
  auto *Type = llvm::FunctionType::get(llvm::Type::getVoidTy(Module.getContext()), false);
  auto *Entry = llvm::Function::Create(Type, llvm::GlobalValue::ExternalLinkage,
                                       "__linkjit_input_" + llvm::Twine(Serial), Module);
  // The attributes that let exceptions pass through the initializers let them pass through their caller.
  Entry->setAttributes(Initializers.back().Function->getAttributes());
  Entry->removeFnAttr(llvm::Attribute::NoUnwind);
  // Functions without names for others come behind it: it is what the session can find them by.
  Entry->removeFromParent();
  Module.getFunctionList().push_front(Entry);
  if (!Module.getTargetTriple().isOSWindows())
    Entry->setPersonalityFn(cast<llvm::Constant>(Module.getOrInsertFunction("__linkjit_repl_personality", Type).getCallee()));
  llvm::IRBuilder<> Code(llvm::BasicBlock::Create(Module.getContext(), "", Entry));
  // The prelude notes which input has shown a value.
  Code.CreateStore(Code.getInt32(Serial), Module.getOrInsertGlobal("__linkjit_repl_serial", Code.getInt32Ty()));
  for (const Initializer &Each : Initializers)
    Code.CreateCall(Each.Function);
  Code.CreateRetVoid();
  return Entry;
}

Object Objects::compile(CompilerInstance &Compiler, std::unique_ptr<llvm::Module> Module, unsigned Number,
                        unsigned Serial, bool IsReplayed) {
  Object Made;
  while (Number >= HeadersAt && !Early.empty()) {
    std::unique_ptr<llvm::Module> First = std::move(Early.back());
    Early.pop_back();
    if (llvm::Linker::linkModules(*First, std::move(Module))) {
      Made.Errors = "error: the headers named by options don't fit the input\n";
      return Made;
    }
    Module = std::move(First);
  }
  shareInternals(*Module);
  shareInlines(*Module);
  Instantiated.declare(Compiler.getASTContext(), Inlines);
  std::vector<Redirection::Change> Changes = Redirected.apply(*Module);
  std::string Undo = "__linkjit_undo_" + std::to_string(Serial);
  llvm::Function *First = Changes.empty() ? nullptr : Redirection::makeFunctions(*Module, Changes, Undo);
  llvm::Function *Entry = makeEntry(*Module, Serial, First);
  bool IsEmpty = llvm::all_of(Module->global_objects(), [](const llvm::GlobalObject &Each) { return Each.isDeclaration(); }) &&
                 Module->alias_empty() && Module->ifunc_empty() && Module->getModuleInlineAsm().empty();
  if (IsReplayed || IsEmpty)
    return Made;
  if (Entry)
    Made.Entry = symbolOf(*Entry);
  if (First)
    Made.Undo = symbolOf(*Module->getFunction(Undo));
  Made.Lasts = lasts(*Module, Entry);
  Made.Bytes = emit(Compiler, *Module, Made.Errors);
  if (Made.Bytes.size() > MostBytes)
    Made.Errors = "error: the object of this input has " + std::to_string(Made.Bytes.size()) + " bytes, which is too many\n";
  keepForListings(std::move(Module), Made.Entry);
  return Made;
}

void Objects::keepForListings(std::unique_ptr<llvm::Module> Module, StringRef Entry) {
  bool HasFunctions = llvm::any_of(*Module, [&](const llvm::Function &Each) {
    return !Each.isDeclarationForLinker() && !Each.hasLocalLinkage() && Each.getName() != Entry;
  });
  if (!HasFunctions)
    return;
  Listed.push_back(std::move(Module));
  if (Listed.size() > MostListed)
    Listed.pop_front();
}

std::string Objects::listing(StringRef Name) {
  for (const std::unique_ptr<llvm::Module> &Module : llvm::reverse(Listed))
    for (llvm::Function &Function : *Module) {
      if (Function.isDeclaration() || Module->getFunction((Function.getName() + Redirection::BodySuffix).str()))
        continue;
      std::string Symbol = StringRef(symbolOf(Function)).split(Redirection::BodySuffix).first.str();
      StringRef Written = Function.getName().split(Redirection::BodySuffix).first;
      std::string Demangled = llvm::demangle(Symbol);
      // Microsoft's begin with the type.
      size_t At = StringRef(Demangled).find((Name + "(").str());
      bool IsSpelled = At == 0 || (At != StringRef::npos && Demangled[At - 1] == ' ');
      bool IsNamed = Name == Symbol || Name == Written || Name == Demangled || IsSpelled;
      if (!IsNamed)
        continue;
      llvm::stripDebugInfo(Function);
      std::string Text;
      llvm::raw_string_ostream(Text) << Function;
      return Text;
    }
  return {};
}

} // namespace linkjit
