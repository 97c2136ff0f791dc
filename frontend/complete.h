// Completion of code.
#ifndef LINKJIT_FRONTEND_COMPLETE_H
#define LINKJIT_FRONTEND_COMPLETE_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include "llvm/ADT/StringRef.h"
#include <string>
#include <vector>

namespace clang {
class Interpreter;
} // namespace clang

namespace linkjit {

struct Completion {
  std::string Text, Detail;
};

struct Completions {
  /// Where the word begins that is completed.
  size_t Start = 0;
  std::vector<Completion> Items;
};

/// Parses the text up to an offset and gives what can stand there to `Reply`, which must not return: the parser is in
/// the middle of the text. Returns if clang finds nothing to complete. The interpreter is of no use afterwards.
void complete(clang::Interpreter &Clang, llvm::StringRef Text, size_t Offset,
              llvm::function_ref<void(const Completions &)> Reply);

} // namespace linkjit

#endif
