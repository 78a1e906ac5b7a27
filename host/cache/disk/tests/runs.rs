//! One run after another, and two at once.

use super::*;
use std::os::unix::fs::PermissionsExt as _;
use std::time::SystemTime;

#[test]
fn the_index_comes_back_as_it_was_with_the_order_of_use() {
    let mut bench = Bench::of(1000 * ONE);
    for number in 0..120 {
        put_numbered(&bench, number);
    }
    // An hour ago the last one, a second earlier each one before.
    let hour_ago = SystemTime::now() - Duration::from_secs(3600);
    for number in 0..120 {
        let file = fs::File::open(bench.file(format!("{number}").as_bytes())).unwrap();
        let age = Duration::from_secs(120 - number);
        file.set_modified(hour_ago - age).unwrap();
    }
    let before = bench.usage();
    bench.reopen();
    assert_eq!(bench.usage(), before);
    // A use outlives the run.
    assert!(get(&bench, b"7").is_some());
    bench.budget = 100 * ONE;
    bench.reopen();
    assert_eq!(bench.usage().evicted, 30);
    let expected: Vec<_> = [7].into_iter().chain(31..120).collect();
    assert_eq!(numbers(&bench), expected);
}

/// A part of a response is not stored where all of it may be on the disk already: a proxy that had
/// just started with a new folder took some for that.
#[test]
fn what_is_in_an_empty_folder_is_known_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cache");
    // The second time there are the lock and the folder of temporary files.
    for _ in 0..2 {
        let disk = Disk::open(&path, MUCH).unwrap();
        assert!(!disk.usage().rebuilding);
        assert!(!disk.may_have(b"never stored"));
    }
}

#[test]
fn while_the_index_is_rebuilt_objects_are_found_by_their_names() {
    let mut bench = Bench::new();
    for number in 0..10 {
        put_numbered(&bench, number);
    }
    let disk = bench.reopen_unkept();
    assert!(disk.usage().rebuilding);
    assert!(disk.may_have(b"0") && disk.may_have(b"never stored"));
    assert!(disk.get(b"never stored").unwrap().is_none());
    assert!(get(disk, b"0").is_some());
    assert!(disk.remove(b"1"));
    assert!(!disk.may_have(b"1"));
    let object = disk.get(b"2").unwrap().unwrap();
    assert!(disk.update(&object, b"new").unwrap());
    put_numbered(disk, 3);
    put_numbered(disk, 10);
    let mut seen = 0;
    let mut each = |_: &[u8], _: &[u8], _| {
        seen += 1;
        Visit::Keep
    };
    disk.visit(&mut each).unwrap();
    assert_eq!(seen, 10);
    disk.store.rebuild();
    let usage = disk.usage();
    assert_eq!((usage.objects, usage.octets), (10, 10 * ONE));
    assert!(!disk.may_have(b"1") && !disk.may_have(b"never stored"));
    assert_eq!(bench.reopen().usage(), usage);
    assert_eq!(get(&bench, b"2").unwrap().0, b"new");
}

#[test]
fn what_was_half_written_is_swept_and_what_is_foreign_stays() {
    let mut bench = Bench::new();
    put(&bench, b"k", b"m", b"body");
    let digest = bench.name(b"k");
    bench.close();
    let shard = &digest[..2];
    let path = bench.path();
    let elsewhere = if shard == "00" { "01" } else { "00" };
    fs::create_dir_all(path.join(elsewhere)).unwrap();
    fs::create_dir(path.join("lost+found")).unwrap();
    // What is in `tmp` is not looked at any more.
    fs::write(path.join("tmp/notes"), "octets").unwrap();
    let foreign = [
        "notes".to_owned(),
        format!("{shard}/notes"),
        format!("{shard}/{}", digest[3..].to_uppercase()),
        format!("{elsewhere}/{}", &digest[3..]),
    ];
    let left = ["tmp/0000000000000000", "tmp/00000000000000ff"];
    for file in foreign.iter().map(String::as_str).chain(left) {
        fs::write(path.join(file), "octets").unwrap();
    }
    bench.reopen_unkept();
    let said = trouble::said(|| bench.store.rebuild());
    assert_eq!(said.len(), 1);
    assert!(said[0].contains(" holds 5 files that are not the cache's, the first of them "));
    bench.reopen();
    assert_eq!(bench.usage().objects, 1);
    for file in &foreign {
        assert_eq!(fs::read(path.join(file)).unwrap(), b"octets");
    }
    assert!(left.iter().all(|file| !path.join(file).exists()));
    assert!(get(&bench, b"k").is_some());
}

#[test]
fn each_folder_has_names_of_its_own_and_keeps_them() {
    let (mut bench, other) = (Bench::new(), Bench::new());
    put(&bench, b"k", b"m", b"body");
    let name = bench.name(b"k");
    assert_ne!(other.name(b"k"), name);
    bench.reopen();
    assert_eq!(bench.name(b"k"), name);
    // By another seed nothing is found; what is there is seen to be of no use.
    for seed in ["", "0123456789abcdef", "0123456789abcdef\n"] {
        put(&bench, b"k", b"m", b"body");
        bench.close();
        fs::write(bench.path().join("seed"), seed).unwrap();
        bench.reopen();
        assert!(!bench.may_have(b"k"));
        assert_eq!(bench.usage().objects, 1);
        let mut each = |_: &[u8], _: &[u8], _| panic!("it has another name");
        bench.visit(&mut each).unwrap();
        assert_eq!(bench.usage().objects, 0);
    }
    assert_eq!(bench.name(b"k"), name_by_seed(b"0123456789abcdef\n", b"k"));
}

fn name_by_seed(seed: &[u8], key: &[u8]) -> String {
    format::Seed::parse(seed).unwrap().digest(key).path()
}

#[test]
fn two_stores_do_not_share_a_folder() {
    let mut bench = Bench::new();
    let error = Disk::open(&bench.path(), MUCH).unwrap_err().to_string();
    let path = bench.path();
    let (path, process) = (path.display(), std::process::id());
    assert_eq!(
        error,
        format!(
            "the folder {path} is the disk cache of another proxy that runs (process {process}): give each a folder of its own"
        )
    );
    // As soon as the one has gone, the other may have it; an object in hand keeps nobody out.
    let in_hand = put(&bench, b"k", b"m", b"body");
    bench.reopen();
    assert_eq!(body(&in_hand).unwrap(), b"body");
}

#[test]
fn a_folder_that_cannot_be_used_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Disk::open(&file.join("cache"), MUCH).unwrap_err();
    assert!(matches!(error, OpenError::Create { .. }));
    assert!(
        error
            .to_string()
            .contains("file/cache of the disk cache cannot be created: ")
    );
    let made = folder.path().join("a/b");
    drop(Disk::open(&made, MUCH).unwrap());
    let mode = fs::metadata(made).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
}
