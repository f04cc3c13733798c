//! What the runs of one part came to.

use tonspur::switch::journal::{ConsentAnswer, Entry};

use super::story::Story;

/// See the module.
#[derive(Default, Debug)]
pub(super) struct Tally {
    calls: usize,
    bridged: usize,
    recorded: usize,
    refused: usize,
    cancelled: usize,
    declined: usize,
    silent: usize,
    outbound: usize,
    held: usize,
    deaths: usize,
    cut_off: usize,
    acknowledged: usize,
    transferred: usize,
    watched: usize,
}

impl Tally {
    pub(super) fn count(&mut self, story: &Story) {
        let lab = &story.lab;
        self.deaths += lab.deaths();
        self.acknowledged += lab.said("PRACK");
        for cdr in lab.cdrs() {
            self.calls += 1;
            self.bridged += usize::from(cdr.bridged.is_some());
            self.recorded += usize::from(cdr.recording.is_some());
            self.cancelled += usize::from(cdr.status == Some(487));
            self.refused += usize::from(cdr.status.is_some_and(|status| status != 487));
            self.outbound += usize::from(cdr.route.is_some_and(|route| route.contains("out")));
            match cdr.consent.map(|consent| consent.answer) {
                Some(ConsentAnswer::Declined(_)) => self.declined += 1,
                Some(ConsentAnswer::Silent) => self.silent += 1,
                _ => {}
            }
            self.transferred += usize::from(cdr.transferred_to.is_some());
            self.cut_off += usize::from(cdr.end_cause.as_deref() == Some("interrupted"));
        }
        for entry in lab.entries() {
            match entry {
                Entry::Sealed { sealed, .. } => {
                    self.held += usize::from(!sealed.silences.is_empty())
                }
                Entry::SubscriptionUp(_) => self.watched += 1,
                _ => {}
            }
        }
    }

    /// A storm in which nothing happens proves nothing.
    pub(super) fn assert_full(&self) {
        let Tally { calls, bridged, recorded, refused, cancelled, .. } = *self;
        let Tally { declined, silent, outbound, held, deaths, cut_off, acknowledged, .. } = *self;
        let Tally { transferred, watched, .. } = *self;
        let counts = [
            recorded,
            refused,
            cancelled,
            declined,
            silent,
            outbound,
            held,
            deaths,
            cut_off,
            acknowledged,
            transferred,
            watched,
        ];
        assert!(calls >= 300 && bridged >= 100, "{self:?}");
        assert!(counts.iter().all(|count| *count >= 5), "{self:?}");
    }
}
