//! What goes on of a body.

/// What goes on in the place of octets that came: none, unless it is another than those.
pub type Instead = Option<Vec<u8>>;

/// Octets that a plugin can put in the place of a piece, or after the last one.
pub(super) const MAX_INSTEAD: usize = 1 << 20;
/// Octets that can come of what is shown at once: each hook of a chain could make more of it.
pub(super) const MAX_GROWN: usize = 4 << 20;

/// What goes on, once it is another than what came.
#[derive(Default)]
pub(super) struct Out(pub(super) Instead);

// === impl Out ===

impl Out {
    /// That goes on as it came.
    pub(super) fn as_is(&mut self, octets: &[u8]) {
        if let Some(out) = &mut self.0 {
            out.extend_from_slice(octets);
        }
    }

    /// This goes on next; `before` has come, all of it as it is if nothing else has been said.
    pub(super) fn instead(&mut self, before: &[u8], octets: &[u8]) {
        let out = self.0.get_or_insert_with(|| before.to_vec());
        out.extend_from_slice(octets);
    }

    pub(super) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, Vec::len)
    }
}
