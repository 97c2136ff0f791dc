// Precompiled headers: what sessions include first is parsed once, for all sessions to come.
#ifndef LINKJIT_FRONTEND_PRECOMPILE_H
#define LINKJIT_FRONTEND_PRECOMPILE_H

#include "compiler.h"
#include "llvm/ADT/StringRef.h"

namespace linkjit {

/// Compiles the headers that standard input has directives for, and writes them to a file, unless there is an error. The files
/// that they are of are listed in another, whose name ends in `.files`.
bool precompile(const Options &Wanted, llvm::StringRef Path);

} // namespace linkjit

#endif
