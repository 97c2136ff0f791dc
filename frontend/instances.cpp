#include "instances.h"

#include "clang/AST/ASTContext.h"
#include "clang/AST/Decl.h"
#include "clang/AST/DeclCXX.h"
#include "clang/AST/Mangle.h"
#include "llvm/Support/raw_ostream.h"

using namespace clang;

namespace linkjit {

Instances::Instances() = default;
Instances::~Instances() = default;

void Instances::note(Decl *Declared) {
  auto *Function = dyn_cast<FunctionDecl>(Declared);
  // Constructors and destructors are several functions each.
  if (Function && Function->getTemplateSpecializationKind() == TSK_ImplicitInstantiation &&
      !isa<CXXConstructorDecl, CXXDestructorDecl>(Function))
    Noted.push_back(Function);
}

void Instances::declare(ASTContext &Context, const llvm::StringSet<> &Compiled) {
  if (!Noted.empty() && !Mangler)
    Mangler.reset(Context.createMangleContext());
  for (FunctionDecl *Function : Noted) {
    if (!Mangler->shouldMangleDeclName(Function))
      continue;
    llvm::SmallString<256> Name;
    llvm::raw_svector_ostream Stream(Name);
    Mangler->mangleName(Function, Stream);
    if (Compiled.contains(Name))
      Function->setTemplateSpecializationKind(TSK_ExplicitInstantiationDeclaration, Function->getPointOfInstantiation());
  }
  Noted.clear();
}

} // namespace linkjit
