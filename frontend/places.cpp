#include "places.h"

#include "clang/AST/ASTContext.h"
#include "clang/AST/Attr.h"
#include "clang/AST/DeclFriend.h"
#include "clang/AST/DeclTemplate.h"
#include "clang/Basic/SourceManager.h"
#include "llvm/DebugInfo/DIContext.h"
#include "llvm/DebugInfo/DWARF/DWARFContext.h"
#include "llvm/Object/ObjectFile.h"
#include "llvm/Support/MemoryBuffer.h"

using namespace clang;

namespace linkjit {

namespace {

/// Marks a function, or those that are declared in something. Instances of templates take the mark with them.
void markFunctions(Decl *D) {
  if (auto *Friend = dyn_cast<FriendDecl>(D))
    D = Friend->getFriendDecl();
  if (auto *Template = dyn_cast_or_null<TemplateDecl>(D))
    D = Template->getTemplatedDecl();
  if (auto *Function = dyn_cast_or_null<FunctionDecl>(D))
    Function->addAttr(NoDebugAttr::CreateImplicit(Function->getASTContext()));
  else if (auto *Context = dyn_cast_or_null<DeclContext>(D))
    for (Decl *Each : Context->decls())
      markFunctions(Each);
}

/// A symbol that is defined in a section, and its address as the object counts.
struct Defined {
  llvm::StringRef Name;
  llvm::object::SectionedAddress Address;
  uint64_t SectionEnd;
  bool IsFunction;
};

std::vector<Defined> definedIn(const llvm::object::ObjectFile &File) {
  std::vector<Defined> Found;
  for (const llvm::object::SymbolRef &Each : File.symbols()) {
    llvm::Expected<llvm::StringRef> Name = Each.getName();
    llvm::Expected<uint64_t> Address = Each.getAddress();
    llvm::Expected<llvm::object::section_iterator> Section = Each.getSection();
    llvm::Expected<llvm::object::SymbolRef::Type> Type = Each.getType();
    if (Name && Address && Section && Type && *Section != File.section_end())
      Found.push_back({*Name, {*Address, (*Section)->getIndex()}, (*Section)->getAddress() + (*Section)->getSize(),
                       *Type == llvm::object::SymbolRef::ST_Function});
    llvm::consumeError(llvm::joinErrors(llvm::joinErrors(Name.takeError(), Address.takeError()),
                                        llvm::joinErrors(Section.takeError(), Type.takeError())));
  }
  return Found;
}

/// Functions that clang makes for statements and initializers, and those of the prelude.
bool isOfInput(llvm::StringRef Name) {
  return Name.contains("__stmts__") || Name.starts_with("_GLOBAL__") || Name.contains("__cxx_global_var_init") ||
         Name.starts_with("??__E") || Name.contains("__linkjit_");
}

} // namespace

void leaveOutLines(DeclGroupRef Group, bool All) {
  for (Decl *Each : Group)
    if (All || Each->getASTContext().getSourceManager().isInSystemHeader(Each->getLocation()))
      markFunctions(Each);
}

Place placeOf(llvm::StringRef Object, llvm::StringRef Symbol, uint64_t Offset) {
  Place Found;
  llvm::Expected<std::unique_ptr<llvm::object::ObjectFile>> File =
      llvm::object::ObjectFile::createObjectFile(llvm::MemoryBufferRef(Object, "object"));
  if (!File) {
    llvm::consumeError(File.takeError());
    return Found;
  }
  std::vector<Defined> Symbols = definedIn(**File);
  auto Begin = llvm::find_if(Symbols, [&](const Defined &Each) { return Each.Name == Symbol; });
  if (Begin == Symbols.end() || Offset >= Begin->SectionEnd - Begin->Address.Address)
    return Found;
  llvm::object::SectionedAddress At = {Begin->Address.Address + Offset, Begin->Address.SectionIndex};
  const Defined *Nearest = nullptr;
  for (const Defined &Each : Symbols)
    if (Each.IsFunction && Each.Address.SectionIndex == At.SectionIndex && Each.Address.Address <= At.Address &&
        (!Nearest || Nearest->Address.Address < Each.Address.Address))
      Nearest = &Each;
  if (Nearest && !isOfInput(Nearest->Name))
    Found.Function = Nearest->Name.str();
  auto Ignore = [](llvm::Error Failure) { llvm::consumeError(std::move(Failure)); };
  std::unique_ptr<llvm::DWARFContext> Lines =
      llvm::DWARFContext::create(**File, llvm::DWARFContext::ProcessDebugRelocations::Process, nullptr, "", Ignore, Ignore);
  llvm::DILineInfoSpecifier Wanted(llvm::DILineInfoSpecifier::FileLineInfoKind::RawValue, llvm::DILineInfoSpecifier::FunctionNameKind::None);
  std::optional<llvm::DILineInfo> Line = Lines->getLineInfoForAddress(At, Wanted);
  if (Line && Line->Line) {
    Found.File = Line->FileName;
    Found.Line = Line->Line;
  }
  return Found;
}

} // namespace linkjit
