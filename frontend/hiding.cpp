#include "hiding.h"

#include "spelling.h"
#include "clang/AST/ASTContext.h"
#include "clang/AST/Decl.h"
#include "clang/AST/DeclCXX.h"
#include "clang/AST/DeclContextInternals.h"
#include "clang/AST/DeclLookups.h"
#include "clang/AST/DeclTemplate.h"
#include "clang/AST/PrettyPrinter.h"
#include "clang/Basic/SourceManager.h"
#include "clang/Basic/TargetInfo.h"
#include "clang/Sema/IdentifierResolver.h"
#include "clang/Sema/Scope.h"
#include "clang/Sema/Sema.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/SetVector.h"

using namespace clang;

namespace linkjit {

namespace {

/// The name of an entity; overloads differ in it, and so do `struct f` and `f` in C.
std::string nameOf(const NamedDecl *D) {
  std::string Name = scopedNameOf(D);
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

/// Finds the namespaces of inputs in a scope, at any depth. The members of inline ones are found in what is around them.
void findScopes(DeclContext *In, const SourceManager &Files, llvm::SetVector<DeclContext *> &Found) {
  if (!Found.insert(In->getPrimaryContext()))
    return;
  // Each input is a translation unit of its own.
  llvm::SmallVector<DeclContext *> Parts;
  In->collectAllContexts(Parts);
  for (DeclContext *Part : Parts)
    for (Decl *Each : Part->decls())
      if (auto *Scope = dyn_cast<NamespaceDecl>(Each);
          Scope && !Scope->isInline() && !Files.isInSystemHeader(Scope->getLocation()))
        findScopes(Scope, Files, Found);
}

/// All that can be found in a scope, of the names that `IsWanted`.
void findMembers(DeclContext *Scope, llvm::function_ref<bool(DeclarationName)> IsWanted, std::vector<NamedDecl *> &Found) {
  StoredDeclsMap *Map = Scope->buildLookup();
  if (!Map)
    return;
  for (auto &[Name, Declarations] : *Map)
    if (IsWanted(Name))
      for (NamedDecl *D : Declarations.getLookupResult())
        Found.push_back(D);
}

/// All that can be found at the global scope, and in namespaces of inputs.
std::vector<NamedDecl *> membersWhere(Sema &S, llvm::function_ref<bool(DeclarationName)> IsWanted) {
  llvm::SetVector<DeclContext *> Scopes;
  findScopes(S.getASTContext().getTranslationUnitDecl(), S.getSourceManager(), Scopes);
  std::vector<NamedDecl *> Found;
  for (DeclContext *Scope : Scopes)
    findMembers(Scope, IsWanted, Found);
  return Found;
}

/// Removes a declaration from the table of a context.
void removeFrom(DeclContext *Context, NamedDecl *D) {
  // A table that is made later would have it.
  StoredDeclsMap *Map = Context->getPrimaryContext()->buildLookup();
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
  // Those that are `extern "C"` are one entity in all namespaces, so clang has them here, too.
  removeFrom(S.getASTContext().getExternCContextDecl(), D);
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

void addOnce(std::vector<std::string> &Names, std::string Name) {
  if (!llvm::is_contained(Names, Name))
    Names.push_back(std::move(Name));
}

} // namespace

bool Hiding::hides(const NamedDecl *D) const {
  return llvm::is_contained(Hidden, nameOf(D)) || llvm::is_contained(Hidden, scopedNameOf(D));
}

void Hiding::hide(Sema &S, const std::vector<std::string> &Names) {
  Hidden = Names;
  std::vector<NamedDecl *> Candidates = membersWhere(S, [&](DeclarationName Name) {
    std::string Text = Name.getAsString();
    return llvm::any_of(Names, [&](StringRef Each) { return Each.contains(Text); });
  });
  for (NamedDecl *D : Candidates) {
    // In C++, a name hides all overloads.
    std::string Plain = D->getASTContext().getLangOpts().CPlusPlus ? scopedNameOf(D) : nameOf(D);
    if (llvm::is_contained(Names, nameOf(D)) || llvm::is_contained(Names, Plain))
      hideOne(S, D);
  }
}

/// Only in Itanium's ABI, classes in namespaces can have other symbols than older ones of their name.
static bool canBeNamedAnew(const NamedDecl *D) {
  const auto *Function = dyn_cast<FunctionDecl>(D);
  bool IsMicrosofts = D->getASTContext().getTargetInfo().getCXXABI().isMicrosoft();
  bool IsInNamespace = D->getDeclContext()->getEnclosingNamespaceContext()->isNamespace() && !D->getDeclContext()->isInlineNamespace();
  return !(Function && Function->isMain()) && !(IsMicrosofts && IsInNamespace && !isa<FunctionDecl, VarDecl>(D));
}

void Hiding::noteRedefinition(Sema &S, SourceLocation Place) {
  for (NamedDecl *D : membersWhere(S, [](DeclarationName) { return true; }))
    if (wasDeclaredAt(D, Place) && canBeNamedAnew(D))
      addOnce(Redefined, nameOf(D));
}

void Hiding::clear() {
  Hidden.clear();
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
    std::vector<NamedDecl *> Globals;
    findMembers(S.getASTContext().getTranslationUnitDecl()->getPrimaryContext(), IsOfThatName, Globals);
    for (NamedDecl *Old : Globals)
      if (replaces(S, New, Old))
        addOnce(Names, nameOf(Old));
  }
  return Names;
}

} // namespace linkjit
