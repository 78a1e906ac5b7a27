use super::*;
use crate::http::{Fields, Form, RequestHead, Target, Version};
use crate::plugin::instance::Slots;
use crate::plugin::{Compiled, HelperNames, Hook, Manifest, Of, Sets, Watch, observing, toolchain};
use crate::transaction::Request;
use bytes::Bytes;
use http::Method;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::mpsc::channel;
use std::time::SystemTime;
use tokio::runtime::{Builder, Runtime};

/// The onlooker's manifest with more to it, and what it is compiled to.
fn parts(engine: &Engine, more: &str) -> (Manifest, Compiled) {
    static COMPONENT: OnceLock<Vec<u8>> = OnceLock::new();
    let component = COMPONENT.get_or_init(|| {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let target = root.join("target/plugins");
        let folder = root.join("tests/plugins/onlooker");
        toolchain::rust::build(&folder, toolchain::rust::TARGET, Some(&target)).expect("it builds")
    });
    let folder = tempfile::tempdir().expect("a folder");
    let manifest = format!("name = \"onlooker\"\ncomponent = \"a.wasm\"\n{more}");
    std::fs::write(folder.path().join("plugin.toml"), manifest).expect("a file");
    let manifest = Manifest::read(folder.path()).expect("a good manifest");
    let compiled = Compiled::new(engine, &manifest, component).expect("a good component");
    (manifest, compiled)
}

/// Decides on requests, and looks into both bodies. For one worker.
fn onlooker(more: &str) -> Arc<Plugin> {
    let engine = Engine::new(1).expect("an engine");
    let (manifest, compiled) = parts(&engine, more);
    let plugin = Plugin::load(
        &engine,
        manifest,
        None,
        Sets::default(),
        HelperNames::any(),
        compiled,
        1,
    );
    Arc::new(plugin.expect("a good plugin"))
}

/// Begins an upload; what the hook wants of it.
fn begin(plugin: &Arc<Plugin>, wants: &str) -> Option<Watch> {
    let Ok(Form::Proxy(target)) =
        Target::parse(&Method::PUT, &Bytes::from_static(b"http://a.test/"))
    else {
        panic!("it is a URI");
    };
    let mut fields = Fields::default();
    fields.push("X-Upload", wants.to_owned());
    let head = RequestHead {
        method: Method::PUT,
        target: Bytes::new(),
        version: Version::Http11,
        fields: fields.clone(),
    };
    let client = ([127, 0, 0, 1], 1).into();
    let request = Arc::new(Request::new(head, target, client, SystemTime::UNIX_EPOCH));
    let watch = plugin.watch(Of::Request, &request, &mut fields);
    watch.expect("it watches")
}

/// Instances that have been made, and those of them that are in reserve.
fn made(plugin: &Plugin) -> (u64, usize) {
    let reserve = plugin.places.reserve().instances.len();
    (plugin.template.meter().instances(), reserve)
}

/// One thread for what runs in the background, one after the other.
fn runtime() -> Runtime {
    let runtime = Builder::new_current_thread()
        .max_blocking_threads(1)
        .build();
    runtime.expect("a runtime")
}

/// While nothing can run in the background, does that; and then waits for all that is to run there.
fn meanwhile<T>(runtime: &Runtime, does: impl FnOnce() -> T) -> T {
    let (go, goes) = channel::<()>();
    runtime.spawn_blocking(move || goes.recv());
    let done = {
        let _entered = runtime.enter();
        does()
    };
    drop(go);
    let last = runtime.spawn_blocking(|| ());
    runtime.block_on(last).expect("it runs");
    done
}

#[test]
fn bodies_do_not_wait_for_an_instance_to_be_configured() {
    let (plugin, runtime) = (onlooker(""), runtime());
    // One to decide, and one for each body.
    assert_eq!(made(&plugin), (3, 2));
    let mut watches = Vec::new();
    for round in 0..3 {
        let before = 3 + 2 * round;
        meanwhile(&runtime, || {
            for left in [1, 0] {
                watches.extend(begin(&plugin, "watch"));
                assert_eq!(made(&plugin), (before, left), "{round}");
            }
        });
        // As many as there were, however many bodies have asked for that.
        assert_eq!(made(&plugin), (before + 2, 2), "{round}");
    }
    assert_eq!(watches.len(), 6);
    // One that is not wanted is back at once.
    meanwhile(&runtime, || assert!(begin(&plugin, "unseen").is_none()));
    assert_eq!(made(&plugin), (9, 2));
}

/// One that has served its number of calls does not come back.
#[test]
fn what_is_used_up_is_made_anew_in_the_background() {
    let (plugin, runtime) = (onlooker("limits.calls = 1"), runtime());
    meanwhile(&runtime, || assert!(begin(&plugin, "unseen").is_none()));
    assert_eq!(made(&plugin), (4, 2));
}

#[test]
fn without_a_runtime_bodies_use_up_the_reserve_and_then_wait() {
    let plugin = onlooker("");
    let expected = [(3, 1), (3, 0), (4, 0), (5, 0)];
    let watches = expected.map(|expected| {
        let watch = begin(&plugin, "watch");
        assert_eq!(made(&plugin), expected);
        watch
    });
    assert!(watches.iter().all(Option::is_some));
}

#[test]
fn nothing_is_left_of_a_plugin_that_has_retired() {
    let (plugin, runtime) = (onlooker(""), runtime());
    let watch = meanwhile(&runtime, || {
        let watch = begin(&plugin, "watch");
        assert!(plugin.places.reserve().filling);
        plugin.retire();
        watch
    });
    assert_eq!(made(&plugin), (3, 0));
    // Nor does one come back that is made for a body from then on.
    meanwhile(&runtime, || {
        drop(begin(&plugin, "watch"));
        assert!(begin(&plugin, "unseen").is_none());
    });
    assert_eq!(made(&plugin), (5, 0));
    drop(watch);
    assert_eq!(Arc::strong_count(&plugin), 1);
}

#[test]
fn at_load_there_is_what_the_hooks_need_and_no_more() {
    use Hook::{Access, Observer, RequestBody, ResponseBody};
    let engine = Engine::new(1).expect("an engine");
    #[rustfmt::skip]
    let cases: [(&[Hook], &str, u64, usize); 9] = [
        // For three workers: instances that are made, and those of them in reserve.
        (&[Access], "", 3, 0),
        (&[Access, RequestBody, ResponseBody], "", 9, 6),
        (&[RequestBody, ResponseBody], "", 6, 6),
        (&[ResponseBody], "", 3, 3),
        (&[ResponseBody, Observer], "", 4, 3),
        (&[Observer], "", 1, 0),
        (&[RequestBody, ResponseBody], "limits.bodies = 2", 2, 2),
        // The configuration has to be taken by one.
        (&[RequestBody, ResponseBody], "config.idle = true", 1, 0),
        (&[Access, RequestBody, ResponseBody], "config.idle = true", 3, 0),
    ];
    for (hooks, more, made, reserve) in cases {
        let (manifest, compiled) = parts(&engine, more);
        let config = manifest.config.json().to_owned();
        let template = Plugin::template(
            &engine,
            &manifest,
            &compiled,
            Sets::default(),
            HelperNames::any(),
            config,
        );
        let template = template.expect("a good plugin").apart();
        let places = Places::new(&engine, manifest.limits.bodies.most);
        let (workers, observing) = (Slots::new(3), Slots::new(1));
        let warmed = observing::warm(&template, hooks, &workers, &observing, &places);
        assert!(matches!(warmed, Ok(Ok(()))), "{hooks:?} {more}");
        let counted = (
            template.meter().instances(),
            places.reserve().instances.len(),
        );
        assert_eq!(counted, (made, reserve), "{hooks:?} {more}");
    }
}

#[test]
fn so_many_bodies_are_watched_at_a_time_by_all_plugins_together() {
    let engine = Engine::new(1).expect("an engine");
    let [one, other] = [&engine, &engine.apart()].map(|engine| Places::new(engine, 600));
    let enter = |places: &Places, times: usize| -> Vec<Place> {
        (0..times)
            .map(|_| places.enter().expect("a place"))
            .collect()
    };
    let ones = enter(&one, 600);
    assert_eq!(one.enter().err(), Some(Full::Own(600)));
    let mut others = enter(&other, BODIES - 600);
    assert_eq!(other.enter().err(), Some(Full::OfAll));
    // Who was refused has taken nothing.
    drop(ones);
    others.extend(enter(&other, 200));
    assert_eq!(other.enter().err(), Some(Full::Own(600)));
    drop(enter(&one, BODIES - 600));
    drop(others);
    assert_eq!(enter(&one, 600).len(), 600);
}
