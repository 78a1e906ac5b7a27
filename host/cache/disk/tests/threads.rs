//! Many at once.

use super::*;
use std::collections::HashMap;
use std::sync::atomic::AtomicUsize;
use std::thread;

/// Numbers that are the same in every run (Knuth's MMIX generator).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound
    }
}

/// Metadata that says what the body is.
pub(super) fn metadata_of(seed: usize, padding: usize) -> Vec<u8> {
    format!("{seed} {}", " ".repeat(padding)).into_bytes()
}

pub(super) fn body_of(seed: usize) -> Vec<u8> {
    let mut body = octets(seed * 7919 % 150_000);
    for (place, octet) in body.iter_mut().step_by(1000).enumerate() {
        *octet ^= (seed + place) as u8;
    }
    body
}

pub(super) fn seed(object: &Object) -> usize {
    let text = std::str::from_utf8(object.metadata()).unwrap();
    text.trim().parse().unwrap()
}

fn write(disk: &Arc<Disk>, key: &[u8], seed: usize, numbers: &mut Numbers) -> Incoming {
    let mut incoming = disk.create(key.to_vec());
    let followed = numbers.below(2) == 0;
    for piece in body_of(seed).chunks(1 + numbers.below(60_000)) {
        incoming.write(piece).unwrap();
        if followed {
            let part = incoming.reader().unwrap();
            assert!(part.read(0, 10).unwrap().len() <= 10);
        }
    }
    incoming
}

/// The index is what the folder says, and every file is good.
fn assert_sound(bench: &Bench) {
    assert_eq!(bench.temporary_files(), 0);
    let mut foreign = folder::Foreign::default();
    let (mut objects, mut taken) = (0, 0);
    for shard in 0..=u8::MAX {
        for listed in bench.store.folder.list(shard, &mut foreign).unwrap() {
            let object = bench
                .store
                .find(&listed.found.digest, None)
                .unwrap()
                .unwrap();
            assert_eq!(body(&object).unwrap(), body_of(seed(&object)));
            objects += 1;
            taken += on_disk(listed.found.file);
        }
    }
    let usage = bench.usage();
    assert_eq!((usage.objects, usage.octets), (objects, taken));
    assert_eq!((usage.corrupt, usage.write_failures), (0, 0));
    assert!(bench.store.index().is_settled());
}

#[test]
fn threads_that_share_keys_never_see_a_mixture() {
    let bench = Bench::of(400 << 10);
    thread::scope(|scope| {
        for thread in 0..6_u64 {
            let disk: &Arc<Disk> = &bench;
            scope.spawn(move || {
                let mut numbers = Numbers(thread);
                for _ in 0..400 {
                    let key = [b'k', numbers.below(8) as u8];
                    let new = numbers.below(10_000);
                    match numbers.below(10) {
                        0..3 => {
                            let incoming = write(disk, &key, new, &mut numbers);
                            let padding = numbers.below(5000);
                            if let Some(object) =
                                incoming.finish(&metadata_of(new, padding)).unwrap()
                            {
                                assert_eq!(body(&object).unwrap(), body_of(new));
                            }
                        }
                        3 => drop(write(disk, &key, new, &mut numbers)),
                        4 => drop(disk.remove(&key)),
                        5..7 => {
                            if let Some(object) = disk.get(&key).unwrap() {
                                let metadata = metadata_of(seed(&object), numbers.below(5000));
                                disk.update(&object, &metadata).unwrap();
                            }
                        }
                        _ => {
                            if let Some(object) = disk.get(&key).unwrap() {
                                assert_eq!(body(&object).unwrap(), body_of(seed(&object)));
                            }
                        }
                    }
                }
            });
        }
    });
    assert_sound(&bench);
    assert!(bench.usage().evicted > 0);
}

#[test]
fn nobody_sees_an_update_half_done() {
    let bench = Bench::new();
    let under_way = AtomicUsize::new(2);
    put(&bench, b"k", &metadata_of(7, 0), &body_of(7));
    thread::scope(|scope| {
        for thread in 0..2 {
            let (disk, under_way) = (&bench.disk, &under_way);
            scope.spawn(move || {
                let disk = disk.as_ref().unwrap();
                let mut numbers = Numbers(thread);
                for _ in 0..300 {
                    let object = disk.get(b"k").unwrap().unwrap();
                    let metadata = metadata_of(7, numbers.below(300_000));
                    assert!(disk.update(&object, &metadata).unwrap());
                }
                under_way.fetch_sub(1, Ordering::Relaxed);
            });
            scope.spawn(move || {
                let disk = disk.as_ref().unwrap();
                while under_way.load(Ordering::Relaxed) > 0 {
                    let object = disk.get(b"k").unwrap().unwrap();
                    assert_eq!(seed(&object), 7);
                }
            });
        }
    });
    assert_sound(&bench);
}

#[test]
fn threads_with_keys_of_their_own_find_what_they_have_left() {
    let mut bench = Bench::new();
    let models: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4_u64)
            .map(|thread| {
                let disk: &Arc<Disk> = &bench;
                scope.spawn(move || keep_a_model(disk, thread))
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    assert_sound(&bench);
    bench.reopen();
    for (key, (metadata, seed)) in models.into_iter().flatten() {
        assert_eq!(get(&bench, &key), Some((metadata, body_of(seed))));
    }
    assert_sound(&bench);
}

fn keep_a_model(disk: &Arc<Disk>, thread: u64) -> HashMap<Vec<u8>, (Vec<u8>, usize)> {
    let mut numbers = Numbers(thread + 100);
    let mut model: HashMap<Vec<u8>, (Vec<u8>, usize)> = HashMap::new();
    for _ in 0..300 {
        let key = format!("{thread} {}", numbers.below(20)).into_bytes();
        let new = numbers.below(10_000);
        let metadata = metadata_of(new, numbers.below(5000));
        match numbers.below(8) {
            0..3 => {
                let incoming = write(disk, &key, new, &mut numbers);
                assert!(incoming.finish(&metadata).unwrap().is_some());
                model.insert(key, (metadata, new));
            }
            3 => {
                let incoming = write(disk, &key, new, &mut numbers);
                assert_eq!(disk.remove(&key), model.remove(&key).is_some());
                assert!(incoming.finish(&metadata).unwrap().is_none());
            }
            4 => {
                let Some(object) = disk.get(&key).unwrap() else {
                    assert!(!model.contains_key(&key));
                    continue;
                };
                let (known, seed) = model.get_mut(&key).unwrap();
                *known = metadata_of(*seed, numbers.below(5000));
                assert!(disk.update(&object, known).unwrap());
            }
            _ => {
                let expected = model.get(&key);
                assert_eq!(disk.may_have(&key), expected.is_some());
                let expected = expected.map(|(metadata, seed)| (metadata.clone(), body_of(*seed)));
                assert_eq!(get(disk, &key), expected);
            }
        }
    }
    model
}
