// Objects: the module of an input becomes an object with one entry.
#ifndef LINKJIT_FRONTEND_OBJECTS_H
#define LINKJIT_FRONTEND_OBJECTS_H

#include "instances.h"
#include "redirection.h"
#include "llvm/ADT/StringRef.h"
#include "llvm/ADT/StringSet.h"
#include <deque>
#include <memory>
#include <string>
#include <vector>

namespace clang {
class CompilerInstance;
} // namespace clang

namespace llvm {
class Function;
class Module;
} // namespace llvm

namespace linkjit {

struct Object {
  std::string Bytes;
  /// The function that runs the input, empty if there is nothing to run.
  std::string Entry;
  /// The function that takes back what the input has redirected, empty if that is nothing.
  std::string Undo;
  /// Whether later inputs or data may refer to something of the object: then it has to stay after it has run.
  bool Lasts = false;
  /// Why there is no object.
  std::string Errors;
};

class Objects {
public:
  /// What becomes of functions that the input defines again.
  Redirection Redirected;
  /// The instances of templates that it makes.
  Instances Instantiated;

  /// Variables of headers that were parsed before the first input are initialized with that input.
  explicit Objects(unsigned HeadersAt) : HeadersAt(HeadersAt) {}

  /// Keeps a module of such headers.
  void keepForLater(std::unique_ptr<llvm::Module> Module) { Early.push_back(std::move(Module)); }

  /// Compiles the module of the input with that number. If it `IsReplayed`, the object exists already, and only the names are noted.
  Object compile(clang::CompilerInstance &Compiler, std::unique_ptr<llvm::Module> Module, unsigned Number,
                 unsigned Serial, bool IsReplayed);

  /// The IR of a function as it was last compiled, named by its symbol or as people write it.
  std::string listing(llvm::StringRef Name);

private:
  void shareInternals(llvm::Module &Module);
  void shareInlines(llvm::Module &Module);
  llvm::Function *makeEntry(llvm::Module &Module, unsigned Serial, llvm::Function *First);
  void keepForListings(std::unique_ptr<llvm::Module> Module, llvm::StringRef Entry);

  unsigned HeadersAt;
  std::vector<std::unique_ptr<llvm::Module>> Early;
  /// The internal entities that an input has defined: later inputs refer to them.
  llvm::StringSet<> Shared;
  /// The inline functions and instances of templates that an input has defined.
  llvm::StringSet<> Inlines;
  /// The variables whose initializers run at most once, though several inputs may have them.
  llvm::StringSet<> Initialized;
  std::deque<std::unique_ptr<llvm::Module>> Listed;
};

} // namespace linkjit

#endif
