#include "snapshots.h"

#include "wire.h"
#include <csignal>
#include <new>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

namespace linkjit {

namespace {

/// A snapshot costs some MiB of pages that are not shared any more.
constexpr unsigned MostSnapshots = 16;

/// The time an answer aside may take.
constexpr unsigned SecondsAside = 10;

enum class Why : uint32_t { Failed, Rewind, Quit };

} // namespace

struct Snapshots::Message {
  Why Reason;
  uint32_t Inputs;
};

struct Snapshots::Table {
  struct Entry {
    pid_t Process;
    uint32_t Inputs;
  };
  unsigned Count = 0;
  Entry Entries[MostSnapshots + 1];

  /// Adds this process, which has become a snapshot. Those that came after it in an earlier life are gone.
  void add(uint32_t Inputs) {
    pid_t Self = ::getpid();
    for (unsigned I = 0; I < Count; ++I)
      if (Entries[I].Process == Self)
        Count = I;
    if (Count > MostSnapshots)
      return;
    Entries[Count++] = {Self, Inputs};
  }

  /// Ends one of the snapshots if there are too many: the one whose loss matters least for its age. The oldest stays, for
  /// all states can be reached from it, and so do the newest.
  void thin() {
    if (Count <= MostSnapshots)
      return;
    unsigned Least = 1;
    double LeastLoss = 2;
    for (unsigned I = 1; I + 2 < Count; ++I) {
      double Gap = double(Entries[I + 1].Inputs) - Entries[I - 1].Inputs;
      double Age = double(Entries[Count - 1].Inputs) - Entries[I - 1].Inputs;
      if (Gap / Age < LeastLoss) {
        LeastLoss = Gap / Age;
        Least = I;
      }
    }
    ::kill(Entries[Least].Process, SIGKILL);
    for (unsigned I = Least; I + 1 < Count; ++I)
      Entries[I] = Entries[I + 1];
    --Count;
  }
};

Snapshots::Snapshots() {
  void *Memory = ::mmap(nullptr, sizeof(Table), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  Shared = Memory == MAP_FAILED ? nullptr : new (Memory) Table;
  // A message to a snapshot that was dropped must not end us. Nobody waits for the children: the system buries them.
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGCHLD, SIG_IGN);
}

void Snapshots::take(uint32_t Inputs) {
  if (NewestInputs == Inputs)
    return;
  for (;;) {
    int Pipe[2];
    if (!Shared || ::pipe(Pipe) != 0)
      return;
    Shared->add(Inputs);
    Shared->thin();
    pid_t Child = ::fork();
    if (Child < 0) {
      ::close(Pipe[0]);
      ::close(Pipe[1]);
      --Shared->Count;
      return;
    }
    if (Child == 0) {
      ::close(Pipe[0]);
      Pipes.push_back(Pipe[1]);
      NewestInputs = Inputs;
      return;
    }
    ::close(Pipe[1]);
    bool Serves = sleep(Pipe[0], Inputs);
    ::close(Pipe[0]);
    if (!Serves)
      ::_exit(0);
  }
}

/// Sleeps until all later processes are gone, or one of them says why it ends. True if this state is wanted again.
bool Snapshots::sleep(int Pipe, uint32_t Inputs) {
  Message Told;
  if (!readExactly(Pipe, reinterpret_cast<char *>(&Told), sizeof Told))
    return true;
  switch (Told.Reason) {
  case Why::Failed:
    return true;
  case Why::Rewind:
    // If there is no older one, nobody else can serve either, and the session starts a new front end.
    if (Inputs > Told.Inputs)
      tell(Told);
    return Inputs <= Told.Inputs;
  case Why::Quit:
    tell(Told);
    return false;
  }
  return true;
}

/// Sends a message to the newest snapshot that is alive.
bool Snapshots::tell(const Message &Why) {
  llvm::StringRef Bytes(reinterpret_cast<const char *>(&Why), sizeof Why);
  for (auto Pipe = Pipes.rbegin(); Pipe != Pipes.rend(); ++Pipe)
    if (writeFully(*Pipe, Bytes))
      return true;
  return false;
}

void Snapshots::fail() {
  tell({Why::Failed, 0});
  ::_exit(0);
}

void Snapshots::rewind(uint32_t Inputs) {
  tell({Why::Rewind, Inputs});
  ::_exit(0);
}

void Snapshots::quit() {
  tell({Why::Quit, 0});
  ::_exit(0);
}

std::string Snapshots::aside(llvm::function_ref<void(llvm::function_ref<void(const std::string &)>)> Answer) {
  int Pipe[2];
  if (::pipe(Pipe) != 0)
    return {};
  pid_t Child = ::fork();
  if (Child == 0) {
#ifdef __linux__
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
    ::alarm(SecondsAside);
    ::close(Pipe[0]);
    // Whoever waits for the end of this process's parent must not wait for this process.
    for (int Later : Pipes)
      ::close(Later);
    Answer([&](const std::string &Reply) {
      writeFully(Pipe[1], Reply);
      ::_exit(0);
    });
    ::_exit(0);
  }
  ::close(Pipe[1]);
  std::string Reply;
  char Part[4096];
  for (ssize_t Read; Child > 0 && (Read = ::read(Pipe[0], Part, sizeof Part)) > 0;)
    Reply.append(Part, static_cast<size_t>(Read));
  ::close(Pipe[0]);
  return Reply;
}

} // namespace linkjit
