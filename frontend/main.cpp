// linkjit-clang-22 is the front end of linkjit's REPL for C++: it turns inputs into objects, and has no part in running
// them. It is clang 22 as a library, driven by a session through its standard input and output (docs/repl-frontend.md).
// Each input is parsed on top of those before it (server.cpp); the expression that ends it is handed to the prelude
// (values.cpp); its module becomes an object with one entry (objects.cpp). After an error, or a crash, an earlier
// process takes over (snapshots.cpp), so the state is always that of the inputs that were accepted.
#include "compiler.h"
#include "precompile.h"
#include "server.h"
#include "clang/Basic/Stack.h"
#include "llvm/Support/TargetSelect.h"
#include "llvm/Support/raw_ostream.h"
#include <sys/resource.h>

using namespace linkjit;

namespace {

constexpr const char *Usage =
    "usage: linkjit-clang-22 [--target TRIPLE] [-xc] [--color] [--headers FILE] [--headers-at INPUT] [ARGUMENT OF CLANG]...\n"
    "       linkjit-clang-22 --precompile FILE [OPTION]...\n"
    "It is started by `linkjit repl`, and speaks the protocol of docs/repl-frontend.md.\n";

Options optionsOf(llvm::ArrayRef<const char *> Arguments) {
  Options Wanted;
  for (size_t I = 0; I < Arguments.size(); ++I) {
    llvm::StringRef Argument = Arguments[I];
    if (Argument == "--target" && I + 1 < Arguments.size())
      Wanted.Target = Arguments[++I];
    else if (Argument == "-xc" || Argument == "-xc++")
      Wanted.IsC = Argument == "-xc";
    else if (Argument == "-x" && I + 1 < Arguments.size())
      Wanted.IsC = llvm::StringRef(Arguments[++I]) == "c";
    else if (Argument == "--color")
      Wanted.IsColored = true;
    else if (Argument == "--headers" && I + 1 < Arguments.size())
      Wanted.Headers = Arguments[++I];
    else if (Argument == "--headers-at" && I + 1 < Arguments.size())
      llvm::StringRef(Arguments[++I]).getAsInteger(10, Wanted.HeadersAt);
    else
      Wanted.OfClang.push_back(Argument.str());
  }
  return Wanted;
}

/// Nested templates and brackets need a deep stack, and a crash is nothing to keep a core of.
void setLimits() {
  struct rlimit Stack;
  constexpr rlim_t Wanted = 64u << 20;
  if (::getrlimit(RLIMIT_STACK, &Stack) == 0 && Stack.rlim_cur < Wanted) {
    Stack.rlim_cur = Stack.rlim_max == RLIM_INFINITY ? Wanted : std::min(Wanted, Stack.rlim_max);
    ::setrlimit(RLIMIT_STACK, &Stack);
  }
  struct rlimit Core = {0, 0};
  ::setrlimit(RLIMIT_CORE, &Core);
}

} // namespace

int main(int Count, char **Arguments) {
  if (Count == 2 && llvm::StringRef(Arguments[1]) == "--help") {
    llvm::outs() << Usage;
    return 0;
  }
  setLimits();
  clang::noteBottomOfStack();
  llvm::InitializeAllTargetInfos();
  llvm::InitializeAllTargets();
  llvm::InitializeAllTargetMCs();
  llvm::InitializeAllAsmPrinters();
  llvm::InitializeAllAsmParsers();
  llvm::InitializeAllDisassemblers();
  llvm::ArrayRef<const char *> Given(Arguments, Count);
  if (Count > 2 && llvm::StringRef(Given[1]) == "--precompile") {
    ::setpriority(PRIO_PROCESS, 0, 19);
    return precompile(optionsOf(Given.drop_front(3)), Given[2]) ? 0 : 1;
  }
  Channel Session;
  llvm::Expected<Compiler> Clang = Compiler::create(optionsOf(Given.drop_front()));
  if (!Clang) {
    llvm::errs() << "linkjit-clang-22: " << llvm::toString(Clang.takeError()) << '\n';
    return 1;
  }
  Server(Session, std::move(*Clang)).serve();
}
