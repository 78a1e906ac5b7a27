//! What is damaged is found out, dropped, and never served.

use super::super::format::Damage;
use super::*;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

/// Metadata and body.
type Served = (Vec<u8>, Vec<u8>);

/// Opens and reads all of it.
fn served(disk: &Arc<Disk>, key: &[u8]) -> Result<Option<Served>, Corrupt> {
    let Some(object) = disk.get(key)? else {
        return Ok(None);
    };
    let whole = body(&object)?;
    Ok(Some((object.metadata().to_vec(), whole)))
}

/// It was found damaged, and has been dropped.
fn assert_dropped(bench: &Bench, key: &[u8], what: &str) {
    let corrupt = bench.usage().corrupt;
    let served = served(bench, key);
    assert!(served.is_err(), "{what}: {served:?}");
    assert_eq!(bench.usage().corrupt, corrupt + 1, "{what}");
    assert!(!bench.may_have(key), "{what}");
    assert!(!bench.file(key).exists(), "{what}");
    assert!(bench.get(key).unwrap().is_none(), "{what}");
}

#[test]
fn no_octet_of_a_file_can_be_another() {
    let bench = Bench::new();
    put(&bench, b"key", b"metadata", &octets(100));
    let length = fs::metadata(bench.file(b"key")).unwrap().len();
    for place in 0..length {
        for change in [0x01, 0x80, 0xff] {
            put(&bench, b"key", b"metadata", &octets(100));
            let mut file = fs::read(bench.file(b"key")).unwrap();
            file[usize::try_from(place).unwrap()] ^= change;
            fs::write(bench.file(b"key"), file).unwrap();
            assert_dropped(&bench, b"key", &format!("octet {place} of {length}"));
        }
    }
}

#[test]
fn no_file_can_be_shorter_or_longer() {
    let bench = Bench::new();
    put(&bench, b"key", b"metadata", &octets(100));
    let whole = fs::metadata(bench.file(b"key")).unwrap().len();
    for length in (0..whole).chain([whole + 1, whole + 5000]) {
        put(&bench, b"key", b"metadata", &octets(100));
        let file = fs::OpenOptions::new().write(true).open(bench.file(b"key"));
        file.unwrap().set_len(length).unwrap();
        assert_dropped(&bench, b"key", &format!("{length} octets of {whole}"));
    }
    // Nor end twice.
    put(&bench, b"key", b"metadata", &octets(100));
    let file = fs::read(bench.file(b"key")).unwrap();
    fs::write(
        bench.file(b"key"),
        [&file[..], &file[file.len() - 55..]].concat(),
    )
    .unwrap();
    assert_dropped(&bench, b"key", "two ends");
}

#[test]
fn a_damaged_block_is_not_served_those_before_it_are() {
    let bench = Bench::new();
    let whole = octets(300 * KIB);
    let block = BLOCK as u64;
    for (number, place) in [(0, 0), (1, block), (2, 3 * block - 1), (4, 300 << 10)] {
        put(&bench, b"key", b"metadata", &whole);
        let file = fs::OpenOptions::new().write(true).open(bench.file(b"key"));
        file.unwrap().write_all_at(b"!?", place).unwrap();
        let object = bench.get(b"key").unwrap().unwrap();
        let mut read = 0;
        let corrupt = loop {
            match object.read(read, BLOCK) {
                Ok(octets) => {
                    let from = usize::try_from(read).unwrap();
                    assert_eq!(octets, whole[from..from + octets.len()]);
                    read += octets.len() as u64;
                }
                Err(corrupt) => break corrupt,
            }
        };
        assert_eq!(HEAD + read, HEAD.max(number * block));
        assert!(matches!(corrupt.damage, Damage::Block(found) if found == number));
        assert!(!bench.file(b"key").exists() && !bench.may_have(b"key"));
    }
}

#[test]
fn a_file_that_shrinks_under_its_reader_is_damaged() {
    let bench = Bench::new();
    let object = put(&bench, b"key", b"metadata", &octets(300 * KIB));
    fs::write(bench.file(b"key"), "short").unwrap();
    assert!(object.read(0, 10).is_err());
    assert!(!bench.may_have(b"key"));
}

#[test]
fn what_has_taken_a_damaged_files_place_stays() {
    let bench = Bench::new();
    let object = put(&bench, b"key", b"metadata", &octets(300 * KIB));
    let file = fs::OpenOptions::new().write(true).open(bench.file(b"key"));
    put(&bench, b"key", b"another", b"body");
    file.unwrap().write_all_at(b"!?", 10).unwrap();
    assert!(object.read(0, 10).is_err());
    assert_eq!(
        get(&bench, b"key"),
        Some((b"another".into(), b"body".into()))
    );
}

#[test]
fn another_keys_file_is_not_served() {
    let mut bench = Bench::new();
    put(&bench, b"key", b"metadata", b"body");
    put(&bench, b"another", b"metadata", b"body");
    fs::copy(bench.file(b"another"), bench.file(b"key")).unwrap();
    let corrupt = bench.get(b"key").unwrap_err();
    let file = bench.name(b"key");
    assert_eq!(
        corrupt.to_string(),
        format!("the file {file} of the disk cache is damaged, and dropped: it holds another key")
    );
    // Nor shown.
    put(&bench, b"key", b"metadata", b"body");
    fs::copy(bench.file(b"another"), bench.file(b"key")).unwrap();
    let mut seen = Vec::new();
    let mut each = |key: &[u8], _: &[u8], _| {
        seen.push(key.to_vec());
        Visit::Keep
    };
    bench.reopen().visit(&mut each).unwrap();
    assert_eq!(seen, [b"another"]);
    assert_eq!(bench.usage().corrupt, 1);
}

#[test]
fn a_damaged_file_is_logged_with_its_name() {
    let bench = Bench::new();
    put(&bench, b"key", b"metadata", b"body");
    fs::write(
        bench.file(b"key"),
        "not an object, though longer than a footer",
    )
    .unwrap();
    let said = trouble::said(|| assert_dropped(&bench, b"key", "no object"));
    assert_eq!(said.len(), 1);
    let expected = format!(
        "WARN the file {} of the disk cache {} is damaged, and dropped: it does not end as an object of this version does",
        bench.name(b"key"),
        bench.path().display()
    );
    assert_eq!(said[0], expected);
}

#[test]
fn what_is_no_file_hangs_nobody() {
    let bench = Bench::new();
    put(&bench, b"another", b"metadata", b"body");
    put(&bench, b"key", b"metadata", b"body");
    let file = bench.file(b"key");
    fs::remove_file(&file).unwrap();
    std::os::unix::fs::symlink(Path::new("..").join(bench.name(b"another")), &file).unwrap();
    let said = trouble::said(|| {
        for _ in 0..3 {
            assert!(bench.get(b"key").unwrap().is_none());
        }
    });
    assert_eq!(said.len(), 1);
    assert!(said[0].contains("what is stored there counts as missing"));
    assert!(file.is_symlink());
    fs::remove_file(&file).unwrap();
    let (pipe, mode) = (rustix::fs::FileType::Fifo, 0o600.into());
    rustix::fs::mknodat(rustix::fs::CWD, &file, pipe, mode, 0).unwrap();
    assert_dropped(&bench, b"key", "a pipe");
    put(&bench, b"key", b"metadata", b"body");
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(bench.get(b"key").is_err());
    assert!(file.is_dir());
    assert!(bench.get(b"key").unwrap().is_none());
}
