// The text of an input, as it is given to clang.
#ifndef LINKJIT_FRONTEND_TEXT_H
#define LINKJIT_FRONTEND_TEXT_H

#include "llvm/ADT/StringRef.h"
#include <optional>
#include <string>
#include <vector>

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
  /// Of structured exceptions: `__try`.
  bool MentionsTry = false;
  std::optional<OpenBracket> Open;
  /// There is a `return` outside of all brackets, on which clang crashes.
  bool Returns = false;
  /// It declares a module, of which all that follows would be a part.
  bool IsModule = false;
};

Outline outlineOf(llvm::StringRef Text, const clang::LangOptions &Language);

/// A part of a text, in bytes.
struct Range {
  size_t Begin, End;
  /// A statement that is valid in functions only.
  bool NeedsFunction = false;
};

/// The line before an input that gives it the name that diagnostics use: `input 3`.
std::string headOf(unsigned Number);

/// The text, in an inline namespace but for its `#include` lines, its statements and its own namespaces, which could not be opened
/// again from elsewhere. Without a namespace, only the statements
/// that need one get a function.
std::string wrapped(llvm::StringRef Text, unsigned Number, llvm::StringRef Namespace, std::vector<Range> Statements,
                    const clang::LangOptions &Language);

} // namespace linkjit

#endif
