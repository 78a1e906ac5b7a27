//! A word to whoever waits for what takes its time.

use std::convert::Infallible;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// Does that work, and says so if it is not done after a while.
pub(super) fn or_say<T>(
    patience: Duration,
    say: impl FnOnce() + Send,
    work: impl FnOnce() -> T,
) -> T {
    let (working, done) = channel::<Infallible>();
    std::thread::scope(|scope| {
        let wait = move || {
            if done.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
                say();
            }
        };
        // Without it nobody is told, and the work is done all the same.
        let _ = std::thread::Builder::new().spawn_scoped(scope, wait);
        let result = work();
        drop(working);
        result
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::Receiver;

    #[test]
    fn what_takes_its_time_is_said_to_and_what_does_not_is_not() {
        let wait_for = |said: Receiver<()>| said.recv().is_ok();
        let (say, said) = channel();
        let told = or_say(
            Duration::ZERO,
            move || say.send(()).expect("it is waited for"),
            || wait_for(said),
        );
        assert!(told);
        let long = Duration::from_secs(3600);
        assert_eq!(or_say(long, || panic!("it is done"), || 7), 7);
    }
}
