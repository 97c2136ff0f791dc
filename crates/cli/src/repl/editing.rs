//! `%edit`: the user's editor on an input.

use std::io;
use std::path::PathBuf;
use std::process::Command;

/// The editor of those who have chosen none.
const USUAL: &str = "vi";

/// Has the user edit a text; returns the result, or why there is none.
pub(super) fn edit(text: &str) -> Result<String, String> {
    let editor =
        ["VISUAL", "EDITOR"].into_iter().find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    let editor = editor.unwrap_or_else(|| USUAL.into());
    let file = File::new(text).map_err(|error| format!("there is no file to edit: {error}"))?;
    // Its value may have arguments.
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{editor} \"$1\""), "sh"]).arg(&file.0);
    let status = command.status().map_err(|error| format!("'{editor}' can't be started: {error}"))?;
    if !status.success() {
        return Err(format!("the editor '{editor}' has ended: {status}. Nothing is run"));
    }
    let bytes = std::fs::read(&file.0).map_err(|error| format!("the edited file can't be read: {error}"))?;
    Ok(String::from_utf8_lossy(&bytes).trim_end().into())
}

/// A file that goes when it was edited.
struct File(PathBuf);

impl File {
    fn new(text: &str) -> io::Result<Self> {
        // Only one is edited at a time. Its end tells editors the language.
        let path = std::env::temp_dir().join(format!("linkjit-{}.cpp", std::process::id()));
        let mut options = std::fs::File::options();
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.write(true).create_new(true).open(&path)?;
        let this = Self(path);
        io::Write::write_all(&mut file, text.as_bytes())?;
        Ok(this)
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _gone = std::fs::remove_file(&self.0);
    }
}
