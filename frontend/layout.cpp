#include "layout.h"

#include "clang/AST/ASTContext.h"
#include "clang/AST/Decl.h"
#include "clang/AST/RecordLayout.h"
#include "llvm/ADT/StringExtras.h"

using namespace clang;

namespace linkjit {

namespace {

/// The prelude has room for numbers of so many bytes.
constexpr uint64_t LargestNumber = 16;

std::string layoutOfEnum(const EnumDecl *Enum, uint64_t Size) {
  bool IsSigned = Enum->getIntegerType()->isSignedIntegerType() || Enum->getNumNegativeBits() > 0;
  std::string Text = (IsSigned ? "n" : "e") + std::to_string(Size) + ":";
  StringRef Separator = "";
  for (const EnumConstantDecl *Each : Enum->enumerators()) {
    Text += (Separator + Each->getName() + "=" + llvm::toString(Each->getInitVal(), 10)).str();
    Separator = ",";
  }
  return Text + ";";
}

std::string layoutOfReal(const clang::Type *Of, uint64_t Size, const ASTContext &Context) {
  const llvm::fltSemantics &Format = Context.getFloatTypeSemantics(QualType(Of, 0));
  StringRef Kind = &Format == &llvm::APFloat::BFloat()             ? "b"
                   : &Format == &llvm::APFloat::x87DoubleExtended() ? "x"
                                                                    : "";
  return ("f" + llvm::Twine(Size) + Kind).str();
}

std::string layoutOfRecord(const RecordDecl *Record, const ASTContext &Context) {
  const ASTRecordLayout &Layout = Context.getASTRecordLayout(Record);
  std::string Text = "{";
  for (const FieldDecl *Field : Record->fields()) {
    uint64_t Bit = Layout.getFieldOffset(Field->getFieldIndex());
    if (Field->isUnnamedBitField() || (Field->isBitField() && Field->getBitWidthValue() == 0))
      continue;
    std::string Type = layoutOf(Field->getType(), Context);
    if (Field->isBitField())
      Type = ("w" + llvm::Twine(Bit % 8) + "." + llvm::Twine(Field->getBitWidthValue()) + ":" + Type).str();
    Text += (llvm::Twine(Type.size()) + ":" + llvm::Twine(Bit / 8) + ":" + Type).str();
  }
  return Text;
}

} // namespace

std::string layoutOf(QualType Type, const ASTContext &Context) {
  const clang::Type *Of = Type.getCanonicalType().getTypePtr();
  if (const auto *Atomic = dyn_cast<AtomicType>(Of))
    return layoutOf(Atomic->getValueType(), Context);
  if (Of->isIncompleteType() || Of->isFunctionType())
    return "@";
  if (const auto *Array = dyn_cast<ConstantArrayType>(Of)) {
    QualType Element = Array->getElementType();
    uint64_t Size = Context.getTypeSizeInChars(Element).getQuantity();
    return "a" + std::to_string(Array->getZExtSize()) + "*" + std::to_string(Size) + ":" + layoutOf(Element, Context);
  }
  if (Of->isArrayType())
    return "@";
  uint64_t Size = Context.getTypeSizeInChars(Of).getQuantity();
  if (const auto *Vector = dyn_cast<VectorType>(Of))
    return "a" + std::to_string(Vector->getNumElements()) + "*" +
           std::to_string(Context.getTypeSizeInChars(Vector->getElementType()).getQuantity()) + ":" +
           layoutOf(Vector->getElementType(), Context);
  if (const auto *Complex = dyn_cast<ComplexType>(Of))
    return "z" + std::to_string(Size / 2) + ":" + layoutOf(Complex->getElementType(), Context);
  if (Of->isAnyPointerType())
    return Of->getPointeeType()->isCharType() && !Of->getPointeeType().isVolatileQualified() ? "s" : "p";
  if (const auto *Record = Of->getAsRecordDecl(); Record && !Record->isUnion())
    return layoutOfRecord(Record->getDefinition(), Context);
  if (Size > LargestNumber)
    return "@";
  if (Of->isBooleanType())
    return "b" + std::to_string(Size);
  if (const auto *Enum = Of->getAs<EnumType>())
    return layoutOfEnum(Enum->getDecl()->getDefinition(), Size);
  if (Of->isSpecificBuiltinType(BuiltinType::Char_S) || Of->isSpecificBuiltinType(BuiltinType::Char_U))
    return "c";
  if (Of->isIntegerType())
    return (Of->isSignedIntegerType() ? "i" : "u") + std::to_string(Size);
  if (Of->isRealFloatingType())
    return layoutOfReal(Of, Size, Context);
  return "@";
}

} // namespace linkjit
