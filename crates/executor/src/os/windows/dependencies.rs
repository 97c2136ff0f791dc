//! DLLs that need others which the system does not find. We load those first, from the library directories; the loader
//! then uses the loaded DLL for its name, wherever it is from.
//!
//! We read a file only when loading it has failed. Its import directory lists the DLLs that it needs ("PE Format",
//! "Import Directory Table"). Delay-loaded DLLs are loaded by name when they are called, so loading does not fail
//! without them.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::{ERROR_MOD_NOT_FOUND, load, search};

/// Loads a DLL and what it needs. The error says what is wrong with it, or with what it needs.
pub(super) fn load_with_dependencies(path: &Path, directories: &[PathBuf]) -> Result<usize, String> {
    let mut loader = Loader { directories, visited: HashSet::new() };
    loader.load(path)
}

struct Loader<'a> {
    directories: &'a [PathBuf],
    /// Files that are being loaded, or could not be: DLLs may need each other.
    visited: HashSet<PathBuf>,
}

impl Loader<'_> {
    fn load(&mut self, path: &Path) -> Result<usize, String> {
        let error = match load(path) {
            Ok(handle) => return Ok(handle),
            Err(error) => error,
        };
        // The error is the same if the DLL itself is not there.
        let file = if path.is_file() { Some(path.to_owned()) } else { search(path) };
        let Some(file) = file.filter(|_| error.raw_os_error() == Some(ERROR_MOD_NOT_FOUND)) else {
            return Err(error.to_string());
        };
        if !self.visited.insert(file.clone()) {
            return Err(error.to_string());
        }
        let bytes = std::fs::read(&file).map_err(|error| error.to_string())?;
        for needed in needed(&bytes).unwrap_or_default() {
            self.load_needed(&needed, &file)?;
        }
        load(&file).map_err(|error| error.to_string())
    }

    /// Loads what a file needs: where the system looks, beside the file, then where libraries are.
    fn load_needed(&mut self, name: &str, by: &Path) -> Result<(), String> {
        if load(Path::new(name)).is_ok() {
            return Ok(());
        }
        let beside = by.parent().map(Path::to_owned);
        let files = beside.iter().chain(self.directories).map(|directory| directory.join(name));
        let files: Vec<PathBuf> = files.filter(|file| file.is_file() && !self.visited.contains(file)).collect();
        let mut why = None;
        for file in files {
            match self.load(&file) {
                Ok(_) => return Ok(()),
                Err(error) => why = why.or(Some(error)),
            }
        }
        let by = by.file_name().unwrap_or(by.as_os_str()).to_string_lossy();
        Err(match why {
            Some(why) if why.starts_with("it needs ") => why.replacen("it", name, 1),
            Some(why) => format!("it needs {name}, which can't be loaded: {why}"),
            None if by.is_empty() => format!("it needs {name}"),
            None => {
                let beside = beside.filter(|directory| !self.directories.contains(directory));
                let searched = beside.iter().chain(self.directories).map(|directory| directory.display().to_string());
                let searched = searched.collect::<Vec<_>>().join(", ");
                format!(
                    "it needs {name}, which is neither in the system's search path nor in {searched}: add its directory with -L"
                )
            }
        })
    }
}

/// The names of the DLLs that one needs; `None` for what is no such file.
fn needed(bytes: &[u8]) -> Option<Vec<String>> {
    /// So many are more than anybody has.
    const MOST: usize = 4096;
    let u16_at = |at: usize| Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?));
    let u32_at = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?) as usize);
    let header = u32_at(0x3c)?;
    if bytes.get(header..header.checked_add(4)?)? != b"PE\0\0" {
        return None;
    }
    let sections = usize::from(u16_at(header + 6)?);
    let optional = header + 24;
    // PE32+ has its data directories 16 bytes behind those of PE32.
    let directories = optional + if u16_at(optional)? == 0x20b { 112 } else { 96 };
    let table = optional + usize::from(u16_at(header + 20)?);
    let place = |address: usize| {
        (0..sections).find_map(|number| {
            let section = table + number * 40;
            let offset = address.checked_sub(u32_at(section + 12)?)?;
            (offset < u32_at(section + 16)?).then_some(u32_at(section + 20)?.checked_add(offset)?)
        })
    };
    let first = place(u32_at(directories + 8)?)?;
    let entries = (0..MOST).map_while(|number| {
        let name = u32_at(first.checked_add(number * 20 + 12)?)?;
        let text = bytes.get(place(name).filter(|_| name != 0)?..)?;
        let end = text.iter().take(260).position(|byte| *byte == 0)?;
        Some(String::from_utf8_lossy(&text[..end]).into_owned())
    });
    Some(entries.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_files_need_nothing() {
        let this = std::fs::read(std::env::current_exe().expect("it runs")).expect("it is readable");
        assert!(needed(&this).expect("an image").iter().any(|name| name.eq_ignore_ascii_case("kernel32.dll")));
        let header = &this[..1024];
        for end in 0..header.len() {
            assert!(needed(&header[..end]).unwrap_or_default().is_empty());
        }
        for at in 0..header.len() {
            let mut damaged = this.clone();
            damaged[at] = 0xff;
            _ = needed(&damaged);
        }
    }
}
