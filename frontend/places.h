// The lines that machine code was compiled from.
#ifndef LINKJIT_FRONTEND_PLACES_H
#define LINKJIT_FRONTEND_PLACES_H

#include "clang/AST/DeclGroup.h"
#include "llvm/ADT/StringRef.h"
#include <string>

namespace linkjit {

struct Place {
  /// The symbol of the function; empty if it is none that people know.
  std::string Function;
  /// The file, or `input N`; empty if it is not known.
  std::string File;
  uint32_t Line = 0;
};

/// Has functions of system headers compiled without lines, or all of a group: these would be most of all objects, and are not what
/// users can change.
void leaveOutLines(clang::DeclGroupRef Group, bool All = false);

/// The place of the code that is so many bytes behind a symbol of an object.
Place placeOf(llvm::StringRef Object, llvm::StringRef Symbol, uint64_t Offset);

} // namespace linkjit

#endif
