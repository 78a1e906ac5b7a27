//! What events say about files. Pure: it is told the time.

use notify::Event;
use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What has changed since it was asked the last time.
#[derive(Debug, Default)]
pub(super) struct Changes {
    /// That matter.
    files: BTreeSet<PathBuf>,
    /// In which everything matters: that of the plugins, and those that plugins may read.
    folders: BTreeSet<PathBuf>,
    changed: BTreeSet<PathBuf>,
    /// Somebody is writing them.
    unfinished: BTreeSet<PathBuf>,
    last: Option<Instant>,
}

/// How long nothing happens before a change counts as one.
const QUIET: Duration = Duration::from_millis(100);

// === impl Changes ===

impl Changes {
    /// These files matter from now on, and all that is in these folders.
    pub(super) fn watch(&mut self, files: BTreeSet<PathBuf>, folders: BTreeSet<PathBuf>) {
        self.files = files;
        self.folders = folders;
        let mut unfinished = std::mem::take(&mut self.unfinished);
        unfinished.retain(|path| self.matters(path));
        self.unfinished = unfinished;
    }

    pub(super) fn see(&mut self, event: &Event, now: Instant) {
        if event.need_rescan() {
            // Events are lost: it may have been any of them, and the end of any writing.
            self.unfinished.clear();
            self.changed.insert("something".into());
            self.last = Some(now);
        }
        for path in &event.paths {
            if !self.matters(path) {
                continue;
            }
            match event.kind {
                EventKind::Modify(ModifyKind::Data(_)) => {
                    self.unfinished.insert(path.clone());
                    self.last = Some(now);
                    continue;
                }
                // A hard link is made without being written. What is made to be written is written
                // at once.
                EventKind::Access(AccessKind::Close(AccessMode::Write))
                | EventKind::Modify(ModifyKind::Name(_))
                | EventKind::Create(_)
                | EventKind::Remove(_) => {}
                // It has been opened, or read.
                _ => continue,
            }
            self.unfinished.remove(path);
            self.changed.insert(path.clone());
            self.last = Some(now);
        }
    }

    /// When it will have been quiet for long enough; none where nothing has changed, or somebody
    /// still writes.
    pub(super) fn quiet_at(&self) -> Option<Instant> {
        let settled = self.unfinished.is_empty() && !self.changed.is_empty();
        self.last.filter(|_| settled).map(|last| last + QUIET)
    }

    /// What has changed, in words.
    pub(super) fn take(&mut self) -> String {
        let changed = std::mem::take(&mut self.changed);
        let mut names = changed.iter().map(|path| self.name(path));
        let first = names.next().unwrap_or_default();
        match names.count() {
            0 => first,
            others => format!("{first} and {others} more"),
        }
    }

    /// A file that matters, or what it is in: a folder that comes has to be looked into.
    fn matters(&self, path: &Path) -> bool {
        let is_above = |file: &PathBuf| file.starts_with(path);
        path.parent()
            .is_some_and(|folder| self.folders.contains(folder))
            || self.files.iter().chain(&self.folders).any(is_above)
    }

    /// Shorter where it is in one of the folders.
    fn name(&self, path: &Path) -> String {
        let mut inside = self
            .folders
            .iter()
            .filter_map(|folder| path.strip_prefix(folder).ok());
        inside.next().unwrap_or(path).display().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{CreateKind, DataChange, Flag, RemoveKind, RenameMode};

    const WRITTEN: EventKind = EventKind::Access(AccessKind::Close(AccessMode::Write));
    const WRITING: EventKind = EventKind::Modify(ModifyKind::Data(DataChange::Any));
    const MOVED: EventKind = EventKind::Modify(ModifyKind::Name(RenameMode::To));
    const OPENED: EventKind = EventKind::Access(AccessKind::Open(AccessMode::Any));
    const MADE: EventKind = EventKind::Create(CreateKind::Any);
    const GONE: EventKind = EventKind::Remove(RemoveKind::Any);

    type Seen = (EventKind, &'static str);

    fn changes() -> Changes {
        let mut changes = Changes::default();
        let files = ["/p/a/plugin.toml", "/p/a/a.wasm", "/etc/wproxy.toml"];
        changes.watch(files.map(PathBuf::from).into(), ["/p".into()].into());
        changes
    }

    /// What it says when it is quiet after these events; none where it waits for more.
    fn after(events: &[Seen]) -> Option<String> {
        let (mut changes, now) = (changes(), Instant::now());
        for (kind, path) in events {
            changes.see(&Event::new(*kind).add_path(path.into()), now);
        }
        changes.quiet_at().map(|_| changes.take())
    }

    #[test]
    fn what_is_whole_counts_and_what_is_half_written_does_not() {
        #[rustfmt::skip]
        let cases: [(&[Seen], Option<&str>); 12] = [
            (&[(WRITTEN, "/p/a/a.wasm")], Some("a/a.wasm")),
            (&[(MOVED, "/etc/wproxy.toml")], Some("/etc/wproxy.toml")),
            (&[(MADE, "/p/b")], Some("b")),
            (&[(GONE, "/p/a/plugin.toml"), (GONE, "/p/a")], Some("a and 1 more")),
            (&[(MADE, "/p/a/a.wasm")], Some("a/a.wasm")),
            (&[(MADE, "/p/a/a.wasm"), (WRITING, "/p/a/a.wasm")], None),
            (&[(MADE, "/etc")], Some("/etc")),
            (&[(OPENED, "/p/a/a.wasm")], None),
            (&[(WRITTEN, "/p/a/main.rs"), (WRITTEN, "/etc/passwd")], None),
            (&[(WRITING, "/p/a/a.wasm")], None),
            (&[(WRITTEN, "/p/a/plugin.toml"), (WRITING, "/p/a/a.wasm")], None),
            (&[(WRITING, "/p/a/a.wasm"), (WRITTEN, "/p/a/a.wasm")], Some("a/a.wasm")),
        ];
        for (events, says) in cases {
            assert_eq!(after(events).as_deref(), says, "{events:?}");
        }
    }

    #[test]
    fn where_events_are_lost_something_has_changed() {
        let (mut changes, now) = (changes(), Instant::now());
        changes.see(&Event::new(WRITING).add_path("/p/a/a.wasm".into()), now);
        let lost = Event::new(EventKind::Other).set_flag(Flag::Rescan);
        changes.see(&lost, now);
        assert_eq!(changes.quiet_at(), Some(now + QUIET));
        assert_eq!(changes.take(), "something");
    }

    #[test]
    fn each_event_begins_the_moment_of_quiet_anew() {
        let (mut changes, now) = (changes(), Instant::now());
        let written = Event::new(WRITTEN).add_path("/p/a/a.wasm".into());
        assert_eq!(changes.quiet_at(), None);
        changes.see(&written, now);
        assert_eq!(changes.quiet_at(), Some(now + QUIET));
        let later = now + QUIET / 2;
        changes.see(&written, later);
        assert_eq!(changes.quiet_at(), Some(later + QUIET));
        assert_eq!(changes.take(), "a/a.wasm");
        assert_eq!(changes.quiet_at(), None);
    }
}
