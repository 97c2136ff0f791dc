//! Allocations that the session fills and the executor's process gets.

use std::borrow::Cow;
use std::sync::Arc;

use linkjit_executor::{Allocation, AllocationId, ExecAddr, ExecutorError, FinalizeActions, Result, SegmentRequest};

use serde::de::DeserializeOwned;

use crate::message::{PendingId, Piece, Request};
use crate::remote::Link;
use crate::shared::{LEAST, Lent};

/// The most contents that go in one frame.
const CHUNK: usize = 4 << 20;

/// Memory in the executor's process, and what is to be written there.
#[derive(Debug)]
pub(crate) struct RemoteAllocation {
    link: Arc<Link>,
    /// `None` when it is finalized.
    pending: Option<PendingId>,
    segments: Vec<Segment>,
}

#[derive(Debug)]
struct Segment {
    address: ExecAddr,
    contents: Contents,
}

/// The contents of a segment, while they are written.
#[derive(Debug)]
enum Contents {
    Own(Vec<u8>),
    Shared(Lent),
}

impl Contents {
    fn new(link: &Link, size: u64) -> Result<Self> {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if let Some(lent) = (size >= LEAST).then(|| link.lend(size)).flatten() {
            return Ok(Self::Shared(lent));
        }
        let mut bytes = Vec::new();
        let no_memory = |_| ExecutorError::Invalid { what: format!("request: no memory for {size} bytes of contents") };
        bytes.try_reserve_exact(size).map_err(no_memory)?;
        bytes.resize(size, 0);
        Ok(Self::Own(bytes))
    }
}

/// Pieces of contents, and the bytes of those that are sent.
type Pieces<'a> = (Vec<Piece>, Vec<&'a [u8]>);

impl RemoteAllocation {
    pub(crate) fn new(
        link: Arc<Link>,
        pending: PendingId,
        requests: &[SegmentRequest],
        addresses: Vec<ExecAddr>,
    ) -> Result<Self> {
        let mut allocation = Self { link, pending: Some(pending), segments: Vec::with_capacity(requests.len()) };
        for (request, address) in requests.iter().zip(addresses) {
            let contents = Contents::new(&allocation.link, request.contents)?;
            allocation.segments.push(Segment { address, contents });
        }
        Ok(allocation)
    }
}

/// Writes all contents but the last, which go with the request that follows.
fn write_ahead<'a>(link: &Link, pending: PendingId, segments: &'a [Segment]) -> Result<Pieces<'a>> {
    let mut pieces: Pieces<'a> = (Vec::new(), Vec::new());
    let mut size = 0;
    for (segment, Segment { contents, .. }) in (0..).zip(segments) {
        let bytes = match contents {
            Contents::Own(bytes) => bytes,
            Contents::Shared(Lent { offset, bytes, .. }) => {
                pieces.0.push(Piece { segment, offset: 0, size: bytes.len() as u64, shared: Some(*offset) });
                continue;
            }
        };
        for (at, piece) in bytes.chunks(CHUNK).enumerate() {
            if size + piece.len() > CHUNK {
                let (pieces, bytes) = std::mem::take(&mut pieces);
                link.ask_with::<()>(&Request::Write { pending, pieces: Cow::Owned(pieces) }, &bytes)?;
                size = 0;
            }
            size += piece.len();
            pieces.0.push(Piece { segment, offset: (at * CHUNK) as u64, size: piece.len() as u64, shared: None });
            pieces.1.push(piece);
        }
    }
    Ok(pieces)
}

impl Allocation for RemoteAllocation {
    fn address(&self, index: usize) -> ExecAddr {
        self.segments.get(index).map_or(ExecAddr::NULL, |segment| segment.address)
    }

    fn bytes(&mut self, index: usize) -> &mut [u8] {
        self.segments.get_mut(index).map_or(&mut [], |segment| match &mut segment.contents {
            Contents::Own(bytes) => bytes,
            Contents::Shared(lent) => &mut lent.bytes,
        })
    }

    fn make_executable(&mut self) -> Result<()> {
        let Some(pending) = self.pending else { return Ok(()) };
        let make_executable = |pieces| Request::MakeExecutable { pending, pieces };
        let made: Result<()> = send(&self.link, pending, &self.segments, make_executable);
        self.note_abandoned(&made);
        made?;
        // What runs there from now on may have changed its data.
        self.segments.iter_mut().for_each(|segment| segment.contents = Contents::Own(Vec::new()));
        Ok(())
    }

    fn finalize(mut self: Box<Self>, actions: &FinalizeActions) -> Result<AllocationId> {
        let Some(pending) = self.pending else {
            return Err(ExecutorError::NoSuch { what: "allocation".into() });
        };
        let finalize = |pieces| Request::Finalize { pending, pieces, actions: Cow::Borrowed(actions) };
        let id = send(&self.link, pending, &self.segments, finalize);
        self.note_abandoned(&id);
        // Whether it succeeds or not, the executor has it no more.
        self.pending = None;
        id
    }
}

/// Sends the contents, with a last request.
fn send<'a, T: DeserializeOwned>(
    link: &Link,
    pending: PendingId,
    segments: &[Segment],
    last: impl FnOnce(Cow<'a, [Piece]>) -> Request<'a>,
) -> Result<T> {
    let (pieces, bytes) = write_ahead(link, pending, segments)?;
    link.ask_with(&last(Cow::Owned(pieces)), &bytes)
}

impl RemoteAllocation {
    /// The executor goes on with a call that nobody waits for any more. So it may still read what it shares, and has the
    /// allocation as long as it lives.
    fn note_abandoned<T>(&mut self, result: &Result<T>) {
        if matches!(result, Err(ExecutorError::TimedOut { .. } | ExecutorError::Cancelled)) {
            self.pending = None;
            for segment in &mut self.segments {
                if let Contents::Shared(lent) = &mut segment.contents {
                    lent.is_lost = true;
                }
            }
        }
    }
}

impl Drop for RemoteAllocation {
    fn drop(&mut self) {
        if let Some(pending) = self.pending {
            // A process that is gone has given it back.
            let _gone = self.link.ask::<()>(&Request::Discard { pending });
        }
    }
}
