#include "text.h"

#include "clang/Basic/LangOptions.h"
#include "clang/Lex/Lexer.h"
#include "llvm/ADT/STLExtras.h"
#include <vector>

using namespace clang;

namespace linkjit {

namespace {

/// The tokens of a text, without preprocessing. Its end must be a zero byte.
class Tokens {
public:
  Tokens(const std::string &Text, const LangOptions &Language)
      : Base(Text.c_str()), Raw(SourceLocation(), Language, Base, Base, Base + Text.size()) {}

  bool next(Token &Result) {
    Raw.LexFromRawLexer(Result);
    if (Result.is(tok::eof))
      return false;
    End = static_cast<size_t>(Raw.getBufferLocation() - Base);
    return true;
  }

  /// Where the last token ends, and where it begins.
  size_t end() const { return End; }
  size_t begin(const Token &Of) const { return End - Of.getLength(); }

private:
  const char *Base;
  Lexer Raw;
  size_t End = 0;
};

/// The lines with `#include` that stand outside of all brackets and conditions.
std::vector<Range> includesOf(const std::string &Text, const LangOptions &Language) {
  std::vector<Range> Found;
  Tokens Lexed(Text, Language);
  int Depth = 0;
  for (Token T; Lexed.next(T);) {
    if (T.isOneOf(tok::l_brace, tok::l_paren))
      ++Depth;
    if (T.isOneOf(tok::r_brace, tok::r_paren))
      --Depth;
    if (!T.is(tok::hash) || !T.isAtStartOfLine())
      continue;
    size_t Begin = Lexed.begin(T);
    if (!Lexed.next(T) || !T.is(tok::raw_identifier))
      continue;
    StringRef Directive = T.getRawIdentifier();
    if (Directive.starts_with("if"))
      ++Depth;
    if (Directive == "endif")
      --Depth;
    if (Depth == 0 && (Directive == "include" || Directive == "include_next" || Directive == "import"))
      Found.push_back({Begin, std::min(Text.find('\n', Begin), Text.size())});
  }
  return Found;
}

} // namespace

Outline outlineOf(StringRef Text, const LangOptions &Language) {
  Outline Seen;
  std::string Terminated = Text.str();
  Tokens Lexed(Terminated, Language);
  std::vector<OpenBracket> Open;
  bool FollowsType = false, FollowsExport = false, IsDirective = false;
  for (Token T; Lexed.next(T);) {
    if (T.isAtStartOfLine())
      IsDirective = T.is(tok::hash);
    size_t FromEnd = Text.size() - Lexed.begin(T);
    if (T.is(tok::l_brace))
      Open.push_back({'{', '}', FromEnd});
    if (T.is(tok::l_paren))
      Open.push_back({'(', ')', FromEnd});
    if (T.is(tok::l_square))
      Open.push_back({'[', ']', FromEnd});
    if (T.isOneOf(tok::r_brace, tok::r_paren, tok::r_square) && !Open.empty())
      Open.pop_back();
    StringRef Word = T.is(tok::raw_identifier) ? T.getRawIdentifier() : "";
    Seen.MentionsLast |= Word == "_" && !FollowsType;
    Seen.MentionsTry |= Word == "__try";
    Seen.Returns |= Word == "return" && Open.empty() && !IsDirective;
    Seen.IsModule |= Word == "module" && FollowsExport;
    FollowsExport = Word == "export";
    // `int _` declares it; in C++, that needs no care, and more words stand before values.
    FollowsType = !Language.CPlusPlus && !Word.empty() && !llvm::is_contained({"return", "sizeof", "case", "else", "do"}, Word);
  }
  if (!Open.empty())
    Seen.Open = Open.back();
  return Seen;
}

static std::string lineDirective(size_t Line, unsigned Number) {
  return "#line " + std::to_string(Line) + " \"input " + std::to_string(Number) + "\"\n";
}

std::string headOf(unsigned Number) { return lineDirective(1, Number); }

/// A part of a text that is where it was for diagnostics: in its line and column.
static std::string placed(StringRef Text, Range Part, unsigned Number) {
  StringRef Before = Text.take_front(Part.Begin);
  size_t Column = Before.size() - (Before.rfind('\n') == StringRef::npos ? 0 : Before.rfind('\n') + 1);
  return lineDirective(1 + Before.count('\n'), Number) + std::string(Column, ' ') + Text.slice(Part.Begin, Part.End).str() +
         "\n";
}

std::string wrapped(StringRef Text, unsigned Number, StringRef Namespace, std::vector<Range> Statements,
                    const LangOptions &Language) {
  std::vector<Range> Bare;
  if (Namespace.empty())
    llvm::erase_if(Statements, [](Range Each) { return !Each.NeedsFunction; });
  else
    Bare = includesOf(Text.str(), Language);
  Bare.insert(Bare.end(), Statements.begin(), Statements.end());
  llvm::sort(Bare, [](Range A, Range B) { return A.Begin < B.Begin; });
  Bare.push_back({Text.size(), Text.size()});
  auto Around = [](StringRef Opening, const std::string &Part, StringRef Closing) {
    return (Opening + Part + Closing).str();
  };
  std::string Opening = Namespace.empty() ? "" : "inline namespace " + Namespace.str() + " {\n", Result;
  size_t At = 0;
  for (Range Each : Bare) {
    if (Each.Begin < At)
      continue;
    if (!Text.slice(At, Each.Begin).trim().empty())
      Result += Around(Opening, placed(Text, {At, Each.Begin}, Number), Namespace.empty() ? "" : "}\n");
    if (Each.Begin != Each.End)
      Result += Each.NeedsFunction ? Around("[] {\n", placed(Text, Each, Number), "}();\n") : placed(Text, Each, Number);
    At = Each.End;
  }
  return Result;
}

} // namespace linkjit
