//! Allocations that the session fills and the executor's process gets.

use std::borrow::Cow;
use std::sync::Arc;

use linkjit_executor::{Allocation, AllocationId, ExecAddr, FinalizeActions, Protection, Result, SegmentRequest};

use crate::message::{PendingId, Piece, Request};
use crate::remote::Link;

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
    is_code: bool,
    bytes: Vec<u8>,
}

/// Pieces of contents, and their bytes.
type Contents<'a> = (Vec<Piece>, Vec<&'a [u8]>);

impl RemoteAllocation {
    pub(crate) fn new(
        link: Arc<Link>,
        pending: PendingId,
        requests: &[SegmentRequest],
        addresses: Vec<ExecAddr>,
    ) -> Self {
        let segment = |(request, address): (&SegmentRequest, ExecAddr)| Segment {
            address,
            is_code: request.protection == Protection::ReadExec,
            bytes: vec![0; request.size as usize],
        };
        Self { link, pending: Some(pending), segments: requests.iter().zip(addresses).map(segment).collect() }
    }
}

/// Writes all contents but the last, which go with the request that follows.
fn write_ahead<'a>(link: &Link, pending: PendingId, segments: &[&'a (u32, &'a [u8])]) -> Result<Contents<'a>> {
    let mut contents: Contents<'a> = (Vec::new(), Vec::new());
    let mut size = 0;
    for &&(segment, bytes) in segments {
        for (at, piece) in bytes.chunks(CHUNK).enumerate() {
            if size + piece.len() > CHUNK {
                let (pieces, bytes) = std::mem::take(&mut contents);
                link.ask_with::<()>(&Request::Write { pending, pieces: Cow::Owned(pieces) }, &bytes)?;
                size = 0;
            }
            size += piece.len();
            contents.0.push(Piece { segment, offset: (at * CHUNK) as u64, size: piece.len() as u32 });
            contents.1.push(piece);
        }
    }
    Ok(contents)
}

/// The bytes without the zeros at their end, which the executor's memory has already.
fn without_zeros(bytes: &[u8]) -> &[u8] {
    let mut end = bytes.len();
    while let Some(block) = bytes[..end].last_chunk::<256>().filter(|block| **block == [0; 256]) {
        end -= block.len();
    }
    let end = bytes[..end].iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
    &bytes[..end]
}

impl Allocation for RemoteAllocation {
    fn address(&self, index: usize) -> ExecAddr {
        self.segments.get(index).map_or(ExecAddr::NULL, |segment| segment.address)
    }

    fn bytes(&mut self, index: usize) -> &mut [u8] {
        self.segments.get_mut(index).map_or(&mut [], |segment| &mut segment.bytes)
    }

    fn make_executable(&mut self) -> Result<()> {
        let Some(pending) = self.pending else { return Ok(()) };
        let code: Vec<_> = contents(&self.segments, |segment| segment.is_code).collect();
        let (pieces, bytes) = write_ahead(&self.link, pending, &code.iter().collect::<Vec<_>>())?;
        self.link.ask_with::<()>(&Request::MakeExecutable { pending, pieces: Cow::Owned(pieces) }, &bytes)?;
        self.segments.iter_mut().filter(|segment| segment.is_code).for_each(|segment| segment.bytes = Vec::new());
        Ok(())
    }

    fn finalize(mut self: Box<Self>, actions: &FinalizeActions) -> Result<AllocationId> {
        let Some(pending) = self.pending else {
            return Err(linkjit_executor::ExecutorError::NoSuch { what: "allocation".into() });
        };
        let all: Vec<_> = contents(&self.segments, |_| true).collect();
        let (pieces, bytes) = write_ahead(&self.link, pending, &all.iter().collect::<Vec<_>>())?;
        let request = Request::Finalize { pending, pieces: Cow::Owned(pieces), actions: Cow::Borrowed(actions) };
        let id = self.link.ask_with(&request, &bytes);
        // Whether it succeeds or not, the executor has it no more.
        self.pending = None;
        id
    }
}

/// The contents of some segments, by number.
fn contents(segments: &[Segment], wanted: impl Fn(&Segment) -> bool) -> impl Iterator<Item = (u32, &[u8])> {
    let wanted = (0..).zip(segments).filter(move |(_, segment)| wanted(segment));
    wanted.map(|(at, segment)| (at, without_zeros(&segment.bytes))).filter(|(_, bytes)| !bytes.is_empty())
}

impl Drop for RemoteAllocation {
    fn drop(&mut self) {
        if let Some(pending) = self.pending {
            // A process that is gone has given it back.
            let _gone = self.link.ask::<()>(&Request::Discard { pending });
        }
    }
}
