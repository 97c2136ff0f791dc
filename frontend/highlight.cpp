#include "highlight.h"

#include "clang/Basic/IdentifierTable.h"
#include "clang/Lex/Lexer.h"
#include "clang/Lex/Preprocessor.h"

using namespace clang;

namespace linkjit {

namespace {

/// As docs/repl-frontend.md numbers them.
enum class Class : uint8_t { Keyword = 1, Literal, String, Comment, Directive, Identifier, Punctuation };

Class classOf(const Token &T, StringRef Spelling, Preprocessor &PP) {
  if (T.is(tok::comment))
    return Class::Comment;
  if (T.is(tok::numeric_constant))
    return Class::Literal;
  if (tok::isLiteral(T.getKind()))
    return Class::String;
  // What is still being typed.
  if (T.is(tok::unknown))
    return Spelling.contains('"') || Spelling.starts_with("'") ? Class::String : Class::Punctuation;
  if (!T.is(tok::raw_identifier))
    return Class::Punctuation;
  return PP.getIdentifierInfo(Spelling)->isKeyword(PP.getLangOpts()) ? Class::Keyword : Class::Identifier;
}

} // namespace

FieldWriter highlight(Preprocessor &PP, StringRef Text) {
  std::string Terminated = Text.str();
  const char *Base = Terminated.c_str();
  Lexer Raw(SourceLocation(), PP.getLangOpts(), Base, Base, Base + Terminated.size());
  Raw.SetCommentRetentionState(true);
  FieldWriter Spans;
  uint32_t Count = 0;
  auto Add = [&](size_t Start, size_t End, Class As) {
    Spans.number(static_cast<uint32_t>(Start)).number(static_cast<uint32_t>(End)).byte(static_cast<uint8_t>(As));
    ++Count;
  };
  bool IsDirective = false, IsHeader = false;
  for (Token T;;) {
    Raw.LexFromRawLexer(T);
    if (T.is(tok::eof))
      break;
    size_t End = static_cast<size_t>(Raw.getBufferLocation() - Base), Start = End - T.getLength();
    StringRef Spelling = Text.slice(Start, End);
    if (IsHeader && !T.isAtStartOfLine()) {
      Add(Start, End, T.is(tok::comment) ? Class::Comment : Class::String);
      continue;
    }
    IsHeader = IsDirective && (Spelling == "include" || Spelling == "import" || Spelling == "include_next");
    bool IsHash = T.is(tok::hash) && T.isAtStartOfLine();
    Add(Start, End, IsHash || (IsDirective && !T.isAtStartOfLine()) ? Class::Directive : classOf(T, Spelling, PP));
    IsDirective = IsHash;
  }
  FieldWriter Reply;
  Reply.number(Count).append(Spans);
  return Reply;
}

} // namespace linkjit
