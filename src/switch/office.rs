//! A small office, for the tests of the switch's parts: two phones' owners and one trunk, as settings, and messages as text.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Now;
use super::forwarding::Forwards;
use super::headers::HeaderRules;
use super::number::{Country, Numbering};
use super::settings::{
    Caller, Certificates, ConsentMode, Destination, EarlyMedia, Identity, Listener, NumberPattern,
    Profile, Proof, Redirects, Registrar, Route, Rtp, Settings, Source, Subscriptions, Trunk, User,
    Watch, When,
};
use crate::redacted::Redacted;
use crate::utc::Utc;
use crate::wire::flow::{Flow, ListenerId, Transport};
use crate::wire::rtp::g711::Codec;
use crate::wire::sip::auth::{Algorithm, Ha1};
use crate::wire::sip::dialog::Reach;
use crate::wire::sip::message::Message;

pub(super) const REALM: &str = "office.example";
pub(super) const PASSWORD: &str = "open sesame";
/// Where the phones of 1001 and 1002 are.
pub(super) const PHONES: [&str; 2] = ["10.0.0.50:5060", "10.0.0.51:5060"];
/// Where the trunk is.
pub(super) const CARRIER: &str = "192.0.2.9:5060";

/// Users 1001 and 1002, a trunk with room for two calls whose numbers are the extensions, and three contacts for an AOR at most.
pub(super) fn settings() -> Settings {
    let user = |extension: &str| {
        let name = Redacted::new(format!("Owner of {extension}"));
        let ha1 = Ha1::of(extension, REALM, PASSWORD);
        let (caller_id, dialing) = (None, Arc::default());
        let user = User {
            extension: extension.into(),
            name,
            ha1,
            caller_id,
            transport: None,
            dialing,
            watch: Watch::State,
            pickup_group: None,
            forward: Forwards::default(),
            redirects: Redirects::Follow,
        };
        (extension.to_owned(), user)
    };
    let listener = |profile, address: &str| {
        let bind = address.parse().expect("an address");
        let reach = Reach::Source;
        Listener { profile, transport: Transport::Udp, bind, advertise: bind, reach }
    };
    let north = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9));
    let trunk = Trunk {
        name: "north".into(),
        from: vec![Source { address: north, bits: 32, port: None }],
        peer: None,
        proof: Proof::Address,
        gateways: Vec::new(),
        channels: 2,
        rate: None,
        numbering: Numbering { country: Country::parse("DE"), ..Numbering::default() },
        dialing: None,
        transfers: false,
        redirects: Redirects::Refuse,
        trusted: false,
        identity: Identity::From,
        headers: HeaderRules::default(),
    };
    let route = |caller: Caller| Route {
        name: "in".into(),
        caller,
        numbers: vec![NumberPattern::parse("1*").expect("a pattern")],
        from: Vec::new(),
        when: When::Always,
        emergency: false,
        to: Destination::Dialled,
        or_else: None,
        consent: ConsentMode::Never,
        retention: None,
        language: "en".into(),
        strip: 0,
        prepend: String::new(),
    };
    let nowhere = [IpAddr::V4(Ipv4Addr::LOCALHOST); 2];
    Settings {
        domain: REALM.into(),
        listeners: vec![
            listener(Profile::Internal, "10.0.0.1:5060"),
            listener(Profile::External, "192.0.2.1:5060"),
        ],
        certificates: Certificates::default(),
        country: Country::parse("DE"),
        emergency: vec!["110".into(), "112".into()],
        trusted: Vec::new(),
        hours: BTreeMap::new(),
        rtp: Rtp {
            bind: nowhere,
            advertise: nowhere,
            ports: (16_384, 32_767),
            codecs: vec![Codec::Pcmu],
        },
        users: [user("1001"), user("1002")].into(),
        agents: BTreeMap::new(),
        queues: BTreeMap::new(),
        groups: BTreeMap::new(),
        trunks: [("north".to_owned(), trunk)].into(),
        routes: vec![route(Caller::Trunk("north".into())), route(Caller::Users)],
        retention: BTreeMap::new(),
        retention_every: Duration::from_secs(3_600),
        prompts: BTreeMap::new(),
        language: "en".into(),
        registrar: Registrar {
            shortest: Duration::from_secs(60),
            longest: Duration::from_secs(7_200),
            contacts: 3,
            nonce_life: Duration::from_secs(60),
            digests: vec![Algorithm::Sha256, Algorithm::Md5],
        },
        subscriptions: Subscriptions {
            shortest: Duration::from_secs(60),
            longest: Duration::from_secs(3_600),
            per_user: 4,
            in_all: 6,
        },
        consent_wait: Duration::from_secs(5),
        ring: Duration::from_secs(60),
        silence: Duration::from_secs(300),
        calls: 100,
        session_timers: None,
        early_media: EarlyMedia::Pass,
        park: None,
        features: Vec::new(),
        dns: super::settings::Dns::default(),
        storage: super::settings::Storage::default(),
        longest_recording: Duration::from_secs(12 * 3_600),
    }
}

/// A Monday morning.
pub(super) fn morning(instant: Instant) -> Now {
    Now { instant, utc: Utc::parse("2030-01-07T09:00:00Z").expect("a moment") }
}

/// So much later, by both clocks.
pub(super) fn later(now: Now, span: Duration) -> Now {
    Now { instant: now.instant + span, utc: now.utc.after(span) }
}

/// The way of a phone (listener 0) or a carrier (listener 1).
pub(super) fn flow(listener: u16, remote: &str) -> Flow {
    let remote: SocketAddr = remote.parse().expect("an address");
    Flow::to(ListenerId(listener), Transport::Udp, remote)
}

/// A REGISTER of `user` from a phone, with these header lines.
pub(super) fn register(user: &str, call_id: &str, cseq: u32, lines: &[&str]) -> String {
    request("REGISTER", "sip:office.example", user, user, (call_id, cseq), lines)
}

/// A request without a body from `from` to `to`, with these header lines; its branch is as new as its Call-ID and CSeq.
pub(super) fn request(
    method: &str,
    uri: &str,
    from: &str,
    to: &str,
    (call_id, cseq): (&str, u32),
    lines: &[&str],
) -> String {
    let more: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 10.0.0.50:5060;branch=z9hG4bK{call_id}{cseq};rport\r\n\
         Max-Forwards: 70\r\nFrom: <sip:{from}@office.example>;tag={call_id}\r\nTo: <sip:{to}@office.example>\r\n\
         Call-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n{more}Content-Length: 0\r\n\r\n"
    )
}

/// The text, read.
pub(super) fn read(text: &str) -> Message {
    Message::parse(text.as_bytes()).unwrap_or_else(|(malformed, _)| panic!("{malformed}: {text}"))
}
