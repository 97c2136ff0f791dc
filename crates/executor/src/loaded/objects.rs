//! The objects that the loader has loaded: their definitions, and the slots through which they refer to variables.
//!
//! This relies on: System V ABI, AMD64 supplement, "Relocation Types"; glibc's loader keeps the addresses in the
//! dynamic section of a loaded object relocated (but not the vDSO's), protects `PT_GNU_RELRO` when it has applied
//! relocations, and names the executable first in `dl_iterate_phdr`.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::sync::atomic::{AtomicU64, Ordering};

use super::tables::Tables;
use crate::elf::{
    DF_SYMBOLIC, DT_FLAGS, DT_GNU_HASH, DT_HASH, DT_JMPREL, DT_NULL, DT_PLTRELSZ, DT_RELA, DT_RELASZ, DT_STRTAB,
    DT_SYMBOLIC, DT_SYMTAB, DT_VERSYM, STT_COMMON, STT_FUNC, STT_GNU_IFUNC, STT_OBJECT, STT_TLS, STV_PROTECTED,
};
use crate::{ExecAddr, ExecRange, Protection, Result, os};

const R_X86_64_64: u64 = 1;
const R_X86_64_GLOB_DAT: u64 = 6;
const R_X86_64_JUMP_SLOT: u64 = 7;

/// `Elf64_Rela`.
#[repr(C)]
#[derive(Clone, Copy)]
struct Rela {
    offset: u64,
    info: u64,
    addend: u64,
}

/// The values that tables of loaded objects consist of.
///
/// # Safety
/// Any bytes must be a value of the type.
pub(super) unsafe trait Plain: Copy {}

// SAFETY: numbers, and structures of numbers.
unsafe impl Plain for u16 {}
// SAFETY: as above.
unsafe impl Plain for u32 {}
// SAFETY: as above.
unsafe impl Plain for [u64; 2] {}
// SAFETY: as above.
unsafe impl Plain for Rela {}
// SAFETY: as above.
unsafe impl Plain for libc::Elf64_Sym {}

/// A loaded object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Object<'a> {
    base: u64,
    headers: &'a [libc::Elf64_Phdr],
    /// It is the executable.
    pub(crate) is_program: bool,
    /// It is the system's own, which the loader does not search.
    pub(super) is_vdso: bool,
    /// The number of its module of thread-local storage, 0 if it has none, and where the calling thread has that.
    pub(crate) tls_module: usize,
    pub(crate) tls_data: u64,
    name: &'a CStr,
}

/// The thing that a loaded object has at an address.
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
    pub(crate) value: u64,
    /// It still leads to the loader, which would bind it.
    pub(crate) is_unbound: bool,
    /// The object defines a function of that name itself.
    is_own: bool,
}

/// A slot, what it holds, and what it is to hold.
type Change<'a> = (&'a AtomicU64, u64, u64);

/// Returns what a loaded object has at `address`; `None` also for a variable that can't be moved.
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

/// Says whether an address is that of an entry by which the executable stands for a function that it does not define.
pub(crate) fn is_canonical_entry(address: ExecAddr) -> bool {
    symbol_at(address).is_some_and(|symbol| symbol.st_shndx == 0)
}

/// Says whether the object that defines what is at an address has not bound itself to it: its own code, too, finds it by
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
            found = Tables::new(*object).symbol_at(address);
        }
    });
    found
}

/// Libraries that list objects to unwind, or not at all. They are in nearly every process, and large.
const SYSTEM: [&[u8]; 5] = [b"libc.so", b"libm.so", b"ld-linux", b"libgcc_s.so", b"libstdc++.so"];

/// Has libraries that refer to a function of another library by its name use another one, but for the system's.
pub(crate) fn replace_function(name: &[u8], old: ExecAddr, new: ExecAddr) -> Result<()> {
    change_each_object(&|object| {
        let is_system = SYSTEM.iter().any(|start| object.file_name().starts_with(start));
        if object.is_program || object.is_vdso || is_system {
            return Ok(());
        }
        object.redirect_functions(&|slot| {
            let is_old = slot.value == old.0 || slot.is_unbound && !slot.is_own;
            (slot.name == name && is_old).then_some(new.0)
        })
    })
}

/// Has every slot that refers to a variable which `new` has another address for refer to that.
pub(crate) fn redirect(new: &dyn Fn(u64) -> Option<u64>) -> Result<()> {
    change_each_object(&|object| object.redirect(new))
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
        // SAFETY: the loader keeps the headers and the name of an object as long as that is loaded: so says the caller.
        unsafe { std::mem::transmute::<Object<'_>, Object<'static>>(*self) }
    }

    /// Returns what has to be added to addresses in it.
    pub(crate) fn base(&self) -> u64 {
        self.base
    }

    /// Its path; empty for the executable.
    pub(super) fn name(&self) -> &'a CStr {
        self.name
    }

    pub(super) fn file_name(&self) -> &'a [u8] {
        self.name.to_bytes().rsplit(|&byte| byte == b'/').next().unwrap_or_default()
    }

    fn segment(&self, header: &libc::Elf64_Phdr) -> ExecRange {
        ExecRange::new(ExecAddr(self.base.wrapping_add(header.p_vaddr)), header.p_memsz)
    }

    pub(crate) fn header(&self, kind: u32) -> Option<&libc::Elf64_Phdr> {
        self.headers.iter().find(|header| header.p_type == kind)
    }

    /// The flags of the segment that has an address.
    fn flags_at(&self, address: ExecAddr) -> Option<u32> {
        let loaded = self.headers.iter().filter(|header| header.p_type == libc::PT_LOAD);
        loaded.filter(|header| self.segment(header).contains(address)).map(|header| header.p_flags).next()
    }

    /// The pages that are read-only since relocations were applied. The loader rounds both ends down.
    pub(crate) fn relro(&self) -> ExecRange {
        let Some(header) = self.header(libc::PT_GNU_RELRO) else { return ExecRange::default() };
        let range = self.segment(header);
        let down = |address: ExecAddr| ExecAddr(address.0 & !(os::page_size() - 1));
        ExecRange { start: down(range.start), end: down(range.end) }
    }

    /// The entries of its dynamic section: tags and values.
    pub(super) fn dynamic_entries(&self) -> &'a [[u64; 2]] {
        let range = self.header(libc::PT_DYNAMIC).map_or_else(ExecRange::default, |header| self.segment(header));
        let entries: &[[u64; 2]] = self.table(range.start.0, range.size() / 16).unwrap_or_default();
        let end = entries.iter().position(|[tag, _]| *tag == DT_NULL);
        &entries[..end.unwrap_or(entries.len())]
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

    /// A table that nobody writes once the object is loaded, if the object has it and it is not empty.
    pub(super) fn table<T: Plain>(&self, address: u64, count: u64) -> Option<&'a [T]> {
        let size = count.checked_mul(size_of::<T>() as u64).filter(|size| *size > 0)?;
        let is_aligned = address.is_multiple_of(align_of::<T>() as u64);
        let ends = [address, address.checked_add(size - 1)?];
        if !is_aligned || !ends.iter().all(|end| self.contains(ExecAddr(*end))) {
            return None;
        }
        // SAFETY: aligned, and within a segment of an object that is loaded; the caller asks for what nobody writes.
        Some(unsafe { std::slice::from_raw_parts(address as *const T, usize::try_from(count).ok()?) })
    }

    /// A text of its string table.
    pub(super) fn string(&self, address: u64) -> Option<&'a CStr> {
        // SAFETY: in the string table of a loaded object, which ends with a zero byte.
        self.contains(ExecAddr(address)).then(|| unsafe { CStr::from_ptr(address as *const c_char) })
    }

    fn relocations(&self, start: u64, size: u64) -> &'a [Rela] {
        self.table(start, size / size_of::<Rela>() as u64).unwrap_or_default()
    }

    /// A word that the object has as a slot for an address.
    fn slot(&self, relocation: &Rela) -> Option<&AtomicU64> {
        let address = ExecAddr(self.base.wrapping_add(relocation.offset));
        let is_writable = self.flags_at(address).is_some_and(|flags| flags & libc::PF_W != 0);
        if !address.0.is_multiple_of(8) || !is_writable {
            return None;
        }
        // SAFETY: an aligned word in a segment of a loaded object, which has it as a slot for an address.
        Some(unsafe { AtomicU64::from_ptr(address.0 as *mut u64) })
    }

    /// Says whether an address lies in one of its segments.
    pub(crate) fn contains(&self, address: ExecAddr) -> bool {
        self.flags_at(address).is_some()
    }

    /// Has slots for functions hold what `new` says.
    pub(crate) fn redirect_functions(&self, new: &dyn Fn(&FunctionSlot<'_>) -> Option<u64>) -> Result<()> {
        let dynamic = self.dynamic();
        let (strings, symbols) = (dynamic.strings, dynamic.symbols);
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
            let symbol = symbols + symbol * size_of::<libc::Elf64_Sym>() as u64;
            let Some([symbol]) = self.table::<libc::Elf64_Sym>(symbol, 1) else { continue };
            let Some(name) = self.string(strings + u64::from(symbol.st_name)).map(CStr::to_bytes) else { continue };
            let Some(word) = self.slot(relocation) else { continue };
            let value = word.load(Ordering::Relaxed);
            // One that is not bound yet leads to the object's own table; so does one that is bound to the object itself.
            let is_own_code = self.flags_at(ExecAddr(value)).is_some_and(|flags| flags & libc::PF_X != 0);
            let is_itself = symbol.st_shndx != 0 && value == self.base.wrapping_add(symbol.st_value);
            let is_unbound = kind == R_X86_64_JUMP_SLOT && is_own_code && !is_itself;
            let slot = FunctionSlot { name, value, is_unbound, is_own: symbol.st_shndx != 0 };
            if let Some(new) = new(&slot).filter(|new| *new != value) {
                changes.push((word, value, new));
            }
        }
        self.change(&changes)
    }

    fn change(&self, changes: &[Change<'_>]) -> Result<()> {
        let relro = self.relro();
        let protected = changes.iter().any(|(slot, ..)| relro.contains(ExecAddr(slot.as_ptr() as u64)));
        if protected {
            os::protect(relro, Protection::ReadWrite)?;
        }
        for (slot, value, new) in changes {
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
            let Some(slot) = self.slot(relocation) else { continue };
            let value = slot.load(Ordering::Relaxed);
            // The addend may lead out of the variable: it is the variable's own address that tells.
            if let Some(new) = new(value.wrapping_sub(relocation.addend)) {
                changes.push((slot, value, new.wrapping_add(relocation.addend)));
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
            let loaded = object.headers.iter().filter(|header| header.p_type == libc::PT_LOAD);
            let segments = loaded.map(|header| object.segment(header));
            let start = segments.clone().map(|segment| segment.start).min().unwrap_or_default();
            let end = segments.map(|segment| segment.end).max().unwrap_or_default();
            found = Some((object.name.to_owned(), ExecRange { start, end }));
        }
    });
    found
}

/// Has `change` change every loaded object; returns the first error.
pub(crate) fn change_each_object(change: &dyn Fn(&Object<'_>) -> Result<()>) -> Result<()> {
    let mut result = Ok(());
    for_each_object(&mut |object| {
        let changed = change(object);
        if result.is_ok() {
            result = changed;
        }
    });
    result
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
    let (base, tls_module, tls_data) = (info.dlpi_addr, info.dlpi_tls_modid, info.dlpi_tls_data as u64);
    (visit.visit)(&Object { base, headers, is_program, is_vdso, tls_module, tls_data, name });
    0
}
