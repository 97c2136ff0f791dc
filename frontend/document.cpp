#include "document.h"

#include "spelling.h"
#include "clang/AST/ASTContext.h"
#include "clang/AST/Decl.h"
#include "clang/AST/DeclCXX.h"
#include "clang/AST/DeclTemplate.h"
#include "clang/AST/PrettyPrinter.h"
#include "clang/AST/RawCommentList.h"
#include "clang/Frontend/CompilerInstance.h"
#include "clang/Lex/MacroInfo.h"
#include "clang/Lex/Preprocessor.h"
#include "clang/Sema/Lookup.h"
#include "clang/Sema/Sema.h"

using namespace clang;

namespace linkjit {

namespace {

/// The scope that a declaration names, if it names one.
DeclContext *scopeOf(NamedDecl *D, Sema &S) {
  D = D->getUnderlyingDecl();
  if (auto *Template = dyn_cast<ClassTemplateDecl>(D))
    return Template->getTemplatedDecl()->getDefinition();
  if (auto *Alias = dyn_cast<NamespaceAliasDecl>(D))
    return Alias->getNamespace();
  if (auto *Alias = dyn_cast<TypedefNameDecl>(D)) {
    if (auto *Record = Alias->getUnderlyingType()->getAsCXXRecordDecl())
      return Record->getDefinition() ? Record->getDefinition() : nullptr;
    return nullptr;
  }
  if (auto *Tag = dyn_cast<TagDecl>(D))
    return Tag->getDefinition();
  return dyn_cast<NamespaceDecl>(D);
}

DeclarationName nameIn(ASTContext &Context, StringRef Text) {
  StringRef Operator = Text;
  if (Operator.consume_front("operator")) {
    Operator = Operator.trim();
#define OVERLOADED_OPERATOR(Name, Spelling, Token, Unary, Binary, MemberOnly)                                          \
  if (Operator == Spelling)                                                                                            \
    return Context.DeclarationNames.getCXXOperatorName(OO_##Name);
#include "clang/Basic/OperatorKinds.def"
  }
  return &Context.Idents.get(Text);
}

std::vector<NamedDecl *> lookUp(Sema &S, StringRef Name) {
  ASTContext &Context = S.getASTContext();
  DeclContext *In = Context.getTranslationUnitDecl();
  llvm::SmallVector<StringRef> Parts;
  Name.split(Parts, "::", -1, /*KeepEmpty=*/false);
  std::vector<NamedDecl *> Found;
  for (StringRef Part : Parts) {
    if (!In)
      return {};
    LookupResult Result(S, nameIn(Context, Part.trim()), SourceLocation(), Sema::LookupOrdinaryName);
    Result.suppressDiagnostics();
    S.LookupQualifiedName(Result, In);
    if (Result.empty()) {
      Result.clear(Sema::LookupTagName);
      S.LookupQualifiedName(Result, In);
    }
    Found.assign(Result.begin(), Result.end());
    In = Found.empty() ? nullptr : scopeOf(Found.front(), S);
  }
  return Found;
}

void describe(NamedDecl *D, CompilerInstance &Compiler, llvm::raw_ostream &Out) {
  ASTContext &Context = Compiler.getASTContext();
  D = D->getUnderlyingDecl();
  if (const RawComment *Comment = Context.getRawCommentForAnyRedecl(D, nullptr)) {
    std::string Text = Comment->getFormattedText(Compiler.getSourceManager(), Compiler.getDiagnostics());
    llvm::SmallVector<StringRef> Lines;
    StringRef(Text).trim('\n').split(Lines, '\n');
    for (StringRef Line : Lines)
      Out << (Line.empty() ? "//" : "// ") << Line << '\n';
  }
  PrintingPolicy Policy = policyOf(Context);
  Policy.TerseOutput = true;
  Policy.PolishForDeclaration = true;
  // Classes of people are short enough to be shown whole; those of libraries are not.
  bool IsShort = isa<TagDecl>(D) && !Compiler.getSourceManager().isInSystemHeader(D->getLocation());
  if (IsShort)
    Policy.TerseOutput = false;
  std::string Text;
  llvm::raw_string_ostream Printed(Text);
  D->print(Printed, Policy);
  Out << StringRef(Text).trim() << ";\n";
}

/// The definition of a macro.
void describeMacro(CompilerInstance &Compiler, const MacroInfo *Macro, StringRef Name, llvm::raw_ostream &Out) {
  Preprocessor &PP = Compiler.getPreprocessor();
  Out << "#define " << Name;
  if (Macro->isFunctionLike()) {
    llvm::ListSeparator Comma;
    Out << '(';
    for (const IdentifierInfo *Parameter : Macro->params())
      Out << Comma << (Parameter->isStr("__VA_ARGS__") ? "..." : Parameter->getName());
    Out << ')';
  }
  for (const Token &T : Macro->tokens()) {
    if (T.hasLeadingSpace() || &T == Macro->tokens().begin())
      Out << ' ';
    Out << PP.getSpelling(T);
  }
  Out << '\n';
}

/// The number of the input that a place is in, 0 if it is in none.
uint32_t inputOf(const SourceManager &Files, SourceLocation Place) {
  PresumedLoc Presumed = Files.getPresumedLoc(Files.getExpansionLoc(Place));
  StringRef Name = Presumed.isValid() ? Presumed.getFilename() : "";
  uint32_t Number = 0;
  return Name.consume_front("input ") && !Name.getAsInteger(10, Number) ? Number : 0;
}

} // namespace

Documentation documentationOf(CompilerInstance &Compiler, StringRef Name) {
  Documentation Found;
  llvm::raw_string_ostream Out(Found.Text);
  Name = Name.trim();
  if (Name.empty())
    return Found;
  const SourceManager &Files = Compiler.getSourceManager();
  Preprocessor &PP = Compiler.getPreprocessor();
  if (const MacroInfo *Macro = PP.getMacroInfo(PP.getIdentifierInfo(Name))) {
    describeMacro(Compiler, Macro, Name, Out);
    Found.Input = inputOf(Files, Macro->getDefinitionLoc());
  }
  for (NamedDecl *D : lookUp(Compiler.getSema(), Name)) {
    describe(D, Compiler, Out);
    for (Decl *Each : D->redecls())
      Found.Input = std::max(Found.Input, inputOf(Files, Each->getLocation()));
  }
  return Found;
}

} // namespace linkjit
