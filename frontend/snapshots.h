// Earlier states of the front end, kept as processes.
//
// A snapshot is a process that sleeps while its child goes on. All that come after it hold the writing end of a pipe
// that it reads. A process says through the pipe of the newest snapshot why it ends; if it crashes, the snapshot reads
// the end of the pipe. Hence a snapshot in the middle can be dropped: those before it still have their pipes open.
#ifndef LINKJIT_FRONTEND_SNAPSHOTS_H
#define LINKJIT_FRONTEND_SNAPSHOTS_H

#include "llvm/ADT/STLFunctionalExtras.h"
#include <cstdint>
#include <string>
#include <vector>

namespace linkjit {

class Snapshots {
public:
  Snapshots();

  /// Leaves this process behind as the snapshot of a state, and returns in its child: now, and whenever the snapshot
  /// wakes. Returns in this process if no process can be made. Older snapshots are thinned out.
  void take(uint32_t Inputs);

  /// Ends this process, which can't be trusted any more: the newest snapshot takes over.
  [[noreturn]] void fail();

  /// Ends this process: the newest snapshot with at most that many inputs takes over.
  [[noreturn]] void rewind(uint32_t Inputs);

  /// Ends this process and all snapshots.
  [[noreturn]] void quit();

  /// Runs `Answer` in a process of its own, so that nothing that it does to the compiler stays. Returns the string it
  /// gives to `Reply`, or nothing if it has crashed, or takes too long.
  std::string aside(llvm::function_ref<void(llvm::function_ref<void(const std::string &)> Reply)> Answer);

private:
  struct Message;
  struct Table;

  bool sleep(int Pipe, uint32_t Inputs);
  bool tell(const Message &Why);

  /// The pipes of all snapshots before this process, oldest first.
  std::vector<int> Pipes;
  /// The state that the newest snapshot holds.
  int64_t NewestInputs = -1;
  /// The snapshots that there are, in memory that all processes share.
  Table *Shared;
};

} // namespace linkjit

#endif
