// Instances of templates that an input has compiled: later inputs need not make code of them again.
#ifndef LINKJIT_FRONTEND_INSTANCES_H
#define LINKJIT_FRONTEND_INSTANCES_H

#include "llvm/ADT/StringSet.h"
#include <memory>
#include <vector>

namespace clang {
class ASTContext;
class Decl;
class FunctionDecl;
class MangleContext;
} // namespace clang

namespace linkjit {

class Instances {
public:
  Instances();
  ~Instances();

  /// Remembers a declaration if it is an instance.
  void note(clang::Decl *Declared);

  /// Declares those of them that are compiled as with `extern template`. The others are forgotten.
  void declare(clang::ASTContext &Context, const llvm::StringSet<> &Compiled);

private:
  std::vector<clang::FunctionDecl *> Noted;
  std::unique_ptr<clang::MangleContext> Mangler;
};

} // namespace linkjit

#endif
