#include "complete.h"

#include "clang/AST/ASTContext.h"
#include "clang/AST/Decl.h"
#include "clang/Frontend/CompilerInstance.h"
#include "clang/Interpreter/Interpreter.h"
#include "clang/Lex/Preprocessor.h"
#include "clang/Sema/CodeCompleteConsumer.h"
#include "clang/Sema/Sema.h"
#include "clang/Sema/SemaCodeCompletion.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringMap.h"

using namespace clang;

namespace linkjit {

namespace {

constexpr size_t MostItems = 1000;
constexpr const char *FileName = "/linkjit/completed";

CodeCompleteOptions optionsOfCompletion() {
  CodeCompleteOptions Options;
  Options.IncludeMacros = true;
  Options.IncludeGlobals = true;
  Options.IncludeNamespaceLevelDecls = true;
  return Options;
}

class Completing : public CodeCompleteConsumer {
public:
  Completing(size_t Offset, llvm::function_ref<void(const Completions &)> Reply)
      : CodeCompleteConsumer(optionsOfCompletion()), Offset(Offset), Reply(Reply),
        Info(std::make_shared<GlobalCodeCompletionAllocator>()) {}

  void ProcessCodeCompleteResults(Sema &S, CodeCompletionContext Context, CodeCompletionResult *Results,
                                  unsigned Count) override;
  CodeCompletionAllocator &getAllocator() override { return Info.getAllocator(); }
  CodeCompletionTUInfo &getCodeCompletionTUInfo() override { return Info; }

private:
  size_t Offset;
  llvm::function_ref<void(const Completions &)> Reply;
  CodeCompletionTUInfo Info;
};

/// The text to insert, and the declaration around it: `int size() const`.
Completion itemOf(const CodeCompletionString &Described) {
  Completion Item;
  std::string Result;
  for (const CodeCompletionString::Chunk &Chunk : Described) {
    switch (Chunk.Kind) {
    case CodeCompletionString::CK_TypedText:
      Item.Text += Chunk.Text;
      Item.Detail += Chunk.Text;
      break;
    case CodeCompletionString::CK_ResultType:
      Result = Chunk.Text;
      break;
    case CodeCompletionString::CK_Optional:
      Item.Detail += "...";
      break;
    case CodeCompletionString::CK_VerticalSpace:
      Item.Detail += ' ';
      break;
    default:
      if (Chunk.Text)
        Item.Detail += Chunk.Text;
    }
  }
  if (!Result.empty())
    Item.Detail = Result + " " + Item.Detail;
  if (Item.Detail == Item.Text)
    Item.Detail.clear();
  return Item;
}

bool isReserved(StringRef Name) {
  return Name.starts_with("__") || (Name.size() > 1 && Name[0] == '_' && isUppercase(Name[1]));
}

void Completing::ProcessCodeCompleteResults(Sema &S, CodeCompletionContext Context, CodeCompletionResult *Results,
                                            unsigned Count) {
  StringRef Prefix = S.getPreprocessor().getCodeCompletionFilter();
  std::vector<std::pair<unsigned, Completion>> Found;
  llvm::StringMap<size_t> Known;
  for (CodeCompletionResult &Result : llvm::MutableArrayRef(Results, Count)) {
    if (Result.Availability == CXAvailability_NotAccessible || Result.Hidden)
      continue;
    auto *Described = Result.CreateCodeCompletionString(S, Context, getAllocator(), Info, /*IncludeBriefComments=*/false);
    Completion Item = itemOf(*Described);
    StringRef Text = Item.Text;
    if (!Text.starts_with(Prefix) || Text.empty() || (isReserved(Text) && !Prefix.starts_with("_")))
      continue;
    // Overloads complete to the same text; the first stands for all.
    if (Known.try_emplace(Text, Found.size()).second)
      Found.emplace_back(Result.Priority, std::move(Item));
  }
  llvm::stable_sort(Found, [](const auto &A, const auto &B) {
    return std::tie(A.first, A.second.Text) < std::tie(B.first, B.second.Text);
  });
  Completions All;
  All.Start = Offset - std::min(Offset, Prefix.size());
  for (auto &Each : llvm::MutableArrayRef(Found).take_front(MostItems))
    All.Items.push_back(std::move(Each.second));
  Reply(All);
}

} // namespace

void complete(Interpreter &Clang, StringRef Text, size_t Offset, llvm::function_ref<void(const Completions &)> Reply) {
  CompilerInstance &Compiler = *Clang.getCompilerInstance();
  Offset = std::min(Offset, Text.size());
  StringRef Before = Text.take_front(Offset);
  // Clang completes in files only, so the text becomes one that the input includes.
  FileEntryRef File = Compiler.getFileManager().getVirtualFileRef(FileName, static_cast<off_t>(Before.size()), 0);
  Compiler.getSourceManager().overrideFileContents(File, llvm::MemoryBuffer::getMemBufferCopy(Before, FileName));
  unsigned Line = 1 + static_cast<unsigned>(Before.count('\n'));
  size_t LastLine = Before.rfind('\n') == StringRef::npos ? 0 : Before.rfind('\n') + 1;
  Completing Consumer(Offset, Reply);
  Compiler.getSema().CodeCompletion().CodeCompleter = &Consumer;
  auto Column = static_cast<unsigned>(Offset - LastLine + 1);
  if (!Compiler.getPreprocessor().SetCodeCompletionPoint(File, Line, Column))
    llvm::consumeError(Clang.Parse("#include \"" + std::string(FileName) + "\"\n").takeError());
}

} // namespace linkjit
