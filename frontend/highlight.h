// Classes of tokens, for colours.
#ifndef LINKJIT_FRONTEND_HIGHLIGHT_H
#define LINKJIT_FRONTEND_HIGHLIGHT_H

#include "wire.h"

namespace clang {
class Preprocessor;
} // namespace clang

namespace linkjit {

/// The reply to a request for highlighting.
FieldWriter highlight(clang::Preprocessor &PP, llvm::StringRef Text);

} // namespace linkjit

#endif
