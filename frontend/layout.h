// Layouts: types of C as texts, by which the prelude shows values (prelude/values_c.h).
#ifndef LINKJIT_FRONTEND_LAYOUT_H
#define LINKJIT_FRONTEND_LAYOUT_H

#include "clang/AST/Type.h"
#include <string>

namespace linkjit {

/// The layout of a type, as docs/repl-frontend.md describes it.
std::string layoutOf(clang::QualType Type, const clang::ASTContext &Context);

} // namespace linkjit

#endif
