//! Asking the caller: the prompt, the key, the answer that is kept.

use super::desk::Desk;
use super::{Call, LegId, Stage};
use crate::media::{Command, PlayId, Repeat};
use crate::switch::consent::Question;
use crate::switch::journal::{ConsentAnswer, Entry};
use crate::switch::log::Fact;
use crate::switch::settings::{CONSENT, ConsentMode, NOTICE, Prompt};

impl Call {
    /// The prompt to be played for this call's consent mode; notes why, if there should be one and is not.
    pub(super) fn prompt(&mut self, desk: &mut Desk<'_>) -> Option<(&'static str, Prompt)> {
        let name = match self.plan.consent {
            ConsentMode::Never => return None,
            ConsentMode::NoticeAll => NOTICE,
            ConsentMode::ExpressAll => CONSENT,
        };
        let prompt =
            desk.settings.prompts.get(&self.plan.language).and_then(|prompts| prompts.get(name));
        match prompt {
            Some(prompt) if prompt.sound.is_ok() => return Some((name, prompt.clone())),
            Some(Prompt { sound: Err(why), .. }) => {
                self.unrecorded(desk, format!("the prompt cannot be played: {why}"))
            }
            _ => self.unrecorded(desk, format!("there is no prompt {}/{name}", self.plan.language)),
        }
        None
    }

    pub(super) fn unrecorded(&mut self, desk: &mut Desk<'_>, why: String) {
        if self.cdr.unrecorded.is_none() && self.cdr.recording.is_none() {
            desk.outbox.log(Fact::Unrecorded { call: self.id, why: why.clone() });
            self.cdr.unrecorded = Some(why);
        }
    }

    /// Puts the question to a caller who hears us; to one who does not, as soon as they do.
    pub(super) fn ask(&mut self, desk: &mut Desk<'_>, name: &'static str, prompt: &Prompt) {
        self.stage =
            Stage::Asking(Question::new(self.plan.consent, name, prompt, &self.plan.language));
        self.settle_question(desk);
    }

    /// Who put us on hold hears nothing: what was played counts for nothing, and is played again from its beginning when they are
    /// back.
    pub(super) fn settle_question(&mut self, desk: &mut Desk<'_>) {
        let Stage::Asking(question) = &mut self.stage else { return };
        match (self.a.holds(), question.is_unheard()) {
            (true, false) => {
                question.interrupted();
                desk.outbox.media(Command::Stop { port: self.a.port });
            }
            (false, true) => {
                let name = question.prompt().to_owned();
                let play = self.play(desk, &self.a, &name, Repeat::Once);
                if let Stage::Asking(question) = &mut self.stage {
                    question.playing(desk.now.instant, play, desk.settings.consent_wait);
                }
            }
            (true, true) | (false, false) => {}
        }
    }

    /// A prompt ran to its end.
    pub(in crate::switch) fn played(&mut self, desk: &mut Desk<'_>, leg: LegId, play: PlayId) {
        let wait = desk.settings.consent_wait;
        if matches!(self.stage, Stage::Told { play: ours, .. } if ours == play) {
            return self.tell_next(desk);
        }
        if let Stage::Asking(question) = &mut self.stage
            && leg == self.a.id
            && let Some(answer) = question.played(desk.now.instant, play, wait)
        {
            self.answered(desk, answer);
        }
    }

    /// A key, by RFC 4733 or INFO.
    pub(in crate::switch) fn pressed(&mut self, desk: &mut Desk<'_>, leg: LegId, digit: char) {
        if let Stage::Asking(question) = &self.stage
            && leg == self.a.id
            && let Some(answer) = question.pressed(digit)
        {
            self.answered(desk, answer);
        }
    }

    /// The caller's answer is in: kept, and the call goes on.
    pub(super) fn answered(&mut self, desk: &mut Desk<'_>, answer: ConsentAnswer) {
        self.keep_answer(desk, answer);
        if answer != ConsentAnswer::Left {
            desk.outbox.media(Command::Stop { port: self.a.port });
            desk.outbox.store(Entry::Call(Box::new(self.cdr.clone())));
            self.seek(desk);
        }
    }

    pub(super) fn keep_answer(&mut self, desk: &mut Desk<'_>, answer: ConsentAnswer) {
        if let Stage::Asking(question) = std::mem::replace(&mut self.stage, Stage::Answering) {
            self.cdr.consent = Some(question.answered(answer, desk.now.utc));
        }
    }
}
