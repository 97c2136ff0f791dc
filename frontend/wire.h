// Frames of the protocol with the session: docs/repl-frontend.md.
#ifndef LINKJIT_FRONTEND_WIRE_H
#define LINKJIT_FRONTEND_WIRE_H

#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace linkjit {

struct Frame {
  char Kind = 0;
  std::string Payload;
};

/// Reads the fields of a payload in order. What is missing reads as nothing, and isWhole tells.
class FieldReader {
public:
  explicit FieldReader(llvm::StringRef Payload) : Rest(Payload) {}

  uint8_t byte();
  uint32_t number();
  llvm::StringRef string();
  std::vector<std::string> list();

  /// True if every field was there, and nothing is left.
  bool isWhole() const { return !Overrun && Rest.empty(); }

private:
  llvm::StringRef take(size_t Length);

  llvm::StringRef Rest;
  bool Overrun = false;
};

/// Builds a payload.
class FieldWriter {
public:
  FieldWriter() = default;
  /// Fields that were built before.
  explicit FieldWriter(std::string Payload) : Bytes(std::move(Payload)) {}

  FieldWriter &byte(uint8_t Value);
  FieldWriter &number(uint32_t Value);
  FieldWriter &string(llvm::StringRef Text);
  FieldWriter &list(const std::vector<std::string> &Items);

  FieldWriter &append(const FieldWriter &Fields);

  const std::string &payload() const { return Bytes; }

private:
  std::string Bytes;
};

/// The two directions of the connection.
class Channel {
public:
  /// Keeps the standard output for frames: whatever else the process prints goes to standard error from now on.
  Channel();

  /// The next request, or nothing at the end of the input. A request that is too long ends the input.
  std::optional<Frame> receive();

  /// Sends a frame; false if the session is gone.
  bool send(char Kind, const FieldWriter &Fields);

private:
  int Out;
};

/// Reads exactly `Length` bytes; false at the end of the input or on an error.
bool readExactly(int Descriptor, char *Bytes, size_t Length);

/// Writes all bytes; false on an error.
bool writeFully(int Descriptor, llvm::StringRef Bytes);

} // namespace linkjit

#endif
