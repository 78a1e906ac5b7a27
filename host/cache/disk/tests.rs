//! The store as its callers see it; the rest by what happens to it.

mod budget;
mod damage;
mod killed;
mod runs;
mod threads;
mod trouble;

use super::format::{BLOCK, HEAD};
use super::index::on_disk;
use super::*;
use proptest::prelude::*;
use std::fs;
use std::path::PathBuf;
use std::sync::LazyLock;
use tempfile::TempDir;

const MUCH: u64 = 1 << 30;
const KIB: usize = 1 << 10;

/// A store in a folder of its own.
struct Bench {
    folder: TempDir,
    disk: Option<Arc<Disk>>,
    budget: u64,
}

impl Bench {
    fn new() -> Bench {
        Bench::of(MUCH)
    }

    fn of(budget: u64) -> Bench {
        Bench::at(tempfile::tempdir().unwrap(), budget)
    }

    fn at(folder: TempDir, budget: u64) -> Bench {
        let mut bench = Bench {
            folder,
            disk: None,
            budget,
        };
        bench.reopen();
        bench
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("cache")
    }

    fn close(&mut self) {
        drop(self.disk.take());
    }

    /// Another run; its index has been rebuilt.
    fn reopen(&mut self) -> &Arc<Disk> {
        self.close();
        let disk = Disk::open(&self.path(), self.budget).unwrap();
        disk.store.settle();
        self.disk.insert(disk)
    }

    /// Another run, whose index nobody rebuilds.
    fn reopen_unkept(&mut self) -> &Arc<Disk> {
        self.close();
        let folder = Folder::open(&self.path()).unwrap();
        self.disk.insert(Arc::new(Disk {
            store: Arc::new(Store::new(folder, self.budget)),
            keeper: None,
        }))
    }

    /// The name of an object's file, below the store's folder.
    fn name(&self, key: &[u8]) -> String {
        self.store.folder.digest(key).path()
    }

    fn file(&self, key: &[u8]) -> PathBuf {
        self.path().join(self.name(key))
    }

    fn temporary_files(&self) -> usize {
        self.store.settle();
        fs::read_dir(self.path().join("tmp")).map_or(0, Iterator::count)
    }
}

impl std::ops::Deref for Bench {
    type Target = Arc<Disk>;

    fn deref(&self) -> &Arc<Disk> {
        self.disk.as_ref().expect("it is open")
    }
}

fn put(disk: &Arc<Disk>, key: &[u8], metadata: &[u8], body: &[u8]) -> Object {
    let mut incoming = disk.create(key.to_vec());
    incoming.write(body).unwrap();
    incoming.finish(metadata).unwrap().unwrap()
}

fn get(disk: &Arc<Disk>, key: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let object = disk.get(key).unwrap()?;
    Some((object.metadata().to_vec(), body(&object).unwrap()))
}

fn body(object: &Object) -> Result<Vec<u8>, Corrupt> {
    let mut body = Vec::new();
    loop {
        let more = object.read(body.len() as u64, 100_000)?;
        if more.is_empty() {
            assert_eq!(body.len() as u64, object.len());
            return Ok(body);
        }
        body.extend_from_slice(&more);
    }
}

/// An object that takes 8 KiB and a bit on disk.
fn put_numbered(disk: &Arc<Disk>, number: usize) {
    put(disk, format!("{number}").as_bytes(), b"m", &octets(5000));
}

fn numbers(disk: &Arc<Disk>) -> Vec<usize> {
    (0..200)
        .filter(|number| disk.may_have(format!("{number}").as_bytes()))
        .collect()
}

const ONE: u64 = 8192 + 512;

/// Octets that tell a place from others.
fn octets(length: usize) -> Vec<u8> {
    static OCTETS: LazyLock<Vec<u8>> = LazyLock::new(|| {
        (0..2 << 20)
            .map(|place: usize| (place ^ (place >> 8) ^ (place >> 16)) as u8)
            .collect()
    });
    OCTETS[..length].to_vec()
}

/// Sizes about the bounds that matter to a file.
fn body_size() -> impl Strategy<Value = usize> {
    let block = BLOCK - HEAD as usize;
    prop_oneof![
        0..100_usize,
        0..3 * BLOCK,
        (0..4_usize, -2..=2_isize)
            .prop_map(move |(blocks, more)| (block + blocks * BLOCK).saturating_add_signed(more)),
        (4096 - 200..4096 + 200_usize),
        (16 * KIB - 1200..16 * KIB + 200),
    ]
}

fn small_size() -> impl Strategy<Value = usize> {
    prop_oneof![0..100_usize, 3900..4200_usize]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn what_is_stored_is_what_is_read(
        (body_size, key_size, metadata_size) in (body_size(), small_size(), small_size()),
        piece in prop_oneof![1..300_usize, 10 * KIB..100 * KIB],
        followed in proptest::option::of(0..3 * BLOCK),
        reads in proptest::collection::vec((0..4 * BLOCK as u64, 0..3 * BLOCK), 1..8),
    ) {
        let whole = octets(body_size);
        let (key, metadata) = (octets(key_size), octets(metadata_size));
        let mut bench = Bench::new();
        let mut incoming = bench.create(key.clone());
        let mut part = None;
        let mut written = 0;
        for piece in whole.chunks(piece) {
            incoming.write(piece).unwrap();
            written += piece.len();
            if followed.is_some_and(|from| written >= from) {
                let part = part.get_or_insert_with(|| incoming.reader().unwrap());
                let last = written.saturating_sub(1000);
                prop_assert_eq!(&part.read(last as u64, 2000).unwrap()[..], &whole[last..written]);
            }
        }
        let object = incoming.finish(&metadata).unwrap().unwrap();
        if let Some(part) = part {
            prop_assert_eq!(&part.read(0, usize::MAX).unwrap()[..], &whole[..]);
            prop_assert!(part.read(body_size as u64, 1).unwrap().is_empty());
        }
        prop_assert_eq!(body(&object).unwrap(), whole.clone());
        prop_assert_eq!(get(&bench, &key), Some((metadata.clone(), whole.clone())));
        let before = bench.usage();
        drop(object);
        bench.reopen();
        prop_assert_eq!(bench.usage(), before);
        let object = bench.get(&key).unwrap().unwrap();
        prop_assert_eq!(object.metadata(), &metadata[..]);
        for (offset, max) in reads {
            let read = object.read(offset, max).unwrap();
            let rest = &whole[whole.len().min(offset as usize)..];
            prop_assert!(rest.starts_with(&read) && read.len() <= max);
            prop_assert_eq!(read.is_empty(), rest.is_empty() || max == 0);
        }
    }
}

#[test]
fn all_of_it_goes_from_thread_to_thread() {
    fn send<T: Send>() {}
    fn shared<T: Send + Sync + Clone>() {}
    shared::<Arc<Disk>>();
    shared::<Object>();
    shared::<Part>();
    send::<Incoming>();
}

#[test]
fn a_small_object_is_written_when_it_is_whole() {
    let bench = Bench::new();
    let mut incoming = bench.create(b"k".to_vec());
    incoming.write(&octets(60 * KIB)).unwrap();
    assert_eq!(bench.temporary_files(), 0);
    incoming.write(&octets(10 * KIB)).unwrap();
    assert_eq!(bench.temporary_files(), 1);
    incoming.finish(b"m").unwrap().unwrap();
    assert_eq!(bench.temporary_files(), 0);
}

#[test]
fn an_object_that_is_not_finished_never_was() {
    let bench = Bench::new();
    let mut incoming = bench.create(b"k".to_vec());
    incoming.write(&octets(200 * KIB)).unwrap();
    let part = incoming.reader().unwrap();
    drop(incoming);
    assert_eq!(bench.temporary_files(), 0);
    assert!(!bench.may_have(b"k"));
    // Those who read it go on.
    assert_eq!(part.read(100, 10).unwrap(), octets(110)[100..]);
}

#[test]
fn of_objects_for_one_key_the_one_that_began_last_is_stored() {
    let bench = Bench::new();
    let begin = |name: &'static [u8]| {
        let mut incoming = bench.create(b"k".to_vec());
        incoming.write(name).unwrap();
        incoming
    };
    let (first, second) = (begin(b"first"), begin(b"second"));
    assert!(second.finish(b"2").unwrap().is_some());
    assert!(first.finish(b"1").unwrap().is_none());
    assert_eq!(get(&bench, b"k"), Some((b"2".into(), b"second".into())));
    // One that came to nothing has been the newest all the same.
    let third = begin(b"third");
    drop(begin(b"fourth"));
    assert!(third.finish(b"3").unwrap().is_none());
    // Others are not concerned.
    let other = begin(b"fifth");
    put(&bench, b"another key", b"", b"");
    assert!(other.finish(b"5").unwrap().is_some());
    assert_eq!(bench.temporary_files(), 0);
}

#[test]
fn what_is_removed_goes_and_so_does_what_is_under_way() {
    let bench = Bench::new();
    put(&bench, b"k", b"m", b"body");
    let under_way = bench.create(b"k".to_vec());
    assert!(bench.remove(b"k"));
    assert!(!bench.remove(b"k"));
    assert!(!bench.may_have(b"k"));
    assert!(!bench.file(b"k").exists());
    let later = bench.create(b"k".to_vec());
    assert!(under_way.finish(b"under way").unwrap().is_none());
    assert!(bench.get(b"k").unwrap().is_none());
    assert!(later.finish(b"later").unwrap().is_some());
    assert_eq!(get(&bench, b"k"), Some((b"later".into(), b"".into())));
    assert_eq!(bench.usage().octets, on_disk(8 + 8 + 1 + 5 + 32));
}

#[test]
fn an_object_in_hand_stays_readable_when_it_is_replaced_or_removed() {
    let bench = Bench::new();
    let whole = octets(300 * KIB);
    put(&bench, b"k", b"m", &whole);
    let in_hand = bench.get(b"k").unwrap().unwrap();
    put(&bench, b"k", b"n", b"another");
    assert_eq!(body(&in_hand).unwrap(), whole);
    bench.remove(b"k");
    assert_eq!(body(&in_hand.clone()).unwrap(), whole);
    assert_eq!(bench.usage().objects, 0);
}

#[test]
fn metadata_is_replaced_for_what_is_still_stored() {
    let mut bench = Bench::new();
    let whole = octets(100 * KIB);
    let first = put(&bench, b"k", b"first", &whole);
    // Longer, shorter, none; from an object in hand that has older metadata.
    for metadata in [octets(9000), b"short".to_vec(), Vec::new(), octets(100)] {
        assert!(bench.update(&first, &metadata).unwrap());
        assert_eq!(get(&bench, b"k"), Some((metadata, whole.clone())));
    }
    assert_eq!(first.metadata(), b"first");
    assert_eq!(body(&first).unwrap(), whole);
    let before = bench.usage();
    bench.reopen();
    assert_eq!(bench.usage(), before);
    assert_eq!(get(&bench, b"k"), Some((octets(100), whole)));
    // Another object is there, or none.
    let second = put(&bench, b"k", b"second", b"body");
    assert!(!bench.update(&first, b"no").unwrap());
    assert!(bench.update(&second, b"yes").unwrap());
    assert_eq!(get(&bench, b"k"), Some((b"yes".into(), b"body".into())));
    bench.remove(b"k");
    assert!(!bench.update(&second, b"no").unwrap());
    assert!(!bench.file(b"k").exists());
}

#[test]
fn updates_do_not_make_the_file_grow() {
    let bench = Bench::new();
    let object = put(&bench, b"k", b"", b"body");
    for round in 0..5000_usize {
        assert!(bench.update(&object, &octets(round * 7 % 2000)).unwrap());
    }
    assert!(bench.update(&object, b"last").unwrap());
    let file = 8 + 4 + 8 + 1 + 4 + 32;
    assert_eq!(fs::metadata(bench.file(b"k")).unwrap().len(), file);
    assert_eq!(bench.usage().octets, on_disk(file));
    let too_long = bench.update(&object, &octets(1025 * KIB)).unwrap_err();
    assert_eq!(too_long.kind(), io::ErrorKind::InvalidInput);
    assert_eq!(get(&bench, b"k"), Some((b"last".into(), b"body".into())));
}

#[test]
fn a_visitor_sees_all_and_removes_what_it_likes() {
    let bench = Bench::new();
    let mut expected = Vec::new();
    for number in 0..300_usize {
        let key = format!("http://example.org/{number}").into_bytes();
        let metadata = octets(number * 20);
        put(&bench, &key, &metadata, &octets(number));
        expected.push((key, metadata, number as u64));
    }
    let visit = |remove: &dyn Fn(u64) -> bool| {
        let mut seen = Vec::new();
        let mut each = |key: &[u8], metadata: &[u8], length| {
            seen.push((key.to_vec(), metadata.to_vec(), length));
            match remove(length) {
                true => Visit::Remove,
                false => Visit::Keep,
            }
        };
        bench.visit(&mut each).unwrap();
        seen.sort_by_key(|(.., length)| *length);
        seen
    };
    assert_eq!(visit(&|length| length % 3 > 0), expected);
    expected.retain(|(.., length)| length % 3 == 0);
    assert_eq!(visit(&|_| false), expected);
    assert_eq!(bench.usage().objects, 100);
}
