// Disassembly of linked code.
#ifndef LINKJIT_FRONTEND_DISASSEMBLE_H
#define LINKJIT_FRONTEND_DISASSEMBLE_H

#include "llvm/ADT/StringRef.h"
#include <cstdint>
#include <string>
#include <vector>

namespace clang {
class TargetInfo;
} // namespace clang

namespace linkjit {

struct Instruction {
  /// The distance from the beginning of the code.
  size_t Offset;
  std::string Text;
  /// The address that it jumps to, calls, or finds its operand at; 0 if there is no such.
  uint64_t Target;
};

/// The instructions of code that is at an address of the target. Bytes that are no instruction are shown as such.
std::vector<Instruction> disassemble(const clang::TargetInfo &Target, uint64_t Address, llvm::StringRef Code);

} // namespace linkjit

#endif
