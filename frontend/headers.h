// Headers for Microsoft's ABI, for machines without Visual Studio's: Wine's for C and Windows, and a few of our own for C++.
#ifndef LINKJIT_FRONTEND_HEADERS_H
#define LINKJIT_FRONTEND_HEADERS_H

#include "llvm/ADT/ArrayRef.h"
#include <string>
#include <vector>

namespace clang {
class CompilerInstance;
}

namespace linkjit {

/// A file of frontend/microsoft/, which is part of this program.
struct OwnHeader {
  const char *Name;
  const char *Text;
};

/// All of them; `cargo xtask frontend` writes their definition.
extern const llvm::ArrayRef<OwnHeader> OwnHeaders;

/// Arguments of clang that have it search those headers after all others.
std::vector<std::string> argumentsForHeaders();

/// Makes our own headers visible to clang.
void addOwnHeaders(clang::CompilerInstance &Clang);

/// What to do about a header that is not found.
std::string adviceOnHeaders();

} // namespace linkjit

#endif
