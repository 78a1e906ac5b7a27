//! The socket's file: where it is, who may open it, and that it is one proxy's alone.

use crate::config::ControlSocket;
use anyhow::{Context as _, bail, ensure};
use rustix::fs::{Mode, OFlags};
use socket2::{Domain, SockAddr, Type};
use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, ErrorKind};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt as _, FileTypeExt as _, MetadataExt as _};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

/// The socket, listened at.
#[derive(Debug)]
pub struct Socket {
    /// What connections come from.
    pub listener: UnixListener,
    /// Its file is there for as long as this is.
    pub file: SocketFile,
}

/// The file of a socket, removed when this is dropped.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    id: (u64, u64),
    /// Held: nobody else takes the path meanwhile. The lock's own file stays, because others may
    /// be waiting for it by then.
    _lock: File,
}

/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 16;
const NAME: &str = "control.sock";
const IN_USE: &str = "another proxy has it: stop that one, or set control_socket to another path \
                      or to \"none\"";

/// Where the socket is by these settings; none where there is none.
pub fn path(setting: &ControlSocket) -> Option<PathBuf> {
    match setting {
        ControlSocket::None => None,
        ControlSocket::At(path) => Some(path.clone()),
        ControlSocket::Default => {
            let is_root = rustix::process::geteuid().is_root();
            default_path(|name| std::env::var_os(name), is_root)
        }
    }
}

/// systemd's folder for the service, root's own, or that of a user who is logged in.
fn default_path(variable: impl Fn(&str) -> Option<OsString>, is_root: bool) -> Option<PathBuf> {
    let folder = |name| {
        let folders = variable(name)?;
        // systemd separates several by colons.
        let folder = folders.to_str()?.split(':').next()?;
        folder.starts_with('/').then(|| PathBuf::from(folder))
    };
    if let Some(folder) = folder("RUNTIME_DIRECTORY") {
        return Some(folder.join(NAME));
    }
    let folder = match is_root {
        true => Some("/run".into()),
        false => folder("XDG_RUNTIME_DIR"),
    };
    Some(folder?.join("wproxy").join(NAME))
}

/// Makes the socket and listens. Where nobody has named one, a proxy can do without: two on a
/// machine are nothing unusual.
///
/// # Errors
/// It cannot be made where the settings want it.
pub fn bind(setting: &ControlSocket) -> anyhow::Result<Option<Socket>> {
    let Some(path) = path(setting) else {
        return Ok(None);
    };
    let made = claim(&path).with_context(|| format!("no control socket at {}", path.display()));
    match (made, setting) {
        (Ok(socket), _) => Ok(Some(socket)),
        (Err(error), ControlSocket::Default) => {
            tracing::warn!("{error:#}");
            Ok(None)
        }
        (Err(error), _) => Err(error),
    }
}

/// Takes the path, which may be a dead proxy's, but not a living one's.
fn claim(path: &Path) -> anyhow::Result<Socket> {
    make_folder(path)?;
    let lock = lock(path)?;
    make_way(path)?;
    let listener = listen(path)?;
    let made = fs::symlink_metadata(path)?;
    let file = SocketFile {
        path: path.to_owned(),
        id: (made.dev(), made.ino()),
        _lock: lock,
    };
    let open_to_others = made.mode() & 0o077 != 0;
    ensure!(
        !open_to_others,
        "its file system lets others open it: name a path in another"
    );
    Ok(Socket { listener, file })
}

fn make_folder(path: &Path) -> anyhow::Result<()> {
    let Some(folder) = path.parent() else {
        return Ok(());
    };
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            let name = folder.display();
            Err(error).with_context(|| format!("its folder {name} cannot be made"))
        }
        _ => Ok(()),
    }
}

/// Of two proxies that start at once, one alone may look whether the socket is a dead one's.
fn lock(path: &Path) -> anyhow::Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let file = rustix::fs::open(&*name, flags, Mode::RUSR | Mode::WUSR)
        .with_context(|| format!("{} cannot be opened", name.display()))?;
    let file = File::from(file);
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(IN_USE),
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("{} cannot be locked", name.display()))
        }
    }
}

/// Removes a socket that nobody listens at.
fn make_way(path: &Path) -> anyhow::Result<()> {
    let kind = match fs::symlink_metadata(path) {
        Ok(there) => there.file_type(),
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    ensure!(
        kind.is_socket(),
        "there is a file that is not a socket: remove it, or name another path"
    );
    ensure!(!is_listened_at(path)?, IN_USE);
    fs::remove_file(path).context("a dead proxy's socket cannot be removed")
}

fn is_listened_at(path: &Path) -> io::Result<bool> {
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Somebody who accepts nothing lives, too.
    socket.set_nonblocking(true)?;
    match socket.connect(&SockAddr::unix(path)?) {
        Ok(()) => Ok(true),
        Err(error) => match error.kind() {
            ErrorKind::WouldBlock => Ok(true),
            ErrorKind::ConnectionRefused => Ok(false),
            _ => Err(error),
        },
    }
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    let socket = socket2::Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Linux gives the file the mode that the socket has: there is no moment when others could open
    // it, and the umask, which is every thread's, stays as it is.
    rustix::fs::fchmod(&socket, Mode::RUSR | Mode::WUSR)?;
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::unix(path)?)?;
    socket.listen(BACKLOG)?;
    Ok(OwnedFd::from(socket).into())
}

// === impl SocketFile ===

impl SocketFile {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Unless somebody has put something else there.
        let is_ours = fs::symlink_metadata(&self.path)
            .is_ok_and(|there| (there.dev(), there.ino()) == self.id);
        if is_ours && let Err(error) = fs::remove_file(&self.path) {
            tracing::warn!("{} cannot be removed: {error}", self.path.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixStream;

    #[test]
    fn the_default_is_a_folder_for_what_runs() {
        let (service, user) = (
            ("RUNTIME_DIRECTORY", "/run/a:/run/b"),
            ("XDG_RUNTIME_DIR", "/run/user/7"),
        );
        #[rustfmt::skip]
        let cases = [
            (&[service, user][..], false, Some("/run/a/control.sock")),
            (&[service], true, Some("/run/a/control.sock")),
            (&[user], true, Some("/run/wproxy/control.sock")),
            (&[user], false, Some("/run/user/7/wproxy/control.sock")),
            (&[("XDG_RUNTIME_DIR", "here")], false, None),
            (&[], false, None),
        ];
        for (variables, is_root, expected) in cases {
            let variable = |name: &str| {
                let mut variables = variables.iter();
                let (_, value) = variables.find(|(known, _)| *known == name)?;
                Some(OsString::from(value))
            };
            let path = default_path(variable, is_root);
            assert_eq!(path.as_deref(), expected.map(Path::new), "{variables:?}");
        }
    }

    #[test]
    fn it_is_its_own_users_alone_and_goes_with_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made/control.sock");
        let socket = claim(&path).expect("nobody has it");
        let mode = |path: &Path| fs::metadata(path).unwrap().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        UnixStream::connect(&path).expect("it is listened at");
        let error = format!("{:#}", claim(&path).expect_err("somebody has it"));
        assert!(error.contains("another proxy has it"), "{error}");
        drop(socket);
        assert!(!path.exists());
    }

    #[test]
    fn a_dead_proxys_socket_gives_way_and_nothing_else_does() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        // Dropped, a std listener leaves its file behind, as a process does that is killed.
        drop(UnixListener::bind(&path).unwrap());
        drop(claim(&path).expect("nobody listens"));

        // Of a program that knows nothing of the lock.
        let other = UnixListener::bind(&path).unwrap();
        let error = format!("{:#}", claim(&path).expect_err("it is another's"));
        assert!(error.contains("another proxy has it"), "{error}");
        drop(other);
        fs::remove_file(&path).unwrap();

        fs::write(&path, "precious").unwrap();
        let error = format!("{:#}", claim(&path).expect_err("it is a file"));
        assert!(error.contains("not a socket"), "{error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }

    #[test]
    fn what_was_put_in_its_place_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let socket = claim(&path).expect("nobody has it");
        fs::write(folder.path().join("other"), "").unwrap();
        fs::rename(folder.path().join("other"), &path).unwrap();
        drop(socket);
        assert!(path.exists());
    }

    #[test]
    fn a_link_in_the_place_of_the_lock_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control.sock");
        let target = folder.path().join("target");
        std::os::unix::fs::symlink(&target, folder.path().join("control.sock.lock")).unwrap();
        let error = format!("{:#}", claim(&path).expect_err("a link"));
        assert!(
            error.contains("control.sock.lock cannot be opened"),
            "{error}"
        );
        assert!(!target.exists());
    }
}
