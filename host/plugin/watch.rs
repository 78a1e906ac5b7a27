//! A body that a plugin looks into, from its first octet to its last.

mod bounds;
mod out;
mod places;

pub use bounds::{Beyond, Bounds};
use out::{Instead, MAX_GROWN, MAX_INSTEAD, Out};
use places::Place;
pub(super) use places::Places;

use super::backoff::{Ended, Turn};
use super::bindings::bodies;
use super::draft::Keep;
use super::instance::{Instance, Lent};
use super::limits::Exceeded;
use super::meters::Limit;
use super::{Denial, Failed, FailurePolicy, Hook, Plugin, Rule};
use crate::http::Fields;
use crate::transaction::Request;
use bodies::{Ending, Interest, Verdict};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A body that a plugin looks into. The instance that does is this body's alone.
pub struct Watch {
    plugin: Arc<Plugin>,
    hook: Hook,
    request: Arc<Request>,
    instance: Box<Instance>,
    /// Its place. It goes after the instance.
    _place: Place,
    /// Taken until the body is over, and given back well unless the hook failed.
    turn: Option<Turn>,
    interest: Interest,
    /// Whether the header section waits for it.
    holds: bool,
    /// Whether it may change the body.
    changes: bool,
    /// Whether it sees no more of it.
    over: bool,
    /// Whether what went on was other than what came.
    altered: bool,
    /// Octets.
    shown: usize,
    spent: Duration,
}

/// Whose body it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// The client's.
    Request,
    /// A response's, of that status.
    Response(u16),
}

/// Why a body does not go on through a hook.
#[derive(Debug)]
pub enum Halt {
    /// The hook, or a limit of its, says so.
    Stop(Denial),
    /// It failed.
    Failed(Failed),
}

/// Octets that are shown at a time.
const PIECE: usize = 64 << 10;

// === impl Plugin ===

impl Plugin {
    /// Asks what it wants of a body whose message has these fields. None: nothing.
    ///
    /// # Errors
    /// The hook fails, or watches as many bodies as it may.
    pub fn watch(
        self: &Arc<Plugin>,
        of: Of,
        request: &Arc<Request>,
        fields: &mut Fields,
    ) -> Result<Option<Watch>, Failed> {
        let hook = of.hook();
        let place = self.places.enter().map_err(|full| {
            self.template.meter().ran_into(Limit::Bodies);
            self.failed(hook, full.to_string())
        })?;
        let turn = self.turn(hook, Some(request))?;
        let begun = Instant::now();
        self.template.meter().called(hook);
        let watch = match self.begin_body(of, request, fields) {
            Ok((instance, interest)) if interest == Interest::empty() => {
                self.end_turn(hook, turn, Ended::Well);
                if let Some(instance) = self.template.used_once(instance) {
                    self.places.keep(instance);
                }
                Ok(None)
            }
            Ok((instance, interest)) => Ok(Some(Watch {
                plugin: self.clone(),
                hook,
                request: request.clone(),
                instance,
                _place: place,
                turn: Some(turn),
                interest,
                holds: interest.contains(Interest::HOLD),
                changes: interest.contains(Interest::CHANGE),
                over: false,
                altered: false,
                shown: 0,
                spent: begun.elapsed(),
            })),
            Err(error) => {
                let failed = self.report(self.template.meter(), hook, Some(request.id), &error);
                self.end_turn(hook, turn, Ended::Failed);
                Err(failed)
            }
        };
        self.refill();
        watch
    }

    /// The instance that is asked, and what it wants.
    fn begin_body(
        &self,
        of: Of,
        request: &Arc<Request>,
        fields: &mut Fields,
    ) -> wasmtime::Result<(Box<Instance>, Interest)> {
        let mut instance = self.places.instance(&self.template)?;
        let lent = Lent {
            fields,
            limit: 0,
            keep: Keep::ReadOnly,
        };
        let interest = self.template.begin_body(&mut instance, of, request, lent)?;
        Ok((instance, interest))
    }
}

// === impl Of ===

impl Of {
    /// The hook that looks into it.
    pub fn hook(self) -> Hook {
        match self {
            Of::Request => Hook::RequestBody,
            Of::Response(_) => Hook::ResponseBody,
        }
    }

    /// The hook that changes the fields before and after it.
    pub fn header_hook(self) -> Hook {
        match self {
            Of::Request => Hook::RequestHeaders,
            Of::Response(_) => Hook::ResponseHeaders,
        }
    }
}

// === impl Watch ===

impl Watch {
    /// Whether the header section waits for it.
    pub fn holds(&self) -> bool {
        self.holds && !self.over
    }

    /// What it wants, in the words of the WIT.
    pub fn interest(&self) -> impl Iterator<Item = &'static str> {
        let words = [
            (Interest::WATCH, "watch"),
            (Interest::HOLD, "hold"),
            (Interest::CHANGE, "change"),
        ];
        let wanted = words
            .into_iter()
            .filter(|(flag, _)| self.interest.contains(*flag));
        wanted.map(|(_, word)| word)
    }

    /// Whether it may change the body.
    pub fn changes(&self) -> bool {
        self.changes
    }

    /// It may not change the body, whatever it wants.
    pub fn keep_as_is(&mut self) {
        self.changes = false;
    }

    /// Whether it sees no more of the body.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// So many octets are held back with the header section.
    ///
    /// # Errors
    /// They are more than may be, and the manifest has such bodies stopped.
    pub fn holding(&mut self, octets: usize) -> Result<(), Denial> {
        let Bounds {
            held, held_beyond, ..
        } = self.bounds();
        let (held, beyond) = (*held, *held_beyond);
        if !self.holds() || octets <= held {
            return Ok(());
        }
        self.plugin.template.meter().ran_into(Limit::Held);
        match beyond {
            Beyond::Pass => {
                self.holds = false;
                Ok(())
            }
            Beyond::Stop => {
                let what = format!("more than {} of it would be held back", size(held));
                Err(self.too_long("held", &what))
            }
        }
    }

    /// Shows it the octets that come next, and whether they are the last.
    ///
    /// # Errors
    /// They do not go on, nor does what comes after them; nothing may be shown after that.
    pub fn show(&mut self, octets: &[u8], last: bool) -> Result<Instead, Halt> {
        let mut out = Out::default();
        let mut at = 0;
        while at < octets.len() && !self.over {
            let left = self.bounds().shown - self.shown;
            if left == 0 {
                self.is_beyond(&octets[..at], &mut out)?;
                break;
            }
            let end = octets.len().min(at + PIECE.min(left));
            let piece = &octets[at..end];
            self.shown += piece.len();
            match self.chunk(piece)? {
                Verdict::Pass => out.as_is(piece),
                Verdict::Replace(instead) => {
                    self.check_change(instead.len())?;
                    out.instead(&octets[..at], &instead);
                }
                Verdict::Done => {
                    self.over = true;
                    out.as_is(piece);
                }
                Verdict::Stop(denial) => return Err(self.stop(denial)),
            }
            at = end;
            if out.len() > MAX_GROWN {
                return Err(self.fails("it makes too much of a piece"));
            }
        }
        if last && !self.over {
            self.end(true, &octets[..at], &mut out)?;
        }
        out.as_is(&octets[at..]);
        Ok(out.0)
    }

    /// The octets so far are all that it may be shown, and there are more.
    fn is_beyond(&mut self, before: &[u8], out: &mut Out) -> Result<(), Halt> {
        self.plugin.template.meter().ran_into(Limit::Body);
        let Bounds {
            shown,
            shown_beyond,
            ..
        } = self.bounds();
        match shown_beyond {
            Beyond::Pass => self.end(false, before, out),
            Beyond::Stop => {
                let what = format!("it is longer than {}", size(*shown));
                Err(Halt::Stop(self.too_long("body", &what)))
            }
        }
    }

    fn chunk(&mut self, piece: &[u8]) -> Result<Verdict, Halt> {
        self.ask(|instance, hook, request| instance.chunk_of_body(hook, request, piece))
    }

    fn end(&mut self, all: bool, before: &[u8], out: &mut Out) -> Result<(), Halt> {
        let ending = self.ask(|instance, hook, request| instance.end_body(hook, request, all))?;
        self.over = true;
        match ending {
            Ending::Pass => Ok(()),
            Ending::Append(more) => {
                self.check_change(more.len())?;
                out.instead(before, &more);
                Ok(())
            }
            Ending::Stop(denial) => Err(self.stop(denial)),
        }
    }

    /// Whether it may put so many octets in the place of others.
    fn check_change(&mut self, octets: usize) -> Result<(), Halt> {
        if !self.changes() {
            return Err(self.fails("it changes a body that it was not to change"));
        }
        if octets > MAX_INSTEAD {
            return Err(self.fails("it puts more than 1 MiB in the place of a piece"));
        }
        self.altered = true;
        Ok(())
    }

    fn ask<R>(
        &mut self,
        call: impl FnOnce(&mut Instance, Hook, &Arc<Request>) -> wasmtime::Result<R>,
    ) -> Result<R, Halt> {
        let (begun, plugin) = (Instant::now(), &self.plugin);
        plugin.template.meter().called(self.hook);
        let (hook, request) = (self.hook, &self.request);
        let answer = plugin
            .template
            .run(&mut self.instance, |instance| call(instance, hook, request));
        self.spent += begun.elapsed();
        let limit = self.bounds().time;
        let answer = match answer {
            Ok(_) if self.spent > limit => Err(Exceeded::BodyTime(limit).into()),
            answer => answer,
        };
        answer.map_err(|error| self.has_failed(&error))
    }

    fn fails(&mut self, what: &'static str) -> Halt {
        self.has_failed(&wasmtime::Error::msg(what))
    }

    fn has_failed(&mut self, error: &wasmtime::Error) -> Halt {
        let failed = self.plugin.report(
            self.plugin.template.meter(),
            self.hook,
            Some(self.request.id),
            error,
        );
        if let Some(turn) = self.turn.take() {
            self.plugin.end_turn(self.hook, turn, Ended::Failed);
        }
        Halt::Failed(failed)
    }

    /// After a failure: the body goes on without it. `false` where it cannot, because the hook is
    /// not to fail, or has changed the body and may have a part of it.
    pub fn give_up(&mut self) -> bool {
        self.over = true;
        !self.altered && self.plugin.manifest.failure.of(self.hook) == FailurePolicy::Open
    }

    fn stop(&self, denial: bodies::Denial) -> Halt {
        let bodies::Denial {
            rule,
            status,
            message,
        } = denial;
        Halt::Stop(self.plugin.denial(&rule, status, message))
    }

    /// By the manifest, not by the plugin.
    fn too_long(&self, limit: &str, what: &str) -> Denial {
        let plugin = self.plugin.template.plugin();
        Denial {
            message: Some(format!(
                "the body cannot be looked into by the plugin `{plugin}`: {what}"
            )),
            rule: Rule::new(plugin, format!("[limits] {limit}_beyond = \"stop\""), None),
            status: match self.hook {
                Hook::RequestBody => 413,
                _ => 403,
            },
        }
    }

    fn bounds(&self) -> &Bounds {
        &self.plugin.manifest.limits.bodies
    }
}

/// For people.
fn size(octets: usize) -> String {
    match octets {
        ..=9999 => format!("{octets} octets"),
        _ => format!("{} KB", octets >> 10),
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some(turn) = self.turn.take() {
            self.plugin.end_turn(self.hook, turn, Ended::Well);
        }
    }
}

impl fmt::Debug for Watch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("plugin", &self.plugin)
            .field("hook", &self.hook)
            .field("interest", &self.interest)
            .field("shown", &self.shown)
            .finish_non_exhaustive()
    }
}
