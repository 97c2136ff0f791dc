//! The kernel: answers the requests of clients, one by one, on a thread of its own.

mod execution;
mod queue;

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use linkjit_repl::{Repl, Shape, shape};
use serde_json::{Map, Value, json};

use crate::cell::{byte_at, characters_before, name_at};
use crate::history::History;
use crate::message::{Channel, Request, VERSION};
use crate::questions::Answers;
use crate::session::{self, Reins, Setup};
use crate::sink::Sink;
use crate::streams::Streams;
use queue::Queue;

/// Jobs for the kernel's thread.
#[derive(Debug)]
pub(crate) enum Job {
    Answer(Arc<Request>),
    /// The kernel is to end.
    End,
}

/// The state of a kernel.
pub(crate) struct Kernel {
    queue: Queue,
    setup: Setup,
    sink: Sink,
    streams: Arc<Streams>,
    reins: Reins,
    answers: Answers,
    /// `None` before the first request that needs it, and after it has come to an end.
    repl: Option<Repl>,
    history: History,
    /// The cells that were run.
    count: u32,
}

impl Kernel {
    pub(crate) fn new(
        jobs: Receiver<Job>,
        setup: Setup,
        sink: Sink,
        streams: Streams,
        reins: Reins,
        answers: Answers,
    ) -> Self {
        let (queue, streams, history) = (Queue::new(jobs), Arc::new(streams), History::default());
        Self { queue, setup, sink, streams, reins, answers, repl: None, history, count: 0 }
    }

    /// Answers requests until it is to end.
    pub(crate) fn serve(mut self) {
        while let Some(Job::Answer(request)) = self.queue.next() {
            if !self.answer(&request) {
                let early = self.queue.take_early();
                let left = early.into_iter().filter(|job| self.is_to_be_done(job)).collect();
                self.queue.put_back(left);
            }
        }
        // Destructors of variables run, and may print.
        let _code = self.repl.take().map(Repl::close);
        self.streams.catch_up();
    }

    /// Tells the client that a cell is not run.
    fn is_to_be_done(&self, job: &Job) -> bool {
        let Job::Answer(request) = job else { return true };
        let is_cell = request.kind == "execute_request";
        if is_cell {
            self.sink.publish_status(request, "busy");
            let content = json!({"status": "aborted", "execution_count": self.count});
            self.sink.reply(Channel::Shell, request, "execute_reply", content);
            self.sink.publish_status(request, "idle");
        }
        !is_cell
    }

    /// Answers a request; says whether those behind it are to be answered, too.
    fn answer(&mut self, request: &Arc<Request>) -> bool {
        self.sink.publish_status(request, "busy");
        let content = &request.content;
        let mut goes_on = true;
        let reply = match &*request.kind {
            "execute_request" => {
                let reply = self.execute(request);
                goes_on = reply["status"] == "ok" || content.get("stop_on_error") == Some(&Value::Bool(false));
                Some(("execute_reply", reply))
            }
            "kernel_info_request" => Some(("kernel_info_reply", info())),
            "complete_request" => Some(("complete_reply", self.complete(content))),
            "inspect_request" => Some(("inspect_reply", self.inspect(content))),
            "is_complete_request" => Some(("is_complete_reply", is_complete(content))),
            "history_request" => {
                Some(("history_reply", json!({"status": "ok", "history": self.history.find(content)})))
            }
            "comm_info_request" => Some(("comm_info_reply", json!({"status": "ok", "comms": {}}))),
            "comm_open" => {
                // There are no widgets here.
                let id = content.get("comm_id").cloned().unwrap_or_default();
                self.sink.begin(request);
                self.sink.publish("comm_close", json!({"comm_id": id, "data": {}}));
                None
            }
            _ => None,
        };
        if let Some((kind, content)) = reply {
            self.sink.reply(Channel::Shell, request, kind, content);
        }
        self.sink.publish_status(request, "idle");
        goes_on
    }

    /// The session, which is started if there is none.
    fn repl(&mut self) -> Result<&mut Repl, String> {
        if self.repl.is_none() {
            let started = session::start(&self.setup, &self.streams, &self.reins);
            self.repl = Some(started.map_err(|error| error.to_string())?);
        }
        self.repl.as_mut().ok_or_else(String::new)
    }

    fn complete(&mut self, content: &Value) -> Value {
        let (code, position, at) = place(content);
        let (found, _) = self.reins.clone().while_busy(|| self.repl().map(|repl| repl.complete(code, at)));
        let Ok(Ok(found)) = found else {
            return json!({
                "status": "ok", "matches": [], "cursor_start": position, "cursor_end": position, "metadata": {},
            });
        };
        let start = characters_before(code, found.start).min(position);
        let mut matches: Vec<&str> = Vec::new();
        let mut details = Vec::new();
        for completion in &found.completions {
            if !matches.contains(&&*completion.text) {
                matches.push(&completion.text);
                details.push(json!({
                    "start": start, "end": position, "text": completion.text, "type": completion.detail,
                }));
            }
        }
        json!({
            "status": "ok", "matches": matches, "cursor_start": start, "cursor_end": position,
            "metadata": {"_jupyter_types_experimental": details},
        })
    }

    fn inspect(&mut self, content: &Value) -> Value {
        let (code, _, at) = place(content);
        let name = name_at(code, at);
        let (found, _) = self.reins.clone().while_busy(|| self.repl().map(|repl| repl.documentation(name)));
        let text = match found {
            Ok(Ok(text)) if !name.is_empty() => text,
            _ => String::new(),
        };
        let mut data = Map::new();
        if !text.is_empty() {
            data.insert("text/plain".into(), text.trim_end().into());
        }
        json!({"status": "ok", "found": !data.is_empty(), "data": data, "metadata": {}})
    }
}

/// The code of a request, the cursor in it, and the byte there.
fn place(content: &Value) -> (&str, usize, usize) {
    let code = content.get("code").and_then(Value::as_str).unwrap_or_default();
    let position = content.get("cursor_pos").and_then(Value::as_u64);
    let at = byte_at(code, position.and_then(|position| usize::try_from(position).ok()).unwrap_or(usize::MAX));
    (code, characters_before(code, at), at)
}

fn is_complete(content: &Value) -> Value {
    let code = content.get("code").and_then(Value::as_str).unwrap_or_default();
    match shape(code) {
        Shape::Unfinished { depth } if !code.starts_with('%') => {
            json!({"status": "incomplete", "indent": "    ".repeat(depth.min(32))})
        }
        _ => json!({"status": "complete"}),
    }
}

/// What clients want to know first.
pub(crate) fn info() -> Value {
    json!({
        "status": "ok",
        "protocol_version": VERSION,
        "implementation": "linkjit",
        "implementation_version": env!("CARGO_PKG_VERSION"),
        "language_info": {
            "name": "c++",
            "version": "20",
            "mimetype": "text/x-c++src",
            "file_extension": ".cpp",
            "pygments_lexer": "c++",
            "codemirror_mode": "text/x-c++src",
        },
        "banner": "C++ by linkjit and clang. %help lists its commands.",
        "debugger": false,
        "help_links": [{"text": "C++", "url": "https://en.cppreference.com"}],
    })
}
