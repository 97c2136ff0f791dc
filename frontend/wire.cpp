#include "wire.h"

#include "llvm/Support/Endian.h"
#include <cerrno>
#include <unistd.h>

namespace linkjit {

namespace {
constexpr uint32_t LongestPayload = 256u << 20;
} // namespace

llvm::StringRef FieldReader::take(size_t Length) {
  if (Length > Rest.size()) {
    Overrun = true;
    Rest = {};
    return {};
  }
  llvm::StringRef Taken = Rest.take_front(Length);
  Rest = Rest.drop_front(Length);
  return Taken;
}

uint8_t FieldReader::byte() {
  llvm::StringRef Taken = take(1);
  return Taken.empty() ? 0 : static_cast<uint8_t>(Taken[0]);
}

uint32_t FieldReader::number() {
  llvm::StringRef Taken = take(4);
  return Taken.empty() ? 0 : llvm::support::endian::read32le(Taken.data());
}

llvm::StringRef FieldReader::string() { return take(number()); }

std::vector<std::string> FieldReader::list() {
  std::vector<std::string> Items;
  // The count is not trusted: the loop ends with the payload.
  for (uint32_t Left = number(); Left != 0 && !Overrun; --Left)
    Items.push_back(string().str());
  return Items;
}

FieldWriter &FieldWriter::byte(uint8_t Value) {
  Bytes.push_back(static_cast<char>(Value));
  return *this;
}

FieldWriter &FieldWriter::number(uint32_t Value) {
  char Little[4];
  llvm::support::endian::write32le(Little, Value);
  Bytes.append(Little, sizeof Little);
  return *this;
}

FieldWriter &FieldWriter::string(llvm::StringRef Text) {
  number(static_cast<uint32_t>(Text.size()));
  Bytes.append(Text.begin(), Text.end());
  return *this;
}

FieldWriter &FieldWriter::list(const std::vector<std::string> &Items) {
  number(static_cast<uint32_t>(Items.size()));
  for (const std::string &Item : Items)
    string(Item);
  return *this;
}

FieldWriter &FieldWriter::append(const FieldWriter &Fields) {
  Bytes += Fields.Bytes;
  return *this;
}

bool readExactly(int Descriptor, char *Bytes, size_t Length) {
  while (Length != 0) {
    ssize_t Read = ::read(Descriptor, Bytes, Length);
    if (Read < 0 && errno == EINTR)
      continue;
    if (Read <= 0)
      return false;
    Bytes += Read;
    Length -= static_cast<size_t>(Read);
  }
  return true;
}

bool writeFully(int Descriptor, llvm::StringRef Bytes) {
  while (!Bytes.empty()) {
    ssize_t Written = ::write(Descriptor, Bytes.data(), Bytes.size());
    if (Written < 0 && errno == EINTR)
      continue;
    if (Written <= 0)
      return false;
    Bytes = Bytes.drop_front(static_cast<size_t>(Written));
  }
  return true;
}

Channel::Channel() : Out(::dup(STDOUT_FILENO)) { ::dup2(STDERR_FILENO, STDOUT_FILENO); }

std::optional<Frame> Channel::receive() {
  char Header[5];
  if (!readExactly(STDIN_FILENO, Header, sizeof Header))
    return std::nullopt;
  uint32_t Length = llvm::support::endian::read32le(Header + 1);
  if (Length > LongestPayload)
    return std::nullopt;
  Frame Request{Header[0], std::string(Length, '\0')};
  if (!readExactly(STDIN_FILENO, Request.Payload.data(), Length))
    return std::nullopt;
  return Request;
}

bool Channel::send(char Kind, const FieldWriter &Fields) {
  FieldWriter Whole;
  Whole.byte(static_cast<uint8_t>(Kind)).string(Fields.payload());
  return writeFully(Out, Whole.payload());
}

} // namespace linkjit
