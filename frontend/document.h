// Documentation of declarations and macros.
#ifndef LINKJIT_FRONTEND_DOCUMENT_H
#define LINKJIT_FRONTEND_DOCUMENT_H

#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <string>

namespace clang {
class CompilerInstance;
} // namespace clang

namespace linkjit {

struct Documentation {
  /// The declarations, each with its comment.
  std::string Text;
  /// The number of the last input that declares the name, 0 if none does.
  uint32_t Input = 0;
};

/// Finds a name such as `std::vector`.
Documentation documentationOf(clang::CompilerInstance &Compiler, llvm::StringRef Name);

} // namespace linkjit

#endif
