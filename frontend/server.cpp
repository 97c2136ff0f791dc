#include "server.h"

#include "complete.h"
#include "disassemble.h"
#include "document.h"
#include "highlight.h"
#include "places.h"
#include "spelling.h"
#include "structured.h"
#include "clang/AST/ASTContext.h"
#include "clang/AST/Decl.h"
#include "clang/AST/Expr.h"
#include "clang/Basic/Version.h"
#include "clang/Basic/TargetInfo.h"
#include "clang/Frontend/CompilerInstance.h"
#include "clang/Lex/Lexer.h"
#include "clang/Lex/Preprocessor.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/IR/Module.h"
#include "llvm/Support/raw_ostream.h"
#include <unistd.h>

using namespace clang;

namespace linkjit {

namespace {

constexpr uint32_t ProtocolVersion = 1;

enum class Status : uint8_t { Accepted, Rejected, Redefines };

FieldWriter answer(Status Is, StringRef Diagnostics, const std::vector<std::string> &Names, const Object &Made,
                   StringRef Type, bool Declares) {
  FieldWriter Fields;
  Fields.byte(static_cast<uint8_t>(Is)).string(Diagnostics).list(Names);
  Fields.string(Made.Bytes).string(Made.Entry).string(Type).byte(Made.Lasts).byte(Declares).string(Made.Undo);
  return Fields;
}

} // namespace

void Server::serve() {
  FieldWriter Greeting;
  Greeting.number(ProtocolVersion).string(getClangFullVersion());
  send('G', Greeting.string(Clang.instance().getTarget().getTriple().str()));
  sendState();
  while (std::optional<Frame> Request = Session.receive())
    handle(*Request);
  Earlier.quit();
}

void Server::handle(const Frame &Request) {
  FieldReader Fields(Request.Payload);
  switch (Request.Kind) {
  case 'I':
    return input(Fields);
  case 'P':
    return snapshot();
  case 'R':
    return rewind(Fields);
  case 'N':
    return passOver(Fields);
  case 'C':
    return complete(Fields);
  case 'T':
    return typeOf(Fields);
  case 'D':
    return document(Fields);
  case 'H':
    return send('H', highlight(Clang.instance().getPreprocessor(), Fields.string()));
  case 'L':
    return sendText('L', Clang.Made->listing(Fields.string()));
  case 'W':
    return locate(Fields);
  case 'M':
    return machineCode(Fields);
  default:
    refuse("a request of an unknown kind");
  }
}

void Server::refuse(StringRef Why) {
  llvm::errs() << "linkjit-clang-22: the session has sent " << Why << '\n';
  Earlier.quit();
}

void Server::snapshot() {
  Earlier.take(Inputs);
  sendState();
}

/// Sends a frame. Without a session, no process has anything left to do: an earlier one must not take over.
void Server::send(char Kind, const FieldWriter &Fields) {
  if (!Session.send(Kind, Fields))
    Earlier.quit();
}

void Server::sendState() {
  send('S', FieldWriter().number(Inputs).number(static_cast<uint32_t>(::getpid())));
}

void Server::sendText(char Kind, StringRef Text) { send(Kind, FieldWriter().string(Text)); }

void Server::rewind(FieldReader Fields) {
  uint32_t Wanted = Fields.number();
  if (!Fields.isWhole())
    refuse("half a request to rewind");
  if (Wanted < Inputs)
    Earlier.rewind(Wanted);
  sendState();
}

/// Counts inputs that it need not know.
void Server::passOver(FieldReader Fields) {
  uint32_t Count = Fields.number();
  if (!Fields.isWhole())
    refuse("half a request to pass over inputs");
  Inputs += Count;
  sendState();
}

void Server::input(FieldReader Fields) {
  bool IsReplayed = Fields.byte() == 0;
  Serial = Fields.number();
  HiddenNow = Fields.list();
  StringRef Namespace = Fields.string(), Text = Fields.string();
  if (!Fields.isWhole())
    refuse("half an input");
  CompilerInstance &Instance = Clang.instance();
  unsigned Number = Inputs;
  Outline Seen = outlineOf(Text, Instance.getLangOpts());
  HasDirectives = Text.contains('#');
  Clang.Hidden->clear();
  Clang.Made->Redirected.clear();
  if (!HiddenNow.empty())
    Clang.Hidden->hide(Instance.getSema(), HiddenNow);
  Clang.Shown->begin(Number, Serial, Namespace);
  std::string Head = Clang.Shown->before(Seen.MentionsLast);
  Clang.Reports->begin(Seen.Open);
  Head += prepared(Text, Number, Namespace, Head, Seen.MentionsTry);
  Clang.Reports->OnStuck = [this] { reject(); };
  if (Seen.Returns || Seen.IsModule) {
    Clang.Reports->refuse(Seen.Returns ? "'return' is not in a function" : "inputs can't be a module");
    reject();
  }
  parse(Head, IsReplayed);
}

/// An input as clang takes it, with what must be around its parts.
std::string Server::prepared(StringRef Text, unsigned Number, StringRef Namespace, StringRef Before, bool MentionsTry) {
  LangOptions &Language = Clang.instance().getLangOpts();
  MentionsTry &= Language.CPlusPlus && Language.MSVCCompat;
  std::vector<Range> Statements;
  // In C, definitions are renamed.
  if (!Language.CPlusPlus)
    Namespace = "";
  if (MentionsTry || !Namespace.empty())
    Statements = statementsOf(Text, (Before + headOf(Number)).str());
  if (MentionsTry)
    heedStructuredExceptions(Language);
  if (Namespace.empty() && llvm::none_of(Statements, [](Range Each) { return Each.NeedsFunction; }))
    return headOf(Number) + Text.str();
  return wrapped(Text, Number, Namespace, std::move(Statements), Language);
}

/// The parts of an input that are statements or namespaces. Only clang can tell them from declarations, so it parses the input aside.
/// Those with `__try` need a function, but for expressions: these have it in one of their own.
std::vector<Range> Server::statementsOf(StringRef Text, StringRef Head) {
  std::string Reply = Earlier.aside([&](llvm::function_ref<void(const std::string &)> Finish) {
    const SourceManager &Files = Clang.instance().getSourceManager();
    FieldWriter Found;
    Clang.Reports->OnStuck = [&] { Finish(Found.payload()); };
    Clang.Shown->OnStatement = [&](const Decl &Each) {
      CharSourceRange Range = Files.getExpansionRange(Each.getSourceRange());
      unsigned Length = Lexer::MeasureTokenLength(Range.getEnd(), Files, Clang.instance().getLangOpts());
      size_t Begin = Files.getFileOffset(Range.getBegin()), End = Files.getFileOffset(Range.getEnd()) + Length;
      if (Begin < Head.size() || End > Head.size() + Text.size())
        return;
      // The semicolon is part of some statements, and follows others.
      StringRef After = Text.drop_front(End - Head.size());
      if (After.ltrim().starts_with(";"))
        End += After.size() - After.ltrim().size() + 1;
      Found.number(static_cast<uint32_t>(Begin - Head.size())).number(static_cast<uint32_t>(End - Head.size()));
      const auto *Statement = dyn_cast<TopLevelStmtDecl>(&Each);
      Found.byte(Statement && !isa_and_nonnull<Expr>(Statement->getStmt()));
    };
    llvm::consumeError(Clang.Clang->Parse((Head + Text).str()).takeError());
    Finish(Found.payload());
  });
  std::vector<Range> Statements;
  constexpr size_t BytesOfEach = 9;
  FieldReader Fields(Reply);
  for (size_t I = 0; I < Reply.size() / BytesOfEach; ++I) {
    size_t Begin = Fields.number(), End = Fields.number();
    bool MayNeedOne = Fields.byte() != 0;
    StringRef Statement = Text.slice(Begin, End);
    Statements.push_back({Begin, End, MayNeedOne && outlineOf(Statement, Clang.instance().getLangOpts()).MentionsTry});
  }
  return Statements;
}

void Server::parse(const std::string &Text, bool IsReplayed) {
  llvm::Expected<PartialTranslationUnit &> Unit = Clang.Clang->Parse(Text);
  if (!Unit) {
    llvm::consumeError(Unit.takeError());
    reject();
  }
  if (Clang.Reports->hasErrors() || !Clang.Hidden->conflicts(Clang.instance().getSema()).empty())
    reject();
  Object Made;
  if (Unit->TheModule)
    keepFromCatchAll(Clang.instance().getLangOpts(), *Unit->TheModule);
  if (Unit->TheModule)
    Made = Clang.Made->compile(Clang.instance(), std::move(Unit->TheModule), Inputs, Serial, IsReplayed);
  if (!Made.Errors.empty()) {
    send('A', answer(Status::Rejected, Clang.Reports->takeText() + Made.Errors, {}, Object(), "", false));
    Earlier.fail();
  }
  ++Inputs;
  send('A', answer(Status::Accepted, Clang.Reports->takeText(), {}, Made, Clang.Shown->type(),
                   Clang.Shown->declares() || HasDirectives));
}

/// Says why the input is not accepted, and ends this process: clang's state is of no use after an error.
void Server::reject() {
  Clang.Reports->OnStuck = nullptr;
  std::vector<std::string> Names;
  if (!Clang.Reports->isCutShort())
    Names = Clang.Hidden->conflicts(Clang.instance().getSema());
  // Hiding them again would not help.
  llvm::erase_if(Names, [&](const std::string &Name) { return llvm::is_contained(HiddenNow, Name); });
  Status Is = Names.empty() ? Status::Rejected : Status::Redefines;
  send('A', answer(Is, Clang.Reports->takeText(), Names, Object(), "", false));
  Earlier.fail();
}

void Server::complete(FieldReader Fields) {
  StringRef Text = Fields.string();
  uint32_t Offset = Fields.number();
  if (!Fields.isWhole())
    refuse("half a request to complete");
  std::string Reply = Earlier.aside([&](llvm::function_ref<void(const std::string &)> Finish) {
    Clang.Reports->OnStuck = [&] { Finish(""); };
    linkjit::complete(*Clang.Clang, Text, Offset, [&](const Completions &Found) {
      FieldWriter List;
      List.number(static_cast<uint32_t>(Found.Start)).number(static_cast<uint32_t>(Found.Items.size()));
      for (const Completion &Item : Found.Items)
        List.string(Item.Text).string(Item.Detail);
      Finish(List.payload());
    });
  });
  FieldWriter Nothing;
  Nothing.number(Offset).number(0);
  send('C', Reply.empty() ? Nothing : FieldWriter(Reply));
}

void Server::typeOf(FieldReader Fields) {
  StringRef Expression = Fields.string().rtrim(" \t\n;");
  std::string Reply = Earlier.aside([&](llvm::function_ref<void(const std::string &)> Finish) {
    auto Give = [&](StringRef Type) {
      Finish(FieldWriter().string(Type).string(Clang.Reports->takeText()).payload());
    };
    Outline Seen = outlineOf(Expression, Clang.instance().getLangOpts());
    Clang.Shown->begin(Inputs, 0, "");
    Clang.Shown->OnStatement = [&](const Decl &Each) {
      const auto *Statement = dyn_cast<TopLevelStmtDecl>(&Each);
      if (const auto *Value = dyn_cast_or_null<Expr>(Statement ? Statement->getStmt() : nullptr))
        Give(spellingOf(Value->getType(), Clang.instance().getASTContext()));
    };
    Clang.Reports->OnStuck = [&] { Give(""); };
    std::string Whole = Clang.Shown->before(Seen.MentionsLast);
    Whole += headOf(Inputs);
    Whole += Expression;
    llvm::consumeError(Clang.Clang->Parse(Whole).takeError());
    Give("");
  });
  FieldWriter Nothing;
  Nothing.string("").string("error: the expression has no type\n");
  send('T', Reply.empty() ? Nothing : FieldWriter(Reply));
}

void Server::locate(FieldReader Fields) {
  StringRef Object = Fields.string(), Symbol = Fields.string();
  uint32_t Offset = Fields.number();
  if (!Fields.isWhole())
    refuse("half a request for a place");
  Place Found = placeOf(Object, Symbol, Offset);
  send('W', FieldWriter().string(Found.Function).string(Found.File).number(Found.Line));
}

void Server::document(FieldReader Fields) {
  StringRef Name = Fields.string();
  std::string Reply = Earlier.aside([&](llvm::function_ref<void(const std::string &)> Finish) {
    Documentation Found = documentationOf(Clang.instance(), Name);
    Finish(FieldWriter().string(Found.Text).number(Found.Input).payload());
  });
  FieldWriter Nothing;
  Nothing.string("").number(0);
  send('D', Reply.empty() ? Nothing : FieldWriter(Reply));
}

void Server::machineCode(FieldReader Fields) {
  uint64_t Address = Fields.number();
  Address |= static_cast<uint64_t>(Fields.number()) << 32;
  std::vector<Instruction> Found = disassemble(Clang.instance().getTarget(), Address, Fields.string());
  FieldWriter List;
  List.number(static_cast<uint32_t>(Found.size()));
  for (const Instruction &Each : Found) {
    List.number(static_cast<uint32_t>(Each.Offset)).string(Each.Text);
    List.number(static_cast<uint32_t>(Each.Target)).number(static_cast<uint32_t>(Each.Target >> 32));
  }
  send('M', List);
}

} // namespace linkjit
