//! A plugin's author, others who name it by a registry, and a cache of their own.

use crate::plugins::built;
use crate::support::registry::Registry;
use crate::support::wproxy;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// A digest that nothing has.
pub(super) const NOTHING: &str =
    "sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// Folders for plugins and a cache of their own.
pub(super) struct Scene {
    folder: TempDir,
}

impl Scene {
    /// With the hostile plugin as its author has it, in `made`.
    pub(super) fn new() -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let scene = Scene { folder };
        scene.manifest("made", "component = \"hostile.wasm\"");
        fs::copy(built("hostile"), scene.path("made/hostile/hostile.wasm")).unwrap();
        scene.empty_cache();
        scene
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Nothing has been pulled. What has been compiled is for all tests.
    pub(super) fn empty_cache(&self) {
        let _ = fs::remove_dir_all(self.path("cache"));
        fs::create_dir(self.path("cache")).unwrap();
        let compiled = Path::new(env!("CARGO_TARGET_TMPDIR")).join("compiled/wproxy/compiled");
        fs::create_dir_all(&compiled).unwrap();
        symlink(compiled, self.path("cache/compiled")).unwrap();
    }

    /// What has been pulled.
    pub(super) fn cached(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(self.path("cache/components")).unwrap();
        files.map(|file| file.unwrap().path()).collect()
    }

    /// The manifest of a plugin `hostile` in that folder of plugins: its name, and these lines.
    pub(super) fn manifest(&self, folder: &str, lines: &str) {
        let plugin = self.path(folder).join("hostile");
        fs::create_dir_all(&plugin).unwrap();
        let manifest = format!("name = \"hostile\"\n{lines}\n");
        fs::write(plugin.join("plugin.toml"), manifest).unwrap();
    }

    pub(super) fn wproxy(&self) -> Command {
        let mut command = wproxy();
        command
            .current_dir(self.folder.path())
            .env("CACHE_DIRECTORY", self.path("cache"))
            .env("DOCKER_CONFIG", self.path("docker"))
            // Nobody is there, and nobody is to be asked about this machine.
            .env("HTTP_PROXY", "http://127.0.0.1:1")
            .env_remove("NO_PROXY")
            .env_remove("no_proxy");
        command
    }

    pub(super) fn run(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        said(self.wproxy().args(arguments))
    }

    /// Pushes what its author has made; gives the reference.
    pub(super) fn push(&self, registry: &Registry, name: &str) -> String {
        let name = format!("oci://{}/{name}", registry.address);
        let (code, stdout, stderr) = self.run(&["plugin", "push", "made/hostile", &name]);
        assert_eq!(code, Some(0), "{stderr}");
        let reference = stdout.trim_end();
        assert!(
            reference.starts_with(&format!("{name}@sha256:")),
            "{stdout}"
        );
        assert_eq!(stdout, format!("{reference}\n"));
        assert!(stderr.contains("plugin `hostile`: pushed ("), "{stderr}");
        reference.to_owned()
    }

    /// What `check` prints of `named`, a folder with a plugin that names a registry; and says.
    pub(super) fn good(&self) -> (String, String) {
        let (code, stdout, stderr) = self.run(&["check", "--plugins", "named"]);
        assert_eq!(code, Some(0), "{stderr}");
        (stdout, stderr)
    }

    /// What `check` says against it.
    pub(super) fn refused(&self) -> String {
        let (code, stdout, stderr) = self.run(&["check", "--plugins", "named"]);
        assert_eq!((code, stdout.as_str()), (Some(1), ""), "{stderr}");
        stderr
    }

    /// That, for these lines in its manifest: it has to name the plugin, or it is a mistake of the
    /// manifest's own; the place, and these.
    #[track_caller]
    pub(super) fn refuses(&self, lines: &str, place: &str, parts: &[&str]) {
        self.manifest("named", lines);
        let said = self.refused();
        let place = format!(" --> named/hostile/plugin.toml:{place}\n");
        for part in parts.iter().copied().chain([&*place, "^^^^"]) {
            assert!(said.contains(part), "{lines}: no {part:?} in:\n{said}");
        }
        assert_eq!(said.matches("error: ").count(), 1, "{said}");
    }
}

/// Runs that to its end: exit code, stdout, stderr.
pub(super) fn said(command: &mut Command) -> (Option<i32>, String, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().expect("wproxy runs");
    let text = |octets| String::from_utf8(octets).expect("UTF-8");
    (status.code(), text(stdout), text(stderr))
}

pub(super) fn component(reference: &str) -> String {
    format!("component = \"{reference}\"")
}
