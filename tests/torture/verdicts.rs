//! Every message of RFC 4475 and RFC 5118 meets a whole switch, over UDP and over TCP, and gets the verdict that the table holds.

use std::collections::BTreeSet;
use std::time::Duration;

use tonspur::switch::journal::Entry;
use tonspur::switch::settings::Profile;
use tonspur::wire::flow::Transport;
use tonspur::wire::sip::auth;
use tonspur::wire::sip::ids::Ids;
use tonspur::wire::sip::message::{Message, Method};

use super::door::{CARRIER, DOMAIN, Door, PASSWORD, STRANGER, Seen, Sender, Way};
use super::reading::{Text, miscopied, squashed};
use super::table::{Line, Stream, TABLE, Verdict};
use super::{bytes, folder};

/// The Call-ID of what follows the first request of dblreq.
const SECOND: &str = "dblreq.0ha0isnda977644900765@192.0.2.15";

/// The INVITEs that nothing is wrong with, or that we read liberally: the phone rings.
const RINGING: [&str; 5] = [
    "rfc4475/baddate",
    "rfc4475/esc01",
    "rfc4475/escruri",
    "rfc4475/longreq",
    "rfc5118/mult-ip-in-sdp",
];

/// The message as it is sent. Where the archive leaves the empty line out, a stream needs it.
fn sent(name: &str, transport: Transport) -> Vec<u8> {
    let mut message = bytes(name);
    if name == "rfc4475/baddn" && transport == Transport::Tcp {
        message.extend_from_slice(b"\r\n");
    }
    message
}

#[test]
fn the_table_holds_every_message() {
    let mut files = BTreeSet::new();
    for rfc in ["rfc4475", "rfc5118"] {
        for entry in std::fs::read_dir(folder().join(rfc)).expect("the folder is there") {
            let name = entry.expect("readable").file_name().into_string().expect("ASCII");
            files.insert(format!("{rfc}/{}", name.strip_suffix(".dat").expect("a message")));
        }
    }
    let table: BTreeSet<_> = TABLE.iter().map(|line| String::from(line.name)).collect();
    assert_eq!((TABLE.len(), table.len()), (62, 62));
    assert_eq!(table, files);
}

#[test]
fn every_message_of_a_trunk_gets_its_verdict_over_udp() {
    verdicts(Transport::Udp);
}

#[test]
fn every_message_of_a_trunk_gets_its_verdict_over_tcp() {
    verdicts(Transport::Tcp);
}

fn verdicts(transport: Transport) {
    let mut door = Door::new();
    let (mut wrong, mut ringing) = (Vec::new(), Vec::new());
    for line in TABLE {
        let message = sent(line.name, transport);
        // Registrations are a matter of the phones' door.
        let profile = match Text::read(&message).method() {
            "REGISTER" => Profile::Internal,
            _ => Profile::External,
        };
        let carrier = Sender::new(CARRIER, profile, transport);
        let mut way = door.way(carrier);
        let seen = door.bring(&mut way, &message);
        let mut faults = judged(line, &message, &way, &seen);
        if !seen.rung.is_empty() {
            ringing.push(line.name);
        }
        faults.extend(seen.rung.iter().flat_map(|request| misled(request)));
        acknowledge(&mut door, &mut way, &message, &seen);
        let after = door.leave(&way);
        for text in after.texts() {
            faults.push(format!("more is sent after all is over: {}", text.start()));
        }
        faults.extend(deaf(&mut door, carrier));
        let statuses: Vec<_> = seen.texts().iter().map(|text| text.start().to_owned()).collect();
        wrong.extend(
            faults
                .into_iter()
                .map(|fault| format!("{} ({}) {statuses:?}: {fault}", line.name, line.section)),
        );
    }
    assert!(wrong.is_empty(), "{transport:?}:\n{}", wrong.join("\n"));
    // Whose end is not to be told on a stream, and who comes second on one.
    let one_more = match transport {
        Transport::Udp => "rfc4475/inv2543",
        Transport::Tcp | Transport::Tls => "rfc4475/dblreq",
    };
    let expected: BTreeSet<_> = RINGING.into_iter().chain([one_more]).collect();
    assert_eq!(ringing.into_iter().collect::<BTreeSet<_>>(), expected);
}

/// Everything that is wrong with what was seen.
fn judged(line: &Line, message: &[u8], way: &Way, seen: &Seen) -> Vec<String> {
    let mut wrong = Vec::new();
    let request = Text::read(message);
    let mut answers = seen.texts();
    if let Some(request) = answers.iter().find(|text| text.is_request()) {
        wrong.push(format!("a request comes back: {}", request.start()));
    }
    wrong.extend(seen.astray.iter().map(|address| format!("something is sent to {address}")));
    for answer in &seen.answers {
        // Whose Via cannot be read is answered where it sends from.
        if line.name != "rfc4475/badinv01" || answer.flow != way.flow {
            wrong.extend(misdirected(&request, way, answer.flow));
        }
    }
    if line.name == "rfc4475/dblreq" {
        let (second, first): (Vec<_>, Vec<_>) =
            answers.into_iter().partition(|text| text.header("call-id") == SECOND);
        answers = first;
        match way.flow.transport {
            Transport::Udp if !second.is_empty() => {
                wrong.push("what follows the body of a datagram is answered".into());
            }
            Transport::Tcp if second.iter().all(|text| text.status() < Some(200)) => {
                wrong.push("the second request of the stream is not answered".into());
            }
            Transport::Udp | Transport::Tcp | Transport::Tls => {}
        }
    }
    for answer in &answers {
        wrong.extend(miscopied(&request, answer, way.flow.remote));
        wrong.extend(unexplained(&request, answer));
    }
    wrong.extend(misjudged(line, &answers, way.flow.transport));
    if way.flow.transport == Transport::Tcp {
        let state = match (seen.closed, seen.midway) {
            (true, _) => Stream::Ends,
            (false, true) => Stream::Waits,
            (false, false) => Stream::GoesOn,
        };
        if state != line.stream {
            wrong.push(format!("{:?} is wanted of the stream, it {state:?}", line.stream));
        }
    }
    wrong
}

/// The status, against the table.
fn misjudged(line: &Line, answers: &[Text], transport: Transport) -> Option<String> {
    let statuses: Vec<u16> = answers.iter().filter_map(Text::status).collect();
    let finals: Vec<u16> = statuses.iter().copied().filter(|status| *status >= 200).collect();
    let is_wanted = |status: u16| line.best.contains(&status) || line.also.contains(&status);
    let waits = transport == Transport::Tcp && line.stream == Stream::Waits;
    let silent = waits || line.droppable || line.verdict == Verdict::Silence;
    match (line.verdict, finals.as_slice()) {
        (_, []) if silent && statuses.is_empty() => None,
        (Verdict::Silence, _) => Some("it is answered".into()),
        (_, []) => Some("it is not answered".into()),
        (_, [_, _, ..]) => Some("it is answered twice".into()),
        (Verdict::Refused, [200..300]) => Some("it is served".into()),
        (_, [status]) if !line.best.is_empty() && is_wanted(*status) => None,
        (Verdict::Read, [400 | 500 | 502..700]) => Some("it is not understood".into()),
        (Verdict::Either, [500 | 502..700]) => Some("it is not understood".into()),
        (Verdict::Read | Verdict::Either, [_]) if line.best.is_empty() => None,
        // A liberal reading of what need not be read.
        (Verdict::Either, [200..300 | 401..500]) => None,
        (_, [_]) => Some(format!("{:?} is wanted", line.best)),
    }
}

/// Where answers go: RFC 3261 §18.2.2, RFC 3581 §4.
fn misdirected(request: &Text, way: &Way, to: tonspur::wire::flow::Flow) -> Option<String> {
    let source = way.flow.remote;
    let right = match way.flow.transport {
        Transport::Tcp | Transport::Tls => to == way.flow,
        Transport::Udp if request.asks_for_rport() => to.remote == source,
        Transport::Udp => {
            let port = request.sent_by().map_or(source.port(), |(_, port)| port);
            to.remote.ip() == source.ip() && to.remote.port() == port
        }
    };
    (!right).then(|| format!("an answer goes to {to:?}"))
}

/// What an answer lacks that says what would be better.
fn unexplained(request: &Text, answer: &Text) -> Option<String> {
    let lists = |name: &str, wanted: &[&str]| {
        let listed: Vec<String> =
            answer.values(name).iter().map(|value| value.to_ascii_lowercase()).collect();
        wanted.iter().all(|wanted| listed.iter().any(|value| *value == wanted.to_ascii_lowercase()))
    };
    let required = || [request.values("require"), request.values("proxy-require")].concat();
    let well = match answer.status()? {
        420 => lists("unsupported", &required().iter().map(String::as_str).collect::<Vec<_>>()),
        405 => lists("allow", &["INVITE", "ACK", "CANCEL", "BYE", "OPTIONS"]),
        415 => lists("accept", &["application/sdp"]),
        401 => answer.lines("www-authenticate").iter().any(|line| line.starts_with("Digest ")),
        _ => true,
    };
    (!well).then(|| "the refusal says not what would be right".into())
}

/// What of a stranger's making steers the request to the phone.
fn misled(request: &[u8]) -> Vec<String> {
    let request = Text::read(request);
    let mut wrong = Vec::new();
    for name in ["route", "require", "proxy-require"] {
        if !request.lines(name).is_empty() {
            wrong.push(format!("the phone gets {name}: {}", request.header(name)));
        }
    }
    let uri = request.start().split(' ').nth(1).unwrap_or_default();
    if uri != format!("sip:1001@{}", super::door::PHONE) {
        wrong.push(format!("the phone is asked for {uri}"));
    }
    if request.values("via").len() != 1 {
        wrong.push("the phone sees Vias of the other leg".into());
    }
    wrong
}

/// Sends the ACK of every refusal of an INVITE (RFC 3261 §17.1.1.3).
fn acknowledge(door: &mut Door, way: &mut Way, message: &[u8], seen: &Seen) {
    let second = message.windows(SECOND.len()).any(|part| part == SECOND.as_bytes());
    let second = second.then(|| {
        let start = message.windows(7).position(|part| part == b"INVITE ").expect("dblreq");
        Text::read(&message[start..])
    });
    let requests: Vec<Text> = [Some(Text::read(message)), second].into_iter().flatten().collect();
    for answer in seen.texts().iter().filter(|text| text.status() >= Some(300)) {
        let asked = |request: &&Text| request.header("call-id") == answer.header("call-id");
        let Some(request) = requests.iter().find(asked) else { continue };
        if request.method() != "INVITE" || seen.closed {
            continue;
        }
        let uri = request.start().split(' ').nth(1).unwrap_or_default();
        let via = request.values("via").first().cloned().unwrap_or_default();
        let number = request.header("cseq").split([' ', '\t']).next().unwrap_or_default();
        let ack = format!(
            "ACK {uri} SIP/2.0\r\nVia: {via}\r\nFrom: {}\r\nTo: {}\r\nCall-ID: {}\r\nCSeq: {number} ACK\r\nMax-Forwards: 70\r\n\
             Content-Length: 0\r\n\r\n",
            request.header("from"),
            answer.header("to"),
            request.header("call-id"),
        );
        let ack: Vec<u8> = ack.chars().map(|c| c as u8).collect();
        let after = door.bring(way, &ack);
        assert!(after.answers.is_empty(), "an ACK is answered");
    }
}

/// An OPTIONS of the same sender, which has nothing to do with what came before, is answered with 200.
fn deaf(door: &mut Door, sender: Sender) -> Option<String> {
    let mut way = door.way(sender);
    let (address, transport) = (sender.address, format!("{:?}", sender.transport).to_uppercase());
    let options = format!(
        "OPTIONS sip:{DOMAIN} SIP/2.0\r\nVia: SIP/2.0/{transport} {address};branch=z9hG4bKalive;rport\r\nMax-Forwards: 70\r\n\
         From: <sip:prober@{DOMAIN}>;tag=alive\r\nTo: <sip:{DOMAIN}>\r\nCall-ID: alive\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
    );
    let seen = door.bring(&mut way, options.as_bytes());
    door.leave(&way);
    let statuses: Vec<_> = seen.texts().iter().filter_map(Text::status).collect();
    (statuses != [200]).then(|| format!("an OPTIONS after it gets {statuses:?}"))
}

#[test]
fn a_stranger_is_challenged_or_refused_once_and_leaves_nothing_behind() {
    for transport in [Transport::Udp, Transport::Tcp] {
        for profile in [Profile::External, Profile::Internal] {
            let stranger = Sender::new(STRANGER, profile, transport);
            let mut door = Door::new();
            for line in TABLE {
                let message = sent(line.name, transport);
                let mut way = door.way(stranger);
                let seen = door.bring(&mut way, &message);
                assert_eq!(
                    door.at_rest(),
                    Ok(()),
                    "{}: something is kept of a stranger",
                    line.name
                );
                let after = door.leave(&way);
                let place = format!("{} {profile:?} {transport:?}", line.name);
                let request = Text::read(&message);
                let mut bytes = 0;
                for (answer, sent) in seen.texts().iter().zip(&seen.answers) {
                    let status = answer.status().expect("no request goes to a stranger");
                    // Who asks what we can do is told, whoever it is: nothing begins by it (RFC 3261 §11.2).
                    let told = request.method() == "OPTIONS" && status == 200;
                    let done = told || (status >= 400 && status != 500);
                    assert!(done, "{place}: {}", answer.start());
                    bytes += sent.bytes.len();
                }
                let requests = if line.name == "rfc4475/dblreq" && transport == Transport::Tcp {
                    2
                } else {
                    1
                };
                assert!(seen.answers.len() <= requests, "{place}: one answer for one request");
                assert!(bytes < 2 * message.len(), "{place}: {bytes} for {}", message.len());
                assert!(seen.astray.is_empty(), "{place}: sent to {:?}", seen.astray);
                assert!(seen.rung.is_empty(), "{place}: the phone rings");
                assert_eq!(seen.ports, 0, "{place}");
                let stored: Vec<&Entry> = seen.entries.iter().chain(&after.entries).collect();
                assert!(stored.is_empty(), "{place}: {stored:?}");
                assert!(after.answers.is_empty(), "{place}: it is repeated to a stranger");
            }
        }
    }
}

#[test]
fn contacts_of_the_messages_mean_on_a_fetch_what_they_meant_on_the_way_in() {
    let phone = Sender::new(STRANGER, Profile::Internal, Transport::Udp);
    for (name, user, contacts) in [
        ("rfc4475/cparam01", "watson", vec!["sip:+19725552222@gw1.example.net"]),
        ("rfc4475/cparam02", "watson", vec!["sip:+19725552222@gw1.example.net;unknownparam"]),
        ("rfc4475/regescrt", "user", vec!["sip:user@example.com?Route=%3Csip:sip.example.com%3E"]),
        (
            "rfc4475/escnull",
            "null-\0-null",
            vec!["sip:%00@host5.example.com", "sip:%00%00@host5.example.com"],
        ),
    ] {
        let mut door = Door::new();
        let message = bytes(name);
        let bound = registered(&mut door, phone, &message, user);
        let fetched = registered(&mut door, phone, &without_contacts(&message), user);
        for answer in [bound, fetched] {
            assert_eq!(answer.status(), Some(200), "{name}: {}", answer.start());
            let told: Vec<String> =
                answer.values("contact").iter().map(|value| uri(value)).collect();
            assert_eq!(told, contacts, "{name}");
        }
    }
}

/// The REGISTER as it comes, then with the credentials that are asked for; the answer to that.
fn registered(door: &mut Door, phone: Sender, message: &[u8], user: &str) -> Text {
    let mut way = door.way(phone);
    let seen = door.bring(&mut way, message);
    let [challenge] = seen.answers.as_slice() else { panic!("a challenge") };
    let challenge = Message::parse(&challenge.bytes).expect("our own");
    assert_eq!(challenge.status().map(|status| status.code()), Some(401));
    // Until the first transaction has ended, which a phone would spare itself by a higher CSeq.
    door.wait(phone.address, Duration::from_secs(33));
    let uri = Text::read(message).start().split(' ').nth(1).unwrap_or_default().to_owned();
    let ids = &mut Ids::new([3; 32]);
    let (_, credentials) =
        auth::answer(&challenge, &Method::Register, &uri, user, PASSWORD, None, ids)
            .expect("a challenge");
    let line = message.windows(2).position(|two| two == b"\r\n").expect("a request line") + 2;
    let credentials = format!("Authorization: {credentials}\r\n");
    let again = [&message[..line], credentials.as_bytes(), &message[line..]].concat();
    let mut way = door.way(phone);
    let seen = door.bring(&mut way, &again);
    door.leave(&way);
    let [answer] = &seen.texts()[..] else { panic!("an answer") };
    answer.clone()
}

fn without_contacts(message: &[u8]) -> Vec<u8> {
    let lines = message.split_inclusive(|&byte| byte == b'\n');
    let kept = lines.filter(|line| !line.starts_with(b"Contact:") && !line.starts_with(b"M:"));
    kept.flatten().copied().collect()
}

/// Between the brackets.
fn uri(contact: &str) -> String {
    let contact = squashed(contact);
    let inside = contact.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inside.map_or_else(|| panic!("no brackets: {contact}"), |(uri, _)| uri.to_owned())
}
