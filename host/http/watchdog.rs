//! Time-outs that cost next to nothing where they do not strike.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;
use tokio::time::{Instant, Sleep};

/// A timer that is set once and moved only when it fires: a connection waits thousands of times
/// for a few microseconds, and each wait has a limit of minutes.
#[derive(Debug, Default)]
pub(super) struct Watchdog {
    timer: Option<Pin<Box<Sleep>>>,
}

/// The time was up.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Elapsed;

// === impl Watchdog ===

impl Watchdog {
    /// What the future gives, unless it takes longer than that.
    pub(super) async fn within<F: Future>(
        &mut self,
        limit: Duration,
        future: F,
    ) -> Result<F::Output, Elapsed> {
        self.by(&mut None, limit, future).await
    }

    /// The same for a part of what has to be done by a deadline: that is set by the first part that
    /// has to wait.
    pub(super) async fn by<F: Future>(
        &mut self,
        deadline: &mut Option<Instant>,
        limit: Duration,
        future: F,
    ) -> Result<F::Output, Elapsed> {
        let mut future = pin!(future);
        std::future::poll_fn(|context| {
            if let Poll::Ready(output) = future.as_mut().poll(context) {
                return Poll::Ready(Ok(output));
            }
            let deadline = *deadline.get_or_insert_with(|| Instant::now() + limit);
            let timer = self
                .timer
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(deadline)));
            if timer.deadline() > deadline {
                timer.as_mut().reset(deadline);
            }
            // It may have been set for an earlier wait: then on to this one's end.
            while timer.as_mut().poll(context).is_ready() {
                if Instant::now() >= deadline {
                    return Poll::Ready(Err(Elapsed));
                }
                timer.as_mut().reset(deadline);
            }
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::sleep;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn each_wait_has_its_own_limit() {
        let mut watchdog = Watchdog::default();
        assert_eq!(watchdog.within(5 * SECOND, async { 1 }).await, Ok(1));
        assert_eq!(watchdog.within(5 * SECOND, sleep(4 * SECOND)).await, Ok(()));
        // The timer was set for the wait before and fires within this one.
        assert_eq!(watchdog.within(5 * SECOND, sleep(4 * SECOND)).await, Ok(()));
        let start = Instant::now();
        let endless = std::future::pending::<()>();
        assert_eq!(watchdog.within(5 * SECOND, endless).await, Err(Elapsed));
        assert_eq!(start.elapsed(), 5 * SECOND);
        // A shorter limit than the one the timer stands at.
        let start = Instant::now();
        assert_eq!(watchdog.within(60 * SECOND, sleep(SECOND)).await, Ok(()));
        assert_eq!(
            watchdog.within(SECOND, sleep(30 * SECOND)).await,
            Err(Elapsed)
        );
        assert_eq!(start.elapsed(), 2 * SECOND);
    }
}
