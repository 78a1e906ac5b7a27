use super::*;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

/// What a future says when it is looked at once.
fn look<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn piece(octets: &'static [u8]) -> Poll<Result<Option<Bytes>, Broken>> {
    Poll::Ready(Ok(Some(Bytes::from_static(octets))))
}

#[test]
fn readers_get_what_has_come_each_at_its_own_pace() {
    let growing = Growing::new(None);
    growing.push(b"one");
    let (mut first, mut second) = (growing.reader(0..u64::MAX), growing.reader(0..u64::MAX));
    assert_eq!(look(pin!(first.next())), piece(b"one"));
    {
        let mut waiting = pin!(first.next());
        assert_eq!(look(waiting.as_mut()), Poll::Pending);
        growing.push(b"two");
        assert_eq!(look(waiting), piece(b"two"));
    }
    growing.end(Ok(()));
    assert_eq!(look(pin!(first.next())), Poll::Ready(Ok(None)));
    for octets in [b"one", b"two"] {
        assert_eq!(look(pin!(second.next())), piece(octets));
    }
    assert_eq!(look(pin!(second.next())), Poll::Ready(Ok(None)));
    assert_eq!(growing.whole(), "onetwo");
}

#[test]
fn a_part_is_cut_out_of_the_pieces() {
    let growing = Growing::new(Some(9));
    for octets in [b"abc", b"def", b"ghi"] {
        growing.push(octets);
    }
    let mut part = growing.reader(2..7);
    for octets in [&b"c"[..], b"def", b"g"] {
        assert_eq!(look(pin!(part.next())), piece(octets));
    }
    assert_eq!(look(pin!(part.next())), Poll::Ready(Ok(None)));
}

/// Who has all of it may ask again: by then it is stored.
#[test]
fn the_last_of_it_is_there_when_the_end_is() {
    let growing = Growing::new(Some(6));
    let mut reader = growing.reader(0..6);
    growing.push(b"one");
    assert_eq!(look(pin!(reader.next())), piece(b"one"));
    growing.push(b"two");
    let mut last = pin!(reader.next());
    assert_eq!(look(last.as_mut()), Poll::Pending);
    growing.end(Ok(()));
    assert_eq!(look(last), piece(b"two"));
}

#[test]
fn one_that_breaks_off_breaks_off_after_what_has_come() {
    let growing = Growing::new(Some(6));
    let mut reader = growing.reader(0..6);
    growing.push(b"one");
    growing.end(Err(Broken));
    // What is said first holds.
    growing.end(Ok(()));
    assert_eq!(look(pin!(reader.next())), piece(b"one"));
    assert_eq!(look(pin!(reader.next())), Poll::Ready(Err(Broken)));
}

#[tokio::test(start_paused = true)]
async fn without_a_file_the_slowest_reader_sets_the_pace() {
    let growing = Growing::new(None);
    let (mut quick, slow) = (growing.reader(0..u64::MAX), growing.reader(0..u64::MAX));
    for octets in [b"one", b"two"] {
        growing.push(octets);
        assert_eq!(look(pin!(quick.next())), piece(octets));
    }
    // A file would have it; there is none.
    growing.trim(3);
    assert!(growing.is_all_there());
    let mut room = pin!(growing.all_read(3, Duration::from_secs(1)));
    assert_eq!(look(room.as_mut()), Poll::Pending);
    drop(slow);
    assert_eq!(look(room), Poll::Ready(()));
    assert!(!growing.is_all_there());
    // Nobody can begin any more.
    let mut late = growing.reader(0..u64::MAX);
    assert_eq!(look(pin!(late.next())), Poll::Ready(Err(Broken)));
}

/// Bug: a client that took nothing kept all others from what they shared with it.
#[tokio::test(start_paused = true)]
async fn one_that_takes_nothing_is_left_behind() {
    const PATIENCE: Duration = Duration::from_secs(1);
    let growing = Growing::new(None);
    let mut readers = [(); 3].map(|()| growing.reader(0..u64::MAX));
    let [quick, slow, stalled] = &mut readers;
    for octets in [b"one", b"two"] {
        growing.push(octets);
        assert_eq!(look(pin!(quick.next())), piece(octets));
    }
    // As long as nobody has had all of it, all are waited for.
    growing.push(b"six");
    let waits = timeout(10 * PATIENCE, growing.all_read(2, PATIENCE)).await;
    assert!(waits.is_err());
    assert!(growing.is_all_there());
    assert_eq!(look(pin!(quick.next())), piece(b"six"));
    for octets in [b"one", b"two"] {
        assert_eq!(look(pin!(slow.next())), piece(octets));
    }
    growing.all_read(3, PATIENCE).await;
    assert_eq!(look(pin!(slow.next())), piece(b"six"));
    assert_eq!(look(pin!(stalled.next())), Poll::Ready(Err(Broken)));
    // Nor is it waited for again.
    growing.push(b"ten");
    assert_eq!(look(pin!(quick.next())), piece(b"ten"));
    assert_eq!(look(pin!(slow.next())), piece(b"ten"));
    assert_eq!(look(pin!(growing.all_read(3, PATIENCE))), Poll::Ready(()));
}

/// There is nobody who would be served by that.
#[tokio::test(start_paused = true)]
async fn the_only_reader_is_waited_for() {
    const PATIENCE: Duration = Duration::from_secs(1);
    let growing = Growing::new(None);
    let mut only = growing.reader(0..u64::MAX);
    growing.push(b"one");
    growing.push(b"two");
    let waits = timeout(10 * PATIENCE, growing.all_read(3, PATIENCE)).await;
    assert!(waits.is_err());
    for octets in [b"one", b"two"] {
        assert_eq!(look(pin!(only.next())), piece(octets));
    }
}
