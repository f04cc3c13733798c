//! A small SIP phone for the demo and the lab. It reads with `rsip` and with its own eyes, writes plain text, and shares nothing with
//! `wire`: a mistake of ours cannot cancel itself out. Sans-IO: time and seed are arguments, packets go in and come out.

mod asking;
mod dialog;
mod ladder;
mod message;
mod repeats;
mod sound;
mod subscription;
mod transfer;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use dialog::Dialog;
pub use ladder::{Ladder, Rung};
pub use message::Received;
use message::{Challenge, authorization};
use repeats::{Key, Kind, Repeats};
pub use sound::{Voice, linear, mu_law, tone_level};
pub use subscription::Subscription;

/// A packet to send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet {
    /// From which of the phone's sockets: its SIP or its RTP address.
    pub from: SocketAddr,
    /// Where to.
    pub to: SocketAddr,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// Who the phone is.
#[derive(Clone, Debug)]
pub struct Identity {
    /// User part of its From and Contact.
    pub user: String,
    /// Host of its From, and the realm's domain.
    pub domain: String,
    /// For digests.
    pub password: String,
    /// Its SIP socket.
    pub sip: SocketAddr,
    /// Its RTP socket.
    pub rtp: SocketAddr,
    /// Where it sends every request that names no other place.
    pub proxy: SocketAddr,
}

/// What the phone does of its own accord.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Manners {
    /// Repeats requests and 2xx until they are answered.
    pub repeats: bool,
    /// Answers BYE, OPTIONS and re-INVITE with 200, acknowledges final answers, answers challenges.
    pub polite: bool,
    /// Rings, and answers so long after.
    pub answers_after: Option<Duration>,
}

impl Manners {
    /// Does only what it is told, but answers challenges and repeats nothing.
    pub const SCRIPTED: Manners = Manners { repeats: false, polite: false, answers_after: None };
    /// A phone as people have it.
    pub const POLITE: Manners = Manners { repeats: true, polite: true, answers_after: None };
}

/// See the module.
#[derive(Debug)]
pub struct Phone {
    identity: Identity,
    manners: Manners,
    codecs: Vec<u8>,
    numbers: u64,
    /// Further header lines of the INVITE that begins a dialog.
    begin_with: String,
    dialog: Dialog,
    /// Their INVITE that has no final answer yet.
    ringing: Option<(Received, Instant)>,
    register: (String, u32),
    subscriptions: Vec<Subscription>,
    /// How it answers a NOTIFY of theirs; not at all if `None`.
    notified: Option<u16>,
    outbox: VecDeque<Packet>,
    inbox: VecDeque<Received>,
    repeats: Repeats,
    answered: VecDeque<(String, Vec<u8>)>,
    /// What it says and hears.
    pub voice: Voice,
}

impl Phone {
    /// A phone with G.711 µ-law first, then A-law.
    pub fn new(identity: Identity, manners: Manners, seed: u64) -> Phone {
        let voice = Voice::new(identity.rtp, seed as u32 | 1);
        Phone {
            identity,
            manners,
            codecs: vec![0, 8],
            numbers: seed,
            begin_with: String::new(),
            dialog: Dialog::default(),
            ringing: None,
            register: (String::new(), 0),
            subscriptions: Vec::new(),
            notified: Some(200),
            outbox: VecDeque::new(),
            inbox: VecDeque::new(),
            repeats: Repeats::default(),
            answered: VecDeque::new(),
            voice,
        }
    }

    /// Offers and accepts these payload types alone, the first being preferred: 0 is µ-law, 8 A-law.
    pub fn set_codecs(&mut self, codecs: &[u8]) {
        self.codecs = codecs.to_vec();
    }

    /// Changes what it does by itself.
    pub fn set_manners(&mut self, manners: Manners) {
        self.manners = manners;
    }

    /// It is at another address from now on.
    pub fn move_to(&mut self, sip: SocketAddr) {
        self.identity.sip = sip;
    }

    /// Who it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The next packet to send.
    pub fn poll(&mut self) -> Option<Packet> {
        self.outbox.pop_front()
    }

    /// The oldest message that nobody has taken yet.
    pub fn take(&mut self) -> Option<Received> {
        self.inbox.pop_front()
    }

    /// Whether their INVITE waits for an answer.
    pub fn is_ringing(&self) -> bool {
        self.ringing.is_some()
    }

    fn number(&mut self) -> String {
        // SplitMix64: unlike any other phone's, and the same in every run.
        self.numbers = self.numbers.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.numbers;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        format!("{:016x}", z ^ (z >> 31))
    }

    // ---- requests ----

    /// REGISTER for so long; zero unregisters.
    pub fn register(&mut self, now: Instant, expires: Duration) {
        if self.register.0.is_empty() {
            self.register.0 = self.number();
        }
        self.send_register(now, expires.as_secs(), None);
    }

    fn send_register(&mut self, now: Instant, expires: u64, challenge: Option<&Challenge>) {
        self.register.1 += 1;
        let Identity { user, domain, sip, password, .. } = self.identity.clone();
        let (uri, tag) = (format!("sip:{domain}"), self.number());
        let proof =
            challenge.map(|challenge| authorization(challenge, "REGISTER", &uri, &user, &password));
        let headers = format!(
            "From: <sip:{user}@{domain}>;tag={tag}\r\nTo: <sip:{user}@{domain}>\r\nCall-ID: {}\r\nCSeq: {} REGISTER\r\n\
             Contact: <sip:{user}@{sip}>\r\nExpires: {expires}\r\n{}",
            self.register.0,
            self.register.1,
            proof.unwrap_or_default(),
        );
        let key = (self.register.0.clone(), self.register.1, "REGISTER".to_owned());
        self.request(now, "REGISTER", &uri, &headers, None, Some(key));
    }

    /// Calls a number at the switch.
    pub fn invite(&mut self, now: Instant, number: &str) {
        self.begin_with.clear();
        self.invite_with(now, number, "sendrecv");
    }

    /// The same with our audio `sendrecv`, `sendonly`, `recvonly` or `inactive`.
    pub fn invite_with(&mut self, now: Instant, number: &str, direction: &str) {
        let Identity { user, domain, proxy, .. } = self.identity.clone();
        self.dialog = Dialog::calling(
            self.number(),
            format!("<sip:{user}@{domain}>;tag={}", self.number()),
            format!("<sip:{number}@{proxy}>"),
            format!("sip:{number}@{proxy}"),
        );
        let sdp = self.description(direction);
        self.send_invite(now, Some(sdp), None);
    }

    /// The same INVITE again with another branch, as a proxy that forked it would deliver it.
    pub fn invite_by_another_way(&mut self, now: Instant) {
        self.dialog.cseq -= 1;
        let sdp = self.description("sendrecv");
        self.send_invite(now, Some(sdp), None);
    }

    /// re-INVITE with our audio `sendrecv`, `sendonly`, `recvonly` or `inactive`.
    pub fn reinvite(&mut self, now: Instant, direction: &str) {
        let sdp = self.description(direction);
        self.send_invite(now, Some(sdp), None);
    }

    fn send_invite(&mut self, now: Instant, sdp: Option<String>, challenge: Option<&Challenge>) {
        self.dialog.cseq += 1;
        let uri = self.dialog.target.clone();
        let Identity { user, password, .. } = self.identity.clone();
        let proof = challenge
            .map(|challenge| authorization(challenge, "INVITE", &uri, &user, &password))
            .unwrap_or_default();
        let begins = !self.dialog.remote.contains(";tag=");
        let more = if begins { self.begin_with.clone() } else { String::new() };
        let headers = format!("{}{}{proof}{more}", self.dialog_headers("INVITE"), self.contact());
        let key = (self.dialog.call_id.clone(), self.dialog.cseq, "INVITE".to_owned());
        let branch = self.request(now, "INVITE", &uri, &headers, sdp.as_deref(), Some(key));
        self.dialog.invite = Some((branch, self.dialog.cseq, uri));
    }

    /// ACK of a 2xx.
    pub fn ack(&mut self, now: Instant) {
        let Some((_, cseq, _)) = self.dialog.invite.clone() else { return };
        let headers = self.dialog.headers("ACK", cseq);
        let uri = self.dialog.target.clone();
        self.request(now, "ACK", &uri, &headers, None, None);
    }

    /// CANCEL of our INVITE.
    pub fn cancel(&mut self, now: Instant) {
        self.cancel_because(now, "");
    }

    /// The same with more header lines.
    pub fn cancel_because(&mut self, now: Instant, headers: &str) {
        let Some((branch, cseq, uri)) = self.dialog.invite.clone() else { return };
        let headers = format!("{}{headers}", self.dialog.headers("CANCEL", cseq));
        let key = (self.dialog.call_id.clone(), cseq, "CANCEL".to_owned());
        self.request_in(now, &branch, "CANCEL", &uri, &headers, None, Some(key));
    }

    /// Hangs up.
    pub fn bye(&mut self, now: Instant) {
        self.in_dialog(now, "BYE", None);
        self.voice.hang_up();
    }

    /// Any request inside the dialog, with these header lines, and SDP if there is any.
    pub fn ask(&mut self, now: Instant, method: &str, headers: &str, sdp: Option<&str>) {
        self.dialog.cseq += 1;
        let headers = format!("{}{}{headers}", self.dialog_headers(method), self.contact());
        let uri = self.dialog.target.clone();
        let key = (self.dialog.call_id.clone(), self.dialog.cseq, method.to_owned());
        self.request(now, method, &uri, &headers, sdp, Some(key));
    }

    /// PRACK of a reliable provisional response (RFC 3262), once.
    fn prack(&mut self, now: Instant, response: &Received) {
        let (rseq, cseq) = (response.header("RSeq"), response.header("CSeq"));
        let rack = format!("RAck: {rseq} {cseq}\r\n");
        if std::mem::replace(&mut self.dialog.acknowledged, rack.clone()) != rack {
            self.ask(now, "PRACK", &rack, None);
        }
    }

    /// Sends a text of the test's own to the switch, as it is.
    pub fn say(&mut self, text: &str) {
        let Identity { sip, proxy, .. } = self.identity;
        self.outbox.push_back(Packet { from: sip, to: proxy, bytes: text.as_bytes().to_vec() });
    }

    fn in_dialog(&mut self, now: Instant, method: &str, body: Option<(&str, String)>) {
        self.dialog.cseq += 1;
        let mut headers = self.dialog_headers(method);
        if let Some((kind, _)) = &body {
            headers.push_str(&format!("Content-Type: {kind}\r\n"));
        }
        let uri = self.dialog.target.clone();
        let key = (self.dialog.call_id.clone(), self.dialog.cseq, method.to_owned());
        let body = body.map(|(_, text)| text);
        let branch = format!("z9hG4bK{}", self.number());
        self.send(
            now,
            method,
            &uri,
            &branch,
            &headers,
            body.as_deref().unwrap_or_default(),
            Some(key),
        );
    }

    fn dialog_headers(&self, method: &str) -> String {
        self.dialog.headers(method, self.dialog.cseq)
    }

    fn contact(&self) -> String {
        format!("Contact: <sip:{}@{}>\r\n", self.identity.user, self.identity.sip)
    }

    fn request(
        &mut self,
        now: Instant,
        method: &str,
        uri: &str,
        headers: &str,
        sdp: Option<&str>,
        key: Option<Key>,
    ) -> String {
        let branch = format!("z9hG4bK{}", self.number());
        self.request_in(now, &branch, method, uri, headers, sdp, key);
        branch
    }

    #[expect(clippy::too_many_arguments, reason = "a request has that many parts")]
    fn request_in(
        &mut self,
        now: Instant,
        branch: &str,
        method: &str,
        uri: &str,
        headers: &str,
        sdp: Option<&str>,
        key: Option<Key>,
    ) {
        let kind = if sdp.is_some() { "Content-Type: application/sdp\r\n" } else { "" };
        self.send(
            now,
            method,
            uri,
            branch,
            &format!("{headers}{kind}"),
            sdp.unwrap_or_default(),
            key,
        );
    }

    #[expect(clippy::too_many_arguments, reason = "a request has that many parts")]
    fn send(
        &mut self,
        now: Instant,
        method: &str,
        uri: &str,
        branch: &str,
        headers: &str,
        body: &str,
        key: Option<Key>,
    ) {
        let Identity { sip, proxy, .. } = self.identity;
        let text = format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP {sip};branch={branch};rport\r\nMax-Forwards: 70\r\n{headers}\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let packet = Packet { from: sip, to: proxy, bytes: text.into_bytes() };
        if let Some(key) = key.filter(|_| self.manners.repeats) {
            self.repeats.add(now, Kind::Request, key, packet.clone());
        }
        self.outbox.push_back(packet);
    }

    // ---- answers ----

    /// Answers the INVITE that rings, with SDP if it is a 2xx; gives it up on any final answer.
    pub fn answer(&mut self, now: Instant, status: u16, phrase: &str) {
        let Some((invite, _)) = self.ringing.clone() else { return };
        if matches!(status, 183 | 200..300) {
            self.hear_out(&invite);
        }
        let sdp = (200..300).contains(&status).then(|| self.description("sendrecv"));
        self.respond(now, &invite, status, phrase, sdp.as_deref());
        if status >= 200 {
            self.ringing = None;
        }
    }

    /// Any answer to any request; `sdp` as the body.
    pub fn respond(
        &mut self,
        now: Instant,
        request: &Received,
        status: u16,
        phrase: &str,
        sdp: Option<&str>,
    ) {
        let vias: String = request.all("Via").map(|via| format!("Via: {via}\r\n")).collect();
        let records: String =
            request.all("Record-Route").map(|route| format!("Record-Route: {route}\r\n")).collect();
        let to = match request.header("To") {
            to if to.contains(";tag=") || status == 100 => to.to_owned(),
            to => {
                if !self.dialog.local.contains(";tag=") {
                    self.dialog.local = format!("{to};tag={}", self.number());
                }
                self.dialog.local.clone()
            }
        };
        let kind = if sdp.is_some() { "Content-Type: application/sdp\r\n" } else { "" };
        let body = sdp.unwrap_or_default();
        let text = format!(
            "SIP/2.0 {status} {phrase}\r\n{vias}{records}From: {}\r\nTo: {to}\r\nCall-ID: {}\r\nCSeq: {}\r\n{}{kind}Content-Length: {}\r\n\r\n{body}",
            request.header("From"),
            request.header("Call-ID"),
            request.header("CSeq"),
            self.contact(),
            body.len()
        );
        let packet =
            Packet { from: self.identity.sip, to: self.identity.proxy, bytes: text.into_bytes() };
        if status >= 200 && self.manners.repeats && request.method() == Some("INVITE") {
            let key = (request.header("Call-ID").to_owned(), request.cseq(), "ACK".to_owned());
            self.repeats.add(now, Kind::Answer, key, packet.clone());
        }
        if status >= 200 {
            let branch = request.header("Via").to_owned();
            self.answered
                .push_back((format!("{branch}{}", request.header("CSeq")), packet.bytes.clone()));
            self.answered.truncate(64);
        }
        self.outbox.push_back(packet);
    }

    /// Our SDP.
    pub fn description(&self, direction: &str) -> String {
        let Identity { rtp, .. } = self.identity;
        let list: Vec<String> = self.codecs.iter().map(u8::to_string).collect();
        let family = if rtp.is_ipv4() { "IP4" } else { "IP6" };
        format!(
            "v=0\r\no=phone 1 1 IN {family} {ip}\r\ns=-\r\nc=IN {family} {ip}\r\nt=0 0\r\nm=audio {port} RTP/AVP {list} 101\r\n\
             a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na={direction}\r\n",
            ip = rtp.ip(),
            port = rtp.port(),
            list = list.join(" "),
        )
    }

    /// Takes their side of the media.
    fn hear_out(&mut self, message: &Received) {
        if let Some((address, codec, event)) = message.media() {
            self.voice.connect(address, codec, event);
        }
    }

    // ---- what arrives ----

    /// One SIP message.
    pub fn receive(&mut self, now: Instant, bytes: &[u8]) {
        let message = Received::read(bytes);
        let seen = format!("{}{}", message.header("Via"), message.header("CSeq"));
        if message.method().is_some()
            && let Some((_, answer)) = self.answered.iter().find(|(key, _)| *key == seen)
        {
            // A repeated request gets the same answer.
            let packet =
                Packet { from: self.identity.sip, to: self.identity.proxy, bytes: answer.clone() };
            if message.method() != Some("ACK") {
                return self.outbox.push_back(packet);
            }
        }
        self.repeats.heard(&message);
        match message.method() {
            Some(_) => self.requested(now, &message),
            None => self.responded(now, &message),
        }
        self.inbox.push_back(message);
    }

    fn requested(&mut self, now: Instant, request: &Received) {
        if self.dialog.is_out_of_order(request) {
            return self.respond(now, request, 500, "CSeq Out Of Order", None);
        }
        match request.method() {
            Some("INVITE") if !request.header("To").contains(";tag=") => {
                if self.ringing.is_some() {
                    return;
                }
                self.dialog = Dialog::called(request);
                self.ringing = Some((request.clone(), now));
                if self.manners.answers_after.is_some() {
                    self.answer(now, 180, "Ringing");
                }
            }
            Some("INVITE") if self.manners.polite => {
                self.hear_out(request);
                let sdp = self.description(request.mirrored());
                self.respond(now, request, 200, "OK", Some(&sdp));
            }
            Some("CANCEL") => {
                self.respond(now, request, 200, "OK", None);
                self.answer(now, 487, "Request Terminated");
            }
            Some("BYE") if self.manners.polite => {
                self.respond(now, request, 200, "OK", None);
                self.voice.hang_up();
            }
            Some("NOTIFY") => self.notified(now, request),
            Some("OPTIONS" | "INFO" | "UPDATE" | "PRACK") if self.manners.polite => {
                self.respond(now, request, 200, "OK", None)
            }
            _ => {}
        }
    }

    fn responded(&mut self, now: Instant, response: &Received) {
        let status = response.status().unwrap_or_default();
        match response.cseq_method() {
            "REGISTER" if status == 401 => {
                if let Some(challenge) = response.challenge() {
                    self.send_register(now, 600, Some(&challenge));
                }
            }
            "SUBSCRIBE" => self.subscribed(now, response, status),
            "INVITE" if response.header("Call-ID") == self.dialog.call_id => {
                if status > 100 && response.header("To").contains(";tag=") && status < 300 {
                    self.dialog.answered(response);
                }
                if status > 100 && status < 300 {
                    self.hear_out(response);
                }
                if status < 200 && self.manners.polite && !response.header("RSeq").is_empty() {
                    self.prack(now, response);
                }
                if (200..300).contains(&status) && self.manners.polite {
                    self.ack(now);
                } else if status >= 300 {
                    self.acknowledge_refusal(now, response);
                    if let Some(challenge) =
                        response.challenge().filter(|_| status == 401 || status == 407)
                    {
                        let sdp = self.description("sendrecv");
                        self.send_invite(now, Some(sdp), Some(&challenge));
                    }
                }
            }
            _ => {}
        }
    }

    fn acknowledge_refusal(&mut self, now: Instant, response: &Received) {
        let Some((branch, cseq, uri)) = self.dialog.invite.clone() else { return };
        let headers = self.dialog.acknowledgement(response, cseq);
        self.request_in(now, &branch, "ACK", &uri, &headers, None, None);
    }

    // ---- time ----

    /// When [`Phone::tick`] is due.
    pub fn deadline(&self) -> Option<Instant> {
        let answer =
            self.ringing.as_ref().and_then(|(_, since)| Some(*since + self.manners.answers_after?));
        [self.repeats.deadline(), answer, self.voice.deadline()].into_iter().flatten().min()
    }

    /// Repeats, answers and speaks what is due.
    pub fn tick(&mut self, now: Instant) {
        self.outbox.extend(self.repeats.due(now));
        if let (Some((_, since)), Some(after)) = (&self.ringing, self.manners.answers_after)
            && *since + after <= now
        {
            self.answer(now, 200, "OK");
        }
        while let Some(packet) = self.voice.tick(now) {
            self.outbox.push_back(packet);
        }
    }
}
