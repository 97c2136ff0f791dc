//! Functions of POSIX under their own names, which Microsoft's C runtime has with an underscore. They replace
//! `oldnames.lib` ("Compatibility", Microsoft Learn, POSIX function names).

use std::ffi::CString;

use super::library_function;
use crate::ExecAddr;

/// Those that have one underscore, sorted.
#[rustfmt::skip]
const NAMES: [&str; 100] = [
    "access", "cgets", "chdir", "chmod", "chsize", "close", "cputs", "creat", "cwait", "dup", "dup2", "ecvt", "eof",
    "execl", "execle", "execlp", "execlpe", "execv", "execve", "execvp", "execvpe", "fcloseall", "fcvt", "fdopen",
    "fgetchar", "fgetwchar", "filelength", "fileno", "flushall", "fputchar", "fputwchar", "gcvt", "getch", "getche",
    "getcwd", "getpid", "getw", "isatty", "itoa", "j0", "j1", "jn", "kbhit", "lfind", "locking", "lsearch", "lseek",
    "ltoa", "memccpy", "memicmp", "mkdir", "mktemp", "open", "pclose", "popen", "putch", "putenv", "putw", "read",
    "rmdir", "rmtmp", "setmode", "sopen", "spawnl", "spawnle", "spawnlp", "spawnlpe", "spawnv", "spawnve", "spawnvp",
    "spawnvpe", "strdup", "stricmp", "strlwr", "strnicmp", "strnset", "strrev", "strset", "strupr", "swab", "tell",
    "tempnam", "tzset", "ultoa", "umask", "ungetch", "unlink", "wcsdup", "wcsicmp", "wcsicoll", "wcslwr", "wcsnicmp",
    "wcsnset", "wcsrev", "wcsset", "wcsupr", "write", "y0", "y1", "yn",
];

pub(super) fn symbol(name: &[u8]) -> Option<ExecAddr> {
    match name {
        b"isascii" => return library_function(c"__isascii"),
        b"toascii" => return library_function(c"__toascii"),
        b"iscsym" => return library_function(c"__iscsym"),
        b"iscsymf" => return library_function(c"__iscsymf"),
        b"strcmpi" => return library_function(c"_stricmp"),
        _ => {}
    }
    NAMES.binary_search_by(|known| known.as_bytes().cmp(name)).ok()?;
    let name = CString::new([b"_", name].concat()).ok()?;
    library_function(&name)
}
