//! Does with its grants what a request's path asks for, `/read/lists/a.txt` and so on, and says as
//! the rule what came of it. Built for wasm32-wasip2, whose std::fs is the WASI of the host's.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use wproxy_sdk::{Access, ConfigError, Denial, NoConfig, Plugin, Request, Verdict, metrics};

struct Granted;

wproxy_sdk::export!(Granted: access);

impl Plugin for Granted {
    type Config = NoConfig;

    fn configure(_: NoConfig) -> Result<Self, ConfigError> {
        Ok(Granted)
    }
}

impl Access for Granted {
    fn authorize(&self, request: &dyn Request) -> Verdict {
        let (what, path) = request.path()[1..]
            .split_once('/')
            .unwrap_or((request.path(), ""));
        let absolute = format!("/{path}");
        let done = match what {
            "read" => fs::read_to_string(absolute),
            "size" => fs::read(absolute).map(|octets| octets.len().to_string()),
            "tail" => tail(&absolute),
            "list" => list(&absolute),
            "kind" => kind(&absolute),
            "change" => Ok(change(&absolute)),
            "hoard" => hoard(&absolute),
            "count" => Ok(count(path)),
            "observe" => Ok(observe(path)),
            "print" => Ok(print(path)),
            _ => return Verdict::Pass,
        };
        Verdict::Deny(Denial::by(match done {
            Ok(told) => told,
            Err(error) => format!("{:?}: {error}", error.kind()),
        }))
    }
}

/// The last three octets.
fn tail(path: &str) -> io::Result<String> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::End(-3))?;
    let mut text = String::new();
    file.read_to_string(&mut text)?;
    Ok(text)
}

fn list(path: &str) -> io::Result<String> {
    let names = fs::read_dir(path)?.map(|entry| {
        let name = entry?.file_name();
        Ok(name.to_string_lossy().into_owned())
    });
    let mut names = names.collect::<io::Result<Vec<String>>>()?;
    names.sort();
    Ok(names.join(" "))
}

fn kind(path: &str) -> io::Result<String> {
    let found = fs::symlink_metadata(path)?;
    Ok(match () {
        () if found.is_dir() => "a directory".to_owned(),
        () if found.is_symlink() => "a link".to_owned(),
        () => format!("{} octets", found.len()),
    })
}

/// Tries every way to change something, and tells of those that were not refused.
fn change(path: &str) -> String {
    let new = format!("{path}/new");
    let old = format!("{path}/a.txt");
    let tries: [(&str, io::Result<()>); 8] = [
        ("create", File::create(&new).map(drop)),
        ("write", fs::write(&old, "gone")),
        ("append", File::options().append(true).open(&old).map(drop)),
        ("make", fs::create_dir(&new)),
        ("rename", fs::rename(&old, &new)),
        ("link", fs::hard_link(&old, &new)),
        ("remove", fs::remove_file(&old)),
        ("empty", fs::remove_dir(path)),
    ];
    let refused = |done: &io::Result<()>| {
        let kind = done.as_ref().map_err(io::Error::kind);
        kind == Err(io::ErrorKind::ReadOnlyFilesystem)
    };
    let others = tries.iter().filter(|(_, done)| !refused(done));
    let others: Vec<String> = others.map(|other| format!("{other:?}")).collect();
    match others.is_empty() {
        true => "all of it is read-only".to_owned(),
        false => others.join(", "),
    }
}

/// Opens a file for ever, a thousand times.
fn hoard(path: &str) -> io::Result<String> {
    for _ in 0..1000 {
        std::mem::forget(File::open(path)?);
    }
    Ok("a thousand files are open".to_owned())
}

/// `name`, or `name/label`.
fn count(path: &str) -> String {
    match path.split_once('/') {
        Some(("many", last)) => {
            let many = last.parse().unwrap_or(0);
            (0..many).for_each(|n: u32| metrics::count("many", &[("n", &n.to_string())], 1));
        }
        Some((name, label)) => metrics::count(name, &[("label", label)], 2),
        None => metrics::count(path, &[], 1),
    }
    "counted".to_owned()
}

fn observe(path: &str) -> String {
    for value in path.split('/').filter_map(|value| value.parse().ok()) {
        metrics::observe("size_bytes", &[], value);
    }
    "observed".to_owned()
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "as asked")]
fn print(path: &str) -> String {
    print!("{path} to stdout");
    // std keeps what is no line yet, C does not.
    let _ = io::stdout().flush();
    eprintln!("{path} to stderr");
    "printed".to_owned()
}
