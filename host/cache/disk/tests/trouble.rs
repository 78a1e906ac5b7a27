//! Disks that take nothing any more, and folders that go away.

use super::*;
use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, MutexGuard};
use tracing::Level;

/// What is logged meanwhile, by this thread, from warnings up.
pub(super) fn said(run: impl FnOnce()) -> Vec<String> {
    let lines = Arc::new(tempfile::tempfile().unwrap());
    let subscriber = tracing_subscriber::fmt()
        .with_writer(lines.clone())
        .with_max_level(Level::WARN)
        .with_ansi(false)
        .with_target(false)
        .without_time()
        .finish();
    tracing::subscriber::with_default(subscriber, run);
    let mut lines: &fs::File = &lines;
    lines.rewind().unwrap();
    let lines = io::read_to_string(lines).unwrap();
    lines.lines().map(|line| line.trim().to_owned()).collect()
}

/// Held while a process is started: for a moment it has all files open, and what has been removed
/// goes on to take its room.
pub(super) static NO_OTHER_PROCESS: Mutex<()> = Mutex::new(());

/// A store on a file system of 256 KiB.
struct Small {
    bench: Bench,
    mount: Mount,
    _alone: MutexGuard<'static, ()>,
}

struct Mount(PathBuf);

impl Small {
    /// None where it cannot be mounted.
    fn new() -> Option<Small> {
        let alone = store::lock(&NO_OTHER_PROCESS);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=256k", "tmpfs"]);
        if !mount
            .arg(path)
            .output()
            .is_ok_and(|done| done.status.success())
        {
            let _ = writeln!(io::stderr(), "skipped: this user cannot mount a tmpfs");
            return None;
        }
        let mount = Mount(path.to_owned());
        let bench = Bench::at(folder, 512 << 10);
        Some(Small {
            bench,
            mount,
            _alone: alone,
        })
    }

    fn remount(&self, how: &str) {
        let mut mount = Command::new("mount");
        mount.args(["-o", &format!("remount,{how}")]);
        assert!(mount.arg(&self.mount.0).status().unwrap().success());
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
        let _ = fs::remove_dir(&self.0);
    }
}

fn try_put(disk: &Arc<Disk>, key: &[u8]) -> Result<Object, Degraded> {
    let mut incoming = disk.create(key.to_vec());
    incoming.write(&octets(5000))?;
    incoming.finish(b"m").map(Option::unwrap)
}

fn fill(path: &Path) {
    let mut file = fs::File::create(path).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
}

fn end_pause(disk: &Disk) {
    disk.store.health().end_pause(Instant::now());
}

#[test]
fn on_a_full_disk_the_oldest_make_room_before_the_budget_says_so() {
    let Some(small) = Small::new() else {
        return;
    };
    let bench = &small.bench;
    for number in 0..100 {
        put_numbered(bench, number);
    }
    let usage = bench.usage();
    assert!(usage.objects <= 32 && usage.evicted >= 68);
    assert_eq!((usage.degraded, usage.write_failures), (false, 0));
    let stored = numbers(bench);
    assert_eq!(stored, Vec::from_iter(100 - stored.len()..100));
    // In the middle of a large one, too.
    put(bench, b"large", b"m", &octets(100 * KIB));
    let mut larger = bench.create(b"larger".to_vec());
    for piece in octets(180 * KIB).chunks(10 * KIB) {
        larger.write(piece).unwrap();
    }
    larger.finish(b"m").unwrap().unwrap();
    assert_eq!(get(bench, b"larger").unwrap().1, octets(180 * KIB));
    assert!(!bench.may_have(b"large"));
}

#[test]
fn where_a_full_disk_has_nothing_to_evict_it_is_said_once_and_tried_again_later() {
    let Some(small) = Small::new() else {
        return;
    };
    let bench = &small.bench;
    let filler = small.mount.0.join("filler");
    fill(&filler);
    let said_first = said(|| {
        assert_eq!(try_put(bench, b"k").unwrap_err(), Degraded::Disk);
    });
    let path = bench.path();
    assert_eq!(said_first.len(), 1);
    let start = format!(
        "ERROR the disk cache {} cannot be written: No space left on device (os error 28); the cache goes on in memory, ",
        path.display()
    );
    assert!(said_first[0].starts_with(&start), "{said_first:?}");
    assert!(
        said_first[0].contains("; make room on that file system, or give the cache less of it; ")
    );
    assert!(bench.usage().degraded);
    let failures = bench.usage().write_failures;
    let said_later = said(|| {
        // Nothing is tried for now, even where there is room again.
        fs::remove_file(&filler).unwrap();
        let mut incoming = bench.create(b"k".to_vec());
        assert_eq!(incoming.write(b"").unwrap_err(), Degraded::Disk);
        assert_eq!(incoming.reader().unwrap_err(), Degraded::Disk);
        assert_eq!(incoming.finish(b"").unwrap_err(), Degraded::Disk);
        assert_eq!(bench.usage().write_failures, failures);
        // When it is tried, it fails again.
        fill(&filler);
        end_pause(bench);
        assert!(try_put(bench, b"k").is_err());
        assert!(bench.usage().write_failures > failures);
    });
    assert_eq!(said_later, [""; 0]);
    assert_eq!(bench.temporary_files(), 0);
    let said_last = said(|| {
        fs::remove_file(&filler).unwrap();
        end_pause(bench);
        assert!(try_put(bench, b"k").is_ok());
    });
    let back = format!("WARN the disk cache {} is written again", path.display());
    assert_eq!(said_last, [back]);
    assert!(!bench.usage().degraded);
    assert!(get(bench, b"k").is_some());
}

#[test]
fn a_download_that_fills_the_disk_is_readable_as_far_as_it_came() {
    let Some(small) = Small::new() else {
        return;
    };
    let bench = &small.bench;
    let mut incoming = bench.create(b"k".to_vec());
    incoming.write(&octets(50 * KIB)).unwrap();
    let part = incoming.reader().unwrap();
    fill(&small.mount.0.join("filler"));
    let whole = octets(400 * KIB);
    let mut written = 50 * KIB;
    let failed = whole[written..].chunks(5000).find_map(|piece| {
        let failed = incoming.write(piece).err();
        written += if failed.is_some() { 0 } else { piece.len() };
        failed
    });
    assert_eq!(failed, Some(Degraded::Disk));
    assert_eq!(part.read(0, usize::MAX).unwrap(), whole[..written]);
    assert_eq!(incoming.finish(b"m").unwrap_err(), Degraded::Disk);
    assert_eq!(part.read(0, usize::MAX).unwrap(), whole[..written]);
    assert_eq!(bench.temporary_files(), 0);
}

#[test]
fn from_a_disk_that_is_read_only_what_is_there_is_served() {
    let Some(small) = Small::new() else {
        return;
    };
    let bench = &small.bench;
    put(bench, b"k", b"m", b"body");
    put(bench, b"l", b"m", b"body");
    let object = bench.get(b"k").unwrap().unwrap();
    small.remount("ro");
    let said_first = said(|| assert!(try_put(bench, b"n").is_err()));
    assert_eq!(said_first.len(), 1);
    assert!(said_first[0].contains("cannot be written: Read-only file system"));
    assert!(said_first[0].contains("mount that file system writable"));
    assert_eq!(get(bench, b"k"), Some((b"m".into(), b"body".into())));
    assert!(bench.update(&object, b"new").is_err());
    assert_eq!(get(bench, b"k"), Some((b"m".into(), b"body".into())));
    // What is removed is gone for this run at least.
    let said_later = said(|| assert!(bench.remove(b"l")));
    assert!(said_later[0].contains(" cannot be removed: Read-only file system"));
    assert!(bench.get(b"l").unwrap().is_none());
    small.remount("rw");
    end_pause(bench);
    assert!(try_put(bench, b"l").is_ok());
    assert!(bench.update(&object, b"new").unwrap());
    assert_eq!(get(bench, b"l").unwrap().1, octets(5000));
    assert!(!bench.usage().degraded);
}

#[test]
fn a_disk_that_is_read_only_from_the_start_is_served_from() {
    let Some(mut small) = Small::new() else {
        return;
    };
    put(&small.bench, b"k", b"m", b"body");
    small.bench.close();
    small.remount("ro");
    small.bench.reopen();
    assert!(get(&small.bench, b"k").is_some());
    assert!(try_put(&small.bench, b"l").is_err());
}

#[test]
fn a_new_folder_on_a_full_disk_keeps_nobody_from_starting() {
    let Some(mut small) = Small::new() else {
        return;
    };
    small.bench.close();
    fs::remove_file(small.bench.path().join("seed")).unwrap();
    let filler = small.mount.0.join("filler");
    fill(&filler);
    let said = said(|| {
        small.bench.reopen();
    });
    let path = small.bench.path();
    let expected = format!(
        "WARN the disk cache {} cannot write down its seed: No space left on device (os error 28); what is stored now is not found after a restart; make room on that file system, or give the cache less of it",
        path.display()
    );
    assert_eq!(said, [expected]);
    fs::remove_file(&filler).unwrap();
    put(&small.bench, b"k", b"m", b"body");
    assert!(get(&small.bench, b"k").is_some());
    // What was torn is written whole by the next one.
    small.bench.reopen();
    let name = small.bench.name(b"k");
    small.bench.reopen();
    assert_eq!(small.bench.name(b"k"), name);
}

#[test]
fn a_folder_that_goes_away_takes_nothing_down() {
    let bench = Bench::new();
    let object = put(&bench, b"k", b"m", b"body");
    let (path, elsewhere) = (bench.path(), bench.folder.path().join("elsewhere"));
    // All that is in it: it is made anew.
    for entry in fs::read_dir(&path).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            fs::remove_dir_all(entry.path()).unwrap();
        }
    }
    assert!(bench.get(b"k").unwrap().is_none());
    assert_eq!(bench.usage().objects, 0);
    assert!(!bench.update(&object, b"new").unwrap());
    put(&bench, b"k", b"m", b"body");
    // Moved: nothing knows it by its path.
    fs::rename(&path, &elsewhere).unwrap();
    assert!(get(&bench, b"k").is_some());
    put(&bench, b"l", b"m", b"body");
    // Itself.
    fs::remove_dir_all(&elsewhere).unwrap();
    let said = said(|| {
        assert!(bench.get(b"k").unwrap().is_none());
        assert!(try_put(&bench, b"k").is_err());
    });
    assert_eq!(said.len(), 1);
    assert!(said[0].contains("put it back and restart the proxy"));
    assert_eq!(body(&object).unwrap(), b"body");
    let mut each = |_: &[u8], _: &[u8], _| Visit::Keep;
    bench.visit(&mut each).unwrap();
}
