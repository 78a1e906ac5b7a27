use super::*;
use crate::config::Configuration;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::mpsc::{Receiver, channel};
use std::task::Poll;
use tempfile::TempDir;

/// A cache with a disk, on which something stands under a key, and nothing in memory.
fn cache() -> (Cache, Key, TempDir) {
    let settings = Configuration::from_source(None, &[]).unwrap().settings;
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::open(&folder.path().join("cache"), 1 << 30).unwrap();
    let key = Key::named("a");
    place(&disk, &key, b"old");
    (Cache::new(&settings, Some(disk)), key, folder)
}

fn response(body: &'static [u8]) -> Arc<Stored> {
    let (fields, control) = (Fields::default(), ResponseControl::default());
    Arc::new(Stored {
        uri: "http://a/".into(),
        status: StatusCode::OK,
        times: Times::of(&fields, &control, UNIX_EPOCH, UNIX_EPOCH),
        body: Body::Memory(Bytes::from_static(body)),
        fields,
        control,
        judged: Judged::before(),
    })
}

fn place(disk: &Arc<Disk>, key: &Key, body: &'static [u8]) {
    let mut incoming = disk.create(key.to_octets());
    incoming.write(body).unwrap();
    let metadata = dossier::of_response(&response(body), key);
    assert!(incoming.finish(&metadata).unwrap().is_some());
}

/// One thread for all that blocks: what is to be done there is done in its order.
fn on_one_thread(test: impl Future<Output = ()>) {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.max_blocking_threads(1).build().unwrap();
    runtime.block_on(test);
}

fn wait(told: Receiver<()>) {
    tokio::task::spawn_blocking(move || told.recv());
}

/// Looked at once, so that it waits for its turn on the thread.
async fn begin<F: Future>(mut future: Pin<&mut F>) {
    let looked = poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending()));
    assert!(looked.await);
}

fn body(found: Result<Option<(Slot, Source)>, Forward>) -> Bytes {
    match found {
        Ok(Some((Slot::Response(stored), _))) => match &stored.body {
            Body::Memory(body) => body.clone(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// Bug: who had found nothing in memory, and read the disk while a newer response was stored, put
/// the older one in its place.
#[test]
fn what_is_read_from_the_disk_does_not_replace_what_has_come_since() {
    on_one_thread(async {
        let (cache, key, _folder) = cache();
        let (go_on, told) = channel();
        wait(told);
        let mut found = pin!(cache.slot(&key));
        begin(found.as_mut()).await;
        cache
            .memory
            .put(key.clone(), Slot::Response(response(b"new")));
        go_on.send(()).unwrap();
        assert_eq!(body(found.await), "new");
        assert_eq!(body(cache.slot(&key).await), "new");
    });
}

/// The same where the newer one is too large for memory.
#[test]
fn what_is_read_from_the_disk_does_not_hide_what_has_come_there_since() {
    on_one_thread(async {
        let (cache, key, _folder) = cache();
        let (go_on, told) = channel();
        wait(told);
        let mut found = pin!(cache.slot(&key));
        begin(found.as_mut()).await;
        go_on.send(()).unwrap();
        // It has been read when the thread has time for others.
        tokio::task::spawn_blocking(|| ()).await.unwrap();
        place(cache.disk.as_ref().unwrap(), &key, b"new");
        cache.placed(&Recording {
            epoch: cache.epochs.of(&key),
            key: key.clone(),
            variants: None,
            head: response(b""),
            growing: Growing::new(None),
            lead: None,
            place: Place::Nowhere,
        });
        assert_eq!(body(found.await), "old");
        assert_eq!(body(cache.slot(&key).await), "new");
    });
}
