//! The functions that the C library calls around a fork (`pthread_atfork`).

use std::cell::RefCell;
use std::sync::{Arc, Mutex, MutexGuard, Once, Weak};
use std::time::Duration;

use crate::fork::{Held, Participant};
use crate::opening::in_loader;
use crate::symbols::kept;
use crate::{call, dylibs, init, initial_stack, loaded, lock, nearby, opening, reentry, runtime, stacks, tls};

static PARTICIPANTS: Mutex<Vec<Weak<dyn Participant>>> = Mutex::new(Vec::new());

/// All locks are tried this many times. They are held shortly: who has one for longer is perhaps the thread that forks.
const TRIES: u32 = 2000;
const PAUSE: Duration = Duration::from_millis(1);

thread_local! {
    /// This thread has prepared this for its fork.
    static PREPARED: RefCell<Option<Prepared>> = const { RefCell::new(None) };
}

/// Dropped in this order: participants come and go only when all is as before.
struct Prepared {
    held: Held,
    participants: Vec<Arc<dyn Participant>>,
    _registry: MutexGuard<'static, Vec<Weak<dyn Participant>>>,
}

pub(crate) fn take_part(participant: Weak<dyn Participant>) {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        // SAFETY: functions that may be called at any fork. If there is no memory for them, forks are as if we were not.
        unsafe { libc::pthread_atfork(Some(prepare), Some(in_parent), Some(in_child)) };
    });
    let mut participants = lock(&PARTICIPANTS);
    participants.retain(|other| other.strong_count() > 0);
    participants.push(participant);
}

extern "C" fn prepare() {
    let registry = lock(&PARTICIPANTS);
    // First: what libraries do when they are opened may need what is taken next.
    in_loader::begin_fork();
    let participants: Vec<_> = registry.iter().filter_map(Weak::upgrade).collect();
    begin(&participants);
    let mut held = Held::default();
    for attempt in 0..TRIES {
        if hold_all(&participants, &mut held) {
            break;
        }
        held = Held::default();
        if attempt < 100 {
            std::thread::yield_now();
        } else {
            std::thread::sleep(PAUSE);
        }
    }
    let prepared = Prepared { held, participants, _registry: registry };
    // A thread that is about to end forks without.
    let _prepared = PREPARED.try_with(|place| *place.borrow_mut() = Some(prepared));
}

/// Begins all. Waits for one only as long as none is begun.
fn begin(participants: &[Arc<dyn Participant>]) {
    let mut first = 0;
    while let Some(one) = participants.get(first) {
        one.begin();
        let mut others = (0..participants.len()).filter(|&other| other != first);
        let failed = others.find(|&other| participants.get(other).is_some_and(|other| !other.try_begin()));
        let Some(failed) = failed else { return };
        one.end();
        let begun = (0..failed).filter(|&other| other != first);
        begun.filter_map(|other| participants.get(other)).for_each(|other| other.end());
        first = failed;
    }
}

fn hold_all(participants: &[Arc<dyn Participant>], held: &mut Held) -> bool {
    participants.iter().all(|participant| participant.clone().hold(held))
        && [
            init::hold,
            reentry::hold,
            call::hold,
            initial_stack::hold,
            stacks::hold,
            nearby::hold,
            loaded::scopes::hold,
            opening::hold,
            runtime::dylibs::hold,
            dylibs::hold,
            in_loader::hold,
            kept::hold,
            tls::hold,
        ]
        .iter()
        .all(|hold| hold(held))
}

extern "C" fn in_parent() {
    release(|_| (), in_loader::end_fork);
}

extern "C" fn in_child() {
    release(|participant| participant.forget_threads(), in_loader::end_fork_in_child);
}

fn release(before_end: impl Fn(&dyn Participant), end: fn()) {
    let prepared = PREPARED.try_with(|place| place.borrow_mut().take());
    // The registry's lock goes last: one thread forks at a time.
    let Ok(Some(Prepared { held, participants, _registry })) = prepared else { return end() };
    drop(held);
    for participant in &participants {
        before_end(participant.as_ref());
        participant.end();
    }
    end();
}
