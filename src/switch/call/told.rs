//! Calls with the switch itself: a caller is told what has come of a wish, or hears their own voice.

use std::time::Duration;

use super::desk::Desk;
use super::leg::Party;
use super::{Call, Stage};
use crate::media::{Command, Repeat};
use crate::switch::journal::Entry;
use crate::switch::routing::{Feature, Target};
use crate::switch::settings::DONE;
use crate::switch::wish::Wish;

/// Every word is over by then.
const LONGEST_WORD: Duration = Duration::from_secs(3);
/// Whoever hears themselves so long has put the receiver beside the phone.
const LONGEST_ECHO: Duration = Duration::from_secs(300);

impl Call {
    /// What its caller wishes, and who that is.
    pub(in crate::switch) fn wish(&self) -> Option<(&Wish, &str)> {
        match (&self.plan.target, &self.a.party) {
            (Target::Feature(Feature::Wish(wish)), Party::User(user)) => Some((wish, user)),
            _ => None,
        }
    }

    /// Says these words, then hangs up.
    pub(in crate::switch) fn tell(&mut self, desk: &mut Desk<'_>, words: Vec<&'static str>) {
        let play = desk.keys.play();
        self.stage = Stage::Told { words: words.into(), play, until: desk.now.instant };
        self.tell_next(desk);
    }

    pub(super) fn tell_next(&mut self, desk: &mut Desk<'_>) {
        let Stage::Told { words, .. } = &mut self.stage else { return };
        let Some(word) = words.pop_front() else { return self.finish(desk, DONE, None) };
        let words = std::mem::take(words);
        let play = self.play(desk, &self.a, word, Repeat::Once);
        self.stage = Stage::Told { words, play, until: desk.now.instant + LONGEST_WORD };
    }

    /// Sends back what comes.
    pub(super) fn echo(&mut self, desk: &mut Desk<'_>) {
        desk.outbox.media(Command::Bridge { a: self.a.port, b: self.a.port });
        self.stage = Stage::Echoing { until: desk.now.instant + LONGEST_ECHO };
        desk.outbox.store(Entry::Call(Box::new(self.cdr.clone())));
    }
}
