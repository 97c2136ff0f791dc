//! Operands of x86-64 instructions, numbered as LLVM's disassembler numbers them.
//!
//! Their peculiarity: LLVM counts the operands of its instruction descriptions, not those of the assembler. Results
//! come first; a result that is also an argument comes twice; a memory operand counts as five; an implied register does
//! not count; a condition is a number at the end; a lock prefix is an instruction of its own. `docs/check-operands.md`
//! lists the forms.

use iced_x86::{
    Code, ConditionCode, Decoder, DecoderOptions, Instruction as X86, InstructionInfoFactory, InstructionInfoOptions,
    Mnemonic, OpAccess, OpKind, Register,
};

use super::{Instruction, Operand};

/// No instruction is longer.
const LONGEST: usize = 15;

/// Decodes the x86-64 instruction that `bytes`, which are at `address`, begin with.
///
/// # Errors
/// If there is none, or its operands have no place in the numbering that is known here.
pub(super) fn decode(bytes: &[u8], address: u64) -> Result<Instruction, String> {
    if let [0xf0, ..] = bytes {
        return Ok(Instruction { name: "lock".into(), length: 1, operands: Vec::new() });
    }
    let bytes = bytes.get(..LONGEST).unwrap_or(bytes);
    let (with_rex, shorter) = without_rex2(bytes).unzip();
    let bytes = with_rex.as_deref().unwrap_or(bytes);
    let mut decoder = Decoder::with_ip(64, bytes, address, DecoderOptions::NONE);
    let instruction = decoder.decode();
    if instruction.is_invalid() {
        return Err("these bytes are not an x86-64 instruction".into());
    }
    let immediate_at = decoder.get_constant_offsets(&instruction).immediate_offset();
    // A ModRM byte that names a register is 0xc0 or more, the opcodes that imply the accumulator are less.
    let before_immediate = immediate_at.checked_sub(1).and_then(|at| bytes.get(at)).copied();
    let name = format!("{:?}", instruction.mnemonic()).to_lowercase();
    let operands = operands(&instruction, before_immediate)?;
    Ok(Instruction { name, length: instruction.len() as u64 + shorter.unwrap_or(0), operands })
}

/// An instruction with a REX2 prefix (APX) in the form that has a REX prefix, and by how much that is shorter. Only the
/// numbers of its registers differ, which nobody asks for.
fn without_rex2(bytes: &[u8]) -> Option<(Vec<u8>, u64)> {
    let is_prefix = |byte: &u8| matches!(byte, 0x26 | 0x2e | 0x36 | 0x3e | 0x64..=0x67 | 0xf2 | 0xf3);
    let at = bytes.iter().position(|byte| !is_prefix(byte))?;
    let (prefixes, rest) = bytes.split_at_checked(at)?;
    let [0xd5, payload, rest @ ..] = rest else { return None };
    let is_map_1 = payload & 0x80 != 0;
    // A jump to an address of 64 bits has the opcode of a move.
    if !is_map_1 && rest.first() == Some(&0xa1) {
        return None;
    }
    let rex = 0x40 | payload & 0xf;
    let opcode: &[u8] = if is_map_1 { &[rex, 0x0f] } else { &[rex] };
    Some(([prefixes, opcode, rest].concat(), 2 - opcode.len() as u64))
}

fn operands(instruction: &X86, before_immediate: Option<u8>) -> Result<Vec<Operand>, String> {
    let mut operands = Vec::new();
    let count = instruction.op_count();
    let mut order: Vec<u32> = (0..count).collect();
    if matches!(instruction.mnemonic(), Mnemonic::Xchg | Mnemonic::Xadd) && count == 2 {
        // The register is a result, and results come first, wherever the memory is.
        order.sort_by_key(|&index| instruction.op_kind(index) != OpKind::Register);
    }
    for index in order {
        if is_implied(instruction, index, before_immediate) {
            continue;
        }
        match instruction.op_kind(index) {
            OpKind::Register => {
                operands.push(Operand::Other);
                if is_tied(instruction, index) {
                    operands.push(Operand::Other);
                }
            }
            // The register with the address, and for a source the segment.
            kind if (OpKind::MemorySegSI..=OpKind::MemorySegRDI).contains(&kind) => {
                operands.extend([Operand::Other; 2]);
            }
            OpKind::MemoryESDI | OpKind::MemoryESEDI | OpKind::MemoryESRDI => operands.push(Operand::Other),
            OpKind::Memory if has_full_address(instruction) => {
                operands.push(Operand::Immediate(instruction.memory_displacement64().cast_signed()));
                operands.push(Operand::Other);
            }
            OpKind::Memory => operands.extend(memory(instruction)),
            OpKind::NearBranch16 | OpKind::NearBranch32 | OpKind::NearBranch64 => {
                let distance = instruction.near_branch_target().wrapping_sub(instruction.next_ip());
                operands.push(Operand::Immediate(distance.cast_signed()));
            }
            _ => match immediate(instruction, index) {
                Some(value) => operands.push(Operand::Immediate(value)),
                None => return Err(format!("the operands of '{:?}' are not supported", instruction.mnemonic())),
            },
        }
    }
    insert_masks(instruction, &mut operands);
    operands.extend(rounding(instruction).map(Operand::Immediate));
    operands.extend(condition(instruction).map(Operand::Immediate));
    Ok(operands)
}

/// A mask comes after the result, or the memory that is stored to. Gathers and scatters clear theirs as they go: for
/// them it is a result and an argument.
fn insert_masks(instruction: &X86, operands: &mut Vec<Operand>) {
    let after_result = match instruction.op0_kind() {
        OpKind::Memory if instruction.op_count() == 1 => 0,
        OpKind::Memory => 5,
        _ if is_tied(instruction, 0) => 2,
        _ => 1,
    };
    if instruction.op_mask() != Register::None {
        operands.insert(after_result.min(operands.len()), Operand::Other);
    }
    if instruction.is_vsib() && instruction.op_count() > 1 {
        let results = usize::from(instruction.op0_kind() != OpKind::Memory);
        operands.insert(results.min(operands.len()), Operand::Other);
    }
}

/// Base, scale, index, displacement, segment.
fn memory(instruction: &X86) -> [Operand; 5] {
    let displacement = instruction.memory_displacement64();
    let displacement = match (instruction.memory_base(), instruction.memory_index()) {
        // The decoder gives the address that is meant.
        (Register::RIP, _) => displacement.wrapping_sub(instruction.next_ip()).cast_signed(),
        (Register::EIP, _) => {
            i64::from(instruction.memory_displacement32().wrapping_sub(instruction.next_ip32()).cast_signed())
        }
        (base, index) if base.is_gpr32() || index.is_gpr32() => {
            // Only the low half of the sum counts; LLVM shows the field, which is signed.
            i64::from(instruction.memory_displacement32().cast_signed())
        }
        _ => displacement.cast_signed(),
    };
    let scale = i64::from(instruction.memory_index_scale());
    [Operand::Other, Operand::Immediate(scale), Operand::Other, Operand::Immediate(displacement), Operand::Other]
}

/// Returns whether it is a move between the accumulator and an address of 64 bits.
fn has_full_address(instruction: &X86) -> bool {
    (Code::Mov_AL_moffs8..=Code::Mov_moffs64_RAX).contains(&instruction.code())
}

/// Returns whether an operand is in the assembler's notation only.
fn is_implied(instruction: &X86, index: u32, before_immediate: Option<u8>) -> bool {
    use Mnemonic::{Rcl, Rcr, Rol, Ror, Sal, Sar, Shl, Shr};
    let kind = instruction.op_kind(index);
    let is_constant = kind == OpKind::Immediate8 && before_immediate.is_none();
    match instruction.mnemonic() {
        // Shifts by one, and by %cl.
        Rol | Ror | Rcl | Rcr | Shl | Shr | Sal | Sar => index == 1 && (is_constant || kind == OpKind::Register),
        Mnemonic::Shld | Mnemonic::Shrd => index == 2 && kind == OpKind::Register,
        Mnemonic::In | Mnemonic::Out | Mnemonic::Fnstsw => kind == OpKind::Register,
        _ if instruction.is_string_instruction() => kind == OpKind::Register,
        Mnemonic::Push | Mnemonic::Pop => instruction.op0_register().is_segment_register(),
        Mnemonic::Maskmovq | Mnemonic::Maskmovdqu | Mnemonic::Vmaskmovdqu => index == 0,
        Mnemonic::Xlatb | Mnemonic::Int1 | Mnemonic::Int3 => true,
        Mnemonic::Mov => kind == OpKind::Register && has_full_address(instruction),
        Mnemonic::Xchg => {
            index == 1 && matches!(instruction.code(), Code::Xchg_r16_AX | Code::Xchg_r32_EAX | Code::Xchg_r64_RAX)
        }
        Mnemonic::Reservednop => index == 1,
        // The top of the stack of the x87.
        _ if instruction.op0_register().is_st() && instruction.op_count() == 2 => index == 1,
        // add $1, %eax in the form that has no ModRM byte.
        _ => {
            let has_immediate = instruction.op_count() == 2 && instruction.try_immediate(1).is_ok();
            index == 0 && kind == OpKind::Register && has_immediate && before_immediate.is_some_and(|byte| byte < 0xc0)
        }
    }
}

/// Returns whether the first operand is an argument as well as the result: then it is there twice. Not so memory, whose
/// address is an argument only.
fn is_tied(instruction: &X86, index: u32) -> bool {
    match instruction.mnemonic() {
        Mnemonic::Xchg | Mnemonic::Xadd => return true,
        Mnemonic::Insertq | Mnemonic::Rdsspd | Mnemonic::Rdsspq => return index == 0,
        Mnemonic::Lar | Mnemonic::Lsl | Mnemonic::Cmpxchg => return false,
        _ if index != 0 || instruction.op0_register().is_st() => return false,
        _ => {}
    }
    // Of `xor %eax, %eax` the decoder knows that the argument doesn't matter.
    let mut instruction = *instruction;
    if instruction.op_count() == 2 && instruction.op0_register() == instruction.op1_register() {
        let register = instruction.op1_register();
        let other = if register == register.info().base() { register + 1 } else { register.info().base() };
        instruction.set_op1_register(other);
    }
    let mut factory = InstructionInfoFactory::new();
    let access = factory.info_options(&instruction, InstructionInfoOptions::NO_REGISTER_USAGE).op0_access();
    matches!(access, OpAccess::ReadWrite | OpAccess::ReadCondWrite | OpAccess::CondWrite)
}

/// The value of an immediate, as LLVM extends it; `None` for an operand that is none.
fn immediate(instruction: &X86, index: u32) -> Option<i64> {
    use Mnemonic::{Adc, Add, And, Cmp, Enter, Mov, Or, Ret, Retf, Sbb, Sub, Test, Xor};
    let value = instruction.try_immediate(index).ok()?.cast_signed();
    Some(match (instruction.op_kind(index), instruction.mnemonic()) {
        // Numbers; elsewhere eight bits are a count, a port, a selector.
        (OpKind::Immediate8, Add | Or | Adc | Sbb | And | Sub | Xor | Cmp | Mov | Test) => {
            instruction.immediate8().cast_signed().into()
        }
        (OpKind::Immediate8_2nd, _) => instruction.immediate8_2nd().cast_signed().into(),
        // What is popped, and the size of a frame, are numbers.
        (OpKind::Immediate16, Ret | Retf | Enter) => instruction.immediate16().cast_signed().into(),
        _ => value,
    })
}

/// Returns the rounding of the instruction, by its number in the prefix.
fn rounding(instruction: &X86) -> Option<i64> {
    (instruction.rounding_control() as i64).checked_sub(1).filter(|number| *number >= 0)
}

/// The condition of a jump, move or set, by its number in the opcode.
fn condition(instruction: &X86) -> Option<i64> {
    let is_loop = matches!(instruction.mnemonic(), Mnemonic::Loope | Mnemonic::Loopne);
    match instruction.condition_code() {
        ConditionCode::None => None,
        _ if is_loop => None,
        condition => Some(condition as i64 - 1),
    }
}

/// The offsets of the displacements of `lea` instructions that form the address of the function whose code this is.
/// Its place does not matter: such displacements are relative to the next instruction.
///
/// # Errors
/// The offset of what is no x86-64 instruction.
pub(super) fn self_references(code: &[u8]) -> Result<Vec<usize>, usize> {
    let mut decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
    let mut found = Vec::new();
    while decoder.can_decode() {
        let start = decoder.position();
        let instruction = decoder.decode();
        if instruction.is_invalid() {
            return Err(start);
        }
        let is_lea = instruction.code() == Code::Lea_r64_m && instruction.is_ip_rel_memory_operand();
        if is_lea && instruction.ip_rel_memory_address() == 0 {
            found.push(start + decoder.get_constant_offsets(&instruction).displacement_offset());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::self_references;

    #[test]
    fn only_addresses_of_the_start_count() {
        let lea_start = [0x48, 0x8d, 0x05, 0xf9, 0xff, 0xff, 0xff];
        let load_start = [0x48, 0x8b, 0x05, 0xf2, 0xff, 0xff, 0xff];
        let lea_start_again = [0x66, 0x48, 0x8d, 0x05, 0xea, 0xff, 0xff, 0xff];
        let lea_behind = [0x48, 0x8d, 0x05, 0xe4, 0xff, 0xff, 0xff];
        let code = [&lea_start[..], &load_start, &lea_start_again, &lea_behind, &[0xc3]].concat();
        assert_eq!(self_references(&code), Ok(vec![3, 18]));
        assert_eq!(self_references(&[]), Ok(vec![]));
    }

    #[test]
    fn what_is_no_instruction_is_told() {
        assert_eq!(self_references(&[0x90, 0x90, 0x06]), Err(2));
        assert_eq!(self_references(&[0xc3, 0x48]), Err(1));
    }
}
