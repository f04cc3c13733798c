//! Consent: the question, the answer, and the permit. A permit can be made nowhere else, and nothing is recorded without one.

use std::time::{Duration, Instant};

use super::journal::{CallId, ConsentAnswer, ConsentRecord};
use super::settings::{Agent, ConsentMode, Language, Prompt};
use crate::media::PlayId;
use crate::utc::Utc;

/// What is added to the length of a prompt before its end counts as missed.
const GRACE: Duration = Duration::from_secs(1);

/// The question as it is put to one caller.
#[derive(Debug)]
pub(super) struct Question {
    mode: ConsentMode,
    prompt: String,
    prompt_sha256: String,
    /// How long the prompt plays.
    length: Duration,
    language: Language,
    hearing: Hearing,
}

/// How far the caller has heard it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Hearing {
    /// Not at all: the prompt does not play, because nobody would hear it.
    Unheard,
    /// It plays; should its end never be told, `until` is the end of all waiting.
    Playing { play: PlayId, until: Instant },
    /// To its end; a key is awaited until then.
    Heard { until: Instant },
}

impl Question {
    /// To be put with [`Question::playing`]. `mode` is not `Never`.
    pub(super) fn new(mode: ConsentMode, name: &str, prompt: &Prompt, language: &str) -> Question {
        Question {
            mode,
            prompt: name.to_owned(),
            prompt_sha256: prompt.sha256.clone(),
            length: prompt.length,
            language: language.to_owned(),
            hearing: Hearing::Unheard,
        }
    }

    /// The prompt's name.
    pub(super) fn prompt(&self) -> &str {
        &self.prompt
    }

    /// The prompt is being played to the caller as `play`, from its beginning; a key is awaited for `wait` after its end.
    pub(super) fn playing(&mut self, now: Instant, play: PlayId, wait: Duration) {
        self.hearing = Hearing::Playing { play, until: now + self.length + wait + GRACE };
    }

    /// The caller cannot hear us: whatever was played of it counts for nothing, and so does what was not said in answer.
    pub(super) fn interrupted(&mut self) {
        self.hearing = Hearing::Unheard;
    }

    /// Whether it is to be played (again) as soon as the caller hears us.
    pub(super) fn is_unheard(&self) -> bool {
        self.hearing == Hearing::Unheard
    }

    /// The prompt has ended. A notice is thereby given; a question is answered with silence unless a key follows within `wait`.
    pub(super) fn played(
        &mut self,
        now: Instant,
        ended: PlayId,
        wait: Duration,
    ) -> Option<ConsentAnswer> {
        if !matches!(self.hearing, Hearing::Playing { play, .. } if play == ended) {
            return None;
        }
        match self.mode {
            ConsentMode::NoticeAll => Some(ConsentAnswer::Noticed),
            ConsentMode::ExpressAll | ConsentMode::Never => {
                self.hearing = Hearing::Heard { until: now + wait };
                None
            }
        }
    }

    /// A key: 1 is yes, anything else is no (StGB §201 knows no consent by going on). A notice asks nothing, and what is not heard
    /// cannot be answered.
    pub(super) fn pressed(&self, digit: char) -> Option<ConsentAnswer> {
        match self.mode {
            _ if self.is_unheard() => None,
            ConsentMode::ExpressAll if digit == '1' => Some(ConsentAnswer::Agreed),
            ConsentMode::ExpressAll => Some(ConsentAnswer::Declined(digit)),
            ConsentMode::NoticeAll | ConsentMode::Never => None,
        }
    }

    /// Time is up: nothing is no.
    pub(super) fn expired(&self, now: Instant) -> Option<ConsentAnswer> {
        self.deadline().is_some_and(|until| until <= now).then_some(ConsentAnswer::Silent)
    }

    /// None while the caller cannot hear us: then the leg is asked whether it is still there.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self.hearing {
            Hearing::Unheard => None,
            Hearing::Playing { until, .. } | Hearing::Heard { until } => Some(until),
        }
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

/// Somebody who is heard on a call, as far as it matters for a recording.
#[derive(Clone, Copy, Debug)]
pub(super) enum Talker<'a> {
    /// The caller, and what they answered if they were asked.
    Caller(Option<&'a ConsentRecord>),
    /// An agent.
    Agent(&'a Agent),
    /// Anybody else: a user who is no agent, somebody outside.
    Other,
}

/// Both sides' agreement makes a permit: that of the caller and that of the agent, who are the two that talk. What is missing says why
/// there is none.
pub(super) fn permit(
    call: CallId,
    talkers: [Talker<'_>; 2],
) -> Result<RecordingPermit, &'static str> {
    let (consent, agent) = match talkers {
        [Talker::Caller(consent), other] | [other, Talker::Caller(consent)] => match other {
            Talker::Agent(agent) => (consent, Some(agent)),
            Talker::Caller(_) | Talker::Other => (consent, None),
        },
        [Talker::Agent(_) | Talker::Other, Talker::Agent(_) | Talker::Other] => {
            return Err("the caller is not on the call");
        }
    };
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
        Question::new(mode, "consent", &prompt, "en")
    }

    const WAIT: Duration = Duration::from_secs(5);

    fn playing(mode: ConsentMode, start: Instant) -> Question {
        let mut question = asked(mode);
        question.playing(start, PlayId(7), WAIT);
        question
    }

    fn agent(agrees: bool) -> Agent {
        Agent { name: "bob".into(), user: "201".into(), agrees_to_recording: agrees }
    }

    fn record(answer: ConsentAnswer) -> ConsentRecord {
        asked(ConsentMode::ExpressAll).answered(answer, Utc::from_micros(0))
    }

    #[test]
    fn only_key_one_is_a_yes() {
        let question = playing(ConsentMode::ExpressAll, Instant::now());
        assert_eq!(question.pressed('1'), Some(ConsentAnswer::Agreed));
        for digit in "023456789*#ABCD".chars() {
            assert_eq!(question.pressed(digit), Some(ConsentAnswer::Declined(digit)));
        }
    }

    #[test]
    fn silence_after_the_question_is_a_no_and_after_the_notice_a_permit() {
        let start = Instant::now();
        let mut question = playing(ConsentMode::ExpressAll, start);
        assert_eq!(question.expired(start + WAIT), None, "the prompt still plays");
        assert_eq!(question.played(start, PlayId(6), WAIT), None, "another playing's end");
        assert_eq!(question.played(start, PlayId(7), WAIT), None);
        assert_eq!(question.expired(start + WAIT - Duration::from_millis(1)), None);
        assert_eq!(question.expired(start + WAIT), Some(ConsentAnswer::Silent));
        assert_eq!(
            playing(ConsentMode::NoticeAll, start).played(start, PlayId(7), WAIT),
            Some(ConsentAnswer::Noticed)
        );
    }

    #[test]
    fn what_nobody_hears_is_neither_asked_nor_answered() {
        let start = Instant::now();
        for mode in [ConsentMode::ExpressAll, ConsentMode::NoticeAll] {
            let mut question = playing(mode, start);
            question.interrupted();
            assert_eq!(question.played(start, PlayId(7), WAIT), None);
            assert!("0123456789*#".chars().all(|digit| question.pressed(digit).is_none()));
            assert_eq!(question.deadline(), None);
            question.playing(start, PlayId(8), WAIT);
            assert_eq!(question.played(start, PlayId(7), WAIT), None, "the playing of before");
        }
    }

    #[test]
    fn a_prompt_whose_end_is_never_told_is_a_no_in_time() {
        let start = Instant::now();
        for mode in [ConsentMode::ExpressAll, ConsentMode::NoticeAll] {
            let question = playing(mode, start);
            let end = start + Duration::from_secs(4) + WAIT + GRACE;
            assert_eq!(question.deadline(), Some(end));
            assert_eq!(question.expired(end), Some(ConsentAnswer::Silent));
        }
    }

    #[test]
    fn a_permit_needs_both_sides() {
        use Talker::{Agent, Caller, Other};
        let (yes, no) = (agent(true), agent(false));
        let (agreed, noticed) = (record(ConsentAnswer::Agreed), record(ConsentAnswer::Noticed));
        fn is_permitted(one: Talker<'_>, other: Talker<'_>) -> bool {
            let both = [[one, other], [other, one]].map(|both| permit(CallId(1), both).is_ok());
            assert_eq!(both[0], both[1], "whoever stands first");
            both[0]
        }
        assert!(is_permitted(Caller(Some(&agreed)), Agent(&yes)));
        assert!(is_permitted(Caller(Some(&noticed)), Agent(&yes)));
        assert!(!is_permitted(Caller(Some(&agreed)), Agent(&no)));
        assert!(!is_permitted(Caller(Some(&agreed)), Other));
        assert!(!is_permitted(Caller(Some(&agreed)), Caller(Some(&agreed))));
        assert!(!is_permitted(Caller(None), Agent(&yes)));
        assert!(!is_permitted(Agent(&yes), Agent(&yes)));
        assert!(!is_permitted(Other, Agent(&yes)));
        for answer in [ConsentAnswer::Silent, ConsentAnswer::Declined('2'), ConsentAnswer::Left] {
            let refused = record(answer);
            assert!(!is_permitted(Caller(Some(&refused)), Agent(&yes)), "{answer:?}");
        }
    }
}
