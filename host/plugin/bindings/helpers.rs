//! The interface `helpers`, as it is served.

use super::generated::wproxy::plugin::helpers::Host;
use crate::plugin::state::State;

impl Host for State {
    fn find(&mut self, name: String) -> wasmtime::Result<Result<(), String>> {
        Ok(self.helpers.find(&name))
    }
}
