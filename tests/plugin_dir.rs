//! `plugin_dir`: the settings name the folder of plugins.

use crate::plugins::{add, folder};
use crate::support::proxy::run;
use crate::support::{OPEN_POLICY, Origin, Proxy};
use rustix::process::Signal;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// A folder for a proxy and its settings, with the hostile plugin in `policy`.
fn place() -> TempDir {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("policy")).unwrap();
    add(place.path().join("policy"), "hostile", "");
    place
}

#[test]
fn the_settings_name_the_folder_beside_them_and_a_reload_reads_that_again() {
    // Compiles the built-in plugins: nobody is to wait for that later.
    assert_eq!(run(&["check"]).0, Some(0));
    let origin = Origin::plain();
    let proxy = Proxy::in_folder(place(), "plugin_dir = \"policy\"", &[]);
    let status = || proxy.get(&origin.url("/access/message"), &[]).status;
    assert_eq!(status(), 451);
    let settings = fs::read_to_string(proxy.settings()).unwrap();
    let with = |line: &str| {
        let settings = settings.replace("plugin_dir = \"policy\"", line);
        fs::write(proxy.settings(), settings).unwrap();
        proxy.signal(Signal::HUP);
    };
    with("plugin_dir = \"nowhere\"");
    proxy.says("reload failed, generation 1 goes on serving");
    let nowhere = proxy.folder.path().join("nowhere");
    proxy.says(&format!(
        "cannot read the plugin folder {}: ",
        nowhere.display()
    ));
    assert_eq!(status(), 451);
    with(OPEN_POLICY);
    proxy.says("generation 2 serves: 3 plugins, 0 of them unchanged");
    assert_eq!(status(), 200);
    with(&format!(
        "plugin_dir = {:?}",
        proxy.folder.path().join("policy")
    ));
    proxy.says("generation 3 serves: 1 plugin, 0 of them unchanged");
    assert_eq!(status(), 451);
}

#[test]
fn the_command_line_overrules_the_folder_of_the_settings() {
    let (other, origin) = (folder(""), Origin::plain());
    let arguments = ["--plugins", text(other.path())];
    let proxy = Proxy::in_folder(place(), "plugin_dir = \"nowhere\"", &arguments);
    assert_eq!(proxy.get(&origin.url("/good"), &[]).status, 200);
    let settings = proxy.settings();
    let config = ["check", "--config", text(&settings)];
    let (code, _, stderr) = run(&config);
    assert_eq!(code, Some(1));
    assert!(
        stderr.contains("error: cannot read the plugin folder "),
        "{stderr}"
    );
    let (code, stdout, _) = run(&[&config[..], &arguments].concat());
    assert_eq!(code, Some(0));
    assert!(stdout.contains("\nplugin hostile\n"), "{stdout}");
}

#[test]
fn the_folder_of_the_settings_is_watched() {
    let origin = Origin::plain();
    let proxy = Proxy::in_folder(place(), "plugin_dir = \"policy\"", &["--watch"]);
    let policy = proxy.folder.path().join("policy");
    let saved = policy.join("hostile/.new");
    let manifest = fs::read_to_string(policy.join("hostile/plugin.toml")).unwrap();
    fs::write(&saved, format!("{manifest}\norder = 7")).unwrap();
    fs::rename(saved, policy.join("hostile/plugin.toml")).unwrap();
    let said = proxy.says("has changed");
    assert!(said.contains("hostile/plugin.toml"), "{said}");
    proxy.says("generation 2 serves: 1 plugin, 0 of them unchanged");
    assert_eq!(proxy.get(&origin.url("/good"), &[]).status, 200);
}
