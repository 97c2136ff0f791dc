//! Runs cells.

use std::sync::Arc;

use linkjit_repl::{Failure, Outcome, Wish};
use serde_json::{Map, Value, json};

use super::Kernel;
use crate::cell::{inputs, without_colors};
use crate::media::bundle;
use crate::message::Request;
use crate::questions::Watch;

/// An error as clients show it.
#[derive(Debug)]
struct Trouble {
    name: String,
    value: String,
    /// The lines that are shown.
    traceback: Vec<String>,
}

impl Trouble {
    fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        let (name, value) = (name.into(), value.into());
        let traceback = vec![if value.is_empty() { name.clone() } else { format!("{name}: {value}") }];
        Self { name, value, traceback }
    }

    fn content(&self) -> Value {
        json!({"ename": self.name, "evalue": self.value, "traceback": self.traceback})
    }
}

impl Kernel {
    /// Runs a cell; returns the reply.
    pub(super) fn execute(&mut self, request: &Arc<Request>) -> Value {
        let content = &request.content;
        let flag = |name: &str, usually: bool| content.get(name).and_then(Value::as_bool).unwrap_or(usually);
        let code = content.get("code").and_then(Value::as_str).unwrap_or_default();
        let silent = flag("silent", false);
        self.sink.begin(request);
        if !silent {
            if flag("store_history", true) {
                self.count += 1;
                self.history.add(self.count, code);
            }
            self.sink.publish("execute_input", json!({"code": code, "execution_count": self.count}));
        }
        let mut payload = Vec::new();
        let ran = inputs(code).iter().try_for_each(|input| {
            let outcome = self.run(input, request)?;
            match outcome.wish {
                None => {}
                Some(Wish::Quit) => payload.push(json!({"source": "ask_exit", "keepkernel": false})),
                Some(Wish::Edit(_)) => return Err(Trouble::new("Command", "%edit needs a terminal: edit the cell")),
                Some(Wish::Target(_)) => {
                    return Err(Trouble::new("Command", "a notebook has one target: choose another kernel"));
                }
            }
            self.show(outcome, silent)
        });
        if let Err(trouble) = ran {
            // Cells that were sent before the client knows of the error are not run, but those that come from now on are.
            self.queue.note_error();
            let mut reply = trouble.content();
            self.sink.publish("error", reply.clone());
            reply["status"] = "error".into();
            reply["execution_count"] = self.count.into();
            return reply;
        }
        let values = self.expressions(request);
        json!({"status": "ok", "execution_count": self.count, "payload": payload, "user_expressions": values})
    }

    /// Runs an input. Its output is published when this returns.
    fn run(&mut self, input: &str, request: &Arc<Request>) -> Result<Outcome, Trouble> {
        let (reins, streams, sink) = (self.reins.clone(), self.streams.clone(), self.sink.clone());
        // Before the program is watched: Wine takes long.
        self.repl().map_err(|error| Trouble::new("NoSession", error))?;
        let repl = self.repl.as_mut().ok_or_else(|| Trouble::new("NoSession", ""))?;
        let (process, end) = (|| reins.process(), || reins.interrupt());
        let may_ask = request.content.get("allow_stdin").and_then(Value::as_bool).unwrap_or(false);
        let answers = &self.answers;
        let watch = Watch { sink: &sink, streams: &streams, answers, request, process: &process, may_ask, end: &end };
        let ((result, wants_input), was_interrupted) = reins.while_busy(|| watch.over(|| repl.execute(input)));
        streams.catch_up();
        match result {
            Err(error) => {
                // The next cell begins anew.
                self.repl = None;
                Err(Trouble::new("SessionLost", error.to_string()))
            }
            Ok(Outcome { failure: Some(Failure::Ended { .. }), .. }) if wants_input => {
                Err(Trouble::new("NoInput", "the program reads from standard input, and this client has none"))
            }
            Ok(Outcome { failure: Some(Failure::Compiler(_)), .. }) if was_interrupted => {
                Err(Trouble::new("Interrupted", "the compiler was interrupted"))
            }
            Ok(outcome) => Ok(outcome),
        }
    }

    /// Publishes what has become of an input.
    fn show(&mut self, outcome: Outcome, silent: bool) -> Result<(), Trouble> {
        for display in &outcome.displays {
            self.sink.publish_display(display);
        }
        self.sink.publish_text("stdout", &outcome.text);
        if let Some(Failure::Rejected) = &outcome.failure {
            return Err(rejected(&outcome.diagnostics));
        }
        self.sink.publish_text("stderr", &outcome.diagnostics);
        if let Some(value) = outcome.value.filter(|_| !silent) {
            // An address says nothing without the type.
            let text =
                if value.text.starts_with('@') { format!("({}) {}", value.type_name, value.text) } else { value.text };
            self.history.note_output(&text);
            let data = bundle(&text, &value.forms);
            self.sink.publish(
                "execute_result",
                json!({
                    "execution_count": self.count, "data": data, "metadata": {},
                }),
            );
        }
        outcome.failure.map_or(Ok(()), |failure| Err(failed(&failure)))
    }

    /// The values of the expressions that a client wants to know after a cell.
    fn expressions(&mut self, request: &Arc<Request>) -> Value {
        let wanted = request.content.get("user_expressions").and_then(Value::as_object);
        let mut values = Map::new();
        for (name, expression) in wanted.into_iter().flatten() {
            let outcome = self.run(expression.as_str().unwrap_or_default(), request);
            let value = outcome.and_then(|outcome| match (outcome.value, outcome.failure) {
                (Some(value), None) => Ok(bundle(&value.text, &value.forms)),
                (None, None) => Ok(json!({})),
                (_, Some(Failure::Rejected)) => Err(rejected(&outcome.diagnostics)),
                (_, Some(failure)) => Err(failed(&failure)),
            });
            let entry = match value {
                Ok(data) => json!({"status": "ok", "data": data, "metadata": {}}),
                Err(trouble) => {
                    let mut content = trouble.content();
                    content["status"] = "error".into();
                    content
                }
            };
            values.insert(name.clone(), entry);
        }
        Value::Object(values)
    }
}

/// What the compiler does not accept; it says why, with colours.
fn rejected(diagnostics: &str) -> Trouble {
    let plain = without_colors(diagnostics);
    let first = plain.lines().find_map(|line| line.split_once("error: ")).map_or("", |(_, text)| text);
    let traceback = diagnostics.trim_end().lines().map(String::from).collect();
    Trouble { name: "CompileError".into(), value: first.into(), traceback }
}

/// Why an input failed that the compiler has accepted.
fn failed(failure: &Failure) -> Trouble {
    match failure {
        Failure::Ended { reason, place } => {
            let mut trouble = ended(reason);
            trouble.traceback.extend(place.as_ref().map(|place| format!("in {place}")));
            trouble
        }
        Failure::Rejected | Failure::Compiler(_) | Failure::NotRepeated { .. } => {
            Trouble::new("CompilerError", failure.to_string())
        }
        Failure::NotLinked(_) => Trouble::new("LinkError", failure.to_string()),
        Failure::Died { .. } | Failure::Exited(_) => Trouble::new("ProgramEnded", failure.to_string()),
        Failure::Command(_) => Trouble::new("CommandError", failure.to_string()),
    }
}

/// Why an input has ended early.
fn ended(reason: &str) -> Trouble {
    if let Some(exception) = reason.strip_prefix("exception of type ") {
        let (name, value) = exception.split_once(": ").unwrap_or((exception, ""));
        return Trouble::new(name, value);
    }
    // SIGSEGV (invalid memory reference) at address 0x0
    match reason.split_once(' ') {
        Some((name, value)) if name.starts_with("SIG") => Trouble::new(name, value),
        _ if reason == "interrupted" => Trouble::new("Interrupted", ""),
        _ => Trouble::new("Ended", reason),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_names() {
        let check = |reason: &str, name: &str, value: &str| {
            let trouble = ended(reason);
            assert_eq!((&*trouble.name, &*trouble.value), (name, value));
        };
        check("exception of type std::out_of_range: vector::at", "std::out_of_range", "vector::at");
        check("exception of type int", "int", "");
        check("SIGFPE (integer division by zero)", "SIGFPE", "(integer division by zero)");
        check("interrupted", "Interrupted", "");
    }

    #[test]
    fn diagnostics_are_tracebacks() {
        let trouble = rejected("\x1b[1minput 1:1:1: \x1b[0;1;31merror: \x1b[0munknown type\n    x\n    ^\n");
        assert_eq!((&*trouble.name, &*trouble.value), ("CompileError", "unknown type"));
        assert_eq!(trouble.traceback.len(), 3);
    }
}
