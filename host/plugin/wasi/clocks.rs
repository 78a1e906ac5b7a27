//! `wasi:clocks`: they stand still unless granted.

use super::io::Pollable;
use super::{Call, Versioned};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use wasmtime::component::{ComponentType, Lift, Lower};

/// Where it was granted: when it began.
pub(super) struct Clock(Option<Instant>);

/// Since the beginning of 1970.
#[derive(ComponentType, Lower, Lift)]
#[component(record)]
pub(super) struct Datetime {
    seconds: u64,
    nanoseconds: u32,
}

// === impl Clock ===

impl Clock {
    pub(super) fn new(granted: bool) -> Clock {
        Clock(granted.then(Instant::now))
    }

    fn wall(&self) -> Datetime {
        Datetime::from(match self.0 {
            Some(_) => SystemTime::now(),
            None => UNIX_EPOCH,
        })
    }

    fn monotonic(&self) -> u64 {
        let elapsed = self.0.map(|began| began.elapsed());
        elapsed.map_or(0, |elapsed| {
            u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX)
        })
    }
}

impl From<SystemTime> for Datetime {
    fn from(time: SystemTime) -> Datetime {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Datetime {
            seconds: since.as_secs(),
            nanoseconds: since.subsec_nanos(),
        }
    }
}

pub(super) fn add_to_linker(linker: &mut Versioned<'_>) -> wasmtime::Result<()> {
    let mut wall = linker.instance("wasi:clocks/wall-clock")?;
    wall.func_wrap("now", |call: Call<'_>, (): ()| {
        Ok((call.data().wasi.clock.wall(),))
    })?;
    wall.func_wrap("resolution", |_: Call<'_>, (): ()| {
        Ok((Datetime {
            seconds: 0,
            nanoseconds: 1,
        },))
    })?;
    let mut monotonic = linker.instance("wasi:clocks/monotonic-clock")?;
    monotonic.func_wrap("now", |call: Call<'_>, (): ()| {
        Ok((call.data().wasi.clock.monotonic(),))
    })?;
    monotonic.func_wrap("resolution", |_: Call<'_>, (): ()| Ok((1u64,)))?;
    for method in ["subscribe-instant", "subscribe-duration"] {
        monotonic.func_wrap(method, |mut call: Call<'_>, (_,): (u64,)| {
            Ok((call.data_mut().wasi.hold(Pollable)?,))
        })?;
    }
    Ok(())
}
