//! Libraries that panic on damaged input, made to fail like the others.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Whether a panic of this thread is about to be caught and must print nothing.
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// What `work` gives, or what it panicked with, of which nothing is printed.
///
/// For a library that is handed bytes from outside and has no state that
/// outlives the call: an unwound panic leaves nothing broken behind.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |information| {
            if !QUIET.get() {
                before(information);
            }
        }));
    });
    let outer = QUIET.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(work));
    QUIET.set(outer);
    result.map_err(|payload| {
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| payload.downcast_ref::<&str>().copied());
        text.unwrap_or("a panic without words").to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::caught;

    #[test]
    fn a_panic_is_an_error_with_its_words() {
        assert_eq!(caught(|| 1), Ok(1));
        assert_eq!(
            caught(|| panic!("at {}", 3)),
            Err::<(), _>("at 3".to_owned())
        );
        assert_eq!(caught(|| panic!("no")), Err::<(), _>("no".to_owned()));
    }
}
