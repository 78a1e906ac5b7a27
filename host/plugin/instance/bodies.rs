//! The calls for a body: all to one instance.

use super::{Instance, Lent, Template, fields_handle, lend, not_served, request_handle};
use crate::plugin::Hook;
use crate::plugin::bindings::bodies::{Ending, Interest, Verdict};
use crate::plugin::exports::{Begin, Body};
use crate::plugin::meters::Limit;
use crate::plugin::watch::Of;
use crate::transaction::Request;
use std::sync::Arc;

impl Template {
    /// Asks one what it wants of a body.
    pub(in crate::plugin) fn begin_body(
        &self,
        instance: &mut Instance,
        of: Of,
        request: &Arc<Request>,
        lent: Lent<'_>,
    ) -> wasmtime::Result<Interest> {
        self.run(instance, |instance| {
            let begin = &instance.functions.body(of.hook())?.begin;
            lent.to(&mut instance.store, request, |store| {
                let (request, fields) = (request_handle(), fields_handle());
                Ok(match (begin, of) {
                    (Begin::Request(begin), _) => begin.call(store, (request, fields))?.0,
                    (Begin::Response(begin), Of::Response(status)) => {
                        begin.call(store, (request, status, fields))?.0
                    }
                    (Begin::Response(_), Of::Request) => return Err(not_served()),
                })
            })
        })
    }

    /// A call of one that is nobody else's.
    pub(in crate::plugin) fn run<R>(
        &self,
        instance: &mut Instance,
        call: impl FnOnce(&mut Instance) -> wasmtime::Result<R>,
    ) -> wasmtime::Result<R> {
        self.call_begins(&mut instance.store);
        call(instance)
    }

    /// One that has served a call; none where that was its last.
    pub(in crate::plugin) fn used_once(
        &self,
        mut instance: Box<Instance>,
    ) -> Option<Box<Instance>> {
        instance.calls_left -= 1;
        if instance.calls_left == 0 {
            self.meter.ran_into(Limit::Calls);
        }
        (instance.calls_left > 0).then_some(instance)
    }
}

impl Instance {
    pub(in crate::plugin) fn chunk_of_body(
        &mut self,
        hook: Hook,
        request: &Arc<Request>,
        piece: &[u8],
    ) -> wasmtime::Result<Verdict> {
        let Body { chunk, .. } = self.functions.body(hook)?;
        lend(&mut self.store, request, |store| chunk.call(store, piece))
    }

    pub(in crate::plugin) fn end_body(
        &mut self,
        hook: Hook,
        request: &Arc<Request>,
        all: bool,
    ) -> wasmtime::Result<Ending> {
        let Body { end, .. } = self.functions.body(hook)?;
        lend(&mut self.store, request, |store| {
            Ok(end.call(store, (all,))?.0)
        })
    }
}
