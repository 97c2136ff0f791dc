//! Standard input, output and error of the program: pipes, whose other ends are here.

use std::borrow::Cow;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::process::Command;
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use linkjit_repl::{Display, Mark, Marked};
use uuid::Uuid;

use crate::sink::Sink;

/// Output that comes in many small pieces within that time becomes one message.
const PAUSE: Duration = Duration::from_millis(5);
/// So many pieces are read ahead.
const AHEAD: usize = 64;
/// What a program has written is read within that time.
const PATIENCE: Duration = Duration::from_secs(5);

/// The kernel's ends.
#[derive(Debug)]
pub(crate) struct Streams {
    out: Outlet,
    err: Outlet,
    input: Arc<Input>,
    /// Stands before what the program displays. With nothing behind it, it is the end of all that the program has written so far.
    mark: Mark,
}

/// A pipe that a program writes to, and a thread that publishes what comes.
#[derive(Debug)]
struct Outlet {
    writer: PipeWriter,
    reached: Mutex<Receiver<()>>,
}

/// The standard input of the program that runs now.
#[derive(Debug, Default)]
pub(crate) struct Input {
    end: Mutex<Option<(PipeWriter, PipeReader)>>,
}

impl Streams {
    pub(crate) fn new(sink: &Sink) -> io::Result<Self> {
        let (high, low) = Uuid::new_v4().as_u64_pair();
        let mark = Mark([high, low]);
        let (out, err) = (Outlet::new("stdout", sink, mark)?, Outlet::new("stderr", sink, mark)?);
        Ok(Self { out, err, input: Arc::default(), mark })
    }

    pub(crate) fn mark(&self) -> Mark {
        self.mark
    }

    pub(crate) fn input(&self) -> Arc<Input> {
        self.input.clone()
    }

    /// Has a process write here, and read from a new pipe. It is not to get what was meant for another.
    pub(crate) fn attach(&self, command: &mut Command) -> io::Result<()> {
        let (reader, writer) = io::pipe()?;
        command.stdin(reader.try_clone()?);
        command.stdout(self.out.writer.try_clone()?).stderr(self.err.writer.try_clone()?);
        *self.input.lock() = Some((writer, reader));
        Ok(())
    }

    /// Waits until all is published that the program has written.
    pub(crate) fn catch_up(&self) {
        let outlets = [&self.out, &self.err];
        // One who comes late waits for others first.
        let both = outlets.map(|outlet| outlet.reached.lock().unwrap_or_else(PoisonError::into_inner));
        let marked = outlets.map(|outlet| (&outlet.writer).write_all(&self.mark.empty()).is_ok());
        for (reached, _) in both.iter().zip(marked).filter(|(_, marked)| *marked) {
            let _late = reached.recv_timeout(PATIENCE);
        }
    }
}

impl Outlet {
    fn new(name: &'static str, sink: &Sink, mark: Mark) -> io::Result<Self> {
        let (reader, writer) = io::pipe()?;
        let (passed, reached) = mpsc::channel();
        let (pieces, to_publish) = mpsc::sync_channel(AHEAD);
        let (sink, forwarder) = (sink.clone(), Forwarder { mark: mark.bytes(), passed, pending: Vec::new() });
        thread::Builder::new().name(format!("linkjit {name}")).spawn(move || read(reader, &pieces))?;
        let publish = move |part: Part<'_>| match part {
            Part::Text(text) => sink.publish_text(name, &text),
            Part::Display(display) => sink.publish_display(&display),
        };
        let forward = move || forwarder.forward(&to_publish, &publish);
        thread::Builder::new().name(format!("linkjit {name} to clients")).spawn(forward)?;
        Ok(Self { writer, reached: Mutex::new(reached) })
    }
}

/// A part of the program's output.
#[derive(Debug, PartialEq, Eq)]
enum Part<'a> {
    Text(Cow<'a, str>),
    Display(Display),
}

impl<'a> Part<'a> {
    fn text(bytes: &'a [u8]) -> Self {
        Self::Text(String::from_utf8_lossy(bytes))
    }
}

/// Reads until the end, so that a program that writes need not wait.
fn read(mut reader: impl Read, pieces: &SyncSender<Vec<u8>>) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) if pieces.send(buffer[..count].to_vec()).is_ok() => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            _ => break,
        }
    }
}

/// Publishes what comes out of a pipe.
struct Forwarder {
    mark: Vec<u8>,
    passed: Sender<()>,
    /// Bytes that may be the beginning of a mark, of what is behind it, or of a character.
    pending: Vec<u8>,
}

impl Forwarder {
    fn forward(mut self, pieces: &Receiver<Vec<u8>>, publish: &impl Fn(Part<'_>)) {
        while let Ok(mut bytes) = pieces.recv() {
            if self.mark_in(&bytes).is_none() {
                thread::sleep(PAUSE);
            }
            bytes.extend(pieces.try_iter().flatten());
            self.take(&bytes, publish);
        }
        publish(Part::text(&self.pending));
    }

    fn mark_in(&self, bytes: &[u8]) -> Option<usize> {
        bytes.windows(self.mark.len()).position(|window| window == self.mark)
    }

    fn take(&mut self, bytes: &[u8], publish: &impl Fn(Part<'_>)) {
        self.pending.extend(bytes);
        while let Some(at) = self.mark_in(&self.pending) {
            publish(Part::text(&self.pending[..at]));
            self.pending.drain(..at);
            match Mark::read(&self.pending[self.mark.len()..]) {
                Marked::Unfinished => return,
                Marked::Damaged => drop(self.pending.drain(..self.mark.len())),
                Marked::Displays(displays, length) => {
                    self.pending.drain(..self.mark.len() + length);
                    if displays.is_empty() {
                        let _nobody_waits = self.passed.send(());
                    }
                    displays.into_iter().for_each(|display| publish(Part::Display(display)));
                }
            }
        }
        let whole = self.pending.len() - self.unfinished();
        publish(Part::text(&self.pending[..whole]));
        self.pending.drain(..whole);
    }

    /// The number of last bytes that may go on.
    fn unfinished(&self) -> usize {
        let pending = &*self.pending;
        let is_begun = |&count: &usize| pending.ends_with(&self.mark[..count]);
        let of_mark = (1..self.mark.len()).rev().find(is_begun);
        of_mark.unwrap_or_else(|| unfinished_character(pending))
    }
}

/// The number of last bytes that are the beginning of a character.
fn unfinished_character(bytes: &[u8]) -> usize {
    for (count, byte) in bytes.iter().rev().take(3).enumerate().map(|(at, byte)| (at + 1, byte)) {
        let length = match byte {
            0x80..=0xbf => continue,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 1,
        };
        return if length > count { count } else { 0 };
    }
    0
}

impl Input {
    fn lock(&self) -> std::sync::MutexGuard<'_, Option<(PipeWriter, PipeReader)>> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives the program a line.
    pub(crate) fn write_line(&self, text: &str) {
        if let Some((writer, _)) = &mut *self.lock() {
            // The program may be gone, and take it no more.
            let _untaken = writer.write_all(format!("{text}\n").as_bytes());
        }
    }

    /// The number of the pipe, by which other processes' ends are known.
    #[cfg(target_os = "linux")]
    pub(crate) fn number(&self) -> Option<u64> {
        use std::os::fd::OwnedFd;
        use std::os::unix::fs::MetadataExt;

        let reader = self.lock().as_ref()?.1.try_clone().ok()?;
        Some(std::fs::File::from(OwnedFd::from(reader)).metadata().ok()?.ino())
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// What is published of bytes that come in these pieces, and how many marks had nothing behind them.
    fn published(pieces: &[&[u8]]) -> (Vec<String>, usize) {
        let texts = RefCell::new(Vec::new());
        let (passed, reached) = mpsc::channel();
        let mut forwarder = Forwarder { mark: b"\0mark".to_vec(), passed, pending: Vec::new() };
        let publish = |part: Part<'_>| match part {
            Part::Text(text) if text.is_empty() => {}
            Part::Text(text) => texts.borrow_mut().push(text.into_owned()),
            Part::Display(display) => texts.borrow_mut().push(format!("<{}>", display.text)),
        };
        for piece in pieces {
            forwarder.take(piece, &publish);
        }
        (texts.into_inner(), reached.try_iter().count())
    }

    #[test]
    fn marks_are_not_published() {
        let end = [&b"\0mark"[..], &[b'0'; 16]].concat();
        assert_eq!(published(&[b"a", &end, b"b", &end]), (vec!["a".into(), "b".into()], 2));
        assert_eq!(published(&[b"a\0ma", b"rk", &end[5..], b"b"]), (vec!["a".into(), "b".into()], 1));
        assert_eq!(published(&[b"a\0ma", b"x"]), (vec!["a".into(), "\0max".into()], 0));
        // The program was ended while it displayed something.
        assert_eq!(published(&[b"a\0mark00", &end]), (vec!["a".into(), "00".into()], 1));
    }

    #[test]
    fn displays_are_where_they_were_made() {
        let display = b"\0mark0000000000000006620100000031";
        assert_eq!(published(&[b"a", display, b"b"]), (vec!["a".into(), "<1>".into(), "b".into()], 0));
        let pieces: Vec<&[u8]> = display.chunks(1).collect();
        assert_eq!(published(&pieces), (vec!["<1>".into()], 0));
    }

    #[test]
    fn characters_are_whole() {
        let end = [&b"\0mark"[..], &[b'0'; 16]].concat();
        assert_eq!(published(&[b"\xc3", b"\xa4"]), (vec!["ä".into()], 0));
        assert_eq!(published(&[b"\xffx\xe2\x82", b"\xac"]), (vec!["\u{fffd}x".into(), "€".into()], 0));
        assert_eq!(published(&[b"\xe2\x82", &end]), (vec!["\u{fffd}".into()], 1));
        assert_eq!(published(&[b"\xff"]), (vec!["\u{fffd}".into()], 0));
    }
}
