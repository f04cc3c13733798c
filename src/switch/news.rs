//! What calls leave behind as news, and whom each concerns.

use super::call::LegId;
use super::call::desk::News;
use super::{Lines, Now, Switch};

impl Switch {
    pub(super) fn tell(&mut self, now: Now) {
        if !self.news.is_empty() {
            self.lines = Lines::Changed;
        }
        for news in std::mem::take(&mut self.news) {
            match news {
                News::Engaged(user) => self.agents.engage(&user),
                News::Disengaged(user) => self.agents.disengage(&user),
                News::Moved { user, from } => {
                    self.subscriptions.lamps().of_user(&user, from, || None);
                }
                News::Arrived(call) => self.arrived(now, call),
                News::Granted(call) => self.answer_wish(now, call),
                News::Withdrawn { call, kept } => {
                    self.ledger.withdrawn(now.instant, call, kept);
                }
                News::TrunkFree(trunk) => self.trunks.give_back(&trunk),
                News::Queued { queue, call: id } => {
                    self.queues.join(now.instant, &queue, id);
                    if let Some(call) = self.calls.get(&id) {
                        call.light_queue(&self.settings, &queue, self.subscriptions.lamps());
                    }
                }
                News::Unqueued { queue, call } => {
                    self.queues.leave(&queue, call);
                    self.subscriptions.lamps().of_queue(&queue, (call, LegId(0)), || None);
                }
                News::Parked { slot, call: id } => {
                    if let Some(call) = self.calls.get(&id) {
                        call.light_slot(&self.settings, slot, self.subscriptions.lamps());
                    }
                }
                News::Unparked { slot, call } => {
                    self.subscriptions.lamps().of_slot(slot, (call, LegId(0)), || None);
                }
                News::Elsewhere { call, elsewhere } => self.divert(now, call, elsewhere),
                News::Missed { queue, agent, call } => {
                    self.agents.missed(now.instant, &agent, call);
                    self.queues.missed(&queue, call);
                }
                News::Spared { agent, call } => self.agents.spared(&agent, call),
                News::Talking { agent, call } => self.agents.talking(&agent, call),
                News::Finished { agent, call, wrap_up } => {
                    self.agents.wrap_up(now.instant, &agent, call, wrap_up)
                }
            }
        }
    }
}
