#include "diagnostics.h"

#include "clang/Basic/DiagnosticIDs.h"
#include "clang/Basic/DiagnosticLex.h"
#include "clang/Basic/DiagnosticSema.h"
#include "clang/Basic/SourceManager.h"
#include "clang/Lex/PPCallbacks.h"
#include "clang/Lex/Preprocessor.h"

using namespace clang;

namespace linkjit {

namespace {

constexpr unsigned MostErrors = 20;

/// Prints diagnostics without the file that holds all inputs.
class Printing : public TextDiagnostic {
public:
  using TextDiagnostic::TextDiagnostic;

protected:
  void emitIncludeLocation(FullSourceLoc Loc, PresumedLoc PLoc) override {
    if (!Loc.hasManager() || Loc.getFileID() != Loc.getManager().getMainFileID())
      TextDiagnostic::emitIncludeLocation(Loc, PLoc);
  }
};

/// True for errors that say that something was declared otherwise before; a note that names the place follows.
bool isRedefinition(unsigned Id) {
  switch (Id) {
  case diag::err_redefinition:
  case diag::err_conflicting_types:
  case diag::err_inline_decl_follows_def:
  case diag::err_tag_definition_of_typedef:
  case diag::err_redefinition_different_type:
  case diag::err_redefinition_different_kind:
  case diag::err_redefinition_different_typedef:
  case diag::err_redefinition_different_concept:
  case diag::err_redefinition_different_namespace_alias:
  case diag::err_redefinition_variably_modified_typedef:
  case diag::err_redefinition_of_enumerator:
  case diag::err_redefinition_extern_inline:
  case diag::err_redeclaration_different_type:
  case diag::err_ovl_diff_return_type:
  case diag::err_use_with_wrong_tag:
  case diag::err_enum_redeclare_fixed_mismatch:
  case diag::err_enum_redeclare_scoped_mismatch:
  case diag::err_enum_redeclare_type_mismatch:
  case diag::err_param_default_argument_redefinition:
  case diag::err_template_param_default_arg_redefinition:
  case diag::err_template_param_list_different_arity:
  case diag::err_template_param_different_kind:
  case diag::err_template_nontype_parm_different_type:
  case diag::err_constexpr_redecl_mismatch:
  case diag::err_static_non_static:
  case diag::err_non_static_static:
  case diag::err_thread_non_thread:
  case diag::err_non_thread_thread:
  case diag::err_mismatched_exception_spec:
  case diag::err_missing_exception_specification:
  case diag::err_using_decl_conflict:
  case diag::err_using_decl_conflict_reverse:
    return true;
  default:
    return false;
  }
}

} // namespace

/// Follows the preprocessor into the files that are included by the file of all inputs: these are the inputs.
class Diagnostics::Inputs : public PPCallbacks {
public:
  Inputs(const SourceManager &Files, FileID &Input) : Files(Files), Input(Input) {}

  void FileChanged(SourceLocation Place, FileChangeReason Reason, SrcMgr::CharacteristicKind, FileID) override {
    if (Reason != EnterFile || !Place.isValid())
      return;
    FileID Entered = Files.getFileID(Place);
    if (Files.getFileID(Files.getIncludeLoc(Entered)) == Files.getMainFileID())
      Input = Entered;
  }

private:
  const SourceManager &Files;
  FileID &Input;
};

Diagnostics::Diagnostics(bool IsColored) : Stream(Text) {
  Options.ShowColors = IsColored;
  Options.ShowPresumedLoc = true;
  Stream.enable_colors(IsColored);
}

void Diagnostics::attach(Preprocessor &PP) {
  PP.addPPCallbacks(std::make_unique<Inputs>(PP.getSourceManager(), Input));
}

void Diagnostics::begin(std::optional<OpenBracket> OpenAtEnd) { Open = OpenAtEnd; }

std::string Diagnostics::takeText() {
  std::string Taken;
  std::swap(Taken, Text);
  return Taken;
}

void Diagnostics::refuse(StringRef Why) {
  TextDiagnostic::printDiagnosticLevel(Stream, DiagnosticsEngine::Error, Options.ShowColors);
  TextDiagnostic::printDiagnosticMessage(Stream, /*IsSupplemental=*/false, Why, 0, 0, Options.ShowColors);
}

void Diagnostics::BeginSourceFile(const LangOptions &Language, const Preprocessor *PP) {
  Printer = std::make_unique<Printing>(Stream, Language, Options, PP);
}

void Diagnostics::EndSourceFile() { Printer.reset(); }

void Diagnostics::HandleDiagnostic(DiagnosticsEngine::Level Level, const Diagnostic &Info) {
  DiagnosticConsumer::HandleDiagnostic(Level, Info);
  bool IsNote = Level == DiagnosticsEngine::Note;
  // The statement that shows a value is checked as a part of another one, too.
  if (!IsNote)
    IsOld = isRepeated(Info);
  if (!IsOld)
    render(Level, Info);
  if (!IsOld && Info.getID() == diag::err_pp_file_not_found)
    advise(Info);
  judge(Level, Info);
  // After a missing header, clang reports nothing any more, so it would be too late to notice that it doesn't get on.
  if (Level >= DiagnosticsEngine::Error && IsOld && OnStuck)
    OnStuck();
  if ((Errors >= MostErrors || Info.getID() == diag::err_pp_file_not_found) && OnStuck)
    OnStuck();
}

/// Says where headers may come from, if one of the system is missing.
void Diagnostics::advise(const Diagnostic &Info) {
  bool IsKnown = !Advice.empty() && Info.hasSourceManager() && Info.getLocation().isFileID();
  if (!IsKnown || Info.getSourceManager().getCharacterData(Info.getLocation())[0] != '<')
    return;
  TextDiagnostic::printDiagnosticLevel(Stream, DiagnosticsEngine::Note, Options.ShowColors);
  TextDiagnostic::printDiagnosticMessage(Stream, /*IsSupplemental=*/true, Advice, 0, 0, Options.ShowColors);
}

/// True if the same error was reported at the same place before.
bool Diagnostics::isRepeated(const Diagnostic &Info) {
  return !Reported.insert({Info.getID(), Info.getLocation().getRawEncoding()}).second;
}

void Diagnostics::render(DiagnosticsEngine::Level Level, const Diagnostic &Info) {
  llvm::SmallString<128> Message;
  Info.FormatDiagnostic(Message);
  StringRef Flag = DiagnosticIDs{}.getWarningOptionForDiag(Info.getID());
  if (Level == DiagnosticsEngine::Warning && !Flag.empty())
    Message += (" [-W" + Flag + "]").str();
  if (!Printer || Info.getLocation().isInvalid() || !Info.hasSourceManager()) {
    TextDiagnostic::printDiagnosticLevel(Stream, Level, Options.ShowColors);
    TextDiagnostic::printDiagnosticMessage(Stream, Level == DiagnosticsEngine::Note, Message, 0, 0, Options.ShowColors);
    return;
  }
  const SourceManager &Files = Info.getSourceManager();
  if (IsOpenReported && Level == DiagnosticsEngine::Note)
    return;
  if (Files.getFileID(Info.getLocation()) == Files.getMainFileID() && Input.isValid())
    return reportEnd(Level, Message, Files);
  Printer->emitDiagnostic(FullSourceLoc(Info.getLocation(), Files), Level, Message, Info.getRanges(),
                          Info.getFixItHints(), &Info);
}

/// Reports an error at the end of the input; clang knows no place for it.
void Diagnostics::reportEnd(DiagnosticsEngine::Level Level, StringRef Message, const SourceManager &Files) {
  FullSourceLoc End(Files.getLocForEndOfFile(Input).getLocWithOffset(-1), Files);
  if (!Open)
    return Printer->emitDiagnostic(End, Level, Message, {}, {});
  // All else that clang says of the end follows from that.
  if (IsOpenReported)
    return;
  IsOpenReported = true;
  Printer->emitDiagnostic(End, Level, ("expected '" + llvm::Twine(Open->Closing) + "'").str(), {}, {});
  auto BeforeText = static_cast<int>(Files.getFileIDSize(Input) - 1 - Open->FromEnd);
  FullSourceLoc Begin(Files.getLocForStartOfFile(Input).getLocWithOffset(BeforeText), Files);
  Printer->emitDiagnostic(Begin, DiagnosticsEngine::Note, ("to match this '" + llvm::Twine(Open->Opening) + "'").str(), {},
                          {});
}

void Diagnostics::judge(DiagnosticsEngine::Level Level, const Diagnostic &Info) {
  if (Level == DiagnosticsEngine::Note) {
    // What stands in the same input was not declared earlier.
    bool IsEarlier = IsRedefinition && Input.isValid() && Info.hasSourceManager() &&
                     Info.getLocation() < Info.getSourceManager().getLocForStartOfFile(Input);
    IsRedefinition = false;
    if (IsEarlier && OnRedefinition)
      OnRedefinition(Info.getLocation());
    return;
  }
  if (Level < DiagnosticsEngine::Error)
    return;
  ++Errors;
  IsRedefinition = isRedefinition(Info.getID());
}

} // namespace linkjit
