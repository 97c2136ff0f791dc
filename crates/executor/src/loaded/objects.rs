//! The objects that the loader has loaded: their definitions, and the slots through which they refer to variables.
//!
//! This relies on: System V ABI, AMD64 supplement, "Relocation Types"; glibc's loader keeps the addresses in the
//! dynamic section of a loaded object relocated (but not the vDSO's), protects `PT_GNU_RELRO` when it has applied
//! relocations, and names the executable first in `dl_iterate_phdr`.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::sync::atomic::{AtomicU64, Ordering};

use super::tables::Tables;
use crate::{ExecAddr, ExecRange, Protection, Result, os};

const R_X86_64_64: u64 = 1;
const R_X86_64_GLOB_DAT: u64 = 6;
const R_X86_64_JUMP_SLOT: u64 = 7;

const STT_OBJECT: u8 = 1;
const STT_FUNC: u8 = 2;
const STT_COMMON: u8 = 5;
const STT_TLS: u8 = 6;
const STT_GNU_IFUNC: u8 = 10;
const STV_PROTECTED: u8 = 3;

const DT_VERSYM: u64 = 0x6fff_fff0;
const DT_NULL: u64 = 0;
const DT_PLTRELSZ: u64 = 2;
const DT_HASH: u64 = 4;
const DT_STRTAB: u64 = 5;
const DT_SYMTAB: u64 = 6;
const DT_GNU_HASH: u64 = 0x6fff_fef5;
const DT_RELA: u64 = 7;
const DT_RELASZ: u64 = 8;
const DT_SYMBOLIC: u64 = 16;
const DT_JMPREL: u64 = 23;
const DT_FLAGS: u64 = 30;
const DF_SYMBOLIC: u64 = 2;

/// `Elf64_Rela`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Rela {
    offset: u64,
    info: u64,
    addend: u64,
}

/// A loaded object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Object<'a> {
    base: u64,
    headers: &'a [libc::Elf64_Phdr],
    /// It is the executable.
    pub(crate) is_program: bool,
    /// It is the system's own, which the loader does not search.
    pub(super) is_vdso: bool,
    name: &'a CStr,
}

/// What a loaded object has at an address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Found {
    /// A function.
    Function,
    /// A variable of that many bytes.
    Variable(u64),
}

/// A word of a loaded object that holds the address of a function, or is to hold it when the function is first called.
pub(crate) struct FunctionSlot<'a> {
    pub(crate) name: &'a [u8],
    address: ExecAddr,
    word: &'a AtomicU64,
    pub(crate) value: u64,
    /// It still leads to the loader, which would bind it.
    pub(crate) is_unbound: bool,
    /// The object defines a function of that name itself.
    is_own: bool,
}

/// A slot, what it holds, and what it is to hold.
type Change<'a> = (ExecAddr, &'a AtomicU64, u64, u64);

/// What a loaded object has at `address`; `None` also for a variable that can't be moved.
pub(crate) fn describe(address: ExecAddr) -> Option<Found> {
    let symbol = symbol_at(address);
    let mut found = None;
    for_each_object(&mut |object| {
        let Some(flags) = object.flags_at(address) else { return };
        let is_code = flags & libc::PF_X != 0;
        let is_constant = flags & libc::PF_W == 0 || object.relro().contains(address);
        found = match symbol.map(|symbol| (symbol.st_info & 0xf, symbol)) {
            Some((STT_FUNC | STT_GNU_IFUNC, _)) => Some(Found::Function),
            Some((STT_TLS, _)) => None,
            Some((kind, symbol)) if symbol.st_size > 0 && (!is_code || matches!(kind, STT_OBJECT | STT_COMMON)) => {
                // A size that leads out of the segment is none.
                let last = address.offset(symbol.st_size - 1);
                let bound_to_itself =
                    object.is_program || symbol.st_other & 3 == STV_PROTECTED || object.dynamic().symbolic;
                (object.flags_at(last) == Some(flags) && (is_constant || !bound_to_itself))
                    .then_some(Found::Variable(symbol.st_size))
            }
            // What the resolver of an indirect function chose has no symbol of its own.
            _ => is_code.then_some(Found::Function),
        };
    });
    found
}

/// Whether an address is that of an entry by which the executable stands for a function that it does not define.
pub(crate) fn is_canonical_entry(address: ExecAddr) -> bool {
    symbol_at(address).is_some_and(|symbol| symbol.st_shndx == 0)
}

/// Whether the object that defines what is at an address has not bound itself to it: its own code, too, finds it by
/// name. Nobody can tell for a constant or a function of the executable, which are the same to all.
pub(crate) fn is_shared(address: ExecAddr) -> bool {
    let symbol = symbol_at(address);
    let mut shared = false;
    for_each_object(&mut |object| {
        let Some(flags) = object.flags_at(address) else { return };
        let is_protected = symbol.is_some_and(|symbol| symbol.st_other & 3 == STV_PROTECTED);
        shared = if object.is_program {
            flags & libc::PF_W == 0 || object.relro().contains(address)
        } else {
            !is_protected && !object.dynamic().symbolic
        };
    });
    shared
}

/// The symbol that begins at an address.
fn symbol_at(address: ExecAddr) -> Option<libc::Elf64_Sym> {
    let mut found = None;
    for_each_object(&mut |object| {
        if object.contains(address) {
            found = Tables::of(*object).symbol_at(address);
        }
    });
    found
}

/// Libraries that list objects to unwind, or not at all. They are in nearly every process, and large.
const SYSTEM: [&[u8]; 5] = [b"libc.so", b"libm.so", b"ld-linux", b"libgcc_s.so", b"libstdc++.so"];

/// Has libraries that refer to a function of another library by its name use another one, but for the system's.
pub(crate) fn replace_function(name: &[u8], old: ExecAddr, new: ExecAddr) -> Result<()> {
    let mut result = Ok(());
    for_each_object(&mut |object| {
        let file = object.name.to_bytes().rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        if !object.is_program && !object.is_vdso && !SYSTEM.iter().any(|start| file.starts_with(start)) {
            let replaced = object.redirect_functions(&|slot| {
                let is_old = slot.value == old.0 || slot.is_unbound && !slot.is_own;
                (slot.name == name && is_old).then_some(new.0)
            });
            if result.is_ok() {
                result = replaced;
            }
        }
    });
    result
}

/// Has every slot that refers to a variable which `new` has another address for refer to that.
pub(crate) fn redirect(new: &dyn Fn(u64) -> Option<u64>) -> Result<()> {
    let mut result = Ok(());
    for_each_object(&mut |object| {
        let redirected = object.redirect(new);
        if result.is_ok() {
            result = redirected;
        }
    });
    result
}

/// The part of a dynamic section that matters here.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Dynamic {
    relocations: u64,
    relocations_size: u64,
    /// Those of the procedure linkage table.
    jump_relocations: u64,
    jump_relocations_size: u64,
    pub(super) symbols: u64,
    pub(super) strings: u64,
    /// The versions of its symbols.
    pub(super) versions: u64,
    /// Its hash tables.
    pub(super) hash: u64,
    pub(super) gnu_hash: u64,
    /// The object's references to what it defines were bound when it was linked.
    symbolic: bool,
}

impl<'a> Object<'a> {
    /// The same for one that is used for longer than it is being listed.
    ///
    /// # Safety
    /// It must not be unloaded as long as what is returned, or a copy, is used.
    pub(super) unsafe fn lasting(&self) -> Object<'static> {
        let Object { base, headers, is_program, is_vdso, name } = *self;
        let (headers, name): (*const [libc::Elf64_Phdr], *const CStr) = (headers, name);
        // SAFETY: the loader keeps the headers of an object as long as that is loaded: so says the caller.
        let headers = unsafe { &*headers };
        // SAFETY: as above, for the name.
        Object { base, headers, is_program, is_vdso, name: unsafe { &*name } }
    }

    /// What has to be added to addresses in it.
    pub(super) fn base(&self) -> u64 {
        self.base
    }

    /// Its path; empty for the executable.
    pub(super) fn name(&self) -> &'a CStr {
        self.name
    }

    fn segment(&self, header: &libc::Elf64_Phdr) -> ExecRange {
        ExecRange::new(ExecAddr(self.base.wrapping_add(header.p_vaddr)), header.p_memsz)
    }

    fn header(&self, kind: u32) -> Option<&libc::Elf64_Phdr> {
        self.headers.iter().find(|header| header.p_type == kind)
    }

    /// The flags of the segment that has an address.
    fn flags_at(&self, address: ExecAddr) -> Option<u32> {
        let loaded = self.headers.iter().filter(|header| header.p_type == libc::PT_LOAD);
        loaded.filter(|header| self.segment(header).contains(address)).map(|header| header.p_flags).next()
    }

    /// The pages that are read-only since relocations were applied. The loader rounds both ends down.
    fn relro(&self) -> ExecRange {
        let Some(header) = self.header(libc::PT_GNU_RELRO) else { return ExecRange::default() };
        let range = self.segment(header);
        let down = |address: ExecAddr| ExecAddr(address.0 & !(os::page_size() - 1));
        ExecRange { start: down(range.start), end: down(range.end) }
    }

    /// The entries of its dynamic section: tags and values.
    pub(super) fn dynamic_entries(&self) -> &[[u64; 2]] {
        let Some(header) = self.header(libc::PT_DYNAMIC) else { return &[] };
        let range = self.segment(header);
        let count = usize::try_from(range.size() / 16).unwrap_or(0);
        // SAFETY: the dynamic section of a loaded object, which nobody changes once it is loaded.
        let entries = unsafe { std::slice::from_raw_parts(range.start.0 as *const [u64; 2], count) };
        let end = entries.iter().position(|[tag, _]| *tag == DT_NULL);
        &entries[..end.unwrap_or(count)]
    }

    pub(super) fn dynamic(&self) -> Dynamic {
        let mut dynamic = Dynamic::default();
        for &[tag, value] in self.dynamic_entries() {
            let address = if value < self.base { value.wrapping_add(self.base) } else { value };
            match tag {
                DT_RELA => dynamic.relocations = address,
                DT_HASH => dynamic.hash = address,
                DT_GNU_HASH => dynamic.gnu_hash = address,
                DT_RELASZ => dynamic.relocations_size = value,
                DT_JMPREL => dynamic.jump_relocations = address,
                DT_PLTRELSZ => dynamic.jump_relocations_size = value,
                DT_SYMTAB => dynamic.symbols = address,
                DT_STRTAB => dynamic.strings = address,
                DT_VERSYM => dynamic.versions = address,
                DT_SYMBOLIC => dynamic.symbolic = true,
                DT_FLAGS => dynamic.symbolic |= value & DF_SYMBOLIC != 0,
                _ => {}
            }
        }
        dynamic
    }

    /// Words of a loaded object's read-only data, if it has them.
    pub(super) fn words(&self, address: u64, count: u32) -> Option<&[u32]> {
        let size = u64::from(count) * 4;
        let is_readable = |address| self.flags_at(ExecAddr(address)).is_some();
        let is_there = size > 0 && address.is_multiple_of(4) && is_readable(address);
        if !is_there || !is_readable(address.checked_add(size - 1)?) {
            return None;
        }
        // SAFETY: aligned, and within a segment of an object that is loaded; the caller asks for what nobody writes.
        Some(unsafe { std::slice::from_raw_parts(address as *const u32, count as usize) })
    }

    fn relocations(&self, start: u64, size: u64) -> &[Rela] {
        let is_readable = |address| self.flags_at(ExecAddr(address)).is_some();
        if size == 0 || !is_readable(start) || !is_readable(start.wrapping_add(size - 1)) {
            return &[];
        }
        let count = usize::try_from(size).unwrap_or(0) / size_of::<Rela>();
        // SAFETY: the relocations of a loaded object: read-only, and within one of its segments.
        unsafe { std::slice::from_raw_parts(start as *const Rela, count) }
    }

    /// A word that the object has as a slot for an address.
    fn slot(&self, relocation: &Rela) -> Option<(ExecAddr, &AtomicU64)> {
        let address = ExecAddr(self.base.wrapping_add(relocation.offset));
        let is_writable = self.flags_at(address).is_some_and(|flags| flags & libc::PF_W != 0);
        if !address.0.is_multiple_of(8) || !is_writable {
            return None;
        }
        // SAFETY: an aligned word in a segment of a loaded object, which has it as a slot for an address.
        Some((address, unsafe { AtomicU64::from_ptr(address.0 as *mut u64) }))
    }

    /// Whether an address lies in one of its segments.
    pub(crate) fn contains(&self, address: ExecAddr) -> bool {
        self.flags_at(address).is_some()
    }

    /// Has slots for functions hold what `new` says.
    pub(crate) fn redirect_functions(&self, new: &dyn Fn(&FunctionSlot<'_>) -> Option<u64>) -> Result<()> {
        let dynamic = self.dynamic();
        let (strings, symbols) = (dynamic.strings, dynamic.symbols);
        if !self.contains(ExecAddr(strings)) || !self.contains(ExecAddr(symbols)) {
            return Ok(());
        }
        let mut changes = Vec::new();
        let data = self.relocations(dynamic.relocations, dynamic.relocations_size);
        let jumps = self.relocations(dynamic.jump_relocations, dynamic.jump_relocations_size);
        for relocation in data.iter().chain(jumps) {
            let (kind, symbol) = (relocation.info & 0xffff_ffff, relocation.info >> 32);
            if symbol == 0
                || !matches!(kind, R_X86_64_64 | R_X86_64_GLOB_DAT | R_X86_64_JUMP_SLOT)
                || kind == R_X86_64_64 && relocation.addend != 0
            {
                continue;
            }
            let symbol = (symbols + symbol * size_of::<libc::Elf64_Sym>() as u64) as *const libc::Elf64_Sym;
            if !self.contains(ExecAddr(symbol as u64)) {
                continue;
            }
            // SAFETY: an entry of the symbol table of a loaded object, to which its own relocation refers.
            let symbol = unsafe { symbol.read() };
            let name = strings + u64::from(symbol.st_name);
            if !self.contains(ExecAddr(name)) {
                continue;
            }
            // SAFETY: a name in the string table of a loaded object, which ends with a zero byte.
            let name = unsafe { CStr::from_ptr(name as *const c_char) }.to_bytes();
            let Some((address, word)) = self.slot(relocation) else { continue };
            let value = word.load(Ordering::Relaxed);
            // One that is not bound yet leads to the object's own table; so does one that is bound to the object itself.
            let is_own_code = self.flags_at(ExecAddr(value)).is_some_and(|flags| flags & libc::PF_X != 0);
            let is_itself = symbol.st_shndx != 0 && value == self.base.wrapping_add(symbol.st_value);
            let is_unbound = kind == R_X86_64_JUMP_SLOT && is_own_code && !is_itself;
            let slot = FunctionSlot { name, address, word, value, is_unbound, is_own: symbol.st_shndx != 0 };
            if let Some(new) = new(&slot).filter(|new| *new != value) {
                changes.push((slot.address, slot.word, value, new));
            }
        }
        self.change(&changes)
    }

    fn change(&self, changes: &[Change<'_>]) -> Result<()> {
        let relro = self.relro();
        let protected = changes.iter().any(|&(address, ..)| relro.contains(address));
        if protected {
            os::protect(relro, Protection::ReadWrite)?;
        }
        for (_, slot, value, new) in changes {
            // Who has changed it meanwhile knows better.
            let _changed = slot.compare_exchange(*value, *new, Ordering::Release, Ordering::Relaxed);
        }
        if protected { os::protect(relro, Protection::Read) } else { Ok(()) }
    }

    fn redirect(&self, new: &dyn Fn(u64) -> Option<u64>) -> Result<()> {
        let dynamic = self.dynamic();
        let mut changes = Vec::new();
        for relocation in self.relocations(dynamic.relocations, dynamic.relocations_size) {
            let (kind, symbol) = (relocation.info & 0xffff_ffff, relocation.info >> 32);
            if symbol == 0 || !matches!(kind, R_X86_64_64 | R_X86_64_GLOB_DAT) {
                continue;
            }
            let Some((address, slot)) = self.slot(relocation) else { continue };
            let value = slot.load(Ordering::Relaxed);
            // The addend may lead out of the variable: it is the variable's own address that tells.
            if let Some(new) = new(value.wrapping_sub(relocation.addend)) {
                changes.push((address, slot, value, new.wrapping_add(relocation.addend)));
            }
        }
        self.change(&changes)
    }
}

/// The name of the object that has an address, empty for the executable's, and where it lies.
pub(crate) fn object_at(address: ExecAddr) -> Option<(CString, ExecRange)> {
    let mut found = None;
    for_each_object(&mut |object| {
        if object.contains(address) {
            let segments = || {
                object
                    .headers
                    .iter()
                    .filter(|header| header.p_type == libc::PT_LOAD)
                    .map(|header| object.segment(header))
            };
            let start = segments().map(|segment| segment.start).min().unwrap_or_default();
            let end = segments().map(|segment| segment.end).max().unwrap_or_default();
            found = Some((object.name.to_owned(), ExecRange { start, end }));
        }
    });
    found
}

/// Calls `visit` with every loaded object; none is unloaded meanwhile.
pub(crate) fn for_each_object(visit: &mut dyn FnMut(&Object<'_>)) {
    let mut visit = Visit { visit, first: true };
    // SAFETY: the callback gets what it expects, for the time of the call.
    unsafe { libc::dl_iterate_phdr(Some(visit_object), (&raw mut visit).cast()) };
}

struct Visit<'a> {
    visit: &'a mut dyn FnMut(&Object<'_>),
    first: bool,
}

unsafe extern "C" fn visit_object(info: *mut libc::dl_phdr_info, _size: usize, visit: *mut c_void) -> c_int {
    // SAFETY: the loader passes a valid description.
    let info = unsafe { &*info };
    // SAFETY: `for_each_object` passes this type.
    let visit = unsafe { &mut *visit.cast::<Visit<'_>>() };
    let is_program = std::mem::replace(&mut visit.first, false);
    if info.dlpi_phdr.is_null() {
        return 0;
    }
    // SAFETY: the loader describes the object's program headers.
    let headers = unsafe { std::slice::from_raw_parts(info.dlpi_phdr, usize::from(info.dlpi_phnum)) };
    // SAFETY: only reads what the system has told the process.
    let vdso = unsafe { libc::getauxval(libc::AT_SYSINFO_EHDR) };
    let is_vdso = vdso != 0 && info.dlpi_addr == vdso;
    // SAFETY: the loader gives a C string, if anything.
    let name = if info.dlpi_name.is_null() { c"" } else { unsafe { CStr::from_ptr(info.dlpi_name) } };
    (visit.visit)(&Object { base: info.dlpi_addr, headers, is_program, is_vdso, name });
    0
}
