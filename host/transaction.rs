//! What is known of one request, from its first line to its line in the access log.

use crate::app::App;
use crate::generation::Pinned;
use crate::helper::{Answer, Question};
use crate::http::{Fields, RequestHead, Target, Version};
use crate::log::{Code, Record};
use crate::notes::Notebook;
use crate::plugin::{Hook, Rule};
use crate::recent::Past;
use crate::upstream::{self, Resolved};
use bytes::Bytes;
use http::Method;
use std::cell::Cell;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The request as the client sent it: what plugins see through the WIT resource `request`.
#[derive(Debug)]
pub struct Request {
    /// What logs call it by: no other request of this process has it.
    pub id: u64,
    /// Case kept.
    pub method: Method,
    /// Normalised.
    pub target: Target,
    /// Of the message.
    pub version: Version,
    /// As sent, framing and hop-by-hop fields included.
    pub fields: Fields,
    /// Who is asking.
    pub client: SocketAddr,
    /// When its header section had been read.
    pub received: SystemTime,
    /// Seconds that local time was ahead of UTC then; as the system's zone has it where none is given.
    utc_offset: Option<i32>,
    addresses: OnceLock<Resolved>,
    /// What helpers have said.
    answers: Mutex<Vec<(Question, Arc<Answer>)>>,
    uri: OnceLock<Arc<str>>,
    /// Who the client is, where a plugin knows.
    user: OnceLock<Arc<str>>,
    /// Where somebody wants notes of what the hooks say.
    notebook: Option<Box<Notebook>>,
}

/// A request on its way through the proxy: what was asked for, by which policy it is judged, and
/// what has become of it.
#[derive(Debug)]
pub struct Transaction {
    /// What was asked for.
    pub request: Arc<Request>,
    /// The policy that decides about all of it.
    pub generation: Pinned,
    /// Its entry in the access log.
    pub entry: Entry,
}

/// An entry in the access log. However the transaction ends, even with its task, its line is
/// written when this is dropped, and it is remembered for those who ask about it.
#[derive(Debug)]
pub struct Entry {
    /// What has become of it so far.
    pub outcome: Outcome,
    request: Arc<Request>,
    generation: u64,
    app: Arc<App>,
    started: Instant,
    /// Whether there is a client that it is for.
    has_client: bool,
}

/// What the access log says of a transaction.
#[derive(Debug, Default)]
pub struct Outcome {
    /// squid's code.
    pub code: Code,
    /// The status that the client got; 0 while none.
    pub status: u16,
    /// Where the response comes from, where a server was asked.
    pub server: Option<IpAddr>,
    /// Its media type.
    pub content_type: Option<Bytes>,
    /// What allowed or denied it.
    pub rule: Option<Rule>,
    /// Who the client is, where a plugin knew when it decided.
    pub user: Option<Arc<str>>,
    /// Octets sent to the client: of the response, or through the tunnel.
    pub sent: u64,
    /// Octets received from the client through a tunnel.
    pub received: u64,
    /// Whether the client left before the end.
    pub aborted: bool,
    /// What went wrong, in RFC 9209's words.
    pub error: Option<&'static str>,
}

// === impl Request ===

impl Request {
    /// A request that has just been read.
    pub fn new(
        head: RequestHead,
        target: Target,
        client: SocketAddr,
        received: SystemTime,
    ) -> Self {
        let addresses = OnceLock::new();
        if let Some(address) = target.host.address() {
            let _ = addresses.set(Ok(Arc::from([address])));
        }
        Request {
            id: next_id(),
            method: head.method,
            target,
            version: head.version,
            fields: head.fields,
            client,
            received,
            utc_offset: None,
            addresses,
            answers: Mutex::default(),
            uri: OnceLock::new(),
            user: OnceLock::new(),
            notebook: None,
        }
    }

    /// The same, received where local time is that many seconds ahead of UTC.
    #[must_use]
    pub fn at_offset(mut self, seconds: i32) -> Self {
        self.utc_offset = Some(seconds);
        self
    }

    /// The same, with notes taken of what the hooks are asked and say.
    #[must_use]
    pub fn noted(mut self, notebook: Notebook) -> Self {
        self.notebook = Some(Box::new(notebook));
        self
    }

    /// Where notes are taken; none where nobody wants them, or has them already.
    pub fn notebook(&self) -> Option<&Notebook> {
        self.notebook
            .as_deref()
            .filter(|notebook| notebook.is_open())
    }

    /// The same, where notes of that hook are wanted.
    pub fn notebook_of(&self, hook: Hook) -> Option<&Notebook> {
        self.notebook()
            .filter(|notebook| notebook.wanted().has(hook))
    }

    /// The target in one piece: for rules, the log and the cache.
    pub fn uri(&self) -> &Arc<str> {
        self.uri.get_or_init(|| self.target.uri().into())
    }

    /// The destination's addresses: at once where the host is one, else once they are known; an
    /// empty list where it has none.
    pub fn addresses(&self) -> Option<&[IpAddr]> {
        self.resolved().map(upstream::list)
    }

    /// The same, with the reason where there are none.
    pub fn resolved(&self) -> Option<&Resolved> {
        self.addresses.get()
    }

    /// They are known now. The first answer stays.
    pub fn set_addresses(&self, addresses: Resolved) {
        let _ = self.addresses.set(addresses);
    }

    /// The same, for those who ask about it when it has long been served: what they find out must
    /// not meddle with what is still done for the cache. Of what helpers have answered, it has what
    /// they answered to the questions that are `kept`.
    pub fn apart(&self, kept: impl Fn(&Question) -> bool) -> Request {
        let mut answers = self.answers().clone();
        answers.retain(|(question, _)| kept(question));
        Request {
            id: self.id,
            method: self.method.clone(),
            target: self.target.clone(),
            version: self.version,
            fields: self.fields.clone(),
            client: self.client,
            received: self.received,
            utc_offset: self.utc_offset,
            addresses: self.addresses.clone(),
            answers: Mutex::new(answers),
            uri: self.uri.clone(),
            user: self.user.clone(),
            notebook: None,
        }
    }

    /// Who the client is, where a plugin has said that.
    pub fn user(&self) -> Option<&Arc<str>> {
        self.user.get()
    }

    /// A plugin vouches for that name. The first one stays.
    pub fn identify(&self, user: &str) {
        const LONGEST: usize = 256;
        let user = &user[..user.floor_char_boundary(LONGEST)];
        if !user.is_empty() {
            let _ = self.user.set(user.into());
        }
    }

    /// What helpers have answered.
    pub fn answers(&self) -> MutexGuard<'_, Vec<(Question, Arc<Answer>)>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What that helper has answered about that key.
    pub fn answer(&self, helper: &str, key: &str) -> Option<Arc<Answer>> {
        let answers = self.answers();
        let is_it = |question: &Question| question.helper == helper && question.key == key;
        let found = answers.iter().find(|(question, _)| is_it(question));
        found.map(|(_, answer)| answer.clone())
    }

    /// Whether something has been found out for the access hook, so that it is asked again.
    pub fn is_asked_again(&self) -> bool {
        let answers = self.answers();
        !answers.is_empty() || (self.target.host.address().is_none() && self.resolved().is_some())
    }

    /// A helper has answered: whoever asks again finds it. The first answer stays.
    pub fn add_answer(&self, question: Question, answer: Arc<Answer>) {
        let mut answers = self.answers();
        if !answers.iter().any(|(asked, _)| *asked == question) {
            answers.push((question, answer));
        }
    }

    /// Octets of memory that it takes for as long as it is kept, about: with what was found out for it,
    /// which may be far more than what the client sent.
    pub fn octets(&self) -> usize {
        let answers = self.answers();
        let answers = answers
            .iter()
            .map(|(question, answer)| question.octets() + answer.octets());
        let answers: usize = answers.sum();
        // The target is in the header section, beside what has been made of it.
        let target = self.target.path.len() + 2 * self.uri().len();
        let addresses = self.addresses().map_or(0, size_of_val);
        size_of::<Request>()
            + self.method.as_str().len()
            + target
            + self.fields.octets()
            + addresses
            + answers
    }

    /// Seconds since the epoch when it was received, and the local time's offset from UTC then.
    pub fn received_locally(&self) -> (i64, i32) {
        let unix = match self.received.duration_since(UNIX_EPOCH) {
            Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            Err(_) => 0,
        };
        let system = || {
            jiff::Timestamp::from_second(unix).map_or(0, |moment| {
                jiff::tz::TimeZone::system().to_offset(moment).seconds()
            })
        };
        (unix, self.utc_offset.unwrap_or_else(system))
    }
}

/// A number that no request has had. Threads take them by the thousand, and none waits for another.
fn next_id() -> u64 {
    const BLOCK: u64 = 1000;
    static BLOCKS: AtomicU64 = AtomicU64::new(0);
    thread_local! {
        static NEXT: Cell<u64> = const { Cell::new(0) };
    }
    let id = match NEXT.get() {
        over if over.is_multiple_of(BLOCK) => BLOCKS.fetch_add(1, Ordering::Relaxed) * BLOCK + 1,
        next => next,
    };
    NEXT.set(id + 1);
    id
}

// === impl Transaction ===

impl Transaction {
    /// Begins: from here on, the present generation decides about it.
    pub fn new(app: &Arc<App>, request: Request, started: Instant) -> Self {
        let request = match app.readers.notebook(request.id) {
            Some(notebook) => request.noted(notebook),
            None => request,
        };
        let request = Arc::new(request);
        let generation = Pinned::new(app.generation());
        let entry = Entry {
            outcome: Outcome::default(),
            request: request.clone(),
            generation: generation.id(),
            app: app.clone(),
            started,
            has_client: true,
        };
        Transaction {
            request,
            generation,
            entry,
        }
    }

    /// Another one for the same request, by the same policy: what it does is for the cache.
    pub fn in_background(&self) -> Self {
        let entry = Entry {
            outcome: Outcome::default(),
            request: self.request.clone(),
            generation: self.generation.id(),
            app: self.entry.app.clone(),
            started: Instant::now(),
            has_client: false,
        };
        Transaction {
            request: self.request.clone(),
            generation: self.generation.clone(),
            entry,
        }
    }
}

impl Entry {
    /// No hook is asked about the request any more: who reads notes gets them. At the latest when
    /// the entry is dropped, which of a tunnel can be hours after it was allowed.
    pub fn judged(&self) {
        if let Some(notebook) = self.request.notebook() {
            notebook.hand_out(&self.request, self.generation);
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let request = &self.request;
        let elapsed = self.started.elapsed();
        // Before the line: who has seen that finds the request.
        if let Some(recent) = &self.app.recent
            && self.has_client
        {
            recent.keep(Past {
                request: request.clone(),
                generation: self.generation,
                code: self.outcome.code,
                status: self.outcome.status,
                aborted: self.outcome.aborted,
                rule: self.outcome.rule.clone(),
                error: self.outcome.error,
                elapsed,
            });
        }
        self.app.record(&Record {
            request: Some(request.id),
            received: request.received,
            elapsed,
            client: request.client.ip(),
            method: request.method.as_str(),
            uri: request.uri(),
            version: Some(request.version),
            fields: Some(&request.fields),
            generation: self.generation,
            outcome: &self.outcome,
        });
        // What is done for the cache alone shares the request with a client that may not be served yet.
        if self.has_client {
            self.judged();
        }
    }
}
