// Redirection: who calls a function that is defined again calls the new one from then on, if its type is the same.
#ifndef LINKJIT_FRONTEND_REDIRECTION_H
#define LINKJIT_FRONTEND_REDIRECTION_H

#include "llvm/ADT/StringMap.h"
#include "llvm/ADT/StringRef.h"
#include <string>
#include <vector>

namespace clang {
class Decl;
class FunctionDecl;
} // namespace clang

namespace llvm {
class Function;
class Module;
} // namespace llvm

namespace linkjit {

class Redirection {
public:
  /// The end of the names of functions' bodies. A function itself jumps to where its pointer says.
  static constexpr const char *BodySuffix = ".body";

  /// Remembers a declaration of an input at global scope or in its inline namespace.
  void note(clang::Decl *Declared);

  /// Forgets what was noted.
  void clear() { Noted.clear(); }

  /// An older function, and the one of this input that takes its calls.
  struct Change {
    std::string Old;
    llvm::Function *New;
  };

  /// Has the functions that were noted called through pointers; returns what has to be redirected when the input runs.
  std::vector<Change> apply(llvm::Module &Module);

  /// Makes a function that carries out the changes, to be called by the entry of the input, and one named `Undo` that
  /// takes them back.
  static llvm::Function *makeFunctions(llvm::Module &Module, const std::vector<Change> &Changes, llvm::StringRef Undo);

private:
  struct Version {
    const clang::FunctionDecl *Declared;
    std::string Symbol;
  };

  std::vector<const clang::FunctionDecl *> Noted;
  /// The last version of each type, by name.
  llvm::StringMap<std::vector<Version>> Known;
};

} // namespace linkjit

#endif
