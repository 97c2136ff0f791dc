// Values: the expression that ends an input is handed to the prelude, and can be used as `_` later.
#ifndef LINKJIT_FRONTEND_VALUES_H
#define LINKJIT_FRONTEND_VALUES_H

#include "clang/AST/ASTConsumer.h"
#include "clang/AST/Type.h"
#include "clang/Sema/ExternalSemaSource.h"
#include "llvm/ADT/SmallPtrSet.h"
#include <functional>
#include <string>

namespace clang {
class CompilerInstance;
class Expr;
class FunctionDecl;
class TopLevelStmtDecl;
class VarDecl;
} // namespace clang

namespace linkjit {

class Hiding;

/// Sees each top-level declaration before code is made of it, and has the last expression shown.
class Values : public clang::ASTConsumer, public clang::ExternalSemaSource {
public:
  Values(Hiding &Noting) : Noting(Noting) {}

  void attach(clang::CompilerInstance &Compiler);

  /// Prepares for an input. In an inline namespace, an expression can't say itself that its semicolon is missing.
  void begin(llvm::StringRef Namespace, bool EndsWithoutSemicolon);

  /// The spelling of the type of the value that the input shows, empty if it shows none.
  const std::string &type() const { return Type; }

  /// If set, it gets the spelling of the type of the last expression, and nothing is compiled.
  std::function<void(const std::string &)> OnType;

  /// A declaration of `_` to put before an input that mentions it; empty if there is no last value.
  std::string declarationOfLast(unsigned Number);

  bool HandleTopLevelDecl(clang::DeclGroupRef Group) override;

  /// Finds `_` where the user has not declared one.
  bool LookupUnqualified(clang::LookupResult &Result, clang::Scope *Scope) override;

private:
  void handle(clang::Decl *Declared);
  void handleWrapper(clang::NamespaceDecl *Wrapper);
  void adoptClosures(clang::TopLevelStmtDecl *Statement);
  void show(clang::TopLevelStmtDecl *Statement);
  clang::Expr *functionFor(clang::Expr *Value);
  const char *nameInC(clang::QualType Shown);
  clang::Expr *reference(clang::DeclContext *In, llvm::StringRef Name);
  void describeEnumerations(clang::QualType In, unsigned Depth);
  void describe(clang::EnumDecl *Enum);

  Hiding &Noting;
  clang::CompilerInstance *Compiler = nullptr;
  std::string Namespace;
  bool EndsWithoutSemicolon = false;
  std::string Type;
  clang::QualType Last;
  std::string LastNamespace;
  clang::VarDecl *LastVariable = nullptr;
  llvm::SmallPtrSet<const void *, 16> Described;
};

} // namespace linkjit

#endif
