#include "structured.h"

#include "clang/Basic/LangOptions.h"
#include "llvm/IR/Constants.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/Instructions.h"
#include "llvm/IR/Module.h"

using namespace clang;

namespace linkjit {

void heedStructuredExceptions(LangOptions &Language) { Language.EHAsynch = true; }

/// Removes a flag, if the module has it.
static void removeFlag(llvm::Module &Module, StringRef Name) {
  llvm::SmallVector<llvm::Module::ModuleFlagEntry, 16> Flags;
  Module.getModuleFlagsMetadata(Flags);
  Module.getOrInsertModuleFlagsMetadata()->clearOperands();
  for (const llvm::Module::ModuleFlagEntry &Each : Flags)
    if (Each.Key->getString() != Name)
      Module.addModuleFlag(Each.Behavior, Each.Key->getString(), Each.Val);
}

static void markStandard(llvm::CatchPadInst &Handler) {
  // Of a handler's parameters, the first is its type, null for all, and the second its kind.
  constexpr uint64_t IsStandard = 0x40;
  auto *Type = Handler.arg_size() == 3 ? dyn_cast<llvm::Constant>(Handler.getArgOperand(0)) : nullptr;
  auto *Kind = Type && Type->isNullValue() ? dyn_cast<llvm::ConstantInt>(Handler.getArgOperand(1)) : nullptr;
  if (Kind && Kind->isZero())
    Handler.setArgOperand(1, llvm::ConstantInt::get(Kind->getType(), IsStandard));
}

void keepFromCatchAll(const LangOptions &Language, llvm::Module &Module) {
  if (!Language.EHAsynch)
    return;
  bool HasTry = false;
  for (llvm::Function &Function : Module) {
    auto *Personality =
        Function.hasPersonalityFn() ? dyn_cast<llvm::Function>(Function.getPersonalityFn()->stripPointerCasts()) : nullptr;
    HasTry |= Personality && Personality->getName() == "__C_specific_handler";
    for (llvm::Instruction &Each : llvm::instructions(Function))
      if (auto *Handler = dyn_cast<llvm::CatchPadInst>(&Each))
        markStandard(*Handler);
  }
  // Wine's runtime knows that kind by a mark of functions, which those of a module without `__try` can have.
  if (!HasTry)
    removeFlag(Module, "eh-asynch");
}

} // namespace linkjit
