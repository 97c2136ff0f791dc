//! The sockets of a kernel, and who answers what comes over which.

use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::sync::oneshot;
use zeromq::{
    PubSocket, RepSocket, RouterRecvHalf, RouterSendHalf, RouterSocket, Socket, SocketRecv, SocketSend, ZmqMessage,
};

use crate::connection::Connection;
use crate::error::{Error, Result};
use crate::kernel::{Job, info};
use crate::message::{Channel, Reply, Request, Wire};
use crate::session::Reins;
use crate::sink::Sink;

/// A session that does not end by itself is ended. Clients wait for five seconds.
const PATIENCE: Duration = Duration::from_secs(2);
/// The last messages are on their way within that time.
const FAREWELL: Duration = Duration::from_millis(200);

/// The ends of the queues between sockets and the kernel's thread.
pub(crate) struct Queues {
    pub(crate) jobs: Sender<Job>,
    pub(crate) answers: Sender<Arc<Request>>,
    pub(crate) replies: UnboundedReceiver<Reply>,
    /// Tells when the kernel's thread has ended.
    pub(crate) ended: oneshot::Receiver<()>,
}

/// Serves clients until one of them wants the kernel to end.
pub(crate) async fn serve(connection: &Connection, queues: Queues, sink: &Sink, reins: &Reins) -> Result<()> {
    let Queues { jobs, answers, replies, ended } = queues;
    let wire = Arc::new(Wire::new(&connection.key));
    let (shell, shell_requests) = router(connection, connection.shell_port).await?;
    let (control, control_requests) = router(connection, connection.control_port).await?;
    let (stdin, stdin_replies) = router(connection, connection.stdin_port).await?;
    let iopub: PubSocket = bound(connection, connection.iopub_port).await?;
    let heart: RepSocket = bound(connection, connection.hb_port).await?;
    let senders = Senders { shell, control, stdin, iopub };
    let writer = tokio::spawn(senders.write(replies, wire.clone()));
    tokio::spawn(beat(heart));
    let (wants_end, mut end_is_wanted) = tokio::sync::mpsc::unbounded_channel();
    let others_want_end = wants_end.clone();
    let jobs_of_shell = jobs.clone();
    tokio::spawn(receive(shell_requests, wire.clone(), move |request| {
        // Old clients ask there.
        if request.kind == "shutdown_request" {
            let _ends = others_want_end.send((Channel::Shell, request));
        } else {
            let _ends = jobs_of_shell.send(Job::Answer(request));
        }
    }));
    tokio::spawn(receive(stdin_replies, wire.clone(), move |request| {
        let _nobody_asked = answers.send(request);
    }));
    let (sink_of_control, reins_of_control) = (sink.clone(), reins.clone());
    tokio::spawn(receive(control_requests, wire, move |request| {
        if request.kind == "shutdown_request" {
            let _ends = wants_end.send((Channel::Control, request));
        } else {
            control_request(&request, &sink_of_control, &reins_of_control);
        }
    }));
    let Some((channel, request)) = end_is_wanted.recv().await else { return Ok(()) };
    sink.publish_status(&request, "busy");
    end(&jobs, ended, reins).await;
    let restart = request.content.get("restart").and_then(Value::as_bool).unwrap_or(false);
    sink.reply(channel, &request, "shutdown_reply", json!({"status": "ok", "restart": restart}));
    sink.publish_status(&request, "idle");
    // The writer has the messages that were sent before.
    tokio::time::sleep(FAREWELL).await;
    writer.abort();
    Ok(())
}

/// Ends the session: as programs end, if it can be had.
async fn end(jobs: &Sender<Job>, mut ended: oneshot::Receiver<()>, reins: &Reins) {
    let _ended = jobs.send(Job::End);
    reins.interrupt();
    if tokio::time::timeout(PATIENCE, &mut ended).await.is_err() {
        reins.kill();
        let _late = tokio::time::timeout(PATIENCE, ended).await;
    }
}

/// Answers what is to be answered while code runs.
fn control_request(request: &Arc<Request>, sink: &Sink, reins: &Reins) {
    let (kind, content) = match &*request.kind {
        "interrupt_request" => {
            reins.interrupt();
            ("interrupt_reply", json!({"status": "ok"}))
        }
        "kernel_info_request" => ("kernel_info_reply", info()),
        _ => return,
    };
    sink.publish_status(request, "busy");
    sink.reply(Channel::Control, request, kind, content);
    sink.publish_status(request, "idle");
}

async fn bound<S: Socket>(connection: &Connection, port: u16) -> Result<S> {
    let address = connection.address(port);
    let mut socket = S::new();
    socket.bind(&address).await.map_err(|error| Error::Socket { address, error })?;
    Ok(socket)
}

async fn router(connection: &Connection, port: u16) -> Result<(RouterSendHalf, RouterRecvHalf)> {
    Ok(bound::<RouterSocket>(connection, port).await?.split())
}

/// Shows clients that the process lives.
async fn beat(mut socket: RepSocket) {
    loop {
        match socket.recv().await {
            Ok(message) => {
                let _gone = socket.send(message).await;
            }
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

/// Takes requests until the socket is closed.
async fn receive(mut socket: RouterRecvHalf, wire: Arc<Wire>, take: impl Fn(Arc<Request>)) {
    loop {
        match socket.recv().await {
            Ok(message) => {
                if let Some(request) = wire.read(&message.into_vec()) {
                    take(Arc::new(request));
                }
            }
            // A client that is gone.
            Err(_) => tokio::task::yield_now().await,
        }
    }
}

/// The sockets that messages are sent over.
struct Senders {
    shell: RouterSendHalf,
    control: RouterSendHalf,
    stdin: RouterSendHalf,
    iopub: PubSocket,
}

impl Senders {
    /// Sends messages in their order.
    async fn write(mut self, mut replies: UnboundedReceiver<Reply>, wire: Arc<Wire>) {
        while let Some(reply) = replies.recv().await {
            let mut frames = wire.write(&reply).into_iter();
            let mut message = ZmqMessage::from(frames.next().unwrap_or_default());
            frames.for_each(|frame| message.push_back(frame.into()));
            // A client that is gone needs no reply.
            let _gone = match reply.channel {
                Channel::Shell => self.shell.send(message).await,
                Channel::Control => self.control.send(message).await,
                Channel::Stdin => self.stdin.send(message).await,
                Channel::Iopub => self.iopub.send(message).await,
            };
        }
    }
}
