//! What operators tell a running proxy by signals.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The signals, caught from the moment of [`Signals::catch`] on.
#[derive(Debug)]
pub struct Signals {
    hangup: Signal,
    user_defined_1: Signal,
    terminate: Signal,
    interrupt: Signal,
}

/// What one of them means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// SIGHUP: swap the plugins.
    Reload,
    /// SIGUSR1: open the access log anew.
    Reopen,
    /// SIGTERM, or SIGINT from a terminal: finish what runs and end; said again, end at once.
    Stop,
}

// === impl Signals ===

impl Signals {
    /// Catches them. Called first of all: one that comes while plugins are compiled must neither
    /// end the process nor be lost.
    ///
    /// # Errors
    /// What the system says.
    pub fn catch() -> std::io::Result<Signals> {
        Ok(Signals {
            hangup: signal(SignalKind::hangup())?,
            user_defined_1: signal(SignalKind::user_defined1())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// The next order.
    pub async fn next(&mut self) -> Order {
        tokio::select! {
            _ = self.hangup.recv() => Order::Reload,
            _ = self.user_defined_1.recv() => Order::Reopen,
            _ = self.terminate.recv() => Order::Stop,
            _ = self.interrupt.recv() => Order::Stop,
        }
    }

    /// Waits until it is told to stop.
    pub async fn stop(&mut self) {
        while self.next().await != Order::Stop {}
    }
}
