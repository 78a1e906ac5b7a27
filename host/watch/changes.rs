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
    /// In which folders come and go.
    folder: Option<PathBuf>,
    changed: BTreeSet<PathBuf>,
    /// Somebody is writing them.
    unfinished: BTreeSet<PathBuf>,
    last: Option<Instant>,
}

/// How long nothing happens before a change counts as one.
const QUIET: Duration = Duration::from_millis(100);

// === impl Changes ===

impl Changes {
    /// These files matter from now on, and what comes and goes in that folder.
    pub(super) fn watch(&mut self, files: BTreeSet<PathBuf>, folder: Option<PathBuf>) {
        self.unfinished.retain(|file| files.contains(file));
        self.files = files;
        self.folder = folder;
    }

    pub(super) fn see(&mut self, event: &Event, now: Instant) {
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
                EventKind::Access(AccessKind::Close(AccessMode::Write))
                | EventKind::Modify(ModifyKind::Name(_))
                | EventKind::Remove(_) => {}
                EventKind::Create(_) if self.is_in_folder(path) => {}
                // It has been opened, or read, or made and not yet written.
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

    fn matters(&self, path: &Path) -> bool {
        self.files.contains(path) || self.is_in_folder(path)
    }

    fn is_in_folder(&self, path: &Path) -> bool {
        self.folder.is_some() && path.parent() == self.folder.as_deref()
    }

    /// Shorter where it is in the folder of plugins.
    fn name(&self, path: &Path) -> String {
        let inside = self
            .folder
            .as_deref()
            .and_then(|folder| path.strip_prefix(folder).ok());
        inside.unwrap_or(path).display().to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use notify::event::{CreateKind, DataChange, RemoveKind, RenameMode};

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
        changes.watch(files.map(PathBuf::from).into(), Some("/p".into()));
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
        let cases: [(&[Seen], Option<&str>); 9] = [
            (&[(WRITTEN, "/p/a/a.wasm")], Some("a/a.wasm")),
            (&[(MOVED, "/etc/wproxy.toml")], Some("/etc/wproxy.toml")),
            (&[(MADE, "/p/b")], Some("b")),
            (&[(GONE, "/p/a/plugin.toml"), (GONE, "/p/a")], Some("a and 1 more")),
            (&[(MADE, "/p/a/a.wasm"), (OPENED, "/p/a/a.wasm")], None),
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
