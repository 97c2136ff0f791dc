//! Inputs that a user types: editing, history, completion, colours.

use std::path::PathBuf;

use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Config, Editor};

use super::assistant::Assistant;
use super::{Next, Session, editing};
use crate::report::Failure;

/// Inputs that are remembered.
const REMEMBERED: usize = 10_000;
const PROMPT: &str = ">>> ";

/// Reads inputs and shows their outcomes until the user leaves.
pub(super) fn read(session: &mut Session) -> Result<(), Failure> {
    let config = Config::builder()
        .max_history_size(REMEMBERED)
        .map_err(|error| unusable(&error))?
        .completion_type(CompletionType::List)
        .bracketed_paste(true)
        .build();
    let mut editor = Editor::<Assistant<'_>, FileHistory>::with_config(config).map_err(|error| unusable(&error))?;
    editor.set_helper(Some(Assistant::new(session)));
    let remembered = history_file();
    if let Some(path) = &remembered {
        // There is none at first.
        let _none = editor.load_history(path);
    }
    let read = read_with(&mut editor);
    if let Some(path) = remembered {
        let _kept = path.parent().map(std::fs::create_dir_all);
        let _kept = editor.save_history(&path);
    }
    read
}

fn read_with(editor: &mut Editor<Assistant<'_>, FileHistory>) -> Result<(), Failure> {
    let mut edited: Option<String> = None;
    loop {
        let input = match edited.take() {
            Some(input) => input,
            None => match editor.readline(PROMPT) {
                Ok(input) => input,
                Err(ReadlineError::Interrupted) => continue,
                Err(ReadlineError::Eof) => break,
                Err(error) => return Err(unusable(&error)),
            },
        };
        if input.trim().is_empty() {
            continue;
        }
        // The history is a comfort.
        let _kept = editor.add_history_entry(&input);
        let Some(assistant) = editor.helper() else { break };
        // The session is free again before the editor needs it.
        let next = assistant.session().run(&input)?;
        match next {
            Next::Input => {}
            Next::End => break,
            Next::Edit(text) => match editing::edit(&text) {
                Ok(text) => {
                    println!("{PROMPT}{text}");
                    edited = Some(text);
                }
                Err(why) => assistant.session().shown.fail(&why),
            },
        }
    }
    Ok(())
}

fn unusable(error: &ReadlineError) -> Failure {
    Failure::Input(error.to_string())
}

/// The inputs of former sessions.
fn history_file() -> Option<PathBuf> {
    let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let state = state.or_else(|| Some(std::env::home_dir()?.join(".local/state")))?;
    Some(state.join("linkjit/repl-history"))
}
