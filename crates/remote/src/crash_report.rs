//! Reports of crashes: what a process tells its sessions before a signal ends it.

use std::sync::{Arc, Mutex, Once, Weak};

use linkjit_executor::crash::{self, Crash};

use crate::connection::{Connection, lock};
use crate::message::CrashReport;

/// A report fits into this: names of signals are short, and so are lists of frames.
pub(crate) const MOST_BYTES: usize = 2048;

/// The connections of this process to sessions.
static CONNECTIONS: Mutex<Vec<Weak<Connection>>> = Mutex::new(Vec::new());

/// Has the session at the other end told of crashes, if this process handles them.
pub(crate) fn register(connection: &Arc<Connection>) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| crash::tell(report));
    let mut connections = lock(&CONNECTIONS);
    connections.retain(|connection| connection.strong_count() > 0);
    connections.push(Arc::downgrade(connection));
}

/// Tells the sessions. This runs in a signal handler.
fn report(crash: &Crash<'_>) {
    let report = CrashReport { signal: crash.signal.into(), address: crash.address, frames: crash.frames.into() };
    let mut bytes = [0; MOST_BYTES];
    let (Ok(bytes), Ok(connections)) = (postcard::to_slice(&report, &mut bytes), CONNECTIONS.try_lock()) else {
        return;
    };
    for connection in connections.iter().filter_map(Weak::upgrade) {
        connection.report_crash(bytes);
        // To free its memory is not for signal handlers; the process ends.
        std::mem::forget(connection);
    }
}
