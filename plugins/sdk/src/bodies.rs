//! Bodies: what a plugin sees of them, and what becomes of them.
//!
//! A plugin says of each message, by its header section, whether it wants to look into the body. If
//! it does, it hands over a [`Watch`]: a [`Scan`], which is of this body and no other, and what it
//! wants to do with the body beside seeing it.
//!
//! ```
//! use wproxy_sdk::bodies::{Chunk, Scan, Watch};
//! use wproxy_sdk::testing::{FieldList, Sample, look_into};
//! use wproxy_sdk::{ConfigError, Denial, Fields, NoConfig, Plugin, Request, RequestBody};
//!
//! /// Nobody uploads what begins like a program of Windows.
//! struct NoPrograms;
//!
//! impl Plugin for NoPrograms {
//!     type Config = NoConfig;
//!
//!     fn configure(_: NoConfig) -> Result<Self, ConfigError> {
//!         Ok(NoPrograms)
//!     }
//! }
//!
//! impl RequestBody for NoPrograms {
//!     fn watch_request(&self, request: &dyn Request, _: &dyn Fields) -> Option<Watch> {
//!         // The origin hears nothing of it before it is decided.
//!         (request.method() == "PUT").then(|| Watch::new(Beginning::default()).hold())
//!     }
//! }
//!
//! /// A body's first octets: they may come one by one.
//! #[derive(Default)]
//! struct Beginning(Vec<u8>);
//!
//! impl Scan for Beginning {
//!     fn chunk(&mut self, octets: &[u8]) -> Chunk {
//!         self.0.extend(octets.iter().take(2 - self.0.len()));
//!         match self.0.as_slice() {
//!             b"MZ" => Chunk::Stop(Denial::by("no programs")),
//!             [_, _] => Chunk::Done,
//!             _ => Chunk::Pass,
//!         }
//!     }
//! }
//!
//! let mut put = Sample::get("http://example.com/");
//! put.method = "PUT".into();
//! let watch = || NoPrograms.watch_request(&put, &FieldList::default());
//! assert_eq!(look_into(watch(), &[b"M", b"y diary"]).unwrap(), b"My diary");
//! let denial = look_into(watch(), &[b"M", b"Z\x90"]).unwrap_err();
//! assert_eq!(denial.rule, "no programs");
//! ```
//!
//! The octets are those on the wire, without the transfer coding: what has a Content-Encoding is
//! shown encoded.

use crate::glue::bindings::request_body::wproxy::plugin::bodies as wit;
use crate::hooks::{Denial, Plugin};
use crate::http::{Fields, Request};
use std::sync::{Mutex, PoisonError};

/// Looks into what is uploaded. Serves the hook `request-body`: `export!(Type: request_body)`.
///
/// Called for each request with a body that goes to an origin.
pub trait RequestBody: Plugin {
    /// What it wants of the body of this request, whose fields are to go to the origin as they are
    /// here: none, nothing. Changes to them are refused.
    fn watch_request(&self, request: &dyn Request, fields: &dyn Fields) -> Option<Watch>;
}

/// Looks into what comes back. Serves the hook `response-body`: `export!(Type: response_body)`.
///
/// Called for each response with a body, whether it comes from the origin or the cache.
pub trait ResponseBody: Plugin {
    /// What it wants of the body of this response: none, nothing. Changes to its fields are refused.
    fn watch_response(
        &self,
        request: &dyn Request,
        status: u16,
        fields: &dyn Fields,
    ) -> Option<Watch>;
}

/// What a plugin does with a body.
pub struct Watch {
    scan: Box<dyn Scan>,
    interest: wit::Interest,
}

/// Sees one body, from its first octet to its last.
pub trait Scan: Send {
    /// The next octets, 64 KiB of them at most.
    fn chunk(&mut self, octets: &[u8]) -> Chunk;

    /// There are no more; or, where that is not `all`, none that the plugin is shown.
    fn end(&mut self, all: bool) -> Ending {
        let _ = all;
        Ending::Pass
    }
}

/// What becomes of some octets of a body.
#[derive(Debug, Clone)]
pub enum Chunk {
    /// They go on as they are.
    Pass,
    /// These go on in their place. For what [changes](Watch::change) the body.
    Replace(Vec<u8>),
    /// They go on as they are, and so does the rest: there is nothing more to see.
    Done,
    /// Neither they nor the rest go on.
    Stop(Denial),
}

/// What becomes of a body in the end.
#[derive(Debug, Clone)]
pub enum Ending {
    /// That was it.
    Pass,
    /// These come after it. For what [changes](Watch::change) the body.
    Append(Vec<u8>),
    /// What has not gone on yet never does.
    Stop(Denial),
}

// === impl Watch ===

impl Watch {
    /// Sees the body as it goes by. What it stops has its beginning by then, and an end that its
    /// receiver can tell from a good one.
    pub fn new(scan: impl Scan + 'static) -> Watch {
        Watch {
            scan: Box::new(scan),
            interest: wit::Interest::WATCH,
        }
    }

    /// Sees it before anybody else: what it stops in time becomes an error page. Header section and
    /// body are held back until it says [`Chunk::Done`], or the body ends, or the manifest's limit
    /// `held` is reached.
    #[must_use]
    pub fn hold(mut self) -> Watch {
        self.interest |= wit::Interest::HOLD;
        self
    }

    /// Changes the body, whose length nobody knows then. The part of one that a response of status 206
    /// has, or a request with Content-Range, cannot be changed: to try is a failure.
    #[must_use]
    pub fn change(mut self) -> Watch {
        self.interest |= wit::Interest::CHANGE;
        self
    }

    /// Whether the header section is held back.
    pub fn holds(&self) -> bool {
        self.interest.contains(wit::Interest::HOLD)
    }

    /// Whether it may change the body.
    pub fn changes(&self) -> bool {
        self.interest.contains(wit::Interest::CHANGE)
    }

    pub(crate) fn into_scan(self) -> Box<dyn Scan> {
        self.scan
    }
}

/// The body that an instance looks into.
#[doc(hidden)]
#[derive(Default)]
pub struct Scanning(Mutex<Option<Box<dyn Scan>>>);

// === impl Scanning ===

#[doc(hidden)]
impl Scanning {
    pub const fn new() -> Scanning {
        Scanning(Mutex::new(None))
    }

    pub fn begin(&self, watch: Option<Watch>) -> wit::Interest {
        let interest = watch.as_ref().map(|watch| watch.interest);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = watch.map(Watch::into_scan);
        interest.unwrap_or(wit::Interest::empty())
    }

    pub fn chunk(&self, octets: &[u8]) -> wit::Verdict {
        match self.with(|scan| scan.chunk(octets)) {
            Chunk::Pass => wit::Verdict::Pass,
            Chunk::Replace(instead) => wit::Verdict::Replace(instead),
            Chunk::Done => wit::Verdict::Done,
            Chunk::Stop(denial) => wit::Verdict::Stop(denial.into()),
        }
    }

    pub fn end(&self, all: bool) -> wit::Ending {
        match self.with(|scan| scan.end(all)) {
            Ending::Pass => wit::Ending::Pass,
            Ending::Append(more) => wit::Ending::Append(more),
            Ending::Stop(denial) => wit::Ending::Stop(denial.into()),
        }
    }

    fn with<R>(&self, call: impl FnOnce(&mut dyn Scan) -> R) -> R {
        let mut scan = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let scan = scan.as_deref_mut();
        call(scan.expect("the host begins a body before it shows it"))
    }
}

impl From<Denial> for wit::Denial {
    fn from(denial: Denial) -> wit::Denial {
        wit::Denial {
            rule: denial.rule,
            status: denial.status,
            message: denial.message,
        }
    }
}
