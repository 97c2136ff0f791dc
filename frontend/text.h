// The text of an input, as it is given to clang.
#ifndef LINKJIT_FRONTEND_TEXT_H
#define LINKJIT_FRONTEND_TEXT_H

#include "llvm/ADT/StringRef.h"
#include <optional>
#include <string>

namespace clang {
class LangOptions;
} // namespace clang

namespace linkjit {

/// A bracket that is not closed.
struct OpenBracket {
  char Opening, Closing;
  /// The number of bytes from the bracket to the end of the text.
  size_t FromEnd;
};

/// What tokens alone say about an input.
struct Outline {
  bool MentionsLast = false;
  bool EndsWithoutSemicolon = false;
  std::optional<OpenBracket> Open;
};

Outline outlineOf(llvm::StringRef Text, const clang::LangOptions &Language);

/// The text with the name that diagnostics give it: `input 3`.
std::string named(llvm::StringRef Text, unsigned Number);

/// The same, in an inline namespace but for its `#include` lines.
std::string wrapped(llvm::StringRef Text, unsigned Number, llvm::StringRef Namespace, const clang::LangOptions &Language);

} // namespace linkjit

#endif
