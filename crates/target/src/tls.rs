//! Thread-local addresses.

/// The place of a thread-local variable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TlsAddress {
    /// Number of its module, as the runtime's `__tls_get_addr` knows it.
    pub module: u64,
    /// Offset in the module's block, in bytes.
    pub offset: u64,
    /// Offset from the thread pointer, if it is the same in all threads.
    pub thread_offset: Option<i64>,
}

impl TlsAddress {
    /// The variable `bytes` further on in the same block.
    #[must_use]
    pub fn plus(self, bytes: u64) -> Self {
        Self {
            offset: self.offset.wrapping_add(bytes),
            thread_offset: self.thread_offset.map(|offset| offset.wrapping_add(bytes.cast_signed())),
            ..self
        }
    }
}
