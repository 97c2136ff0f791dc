// Types as people write them.
#ifndef LINKJIT_FRONTEND_SPELLING_H
#define LINKJIT_FRONTEND_SPELLING_H

#include "clang/AST/Type.h"
#include <string>

namespace clang {
class ASTContext;
class NamedDecl;
struct PrintingPolicy;
} // namespace clang

namespace linkjit {

/// How declarations and types are printed for the user: without default arguments of templates, and without the inline
/// namespaces that redefinitions live in.
clang::PrintingPolicy policyOf(const clang::ASTContext &Context);

/// The spelling of a type: `std::vector<int>`, `std::string`, `const char[4]`.
std::string spellingOf(clang::QualType Type, const clang::ASTContext &Context);

/// The name of an entity with the namespaces that it is in, but for those that are inline or have no name.
std::string scopedNameOf(const clang::NamedDecl *D);

} // namespace linkjit

#endif
