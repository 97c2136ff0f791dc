//! The way of messages from the kernel's threads to its sockets.

use std::sync::{Arc, Mutex, PoisonError};

use linkjit_repl::Display;
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedSender;

use crate::media::bundle;
use crate::message::{Channel, Reply, Request};

/// Sends messages; all threads have one.
#[derive(Clone, Debug)]
pub(crate) struct Sink {
    replies: UnboundedSender<Reply>,
    /// The request that output is due to.
    current: Arc<Mutex<Option<Arc<Request>>>>,
}

impl Sink {
    pub(crate) fn new(replies: UnboundedSender<Reply>) -> Self {
        Self { replies, current: Arc::default() }
    }

    /// From now on, output is due to this request.
    pub(crate) fn begin(&self, request: &Arc<Request>) {
        *self.current.lock().unwrap_or_else(PoisonError::into_inner) = Some(request.clone());
    }

    /// Tells all clients something that the current request has brought about.
    pub(crate) fn publish(&self, kind: &'static str, content: Value) {
        let request = self.current.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.send(Reply { channel: Channel::Iopub, request, kind, content });
    }

    pub(crate) fn publish_text(&self, stream: &'static str, text: &str) {
        if !text.is_empty() {
            // Programs for Windows end lines so; clients show it as a line too many.
            self.publish("stream", json!({"name": stream, "text": text.replace("\r\n", "\n")}));
        }
    }

    pub(crate) fn publish_display(&self, display: &Display) {
        self.publish("display_data", json!({"data": bundle(&display.text, &display.forms), "metadata": {}}));
    }

    /// Tells all clients whether the kernel is at work on this request.
    pub(crate) fn publish_status(&self, request: &Arc<Request>, state: &str) {
        let content = json!({"execution_state": state});
        self.send(Reply { channel: Channel::Iopub, request: Some(request.clone()), kind: "status", content });
    }

    /// Tells the client something that has sent this request.
    pub(crate) fn reply(&self, channel: Channel, request: &Arc<Request>, kind: &'static str, content: Value) {
        self.send(Reply { channel, request: Some(request.clone()), kind, content });
    }

    fn send(&self, reply: Reply) {
        // Nobody hears it if the kernel is about to end.
        let _unheard = self.replies.send(reply);
    }
}
