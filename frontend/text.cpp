#include "text.h"

#include "clang/Basic/LangOptions.h"
#include "clang/Lex/Lexer.h"
#include "llvm/ADT/StringSwitch.h"
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

struct Range {
  size_t Begin, End;
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
  for (Token T; Lexed.next(T);) {
    size_t FromEnd = Text.size() - Lexed.begin(T);
    if (T.is(tok::l_brace))
      Open.push_back({'{', '}', FromEnd});
    if (T.is(tok::l_paren))
      Open.push_back({'(', ')', FromEnd});
    if (T.is(tok::l_square))
      Open.push_back({'[', ']', FromEnd});
    if (T.isOneOf(tok::r_brace, tok::r_paren, tok::r_square) && !Open.empty())
      Open.pop_back();
    Seen.EndsWithoutSemicolon = !T.is(tok::semi);
    Seen.MentionsLast |= T.is(tok::raw_identifier) && T.getRawIdentifier() == "_";
  }
  if (!Open.empty())
    Seen.Open = Open.back();
  return Seen;
}

static std::string lineDirective(unsigned Line, unsigned Number) {
  return "#line " + std::to_string(Line) + " \"input " + std::to_string(Number) + "\"\n";
}

std::string named(StringRef Text, unsigned Number) { return lineDirective(1, Number) + Text.str(); }

std::string wrapped(StringRef Text, unsigned Number, StringRef Namespace, const LangOptions &Language) {
  std::string Source = Text.str();
  std::vector<Range> Bare = includesOf(Source, Language);
  Bare.push_back({Source.size(), Source.size()});
  std::string Result;
  size_t At = 0;
  for (const Range &Include : Bare) {
    StringRef Before = Text.slice(At, Include.Begin);
    unsigned Line = 1 + static_cast<unsigned>(Text.take_front(At).count('\n'));
    if (!Before.trim().empty()) {
      Result += "inline namespace " + Namespace.str() + " {\n" + lineDirective(Line, Number) + Before.str();
      // An expression that ends the input has no semicolon, and only the end of the input does without.
      Result += Include.Begin == Source.size() ? "\n;}\n" : "\n}\n";
    }
    unsigned LineOfInclude = 1 + static_cast<unsigned>(Text.take_front(Include.Begin).count('\n'));
    if (Include.Begin != Include.End)
      Result += lineDirective(LineOfInclude, Number) + Text.slice(Include.Begin, Include.End).str() + "\n";
    At = Include.End;
  }
  return Result;
}

} // namespace linkjit
