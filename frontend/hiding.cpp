#include "hiding.h"

#include "spelling.h"
#include "clang/AST/ASTContext.h"
#include "clang/AST/Decl.h"
#include "clang/AST/DeclCXX.h"
#include "clang/AST/DeclContextInternals.h"
#include "clang/AST/DeclLookups.h"
#include "clang/AST/DeclTemplate.h"
#include "clang/AST/PrettyPrinter.h"
#include "clang/Sema/IdentifierResolver.h"
#include "clang/Sema/Scope.h"
#include "clang/Sema/Sema.h"
#include "llvm/ADT/STLExtras.h"

using namespace clang;

namespace linkjit {

namespace {

/// The name of an entity; overloads differ in it, and so do `struct f` and `f` in C.
std::string nameOf(const NamedDecl *D) {
  std::string Name = D->getDeclName().getAsString();
  if (!D->getASTContext().getLangOpts().CPlusPlus) {
    const auto *Tag = dyn_cast<TagDecl>(D);
    return Tag ? Tag->getKindName().str() + " " + Name : Name;
  }
  const auto *Function = dyn_cast_or_null<FunctionDecl>(D->getAsFunction());
  if (!Function)
    return Name;
  PrintingPolicy Policy = policyOf(D->getASTContext());
  llvm::ListSeparator Comma;
  Name += '(';
  for (const ParmVarDecl *Parameter : Function->parameters()) {
    Name += StringRef(Comma);
    Name += Parameter->getType().getAsString(Policy);
  }
  Name += Function->isVariadic() ? (Function->param_empty() ? "...)" : ", ...)") : ")";
  return Name;
}

StoredDeclsMap *globals(Sema &S) {
  return S.getASTContext().getTranslationUnitDecl()->getPrimaryContext()->buildLookup();
}

/// All that can be found at the global scope, of the names that `IsWanted`.
std::vector<NamedDecl *> globalsWhere(Sema &S, llvm::function_ref<bool(DeclarationName)> IsWanted) {
  std::vector<NamedDecl *> Found;
  if (StoredDeclsMap *Map = globals(S))
    for (auto &[Name, Declarations] : *Map)
      if (IsWanted(Name))
        for (NamedDecl *D : Declarations.getLookupResult())
          Found.push_back(D);
  return Found;
}

/// Removes a declaration from the table of a context.
void removeFrom(DeclContext *Context, NamedDecl *D) {
  StoredDeclsMap *Map = Context->getPrimaryContext()->getLookupPtr();
  if (!Map)
    return;
  auto Entry = Map->find(D->getDeclName());
  if (Entry == Map->end() || !llvm::is_contained(Entry->second.getLookupResult(), D))
    return;
  Entry->second.remove(D);
  if (Entry->second.isNull())
    Map->erase(Entry);
}

void hideOne(Sema &S, NamedDecl *D) {
  removeFrom(S.getASTContext().getTranslationUnitDecl(), D);
  for (DeclContext *In = D->getDeclContext(); In && !In->isTranslationUnit(); In = In->getParent())
    removeFrom(In, D);
  // The resolver has only what was declared directly at the global scope.
  auto Chain = llvm::make_range(S.IdResolver.begin(D->getDeclName()), S.IdResolver.end());
  if (llvm::is_contained(Chain, D)) {
    S.IdResolver.RemoveDecl(D);
    S.TUScope->RemoveDecl(D);
  }
  // Enumerators are found beside their enumeration.
  if (auto *Enum = dyn_cast<EnumDecl>(D); Enum && !Enum->isScoped())
    for (EnumConstantDecl *Enumerator : Enum->enumerators())
      hideOne(S, Enumerator);
}

/// True if a declaration stands at a place, or has a parameter there.
bool standsAt(const Decl *D, SourceLocation Place) {
  auto IsThere = [&](const Decl *Each) { return Each->getLocation() == Place; };
  const TemplateParameterList *Parameters = D->getDescribedTemplateParams();
  if (const auto *Template = dyn_cast<TemplateDecl>(D))
    Parameters = Template->getTemplateParameters();
  const FunctionDecl *Function = D->getAsFunction();
  bool IsTemplateThere = Parameters && (Parameters->getTemplateLoc() == Place || llvm::any_of(*Parameters, IsThere));
  return IsThere(D) || IsTemplateThere ||
         (Function && llvm::any_of(Function->parameters(), IsThere));
}

bool wasDeclaredAt(const NamedDecl *D, SourceLocation Place) {
  return llvm::any_of(D->redecls(), [&](const Decl *Each) { return standsAt(Each, Place); });
}

/// The namespace, or the global scope, whose member a declaration is. An `extern "C"` around it makes no scope.
DeclContext *scopeOf(NamedDecl *D) { return D->getDeclContext()->getRedeclContext()->getPrimaryContext(); }

/// True if an input that declares `New` means to replace `Old`, which is of the same name.
bool replaces(Sema &S, NamedDecl *New, NamedDecl *Old) {
  if (New->getCanonicalDecl() == Old->getCanonicalDecl() || scopeOf(New) == scopeOf(Old))
    return false;
  FunctionDecl *NewFunction = New->getAsFunction(), *OldFunction = Old->getAsFunction();
  if (NewFunction && OldFunction)
    return isa<FunctionTemplateDecl>(New) == isa<FunctionTemplateDecl>(Old) &&
           !S.IsOverload(NewFunction, OldFunction, /*UseMemberUsingDeclRules=*/false);
  return true;
}

/// True if a declaration means the same entity in all inputs.
bool hasOneMeaning(const NamedDecl *D) {
  const auto *Function = dyn_cast<FunctionDecl>(D);
  const auto *Variable = dyn_cast<VarDecl>(D);
  // In C, definitions get names that are not so.
  bool IsExternC = (Function && Function->isExternC()) || (Variable && Variable->isExternC());
  return (Function && Function->isMain()) || (IsExternC && D->getASTContext().getLangOpts().CPlusPlus);
}

void addOnce(std::vector<std::string> &Names, std::string Name) {
  if (!llvm::is_contained(Names, Name))
    Names.push_back(std::move(Name));
}

} // namespace

void Hiding::hide(Sema &S, const std::vector<std::string> &Names) {
  std::vector<NamedDecl *> Candidates = globalsWhere(S, [&](DeclarationName Name) {
    std::string Text = Name.getAsString();
    return llvm::any_of(Names, [&](StringRef Hidden) { return Hidden.contains(Text); });
  });
  for (NamedDecl *D : Candidates) {
    // In C++, a name hides all overloads.
    std::string Plain = D->getASTContext().getLangOpts().CPlusPlus ? D->getDeclName().getAsString() : nameOf(D);
    if (llvm::is_contained(Names, nameOf(D)) || llvm::is_contained(Names, Plain))
      hideOne(S, D);
  }
}

void Hiding::noteRedefinition(Sema &S, SourceLocation Place) {
  for (NamedDecl *D : globalsWhere(S, [](DeclarationName) { return true; }))
    if (wasDeclaredAt(D, Place) && !hasOneMeaning(D))
      addOnce(Redefined, nameOf(D));
}

void Hiding::clear() {
  Noted.clear();
  Redefined.clear();
}

void Hiding::note(Decl *Declared) {
  auto *Named = dyn_cast<NamedDecl>(Declared);
  if (!Named || !Named->getDeclName())
    return;
  std::string Name = Named->getNameAsString();
  if (!scopeOf(Named)->isTranslationUnit()) {
    Shadowed.insert(Name);
    if (auto *Enum = dyn_cast<EnumDecl>(Named))
      for (EnumConstantDecl *Enumerator : Enum->enumerators())
        Shadowed.insert(Enumerator->getNameAsString());
  }
  if (Shadowed.count(Name))
    Noted.push_back(Named);
}

std::vector<std::string> Hiding::conflicts(Sema &S) {
  std::vector<std::string> Names = Redefined;
  for (NamedDecl *New : Noted) {
    auto IsOfThatName = [&](DeclarationName Name) { return Name == New->getDeclName(); };
    for (NamedDecl *Old : globalsWhere(S, IsOfThatName))
      if (replaces(S, New, Old))
        addOnce(Names, nameOf(Old));
  }
  return Names;
}

} // namespace linkjit
