//! The connection file, in which Jupyter says where a kernel must listen.

use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, Result};

/// The contents of the file.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Connection {
    transport: String,
    ip: String,
    pub(crate) key: String,
    signature_scheme: String,
    pub(crate) shell_port: u16,
    pub(crate) iopub_port: u16,
    pub(crate) stdin_port: u16,
    pub(crate) control_port: u16,
    pub(crate) hb_port: u16,
}

impl Connection {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| Error::File { path: path.into(), error })?;
        Self::parse(&bytes).map_err(|why| Error::Connection { path: path.into(), why })
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let this: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if this.transport != "tcp" {
            return Err(format!("its transport is '{}', and this kernel has 'tcp' only", this.transport));
        }
        if this.signature_scheme != "hmac-sha256" {
            return Err(format!("its signature scheme is '{}', not 'hmac-sha256'", this.signature_scheme));
        }
        Ok(this)
    }

    /// The address of a port, as ZeroMQ has it.
    pub(crate) fn address(&self, port: u16) -> String {
        let Self { transport, ip, .. } = self;
        if ip.contains(':') { format!("{transport}://[{ip}]:{port}") } else { format!("{transport}://{ip}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"{"shell_port": 1, "iopub_port": 2, "stdin_port": 3, "control_port": 4, "hb_port": 5, "ip": "127.0.0.1",
        "key": "k", "transport": "tcp", "signature_scheme": "hmac-sha256", "kernel_name": "x", "jupyter_session": ""}"#;

    #[test]
    fn a_connection_file_is_read() {
        let connection = Connection::parse(FILE.as_bytes()).expect("a connection");
        assert_eq!(connection.address(connection.hb_port), "tcp://127.0.0.1:5");
    }

    #[test]
    fn other_files_are_errors() {
        let check = |text: &str, why: &str| {
            let error = Connection::parse(text.as_bytes()).expect_err("an error");
            assert!(error.contains(why), "{error}");
        };
        check("", "EOF");
        check("{}", "missing field");
        check(&FILE.replace("tcp", "ipc"), "its transport is 'ipc'");
        check(&FILE.replace("sha256", "md5"), "hmac-md5");
        check(&FILE.replace(": 1,", ": 70000,"), "70000");
    }
}
