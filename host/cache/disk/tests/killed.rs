//! A process that is killed while it writes: another one serves what is whole, and nothing else.

use super::threads::{body_of, metadata_of, seed};
use super::*;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

const FOLDER: &str = "WPROXY_TEST_DISK_FOLDER";
const ROUNDS: usize = 10;

#[test]
fn after_a_kill_nothing_is_served_but_what_was_written() {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return write_for_ever(Path::new(&folder));
    }
    let mut bench = Bench::new();
    let mut served = 0;
    for round in 0..ROUNDS {
        bench.close();
        let (_, module) = module_path!().split_once("::").unwrap();
        let test = format!("{module}::after_a_kill_nothing_is_served_but_what_was_written");
        let alone = store::lock(&trouble::NO_OTHER_PROCESS);
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([&test, "--exact", "--nocapture"])
            .env(FOLDER, bench.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        drop(alone);
        let done = BufReader::new(child.stdout.take().unwrap()).lines();
        let last = done.take(100 + round * 13).last().unwrap().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(last.starts_with("done "), "{last}");
        bench.reopen();
        assert_eq!(bench.temporary_files(), 0);
        for key in 0..40_u8 {
            // What was being updated may be torn: that is known of it.
            if let Ok(Some(object)) = bench.get(&[key]) {
                assert_eq!(body(&object).unwrap(), body_of(seed(&object)));
                served += 1;
            }
        }
        assert!(bench.usage().corrupt <= 1);
    }
    assert!(served > 10 * ROUNDS, "{served}");
}

/// Says what is done, until it is killed.
fn write_for_ever(folder: &Path) {
    let disk = Disk::open(folder, MUCH).unwrap();
    for step in 0_usize.. {
        let key = [(step * 7 % 40) as u8];
        let mut incoming = disk.create(key.to_vec());
        for piece in body_of(step).chunks(20_000) {
            incoming.write(piece).unwrap();
        }
        let metadata = metadata_of(step, step % 3000);
        let object = incoming.finish(&metadata).unwrap().unwrap();
        for more in 0..3 {
            let metadata = metadata_of(step, more * 1500);
            assert!(disk.update(&object, &metadata).unwrap());
        }
        if step % 5 == 0 {
            disk.remove(&[(step % 40) as u8]);
        }
        let _ = writeln!(io::stdout(), "done {step}");
    }
}
