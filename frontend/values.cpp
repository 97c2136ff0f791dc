#include "values.h"

#include "hiding.h"
#include "layout.h"
#include "objects.h"
#include "places.h"
#include "spelling.h"
#include "clang/AST/ASTContext.h"
#include "clang/AST/Attr.h"
#include "clang/AST/Decl.h"
#include "clang/AST/DeclCXX.h"
#include "clang/AST/DeclTemplate.h"
#include "clang/AST/ExprCXX.h"
#include "clang/AST/Mangle.h"
#include "clang/Basic/TargetInfo.h"
#include "clang/Frontend/CompilerInstance.h"
#include "clang/Lex/Preprocessor.h"
#include "clang/Sema/Lookup.h"
#include "clang/Sema/Scope.h"
#include "clang/Sema/Sema.h"
#include "llvm/ADT/StringExtras.h"

using namespace clang;

namespace linkjit {

void Values::attach(CompilerInstance &ToCompiler) {
  Compiler = &ToCompiler;
  // Sema shares in the ownership of its sources; this one lives as long as the process.
  Retain();
  Compiler->getSema().addExternalSource(llvm::IntrusiveRefCntPtr<ExternalSemaSource>(this));
}

void Values::begin(unsigned OfInput, unsigned OfAll, StringRef InNamespace) {
  Number = OfInput;
  Serial = OfAll;
  Adoptions = 0;
  Namespace = InNamespace.str();
  Declares = false;
  Type.clear();
  LastVariable = nullptr;
}

std::string Values::before(bool MentionsLast) {
  bool IsCPlusPlus = Compiler->getLangOpts().CPlusPlus;
  // In C, `_` is a macro while there is an input that mentions it.
  std::string Text = HasMacro ? "#undef _\n" : "";
  bool IsWanted = MentionsLast && !Last.isNull() && (IsCPlusPlus || !isDeclared("_"));
  HasMacro = IsWanted && !IsCPlusPlus;
  if (!IsWanted)
    return Text;
  Sema &S = Compiler->getSema();
  // The type may have no spelling, as that of a lambda, so it gets a name.
  std::string Alias = "__linkjit_repl_type_" + std::to_string(Number);
  TypedefDecl *Typedef = S.getASTContext().buildImplicitTypedef(Last, Alias);
  S.PushOnScopeChains(Typedef, S.TUScope);
  std::string Address = "__linkjit_repl_last_of(" + std::to_string(LastSerial) + ")";
  if (HasMacro)
    return Text + "#define _ (*(" + Alias + " *)" + Address + ")\n";
  LastNamespace = "__linkjit_repl_last_" + std::to_string(Number);
  return "namespace " + LastNamespace + " { " + Alias + " &_ = *static_cast<" + Alias + " *>(" + Address + "); }\n";
}

/// True if an input has declared the name, or defined it as a macro.
bool Values::isDeclared(StringRef Name) {
  Sema &S = Compiler->getSema();
  IdentifierInfo &Identifier = S.getASTContext().Idents.get(Name);
  bool IsMacro = Identifier.hasMacroDefinition() && !HasMacro;
  return IsMacro || S.IdResolver.begin(&Identifier) != S.IdResolver.end();
}

bool Values::LookupUnqualified(LookupResult &Result, Scope *) {
  const IdentifierInfo *Name = Result.getLookupName().getAsIdentifierInfo();
  if (!LastVariable || !Name || !Name->isStr("_") || Result.isForRedeclaration() ||
      Result.getLookupKind() != Sema::LookupOrdinaryName)
    return false;
  Result.addDecl(LastVariable);
  Result.resolveKind();
  return true;
}

bool Values::HandleTopLevelDecl(DeclGroupRef Group) {
  leaveOutLines(Group, /*All=*/Number == 0 /* the prelude */);
  if (!Compiler)
    return true;
  // Instances of constexpr templates come in the middle of the statement that needs them.
  for (Scope *At = Compiler->getSema().getCurScope(); At; At = At->getParent())
    if (DeclContext *In = At->getEntity(); In && isa<TopLevelStmtDecl>(In))
      adoptTypes(cast<TopLevelStmtDecl>(In));
  for (Decl *Declared : Group) {
    Made.Instantiated.note(Declared);
    handle(Declared);
  }
  return true;
}

/// Has definitions of an input that declares something again have symbols of their own where its namespace does not make a
/// difference: in C, and for what is `extern "C"`.
void Values::nameAnew(Decl *Declared) {
  auto *Function = dyn_cast<FunctionDecl>(Declared);
  auto *Variable = dyn_cast<VarDecl>(Declared);
  bool IsOfC = !Compiler->getLangOpts().CPlusPlus || (Function && Function->isExternC()) || (Variable && Variable->isExternC());
  bool IsDefined = (Function && Function->isThisDeclarationADefinition()) ||
                   (Variable && Variable->isThisDeclarationADefinition() != VarDecl::DeclarationOnly);
  auto *Named = cast_or_null<NamedDecl>(IsOfC && IsDefined && !Namespace.empty() ? Declared : nullptr);
  // Earlier inputs may refer to one that they have declared.
  if (Named && !Named->getPreviousDecl() && !Named->hasAttr<AsmLabelAttr>())
    Named->addAttr(AsmLabelAttr::CreateImplicit(Named->getASTContext(), Named->getNameAsString() + "$" + Namespace));
}

/// The same for a member of a namespace, if an older one is hidden. A tag is part of the symbol, as the namespace is elsewhere;
/// Microsoft's ABI has none.
void Values::tag(Decl *Declared) {
  auto *Named = dyn_cast<NamedDecl>(Declared);
  if (!Named || Namespace.empty() || !Noting.hides(Named))
    return;
  ASTContext &Context = Named->getASTContext();
  if (auto *Template = dyn_cast<TemplateDecl>(Named); Template && Template->getTemplatedDecl())
    Named = Template->getTemplatedDecl();
  StringRef Tag = Namespace;
  if (!Context.getTargetInfo().getCXXABI().isMicrosoft())
    return Named->addAttr(AbiTagAttr::CreateImplicit(Context, &Tag, 1));
  std::unique_ptr<MangleContext> Mangler(Context.createMangleContext());
  std::string Symbol;
  llvm::raw_string_ostream Stream(Symbol);
  Mangler->mangleName(cast<NamedDecl>(Named), Stream);
  Named->addAttr(AsmLabelAttr::CreateImplicit(Context, Symbol + "$" + Namespace));
}

void Values::note(Decl *Declared) {
  Declares = true;
  nameAnew(Declared);
  Noting.note(Declared);
  Made.Redirected.note(Declared);
}

void Values::handle(Decl *Declared) {
  if (auto *Linkage = dyn_cast<LinkageSpecDecl>(Declared)) {
    Declares = true;
    for (Decl *Each : Linkage->decls())
      note(Each);
  } else if (auto *Inner = dyn_cast<NamespaceDecl>(Declared)) {
    if (OnStatement)
      OnStatement(*Declared);
    else
      handleWrapper(Inner);
  } else if (auto *Statement = dyn_cast<TopLevelStmtDecl>(Declared)) {
    adoptTypes(Statement);
    if (OnStatement)
      OnStatement(*Statement);
    else if (Statement->isSemiMissing())
      show(Statement);
  } else {
    note(Declared);
  }
}

/// Makes lambdas of a statement members of what is around the statement, and its classes those of a function. Clang can't
/// mangle names in which a statement is a scope, and crashes on `std::find(a, b, [] {})`.
void Values::adoptTypes(TopLevelStmtDecl *Statement) {
  if (Adopted != Statement) {
    Adopted = Statement;
    Around = nullptr;
  }
  for (Decl *Inner : Statement->decls()) {
    auto *Record = dyn_cast<TagDecl>(Inner);
    if (!Record || !Record->isCompleteDefinition() || Record->getDeclContext() != Statement)
      continue;
    auto *Class = dyn_cast<CXXRecordDecl>(Record);
    if (Class && Class->isLambda()) {
      Record->setDeclContext(Statement->getDeclContext());
      continue;
    }
    if (!Around) {
      ASTContext &Context = Compiler->getASTContext();
      SourceLocation Here = Record->getLocation();
      // The name is of this input alone, for another may have another class of the same name.
      std::string Name = "__linkjit_statement_" + std::to_string(Number) + "_" + std::to_string(Adoptions++);
      QualType Type = Context.getFunctionType(Context.VoidTy, {}, FunctionProtoType::ExtProtoInfo());
      Around = FunctionDecl::Create(Context, Statement->getDeclContext(), Here, Here, &Context.Idents.get(Name), Type,
                                    nullptr, SC_Static);
      Around->setParams({});
    }
    Record->setDeclContext(Around);
  }
}

/// Looks into namespaces that the front end itself has written around an input, or put before it.
void Values::handleWrapper(NamespaceDecl *Wrapper) {
  if (!LastNamespace.empty() && Wrapper->getName() == LastNamespace) {
    for (Decl *Declared : Wrapper->decls())
      if (auto *Variable = dyn_cast<VarDecl>(Declared))
        LastVariable = Variable;
    return;
  }
  Declares = true;
  if (Namespace.empty() || Wrapper->getName() != Namespace)
    return handleNamespace(Wrapper);
  for (Decl *Declared : Wrapper->decls())
    if (auto *Linkage = dyn_cast<LinkageSpecDecl>(Declared))
      llvm::for_each(Linkage->decls(), [&](Decl *Each) { note(Each); });
    else
      note(Declared);
}

/// Looks into a namespace of the user's.
void Values::handleNamespace(DeclContext *Scope) {
  for (Decl *Each : Scope->decls())
    if (isa<NamespaceDecl, LinkageSpecDecl>(Each)) {
      handleNamespace(cast<DeclContext>(Each));
    } else if (!Compiler->getSourceManager().isInSystemHeader(Each->getLocation())) {
      nameAnew(Each);
      tag(Each);
      Made.Redirected.note(Each);
    }
}

/// Replaces `value` by `show(value)`.
void Values::show(TopLevelStmtDecl *Statement) {
  auto *Value = dyn_cast_or_null<Expr>(Statement->getStmt());
  if (!Value || Compiler->getDiagnostics().hasErrorOccurred())
    return;
  Sema &S = Compiler->getSema();
  ASTContext &Context = S.getASTContext();
  // In C, the value of an expression that is a statement is that of the object.
  while (auto *Cast = Context.getLangOpts().CPlusPlus ? nullptr : dyn_cast<ImplicitCastExpr>(Value)) {
    CastKind Kind = Cast->getCastKind();
    if (Kind != CK_LValueToRValue && Kind != CK_ArrayToPointerDecay && Kind != CK_FunctionToPointerDecay)
      break;
    Value = Cast->getSubExpr();
  }
  bool HasTemporaries = false;
  if (auto *Cleanups = dyn_cast<ExprWithCleanups>(Value)) {
    HasTemporaries = true;
    Value = Cleanups->getSubExpr();
  }
  std::string Spelling = spellingOf(Value->getType(), Context);
  if (Value->getType()->isVoidType())
    return;
  // No reference binds to a field of bits, or to an element of a vector.
  if (Value->getObjectKind() != OK_Ordinary) {
    ExprResult Loaded = S.DefaultLvalueConversion(Value);
    if (Loaded.isInvalid())
      return;
    Value = Loaded.get();
  }
  QualType Shown = Value->getType();
  bool IsKept = canBeKept(Value);
  bool IsDone = Context.getLangOpts().CPlusPlus ? callWith(Value, HasTemporaries, Statement) : describeFor(Value, Statement);
  if (!IsDone)
    return;
  Type = std::move(Spelling);
  Last = Shown->isFunctionType() || !IsKept ? QualType() : Shown;
  LastSerial = Serial;
}

/// True if `_` can be the value later: an object that ends with its statement must be moved for that.
bool Values::canBeKept(Expr *Value) {
  CXXRecordDecl *Record = Value->getType()->getAsCXXRecordDecl();
  if (Value->isLValue() || !Record || !Record->hasDefinition())
    return true;
  CXXConstructorDecl *Moving = Compiler->getSema().LookupMovingConstructor(Record->getDefinition(), 0);
  return Moving && !Moving->isDeleted() && Moving->getAccess() == AS_public;
}

/// Calls the prelude's `show` with the value.
bool Values::callWith(Expr *Value, bool HasTemporaries, TopLevelStmtDecl *Statement) {
  Sema &S = Compiler->getSema();
  ASTContext &Context = S.getASTContext();
  LookupResult Found(S, &Context.Idents.get("__linkjit_repl"), SourceLocation(), Sema::LookupNamespaceName);
  S.LookupQualifiedName(Found, Context.getTranslationUnitDecl());
  auto *Prelude = Found.getAsSingle<NamespaceDecl>();
  Expr *Function = Prelude ? reference(Prelude, "show") : nullptr;
  if (!Function)
    return false;
  describeEnumerations(Value->getType(), 0);
  SourceLocation Begin = Value->getBeginLoc(), End = Value->getEndLoc();
  ExprResult Call = S.ActOnCallExpr(nullptr, Function, Begin, Value, End);
  if (Call.isInvalid())
    return false;
  if (HasTemporaries)
    S.Cleanup.setExprNeedsCleanups(true);
  Call = S.ActOnFinishFullExpr(Call.get(), /*DiscardedValue=*/false);
  if (Call.isUsable())
    Statement->setStmt(Call.get());
  return Call.isUsable();
}

/// Calls the prelude's function for C with the address of the value, or of a variable with it, and its layout.
bool Values::describeFor(Expr *Value, TopLevelStmtDecl *Statement) {
  Sema &S = Compiler->getSema();
  ASTContext &Context = S.getASTContext();
  SourceLocation Begin = Value->getBeginLoc(), End = Value->getEndLoc();
  Expr *Function = reference(Context.getTranslationUnitDecl(), "__linkjit_repl_show");
  if (!Function)
    return false;
  if (Value->getType()->isFunctionType())
    Value = S.DefaultFunctionArrayConversion(Value).get();
  std::string Layout = layoutOf(Value->getType(), Context);
  llvm::SmallVector<Stmt *, 2> Done;
  uint64_t Kept = 0;
  if (!Value->isLValue()) {
    QualType Type = Value->getType().getUnqualifiedType();
    auto *Copy = VarDecl::Create(Context, Statement, Begin, Begin, &Context.Idents.get("__linkjit_repl_value"), Type,
                                 Context.getTrivialTypeSourceInfo(Type, Begin), SC_None);
    Copy->setInit(Value);
    Done.push_back(new (Context) DeclStmt(DeclGroupRef(Copy), Begin, End));
    Value = S.BuildDeclRefExpr(Copy, Type, VK_LValue, Begin);
    Kept = Context.getTypeSizeInChars(Type).getQuantity();
  }
  ExprResult Address = S.CreateBuiltinUnaryOp(Begin, UO_AddrOf, Value);
  if (Address.isInvalid())
    return false;
  QualType Array = Context.getStringLiteralArrayType(Context.CharTy, Layout.size());
  QualType Pointer = Context.VoidPtrTy, Size = Context.UnsignedLongLongTy;
  Expr *Arguments[] = {
      ImplicitCastExpr::Create(Context, Pointer, CK_BitCast, Address.get(), nullptr, VK_PRValue, FPOptionsOverride()),
      StringLiteral::Create(Context, Layout, StringLiteralKind::Ordinary, /*Pascal=*/false, Array, Begin),
      IntegerLiteral::Create(Context, llvm::APInt(Context.getTypeSize(Size), Kept), Size, Begin)};
  ExprResult Call = S.ActOnCallExpr(nullptr, Function, Begin, Arguments, End);
  if (Call.isInvalid())
    return false;
  Done.push_back(Call.get());
  Statement->setStmt(CompoundStmt::Create(Context, Done, FPOptionsOverride(), Begin, End));
  return true;
}

/// An expression that names a function or its overloads.
Expr *Values::reference(DeclContext *In, StringRef Name) {
  Sema &S = Compiler->getSema();
  LookupResult Found(S, &S.getASTContext().Idents.get(Name), SourceLocation(), Sema::LookupOrdinaryName);
  S.LookupQualifiedName(Found, In);
  Found.suppressDiagnostics();
  if (Found.empty())
    return nullptr;
  CXXScopeSpec Unqualified;
  return S.BuildDeclarationNameExpr(Unqualified, Found, /*NeedsADL=*/false).get();
}

/// Describes each enumeration that a value of the type may hold.
void Values::describeEnumerations(QualType In, unsigned Depth) {
  constexpr unsigned Deepest = 8;
  const clang::Type *Of = In.getCanonicalType().getTypePtr();
  if (Depth == Deepest || !Described.insert(Of).second)
    return;
  if (const auto *Enum = Of->getAs<EnumType>())
    return describe(Enum->getDecl()->getDefinition());
  if (const clang::ArrayType *Array = Of->getAsArrayTypeUnsafe())
    return describeEnumerations(Array->getElementType(), Depth + 1);
  if (Of->isPointerType())
    return describeEnumerations(Of->getPointeeType(), Depth + 1);
  const CXXRecordDecl *Record = Of->getAsCXXRecordDecl();
  if (!Record || !Record->hasDefinition())
    return;
  if (const auto *Instance = dyn_cast<ClassTemplateSpecializationDecl>(Record))
    for (const TemplateArgument &Argument : Instance->getTemplateArgs().asArray()) {
      if (Argument.getKind() == TemplateArgument::Type)
        describeEnumerations(Argument.getAsType(), Depth + 1);
      if (Argument.getKind() == TemplateArgument::Pack)
        for (const TemplateArgument &Each : Argument.pack_elements())
          if (Each.getKind() == TemplateArgument::Type)
            describeEnumerations(Each.getAsType(), Depth + 1);
    }
  // What the standard library's types have inside is nobody's business.
  if (Compiler->getSourceManager().isInSystemHeader(Record->getLocation()))
    return;
  Record = Record->getDefinition();
  for (const CXXBaseSpecifier &Base : Record->bases())
    describeEnumerations(Base.getType(), Depth + 1);
  for (const FieldDecl *Field : Record->fields())
    describeEnumerations(Field->getType(), Depth + 1);
}

/// Specializes the prelude's `enumerators<E>()`.
void Values::describe(EnumDecl *Enum) {
  if (!Enum)
    return;
  Sema &S = Compiler->getSema();
  ASTContext &Context = S.getASTContext();
  LookupResult Prelude(S, &Context.Idents.get("__linkjit_repl"), SourceLocation(), Sema::LookupNamespaceName);
  S.LookupQualifiedName(Prelude, Context.getTranslationUnitDecl());
  auto *In = Prelude.getAsSingle<NamespaceDecl>();
  if (!In)
    return;
  LookupResult Found(S, &Context.Idents.get("enumerators"), SourceLocation(), Sema::LookupOrdinaryName);
  S.LookupQualifiedName(Found, In);
  auto *Template = Found.empty() ? nullptr : dyn_cast<FunctionTemplateDecl>(Found.getRepresentativeDecl());
  if (!Template)
    return;

  std::string Text;
  std::string Scope = Enum->isScoped() ? spellingOf(Context.getCanonicalTagType(Enum), Context) + "::" : "";
  for (const EnumConstantDecl *Enumerator : Enum->enumerators()) {
    if (!Text.empty())
      Text += ',';
    Text += Scope + Enumerator->getNameAsString() + "=" + llvm::toString(Enumerator->getInitVal(), 10);
  }

  SourceLocation Here = Template->getLocation();
  TemplateArgument Argument(QualType(Context.getCanonicalTagType(Enum)));
  auto *Arguments = TemplateArgumentList::CreateCopy(Context, Argument);
  FunctionDecl *Function = S.InstantiateFunctionDeclaration(Template, Arguments, Here);
  if (!Function)
    return;
  Function->setTemplateSpecializationKind(TSK_ExplicitSpecialization, Here);
  // Several inputs may need it.
  Function->setImplicitlyInline();
  QualType Array = Context.getStringLiteralArrayType(Context.CharTy, Text.size());
  auto *Literal = StringLiteral::Create(Context, Text, StringLiteralKind::Ordinary, /*Pascal=*/false, Array, Here);
  Expr *Pointer = ImplicitCastExpr::Create(Context, Function->getReturnType(), CK_ArrayToPointerDecay, Literal, nullptr,
                                           VK_PRValue, FPOptionsOverride());
  Stmt *Return = ReturnStmt::Create(Context, Here, Pointer, nullptr);
  Function->setBody(CompoundStmt::Create(Context, Return, FPOptionsOverride(), Here, Here));
  Compiler->getASTConsumer().HandleTopLevelDecl(DeclGroupRef(Function));
}

} // namespace linkjit
