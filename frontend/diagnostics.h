// Diagnostics as text for the user, and as a judgement: is the input merely a redefinition, and does clang get on?
#ifndef LINKJIT_FRONTEND_DIAGNOSTICS_H
#define LINKJIT_FRONTEND_DIAGNOSTICS_H

#include "text.h"
#include "clang/Basic/Diagnostic.h"
#include "clang/Basic/SourceLocation.h"
#include "clang/Frontend/TextDiagnostic.h"
#include "llvm/ADT/DenseSet.h"
#include "llvm/Support/raw_ostream.h"
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace linkjit {

class Diagnostics : public clang::DiagnosticConsumer {
public:
  Diagnostics(bool IsColored);

  /// Prepares for an input. If a bracket is open at its end, that is what is wrong with the end.
  void begin(std::optional<OpenBracket> Open);

  /// Called with the place of a declaration that the input repeats, while clang still knows it.
  std::function<void(clang::SourceLocation)> OnRedefinition;

  /// Called when clang can't be expected to come to an end: some broken inputs have its parser report the same error
  /// for ever.
  std::function<void()> OnStuck;

  /// What to do about a header of the system that is missing; empty if nothing can be done.
  std::string Advice;

  /// The text of what was reported since the last call.
  std::string takeText();

  /// Reports an error that clang does not know.
  void refuse(llvm::StringRef Why);

  /// True if the input is not whole.
  bool isCutShort() const { return IsOpenReported; }

  bool hasErrors() const { return Errors != 0; }

  /// Watches which file holds the input.
  void attach(clang::Preprocessor &PP);

  void BeginSourceFile(const clang::LangOptions &Options, const clang::Preprocessor *PP) override;
  void EndSourceFile() override;
  void HandleDiagnostic(clang::DiagnosticsEngine::Level Level, const clang::Diagnostic &Info) override;

private:
  class Inputs;

  bool isRepeated(const clang::Diagnostic &Info);
  void reportEnd(clang::DiagnosticsEngine::Level Level, llvm::StringRef Message, const clang::SourceManager &Files);
  void judge(clang::DiagnosticsEngine::Level Level, const clang::Diagnostic &Info);
  void advise(const clang::Diagnostic &Info);
  void render(clang::DiagnosticsEngine::Level Level, const clang::Diagnostic &Info);

  std::string Text;
  llvm::raw_string_ostream Stream;
  clang::DiagnosticOptions Options;
  std::unique_ptr<clang::TextDiagnostic> Printer;
  unsigned Errors = 0;
  bool IsRedefinition = false;
  bool IsOpenReported = false;
  /// The last diagnostic, whose notes may follow, was reported before.
  bool IsOld = false;
  std::optional<OpenBracket> Open;
  clang::FileID Input;
  llvm::DenseSet<std::pair<unsigned, unsigned>> Reported;
};

} // namespace linkjit

#endif
