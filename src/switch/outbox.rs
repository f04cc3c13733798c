//! What the switch has decided and the world has yet to do: outputs in order.

use std::collections::VecDeque;

use super::journal::{Entry, EntryId};
use super::log::Fact;
use super::{Output, control};
use crate::media;

/// Outputs, first in, first out; numbers the journal's entries.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    outputs: VecDeque<Output>,
    entries: u64,
}

impl Outbox {
    pub(super) fn push(&mut self, output: Output) {
        self.outputs.push_back(output);
    }

    pub(super) fn pop(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    pub(super) fn media(&mut self, command: media::Command) {
        self.push(Output::Media(command));
    }

    pub(super) fn store(&mut self, entry: Entry) -> EntryId {
        let id = self.number();
        self.push(Output::Store(id, entry));
        id
    }

    /// The number of the next entry, for one that is passed on at once.
    pub(super) fn number(&mut self) -> EntryId {
        self.entries += 1;
        EntryId(self.entries)
    }

    pub(super) fn log(&mut self, fact: Fact) {
        self.push(Output::Log(fact));
    }

    pub(super) fn reply(&mut self, request: control::RequestId, reply: control::Reply) {
        self.push(Output::Reply(request, reply));
    }
}
