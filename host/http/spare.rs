//! Read buffers between two messages: an idle connection holds none, and a busy one need not have one
//! made for each message.

use bytes::BytesMut;
use std::cell::RefCell;

/// Octets of a buffer that is kept.
pub(super) const SIZE: usize = 8 * 1024;
/// How many a thread keeps.
const MOST: usize = 64;

thread_local! {
    static SPARE: RefCell<Vec<BytesMut>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer.
pub(super) fn take() -> BytesMut {
    let spare = SPARE.with_borrow_mut(Vec::pop);
    spare.unwrap_or_else(|| BytesMut::with_capacity(SIZE))
}

/// Keeps a buffer of which nothing is in use any more; another one is dropped, and so is one that
/// has grown.
pub(super) fn keep(mut buffer: BytesMut) {
    buffer.clear();
    SPARE.with_borrow_mut(|spare| {
        if spare.len() < MOST && buffer.try_reclaim(SIZE) && buffer.capacity() < 2 * SIZE {
            spare.push(buffer);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_comes_back_when_nothing_of_it_is_in_use() {
        let mut buffer = take();
        buffer.extend_from_slice(b"head and body");
        let place = buffer.as_ptr();
        let head = buffer.split_to(4).freeze();
        keep(buffer);
        let mut other = take();
        assert_ne!(other.as_ptr(), place, "the head is still in use");
        assert_eq!((&head[..], other.len()), (&b"head"[..], 0));
        let place = other.as_ptr();
        other.extend_from_slice(b"more");
        drop(other.split());
        keep(other);
        let other = take();
        assert_eq!((other.as_ptr(), other.len()), (place, 0));
        assert!(other.capacity() >= SIZE);
    }

    #[test]
    fn what_has_grown_and_what_is_too_many_is_dropped() {
        keep(BytesMut::with_capacity(2 * SIZE));
        keep(BytesMut::new());
        (0..2 * MOST).for_each(|_| keep(BytesMut::with_capacity(SIZE)));
        SPARE.with_borrow(|spare| {
            assert_eq!(spare.len(), MOST);
            assert!(spare.iter().all(|buffer| buffer.capacity() == SIZE));
        });
    }
}
