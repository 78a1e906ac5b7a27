//! What the hooks were asked about one request, and what they answered: for whoever compares
//! policies. Taken down only where somebody wants it.

use crate::error::Failure;
use crate::generation::{Admission, CacheKey};
use crate::http::Fields;
use crate::plugin::{Denial, Failed, Hook, Refresh, Rule};
use crate::transaction::Request;
use arc_swap::ArcSwap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What has been asked and answered so far. A hook that was not asked has no entry; of one that was
/// asked several times, as when a request is sent again, the last one counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notes {
    /// What `access` came to in the end.
    pub access: Option<Access>,
    /// What `cache-key` came to.
    pub key: Option<CacheKey>,
    /// What `request-headers` has made of the fields.
    pub request_headers: Option<Edit>,
    /// What `cache-rules` said.
    pub cache_rules: Option<Judged>,
    /// What `response-headers` has made of the fields.
    pub response_headers: Option<Edit>,
}

/// May it pass?
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// By that rule.
    Allowed(Rule),
    /// It may not.
    Denied(Denial),
    /// Not before it says who is asking.
    Challenged {
        /// Who wants to know.
        plugin: String,
        /// Proxy-Authenticate.
        challenge: String,
    },
    /// A plugin failed whose failure policy is closed.
    Failed(Failed),
}

/// Fields as a hook's plugins found and left them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The response's; none where they are a request's.
    pub status: Option<u16>,
    /// As the first one found them.
    pub before: Fields,
    /// As the last one left them; none where one failed whose failure policy is closed.
    pub after: Option<Fields>,
}

/// A response about whose freshness was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judged {
    /// Its status.
    pub status: u16,
    /// Its fields.
    pub fields: Fields,
    /// How long it is fresh; none where it must not be stored.
    pub refresh: Option<Refresh>,
    /// By which rule it must not; none where it may, or where a plugin failed.
    pub never: Option<Rule>,
}

/// A transaction that is over, with its notes.
#[derive(Debug)]
pub struct Noted {
    /// What was asked for, with the addresses as they were known.
    pub request: Arc<Request>,
    /// The generation that decided.
    pub generation: u64,
    /// What it said.
    pub notes: Notes,
    /// In which hooks that was noted.
    pub wanted: Wanted,
}

/// A request's place for notes.
#[derive(Debug)]
pub struct Notebook {
    wanted: Wanted,
    /// None: they have been taken away.
    open: Mutex<Option<Open>>,
}

/// Notes that are taken, and for whom.
#[derive(Default)]
struct Open {
    notes: Notes,
    readers: Vec<Arc<dyn Reader>>,
}

/// A set of hooks that somebody wants notes of: what nobody compares is not copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wanted(u16);

/// Somebody who reads notes.
pub trait Reader: Send + Sync {
    /// The hooks of which it wants the notes of the request of that number; none where it does not
    /// want that request. Called on the workers.
    fn wants(&self, request: u64) -> Option<Wanted>;

    /// A transaction is over of which it wanted the notes. Called on the workers: must not wait.
    fn read(&self, noted: &Arc<Noted>);
}

/// All who read notes: while there is nobody, none are taken.
#[derive(Default)]
pub struct Readers(ArcSwap<Vec<Arc<dyn Reader>>>);

// === impl Access ===

impl Access {
    /// What there is to note; nothing before the end.
    pub fn of(admission: &Result<Admission, Failure>) -> Option<Access> {
        match admission {
            Ok(Admission::NeedsAddresses | Admission::NeedsAnswer(_)) => None,
            Ok(Admission::Allowed(rule)) => Some(Access::Allowed(rule.clone())),
            Err(failure) => Access::refused(failure),
        }
    }

    /// The same of a request that may not pass.
    pub fn refused(failure: &Failure) -> Option<Access> {
        match failure {
            Failure::Denied(denial) => Some(Access::Denied(denial.clone())),
            Failure::Unauthenticated { plugin, challenge } => Some(Access::Challenged {
                plugin: plugin.clone(),
                challenge: challenge.clone(),
            }),
            Failure::Plugin(failed) => Some(Access::Failed(failed.clone())),
            // The access hook fails in no other way.
            _ => None,
        }
    }

    /// Octets of what a plugin says in its own words.
    fn octets(&self) -> usize {
        match self {
            Access::Allowed(rule) => rule.text.len(),
            Access::Denied(Denial { rule, message, .. }) => {
                rule.text.len() + message.as_ref().map_or(0, String::len)
            }
            Access::Challenged { challenge, .. } => challenge.len(),
            Access::Failed(failed) => failed.reason.len(),
        }
    }
}

// === impl Edit ===

impl Edit {
    /// `after`: none where a plugin failed.
    pub fn new(status: Option<u16>, before: Fields, after: Option<&mut Fields>) -> Edit {
        Edit {
            status,
            before,
            after: after.map(|after| after.clone()),
        }
    }
}

// === impl Noted ===

impl Noted {
    /// Octets of memory that it takes for as long as it waits to be read, about. Lists of lines share
    /// what is the same in them, but that is counted in each: rather too much than too little.
    pub fn octets(&self) -> usize {
        let Notes {
            access,
            key,
            request_headers,
            cache_rules,
            response_headers,
        } = &self.notes;
        let edits = [request_headers, response_headers].into_iter().flatten();
        let edits = edits.flat_map(|edit| [Some(&edit.before), edit.after.as_ref()]);
        let judged = cache_rules.as_ref().map(|judged| &judged.fields);
        let lists = edits.flatten().chain(judged);
        let key = match key {
            Some(CacheKey::Named(key)) => key.len(),
            Some(CacheKey::Uri | CacheKey::Never) | None => 0,
        };
        size_of::<Noted>()
            + self.request.octets()
            + lists.map(Fields::octets).sum::<usize>()
            + access.as_ref().map_or(0, Access::octets)
            + key
    }
}

// === impl Notebook ===

impl Notebook {
    /// An empty one: from now on, notes of these are taken, for nobody yet.
    pub fn new(wanted: Wanted) -> Notebook {
        Notebook {
            wanted,
            open: Mutex::new(Some(Open::default())),
        }
    }

    /// Of which hooks.
    pub fn wanted(&self) -> Wanted {
        self.wanted
    }

    /// Adds to them, unless they have been taken away.
    pub fn note(&self, note: impl FnOnce(&mut Notes)) {
        if let Some(open) = &mut *self.open() {
            note(&mut open.notes);
        }
    }

    /// Whether they have not been taken away.
    pub fn is_open(&self) -> bool {
        self.open().is_some()
    }

    /// Takes them away: what is asked later is not noted.
    pub fn take(&self) -> Option<Notes> {
        self.open().take().map(|open| open.notes)
    }

    /// The same, and hands them to all who wanted them: that request is over, and that generation
    /// has decided about it.
    pub fn hand_out(&self, request: &Arc<Request>, generation: u64) {
        let Some(Open { notes, readers }) = self.open().take() else {
            return;
        };
        let noted = Arc::new(Noted {
            request: request.clone(),
            generation,
            notes,
            wanted: self.wanted,
        });
        for reader in readers {
            reader.read(&noted);
        }
    }

    fn open(&self) -> MutexGuard<'_, Option<Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} for {}", self.notes, self.readers.len())
    }
}

// === impl Wanted ===

impl Wanted {
    /// All hooks.
    pub const ALL: Wanted = Wanted(u16::MAX);

    /// These.
    pub fn of(hooks: impl IntoIterator<Item = Hook>) -> Wanted {
        let bits = hooks.into_iter().map(|hook| 1 << hook as u16);
        Wanted(bits.fold(0, |all, bit| all | bit))
    }

    /// Whether that hook is among them.
    pub fn has(self, hook: Hook) -> bool {
        self.covers(Wanted::of([hook]))
    }

    /// Whether all of those are.
    pub fn covers(self, others: Wanted) -> bool {
        self.0 & others.0 == others.0
    }

    fn or(self, other: Wanted) -> Wanted {
        Wanted(self.0 | other.0)
    }
}

// === impl Readers ===

impl Readers {
    /// A place for those of the request of that number; none where nobody wants any.
    pub fn notebook(&self, request: u64) -> Option<Notebook> {
        let mut notebook = None;
        for reader in &**self.0.load() {
            if let Some(wanted) = reader.wants(request) {
                let notebook = notebook.get_or_insert_with(|| Notebook::new(Wanted::default()));
                notebook.wanted = notebook.wanted.or(wanted);
                if let Some(open) = &mut *notebook.open() {
                    open.readers.push(reader.clone());
                }
            }
        }
        notebook
    }

    /// From now on, this one reads them, too.
    pub fn add(&self, reader: &Arc<dyn Reader>) {
        self.0.rcu(|readers| {
            let mut readers = Vec::clone(readers);
            readers.push(reader.clone());
            readers
        });
    }

    /// From now on, this one does not.
    pub fn remove(&self, reader: &Arc<dyn Reader>) {
        self.0.rcu(|readers| {
            let mut readers = Vec::clone(readers);
            readers.retain(|other| !Arc::ptr_eq(other, reader));
            readers
        });
    }
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Readers({})", self.0.load().len())
    }
}
