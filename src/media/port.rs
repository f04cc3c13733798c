//! A port: one leg's media. It checks and counts what comes in, keeps the outgoing stream, plays prompts, reports by RTCP.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::latch::{Latch, Verdict, is_sendable};
use super::outgoing::{Outgoing, Steady, mix, samples};
use super::prompt::{Library, PIECE, Playing, Step};
use super::schedule::Errand;
use super::tap::Side;
use super::{PlayId, PortId, Remote, Reported, Samples, Statistics};
use crate::wire::rtp::g711::{self, Codec};
use crate::wire::rtp::packet::{self, COMFORT_NOISE, Fresh, HEADER, Header};
use crate::wire::rtp::rtcp::{self, Ntp};
use crate::wire::rtp::sequence::{Place, Reception};
use crate::wire::rtp::telephone_event::{Presses, Report};
use crate::wire::sdp::description::Encoding;

/// Between two RTCP reports, on average (RFC 3550 §6.2).
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

/// Shorter silence is a pause for breath.
const SHORTEST_SILENCE: Duration = Duration::from_millis(100);

/// Who waits longer for a far side to speak waits for ever; and times stay times that a clock can hold.
const LONGEST_SILENCE: Duration = Duration::from_secs(365 * 86_400);

/// A round trip of more than ten seconds, in 65,536ths, is none.
const LONGEST_TRIP: u32 = 10 << 16;

/// Payload types with a meaning: both sides' numbers for both laws and telephone-event, and the two static ones (RFC 3551 §6).
const MEANINGS: usize = 8;
const STATIC: [(u8, Content); 2] =
    [(0, Content::Audio(Codec::Pcmu)), (8, Content::Audio(Codec::Pcma))];
/// No packet has this payload type.
const UNUSED: (u8, Content) = (u8::MAX, Content::Unknown);

/// A key takes so long at least: 40 ms of tone (ITU-T Q.24); more often none is told,
const KEY: Duration = Duration::from_millis(40);
/// but so many at once, which a jam in the network may have held back.
const KEYS_AT_ONCE: u32 = 25;

/// What a packet carries.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Content {
    /// Speech.
    Audio(Codec),
    /// A key.
    Event,
    /// Comfort noise, or nothing: silence that need not be sent.
    Nothing,
    /// Not agreed.
    Unknown,
}

/// A packet that has passed the checks and may go over the bridge.
#[derive(Clone, Debug)]
pub(super) struct Taken {
    pub(super) header: Header,
    pub(super) content: Content,
    /// The first of its stream: the numbers before it mean nothing any more.
    pub(super) begins: bool,
    /// A press begins with it.
    pub(super) digit: Option<char>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Port {
    pub(super) id: PortId,
    /// The place of the port that this one is bridged to.
    pub(super) peer: Option<usize>,
    /// The place of the tap on it, and whose audio it is.
    pub(super) tap: Option<(usize, Side)>,
    /// Where RTP goes, if anywhere.
    to: Option<SocketAddr>,
    remote: Option<Remote>,
    /// What the payload types mean that may come in.
    meanings: [(u8, Content); MEANINGS],
    latch: Latch,
    reception: Option<(u32, Reception)>,
    presses: Presses,
    /// When all keys so far would have been pressed one after the other.
    keys_until: Instant,
    heard_at: Instant,
    out: Outgoing,
    playing: Option<Playing>,
    statistics: Statistics,
    opened: Instant,
    silence: Option<Duration>,
    told_silent: Option<Instant>,
    watch_at: Option<Instant>,
    report_at: Instant,
    reports: u64,
    /// Packets sent by the last report, and by the one before it.
    sent_by_report: [u64; 2],
    /// Packets received by the last report.
    received_by_report: u64,
    rtcp_from: Option<SocketAddr>,
    last_report: Option<(u32, Instant)>,
}

impl Port {
    pub(super) fn new(now: Instant, id: PortId, ssrc: u32) -> Port {
        Port {
            id,
            peer: None,
            tap: None,
            to: None,
            remote: None,
            meanings: [UNUSED; MEANINGS],
            latch: Latch::default(),
            reception: None,
            presses: Presses::default(),
            keys_until: now,
            heard_at: now,
            out: Outgoing::new(ssrc),
            playing: None,
            statistics: Statistics::default(),
            opened: now,
            silence: None,
            told_silent: None,
            watch_at: None,
            // The first report comes in half the time (RFC 3550 §6.2).
            report_at: now + jittered(REPORT_INTERVAL / 2, ssrc, 0),
            reports: 0,
            sent_by_report: [0; 2],
            received_by_report: 0,
            rtcp_from: None,
            last_report: None,
        }
    }

    /// Sets or changes the far side; whether what either side hears changes with it.
    pub(super) fn connect(
        &mut self,
        now: Instant,
        remote: &Remote,
        silence: Option<Duration>,
    ) -> bool {
        let watched = self.watched().is_some();
        let before = self.remote.replace(remote.clone());
        let locked = self.latch.locked();
        let receives = remote.direction.receives();
        self.latch.signal(now, remote.rtp, remote.sip_host, receives);
        self.silence = silence.map(|silence| silence.clamp(SHORTEST_SILENCE, LONGEST_SILENCE));
        if !watched || self.latch.locked() != locked {
            self.heard_at = now;
        }
        if self.latch.locked() != locked {
            self.rtcp_from = None;
        }
        self.meanings = meanings(&remote.received);
        let turned = before.is_some_and(|before| before.direction != remote.direction);
        if turned {
            self.out.cut();
        }
        self.aim();
        turned
    }

    /// Checks and counts a packet on the RTP socket. `None`: there is nothing in it for anybody.
    pub(super) fn take(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) -> Option<Taken> {
        let taken = self.admit(now, from, bytes);
        if taken.is_none() {
            self.statistics.refused += 1;
        }
        let taken = taken?;
        if taken.content == Content::Unknown {
            self.statistics.refused += 1;
        } else {
            self.statistics.received += 1;
            self.heard_at = now;
        }
        // Who is not to send is not heard (RFC 3264 §5.1).
        self.remote.as_ref().is_some_and(|remote| remote.direction.receives()).then_some(taken)
    }

    fn admit(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) -> Option<Taken> {
        let remote = self.remote.as_ref()?;
        let header = packet::read(bytes).ok()?;
        let content = match header.payload_type {
            _ if header.payload.is_empty() => Content::Nothing,
            COMFORT_NOISE => Content::Nothing,
            number => {
                let known = self.meanings.iter().find(|(known, _)| *known == number);
                known.map_or(Content::Unknown, |&(_, content)| content)
            }
        };
        if content == Content::Unknown {
            self.statistics.stray = Some(header.payload_type);
            if self.latch.locked() != Some(from) {
                return None;
            }
        }
        let mut begins = match self.latch.judge(now, from, header.ssrc, header.sequence) {
            Verdict::Accepted => false,
            Verdict::Begins => true,
            Verdict::Refused => return None,
        };
        let (ssrc, reception) =
            self.reception.get_or_insert_with(|| (header.ssrc, Reception::new(header.sequence)));
        if begins {
            if *ssrc != header.ssrc || reception.clone().take(header.sequence) != Place::Newest {
                reception.restart(header.sequence);
                self.presses = Presses::default();
                self.last_report = None;
            }
            *ssrc = header.ssrc;
        }
        match reception.take(header.sequence) {
            Place::Newest | Place::Late => {}
            Place::Leap => return None,
            Place::Restart => begins = true,
        }
        let digit = match content {
            Content::Audio(_) => {
                let arrived = samples(now.saturating_duration_since(self.opened));
                reception.time(arrived, header.timestamp, header.marker);
                None
            }
            Content::Event if remote.direction.receives() => {
                let report = Report::read(&bytes[header.payload.clone()])?;
                self.presses.take(header.timestamp, header.marker, report)
            }
            Content::Event | Content::Nothing | Content::Unknown => None,
        };
        let digit = digit.filter(|_| self.heeds_key(now));
        if begins {
            self.aim();
        }
        Some(Taken { header, content, begins, digit })
    }

    /// Whether a key that begins now is told: every one is an input of the whole switch.
    fn heeds_key(&mut self, now: Instant) -> bool {
        let until = self.keys_until.max(now) + KEY;
        let heeded = until <= now + KEY * KEYS_AT_ONCE;
        match heeded {
            true => {
                self.keys_until = until;
                self.statistics.keys += 1;
            }
            false => self.statistics.unheeded += 1,
        }
        heeded
    }

    /// Makes a packet that the other side took one of this side's stream. Gives where to and how long; `None`: it is not for this side.
    pub(super) fn forward(
        &mut self,
        now: Instant,
        taken: &Taken,
        bytes: &mut [u8],
    ) -> Option<(SocketAddr, usize)> {
        if taken.begins {
            self.out.cut();
        }
        if self.playing.is_some() {
            return None;
        }
        let (Some(to), Some(remote)) = (self.to, &self.remote) else {
            self.out.cut();
            return None;
        };
        let (payload_type, steady) = match (taken.content, remote.telephone_event) {
            (Content::Audio(_), _) => (remote.payload_type, Steady::Clock),
            (Content::Event, Some(event)) => (event, Steady::Event),
            (Content::Event, None) | (Content::Nothing | Content::Unknown, _) => {
                self.out.skip(taken.header.sequence);
                return None;
            }
        };
        let stamp = self.out.relay(now, &taken.header, steady)?;
        if let Content::Audio(codec) = taken.content {
            g711::convert(codec, remote.codec, &mut bytes[taken.header.payload.clone()]);
        }
        let fresh = Fresh {
            marker: stamp.marker,
            payload_type,
            sequence: stamp.sequence,
            timestamp: stamp.timestamp,
            ssrc: self.out.ssrc(),
        };
        let length = packet::rewrite(bytes, &taken.header, fresh);
        self.out.count(length - HEADER);
        Some((to, length))
    }

    /// Ends what feeds the outgoing stream; whoever is next begins a talkspurt.
    pub(super) fn cut(&mut self) {
        self.playing = None;
        self.out.cut();
    }

    /// The other side of the bridge changes; a prompt goes on.
    pub(super) fn cut_relayed(&mut self) {
        if self.playing.is_none() {
            self.out.cut();
        }
    }

    /// Plays instead of what is playing.
    pub(super) fn play(&mut self, playing: Option<Playing>) {
        self.cut();
        self.playing = playing;
    }

    /// When the next piece is due.
    pub(super) fn piece_due(&self) -> Option<Instant> {
        self.playing.map(|playing| playing.due())
    }

    /// Sends the pieces that are due; gives the playing that is over.
    pub(super) fn play_due(
        &mut self,
        now: Instant,
        library: &Library,
        send: &mut dyn FnMut(SocketAddr, &[u8]),
    ) -> Option<PlayId> {
        let playing = self.playing.as_mut()?;
        if playing.catch_up(now) || self.to.is_none() && playing.wait(now) {
            self.out.cut();
        }
        while let Some(step) = playing.step(now) {
            let (number, due) = match step {
                Step::Piece(number, due) => (number, due),
                Step::Over => {
                    let over = playing.play;
                    self.cut();
                    return Some(over);
                }
            };
            let (Some(to), Some(remote)) = (self.to, &self.remote) else {
                // The music goes on, but nobody is to hear it.
                self.out.cut();
                continue;
            };
            let Some(piece) = library.piece(playing.prompt, remote.codec, number) else { continue };
            let stamp = self.out.play(due, PIECE as u32);
            let fresh = Fresh {
                marker: stamp.marker,
                payload_type: remote.payload_type,
                sequence: stamp.sequence,
                timestamp: stamp.timestamp,
                ssrc: self.out.ssrc(),
            };
            let mut room = [0; HEADER + PIECE];
            if let Some(length) = packet::write(&mut room, fresh, piece) {
                self.out.count(PIECE);
                send(to, &room[..length]);
            }
        }
        None
    }

    /// A packet on the RTCP socket: read for the round-trip figures, never passed on.
    pub(super) fn hear_report(&mut self, now: Instant, from: SocketAddr, bytes: &[u8]) {
        let signalled = self.remote.as_ref().and_then(|remote| remote.rtcp) == Some(from);
        let found = self.latch.locked().is_some_and(|locked| locked.ip() == from.ip());
        let ours = self.out.ssrc();
        let heard = if signalled || found { rtcp::read(bytes, ours) } else { None };
        let Some(heard) = heard else {
            self.statistics.refused += 1;
            return;
        };
        if found {
            self.rtcp_from = Some(from);
        }
        if let Some((ssrc, middle)) = heard.report
            && self.reception.as_ref().is_some_and(|(known, _)| *known == ssrc)
        {
            self.last_report = Some((middle, now));
        }
        if let Some(block) = heard.block {
            self.statistics.reported = Some(Reported {
                lost: block.lost,
                jitter: Samples(u64::from(block.jitter)),
                round_trip: self.round_trip(now, &block),
            });
        }
    }

    /// There and back (RFC 3550 §6.4.1), if they cite a report of ours and no nonsense.
    fn round_trip(&self, now: Instant, block: &rtcp::Block) -> Option<Duration> {
        let elapsed = Ntp::elapsed(now.saturating_duration_since(self.opened)).middle();
        let sent = elapsed.wrapping_sub(block.last_report);
        let away = sent.checked_sub(block.since_last_report)?;
        let known = block.last_report != 0 && away < LONGEST_TRIP;
        known.then(|| Duration::from_micros(u64::from(away) * 1_000_000 / 65_536))
    }

    /// When the next report is due.
    pub(super) fn report_at(&self) -> Instant {
        self.report_at
    }

    /// Sends the report that is due, if anybody may have it.
    pub(super) fn report(&mut self, now: Instant, send: &mut dyn FnMut(SocketAddr, &[u8])) {
        let ssrc = self.out.ssrc();
        self.reports += 1;
        self.report_at = now + jittered(REPORT_INTERVAL, ssrc, self.reports);
        // A sender is who has sent since the report before the last (RFC 3550 §6.3.8); who was heard since the last is reported on (§6.4).
        let (sent, received) = (self.out.packets(), self.statistics.received);
        let sends = sent > self.sent_by_report[1];
        let hears = received > self.received_by_report;
        self.sent_by_report = [sent, self.sent_by_report[0]];
        self.received_by_report = received;
        let Some(to) = self.report_to() else { return };
        let elapsed = Ntp::elapsed(now.saturating_duration_since(self.opened));
        let sender = if sends { self.out.sender(now, elapsed) } else { None };
        let (last_report, since_last_report) = match self.last_report {
            Some((middle, at)) => {
                let since = now.saturating_duration_since(at);
                (middle, Ntp::elapsed(since).middle())
            }
            None => (0, 0),
        };
        let block =
            self.reception.as_mut().filter(|_| hears).map(|(theirs, reception)| rtcp::Block {
                ssrc: *theirs,
                fraction_lost: reception.fraction_lost(),
                lost: u32::try_from(reception.lost()).unwrap_or(u32::MAX),
                highest: reception.highest(),
                jitter: reception.jitter(),
                last_report,
                since_last_report,
            });
        let mut room = [0; rtcp::LONGEST];
        let length = rtcp::write(&mut room, ssrc, mix(mix(u64::from(ssrc))), sender, block);
        send(to, &room[..length]);
    }

    /// A new listener: whoever is silent is so from now on, and it is told again.
    pub(super) fn expect_speech(&mut self, now: Instant) {
        self.heard_at = now;
        self.told_silent = None;
    }

    /// When to look next whether the far side is silent, if nothing earlier is planned.
    pub(super) fn plan_watch(&mut self) -> Option<Instant> {
        let due = self.heard_at + self.watched()?;
        if self.watch_at.is_some_and(|planned| planned <= due) {
            return None;
        }
        self.watch_at = Some(due);
        Some(due)
    }

    /// The look planned for `at`: whether to tell of a silence, and when to look again.
    pub(super) fn watch(&mut self, at: Instant, now: Instant) -> (bool, Option<Instant>) {
        if self.watch_at != Some(at) {
            return (false, None);
        }
        self.watch_at = None;
        let Some(silence) = self.watched() else { return (false, None) };
        let silent = self.heard_at + silence <= now;
        let tell = silent && self.told_silent != Some(self.heard_at);
        if tell {
            self.told_silent = Some(self.heard_at);
        }
        // While silence lasts, look on at that pace: what is heard again is then missed in time.
        self.watch_at = Some(if silent { now + silence } else { self.heard_at + silence });
        (tell, self.watch_at)
    }

    /// All that it waits for.
    pub(super) fn errands(&self) -> impl Iterator<Item = (Instant, Errand)> {
        let planned = [
            (self.piece_due(), Errand::Play),
            (Some(self.report_at), Errand::Report),
            (self.watch_at, Errand::Watch),
        ];
        planned.into_iter().filter_map(|(at, errand)| Some((at?, errand)))
    }

    /// What has gone through so far.
    pub(super) fn statistics(&self, now: Instant) -> Statistics {
        let reception = self.reception.as_ref().map(|(_, reception)| reception);
        let (jitter, worst) = reception.map_or((0, 0), Reception::jitters);
        Statistics {
            sent: self.out.packets(),
            lost: reception.map_or(0, Reception::lost),
            jitter: Samples(u64::from(jitter)),
            worst_jitter: Samples(u64::from(worst)),
            source: self.latch.locked(),
            quiet: now.saturating_duration_since(self.heard_at),
            ..self.statistics
        }
    }

    /// How long the far side may be silent, if it is to speak at all.
    fn watched(&self) -> Option<Duration> {
        let remote = self.remote.as_ref()?;
        self.silence.filter(|_| remote.direction.receives() && remote.rtp.is_some())
    }

    /// To the locked source, or before there is one to the address of the SDP.
    fn aim(&mut self) {
        self.to = self
            .remote
            .as_ref()
            .filter(|remote| remote.direction.sends())
            .and_then(|remote| remote.rtp)
            .map(|signalled| self.latch.locked().unwrap_or(signalled))
            .filter(|&to| is_sendable(to));
    }

    /// Whether RTCP goes and comes by the port of RTP.
    pub(super) fn is_multiplexed(&self) -> bool {
        self.remote.as_ref().is_some_and(|remote| remote.rtcp_mux)
    }

    /// To the RTCP address of the SDP, unless RTP turned out to come from another host: then only to where RTCP comes from.
    fn report_to(&self) -> Option<SocketAddr> {
        let remote = self.remote.as_ref()?;
        let signalled = remote.rtp?.ip();
        match self.latch.locked() {
            Some(locked) if remote.rtcp_mux => Some(locked),
            Some(locked) if locked.ip() != signalled => self.rtcp_from,
            Some(_) | None => remote.rtcp,
        }
        .filter(|&to| is_sendable(to))
    }
}

/// What was agreed on goes before what is static.
fn meanings(received: &[(u8, Encoding)]) -> [(u8, Content); MEANINGS] {
    let agreed = received.iter().take(MEANINGS - STATIC.len()).map(|&(number, encoding)| {
        let content = match encoding {
            Encoding::G711(codec) => Content::Audio(codec),
            Encoding::TelephoneEvent => Content::Event,
            Encoding::Other => Content::Unknown,
        };
        (number, content)
    });
    let mut meanings = [UNUSED; MEANINGS];
    for (place, meaning) in meanings.iter_mut().zip(agreed.chain(STATIC)) {
        *place = meaning;
    }
    meanings
}

/// An interval times 0.5 to 1.5 (RFC 3550 §6.3.1), by the stream's own dice.
fn jittered(interval: Duration, ssrc: u32, round: u64) -> Duration {
    let dice = mix(u64::from(ssrc) << 32 | round) % 1_024;
    interval / 2 + interval * dice as u32 / 1_024
}
