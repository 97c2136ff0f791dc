#include "disassemble.h"

#include "clang/Basic/TargetInfo.h"
#include "clang/Basic/TargetOptions.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/MC/MCAsmInfo.h"
#include "llvm/MC/MCContext.h"
#include "llvm/MC/MCDisassembler/MCDisassembler.h"
#include "llvm/MC/MCInst.h"
#include "llvm/MC/MCInstPrinter.h"
#include "llvm/MC/MCInstrAnalysis.h"
#include "llvm/MC/MCInstrInfo.h"
#include "llvm/MC/MCRegisterInfo.h"
#include "llvm/MC/MCSubtargetInfo.h"
#include "llvm/MC/MCTargetOptions.h"
#include "llvm/MC/TargetRegistry.h"
#include "llvm/Support/raw_ostream.h"

using namespace clang;

namespace linkjit {

namespace {

/// The parts of LLVM that know the instructions of a target.
struct Machine {
  llvm::MCTargetOptions Options;
  std::unique_ptr<const llvm::MCRegisterInfo> Registers;
  std::unique_ptr<const llvm::MCAsmInfo> Syntax;
  std::unique_ptr<const llvm::MCInstrInfo> Known;
  std::unique_ptr<const llvm::MCSubtargetInfo> Features;
  std::unique_ptr<const llvm::MCInstrAnalysis> Analysis;
  std::unique_ptr<llvm::MCContext> Context;
  std::unique_ptr<const llvm::MCDisassembler> Decoder;
  std::unique_ptr<llvm::MCInstPrinter> Printer;

  /// The printer is made last, and only if LLVM has all the others.
  explicit Machine(const TargetInfo &Wanted) {
    const llvm::Triple &Triple = Wanted.getTriple();
    std::string Unknown;
    const llvm::Target *Target = llvm::TargetRegistry::lookupTarget(Triple, Unknown);
    if (!Target)
      return;
    Registers.reset(Target->createMCRegInfo(Triple));
    Known.reset(Target->createMCInstrInfo());
    // Code of libraries may have any instruction, so it is not only those of the options.
    Features.reset(Target->createMCSubtargetInfo(Triple, Wanted.getTargetOpts().CPU, ""));
    if (!Registers || !Known || !Features)
      return;
    Syntax.reset(Target->createMCAsmInfo(*Registers, Triple, Options));
    Analysis.reset(Target->createMCInstrAnalysis(Known.get()));
    if (!Syntax)
      return;
    Context = std::make_unique<llvm::MCContext>(Triple, Syntax.get(), Registers.get(), Features.get());
    Decoder.reset(Target->createMCDisassembler(*Features, *Context));
    if (Decoder)
      Printer.reset(Target->createMCInstPrinter(Triple, Syntax->getAssemblerDialect(), *Syntax, *Known, *Registers));
    if (Printer)
      Printer->setPrintBranchImmAsAddress(true);
  }

  std::string text(const llvm::MCInst &Decoded, uint64_t Address, uint64_t Size) const {
    std::string Text;
    llvm::raw_string_ostream Out(Text);
    // The printer wants the address that distances are counted from.
    bool IsFromNext = Features->getTargetTriple().isX86();
    Printer->printInst(&Decoded, Address + (IsFromNext ? Size : 0), "", *Features, Out);
    std::replace(Text.begin(), Text.end(), '\t', ' ');
    return StringRef(Text).trim().str();
  }

  uint64_t target(const llvm::MCInst &Decoded, uint64_t Address, uint64_t Size) const {
    uint64_t Found = 0;
    if (Analysis && Analysis->evaluateBranch(Decoded, Address, Size, Found))
      return Found;
    if (Analysis)
      return Analysis->evaluateMemoryOperandAddress(Decoded, Features.get(), Address, Size).value_or(0);
    return 0;
  }
};

} // namespace

std::vector<Instruction> disassemble(const TargetInfo &Target, uint64_t Address, StringRef Code) {
  std::vector<Instruction> Found;
  Machine Machine(Target);
  if (!Machine.Printer)
    return Found;
  for (size_t At = 0; At < Code.size();) {
    llvm::ArrayRef<uint8_t> Rest(Code.bytes_begin() + At, Code.bytes_end());
    llvm::MCInst Decoded;
    uint64_t Size = 0;
    bool IsOne = Machine.Decoder->getInstruction(Decoded, Size, Rest, Address + At, llvm::nulls()) ==
                 llvm::MCDisassembler::Success;
    if (IsOne)
      Found.push_back({At, Machine.text(Decoded, Address + At, Size), Machine.target(Decoded, Address + At, Size)});
    else
      Found.push_back({At, "(no instruction: " + llvm::toHex(Rest.take_front(std::max<uint64_t>(Size, 1))) + ")", 0});
    At += std::max<uint64_t>(Size, 1);
  }
  return Found;
}

} // namespace linkjit
