//! squid's own helpers, as Debian has them: `make helpers` puts them below target/.

use super::view;
use crate::support::{Origin, Proxy, Response};
use std::fs;
use std::path::{Path, PathBuf};

fn program(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/squid/usr/lib/squid");
    let program = folder.join(name);
    assert!(
        program.is_file(),
        "no {}: `make helpers`",
        program.display()
    );
    program
}

#[test]
fn ext_file_userip_acl_says_who_may_come_from_where() {
    let origin = Origin::plain();
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("userip");
    fs::write(&list, "127.0.0.0/255.0.0.0 ann\n192.0.2.1 ALL\n").unwrap();
    let program = program("ext_file_userip_acl");
    let settings = format!(
        "[helpers.userip]\ncommand = [{program:?}, \"-f\", {list:?}]\nchildren = 2\n\
         [plugins.access-policy]\nacl = [\"members external userip %SRC %>{{X-User}}\"]\n\
         http_access = [\"allow members\", \"deny all\"]\n"
    );
    let proxy = Proxy::in_folder(folder, &settings, &[]);
    let get = |user: &str| proxy.get(&origin.url("/"), &[user, "Accept: */*"]);
    for _ in 0..2 {
        assert_eq!(get("X-User: ann").status, 200);
        let denied = "403 the rule `http_access deny all` does not allow it";
        assert_eq!(view(&get("X-User: bob")), denied);
        assert_eq!(view(&get("X-User: an n")), denied);
        // Without the field it is asked about `-`.
        assert_eq!(view(&get("X-Other: ann")), denied);
    }
}

#[test]
fn basic_ncsa_auth_says_who_knows_the_password() {
    const HASH: &str = "$6$abcdefgh$ltjgWl6579NluT/Vi1nwEvcil.G5Nbc4NiXZaNGStk8PSwGfQv72N2CKPPrVACtLtip/cZ/1GM/O6IND4WQhG.";
    let origin = Origin::plain();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("passwd");
    fs::write(&file, format!("ann:{HASH}\n")).unwrap();
    let program = program("basic_ncsa_auth");
    let settings = format!(
        "[helpers.passwords]\ncommand = [{program:?}, {file:?}]\n\
         [plugins.access-policy]\nacl = [\"known external passwords %LOGIN %PASSWORD\"]\n\
         http_access = [\"deny !known\", \"allow all\"]\n"
    );
    let proxy = Proxy::in_folder(folder, &settings, &[]);
    let get = |fields: &[&str]| -> Response { proxy.get(&origin.url("/"), fields) };
    let challenged = |response: Response| {
        assert_eq!(response.status, 407);
        let challenge = response.field("proxy-authenticate").unwrap_or_default();
        assert!(challenge.starts_with("Basic realm="), "{challenge}");
    };
    challenged(get(&[]));
    // ann:wrong, ann:secret
    challenged(get(&["Proxy-Authorization: Basic YW5uOndyb25n"]));
    assert_eq!(
        get(&["Proxy-Authorization: Basic YW5uOnNlY3JldA=="]).status,
        200
    );
    let seen = origin.seen();
    assert_eq!(seen.field("proxy-authorization"), None);
    // Whose password it knows is the user; what somebody else says is not.
    let users = [(); 3].map(|()| proxy.logged().split(' ').rev().nth(2).map(str::to_owned));
    assert_eq!(users.map(Option::unwrap), ["-", "-", "ann"]);
}
