// Redefinition: earlier declarations are hidden, and the new ones are wrapped into an inline namespace.
#ifndef LINKJIT_FRONTEND_HIDING_H
#define LINKJIT_FRONTEND_HIDING_H

#include "clang/Basic/SourceLocation.h"
#include "llvm/ADT/StringRef.h"
#include <set>
#include <string>
#include <vector>

namespace clang {
class Decl;
class NamedDecl;
class Sema;
} // namespace clang

namespace linkjit {

class Hiding {
public:
  /// Hides the declarations of the names from all inputs to come.
  void hide(clang::Sema &S, const std::vector<std::string> &Names);

  /// Remembers that an input declares those entities of the global scope anew that were declared at a place.
  void noteRedefinition(clang::Sema &S, clang::SourceLocation Place);

  /// Remembers a declaration of an input at global scope or in its inline namespace, to be judged by `conflicts`.
  void note(clang::Decl *Declared);

  /// The names that the input declares anew. Clang does not complain of all: an older declaration may be in an inline
  /// namespace, for it was a redefinition itself.
  std::vector<std::string> conflicts(clang::Sema &S);

  /// True if an older declaration of that name is hidden for the input at hand.
  bool hides(const clang::NamedDecl *D) const;

  /// Forgets what was noted, and which names are hidden for the input at hand.
  void clear();

private:
  /// The names that were declared in inline namespaces, without parameters: clang lets them be declared beside them.
  std::set<std::string> Shadowed;
  std::vector<clang::NamedDecl *> Noted;
  std::vector<std::string> Redefined, Hidden;
};

} // namespace linkjit

#endif
