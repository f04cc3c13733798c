//! Offer and answer: RFC 3264, for one audio stream of G.711 with telephone events.

use std::net::{IpAddr, SocketAddr};

use super::description::{Address, Description, Draft, Encoding, Line, Stream, Time};
use crate::wire::rtp::g711::Codec;

/// Which way audio flows, as seen by whom it is said of (RFC 3264 §5.1, §8.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// Both ways.
    SendRecv,
    /// Only from us to them.
    SendOnly,
    /// Only from them to us.
    RecvOnly,
    /// Neither.
    Inactive,
}

impl Direction {
    /// Seen from the other end.
    pub fn mirrored(self) -> Direction {
        match self {
            Direction::SendOnly => Direction::RecvOnly,
            Direction::RecvOnly => Direction::SendOnly,
            both => both,
        }
    }

    fn new(sends: bool, receives: bool) -> Direction {
        match (sends, receives) {
            (true, true) => Direction::SendRecv,
            (true, false) => Direction::SendOnly,
            (false, true) => Direction::RecvOnly,
            (false, false) => Direction::Inactive,
        }
    }

    /// What both allow.
    pub fn narrowed(self, to: Direction) -> Direction {
        Direction::new(self.sends() && to.sends(), self.receives() && to.receives())
    }

    /// Whether audio goes out.
    pub fn sends(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::SendOnly)
    }

    /// Whether audio comes in.
    pub fn receives(self) -> bool {
        matches!(self, Direction::SendRecv | Direction::RecvOnly)
    }
}

/// What an offer and its answer have agreed on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Agreed {
    /// Where our RTP goes; port 0 or an unspecified address never gets here. `None`: held the RFC 2543 way (`c=0.0.0.0`); the
    /// direction then never sends.
    pub rtp: Option<SocketAddr>,
    /// Where our RTCP goes: a=rtcp (RFC 3605), else one port up.
    pub rtcp: Option<SocketAddr>,
    /// Both sides send RTCP to the port of RTP (RFC 5761); `rtcp` is that one then.
    pub rtcp_mux: bool,
    /// The codec we send; both G.711 laws are always received.
    pub codec: Codec,
    /// The payload type that they give `codec`: almost always [`Codec::payload_type`], but a=rtpmap may name another.
    pub payload_type: u8,
    /// The payload type of telephone-event that they want to receive, if both sides have it.
    pub telephone_event: Option<u8>,
    /// What the numbers mean under which they may send: those that we listed (RFC 3264 §5.1), then those that they did.
    pub received: Vec<(u8, Encoding)>,
    /// Ours: whether we send, receive.
    pub direction: Direction,
}

/// Why a description cannot be agreed on: 488 (or 415/400 for one that cannot be read).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Not SDP.
    Unreadable,
    /// No audio stream over RTP/AVP, or none we can reach.
    NoAudio,
    /// No codec in common.
    NoCodec,
    /// An answer whose m= lines do not match our offer.
    Mismatch,
}

/// The payload type under which we offer telephone-event as long as the far side has not given it another.
const TELEPHONE_EVENT: u8 = 101;

/// The media side of one dialog: remembers o= id and version, and the last agreement.
#[derive(Clone, Debug)]
pub struct Session {
    rtp: SocketAddr,
    id: u64,
    version: u64,
    /// t=, which is as it was offered (RFC 3264 §6).
    time: Time,
    codecs: Vec<Codec>,
    /// The last description sent, and its text.
    said: Option<(Draft, Vec<u8>)>,
    /// The direction of the offer that waits for its answer, or was answered last.
    offered: Option<Direction>,
    /// The m= lines of the dialog: an offer may add to them, never remove one (RFC 3264 §8).
    lines: Vec<Line>,
    /// Payload types as first used; the meaning of a number never changes within a dialog (RFC 3264 §8.3.2).
    numbers: Vec<(u8, Encoding)>,
    agreed: Option<Agreed>,
}

impl Session {
    /// `rtp` is our address and even port as the far side sees it; RTCP is one up. `id` is the session id of o=, random.
    /// `codecs` in our order of preference.
    pub fn new(rtp: SocketAddr, id: u64, codecs: Vec<Codec>) -> Session {
        Session {
            rtp,
            id,
            version: 1,
            time: Time::default(),
            codecs,
            said: None,
            offered: None,
            lines: Vec::new(),
            numbers: Vec::new(),
            agreed: None,
        }
    }

    /// Our offer, in the given direction. Version goes up by one only when the text changed.
    pub fn offer(&mut self, direction: Direction) -> Vec<u8> {
        let audio = Line::Audio {
            port: self.rtp.port(),
            encodings: self.offerable(),
            direction,
            // Where it was agreed on, it stays; it is never asked for, since some drop the call over what they do not know.
            rtcp_mux: self.agreed.as_ref().is_some_and(|agreed| agreed.rtcp_mux),
        };
        let mut lines = self.lines.clone();
        match lines.iter_mut().find(|line| matches!(line, Line::Audio { .. })) {
            Some(place) => *place = audio,
            None => lines.push(audio),
        }
        self.offered = Some(direction);
        self.say(lines)
    }

    /// What we said last, as an offer, down to the version of o=: for a re-INVITE that changes nothing (RFC 4028 §7.4). `None` if we
    /// have said nothing yet.
    pub fn again(&mut self) -> Option<Vec<u8>> {
        let (draft, text) = self.said.as_ref()?;
        self.offered = draft.lines.iter().find_map(|line| match line {
            Line::Audio { direction, .. } => Some(*direction),
            Line::Refused { .. } => None,
        });
        Some(text.clone())
    }

    /// Our answer to their offer; `wanted` is what we would like (SendRecv), narrowed to what they allow. Every m= line of
    /// theirs has one in the answer, in order, refused ones with port 0. A refused offer changes nothing.
    pub fn answer(
        &mut self,
        offer: &[u8],
        wanted: Direction,
    ) -> Result<(Vec<u8>, Agreed), Refusal> {
        let offer = Description::read(offer)?;
        let (place, common) = self.choose(&offer.streams)?;
        let stream = &offer.streams[place];
        let agreed = self.agree(stream, &common, wanted)?;
        let mut lines: Vec<Line> = offer.streams.iter().map(refused).collect();
        lines[place] = Line::Audio {
            port: self.rtp.port(),
            encodings: common.clone(),
            direction: agreed.direction,
            rtcp_mux: agreed.rtcp_mux,
        };
        self.remember(&common);
        self.time = offer.time;
        self.offered = None;
        self.lines.clone_from(&lines);
        self.agreed = Some(agreed.clone());
        Ok((self.say(lines), agreed))
    }

    /// Takes their answer to our last offer. The same answer may come several times (a 183, then a 200).
    pub fn conclude(&mut self, answer: &[u8]) -> Result<Agreed, Refusal> {
        let answer = Description::read(answer)?;
        let (Some(direction), Some((draft, _))) = (self.offered, &self.said) else {
            return Err(Refusal::Mismatch);
        };
        let fits = |line: &Line, stream: &Stream| match line {
            Line::Audio { .. } => stream.media.eq_ignore_ascii_case("audio"),
            Line::Refused { media, .. } => stream.media.eq_ignore_ascii_case(media),
        };
        let paired = draft.lines.iter().zip(&answer.streams);
        if draft.lines.len() != answer.streams.len()
            || !paired.clone().all(|(line, stream)| fits(line, stream))
        {
            return Err(Refusal::Mismatch);
        }
        let (ours, rtcp_mux, stream) = paired
            .into_iter()
            .find_map(|(line, stream)| match line {
                Line::Audio { encodings, rtcp_mux, .. } => Some((encodings, *rtcp_mux, stream)),
                Line::Refused { .. } => None,
            })
            .ok_or(Refusal::Mismatch)?;
        // RFC 5761 §5.1.1: only what was offered is agreed on.
        let stream = &Stream { rtcp_mux: stream.rtcp_mux && rtcp_mux, ..stream.clone() };
        let common = self.common(stream);
        let mut agreed = self.agree(stream, &common, direction)?;
        let listed = |number: u8| ours.iter().any(|&(ours, _)| ours == number);
        agreed.received.retain(|&(number, _)| !listed(number));
        agreed.received.splice(..0, ours.iter().copied());
        self.lines.clone_from(&draft.lines);
        self.remember(&common);
        self.agreed = Some(agreed.clone());
        Ok(agreed)
    }

    /// The last agreement.
    pub fn agreed(&self) -> Option<&Agreed> {
        self.agreed.as_ref()
    }

    /// The first stream that we can take, by its place, and the formats in common; otherwise what stands in the way of the nearest.
    fn choose(&self, streams: &[Stream]) -> Result<(usize, Vec<(u8, Encoding)>), Refusal> {
        let mut refusal = Refusal::NoAudio;
        for (place, stream) in streams.iter().enumerate() {
            let common = self.common(stream);
            match self.agree(stream, &common, Direction::SendRecv) {
                Ok(_) => return Ok((place, common)),
                Err(Refusal::NoCodec) => refusal = Refusal::NoCodec,
                Err(Refusal::NoAudio | Refusal::Unreadable | Refusal::Mismatch) => {}
            }
        }
        Err(refusal)
    }

    /// What we speak of their formats, in their order, each once.
    fn common(&self, stream: &Stream) -> Vec<(u8, Encoding)> {
        let mut common: Vec<(u8, Encoding)> = Vec::new();
        for (number, encoding) in stream.formats.iter().filter_map(|name| stream.encoding(name)) {
            let spoken = match encoding {
                Encoding::G711(codec) => self.codecs.contains(&codec),
                Encoding::TelephoneEvent => true,
                Encoding::Other => false,
            };
            if spoken && !common.iter().any(|&(_, seen)| seen == encoding) {
                common.push((number, encoding));
            }
        }
        common
    }

    fn agree(
        &self,
        stream: &Stream,
        common: &[(u8, Encoding)],
        wanted: Direction,
    ) -> Result<Agreed, Refusal> {
        if !stream.is_plain_audio() || stream.port == 0 {
            return Err(Refusal::NoAudio);
        }
        let held = stream.addresses.contains(&Address::Unspecified);
        let host = stream.addresses.iter().find_map(|&address| self.reachable(address));
        if !held && host.is_none() {
            return Err(Refusal::NoAudio);
        }
        let (payload_type, codec) = common
            .iter()
            .find_map(|&(number, encoding)| match encoding {
                Encoding::G711(codec) => Some((number, codec)),
                Encoding::TelephoneEvent | Encoding::Other => None,
            })
            .ok_or(Refusal::NoCodec)?;
        let telephone_event = common
            .iter()
            .find(|(_, encoding)| *encoding == Encoding::TelephoneEvent)
            .map(|&(number, _)| number);
        let allowed = stream.direction.mirrored();
        // RFC 3264 §8.4: to an unspecified address neither RTP nor RTCP is sent.
        let allowed = if held { allowed.narrowed(Direction::RecvOnly) } else { allowed };
        let host = if held { None } else { host };
        Ok(Agreed {
            rtp: host.map(|host| SocketAddr::new(host, stream.port)),
            rtcp: host.and_then(|host| self.rtcp(stream, host)),
            rtcp_mux: stream.rtcp_mux,
            codec,
            payload_type,
            telephone_event,
            received: common.to_vec(),
            direction: wanted.narrowed(allowed),
        })
    }

    /// Our sockets speak the family of our own address.
    fn reachable(&self, address: Address) -> Option<IpAddr> {
        match address {
            Address::Unicast(host) if host.is_ipv4() == self.rtp.ip().to_canonical().is_ipv4() => {
                Some(host)
            }
            Address::Unicast(_) | Address::Unspecified | Address::Unreachable => None,
        }
    }

    fn rtcp(&self, stream: &Stream, host: IpAddr) -> Option<SocketAddr> {
        match stream.rtcp {
            _ if stream.rtcp_mux => Some(SocketAddr::new(host, stream.port)),
            Some((0, _)) => None,
            Some((port, named)) => {
                let named = named.and_then(|address| self.reachable(address));
                Some(SocketAddr::new(named.unwrap_or(host), port))
            }
            None => stream.port.checked_add(1).map(|port| SocketAddr::new(host, port)),
        }
    }

    /// What we put into an offer: every codec of ours and telephone-event, under the numbers in use.
    fn offerable(&self) -> Vec<(u8, Encoding)> {
        let codecs = self.codecs.iter().map(|&codec| (codec.payload_type(), Encoding::G711(codec)));
        let mut offerable: Vec<(u8, Encoding)> = Vec::with_capacity(self.codecs.len() + 1);
        for (usual, encoding) in codecs.chain([(TELEPHONE_EVENT, Encoding::TelephoneEvent)]) {
            let used = self.numbers.iter().find(|&&(_, known)| known == encoding);
            let number = used.map_or(usual, |&(number, _)| number);
            let taken = |number: u8| {
                self.numbers.iter().any(|&(n, known)| n == number && known != encoding)
                    || offerable.iter().any(|&(n, _)| n == number)
            };
            // A codec whose usual number they use for something else gets the next free dynamic one (RFC 3551 §3).
            let free = std::iter::once(number).chain(96..128).find(|&number| !taken(number));
            offerable.extend(free.map(|number| (number, encoding)));
        }
        offerable
    }

    fn remember(&mut self, common: &[(u8, Encoding)]) {
        for &(number, encoding) in common {
            match self.numbers.iter_mut().find(|(_, known)| *known == encoding) {
                Some(known) => known.0 = number,
                None => self.numbers.push((number, encoding)),
            }
        }
    }

    fn say(&mut self, lines: Vec<Line>) -> Vec<u8> {
        let Session { id, version, time, .. } = *self;
        let mut draft = Draft { id, version, address: self.rtp.ip(), time, lines };
        match &self.said {
            Some((said, text)) if *said == draft => return text.clone(),
            Some(_) => {
                // RFC 3264 §5: below 2^62, so that it never reaches the end.
                self.version += 1;
                draft.version = self.version;
            }
            None => {}
        }
        let text = draft.write();
        self.said = Some((draft, text.clone()));
        text
    }
}

fn refused(stream: &Stream) -> Line {
    Line::Refused {
        media: stream.media.clone(),
        protocol: stream.protocol.clone(),
        formats: stream.formats.clone(),
    }
}

#[cfg(test)]
mod tests;
