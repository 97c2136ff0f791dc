// Documentation of declarations and macros.
#ifndef LINKJIT_FRONTEND_DOCUMENT_H
#define LINKJIT_FRONTEND_DOCUMENT_H

#include "llvm/ADT/StringRef.h"
#include <string>

namespace clang {
class CompilerInstance;
} // namespace clang

namespace linkjit {

/// The declarations that a name such as `std::vector` finds, each with its comment.
std::string documentationOf(clang::CompilerInstance &Compiler, llvm::StringRef Name);

} // namespace linkjit

#endif
