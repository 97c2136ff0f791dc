#include "spelling.h"

#include "clang/AST/ASTContext.h"
#include "clang/AST/Decl.h"
#include "clang/AST/PrettyPrinter.h"
#include "clang/AST/QualTypeNames.h"
#include "clang/Basic/CharInfo.h"

using namespace clang;

namespace linkjit {

namespace {

void replaceAll(std::string &Text, const std::string &From, const std::string &To) {
  for (size_t At = 0; (At = Text.find(From, At)) != std::string::npos; At += To.size())
    Text.replace(At, From.size(), To);
}

/// Names the instances of the standard library's templates for characters by their aliases.
std::string withAliases(std::string Text) {
  static constexpr struct {
    const char *Character, *Prefix;
  } Characters[] = {{"char", ""}, {"wchar_t", "w"}, {"char8_t", "u8"}, {"char16_t", "u16"}, {"char32_t", "u32"}};
  static constexpr const char *Templates[] = {
      "string",       "string_view",   "ostream",       "istream",       "iostream",     "ios",
      "ofstream",     "ifstream",      "fstream",       "ostringstream", "istringstream", "stringstream",
      "regex",        "filebuf",       "streambuf",     "stringbuf"};
  if (Text.find("std::basic_") == std::string::npos)
    return Text;
  for (const auto &C : Characters)
    for (const char *Template : Templates)
      replaceAll(Text, std::string("std::basic_") + Template + "<" + C.Character + ">",
                 std::string("std::") + C.Prefix + Template);
  return Text;
}

/// C++ needs no `struct` before the name of one; clang repeats it where the type was first named so.
std::string withoutKeywords(std::string Text) {
  for (StringRef Keyword : {"struct ", "class ", "union ", "enum "})
    for (size_t At = 0; (At = Text.find(Keyword, At)) != std::string::npos;)
      // Clang says `(unnamed enum at input 3:1:1)`.
      if (StringRef(Text).take_front(At).ends_with("(unnamed "))
        At += Keyword.size();
      else if (At == 0 || !(isAlphanumeric(Text[At - 1]) || Text[At - 1] == '_'))
        Text.erase(At, Keyword.size());
      else
        At += Keyword.size();
  return Text;
}

/// True for names that only implementations use.
bool hasReservedName(StringRef Text) { return Text.contains("__"); }

/// Removes what only says how a type was reached: `value_type`, `auto`, `decltype`.
QualType withoutDetours(QualType Type, const ASTContext &Context) {
  for (;;) {
    const auto *Alias = dyn_cast<TypedefType>(Type.getTypePtr());
    StringRef Name = Alias ? Alias->getDecl()->getName() : "";
    bool IsMember = Alias && Alias->getDecl()->getDeclContext()->isRecord();
    bool IsDetour = hasReservedName(Name) || (IsMember && (Name == "type" || Name.ends_with("_type") || Name.ends_with("reference"))) || isa<DecltypeType, TypeOfExprType, AutoType, SubstTemplateTypeParmType, UnaryTransformType>(
                                    Type.getTypePtr());
    if (!IsDetour)
      return Type;
    QualType Next = Type.getSingleStepDesugaredType(Context);
    if (Next == Type)
      return Type;
    Type = Next;
  }
}

} // namespace

PrintingPolicy policyOf(const ASTContext &Context) {
  PrintingPolicy Policy(Context.getLangOpts());
  Policy.SuppressDefaultTemplateArgs = true;
  Policy.UsePreferredNames = true;
  Policy.SuppressInlineNamespace = llvm::to_underlying(PrintingPolicy::SuppressInlineNamespaceMode::All);
  return Policy;
}

std::string spellingOf(QualType Type, const ASTContext &Context) {
  PrintingPolicy Policy = policyOf(Context);
  Type = withoutDetours(Type, Context);
  std::string Text = TypeName::getFullyQualifiedName(Type, Context, Policy);
  // Default arguments that a library has spelled out.
  bool IsOfLibrary = StringRef(Text).contains("std::char_traits<") || StringRef(Text).contains("std::allocator<");
  if (hasReservedName(Text) || IsOfLibrary)
    Text = Type.getCanonicalType().getAsString(Policy);
  return Context.getLangOpts().CPlusPlus ? withoutKeywords(withAliases(std::move(Text))) : Text;
}

std::string scopedNameOf(const NamedDecl *D) {
  std::string Name = D->getDeclName().getAsString();
  for (const DeclContext *In = D->getDeclContext(); In; In = In->getParent())
    if (const auto *Scope = dyn_cast<NamespaceDecl>(In); Scope && !Scope->isInline() && !Scope->isAnonymousNamespace())
      Name = Scope->getNameAsString() + "::" + Name;
  return Name;
}

} // namespace linkjit
