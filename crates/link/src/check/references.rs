//! References of functions to themselves that the assembler has resolved.

use iced_x86::{Code, Decoder, DecoderOptions};

/// The offsets of the displacements of `lea` instructions that form the address of the function whose code this is. Where
/// it is does not matter: such displacements are relative to the next instruction.
///
/// # Errors
/// The offset of what is no x86-64 instruction.
pub fn self_references(code: &[u8]) -> Result<Vec<usize>, usize> {
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
