//! Our registration with one gateway (RFC 3261 §10.2): asked for, renewed before it ends, taken to the next target where one fails, and
//! after a failure tried again later and later (RFC 5626 §4.5).

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

use super::{Means, flow_to, request};
use crate::switch::settings::{Gateway, Register};
use crate::wire::flow::{Flow, Transport};
use crate::wire::sip::auth;
use crate::wire::sip::endpoint::ClientId;
use crate::wire::sip::headers::{Address, Contacts, Name};
use crate::wire::sip::locating::Target;
use crate::wire::sip::message::{Message, Method, Status};
use crate::wire::sip::transaction::PATIENCE;
use crate::wire::sip::uri::Uri;

/// RFC 5626 §4.5: base-time (all flows failed) and max-time.
const AGAIN: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(1_800));
/// No registrar makes us wait, or live, longer than this.
const DAY: Duration = Duration::from_secs(24 * 3_600);
/// A shorter life than this would have us register all the time.
const SHORTEST: Duration = Duration::from_secs(10);
/// Challenges answered for one request: the second only because a nonce was stale.
const CHALLENGES: u32 = 2;
/// A stop waits so long for the last answer.
const GOODBYE: Duration = Duration::from_secs(1);

/// See the module.
#[derive(Debug)]
pub(super) struct Registration {
    trunk: String,
    /// What our Contact is known by: nobody else can know it.
    token: String,
    call_id: String,
    sequence: u32,
    tag: String,
    /// What is asked for: what the file says, or what the registrar wants at least.
    expires: Duration,
    failures: u32,
    binding: Option<Binding>,
    state: State,
    /// The last failure, for people.
    trouble: Option<Trouble>,
}

/// What the registrar has granted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Binding {
    pub(super) target: Target,
    pub(super) until: Instant,
}

/// Why we are not registered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Trouble {
    /// Its name leads nowhere.
    Unresolved,
    /// Nobody answers.
    Silent,
    /// It says so.
    Refused(Status),
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Trouble::Unresolved => f.write_str("its name leads nowhere"),
            Trouble::Silent => f.write_str("nobody answers"),
            Trouble::Refused(status) => write!(f, "refused with {}", status.code()),
        }
    }
}

#[derive(Debug)]
enum State {
    /// Until then, or until its name is known.
    Resting {
        at: Option<Instant>,
    },
    /// Asked; others are asked if it does not answer by then.
    Asking {
        asked: Asked,
        others: VecDeque<Target>,
    },
    /// Until it is time to renew.
    Registered {
        refresh: Instant,
    },
    /// Our goodbye awaits its answer.
    Leaving {
        asked: Asked,
    },
    Gone,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    client: ClientId,
    target: Target,
    give_up: Instant,
    /// Challenges answered, and lives corrected.
    challenges: u32,
    corrected: bool,
}

/// What came of a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Step {
    /// Nothing to tell.
    Nothing,
    /// Registered, which we were not.
    Registered(Target),
    /// Not registered, and why.
    Failed(Trouble),
    /// This target did not serve: another is asked.
    Missed(Target),
}

impl Registration {
    pub(super) fn new(
        means: &mut Means<'_>,
        trunk: &str,
        token: String,
        register: &Register,
    ) -> Registration {
        // Not all at once.
        let soon = Duration::from_millis(u64::from(means.ids.word() % 500));
        Registration {
            trunk: trunk.to_owned(),
            token,
            call_id: means.ids.call_id(),
            sequence: 0,
            tag: means.ids.tag(),
            expires: register.expires,
            failures: 0,
            binding: None,
            state: State::Resting { at: Some(means.now.instant + soon) },
            trouble: None,
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Resting { at } => *at,
            State::Asking { asked, .. } | State::Leaving { asked } => Some(asked.give_up),
            State::Registered { refresh } => Some(*refresh),
            State::Gone => None,
        }
    }

    /// What the registrar has granted, while it lasts.
    pub(super) fn binding(&self, now: Instant) -> Option<Binding> {
        self.binding.filter(|binding| now < binding.until)
    }

    pub(super) fn trouble(&self) -> Option<Trouble> {
        self.trouble
    }

    /// Whether the goodbye is still on its way.
    pub(super) fn is_leaving(&self) -> bool {
        matches!(self.state, State::Leaving { .. })
    }

    /// A request of ours is on its way.
    pub(super) fn client(&self) -> Option<ClientId> {
        match &self.state {
            State::Asking { asked, .. } | State::Leaving { asked } => Some(asked.client),
            State::Resting { .. } | State::Registered { .. } | State::Gone => None,
        }
    }

    /// Its name leads elsewhere now; `targets` are what it leads to.
    pub(super) fn located(
        &mut self,
        means: &mut Means<'_>,
        gateway: &Gateway,
        targets: Vec<Target>,
    ) -> Step {
        let begins = match &self.state {
            State::Resting { at: None } => true,
            State::Resting { .. } => self.trouble == Some(Trouble::Unresolved),
            // Where we are registered is no place of theirs any more.
            State::Registered { .. } => {
                self.binding.is_some_and(|binding| !targets.contains(&binding.target))
            }
            State::Asking { .. } | State::Leaving { .. } | State::Gone => false,
        };
        if begins && !targets.is_empty() {
            return self.begin(means, gateway, Some(targets));
        }
        Step::Nothing
    }

    /// It is time to ask, or to stop waiting for the answer. `targets` in the order they are to be tried; `None`: the name is being
    /// looked up.
    pub(super) fn timeout(
        &mut self,
        means: &mut Means<'_>,
        gateway: &Gateway,
        targets: Option<Vec<Target>>,
    ) -> Step {
        match &mut self.state {
            State::Resting { .. } | State::Registered { .. } => self.begin(means, gateway, targets),
            State::Asking { asked, .. } => {
                means.endpoint.abandon(asked.client);
                self.missed(means, gateway, Trouble::Silent, None)
            }
            State::Leaving { asked } => {
                means.endpoint.abandon(asked.client);
                self.state = State::Gone;
                Step::Nothing
            }
            State::Gone => Step::Nothing,
        }
    }

    fn begin(
        &mut self,
        means: &mut Means<'_>,
        gateway: &Gateway,
        targets: Option<Vec<Target>>,
    ) -> Step {
        let Some(targets) = targets else {
            self.state = State::Resting { at: None };
            return Step::Nothing;
        };
        let mut others = VecDeque::from(targets);
        // A renewal goes to where the binding is.
        let known = self.binding(means.now.instant).map(|binding| binding.target);
        if let Some(known) = known.filter(|known| others.contains(known)) {
            others.retain(|target| *target != known);
            others.push_front(known);
        }
        if others.is_empty() {
            return self.fail(means, Trouble::Unresolved, None);
        }
        match self.next(means, gateway, others) {
            Some(_) => Step::Nothing,
            None => self.fail(means, Trouble::Silent, None),
        }
    }

    /// Asks the first that can be asked.
    fn next(
        &mut self,
        means: &mut Means<'_>,
        gateway: &Gateway,
        mut others: VecDeque<Target>,
    ) -> Option<ClientId> {
        while let Some(target) = others.pop_front() {
            if let Some(client) = self.ask(means, gateway, target, self.expires, None) {
                // The last has all the time that a transaction has.
                let time = if others.is_empty() { PATIENCE } else { gateway.timeout };
                let give_up = means.now.instant + time;
                let asked = Asked { client, target, give_up, challenges: 0, corrected: false };
                self.state = State::Asking { asked, others };
                return Some(client);
            }
        }
        None
    }

    fn ask(
        &mut self,
        means: &mut Means<'_>,
        gateway: &Gateway,
        target: Target,
        expires: Duration,
        proof: Option<(Name, String)>,
    ) -> Option<ClientId> {
        let register = gateway.register.as_ref()?;
        let flow = flow_to(means.settings, &self.trunk, target)?;
        self.sequence = (self.sequence + 1) & 0x7fff_ffff;
        let own = Address::new(gateway.uri(Some(register.user.reveal())));
        let contact = Address::new(self.contact(means, flow));
        let call = (&*self.call_id, self.sequence);
        let from = own.clone().tagged(&self.tag);
        let request = request(&Method::Register, &gateway.uri(None), &from, &own, call)
            .header(Name::Contact, contact)
            .header(Name::Expires, expires.as_secs());
        let request =
            proof.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        Some(means.endpoint.request(means.now.instant, flow, request))
    }

    /// Ours alone: a call that comes to it comes from this registrar. Carriers that put the dialled number in its place keep the
    /// parameter.
    fn contact(&self, means: &Means<'_>, flow: Flow) -> Uri {
        let own = Uri::sip(Some(&self.token), means.settings.listener(flow.listener).advertise);
        let own = match flow.transport {
            Transport::Udp => own,
            Transport::Tcp | Transport::Tls => own.with_param("transport", flow.transport.word()),
        };
        own.with_param("line", &self.token)
    }

    /// An answer to a request of ours.
    pub(super) fn response(
        &mut self,
        means: &mut Means<'_>,
        gateway: &Gateway,
        response: &Message,
    ) -> Step {
        let Some(status) = response.status().filter(|status| !status.is_provisional()) else {
            return Step::Nothing;
        };
        let (asked, leaves) = match &self.state {
            State::Asking { asked, .. } => (*asked, false),
            State::Leaving { asked } => (*asked, true),
            State::Resting { .. } | State::Registered { .. } | State::Gone => return Step::Nothing,
        };
        match status.code() {
            200..=299 if leaves => {
                (self.state, self.binding) = (State::Gone, None);
                Step::Nothing
            }
            200..=299 => self.granted(means, asked.target, response),
            401 | 407 => {
                let expires = if leaves { Duration::ZERO } else { self.expires };
                let proof = self.proof(means, gateway, asked, response);
                let again = proof
                    .and_then(|proof| self.ask(means, gateway, asked.target, expires, Some(proof)));
                let Some(client) = again else {
                    return self.refused(means, leaves, status, response);
                };
                let challenges = asked.challenges + 1;
                self.resume(Asked { client, challenges, ..asked })
            }
            423 if !leaves && !asked.corrected => {
                let least = response.seconds(Name::MinExpires).filter(|least| *least <= DAY);
                let Some(least) = least.filter(|least| *least > self.expires) else {
                    return self.refused(means, leaves, status, response);
                };
                self.expires = least;
                let Some(client) = self.ask(means, gateway, asked.target, least, None) else {
                    return self.refused(means, leaves, status, response);
                };
                self.resume(Asked { client, challenges: 0, corrected: true, ..asked })
            }
            408 | 500..=599 if !leaves => {
                let after = response.seconds(Name::RetryAfter);
                self.missed(means, gateway, Trouble::Refused(status), after)
            }
            _ => self.refused(means, leaves, status, response),
        }
    }

    /// The same target is asked once more.
    fn resume(&mut self, again: Asked) -> Step {
        if let State::Asking { asked, .. } | State::Leaving { asked } = &mut self.state {
            *asked = again;
        }
        Step::Nothing
    }

    /// No answer will come: the transport failed, or time is over.
    pub(super) fn failed(
        &mut self,
        means: &mut Means<'_>,
        gateway: &Gateway,
        client: ClientId,
    ) -> Step {
        match &self.state {
            State::Asking { asked, .. } if asked.client == client => {
                self.missed(means, gateway, Trouble::Silent, None)
            }
            State::Leaving { asked } if asked.client == client => {
                self.state = State::Gone;
                Step::Nothing
            }
            _ => Step::Nothing,
        }
    }

    /// To our credentials alone, once, and once more if only the nonce was stale.
    fn proof(
        &self,
        means: &mut Means<'_>,
        gateway: &Gateway,
        asked: Asked,
        challenge: &Message,
    ) -> Option<(Name, String)> {
        if asked.challenges >= CHALLENGES || (asked.challenges > 0 && !auth::is_stale(challenge)) {
            return None;
        }
        let known_by = gateway.credentials.as_ref()?;
        auth::answer(
            challenge,
            &Method::Register,
            gateway.uri(None).as_str(),
            &known_by.user,
            known_by.password.reveal(),
            known_by.realm.as_deref(),
            means.ids,
        )
    }

    fn granted(&mut self, means: &mut Means<'_>, target: Target, response: &Message) -> Step {
        let life = self.life(response).unwrap_or(self.expires).min(DAY);
        if life < SHORTEST {
            return self.fail(means, Trouble::Refused(Status::of(423)), None);
        }
        let now = means.now.instant;
        let was = self.binding(now).map(|binding| binding.target);
        // At a time of its own in the last third, so that there is time to try again.
        let share = 650 + means.ids.word() % 100;
        self.state = State::Registered { refresh: now + life / 1_000 * share };
        self.binding = Some(Binding { target, until: now + life });
        (self.failures, self.trouble) = (0, None);
        if was == Some(target) { Step::Nothing } else { Step::Registered(target) }
    }

    /// What the registrar says of our own Contact, else of all (RFC 3261 §10.2.4).
    fn life(&self, response: &Message) -> Option<Duration> {
        let own = match response.contacts() {
            Ok(Some(Contacts::List(contacts))) => contacts
                .iter()
                .find(|contact| {
                    contact.uri.user() == Some(&self.token)
                        || contact.uri.param("line") == Some(&self.token)
                })
                .and_then(|contact| contact.expires().ok().flatten()),
            Ok(Some(Contacts::All) | None) | Err(_) => None,
        };
        own.map(|own| Duration::from_secs(own.into())).or(response.seconds(Name::Expires))
    }

    fn refused(
        &mut self,
        means: &mut Means<'_>,
        leaves: bool,
        status: Status,
        response: &Message,
    ) -> Step {
        if leaves {
            self.state = State::Gone;
            return Step::Nothing;
        }
        self.fail(means, Trouble::Refused(status), response.seconds(Name::RetryAfter))
    }

    /// This target does not serve: the next one is asked, or all have failed.
    fn missed(
        &mut self,
        means: &mut Means<'_>,
        gateway: &Gateway,
        trouble: Trouble,
        after: Option<Duration>,
    ) -> Step {
        let State::Asking { asked, others } = &mut self.state else { return Step::Nothing };
        let (target, others) = (asked.target, std::mem::take(others));
        match self.next(means, gateway, others) {
            Some(_) => Step::Missed(target),
            None => self.fail(means, trouble, after),
        }
    }

    fn fail(&mut self, means: &mut Means<'_>, trouble: Trouble, after: Option<Duration>) -> Step {
        self.failures = self.failures.saturating_add(1);
        let longest = (AGAIN.0 * 2_u32.saturating_pow(self.failures.min(16))).min(AGAIN.1);
        // RFC 5626 §4.5: uniformly between 50 and 100 %.
        let wait = longest / 1_000 * (500 + means.ids.word() % 500);
        let wait = wait.max(after.unwrap_or_default().min(DAY));
        self.state = State::Resting { at: Some(means.now.instant + wait) };
        let is_news = self.trouble != Some(trouble) || self.failures == 1;
        self.trouble = Some(trouble);
        if is_news { Step::Failed(trouble) } else { Step::Nothing }
    }

    /// The switch stops: what is registered is taken back. The request that goes out, if one does.
    pub(super) fn leave(&mut self, means: &mut Means<'_>, gateway: &Gateway) -> Option<ClientId> {
        if let Some(client) = self.client() {
            means.endpoint.abandon(client);
        }
        self.state = State::Gone;
        let target = self.binding(means.now.instant)?.target;
        let client = self.ask(means, gateway, target, Duration::ZERO, None)?;
        let give_up = means.now.instant + GOODBYE;
        let asked = Asked { client, target, give_up, challenges: 0, corrected: true };
        self.state = State::Leaving { asked };
        Some(client)
    }
}

#[cfg(test)]
mod tests;
