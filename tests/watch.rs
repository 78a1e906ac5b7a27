//! `--watch`: what is saved is swapped in.

use crate::plugins::default_plugins;
use crate::support::{Origin, Proxy, wproxy};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// A folder with one of the default plugins, and its component.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("access-policy");
    fs::create_dir(&plugin).unwrap();
    let component = built();
    fs::copy(component, plugin.join("access-policy.wasm")).unwrap();
    save(&plugin, "allow all");
    folder
}

/// The component of access-policy, as `make plugins` leaves it.
pub(crate) fn built() -> PathBuf {
    let [access_policy, ..] = default_plugins() else {
        panic!("there are some");
    };
    access_policy.join("access-policy.wasm")
}

/// As editors do it: another file takes the place of the one before.
fn save(plugin: &Path, rule: &str) {
    let manifest = format!(
        "name = \"access-policy\"\ncomponent = \"access-policy.wasm\"\n\
         [config]\nacl = []\nhttp_access = [\"{rule}\"]\n"
    );
    fs::write(plugin.join(".new"), manifest).unwrap();
    fs::rename(plugin.join(".new"), plugin.join("plugin.toml")).unwrap();
}

fn watching(folder: &Path) -> Proxy {
    let folder = folder.to_str().expect("UTF-8");
    Proxy::with_policy("", &["--watch", "--plugins", folder])
}

#[test]
fn what_is_saved_serves_and_what_is_wrong_is_said_at_once() {
    let (folder, origin) = (folder(), Origin::plain());
    let (proxy, plugin) = (watching(folder.path()), folder.path().join("access-policy"));
    let status = || proxy.get(&origin.url("/"), &[]).status;
    assert_eq!(status(), 200);

    save(&plugin, "deny all");
    let said = proxy.says("has changed");
    assert!(
        said.contains("access-policy/plugin.toml has changed"),
        "{said}"
    );
    proxy.says("generation 2 serves: 1 plugin, 0 of them unchanged");
    assert_eq!(status(), 403);

    save(&plugin, "allow nobody");
    proxy.says("reload failed, generation 2 goes on serving");
    proxy.says("acl `nobody` is not defined");
    proxy.says("plugin.toml:5");
    assert_eq!(status(), 403);

    // And what is saved after that.
    save(&plugin, "allow all");
    proxy.says("generation 3 serves");
    assert_eq!(status(), 200);
}

#[test]
fn plugins_that_come_and_go_are_noticed() {
    let folder = folder();
    let (proxy, plugin) = (watching(folder.path()), folder.path().join("access-policy"));
    let second = tempfile::tempdir_in(folder.path().parent().expect("a folder")).unwrap();
    let second = second.path().join("second");
    fs::create_dir(&second).unwrap();
    for file in ["plugin.toml", "access-policy.wasm"] {
        fs::copy(plugin.join(file), second.join(file)).unwrap();
    }
    let manifest = fs::read_to_string(second.join("plugin.toml")).unwrap();
    let manifest = manifest.replace("\"access-policy\"", "\"second\"");
    fs::write(second.join("plugin.toml"), manifest).unwrap();
    fs::rename(&second, folder.path().join("second")).unwrap();
    assert!(proxy.says("has changed").contains(" second has changed"));
    proxy.says("generation 2 serves: 2 plugins, 1 of them unchanged");
    // It is watched like the first one.
    save(&folder.path().join("second"), "deny all");
    proxy.says("second/plugin.toml has changed");
    proxy.says("two plugins are called `access-policy`");
    fs::remove_dir_all(folder.path().join("second")).unwrap();
    proxy.says("generation 3 serves: 1 plugin, 1 of them unchanged");
}

/// As `cargo clean` and `cargo build` do it; and a list that a plugin may read.
#[test]
fn a_folder_that_is_made_anew_and_a_granted_one_are_watched() {
    let folder = folder();
    let plugin = folder.path().join("access-policy");
    fs::create_dir_all(plugin.join("out")).unwrap();
    fs::create_dir(plugin.join("lists")).unwrap();
    fs::copy(built(), plugin.join("out/a.wasm")).unwrap();
    let manifest = fs::read_to_string(plugin.join("plugin.toml")).unwrap();
    let manifest = manifest.replace("\"access-policy.wasm\"", "\"out/a.wasm\"");
    let manifest = manifest.replace(
        "[config]",
        "[grants]\ndirectories = { \"/l\" = \"lists\" }\n[config]",
    );
    fs::write(plugin.join("plugin.toml"), manifest).unwrap();
    let proxy = watching(folder.path());

    fs::write(plugin.join("lists/new"), "").unwrap();
    let said = proxy.says("has changed");
    assert!(
        said.contains("access-policy/lists/new has changed"),
        "{said}"
    );
    proxy.says("generation 2 serves");
    fs::remove_dir_all(plugin.join("out")).unwrap();
    proxy.says("reload failed, generation 2 goes on serving");
    fs::create_dir(plugin.join("out")).unwrap();
    fs::hard_link(plugin.join("access-policy.wasm"), plugin.join("out/a.wasm")).unwrap();
    proxy.says("generation 3 serves");
    fs::copy(built(), plugin.join("out/b.wasm")).unwrap();
    fs::rename(plugin.join("out/b.wasm"), plugin.join("out/a.wasm")).unwrap();
    assert!(
        proxy
            .says("has changed")
            .contains("access-policy/out/a.wasm has changed")
    );
    proxy.says("generation 4 serves");
}

/// A compiler may take its time between the first octet and the last.
#[test]
fn a_component_that_is_half_written_is_not_read() {
    let folder = folder();
    let (proxy, plugin) = (watching(folder.path()), folder.path().join("access-policy"));
    let component = fs::read(built()).unwrap();
    let (first, second) = component.split_at(component.len() / 2);
    let mut file = fs::File::create(plugin.join("access-policy.wasm")).unwrap();
    file.write_all(first).unwrap();
    // This alone would be swapped in.
    save(&plugin, "deny all");
    file.write_all(second).unwrap();
    drop(file);
    let said = proxy.says("has changed");
    assert!(
        said.contains("access-policy/access-policy.wasm and 1 more"),
        "{said}"
    );
    let said = proxy.says("generation");
    assert!(said.contains("generation 2 serves"), "{said}");
}

#[test]
fn with_nothing_to_watch_it_does_not_start() {
    let empty = tempfile::tempdir().unwrap();
    let run = wproxy()
        .args(["run", "--watch", "--listen", "127.0.0.1:0"])
        .current_dir(empty.path())
        .output()
        .expect("wproxy runs");
    let said = String::from_utf8_lossy(&run.stderr);
    assert!(
        !run.status.success() && said.contains("there is nothing to watch"),
        "{said}"
    );
}
