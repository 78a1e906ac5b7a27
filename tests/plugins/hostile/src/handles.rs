//! Handles that it has no right to, and lists that are none: what bindings never do.

#![expect(unsafe_code, reason = "there is no honest way")]

/// What the host's handles are, because it counts them from 1: the request, and then the fields.
const REQUEST: i32 = 1;
const FIELDS: i32 = 2;

#[cfg(target_family = "wasm")]
#[link(wasm_import_module = "wproxy:plugin/http@0.2.0")]
unsafe extern "C" {
    #[link_name = "[method]request.port"]
    fn port(request: i32) -> i32;
    #[link_name = "[method]fields.remove-all"]
    fn remove_all(fields: i32, names: *const u64, length: usize);
    #[link_name = "[resource-drop]request"]
    fn drop_request(request: i32);
}

#[cfg(not(target_family = "wasm"))]
unsafe fn port(_: i32) -> i32 {
    unreachable!("only wasm has a host")
}
#[cfg(not(target_family = "wasm"))]
unsafe fn remove_all(_: i32, _: *const u64, _: usize) {
    unreachable!("only wasm has a host")
}
#[cfg(not(target_family = "wasm"))]
unsafe fn drop_request(_: i32) {
    unreachable!("only wasm has a host")
}

/// Gives the request back, which the bindings do as well when the call is over.
pub(crate) fn give_back_twice() {
    // SAFETY: none. The host has to notice.
    unsafe { drop_request(REQUEST) };
}

/// Asks something of a request that it gave back.
pub(crate) fn use_after_giving_back() {
    // SAFETY: none. The host has to notice.
    unsafe {
        drop_request(REQUEST);
        port(REQUEST);
    }
}

/// Changes the fields that an earlier call was lent.
pub(crate) fn use_after_the_call() {
    // SAFETY: none. The host has to notice.
    unsafe { remove_all(FIELDS, std::ptr::null(), 0) };
}

/// Takes the request for fields.
pub(crate) fn confuse() {
    // SAFETY: none. The host has to notice.
    unsafe { remove_all(REQUEST, std::ptr::null(), 0) };
}

/// A million empty names: no octet in them, and much work for the host.
pub(crate) fn long_list() {
    names(1 << 20);
}

/// So many of them.
pub(crate) fn names(count: usize) {
    let names = vec![0u64; count];
    // SAFETY: each element is the pointer and the length of an empty name.
    unsafe { remove_all(FIELDS, names.as_ptr(), names.len()) };
}

/// A list that ends beyond the memory.
pub(crate) fn list_beyond() {
    // SAFETY: none. The host has to notice.
    unsafe { remove_all(FIELDS, std::ptr::without_provenance(8), 1 << 28) };
}
