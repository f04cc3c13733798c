//! How long recordings are kept, and the only place where an order to delete one is made.
//!
//! [`Retention`] asks the store for what is due, a page at a time, has the intent committed, gives out the order, and records what
//! became of it. A legal hold wins until the order is given out; a calendar that jumped deletes nothing.

mod calendar;
mod hold;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use crate::media::RecordingId;
use crate::switch::control::{Reply, RequestId};
use crate::switch::journal::{Entry, EntryId};
use crate::switch::{Now, Output};
use crate::utc::Utc;
use calendar::Calendar;
use hold::Ask;

/// Recordings asked for, ordered and deleted at once.
pub const PAGE: usize = 100;
/// After so many deletions a run ends and the next one follows at once, so that its reply is bounded.
const RUN: usize = 10_000;
/// The first run comes so long after the start.
const SETTLE: Duration = Duration::from_secs(60);
/// While the calendar is in doubt it is looked at this often.
const DOUBT: Duration = Duration::from_secs(3_600);
/// What an admin does about a calendar that is doubted and right.
const REMEDY: &str =
    "if the clock is right: tonspur retention run --accept-clock, after a look at --dry-run";
/// Admins who may wait for a run, or for a legal hold.
const ASKERS: usize = 64;

/// What the store is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Query {
    /// Recordings, sealed or failed, not purged and not on legal hold, whose time is over at `at`; the oldest first, after `after`.
    Due {
        /// This moment.
        at: Utc,
        /// Beyond this one, for the next page.
        after: Option<RecordingId>,
        /// At most so many.
        limit: usize,
    },
    /// This recording, whatever its state, unless it is purged.
    One {
        /// Which.
        recording: RecordingId,
    },
}

/// A recording as retention sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Kept {
    /// Which.
    pub recording: RecordingId,
    /// Its file, relative to the recordings folder.
    pub path: String,
    /// The name of its policy.
    pub policy: String,
    /// How long it is kept.
    pub keep: Duration,
    /// Since when: its seal or failure, its beginning while it is open.
    pub since: Utc,
    /// Must not be purged.
    pub legal_hold: bool,
}

impl Kept {
    /// When its time is over.
    pub fn due(&self) -> Utc {
        self.since.after(self.keep)
    }
}

/// The answer to a query.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// To which.
    pub query: Query,
    /// What was found, `limit` at most.
    pub found: Vec<Kept>,
}

/// Leave to delete one recording's audio. Made only here, when the intent is committed; used up by the deletion.
#[derive(PartialEq, Eq, Debug)]
pub struct PurgeOrder {
    recording: RecordingId,
    path: String,
    policy: String,
}

impl PurgeOrder {
    /// Which.
    pub fn recording(&self) -> RecordingId {
        self.recording
    }

    /// Its file, relative to the recordings folder.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The policy by which it goes.
    pub fn policy(&self) -> &str {
        &self.policy
    }
}

/// The retention job: every `every` and on request, it deletes what is due.
#[derive(Debug)]
pub struct Retention {
    every: Duration,
    next: Instant,
    ran: Option<Utc>,
    calendar: Calendar,
    run: Option<Run>,
    /// Who waits for the run after this one.
    waiting: Vec<RequestId>,
    /// Runs that are done and told when that is committed.
    done: Vec<Done>,
    orders: BTreeMap<RecordingId, Ordered>,
    asks: Vec<Ask>,
    out: VecDeque<Step>,
}

/// One pass over what is due at `at`.
#[derive(Debug)]
struct Run {
    at: Utc,
    askers: Vec<RequestId>,
    /// The page that is being looked up, or was the last.
    search: Search,
    /// Put on legal hold since the run began: a page may have been read before.
    held: BTreeSet<RecordingId>,
    purged: Vec<RecordingId>,
    failed: Vec<(RecordingId, String)>,
}

/// A run that is over; its entry is on its way to the disk, behind the tombstones, and is numbered once it is polled.
#[derive(Debug)]
struct Done {
    entry: Option<EntryId>,
    askers: Vec<RequestId>,
    reply: Reply,
}

#[derive(Debug)]
enum Search {
    /// The answer is outstanding.
    Asked { after: Option<RecordingId> },
    /// There may be more after this one, once what was ordered is done.
    More { after: RecordingId },
    /// There is no more.
    Done,
}

/// A recording between the decision and its end.
#[derive(Debug)]
enum Ordered {
    /// The intent is on its way to the disk; numbered once it is polled.
    Intended { entry: Option<EntryId>, path: String, policy: String },
    /// The order is given out and cannot be taken back.
    GivenOut,
}

#[derive(Debug)]
enum Step {
    Store(Entry),
    Find(Query),
    Purge(PurgeOrder),
    Reply(RequestId, Reply),
}

impl Retention {
    /// The job after a start. `ran` is when it last ran, `purges` are the orders (recording, path, policy) whose intent was committed
    /// before and whose end was not: they are given out again at once.
    pub fn new(
        now: Now,
        every: Duration,
        ran: Option<Utc>,
        purges: Vec<(RecordingId, String, String)>,
    ) -> Retention {
        let orders = purges.iter().map(|(id, _, _)| (*id, Ordered::GivenOut)).collect();
        let out = purges
            .into_iter()
            .map(|(recording, path, policy)| Step::Purge(PurgeOrder { recording, path, policy }))
            .collect();
        Retention {
            every: every.max(Duration::from_secs(1)),
            next: now.instant + SETTLE.min(every),
            ran,
            calendar: Calendar::new(now, ran),
            run: None,
            waiting: Vec::new(),
            done: Vec::new(),
            orders,
            asks: Vec::new(),
            out,
        }
    }

    /// When [`Retention::timeout`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        self.run.is_none().then_some(self.next)
    }

    /// Starts the regular run if it is time.
    pub fn timeout(&mut self, now: Now) {
        if self.run.is_none() && self.next <= now.instant {
            self.begin(now);
        }
    }

    /// Deletes what is due now; `request` is answered when that is done and committed, with a refusal if the calendar cannot be trusted.
    pub fn run(&mut self, now: Now, request: RequestId) {
        if self.waiting.len() >= ASKERS {
            self.reply(request, Reply::Refused { why: "too many runs are waiting".into() });
            return;
        }
        self.waiting.push(request);
        if self.run.is_none() {
            self.begin(now);
        }
    }

    /// An admin has looked at the clock and answers for it: what it says now is believed.
    pub fn vouch(&mut self, now: Now) {
        self.calendar = Calendar::new(now, None);
    }

    /// When it ran, when it runs next, and why it does not.
    pub fn status(&self, now: Now) -> Reply {
        let wait = self.next.saturating_duration_since(now.instant);
        Reply::Retention {
            ran: self.ran.map(|at| at.to_string()),
            next: self.run.is_none().then(|| now.utc.after(wait).to_string()),
            blocked: self.calendar.doubt().map(str::to_owned),
            trouble: None,
        }
    }

    /// The store answered.
    pub fn found(&mut self, now: Now, page: Page) {
        match page.query {
            Query::Due { at, after, limit } => self.found_due(now, (at, after, limit), page.found),
            Query::One { recording } => {
                self.found_one(now, recording, page.found.into_iter().next())
            }
        }
    }

    /// Everything up to `entry` is committed: what was intended is now ordered, what was put on legal hold is answered.
    pub fn stored(&mut self, now: Now, entry: EntryId) {
        let committed: Vec<RecordingId> = (self.orders.iter())
            .filter(|(_, order)| match order {
                Ordered::Intended { entry: Some(own), .. } => *own <= entry,
                Ordered::Intended { entry: None, .. } | Ordered::GivenOut => false,
            })
            .map(|(recording, _)| *recording)
            .collect();
        for recording in committed {
            if let Some(Ordered::Intended { path, policy, .. }) =
                self.orders.insert(recording, Ordered::GivenOut)
            {
                self.out.push_back(Step::Purge(PurgeOrder { recording, path, policy }));
            }
        }
        self.asks_stored(entry);
        let stored = |done: &mut Done| done.entry.is_some_and(|own| own <= entry);
        for Done { askers, reply, .. } in self.done.extract_if(.., stored).collect::<Vec<_>>() {
            askers.into_iter().for_each(|request| self.reply(request, reply.clone()));
        }
        self.go_on(now);
    }

    /// The file of an order is gone.
    pub fn purged(&mut self, now: Now, recording: RecordingId) {
        if self.orders.remove(&recording).is_none() {
            return;
        }
        self.out.push_back(Step::Store(Entry::Purged { recording, at: now.utc }));
        if let Some(run) = &mut self.run {
            run.purged.push(recording);
        }
        self.asks_purged(recording);
        self.go_on(now);
    }

    /// It could not be deleted: the row stays due, the next run tries again.
    pub fn purge_failed(&mut self, now: Now, recording: RecordingId, cause: String) {
        if self.orders.remove(&recording).is_none() {
            return;
        }
        if let Some(run) = &mut self.run {
            run.failed.push((recording, cause));
        }
        self.asks_not_purged(now, recording);
        self.go_on(now);
    }

    /// The next thing to do. `number` gives the next entry's number, and is called only for [`Output::Store`]: pass the output on
    /// before anything else is numbered.
    pub fn poll(&mut self, number: impl FnOnce() -> EntryId) -> Option<Output> {
        Some(match self.out.pop_front()? {
            Step::Store(entry) => {
                let id = number();
                self.numbered(&entry, id);
                Output::Store(id, entry)
            }
            Step::Find(query) => Output::Find(query),
            Step::Purge(order) => Output::Purge(order),
            Step::Reply(request, reply) => Output::Reply(request, reply),
        })
    }

    /// Whether nothing is asked, ordered or owed an answer.
    pub fn at_rest(&self) -> bool {
        self.run.is_none()
            && self.orders.is_empty()
            && self.asks.is_empty()
            && self.waiting.is_empty()
            && self.done.is_empty()
            && self.out.is_empty()
    }

    /// Whether there is nothing to poll.
    pub fn is_quiet(&self) -> bool {
        self.out.is_empty()
    }

    fn begin(&mut self, now: Now) {
        self.next = now.instant + self.every;
        match self.calendar.check(now) {
            Ok(()) => {
                self.run = Some(Run {
                    at: now.utc,
                    askers: std::mem::take(&mut self.waiting),
                    search: Search::Done,
                    held: BTreeSet::new(),
                    purged: Vec::new(),
                    failed: Vec::new(),
                });
                self.search(None);
            }
            Err(doubt) => {
                self.next = now.instant + self.every.min(DOUBT);
                if doubt.new {
                    let why = doubt.why.clone();
                    self.out.push_back(Step::Store(Entry::RetentionBlocked { why, at: now.utc }));
                }
                let why = format!("{}; {REMEDY}", doubt.why);
                for request in std::mem::take(&mut self.waiting) {
                    self.reply(request, Reply::Refused { why: why.clone() });
                }
            }
        }
    }

    fn search(&mut self, after: Option<RecordingId>) {
        if let Some(run) = &mut self.run {
            run.search = Search::Asked { after };
            self.out.push_back(Step::Find(Query::Due { at: run.at, after, limit: PAGE }));
        }
    }

    fn found_due(&mut self, now: Now, asked: (Utc, Option<RecordingId>, usize), found: Vec<Kept>) {
        let Some(run) = &mut self.run else { return };
        let (at, after, limit) = asked;
        match run.search {
            Search::Asked { after: expected } if (expected, run.at) == (after, at) => {}
            Search::Asked { .. } | Search::More { .. } | Search::Done => return,
        }
        run.search = match found.last() {
            Some(last) if found.len() >= limit => Search::More { after: last.recording },
            Some(_) | None => Search::Done,
        };
        for kept in found {
            let recording = kept.recording;
            let held = kept.legal_hold
                || run.held.contains(&recording)
                || self.asks.iter().any(|ask| ask.forbids(recording));
            if held || kept.due() > run.at || self.orders.contains_key(&recording) {
                continue;
            }
            let Kept { path, policy, .. } = kept;
            self.out.push_back(Step::Store(Entry::PurgeOrdered {
                recording,
                policy: policy.clone(),
                at: run.at,
            }));
            self.orders.insert(recording, Ordered::Intended { entry: None, path, policy });
        }
        self.go_on(now);
    }

    /// Once nothing is on its way: the next page, or the end of the run.
    fn go_on(&mut self, now: Now) {
        let Some(run) = &self.run else { return };
        if !self.orders.is_empty() {
            return;
        }
        let full = run.purged.len() + run.failed.len() >= RUN;
        match run.search {
            Search::Asked { .. } => {}
            Search::More { after } if !full => self.search(Some(after)),
            Search::More { .. } | Search::Done => self.finish(now),
        }
    }

    fn finish(&mut self, now: Now) {
        let Some(run) = self.run.take() else { return };
        self.ran = Some(run.at);
        self.out.push_back(Step::Store(Entry::RetentionRan {
            at: run.at,
            purged: run.purged.len(),
            failed: run.failed.len(),
        }));
        let purged: Vec<String> = run.purged.iter().map(RecordingId::to_string).collect();
        let failed: Vec<(String, String)> =
            run.failed.into_iter().map(|(id, cause)| (id.to_string(), cause)).collect();
        if matches!(run.search, Search::More { .. }) && !purged.is_empty() {
            self.next = now.instant;
        }
        let reply = Reply::RetentionRan { purged, failed };
        self.done.push(Done { entry: None, askers: run.askers, reply });
        if !self.waiting.is_empty() {
            self.begin(now);
        }
    }

    fn numbered(&mut self, stored: &Entry, id: EntryId) {
        match stored {
            Entry::PurgeOrdered { recording, .. } => {
                if let Some(Ordered::Intended { entry, .. }) = self.orders.get_mut(recording) {
                    *entry = Some(id);
                }
            }
            Entry::RetentionRan { .. } => {
                if let Some(done) = self.done.iter_mut().find(|done| done.entry.is_none()) {
                    done.entry = Some(id);
                }
            }
            Entry::LegalHold { recording, .. } | Entry::Released { recording, .. } => {
                self.ask_numbered(*recording, id);
            }
            Entry::Bound(_)
            | Entry::Unbound { .. }
            | Entry::AgentStatus { .. }
            | Entry::Forwarding { .. }
            | Entry::Call(_)
            | Entry::Leg(_)
            | Entry::DialogUp { .. }
            | Entry::DialogDown { .. }
            | Entry::SubscriptionUp(_)
            | Entry::SubscriptionDown { .. }
            | Entry::Armed(_)
            | Entry::Sealed { .. }
            | Entry::RecordingFailed { .. }
            | Entry::Purged { .. }
            | Entry::RetentionBlocked { .. } => {}
        }
    }

    fn reply(&mut self, request: RequestId, reply: Reply) {
        self.out.push_back(Step::Reply(request, reply));
    }
}

#[cfg(test)]
mod tests;
