#include "compiler.h"

#include "headers.h"
#include "clang/Basic/TargetInfo.h"
#include "clang/Basic/Version.h"
#include "clang/Frontend/CompilerInstance.h"
#include "clang/Options/OptionUtils.h"
#include "clang/Lex/Preprocessor.h"
#include "llvm/ExecutionEngine/Orc/LLJIT.h"
#include "llvm/ExecutionEngine/Orc/Shared/ExecutorAddress.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/TargetParser/Host.h"
#include "llvm/TargetParser/Triple.h"
#include <dlfcn.h>

using namespace clang;

namespace linkjit {

namespace {

llvm::Error noAddresses() {
  return llvm::createStringError("the front end runs no code");
}

/// Stands where clang's interpreter would link and run code. Only the modules of headers named by options come here.
class NoExecutor : public IncrementalExecutor {
public:
  explicit NoExecutor(Objects &Made) : Made(Made) {}

  llvm::Error addModule(PartialTranslationUnit &Unit) override {
    if (Unit.TheModule)
      Made.keepForLater(std::move(Unit.TheModule));
    return llvm::Error::success();
  }
  llvm::Error removeModule(PartialTranslationUnit &) override { return llvm::Error::success(); }
  llvm::Error runCtors() const override { return llvm::Error::success(); }
  llvm::Error cleanUp() override { return llvm::Error::success(); }
  llvm::Expected<llvm::orc::ExecutorAddr> getSymbolAddress(StringRef, SymbolNameKind) const override {
    return noAddresses();
  }
  llvm::Error LoadDynamicLibrary(const char *) override { return noAddresses(); }

private:
  Objects &Made;
};

/// The interpreter may only be made with consumers of one's own by those who derive from it.
class Parsing : public Interpreter {
public:
  Parsing(std::unique_ptr<CompilerInstance> Instance, llvm::Error &Failure,
          std::unique_ptr<IncrementalExecutorBuilder> Executor, std::unique_ptr<ASTConsumer> Consumer)
      : Interpreter(std::move(Instance), Failure, std::move(Executor), std::move(Consumer)) {}
};

/// The folder of the headers that belong to the clang we are linked with: it is beside the library, not beside us.
std::string resourceFolder() {
  Dl_info Library;
  if (!::dladdr(reinterpret_cast<void *>(&getClangFullVersion), &Library) || !Library.dli_fname)
    return {};
  llvm::SmallString<256> Real;
  if (llvm::sys::fs::real_path(Library.dli_fname, Real))
    return {};
  std::string Beside = GetResourcesPath(Real);
  if (llvm::sys::fs::is_directory(Beside))
    return Beside;
  // Debian has the library in the system's folder, and the headers in LLVM's own.
  return LINKJIT_LLVM_LIBDIR "/clang/" CLANG_VERSION_MAJOR_STRING;
}

bool isMicrosofts(const Options &Wanted) { return llvm::Triple(Wanted.Target).isWindowsMSVCEnvironment(); }

std::vector<std::string> argumentsOf(const Options &Wanted) {
  std::vector<std::string> Arguments = {
      "-resource-dir=" + resourceFolder(),
      // Documentation is shown of comments of any kind.
      "-fparse-all-comments", "-fretain-comments-from-system-headers",
      // A statement that is no use to a program shows a value here.
      "-Wno-unused-value", "-Wno-unused-result",
      // Macros are redefined as all else.
      "-Wno-macro-redefined",
      // The session says in which line an input was ended.
      "-gline-tables-only", "-gdwarf"};
  auto IsGiven = [&](StringRef Prefix) {
    return llvm::any_of(Wanted.OfClang, [&](StringRef Each) { return Each.starts_with(Prefix); });
  };
  if (Wanted.IsC)
    Arguments.push_back("-xc");
  else if (!IsGiven("-std="))
    Arguments.push_back("-std=c++20");
  bool IsMicrosofts = isMicrosofts(Wanted);
  if (IsMicrosofts) {
    Arguments.insert(Arguments.end(), {"-fms-extensions", "-fms-compatibility", "-fexceptions"});
    if (!Wanted.IsC)
      Arguments.push_back("-fcxx-exceptions");
    // Headers declare what is in the runtime's DLLs, which the executor has.
    Arguments.push_back("-fms-runtime-lib=dll");
    // All processors that Windows runs on have it.
    if (llvm::Triple(Wanted.Target).getArch() == llvm::Triple::x86_64)
      Arguments.push_back("-mcx16");
  }
  Arguments.insert(Arguments.end(), Wanted.OfClang.begin(), Wanted.OfClang.end());
  if (!Wanted.Headers.empty())
    Arguments.insert(Arguments.end(), {"-include-pch", Wanted.Headers});
  if (IsMicrosofts) {
    std::vector<std::string> Last = argumentsForHeaders();
    Arguments.insert(Arguments.end(), Last.begin(), Last.end());
  }
  return Arguments;
}

} // namespace

llvm::Expected<std::unique_ptr<CompilerInstance>> makeInstance(const Options &Wanted) {
  // Clang keeps pointers to its arguments.
  static std::vector<std::string> Arguments;
  Arguments = argumentsOf(Wanted);
  std::vector<const char *> Pointers;
  for (const std::string &Argument : Arguments)
    Pointers.push_back(Argument.c_str());
  IncrementalCompilerBuilder Builder;
  Builder.SetCompilerArgs(Pointers);
  if (!Wanted.Target.empty())
    Builder.SetTargetTriple(Wanted.Target);
  llvm::Expected<std::unique_ptr<CompilerInstance>> Instance = Builder.CreateCpp();
  if (Instance && isMicrosofts(Wanted))
    addOwnHeaders(**Instance);
  return Instance;
}

llvm::Expected<Compiler> Compiler::create(const Options &Wanted) {
  Compiler Made;
  Made.Hidden = std::make_unique<Hiding>();
  Made.Made = std::make_unique<Objects>(Wanted.HeadersAt);

  llvm::Expected<std::unique_ptr<CompilerInstance>> Instance = makeInstance(Wanted);
  if (!Instance)
    return Instance.takeError();
  CompilerInstance &Clang = **Instance;
  // A module is optimized when it is emitted: what is internal until then may be shared.
  Clang.getCodeGenOpts().DisableLLVMPasses = true;

  auto Executor = std::make_unique<IncrementalExecutorBuilder>();
  Executor->IE = std::make_unique<NoExecutor>(*Made.Made);
  auto Shown = std::make_unique<Values>(*Made.Hidden, *Made.Made);
  Made.Shown = Shown.get();
  llvm::Error Failure = llvm::Error::success();
  Made.Clang = std::make_unique<Parsing>(std::move(*Instance), Failure, std::move(Executor), std::move(Shown));
  if (Failure)
    return std::move(Failure);
  // The interpreter does not: variables of precompiled headers would not be initialized.
  if (ExternalASTSource *Precompiled = Clang.getASTContext().getExternalSource()) {
    Precompiled->StartTranslationUnit(&Clang.getASTConsumer());
    llvm::Expected<PartialTranslationUnit &> Unit = Made.Clang->Parse("");
    if (!Unit)
      return Unit.takeError();
    if (Unit->TheModule)
      Made.Made->keepForLater(std::move(Unit->TheModule));
  }
  Made.Shown->attach(Clang);

  Made.Reports = new Diagnostics(Wanted.IsColored);
  Clang.getDiagnostics().setClient(Made.Reports, /*ShouldOwnClient=*/true);
  Made.Reports->BeginSourceFile(Clang.getLangOpts(), &Clang.getPreprocessor());
  Made.Reports->attach(Clang.getPreprocessor());
  if (isMicrosofts(Wanted))
    Made.Reports->Advice = adviceOnHeaders();
  Made.Reports->OnRedefinition = [&Clang, Names = Made.Hidden.get()](SourceLocation Place) {
    Names->noteRedefinition(Clang.getSema(), Place);
  };
  return Made;
}

} // namespace linkjit
