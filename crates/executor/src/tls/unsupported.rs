//! For systems on which linkjit does not support thread-local storage of linked code.

use crate::init::Registered;
use crate::{ExecAddr, ExecutorError, ImageId, Result, RuntimeFunction, TlsBlock, TlsId, TlsRequest};
use std::borrow::Cow;

const UNSUPPORTED: ExecutorError =
    ExecutorError::Unsupported { what: Cow::Borrowed("thread-local storage of linked code") };

pub(crate) fn reserve(_owner: u32, _image: ImageId, _request: TlsRequest) -> Result<TlsBlock> {
    Err(UNSUPPORTED)
}

pub(crate) fn publish(_id: TlsId, _image: &[u8]) -> Result<()> {
    Err(UNSUPPORTED)
}

pub(crate) fn release(_id: TlsId) -> Result<()> {
    Err(ExecutorError::NoSuch { what: "thread-local block".into() })
}

pub(crate) fn release_all_of(_owner: u32) {}

pub(crate) fn take_destructor(
    _image: ImageId,
    _blocks: &[TlsId],
    _others: &dyn Fn(&Registered) -> bool,
) -> Option<Registered> {
    None
}

pub(crate) fn forget_destructors(_image: ImageId, _blocks: &[TlsId], _others: &dyn Fn(&Registered) -> bool) {}

pub(crate) fn runtime_function(_function: RuntimeFunction) -> Option<ExecAddr> {
    None
}
