//! The places in inputs where they were ended.

use linkjit::ExecAddr;

use crate::error::Result;
use crate::frontend::Place;
use crate::names::{BODY, INPUT};
use crate::repl::Repl;

impl Repl {
    /// The innermost place that is known, as in `f(int), input 2:3`, and that of the input if it is in a header; `None` if there
    /// is none.
    pub(crate) fn place(&mut self, addresses: &[u64]) -> Result<Option<String>> {
        let mut innermost: Option<String> = None;
        for (depth, &address) in addresses.iter().enumerate() {
            // A call that does not return may be the last thing in its function.
            let address = ExecAddr(if depth == 0 { address } else { address.wrapping_sub(1) });
            let Some(found) = self.jit()?.session().symbolize(address) else { continue };
            let input = found.object.strip_prefix(INPUT).and_then(|number| number.parse::<usize>().ok());
            let Some(object) = input.and_then(|input| self.object_of(input)) else { continue };
            let offset = u32::try_from(found.offset).unwrap_or(u32::MAX);
            let Place { function, file, line } = self.front_end()?.place(object.bytes(), &found.name.text(), offset)?;
            let is_input = file.starts_with(INPUT);
            let function = linkjit::demangle(function.strip_suffix(BODY).unwrap_or(&function));
            let place = if file.is_empty() { String::new() } else { format!("{file}:{line}") };
            let text = match innermost {
                _ if function.is_empty() && place.is_empty() => continue,
                Some(innermost) if is_input => format!("{innermost}, from {place}"),
                Some(_) => continue,
                None => [function, place].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", "),
            };
            if is_input {
                return Ok(Some(text));
            }
            innermost = Some(text);
        }
        Ok(innermost)
    }
}
