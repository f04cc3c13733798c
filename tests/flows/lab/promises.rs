//! What holds after any run, whatever was lost, doubled, late or killed: DESIGN's list, checked one by one.

use std::collections::BTreeMap;
use std::time::Duration;

use tonspur::phone::Received;
use tonspur::switch::control::Request;
use tonspur::switch::journal::{Armed, Cdr, ConsentAnswer, ConsentRecord, Entry};
use tonspur::switch::settings::ConsentMode;

use super::tapes::End;
use super::world::World;

/// Every timer of a call has run out by then: 64 T1 twice, and an agent's notes.
const TIMERS: Duration = Duration::from_secs(80);

/// No subscription is longer.
const LONGEST: Duration = Duration::from_secs(3_600);

impl World {
    /// Lets every timer run out; nothing may be left of any call, and every promise must be kept.
    pub(crate) fn settle(&mut self) {
        self.speak(false);
        // Whoever is asked whether they are there, or registered with, is so for ever.
        let gateways = self.settings.trunks.values().flat_map(|trunk| &trunk.gateways);
        if gateways.into_iter().any(|at| at.health.is_some() || at.register.is_some()) {
            self.tell(Request::Stop);
        }
        self.advance(TIMERS);
        let mut broken = self.burning_lamps();
        if self.phones.iter().any(|(_, phone)| !phone.subscriptions().is_empty()) {
            // By then the last of them is over, and so is its last NOTIFY.
            self.advance(LONGEST + TIMERS);
        }
        if let Err(open) = self.switch.at_rest() {
            broken.push(format!("left behind: {open}"));
        }
        if self.opened != self.closed || !self.addresses.is_empty() {
            broken.push(format!("{} ports opened, {} closed", self.opened, self.closed));
        }
        if let Some(at) = self.relay.deadline() {
            broken.push(format!("a media timer at {:?}", at - self.start));
        }
        if !self.journal.is_committed() {
            broken.push("entries that were never committed".to_owned());
        }
        broken.extend(self.broken_recordings());
        broken.extend(self.broken_calls());
        broken.extend(self.broken_dialogs());
        broken.extend(self.unconfirmed.iter().map(|text| format!("rsip cannot read: {text}")));
        assert!(
            broken.is_empty(),
            "seed {}:\n{}\n{}",
            self.seed,
            broken.join("\n"),
            self.ladder.draw()
        );
    }

    /// Every recording is armed once and sealed or failed once, or was never begun.
    fn broken_recordings(&self) -> Vec<String> {
        let mut broken = Vec::new();
        let mut rows: BTreeMap<_, [usize; 4]> = BTreeMap::new();
        for entry in self.journal.entries() {
            let (recording, column) = match entry {
                Entry::Armed(armed) => (armed.recording, 0),
                Entry::Sealed { recording, .. } => (*recording, 1),
                Entry::RecordingFailed { recording, .. } => (*recording, 2),
                Entry::Purged { recording, .. } => (*recording, 3),
                _ => continue,
            };
            rows.entry(recording).or_default()[column] += 1;
        }
        for (recording, [armed, sealed, failed, purged]) in &rows {
            if *armed != 1 || *sealed > 1 || *failed > 1 || sealed + failed == 0 || *purged > 1 {
                broken.push(format!(
                    "{recording}: {armed} armed, {sealed} sealed, {failed} failed, {purged} purged"
                ));
            }
        }
        for tape in &self.tapes.all {
            let id = tape.id;
            let [_, sealed, failed, purged] = rows.get(&id).copied().unwrap_or_default();
            if tape.recorded && !rows.contains_key(&id) {
                broken.push(format!("{id}: audio without a row"));
            }
            if tape.purged != (purged == 1) {
                broken.push(format!("{id}: purged {} times, gone: {}", purged, tape.purged));
            }
            let well = match tape.end {
                End::Open(_) => false,
                End::Sealed | End::Adopted => sealed == 1,
                End::Failed => failed == 1,
                // Never begun: there may be a row, and it says so.
                End::Torn => !tape.recorded && sealed == 0,
            };
            if !well {
                broken.push(format!("{id}: never sealed, or without saying so"));
            }
        }
        broken
    }

    /// When all calls are over, no lamp shows one, on any phone whose subscription the switch knows.
    fn burning_lamps(&self) -> Vec<String> {
        let known = self.journal.memory().subscriptions;
        let mut broken = Vec::new();
        for (name, phone) in &self.phones {
            for one in phone.subscriptions() {
                let is_known =
                    known.iter().any(|known| Some(known.local_tag.as_str()) == one.far_tag());
                let lives = one.until.is_some_and(|until| until > self.now);
                let is_gone = self.network.gone.contains(&phone.identity().sip);
                let states = one.told.as_ref().map(Received::states).unwrap_or_default();
                let burns = states.iter().any(|state| *state != "terminated");
                if is_known && lives && !is_gone && burns {
                    broken.push(format!("{name}'s lamp of {} shows {states:?}", one.name));
                }
            }
        }
        broken
    }

    /// Every call has one row with an end; a row names a recording only if both agreed, and every recording has such a row.
    fn broken_calls(&self) -> Vec<String> {
        let mut broken = Vec::new();
        let cdrs = self.journal.cdrs();
        // An INVITE that is repeated because a crash has kept its answer is another call.
        let cut_off = |cdr: &&Cdr| cdr.end_cause.as_deref() == Some("interrupted");
        let whole = cdrs.len() - cdrs.iter().filter(cut_off).count();
        if whole > self.begun.len() {
            broken.push(format!("{whole} calls of {} INVITEs", self.begun.len()));
        }
        let crashed = !self.life.deaths.is_empty();
        for cdr in &cdrs {
            if cdr.ended.is_none() || cdr.end_cause.is_none() {
                broken.push(format!("{} has no end", cdr.call));
            }
            let armed = self.armed().find(|armed| armed.call == cdr.call);
            match (cdr.recording, armed) {
                (Some(named), Some(armed)) if named == armed.recording => {}
                (None, None) => {}
                // The last row of it was not committed.
                (None, Some(_)) if crashed => {}
                (named, armed) => broken.push(format!("{named:?} named, {armed:?}")),
            }
            if cdr.recording.is_some() && (!is_permitted(cdr) || cdr.unrecorded.is_some()) {
                broken.push(format!("{} is recorded and says why not", cdr.call));
            }
            let is_told = cdr.recording.is_some()
                || cdr.unrecorded.is_some()
                || cdr.merged_into.is_some()
                || cdr.end_cause.as_deref() == Some("interrupted");
            if cdr.answered.is_some() && !is_told {
                broken
                    .push(format!("{} was answered, and nothing tells why not recorded", cdr.call));
            }
        }
        for armed in self.armed() {
            let call = cdrs.iter().find(|cdr| cdr.call == armed.call);
            if !call.is_some_and(is_permitted) {
                broken.push(format!("{} is recorded without consent", armed.recording));
            }
        }
        broken
    }

    pub(super) fn armed(&self) -> impl Iterator<Item = &Armed> {
        self.journal.entries().filter_map(|entry| match entry {
            Entry::Armed(armed) => Some(armed),
            _ => None,
        })
    }

    /// No phone is left in a call that the switch knows nothing of, unless a crash came before the journal knew.
    fn broken_dialogs(&self) -> Vec<String> {
        let forgotten = |far: &String| {
            let deaths = &self.life.deaths;
            deaths.iter().any(|death| {
                death.up.iter().any(|key| key.far == *far) && !death.remembered.contains(far)
            })
        };
        let left = self.dialogs.up().filter(|key| {
            let address = self.phones[key.place].1.identity().sip;
            !self.network.gone.contains(&address) && !forgotten(&key.far)
        });
        let left = left.map(|key| format!("{} is left in a dead call", self.phones[key.place].0));
        left.chain(self.dialogs.wrong.iter().cloned()).collect()
    }

    /// The journal is told of a recording: the answer is there, the agent has agreed, and the tap is not older than either.
    pub(super) fn assert_permitted(&self, armed: &Armed) {
        let row = self.journal.appended().filter_map(|entry| match entry {
            Entry::Call(cdr) if cdr.call == armed.call => Some(cdr),
            _ => None,
        });
        let row = row.last().expect("a call has a row before its recording");
        assert!(is_permitted(row), "tapped without consent: {:?}", row.consent);
        let agent = &self.settings.agents[&armed.agent];
        assert!(agent.agrees_to_recording, "{} has not agreed", agent.name);
        assert!(self.tapes.all.iter().any(|tape| tape.id == armed.recording), "tapped first");
    }
}

fn is_permitted(cdr: &Cdr) -> bool {
    cdr.consent.as_ref().is_some_and(|ConsentRecord { mode, answer, .. }| {
        matches!(
            (mode, answer),
            (ConsentMode::ExpressAll, ConsentAnswer::Agreed)
                | (ConsentMode::NoticeAll, ConsentAnswer::Noticed)
        )
    })
}
