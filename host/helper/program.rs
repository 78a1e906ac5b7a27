//! A helper that is a program: several of them run if need be, and each is asked a question, or as
//! many as it has channels, at a time. One that ends, hangs or babbles is replaced.

mod restart;

use super::process::{Event, Process};
use super::{Answer, SLACK, protocol};
use crate::config::HelperSettings;
use restart::Restart;
use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::sleep_until;

/// A program that can be asked. Nothing runs before that.
#[derive(Debug)]
pub(super) struct Program {
    terms: Terms,
    orders: OnceLock<mpsc::UnboundedSender<Order>>,
}

#[derive(Debug, Clone)]
struct Terms {
    helper: Arc<str>,
    command: Arc<[String]>,
    children: usize,
    concurrency: usize,
    timeout: Duration,
    queue_size: usize,
}

#[derive(Debug)]
enum Order {
    Ask(Waiting),
    Close(oneshot::Sender<()>),
}

/// A question that has not been put yet.
#[derive(Debug)]
struct Waiting {
    key: Arc<str>,
    since: Instant,
    /// A program that was asked has ended.
    again: bool,
    answer: oneshot::Sender<Answer>,
}

/// A question that has been.
#[derive(Debug)]
struct Asked {
    question: Waiting,
    at: Instant,
}

/// A place for a question to a program.
#[derive(Debug, Default)]
enum Channel {
    #[default]
    Free,
    Asked(Asked),
    /// It was asked for too long ago: what it says is for nobody.
    Overdue,
}

/// All programs of one helper, and who waits for them: one task, so that nothing is locked.
struct Crew {
    terms: Terms,
    children: Vec<Child>,
    queue: VecDeque<Waiting>,
    restart: Restart,
    started: u64,
    events: mpsc::UnboundedSender<Event>,
    tasks: JoinSet<()>,
}

struct Child {
    number: u64,
    process: Process,
    channels: Vec<Channel>,
    /// When it last answered.
    heard: Option<Instant>,
}

// === impl Program ===

impl Program {
    pub(super) fn new(command: Vec<String>, settings: &HelperSettings) -> Program {
        Program {
            terms: Terms {
                helper: settings.name.as_str().into(),
                command: command.into(),
                children: settings.children,
                concurrency: settings.concurrency,
                timeout: settings.timeout,
                queue_size: settings.queue_size,
            },
            orders: OnceLock::new(),
        }
    }

    pub(super) async fn ask(&self, key: Arc<str>) -> Answer {
        let (answer, answered) = oneshot::channel();
        let question = Waiting {
            key,
            since: Instant::now(),
            again: false,
            answer,
        };
        let orders = self.orders.get_or_init(|| Crew::start(&self.terms));
        let _ = orders.send(Order::Ask(question));
        let ended = |_| Answer::failed("the proxy stops");
        answered.await.unwrap_or_else(ended)
    }

    /// Ends what runs, and waits for that.
    pub(super) async fn close(&self) {
        let Some(orders) = self.orders.get() else {
            return;
        };
        let (done, closed) = oneshot::channel();
        // If it is gone, so is what ran.
        if orders.send(Order::Close(done)).is_ok() {
            let _ = closed.await;
        }
    }
}

// === impl Crew ===

impl Crew {
    /// It ends when nobody can order anything any more.
    fn start(terms: &Terms) -> mpsc::UnboundedSender<Order> {
        let (orders, ordered) = mpsc::unbounded_channel();
        let (events, happened) = mpsc::unbounded_channel();
        let crew = Crew {
            terms: terms.clone(),
            children: Vec::new(),
            queue: VecDeque::new(),
            restart: Restart::default(),
            started: 0,
            events,
            tasks: JoinSet::new(),
        };
        tokio::spawn(crew.run(ordered, happened));
        orders
    }

    async fn run(
        mut self,
        mut orders: mpsc::UnboundedReceiver<Order>,
        mut events: mpsc::UnboundedReceiver<Event>,
    ) {
        let closed = loop {
            tokio::select! {
                order = orders.recv() => match order {
                    Some(Order::Ask(question)) => self.enqueue(question, Instant::now()),
                    Some(Order::Close(done)) => break Some(done),
                    None => break None,
                },
                // It is never closed: one end is ours.
                Some(event) = events.recv() => self.heed(event, Instant::now()),
                () = until(self.patience_ends()) => self.replace_hung(Instant::now()),
            }
            self.put_questions(Instant::now());
            while self.tasks.try_join_next().is_some() {}
        };
        // Who waits learns of it by what is dropped.
        orders.close();
        self.queue.clear();
        self.children.clear();
        while self.tasks.join_next().await.is_some() {}
        if let Some(closed) = closed {
            let _ = closed.send(());
        }
    }

    fn enqueue(&mut self, question: Waiting, now: Instant) {
        self.fail_overdue(now);
        // Those that are put at once do not wait.
        let at_once = self.free_channels();
        if self.queue.len() < self.terms.queue_size.saturating_add(at_once) {
            self.queue.push_back(question);
        } else {
            let most = self.terms.queue_size;
            question.fail(&format!("{most} questions wait already"));
        }
    }

    /// Channels that are free, or would be if all programs ran that may.
    fn free_channels(&self) -> usize {
        let channels = self.terms.concurrency.max(1);
        let free = self.children.iter().map(Child::free).sum::<usize>();
        free + (self.terms.children - self.children.len()) * channels
    }

    /// Puts what waits, as far as there are channels, or programs can be started.
    fn put_questions(&mut self, now: Instant) {
        loop {
            self.fail_overdue(now);
            if self.queue.is_empty() {
                return;
            }
            let may_start = self.children.len() < self.terms.children;
            let is_alone = self.children.is_empty();
            let idlest = self.children.iter_mut().max_by_key(|child| child.free());
            match idlest.filter(|child| child.free() > 0) {
                Some(child) => {
                    if let Some(question) = self.queue.pop_front() {
                        child.ask(question, now, self.terms.concurrency > 0);
                    }
                }
                None if !may_start => return,
                None => match self.restart.may(now) {
                    Ok(()) => self.start_child(now),
                    // Those that run will have time for it.
                    Err(_) if !is_alone => return,
                    Err(wait) => {
                        let why = format!("it keeps failing, and is tried again in {wait:.1?}");
                        for question in self.queue.drain(..) {
                            question.fail(&why);
                        }
                        return;
                    }
                },
            }
        }
    }

    fn start_child(&mut self, now: Instant) {
        self.started += 1;
        let number = self.started;
        let Terms {
            helper, command, ..
        } = &self.terms;
        match Process::start(number, helper, command, &self.events, &mut self.tasks) {
            Ok(process) => self.children.push(Child {
                number,
                process,
                channels: std::iter::repeat_with(Channel::default)
                    .take(self.terms.concurrency.max(1))
                    .collect(),
                heard: None,
            }),
            Err(error) => {
                tracing::error!(helper = &**helper, "it cannot be started: {error}");
                self.restart.failed(now);
            }
        }
    }

    /// Those that nobody waits for any more.
    fn fail_overdue(&mut self, now: Instant) {
        let limit = self.terms.timeout;
        while let Some(question) = self.queue.pop_front() {
            if now.saturating_duration_since(question.since) < limit {
                self.queue.push_front(question);
                return;
            }
            question.fail(&format!("no turn within {limit:?}"));
        }
    }

    fn heed(&mut self, event: Event, now: Instant) {
        match event {
            Event::Line(number, line) => {
                let Some(child) = self.children.iter_mut().find(|c| c.number == number) else {
                    return;
                };
                match child.hear(&line, now, self.terms.concurrency > 0) {
                    Ok(()) => self.restart.succeeded(),
                    // Whose answer it was, nobody knows.
                    Err(why) => self.dismiss(number, &why, now, |_| true),
                }
            }
            Event::Ended(number, why) => self.dismiss(number, &why, now, |_| false),
        }
    }

    /// When a question has been put for too long.
    fn patience_ends(&self) -> Option<Instant> {
        let asked = self.children.iter().flat_map(Child::asked);
        let oldest = asked.map(|asked| asked.at).min();
        oldest.map(|at| at + self.terms.timeout + SLACK)
    }

    fn replace_hung(&mut self, now: Instant) {
        let limit = self.terms.timeout + SLACK;
        let is_over = |asked: &Asked| now.saturating_duration_since(asked.at) >= limit;
        let why = format!("it has not answered within {:?}", self.terms.timeout);
        let children = self.children.iter_mut();
        let hung = children.filter_map(|child| child.hangs(is_over, &why).then_some(child.number));
        for number in hung.collect::<Vec<_>>() {
            self.dismiss(number, &why, now, is_over);
        }
    }

    /// Ends a program. What it has been asked is asked again once, unless that is at fault.
    fn dismiss(&mut self, number: u64, why: &str, now: Instant, guilty: impl Fn(&Asked) -> bool) {
        let Some(place) = self.children.iter().position(|c| c.number == number) else {
            return;
        };
        let child = self.children.swap_remove(place);
        let helper = &*self.terms.helper;
        tracing::warn!(helper, "a program of it is replaced: {why}");
        if child.heard.is_none() {
            self.restart.failed(now);
        }
        for channel in child.channels.into_iter().rev() {
            let Channel::Asked(asked) = channel else {
                continue;
            };
            match guilty(&asked) || asked.question.again {
                true => asked.question.fail(why),
                false => self.queue.push_front(Waiting {
                    again: true,
                    ..asked.question
                }),
            }
        }
    }
}

async fn until(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment.into()).await,
        None => std::future::pending().await,
    }
}

// === impl Child ===

impl Child {
    fn free(&self) -> usize {
        let is_free = |channel: &&Channel| matches!(channel, Channel::Free);
        self.channels.iter().filter(is_free).count()
    }

    fn ask(&mut self, question: Waiting, now: Instant, numbered: bool) {
        let is_free = |channel: &Channel| matches!(channel, Channel::Free);
        let Some(channel) = self.channels.iter().position(is_free) else {
            return question.fail("it has no free channel");
        };
        let line = protocol::question(numbered.then_some(channel), &question.key);
        self.channels[channel] = Channel::Asked(Asked { question, at: now });
        self.process.send(line);
    }

    /// # Errors
    /// It is no answer, or one to a question that was not put.
    fn hear(&mut self, line: &[u8], now: Instant, numbered: bool) -> Result<(), String> {
        let (channel, answer) =
            protocol::reply(line, numbered).map_err(|garbage| garbage.to_string())?;
        match self.channels.get_mut(channel).map(std::mem::take) {
            Some(Channel::Asked(asked)) => {
                let _ = asked.question.answer.send(answer);
            }
            Some(Channel::Overdue) => {}
            Some(Channel::Free) | None if numbered => {
                let why = format!("it answers on channel {channel}, where it was not asked");
                return Err(why);
            }
            Some(Channel::Free) | None => return Err("it answers without being asked".into()),
        }
        self.heard = Some(now);
        Ok(())
    }

    /// What it owes, and is still waited for.
    fn asked(&self) -> impl Iterator<Item = &Asked> {
        self.channels.iter().filter_map(|channel| match channel {
            Channel::Asked(asked) => Some(asked),
            Channel::Free | Channel::Overdue => None,
        })
    }

    /// Whether it hangs: it has said nothing since a question whose time is over, or owes an answer
    /// on every channel. One that answers others is slow: it goes without that channel.
    fn hangs(&mut self, is_over: impl Fn(&Asked) -> bool, why: &str) -> bool {
        let heard = self.heard;
        let is_silent = |asked: &Asked| heard.is_none_or(|heard| heard < asked.at);
        if self.asked().any(|asked| is_over(asked) && is_silent(asked)) {
            return true;
        }
        for channel in &mut self.channels {
            if let Channel::Asked(asked) = channel
                && is_over(asked)
                && let Channel::Asked(asked) = std::mem::replace(channel, Channel::Overdue)
            {
                asked.question.fail(why);
            }
        }
        let is_overdue = |channel: &Channel| matches!(channel, Channel::Overdue);
        self.channels.iter().all(is_overdue)
    }
}

// === impl Waiting ===

impl Waiting {
    fn fail(self, why: &str) {
        let _ = self.answer.send(Answer::failed(why));
    }
}
