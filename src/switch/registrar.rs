//! The registrar: RFC 3261 §10.3. Bindings live here, the journal remembers them over a restart.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::Now;
use super::control::RegistrationRow;
use super::journal::{Binding, Entry};
use super::outbox::Outbox;
use super::settings::Settings;
use crate::wire::address::is_host;
use crate::wire::flow::Flow;
use crate::wire::sip::headers::{Address, Contacts, Name};
use crate::wire::sip::message::{Message, Status};
use crate::wire::sip::outgoing::Outgoing;
use crate::wire::sip::uri::{Scheme, Uri};

/// What a binding without a stated life gets (RFC 3261 §10.2.1.1 leaves it to the registrar).
const USUAL: Duration = Duration::from_secs(3600);
/// A User-Agent is kept to this length, a contact URI refused beyond it.
const LONGEST_AGENT: usize = 64;
const LONGEST_CONTACT: usize = 512;

/// Every binding of every AOR.
#[derive(Debug, Default)]
pub(super) struct Registrar {
    bindings: BTreeMap<String, Vec<Bound>>,
    expiries: BTreeSet<(Instant, String, String)>,
}

/// One binding, with its end on the monotonic clock.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) binding: Binding,
    pub(super) contact: Uri,
    until: Instant,
}

/// A change that a REGISTER asks for; all are made or none (RFC 3261 §10.3, step 7).
enum Change {
    Bind(Uri, Duration),
    Remove(Uri),
}

impl Registrar {
    /// With what the store remembers, less what has expired or belongs to nobody any more.
    pub(super) fn new(
        now: Now,
        settings: &Settings,
        remembered: Vec<Binding>,
        outbox: &mut Outbox,
    ) -> Registrar {
        let mut registrar = Registrar::default();
        for binding in remembered {
            let left = binding.expires.since(now.utc);
            let listening = usize::from(binding.flow.listener.0) < settings.listeners.len();
            match Uri::parse(&binding.contact) {
                Ok(contact)
                    if listening
                        && !left.is_zero()
                        && settings.users.contains_key(&binding.aor) =>
                {
                    // The connection it registered over did not outlive the process.
                    let flow = Flow { connection: None, ..binding.flow };
                    registrar.insert(Bound {
                        binding: Binding { flow, ..binding },
                        contact,
                        until: now.instant + left,
                    });
                }
                _ => {
                    outbox.store(Entry::Unbound { aor: binding.aor, contact: binding.contact });
                }
            }
        }
        registrar
    }

    /// The phones of a user, in the order they registered.
    pub(super) fn of(&self, aor: &str) -> &[Bound] {
        self.bindings.get(aor).map_or(&[], Vec::as_slice)
    }

    /// Carries out a REGISTER of `aor`, whose credentials are proven, and gives its answer, made with `answer`.
    #[expect(clippy::too_many_arguments, reason = "a registration touches that much")]
    pub(super) fn register(
        &mut self,
        now: Now,
        settings: &Settings,
        aor: &str,
        request: &Message,
        flow: Flow,
        outbox: &mut Outbox,
        answer: &dyn Fn(Status) -> Outgoing,
    ) -> Outgoing {
        let changes = match self.changes(settings, aor, request) {
            Ok(changes) => changes,
            Err((status, why)) => {
                let refusal = answer(status).reason(why);
                return match status.code() {
                    423 => refusal.header(Name::MinExpires, settings.registrar.shortest.as_secs()),
                    _ => refusal,
                };
            }
        };
        for change in changes {
            match change {
                Change::Remove(contact) => self.remove(aor, &contact, outbox),
                Change::Bind(contact, life) => {
                    let user_agent = request.text(Name::UserAgent).unwrap_or_default();
                    let binding = Binding {
                        aor: aor.to_owned(),
                        contact: contact.to_string(),
                        flow,
                        expires: now.utc.after(life),
                        call_id: request.call_id().to_owned(),
                        cseq: request.cseq().number,
                        user_agent: user_agent.chars().take(LONGEST_AGENT).collect(),
                    };
                    // The same contact in other words is another row of the journal's.
                    let known = self.forget(aor, &contact);
                    if let Some(contact) = known.filter(|known| *known != binding.contact) {
                        outbox.store(Entry::Unbound { aor: aor.to_owned(), contact });
                    }
                    outbox.store(Entry::Bound(binding.clone()));
                    self.insert(Bound { binding, contact, until: now.instant + life });
                }
            }
        }
        self.of(aor).iter().fold(answer(Status::of(200)), |response, bound| {
            let left = bound.until.saturating_duration_since(now.instant).as_secs();
            response.header(Name::Contact, format_args!("<{}>;expires={left}", bound.contact))
        })
    }

    fn changes(
        &self,
        settings: &Settings,
        aor: &str,
        request: &Message,
    ) -> Result<Vec<Change>, (Status, &'static str)> {
        let malformed = |wrong: crate::wire::sip::message::Malformed| (wrong.status, wrong.what);
        let header = request.expires().map_err(malformed)?;
        let list = match request.contacts().map_err(malformed)? {
            None => return Ok(Vec::new()),
            Some(Contacts::All) if header == Some(0) => {
                self.in_order(self.of(aor).iter(), request)?;
                return Ok(self
                    .of(aor)
                    .iter()
                    .map(|bound| Change::Remove(bound.contact.clone()))
                    .collect());
            }
            Some(Contacts::All) => return Err((Status::of(400), "Contact * needs Expires 0")),
            Some(Contacts::List(list)) => list,
        };
        let mut changes = Vec::with_capacity(list.len());
        for address in list {
            let known = self.of(aor).iter().filter(|bound| bound.contact.matches(&address.uri));
            self.in_order(known, request)?;
            changes.push(change(settings, address, header)?);
        }
        let mut left: Vec<&Uri> = self.of(aor).iter().map(|bound| &bound.contact).collect();
        for change in &changes {
            let (Change::Bind(contact, _) | Change::Remove(contact)) = change;
            left.retain(|other| !other.matches(contact));
            if let Change::Bind(..) = change {
                left.push(contact);
            }
        }
        if left.len() > settings.registrar.contacts {
            return Err((Status::of(403), "Too many contacts"));
        }
        Ok(changes)
    }

    /// An older CSeq of the same Call-ID must not change a binding (RFC 3261 §10.3, step 7).
    fn in_order<'a>(
        &self,
        mut known: impl Iterator<Item = &'a Bound>,
        request: &Message,
    ) -> Result<(), (Status, &'static str)> {
        let older = |bound: &Bound| {
            bound.binding.call_id == request.call_id()
                && bound.binding.cseq >= request.cseq().number
        };
        if known.any(older) { Err((Status::of(500), "CSeq out of order")) } else { Ok(()) }
    }

    fn insert(&mut self, bound: Bound) {
        self.expiries.insert((
            bound.until,
            bound.binding.aor.clone(),
            bound.binding.contact.clone(),
        ));
        self.bindings.entry(bound.binding.aor.clone()).or_default().push(bound);
    }

    /// Takes a binding out; gives its contact as it is stored.
    fn forget(&mut self, aor: &str, contact: &Uri) -> Option<String> {
        let bindings = self.bindings.get_mut(aor)?;
        let place = bindings.iter().position(|bound| bound.contact.matches(contact))?;
        let Bound { binding, until, .. } = bindings.remove(place);
        if bindings.is_empty() {
            self.bindings.remove(aor);
        }
        self.expiries.remove(&(until, binding.aor, binding.contact.clone()));
        Some(binding.contact)
    }

    fn remove(&mut self, aor: &str, contact: &Uri, outbox: &mut Outbox) {
        if let Some(contact) = self.forget(aor, contact) {
            outbox.store(Entry::Unbound { aor: aor.to_owned(), contact });
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.expiries.first().map(|(until, _, _)| *until)
    }

    pub(super) fn timeout(&mut self, now: Instant, outbox: &mut Outbox) {
        while self.deadline().is_some_and(|until| until <= now) {
            let (_, aor, contact) = self.expiries.pop_first().expect("a deadline is an expiry");
            if let Some(bindings) = self.bindings.get_mut(&aor) {
                bindings.retain(|bound| bound.binding.contact != contact);
                if bindings.is_empty() {
                    self.bindings.remove(&aor);
                }
            }
            outbox.store(Entry::Unbound { aor, contact });
        }
    }

    pub(super) fn rows(&self) -> Vec<RegistrationRow> {
        let row = |bound: &Bound| RegistrationRow {
            aor: bound.binding.aor.clone(),
            contact: bound.binding.contact.clone(),
            source: bound.binding.flow.remote.to_string(),
            transport: bound.binding.flow.transport.word().to_owned(),
            expires: bound.binding.expires.to_string(),
            user_agent: bound.binding.user_agent.clone(),
        };
        self.bindings.values().flatten().map(row).collect()
    }
}

fn change(
    settings: &Settings,
    address: Address,
    header: Option<u32>,
) -> Result<Change, (Status, &'static str)> {
    // RFC 3261 §10.2.1.1: an unreadable expires parameter counts as 3600.
    let stated =
        address.params.get("expires").map(|value| value.parse().unwrap_or(3600)).or(header);
    let life = stated.map_or(USUAL, |seconds| Duration::from_secs(u64::from(seconds)));
    if life.is_zero() {
        return Ok(Change::Remove(address.uri));
    }
    if !matches!(address.uri.scheme(), Scheme::Sip | Scheme::Sips)
        || address.uri.as_str().len() > LONGEST_CONTACT
    {
        return Err((Status::of(400), "Contact is no SIP URI"));
    }
    if address.uri.socket_addr().is_some_and(|contact| {
        !is_host(contact.ip())
            || settings
                .listeners
                .iter()
                .any(|listener| listener.advertise == contact || listener.bind == contact)
    }) {
        return Err((Status::of(403), "Contact is no phone"));
    }
    if life < settings.registrar.shortest {
        return Err((Status::of(423), "Interval Too Brief"));
    }
    Ok(Change::Bind(address.uri, life.min(settings.registrar.longest)))
}

#[cfg(test)]
mod tests;
