//! A leg: one party as the call sees it, a dialog and a media port. Each leg negotiates with its own far side alone; the media port
//! converts between them, so that a hold or a new address of one side is no matter of the other's.

mod answers;
mod asks;
mod calling;
mod early;
mod ending;
mod exchange;
mod invited;
mod media;
mod phase;
mod presence;
mod refer;
mod refresh;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::desk::{Desk, News};
use crate::media::{Command, PortId, Statistics};
use crate::switch::headers;
use crate::switch::journal::{CallId, Entry};
use crate::switch::settings::Profile;
use crate::switch::subscriptions::Phase;
use crate::switch::trunk::Attempt;
use crate::utc::Utc;
use crate::wire::flow::Flow;
use crate::wire::sdp::negotiation::{Agreed, Direction, Session};
use crate::wire::sip::dialog::Dialog;
use crate::wire::sip::endpoint::{ClientId, ServerId, is_optional};
use crate::wire::sip::headers::Address;
use crate::wire::sip::message::{Message, Method, Status};
use crate::wire::sip::reliable::Receiver;
use crate::wire::sip::timer::Limits;
use crate::wire::sip::uri::Uri;
use asks::{Ask, Request};
use calling::Fork;
use early::Early;
use presence::Presence;
pub(super) use refer::Subscription;
use refresh::{Refresh, Updates};

/// A leg of a call, numbered in the order they began; the caller's is 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LegId(pub(crate) u32);

/// Whose leg it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Party {
    /// A user's phone.
    User(String),
    /// A carrier.
    Trunk(String),
}

/// What a caller is refused with who is hung up on before being answered.
pub(super) const UNANSWERED: Status = Status::of(480);

/// Most requests inside a dialog that await their answers, for others to be passed on.
const ASKS: usize = 32;

/// SDP as a Content-Type.
pub(super) const SDP: &str = "application/sdp";

/// See the module.
#[derive(Debug)]
pub(super) struct Leg {
    pub(super) call: CallId,
    pub(super) id: LegId,
    pub(super) party: Party,
    pub(super) port: PortId,
    profile: Profile,
    port_state: Port,
    session: Option<Session>,
    dialog: Dialog,
    tag: String,
    state: State,
    /// What we tell this side of the other: `SendOnly` while the other side holds.
    wanted: Direction,
    told: Direction,
    presence: Presence,
    /// The session timer, what each side can bear, and how often the far side could bear less.
    refresh: Refresh,
    limits: Limits,
    raises: u8,
    updates: Updates,
    /// What the caller was told before the answer.
    early: Early,
    /// The reliable responses to a re-INVITE of ours.
    receiver: Receiver,
    /// Requests inside the dialog that await their answers.
    asks: Vec<Ask>,
    /// The re-INVITE or BYE that answers a challenge; the next challenge is not answered.
    authorised: Option<ClientId>,
    /// What its INVITE says of how the call came to it.
    pub(super) more: Vec<headers::Line>,
    /// Whether the journal has this dialog.
    remembered: bool,
    /// We began it: its Call-ID is ours.
    is_ours: bool,
    /// Who had it called (RFC 3892), to be said to a phone of ours.
    pub(super) referred_by: Option<Uri>,
    /// Which target of its trunk it calls.
    pub(super) attempt: Option<Attempt>,
    /// An INVITE of ours without any answer is given up after so long.
    patience: Option<Duration>,
    /// Whether it has one of its trunk's places.
    pub(super) has_place: bool,
    /// It has rung there, or here.
    rang: bool,
    /// What lamps were shown last.
    shown: Option<Phase>,
    /// What has gone through its port, and when that was known.
    measured: Option<(Statistics, Utc)>,
    /// Keys that came by INFO.
    info_keys: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Port {
    Asked,
    Open,
    Closing,
    Closed,
}

#[derive(Debug)]
enum State {
    /// Their INVITE awaits our final answer; `answer` is our SDP, once their offer is read.
    Invited { server: ServerId, request: Box<Message>, answer: Option<Vec<u8>> },
    /// Our 2xx awaits its ACK.
    Answered { server: ServerId, offered: bool, then: Then },
    /// Nothing sent yet.
    Opening,
    /// Our INVITE awaits its final answer.
    Calling {
        client: ClientId,
        authorised: bool,
        /// It is, unless something is heard till then.
        give_up: Option<Instant>,
        forks: Vec<Fork>,
        link: Link,
    },
    /// We have lost interest in the answer.
    Cancelling { client: ClientId },
    /// Confirmed.
    Up(Exchange),
    /// Our BYE awaits its answer.
    Leaving { client: ClientId },
    /// The dialog is over.
    Gone,
}

/// Whether there is a way to whoever is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Link {
    Stands,
    /// The connection was cut while it rang, and no other is known yet.
    Cut,
}

/// What the ACK of our 2xx begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Then {
    Up,
    /// We have hung up meanwhile (RFC 3261 §15: no BYE before the ACK).
    Bye,
}

/// A re-INVITE in progress, ours or theirs (RFC 3261 §14).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Exchange {
    Idle,
    Ours {
        client: ClientId,
        direction: Direction,
        offer: Offer,
    },
    /// Our 2xx to their re-INVITE awaits its ACK; if it carries an `offer`, the ACK brings the answer.
    Theirs {
        server: ServerId,
        offered: bool,
    },
    /// After a 491: not before then.
    Later {
        at: Instant,
    },
}

/// What a re-INVITE of ours offers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Offer {
    /// What we want now.
    Changed,
    /// What was said last.
    Unchanged,
}

/// What a response meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// Nothing that concerns the call.
    Nothing,
    /// Their phone rings; `early`: and sends audio already.
    Ringing { early: bool },
    /// They answered, media is agreed.
    Answered,
    /// They will not talk: the leg is over.
    Refused(Status),
    /// This server of a carrier's does not serve (it is silent, unreachable or overloaded, `after`: until then), another may: the leg
    /// is over.
    Unserved { status: Status, after: Option<Duration> },
    /// An established leg is over without a BYE of theirs.
    Lost,
    /// A provisional response of ours was never acknowledged.
    Unacknowledged,
    /// It has rung for as long as the caller wants it to.
    Expired,
}

impl Leg {
    /// The caller's, from their INVITE.
    pub(super) fn invited(
        desk: &mut Desk<'_>,
        call: CallId,
        party: Party,
        server: ServerId,
        request: Message,
        flow: Flow,
    ) -> Leg {
        let tag = desk.endpoint.dialog_tag(server);
        let listener = desk.settings.listener(flow.listener);
        let contact = desk.contact(flow);
        // RFC 3261 §12.1.1: as secure as what was asked for.
        let is_sips = request.uri().is_some_and(Uri::is_sips);
        let contact = if is_sips { contact.secured() } else { contact };
        let dialog = Dialog::answering(&request, flow, listener.reach, &tag, contact);
        let state = State::Invited { server, request: Box::new(request), answer: None };
        let profile = listener.profile;
        Leg::begin(desk, call, LegId(0), party, profile, dialog, tag, state, None)
    }

    /// One of ours to a phone or gateway; the INVITE follows when its port is open. `dialog` carries our tag.
    pub(super) fn calling(
        desk: &mut Desk<'_>,
        call: CallId,
        id: LegId,
        party: Party,
        dialog: Dialog,
        near: PortId,
    ) -> Leg {
        let profile = desk.settings.listener(dialog.flow().listener).profile;
        let tag = dialog.id().local_tag.into();
        Leg::begin(desk, call, id, party, profile, dialog, tag, State::Opening, Some(near))
    }

    #[expect(clippy::too_many_arguments, reason = "both ways to begin a leg meet here")]
    fn begin(
        desk: &mut Desk<'_>,
        call: CallId,
        id: LegId,
        party: Party,
        profile: Profile,
        dialog: Dialog,
        tag: String,
        state: State,
        near: Option<PortId>,
    ) -> Leg {
        let port = desk.keys.port(call, id);
        let (mut updates, mut invite) = (Updates::Unknown, None);
        if let State::Invited { request, .. } = &state {
            updates.learn(request);
            invite = Some(&**request);
        }
        let early = Early::of(desk.now.instant, invite, desk.ids.word());
        desk.keys.tags.insert(tag.clone(), (call, id));
        if let State::Invited { server, .. } = &state {
            desk.keys.server(*server, (call, id));
        }
        if let Party::User(user) = &party {
            desk.news.push(News::Engaged(user.clone()));
        }
        let address = desk.settings.rtp.bind[profile as usize];
        desk.outbox.media(Command::Open { port, near, address, ssrc: desk.ids.word() });
        Leg {
            call,
            id,
            party,
            port,
            profile,
            port_state: Port::Asked,
            session: None,
            dialog,
            tag,
            state,
            wanted: Direction::SendRecv,
            told: Direction::SendRecv,
            presence: Presence::Heard,
            refresh: Refresh::Off,
            limits: desk.settings.session_timers.unwrap_or(Limits::DEFAULT),
            raises: 0,
            updates,
            early,
            receiver: Receiver::default(),
            asks: Vec::new(),
            authorised: None,
            more: Vec::new(),
            remembered: false,
            is_ours: near.is_some(),
            referred_by: None,
            attempt: None,
            patience: None,
            has_place: true,
            rang: false,
            shown: None,
            measured: None,
            info_keys: 0,
        }
    }

    /// It calls this target of its trunk, and gives up after `patience` if nothing is heard.
    pub(super) fn by(self, attempt: Attempt, patience: Duration) -> Leg {
        Leg { attempt: Some(attempt), patience: Some(patience), ..self }
    }

    /// Its INVITE says this of how the call came to it.
    pub(super) fn saying(self, more: Vec<headers::Line>) -> Leg {
        Leg { more, ..self }
    }

    /// Neither a dialog nor a port is left.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.state, State::Gone) && self.port_state == Port::Closed
    }

    /// The dialog is over, or about to be.
    pub(super) fn is_leaving(&self) -> bool {
        match &self.state {
            State::Cancelling { .. } | State::Leaving { .. } | State::Gone => true,
            State::Answered { then, .. } => *then == Then::Bye,
            State::Invited { .. } | State::Opening | State::Calling { .. } | State::Up(_) => false,
        }
    }

    /// Their INVITE still has no final answer.
    pub(super) fn is_unanswered(&self) -> bool {
        matches!(self.state, State::Invited { .. })
    }

    /// The far side wants to hear nothing from us: it has put us on hold.
    pub(super) fn holds(&self) -> bool {
        self.agreed().is_some_and(|agreed| agreed.rtp.is_none() || !agreed.direction.sends())
    }

    /// Where our requests go: where the dialog says, but for a phone whose connection was cut to the one it has registered by since.
    fn way(&self, desk: &Desk<'_>) -> Flow {
        self.way_to(desk, self.dialog.target(), self.dialog.flow())
    }

    fn way_to(&self, desk: &Desk<'_>, target: &Uri, flow: Flow) -> Flow {
        let since = match &self.party {
            Party::User(user) => desk.registrar.since(user, target, flow),
            Party::Trunk(_) => None,
        };
        since.unwrap_or(flow)
    }

    /// Whose leg it is, and From and To of its INVITE as they were before anybody had a tag.
    pub(super) fn parties(&self) -> (Party, Address, Address) {
        let (from, to) = self.dialog.parties();
        let untagged = |address: &Address| {
            let mut address = address.clone();
            address.params.remove("tag");
            address
        };
        (self.party.clone(), untagged(from), untagged(to))
    }

    fn agreed(&self) -> Option<&Agreed> {
        self.session.as_ref().and_then(Session::agreed)
    }

    /// The port is bound: SDP can be written. Of an INVITE with an offer, the answer is made now.
    pub(super) fn opened(&mut self, desk: &mut Desk<'_>, rtp: SocketAddr) -> Result<(), Status> {
        if self.port_state != Port::Asked {
            return Ok(());
        }
        self.port_state = Port::Open;
        let shown = SocketAddr::new(desk.settings.rtp.advertise[self.profile as usize], rtp.port());
        let session = self.session.insert(Session::new(
            shown,
            desk.ids.long() >> 1,
            desk.settings.rtp.codecs.clone(),
        ));
        if let State::Invited { request, answer, .. } = &mut self.state {
            match request.body_of(SDP) {
                Some(offer) => {
                    let answered = session.answer(offer, self.wanted);
                    *answer = Some(answered.map_err(|_| Status::of(488))?.0);
                    self.connect(desk);
                }
                // What may be ignored is (RFC 3261 §20.11): we make the offer.
                None if request.body().is_empty() || is_optional(request) => {}
                None => return Err(Status::of(415)),
            }
        }
        Ok(())
    }

    fn key(&self) -> (CallId, LegId) {
        (self.call, self.id)
    }

    fn remember(&mut self, desk: &mut Desk<'_>) {
        self.remembered = true;
        desk.outbox.store(Entry::DialogUp {
            call: self.call,
            local_tag: self.tag.clone(),
            dialog: self.dialog.remember(),
        });
    }

    /// Whether a request claims to be of this dialog rightly.
    pub(super) fn owns(&self, request: &Message) -> bool {
        self.dialog.owns(request)
    }

    /// Checks a request's CSeq (RFC 3261 §12.2.2).
    pub(super) fn accept(&mut self, request: &Message) -> Result<(), Status> {
        let tag = request.from().tag();
        match &self.state {
            // An early dialog that nobody has told us of yet has no order.
            State::Calling { forks, .. }
                if !forks.iter().any(|fork| tag.is_some_and(|tag| fork.is_of(tag))) =>
            {
                Ok(())
            }
            _ => self.dialog_of(tag).accept(request),
        }
    }

    /// Passes an INFO on, as a request of ours; not to a far side that answers none.
    pub(super) fn inform(&mut self, desk: &mut Desk<'_>, kind: &str, body: &[u8]) {
        if matches!(self.state, State::Up(_)) && self.asks.len() < ASKS {
            let body = Some((kind.to_owned(), body.to_vec()));
            self.ask(desk, Request { body, ..Request::of(Method::Info) });
        }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        let (own, asking) = match self.state {
            State::Invited { .. } => (self.early.deadline(), None),
            State::Calling { give_up, .. } => (give_up, None),
            State::Up(Exchange::Later { at }) => (Some(at), self.presence.deadline()),
            State::Up(_) => (None, self.presence.deadline()),
            _ => (None, None),
        };
        [own, asking, self.refresh_deadline()].into_iter().flatten().min()
    }

    /// A gateway that gave no sign of life, and a phone that was cut off, are given up; a re-INVITE that met another is tried again; who may be silent is asked; what
    /// is not acknowledged is repeated, what gets old is refreshed.
    pub(super) fn timeout(&mut self, desk: &mut Desk<'_>) -> Outcome {
        self.ask_after(desk);
        if self.keep_fresh(desk) == Outcome::Lost {
            return Outcome::Lost;
        }
        match self.state {
            State::Invited { .. } => self.repeat(desk),
            State::Calling { client, give_up: Some(at), .. } if at <= desk.now.instant => {
                self.cancel(desk, client, None);
                match self.party {
                    Party::User(_) => Outcome::Refused(UNANSWERED),
                    Party::Trunk(_) => {
                        self.has_place = false;
                        Outcome::Unserved { status: Status::of(408), after: None }
                    }
                }
            }
            State::Up(Exchange::Later { at }) if at <= desk.now.instant => {
                self.state = State::Up(Exchange::Idle);
                self.reconcile(desk);
                Outcome::Nothing
            }
            _ => Outcome::Nothing,
        }
    }
}
