// Serves the requests of a session.
#ifndef LINKJIT_FRONTEND_SERVER_H
#define LINKJIT_FRONTEND_SERVER_H

#include "compiler.h"
#include "snapshots.h"
#include "text.h"
#include "wire.h"

namespace linkjit {

class Server {
public:
  Server(Channel &Session, Compiler Clang) : Session(Session), Clang(std::move(Clang)) {}

  /// Serves until the session ends; this process and all that it makes end then.
  [[noreturn]] void serve();

private:
  void handle(const Frame &Request);
  void input(FieldReader Fields);
  std::string prepared(llvm::StringRef Text, unsigned Number, llvm::StringRef Namespace, llvm::StringRef Before,
                       bool MentionsTry);
  std::vector<Range> statementsOf(llvm::StringRef Text, llvm::StringRef Head);
  void parse(const std::string &Text, bool IsReplayed);
  [[noreturn]] void reject();
  void snapshot();
  void rewind(FieldReader Fields);
  void passOver(FieldReader Fields);
  void complete(FieldReader Fields);
  void typeOf(FieldReader Fields);
  void document(FieldReader Fields);
  void locate(FieldReader Fields);
  void machineCode(FieldReader Fields);
  void send(char Kind, const FieldWriter &Fields);
  void sendState();
  void sendText(char Kind, llvm::StringRef Text);
  [[noreturn]] void refuse(llvm::StringRef Why);

  Channel &Session;
  Compiler Clang;
  Snapshots Earlier;
  /// The number of inputs that were accepted.
  uint32_t Inputs = 0;
  /// The number of the input at hand, which no other has.
  uint32_t Serial = 0;
  /// The input at hand may define macros.
  bool HasDirectives = false;
  /// The names that are hidden for the input at hand.
  std::vector<std::string> HiddenNow;
};

} // namespace linkjit

#endif
