// Clang, made as the options say, and without anything that runs code.
#ifndef LINKJIT_FRONTEND_COMPILER_H
#define LINKJIT_FRONTEND_COMPILER_H

#include "diagnostics.h"
#include "hiding.h"
#include "objects.h"
#include "values.h"
#include "clang/Interpreter/Interpreter.h"
#include <memory>
#include <string>
#include <vector>

namespace linkjit {

struct Options {
  /// The triple to compile for; empty for this machine's.
  std::string Target;
  bool IsC = false;
  bool IsColored = false;
  /// Headers that are compiled already (precompile.h), and the input that their variables are initialized with.
  std::string Headers;
  uint32_t HeadersAt = 0;
  std::vector<std::string> OfClang;
};

/// Clang as the options say. It keeps pointers into memory that is not given back.
llvm::Expected<std::unique_ptr<clang::CompilerInstance>> makeInstance(const Options &Wanted);

/// Clang and what looks at its work.
struct Compiler {
  std::unique_ptr<clang::Interpreter> Clang;
  std::unique_ptr<Hiding> Hidden;
  std::unique_ptr<Objects> Made;
  /// Clang owns these two.
  Diagnostics *Reports = nullptr;
  Values *Shown = nullptr;

  clang::CompilerInstance &instance() const { return *Clang->getCompilerInstance(); }

  /// Makes the compiler. An error is for people, and says what clang says.
  static llvm::Expected<Compiler> create(const Options &Wanted);
};

} // namespace linkjit

#endif
