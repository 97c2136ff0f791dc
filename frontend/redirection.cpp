#include "redirection.h"

#include "spelling.h"
#include "clang/AST/ASTContext.h"
#include "clang/AST/Attr.h"
#include "clang/AST/Decl.h"
#include "clang/AST/DeclCXX.h"
#include "clang/AST/Mangle.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/IR/IRBuilder.h"
#include "llvm/IR/InstIterator.h"
#include "llvm/IR/IntrinsicInst.h"
#include "llvm/IR/Module.h"

using namespace clang;

namespace linkjit {

namespace {

/// Pointers are defined beside the first version of a function, and known to all later inputs.
llvm::GlobalVariable *pointerOf(llvm::Module &Module, StringRef Function) {
  std::string Name = ("__linkjit_pointer_" + llvm::GlobalValue::dropLLVMManglingEscape(Function)).str();
  if (llvm::GlobalVariable *There = Module.getGlobalVariable(Name))
    return There;
  auto *Pointer = new llvm::GlobalVariable(Module, llvm::PointerType::getUnqual(Module.getContext()), /*isConstant=*/false,
                                           llvm::GlobalValue::ExternalLinkage, nullptr, Name);
  // Else there would be a `.refptr` for it.
  Pointer->setDSOLocal(Module.getTargetTriple().isOSBinFormatCOFF());
  return Pointer;
}

llvm::LoadInst *load(llvm::IRBuilder<> &Code, llvm::GlobalVariable *Pointer) {
  llvm::LoadInst *Loaded = Code.CreateAlignedLoad(Code.getPtrTy(), Pointer, llvm::Align(8));
  Loaded->setAtomic(llvm::AtomicOrdering::Acquire);
  return Loaded;
}

void store(llvm::IRBuilder<> &Code, llvm::Value *Value, llvm::GlobalVariable *Pointer) {
  Code.CreateAlignedStore(Value, Pointer, llvm::Align(8))->setAtomic(llvm::AtomicOrdering::Release);
}

/// Puts a function in front of another that jumps to where a pointer says: to the other in the beginning.
llvm::Function *putInFront(llvm::Function &Body) {
  llvm::Module &Module = *Body.getParent();
  auto *Front = llvm::Function::Create(Body.getFunctionType(), Body.getLinkage(), Body.getAddressSpace(), "", &Module);
  Front->copyAttributesFrom(&Body);
  Front->setPersonalityFn(nullptr);
  // It reads memory whatever its body does, and waits for nothing.
  for (llvm::Attribute::AttrKind Each : {llvm::Attribute::Memory, llvm::Attribute::PresplitCoroutine})
    Front->removeFnAttr(Each);
  Front->takeName(&Body);
  Body.replaceAllUsesWith(Front);
  Body.setName(Front->getName() + Redirection::BodySuffix);
  // The session finds functions at addresses among those that have names for others.
  Body.setLinkage(llvm::GlobalValue::ExternalLinkage);
  Body.setVisibility(llvm::GlobalValue::HiddenVisibility);
  Body.setDLLStorageClass(llvm::GlobalValue::DefaultStorageClass);

  llvm::GlobalVariable *Pointer = pointerOf(Module, Front->getName());
  Pointer->setInitializer(&Body);
  llvm::IRBuilder<> Code(llvm::BasicBlock::Create(Module.getContext(), "", Front));
  llvm::SmallVector<llvm::Value *> Arguments(llvm::make_pointer_range(Front->args()));
  llvm::CallInst *Call = Code.CreateCall(Front->getFunctionType(), load(Code, Pointer), Arguments);
  Call->setTailCallKind(llvm::CallInst::TCK_MustTail);
  Call->setCallingConv(Front->getCallingConv());
  Call->setAttributes(Front->getAttributes().removeFnAttributes(Module.getContext()));
  if (Front->getReturnType()->isVoidTy())
    Code.CreateRetVoid();
  else
    Code.CreateRet(Call);
  return Front;
}

/// Handlers of structured exceptions find the variables of a function by its address: it must be that of the body.
bool hasHandlersElsewhere(const llvm::Function &Body) {
  return llvm::any_of(llvm::instructions(Body), [](const llvm::Instruction &Each) {
    const auto *Call = dyn_cast<llvm::IntrinsicInst>(&Each);
    return Call && Call->getIntrinsicID() == llvm::Intrinsic::localescape;
  });
}

llvm::Function *makeFunction(llvm::Module &Module, const llvm::Twine &Name, llvm::GlobalValue::LinkageTypes Linkage) {
  auto *Type = llvm::FunctionType::get(llvm::Type::getVoidTy(Module.getContext()), false);
  auto *Made = llvm::Function::Create(Type, Linkage, Name, Module);
  Made->setDoesNotThrow();
  return Made;
}

} // namespace

void Redirection::note(Decl *Declared) {
  auto *Function = dyn_cast<FunctionDecl>(Declared);
  if (!Function || isa<CXXMethodDecl>(Function) || !Function->isThisDeclarationADefinition() ||
      Function->getTemplatedKind() != FunctionDecl::TK_NonTemplate || Function->isInlined() || Function->isMain() ||
      Function->isMultiVersion() || Function->hasAttr<NakedAttr>())
    return;
  // Later inputs may use it, and it must not be new to them.
  if (!Function->isExternallyVisible())
    Function->addAttr(UsedAttr::CreateImplicit(Function->getASTContext()));
  Noted.push_back(Function);
}

std::vector<Redirection::Change> Redirection::apply(llvm::Module &Module) {
  std::vector<Change> Changes;
  for (const FunctionDecl *Declared : Noted) {
    ASTContext &Context = Declared->getASTContext();
    std::unique_ptr<MangleContext> Mangler(Context.createMangleContext());
    std::string Symbol = Declared->getNameAsString();
    if (Mangler->shouldMangleDeclName(Declared)) {
      Symbol.clear();
      llvm::raw_string_ostream Stream(Symbol);
      Mangler->mangleName(Declared, Stream);
    }
    llvm::Function *Body = Module.getFunction(Symbol);
    if (!Body || Body->isDeclaration() || hasHandlersElsewhere(*Body))
      continue;
    llvm::Function *Front = putInFront(*Body);
    std::vector<Version> &Versions = Known[scopedNameOf(Declared)];
    auto Old = llvm::find_if(Versions, [&](const Version &Each) {
      return Context.hasSameFunctionTypeIgnoringExceptionSpec(Each.Declared->getType(), Declared->getType());
    });
    if (Old == Versions.end()) {
      Versions.push_back({Declared, Symbol});
      continue;
    }
    Changes.push_back({Old->Symbol, Front});
    *Old = {Declared, Symbol};
  }
  return Changes;
}

llvm::Function *Redirection::makeFunctions(llvm::Module &Module, const std::vector<Change> &Changes, StringRef Undo) {
  llvm::Function *Do = makeFunction(Module, Undo + ".do", llvm::GlobalValue::InternalLinkage);
  llvm::Function *TakeBack = makeFunction(Module, Undo, llvm::GlobalValue::ExternalLinkage);
  llvm::IRBuilder<> Doing(llvm::BasicBlock::Create(Module.getContext(), "", Do));
  llvm::IRBuilder<> TakingBack(llvm::BasicBlock::Create(Module.getContext(), "", TakeBack));
  for (const Change &Each : Changes) {
    llvm::GlobalVariable *Pointer = pointerOf(Module, Each.Old);
    auto *Before = new llvm::GlobalVariable(Module, Doing.getPtrTy(), /*isConstant=*/false, llvm::GlobalValue::InternalLinkage,
                                            llvm::ConstantPointerNull::get(Doing.getPtrTy()), Each.Old + ".before");
    store(Doing, load(Doing, Pointer), Before);
    store(Doing, Each.New, Pointer);
    store(TakingBack, load(TakingBack, Before), Pointer);
  }
  Doing.CreateRetVoid();
  TakingBack.CreateRetVoid();
  return Do;
}

} // namespace linkjit
