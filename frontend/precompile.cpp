#include "precompile.h"

#include "places.h"
#include "clang/Frontend/CompilerInstance.h"
#include "clang/Frontend/FrontendActions.h"
#include "clang/Frontend/MultiplexConsumer.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/raw_ostream.h"
#include <unistd.h>

using namespace clang;

namespace linkjit {

namespace {

/// Leaves out the lines of system headers, as in other inputs.
class Marking : public ASTConsumer {
  bool HandleTopLevelDecl(DeclGroupRef Group) override {
    leaveOutLines(Group);
    return true;
  }
};

/// Generates the file, and notes what it depends on.
class Precompiling : public GeneratePCHAction {
public:
  std::string Files;

protected:
  std::unique_ptr<ASTConsumer> CreateASTConsumer(CompilerInstance &Compiler, llvm::StringRef Input) override {
    std::vector<std::unique_ptr<ASTConsumer>> Consumers;
    Consumers.push_back(std::make_unique<Marking>());
    Consumers.push_back(GeneratePCHAction::CreateASTConsumer(Compiler, Input));
    return Consumers.back() ? std::make_unique<MultiplexConsumer>(std::move(Consumers)) : nullptr;
  }

  void EndSourceFileAction() override {
    const SourceManager &Sources = getCompilerInstance().getSourceManager();
    for (auto Each = Sources.fileinfo_begin(); Each != Sources.fileinfo_end(); ++Each) {
      llvm::SmallString<256> Path(Each->first.getName());
      llvm::sys::fs::make_absolute(Path);
      // Others are our own.
      if (llvm::sys::fs::exists(Path))
        Files += (Path + "\n").str();
    }
    GeneratePCHAction::EndSourceFileAction();
  }
};

bool write(llvm::StringRef Path, llvm::StringRef Text) {
  std::error_code Failure;
  llvm::raw_fd_ostream Stream(Path, Failure);
  if (Failure)
    return false;
  Stream << Text;
  Stream.close();
  return !Stream.has_error();
}

} // namespace

bool precompile(const Options &Wanted, llvm::StringRef Path) {
  llvm::ErrorOr<std::unique_ptr<llvm::MemoryBuffer>> Headers = llvm::MemoryBuffer::getSTDIN();
  llvm::Expected<std::unique_ptr<CompilerInstance>> Instance = makeInstance(Wanted);
  if (!Headers || !Instance) {
    llvm::consumeError(Instance.takeError());
    return false;
  }
  CompilerInstance &Clang = **Instance;
  // Nobody sees a part of it.
  std::string Unfinished = (Path + ".new-" + std::to_string(::getpid())).str();
  InputKind Kind(Wanted.IsC ? Language::C : Language::CXX);
  FrontendOptions &How = Clang.getFrontendOpts();
  How.Inputs = {FrontendInputFile((*Headers)->getMemBufferRef(), Kind.getHeader())};
  How.OutputFile = Unfinished;
  How.ProgramAction = frontend::GeneratePCH;
  Clang.getDiagnostics().setClient(new IgnoringDiagConsumer, /*ShouldOwnClient=*/true);
  Precompiling Action;
  bool IsMade = Clang.ExecuteAction(Action) && write((Path + ".files").str(), Action.Files) &&
                !llvm::sys::fs::rename(Unfinished, Path);
  if (!IsMade)
    llvm::sys::fs::remove(Unfinished);
  return IsMade;
}

} // namespace linkjit
