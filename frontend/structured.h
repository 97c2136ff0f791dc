// Structured exceptions, which are Microsoft's: `__try`.
#ifndef LINKJIT_FRONTEND_STRUCTURED_H
#define LINKJIT_FRONTEND_STRUCTURED_H

namespace clang {
class LangOptions;
}
namespace llvm {
class Module;
}

namespace linkjit {

/// From now on, `__try` handles what instructions raise. Otherwise clang thinks that only calls can raise something.
void heedStructuredExceptions(clang::LangOptions &Language);

/// Has `catch (...)` leave structured exceptions to others, as Microsoft's compiler does by default (/EHsc). Clang thinks that who
/// heeds them wants them caught (/EHa).
void keepFromCatchAll(const clang::LangOptions &Language, llvm::Module &Module);

} // namespace linkjit

#endif
