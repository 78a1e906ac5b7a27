//! What a plugin finds of WASI: nothing. The imports are written by hand, so that the component is
//! built for the same target as every plugin; a toolchain for WASI imports the same and more.

wit_bindgen::generate!({ world: "wasi", path: "wit", generate_all });

use wasi::cli::{environment, exit, stderr, stdout};
use wasi::clocks::wall_clock;
use wasi::filesystem::preopens;
use wasi::random::random;
use wasi::sockets::instance_network;

/// Greets from both streams, and tells what is there.
pub(crate) fn look_around() -> String {
    for (stream, greeting) in [
        (stdout::get_stdout(), "hello from stdout\n"),
        (stderr::get_stderr(), "hello from stderr\n"),
    ] {
        let room = stream.check_write().unwrap_or(0);
        if room >= greeting.len() as u64 {
            // Nobody asks why it could not be written: the test sees that it was.
            let _ = stream.write(greeting.as_bytes());
        }
    }
    format!(
        "{} variables, {} arguments, {} directories, {} seconds, the number {}",
        environment::get_environment().len(),
        environment::get_arguments().len(),
        preopens::get_directories().len(),
        wall_clock::now().seconds,
        random::get_random_u64(),
    )
}

/// A random octet.
pub(crate) fn random() -> u8 {
    random::get_random_u64().to_le_bytes()[0]
}

pub(crate) fn exit() -> &'static str {
    exit::exit(Err(()));
    "it goes on"
}

pub(crate) fn connect() -> &'static str {
    let _network = instance_network::instance_network();
    "there is a network"
}

/// Holds on to a thousand streams.
pub(crate) fn hoard() -> &'static str {
    (0..1000).for_each(|_| std::mem::forget(stdout::get_stdout()));
    "a thousand streams are held"
}

/// Writes a million lines at once.
pub(crate) fn flood() -> &'static str {
    match stdout::get_stdout().write(&[b'\n'; 1 << 20]) {
        Ok(()) => "written",
        Err(_) => "refused",
    }
}
