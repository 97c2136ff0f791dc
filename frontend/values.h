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
class Objects;

/// Sees each top-level declaration before code is made of it, and has the last expression shown.
class Values : public clang::ASTConsumer, public clang::ExternalSemaSource {
public:
  Values(Hiding &Noting, Objects &Made) : Noting(Noting), Made(Made) {}

  void attach(clang::CompilerInstance &Compiler);

  /// Prepares for an input.
  void begin(unsigned Number, unsigned Serial, llvm::StringRef Namespace);

  /// The spelling of the type of the value that the input shows, empty if it shows none.
  const std::string &type() const { return Type; }

  /// True if the input declares something: then it matters to later ones.
  bool declares() const { return Declares; }

  /// If set, it gets each statement and each namespace, and no value is shown.
  std::function<void(const clang::Decl &)> OnStatement;

  /// The text to put before an input: a declaration of `_`, if it mentions that and there is a last value.
  std::string before(bool MentionsLast);

  bool HandleTopLevelDecl(clang::DeclGroupRef Group) override;

  /// Finds `_` where the user has not declared one.
  bool LookupUnqualified(clang::LookupResult &Result, clang::Scope *Scope) override;

private:
  void handle(clang::Decl *Declared);
  void note(clang::Decl *Declared);
  void handleWrapper(clang::NamespaceDecl *Wrapper);
  void adoptTypes(clang::TopLevelStmtDecl *Statement);
  void show(clang::TopLevelStmtDecl *Statement);
  bool callWith(clang::Expr *Value, bool HasTemporaries, clang::TopLevelStmtDecl *Statement);
  bool describeFor(clang::Expr *Value, clang::TopLevelStmtDecl *Statement);
  bool canBeKept(clang::Expr *Value);
  bool isDeclared(llvm::StringRef Name);
  void nameAnew(clang::Decl *Declared);
  void tag(clang::Decl *Declared);
  void handleNamespace(clang::DeclContext *Scope);
  clang::Expr *reference(clang::DeclContext *In, llvm::StringRef Name);
  void describeEnumerations(clang::QualType In, unsigned Depth);
  void describe(clang::EnumDecl *Enum);

  Hiding &Noting;
  Objects &Made;
  clang::CompilerInstance *Compiler = nullptr;
  unsigned Number = 0;
  /// As the session counts inputs, so that no two have the same.
  unsigned Serial = 0;
  std::string Namespace;
  /// The statement whose types were adopted last, and the function that they seem to be in.
  clang::TopLevelStmtDecl *Adopted = nullptr;
  clang::FunctionDecl *Around = nullptr;
  unsigned Adoptions = 0;
  bool Declares = false;
  std::string Type;
  clang::QualType Last;
  unsigned LastSerial = 0;
  std::string LastNamespace;
  clang::VarDecl *LastVariable = nullptr;
  /// In C: `_` is a macro of ours.
  bool HasMacro = false;
  llvm::SmallPtrSet<const void *, 16> Described;
};

} // namespace linkjit

#endif
