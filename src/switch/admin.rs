//! The admin's requests, answered.

use super::control::{Reply, Request, RequestId};
use super::forwarding::Change;
use super::journal::CallId;
use super::trunk::Trunks;
use super::{Lines, Now, Stopping, Switch};

impl Switch {
    pub(super) fn control(&mut self, now: Now, id: RequestId, request: Request) {
        let registered = |user: &str| self.registrar.reachable(user).next().is_some();
        let reply = match request {
            Request::CallList => {
                Reply::Calls { calls: self.calls.values().map(|call| call.row()).collect() }
            }
            Request::CallShow { call } => match self.find(&call) {
                Ok(call) => Reply::Calls {
                    calls: self
                        .calls
                        .get(&call)
                        .map(|call| call.whole_row(now))
                        .into_iter()
                        .collect(),
                },
                Err(reply) => reply,
            },
            Request::CallHangup { call } => match self.find(&call) {
                Ok(call) => {
                    self.with(now, call, |call, desk| {
                        call.finish(desk, "hung up by an admin", None)
                    });
                    Reply::Done
                }
                Err(reply) => reply,
            },
            Request::RegistrationList => {
                Reply::Registrations { registrations: self.registrar.rows() }
            }
            Request::BlockList => Reply::Blocks { blocks: self.gate.rows(now.instant) },
            Request::BlockLift { source } => match source.parse() {
                Ok(address) if self.gate.lift(now.instant, address) => Reply::Done,
                Ok(_) => Reply::NotFound { what: format!("{source} is not blocked") },
                Err(_) => Reply::Refused { why: format!("{source:?} is no address") },
            },
            Request::SubscriptionList => {
                Reply::Subscriptions { subscriptions: self.subscriptions.rows(now) }
            }
            Request::TrunkList => {
                Reply::Trunks { trunks: self.trunks.rows(now, &self.settings, None) }
            }
            Request::TrunkShow { trunk } if !self.settings.trunks.contains_key(&trunk) => {
                Reply::NotFound { what: format!("there is no trunk {trunk:?}") }
            }
            Request::TrunkShow { trunk } => {
                Reply::Trunks { trunks: self.trunks.rows(now, &self.settings, Some(&trunk)) }
            }
            Request::QueueShow { queue: Some(queue) }
                if !self.settings.queues.contains_key(&queue) =>
            {
                Reply::NotFound { what: format!("there is no queue {queue:?}") }
            }
            Request::QueueShow { queue } => Reply::Queues {
                queues: self.queues.rows(
                    now.instant,
                    &self.settings,
                    queue.as_deref(),
                    &self.agents,
                    registered,
                ),
            },
            Request::AgentList => Reply::Agents {
                agents: self.agents.rows(&self.settings, self.settings.agents.keys(), registered),
            },
            Request::AgentSet { agent, status } => {
                if self.agents.set(now, &agent, status, &mut self.outbox) {
                    self.lines = Lines::Changed;
                    Reply::Done
                } else {
                    Reply::NotFound { what: format!("there is no agent {agent:?}") }
                }
            }
            Request::StorageShow => {
                Reply::Storage { storage: self.storage.row(now.instant, &self.settings.storage) }
            }
            Request::ForwardingShow { user } => self.forwarding_of(&user),
            Request::ForwardingSet { user, to, after } => self.forward(now, &user, to, after),
            Request::DoNotDisturb { user, on } => self.said(now, &user, Change::Undisturbed(on)),
            Request::LegalHold { recording, reason } => {
                return self.retention.hold(now, id, &recording, &reason);
            }
            Request::Release { recording } => return self.retention.release(now, id, &recording),
            Request::RetentionRun => return self.retention.run(now, id),
            Request::AcceptClock => {
                self.retention.vouch(now);
                Reply::Done
            }
            Request::RetentionStatus => self.retention.status(now),
            // The server answers these, for the files are none of ours.
            Request::CertificateShow | Request::CertificateReload => {
                Reply::Refused { why: "nothing here has TLS".to_owned() }
            }
            Request::Stop => {
                if self.stopping == Stopping::No {
                    self.stopping = Stopping::Asked;
                    self.carriers(now, Trunks::leave);
                    self.subscriptions.deactivate(now.instant);
                }
                for call in self.calls.keys().copied().collect::<Vec<_>>() {
                    self.with(now, call, |call, desk| {
                        call.finish(desk, "the switch stopped", None)
                    });
                }
                Reply::Done
            }
        };
        self.outbox.reply(id, reply);
    }

    /// The one call whose id begins so.
    fn find(&self, id: &str) -> Result<CallId, Reply> {
        let mut found = self.calls.keys().filter(|call| {
            !id.is_empty() && call.to_string().starts_with(&id.to_ascii_lowercase())
        });
        match (found.next(), found.next()) {
            (Some(call), None) => Ok(*call),
            (None, _) => Err(Reply::NotFound { what: format!("no call begins with {id:?}") }),
            (Some(_), Some(_)) => {
                Err(Reply::Refused { why: format!("several calls begin with {id:?}") })
            }
        }
    }
}
