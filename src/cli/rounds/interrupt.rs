//! Ctrl-C, and what batch systems send before they end a job: what is finished is kept.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use crate::cli::{INTERRUPTED_CODE, terminal};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Whether there is something to finish before the program ends.
static FINISHING: AtomicBool = AtomicBool::new(false);

/// What is to be done before the program ends at once.
type Discard = Box<dyn Fn() + Send>;
static DISCARD: Mutex<Option<Discard>> = Mutex::new(None);

/// From now on Ctrl-C, SIGTERM and SIGHUP end the program after `discard`, for as long as models
/// are fetched and nothing is measured; and see [`finishing`].
pub fn watch(discard: impl Fn() + Send + 'static) {
    static ONCE: Once = Once::new();
    *DISCARD.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(discard));
    ONCE.call_once(|| {
        // Without a handler the signals end the program at once, which loses no more than the
        // repetition that is being measured.
        let _ = ctrlc::set_handler(|| {
            let again = INTERRUPTED.swap(true, Ordering::SeqCst);
            if again || !FINISHING.load(Ordering::SeqCst) {
                end();
            }
        });
    });
}

/// Does what `work` does; meanwhile a signal is for [`interrupted`] to tell, and only a second one
/// ends the program at once.
pub fn finishing<T>(work: impl FnOnce() -> T) -> T {
    FINISHING.store(true, Ordering::SeqCst);
    let done = work();
    FINISHING.store(false, Ordering::SeqCst);
    done
}

fn end() -> ! {
    if let Some(discard) = &*DISCARD.lock().unwrap_or_else(PoisonError::into_inner) {
        discard();
    }
    terminal::note("interrupted");
    std::process::exit(INTERRUPTED_CODE.into())
}

/// Whether the run is to end.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}
