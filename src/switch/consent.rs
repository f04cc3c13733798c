//! Consent: the question, the answer, and the permit. A permit can be made nowhere else, and nothing is recorded without one.

use std::time::{Duration, Instant};

use super::journal::{CallId, ConsentAnswer, ConsentRecord};
use super::settings::{Agent, ConsentMode, Language, Prompt};
use crate::media::PlayId;
use crate::utc::Utc;

/// The question as it is put to one caller.
#[derive(Debug)]
pub(super) struct Question {
    mode: ConsentMode,
    prompt: String,
    prompt_sha256: String,
    language: Language,
    play: PlayId,
    /// Set when the prompt has ended: a key is awaited until then.
    until: Option<Instant>,
    /// The caller held us meanwhile, and did not hear all of it.
    missed: bool,
}

impl Question {
    /// `prompt` is being played to the caller as `play`. `mode` is not `Never`.
    pub(super) fn put(
        mode: ConsentMode,
        name: &str,
        prompt: &Prompt,
        language: &str,
        play: PlayId,
    ) -> Question {
        Question {
            mode,
            prompt: name.to_owned(),
            prompt_sha256: prompt.sha256.clone(),
            language: language.to_owned(),
            play,
            until: None,
            missed: false,
        }
    }

    /// The caller holds us: what plays now is not heard.
    pub(super) fn missed(&mut self) {
        self.missed = true;
    }

    /// The prompt has ended. A notice is thereby given; a question is answered with silence unless a key follows within `wait`.
    pub(super) fn played(
        &mut self,
        now: Instant,
        play: PlayId,
        wait: Duration,
    ) -> Option<ConsentAnswer> {
        if play != self.play {
            return None;
        }
        match self.mode {
            ConsentMode::NoticeAll if self.missed => Some(ConsentAnswer::Silent),
            ConsentMode::NoticeAll => Some(ConsentAnswer::Noticed),
            ConsentMode::ExpressAll | ConsentMode::Never => {
                self.until = Some(now + wait);
                None
            }
        }
    }

    /// A key: 1 is yes, anything else is no (StGB §201 knows no consent by going on). A notice asks nothing.
    pub(super) fn pressed(&self, digit: char) -> Option<ConsentAnswer> {
        match self.mode {
            ConsentMode::ExpressAll if digit == '1' => Some(ConsentAnswer::Agreed),
            ConsentMode::ExpressAll => Some(ConsentAnswer::Declined(digit)),
            ConsentMode::NoticeAll | ConsentMode::Never => None,
        }
    }

    /// Time is up: nothing is no.
    pub(super) fn expired(&self, now: Instant) -> Option<ConsentAnswer> {
        self.until.is_some_and(|until| until <= now).then_some(ConsentAnswer::Silent)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.until
    }

    /// The record of what was said.
    pub(super) fn answered(self, answer: ConsentAnswer, at: Utc) -> ConsentRecord {
        ConsentRecord {
            mode: self.mode,
            answer,
            at,
            prompt: self.prompt,
            prompt_sha256: self.prompt_sha256,
            language: self.language,
        }
    }
}

/// The proof that one call may be recorded with one agent. Not to be copied, and made by `permit` alone.
#[derive(Debug)]
pub struct RecordingPermit {
    call: CallId,
    agent: String,
}

impl RecordingPermit {
    /// The call it is for.
    pub fn call(&self) -> CallId {
        self.call
    }

    /// The agent who agreed.
    pub fn agent(&self) -> &str {
        &self.agent
    }
}

/// Both sides' agreement makes a permit; what is missing says why there is none.
pub(super) fn permit(
    call: CallId,
    consent: Option<&ConsentRecord>,
    agent: Option<&Agent>,
) -> Result<RecordingPermit, &'static str> {
    let consent = consent.ok_or("the caller was not asked")?;
    match consent.answer {
        ConsentAnswer::Agreed | ConsentAnswer::Noticed => {}
        ConsentAnswer::Declined(_) => return Err("the caller declined"),
        ConsentAnswer::Silent => return Err("the caller did not answer"),
        ConsentAnswer::Left => return Err("the caller left"),
    }
    match agent {
        Some(agent) if agent.agrees_to_recording => {
            Ok(RecordingPermit { call, agent: agent.name.clone() })
        }
        Some(_) => Err("the agent has not agreed to be recorded"),
        None => Err("no agent's agreement is on file for this user"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::PromptId;

    fn asked(mode: ConsentMode) -> Question {
        let prompt = Prompt {
            sound: Ok(PromptId(0)),
            sha256: "ab".into(),
            text: "May we?".into(),
            length: Duration::from_secs(4),
        };
        Question::put(mode, "consent", &prompt, "en", PlayId(7))
    }

    fn agent(agrees: bool) -> Agent {
        Agent { name: "bob".into(), user: "201".into(), agrees_to_recording: agrees }
    }

    fn record(answer: ConsentAnswer) -> ConsentRecord {
        asked(ConsentMode::ExpressAll).answered(answer, Utc::from_micros(0))
    }

    #[test]
    fn only_key_one_is_a_yes() {
        let question = asked(ConsentMode::ExpressAll);
        assert_eq!(question.pressed('1'), Some(ConsentAnswer::Agreed));
        for digit in "023456789*#ABCD".chars() {
            assert_eq!(question.pressed(digit), Some(ConsentAnswer::Declined(digit)));
        }
    }

    #[test]
    fn silence_after_the_question_is_a_no_and_after_the_notice_a_permit() {
        let start = Instant::now();
        let wait = Duration::from_secs(5);
        let mut question = asked(ConsentMode::ExpressAll);
        assert_eq!(question.expired(start + wait), None, "the prompt still plays");
        assert_eq!(question.played(start, PlayId(6), wait), None, "another playing's end");
        assert_eq!(question.played(start, PlayId(7), wait), None);
        assert_eq!(question.expired(start + wait - Duration::from_millis(1)), None);
        assert_eq!(question.expired(start + wait), Some(ConsentAnswer::Silent));
        assert_eq!(
            asked(ConsentMode::NoticeAll).played(start, PlayId(7), wait),
            Some(ConsentAnswer::Noticed)
        );
        let mut held = asked(ConsentMode::NoticeAll);
        held.missed();
        assert_eq!(held.played(start, PlayId(7), wait), Some(ConsentAnswer::Silent));
    }

    #[test]
    fn a_permit_needs_both_sides() {
        let call = CallId(1);
        assert!(permit(call, Some(&record(ConsentAnswer::Agreed)), Some(&agent(true))).is_ok());
        assert!(permit(call, Some(&record(ConsentAnswer::Noticed)), Some(&agent(true))).is_ok());
        assert!(permit(call, Some(&record(ConsentAnswer::Agreed)), Some(&agent(false))).is_err());
        assert!(permit(call, Some(&record(ConsentAnswer::Agreed)), None).is_err());
        assert!(permit(call, None, Some(&agent(true))).is_err());
        for answer in [ConsentAnswer::Silent, ConsentAnswer::Declined('2'), ConsentAnswer::Left] {
            assert!(permit(call, Some(&record(answer)), Some(&agent(true))).is_err());
        }
    }
}
