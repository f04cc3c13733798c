//! Admins who wait for an answer. What has to be committed first is answered in bounded time, with what keeps it from being committed.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use crate::switch::control::{Reply, RequestId};

/// Admins who may be waiting; their clients are bounded too.
const MOST: usize = 256;
/// So long an answer may take while the database cannot be written.
const PATIENCE: Duration = Duration::from_secs(10);
/// After that, whether it can be written is asked again in so long.
const AGAIN: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Askers {
    /// In the order in which they asked.
    waiting: BTreeMap<RequestId, Asker>,
    requests: u64,
    looked: Option<Instant>,
}

#[derive(Debug)]
struct Asker {
    since: Instant,
    answer: oneshot::Sender<Reply>,
}

impl Askers {
    pub(super) fn has_room(&self) -> bool {
        self.waiting.len() < MOST
    }

    /// The number of a request that nobody waits for.
    pub(super) fn number(&mut self) -> RequestId {
        self.requests += 1;
        RequestId(self.requests)
    }

    pub(super) fn add(&mut self, now: Instant, answer: oneshot::Sender<Reply>) -> RequestId {
        let id = self.number();
        self.waiting.insert(id, Asker { since: now, answer });
        id
    }

    /// The answer, if it is still waited for.
    pub(super) fn answer(&mut self, id: RequestId, reply: Reply) {
        if let Some(asker) = self.waiting.remove(&id) {
            // The admin may have gone.
            let _ = asker.answer.send(reply);
        }
    }

    /// When [`Askers::give_up`] is due.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let (_, oldest) = self.waiting.first_key_value()?;
        let due = oldest.since + PATIENCE;
        Some(self.looked.map_or(due, |looked| due.max(looked + AGAIN)))
    }

    /// Tells those who have waited long enough what the trouble with the database is. What they asked for is done once it is over.
    pub(super) fn give_up(&mut self, now: Instant, trouble: impl FnOnce() -> Option<String>) {
        if self.deadline().is_none_or(|due| due > now) {
            return;
        }
        self.looked = Some(now);
        let Some(trouble) = trouble() else { return };
        let why = format!(
            "not stored because {trouble}: it is tried until it can be, and done then; see tonspur retention status"
        );
        while let Some(oldest) = self.waiting.first_entry()
            && oldest.get().since + PATIENCE <= now
        {
            let _ = oldest.remove().answer.send(Reply::Refused { why: why.clone() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_a_database_that_cannot_be_written_is_told_why_in_bounded_time() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut askers = Askers::default();
        assert_eq!(askers.deadline(), None);
        let ((first, mut told), (second, mut later)) = (oneshot::channel(), oneshot::channel());
        askers.add(at(0), first);
        let second = askers.add(at(5), second);
        assert_eq!(askers.deadline(), Some(at(10)));
        askers.give_up(at(9), || panic!("it is early"));

        // A run that takes its time, and a database that is well.
        askers.give_up(at(10), || None);
        assert!(told.try_recv().is_err());
        assert_eq!(askers.deadline(), Some(at(11)));

        askers.give_up(at(11), || Some("database or disk is full".to_owned()));
        let Ok(Reply::Refused { why }) = told.try_recv() else { panic!("refused") };
        assert!(why.starts_with("not stored because database or disk is full"), "{why}");
        assert!(later.try_recv().is_err(), "this one may wait");
        assert_eq!(askers.deadline(), Some(at(15)));
        askers.answer(second, Reply::Done);
        assert_eq!((later.try_recv(), askers.deadline()), (Ok(Reply::Done), None));
    }
}
