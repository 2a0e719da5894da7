//! Ctrl-C, and what batch systems send before they end a job: what is finished is kept.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// From now on Ctrl-C, SIGTERM and SIGHUP end the run after what is being written, and no longer
/// the program at once.
pub fn watch() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Without a handler the signals end the program at once, which loses no more than the
        // repetition that is being measured.
        let _ = ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::SeqCst));
    });
}

/// Whether the run is to end.
pub fn interrupted() -> bool {
    INTERRUPTED.load(Ordering::SeqCst)
}
