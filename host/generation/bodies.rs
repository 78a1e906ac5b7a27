//! Bodies on their way through the hooks that look into them.

use super::Generation;
use super::hooks::tolerate;
use crate::error::Failure;
use crate::http::Fields;
use crate::plugin::{Halt, Of, Watch};
use crate::transaction::Request;
use std::borrow::Cow;
use std::sync::Arc;

/// A body that hooks look into, one after the other: what one lets through, the next one sees.
#[derive(Debug)]
pub struct Watched {
    watches: Vec<Watch>,
    /// Whether what goes on may be other than what comes.
    changes: bool,
    /// What waits with the header section.
    held: Vec<u8>,
    /// Whether that goes on waiting.
    holds: bool,
}

// === impl Generation ===

impl Generation {
    /// Asks the hooks what they want of a body whose message has these fields; a part of a
    /// representation (206, Content-Range) is not theirs to change. None where nobody wants
    /// anything.
    ///
    /// # Errors
    /// One failed, and its failure policy is closed.
    pub fn watch(
        &self,
        of: Of,
        request: &Arc<Request>,
        fields: &mut Fields,
    ) -> Result<Option<Watched>, Failure> {
        let asked = self.asked(of.hook());
        if asked.is_empty() {
            return Ok(None);
        }
        let is_part = match of {
            Of::Request => fields.has("content-range"),
            Of::Response(status) => status == 206,
        };
        let mut watches = Vec::new();
        for plugin in asked {
            let watch = plugin.watch(of, request, fields);
            if let Some(mut watch) = tolerate(plugin, of.hook(), watch)?.flatten() {
                if is_part {
                    watch.keep_as_is();
                }
                watches.push(watch);
            }
        }
        Ok((!watches.is_empty()).then(|| Watched {
            changes: watches.iter().any(Watch::changes),
            holds: watches.iter().any(Watch::holds),
            watches,
            held: Vec::new(),
        }))
    }
}

// === impl Watched ===

impl Watched {
    /// Whether the header section is to wait.
    pub fn holds(&self) -> bool {
        self.holds
    }

    /// Whether what goes on may be other than what comes: nobody knows its length.
    pub fn changes(&self) -> bool {
        self.changes
    }

    /// The octets that come next, and whether they are the last; what goes on, with all that was
    /// held back. None: the header section goes on waiting, and this with it. It never does after
    /// the last.
    ///
    /// # Errors
    /// Nothing goes on.
    pub fn show<'a>(
        &mut self,
        octets: &'a [u8],
        last: bool,
    ) -> Result<Option<Cow<'a, [u8]>>, Failure> {
        let octets = self.through(octets, last)?;
        if !self.holds {
            return Ok(Some(octets));
        }
        self.held.extend_from_slice(&octets);
        for watch in &mut self.watches {
            watch.holding(self.held.len()).map_err(Failure::Denied)?;
        }
        self.holds = self.watches.iter().any(Watch::holds);
        Ok((!self.holds).then(|| std::mem::take(&mut self.held).into()))
    }

    fn through<'a>(&mut self, octets: &'a [u8], last: bool) -> Result<Cow<'a, [u8]>, Failure> {
        let mut octets = Cow::Borrowed(octets);
        for watch in &mut self.watches {
            match watch.show(&octets, last) {
                Ok(None) => {}
                Ok(Some(instead)) => octets = instead.into(),
                Err(Halt::Stop(denial)) => return Err(Failure::Denied(denial)),
                Err(Halt::Failed(_)) if watch.give_up() => {}
                Err(Halt::Failed(failed)) => return Err(Failure::Plugin(failed)),
            }
        }
        self.watches.retain(|watch| !watch.is_over());
        Ok(octets)
    }
}
