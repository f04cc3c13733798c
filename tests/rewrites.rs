//! Legal rewrites of a message are the same message: compact names, folding, case, blanks, lists joined or split, reordered headers,
//! quoted display names (RFC 3261 §7.3, §25.1). Fifty thousand of each, from one seed.

use std::collections::{BTreeMap, BTreeSet};

use tonspur::wire::sip::headers::{Contacts, Name, Params};
use tonspur::wire::sip::message::Message;
use tonspur::wire::sip::uri::Uri;

const ROUNDS: u64 = 50_000;

/// A small generator (SplitMix64), so that a failure can be repeated by its number.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % limit.max(1) as u64) as usize
    }

    fn one_of<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len())]
    }

    /// Blanks where there may be none: SWS.
    fn blanks(&mut self) -> &'static str {
        self.one_of(&["", "", "", " ", "  ", "\t", "\r\n ", " \r\n\t"])
    }

    /// Blanks where there must be some: LWS.
    fn gap(&mut self) -> &'static str {
        self.one_of(&[" ", " ", "  ", "\t", "\r\n ", " \r\n  "])
    }

    /// Letters in any case.
    fn cased(&mut self, text: &str) -> String {
        let any = |dice: &mut Dice, letter: char| match dice.below(2) {
            0 => letter.to_ascii_lowercase(),
            _ => letter.to_ascii_uppercase(),
        };
        match self.below(3) {
            0 => text.to_owned(),
            _ => text.chars().map(|letter| any(self, letter)).collect(),
        }
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        for end in (1..list.len()).rev() {
            list.swap(end, self.below(end + 1));
        }
    }
}

/// A parameter: whether its value's case has no meaning.
type Param = (&'static str, Option<&'static str>, bool);

/// One value of a header, in parts that can be written in more than one way.
enum Value {
    /// `SIP/2.0/UDP host:port;params`
    Via(&'static str, &'static str, &'static [Param]),
    /// Display name, URI, header parameters. Without a display name the brackets stay, for the URI's parameters are its own.
    Address(&'static str, &'static str, &'static [Param]),
    /// A number, before which zeros mean nothing.
    Number(&'static str),
    /// `1 INVITE`
    CSeq(&'static str, &'static str),
    /// A word whose case has no meaning.
    Token(&'static str),
    /// A media type.
    Media(&'static str, &'static str),
    /// As it is.
    Opaque(&'static str),
}

/// A header: canonical name, compact form, values in order.
struct Header(&'static str, &'static str, Vec<Value>);

struct Original {
    start: &'static str,
    headers: Vec<Header>,
    body: &'static str,
}

impl Value {
    fn write(&self, dice: &mut Dice) -> String {
        match self {
            Value::Via(transport, host, params) => {
                let slash = |dice: &mut Dice| format!("{}/{}", dice.blanks(), dice.blanks());
                let (one, two) = (slash(dice), slash(dice));
                let (sip, transport) = (dice.cased("SIP"), dice.cased(transport));
                let (gap, host) = (dice.gap(), dice.cased(host));
                format!("{sip}{one}2.0{two}{transport}{gap}{host}{}", written(params, dice))
            }
            Value::Address(display, uri, params) => {
                let display = match (*display, dice.below(3)) {
                    ("", _) => String::new(),
                    (token, 0) if token.chars().all(|c| c.is_ascii_alphanumeric()) => {
                        format!("{token}{}", dice.gap())
                    }
                    (text, 1) => {
                        let escaped: String = text.chars().map(|c| format!("\\{c}")).collect();
                        format!("\"{escaped}\"{}", dice.blanks())
                    }
                    (text, _) => format!("\"{text}\"{}", dice.blanks()),
                };
                format!("{display}<{uri}>{}", written(params, dice))
            }
            Value::Number(number) => format!("{}{number}", dice.one_of(&["", "", "0", "00"])),
            Value::CSeq(number, method) => {
                format!("{}{number}{}{method}", dice.one_of(&["", "0"]), dice.gap())
            }
            Value::Token(token) => dice.cased(token),
            Value::Media(kind, sub) => {
                let (kind, sub) = (dice.cased(kind), dice.cased(sub));
                format!("{kind}{}/{}{sub}", dice.blanks(), dice.blanks())
            }
            Value::Opaque(text) => (*text).to_owned(),
        }
    }
}

fn written(params: &[Param], dice: &mut Dice) -> String {
    let mut order: Vec<&Param> = params.iter().collect();
    dice.shuffle(&mut order);
    let mut text = String::new();
    for (name, value, any_case) in order {
        text.push_str(&format!("{};{}{}", dice.blanks(), dice.blanks(), dice.cased(name)));
        if let Some(value) = value {
            let value = if *any_case { dice.cased(value) } else { (*value).to_owned() };
            text.push_str(&format!("{}={}{value}", dice.blanks(), dice.blanks()));
        }
    }
    text
}

impl Original {
    fn plain(&self) -> Vec<u8> {
        self.rewrite(None)
    }

    /// The message with every freedom that the grammar leaves taken at random; `None` takes none.
    fn rewrite(&self, dice: Option<&mut Dice>) -> Vec<u8> {
        let mut still = Dice(0);
        let free = dice.is_some();
        let dice = dice.unwrap_or(&mut still);
        // Lines of one header keep their order; those of different headers have none.
        let mut lines: Vec<(usize, String)> = Vec::new();
        for (number, Header(name, compact, values)) in self.headers.iter().enumerate() {
            let mut pending: Vec<String> = Vec::new();
            for (place, value) in values.iter().enumerate() {
                pending.push(if free { value.write(dice) } else { simple(value) });
                let last = place + 1 == values.len();
                if !last && (!free || dice.below(2) == 0) {
                    continue;
                }
                let comma =
                    if free { format!("{},{}", dice.blanks(), dice.blanks()) } else { ", ".into() };
                let value = pending.join(&comma);
                pending.clear();
                let line = if free {
                    let name = match (*compact, dice.below(2)) {
                        ("", _) | (_, 0) => dice.cased(name),
                        (compact, _) => dice.cased(compact),
                    };
                    let before = dice.one_of(&["", "", " ", "\t ", "  "]);
                    format!(
                        "{name}{before}:{}{value}{}",
                        dice.blanks(),
                        dice.one_of(&["", "", " ", "\t"])
                    )
                } else {
                    format!("{name}: {value}")
                };
                lines.push((number, line));
            }
        }
        if free {
            let mut order: Vec<usize> = lines.iter().map(|(number, _)| *number).collect();
            dice.shuffle(&mut order);
            let mut queues: BTreeMap<usize, Vec<String>> = BTreeMap::new();
            for (number, line) in lines.drain(..).rev() {
                queues.entry(number).or_default().push(line);
            }
            lines = order
                .into_iter()
                .map(|number| {
                    let next = queues.get_mut(&number).and_then(Vec::pop);
                    (number, next.expect("as many places as lines"))
                })
                .collect();
        }
        let mut text = format!("{}\r\n", self.start);
        for (_, line) in lines {
            text.push_str(&line);
            text.push_str("\r\n");
        }
        text.push_str("\r\n");
        text.push_str(self.body);
        text.into_bytes()
    }
}

fn simple(value: &Value) -> String {
    let params = |params: &[Param]| -> String {
        let one = |(name, value, _): &Param| match value {
            Some(value) => format!(";{name}={value}"),
            None => format!(";{name}"),
        };
        params.iter().map(one).collect()
    };
    match value {
        Value::Via(transport, host, more) => format!("SIP/2.0/{transport} {host}{}", params(more)),
        Value::Address("", uri, more) => format!("<{uri}>{}", params(more)),
        Value::Address(display, uri, more) => format!("\"{display}\" <{uri}>{}", params(more)),
        Value::Number(text) | Value::Token(text) | Value::Opaque(text) => (*text).to_owned(),
        Value::CSeq(number, method) => format!("{number} {method}"),
        Value::Media(kind, sub) => format!("{kind}/{sub}"),
    }
}

/// Everything that a reader makes of a message, with what has no meaning taken out.
#[derive(Debug, PartialEq)]
struct Reading {
    start: String,
    vias: (usize, String),
    addresses: BTreeMap<&'static str, Vec<String>>,
    call_id: String,
    cseq: (u32, String),
    numbers: (Option<u8>, Option<u32>),
    tokens: BTreeSet<String>,
    unknown: Vec<Vec<u8>>,
    body: Vec<u8>,
    described: bool,
}

fn read(bytes: &[u8]) -> Result<Reading, String> {
    let message = Message::parse(bytes).map_err(|(malformed, _)| format!("{malformed:?}"))?;
    let start = match (message.method(), message.uri(), message.status()) {
        (Some(method), Some(uri), _) => format!("{} {}", method.as_str(), shown(uri)),
        (_, _, status) => format!("{status:?}"),
    };
    let params = |params: &Params, any_case: &[&str]| {
        let mut list: Vec<String> = params
            .iter()
            .map(|(name, value)| {
                let name = name.to_ascii_lowercase();
                let value = value.map(|value| match any_case.contains(&name.as_str()) {
                    true => value.to_ascii_lowercase(),
                    false => value.to_owned(),
                });
                format!("{name}={value:?}")
            })
            .collect();
        list.sort();
        list.join(";")
    };
    let address = |address: &tonspur::wire::sip::headers::Address| {
        let display = address.display.as_deref().unwrap_or_default();
        format!("{display:?} {} {}", shown(&address.uri), params(&address.params, &[]))
    };
    let via = message.via();
    let host = via.host.to_string().to_ascii_lowercase();
    let transport = via.transport.to_ascii_lowercase();
    let top = format!("{transport} {host} {:?} {}", via.port, params(&via.params, &["received"]));
    let mut addresses = BTreeMap::new();
    addresses.insert("from", vec![address(message.from())]);
    addresses.insert("to", vec![address(message.to())]);
    let list = |found: Result<Vec<_>, _>| -> Result<Vec<String>, String> {
        Ok(found.map_err(|wrong| format!("{wrong:?}"))?.iter().map(address).collect())
    };
    addresses.insert("route", list(message.routes())?);
    addresses.insert("record-route", list(message.record_routes())?);
    let contacts = message.contacts().map_err(|wrong| format!("{wrong:?}"))?;
    let contacts = match contacts {
        Some(Contacts::List(contacts)) => contacts.iter().map(address).collect(),
        Some(Contacts::All) => vec!["*".to_owned()],
        None => Vec::new(),
    };
    addresses.insert("contact", contacts);
    let tokens = [Name::Supported, Name::Require, Name::Allow];
    Ok(Reading {
        start,
        vias: (message.via_count(), top),
        addresses,
        call_id: message.call_id().to_owned(),
        cseq: (message.cseq().number, message.cseq().method.as_str().to_owned()),
        numbers: (message.max_forwards(), message.expires().map_err(|wrong| format!("{wrong:?}"))?),
        tokens: tokens
            .into_iter()
            .flat_map(|name| message.tokens(name).map(str::to_ascii_lowercase).collect::<Vec<_>>())
            .collect(),
        unknown: message.lines_of("X-Unknown").map(<[u8]>::to_vec).collect(),
        body: message.body().to_vec(),
        described: message.body_of("application/sdp").is_some(),
    })
}

fn shown(uri: &Uri) -> String {
    uri.as_str().to_owned()
}

fn is_read_alike(original: &Original, seed: u64) {
    let plain = original.plain();
    let expected = read(&plain).expect("the plain message");
    for round in 0..ROUNDS {
        let rewritten = original.rewrite(Some(&mut Dice(seed.wrapping_mul(ROUNDS) + round)));
        let found = read(&rewritten);
        assert!(
            found.as_ref() == Ok(&expected),
            "round {round}:\n{}\nis read as {found:#?}\nnot as {expected:#?}",
            String::from_utf8_lossy(&rewritten)
        );
    }
}

const SDP: &str = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n";

fn vias() -> Header {
    let top: &[Param] = &[
        ("branch", Some("z9hG4bKnashds8"), false),
        ("rport", None, false),
        ("received", Some("192.0.2.1"), true),
    ];
    let below: &[Param] = &[("branch", Some("z9hG4bK776asdhds"), false)];
    Header(
        "Via",
        "v",
        vec![
            Value::Via("UDP", "bigbox3.site3.atlanta.example:5060", top),
            Value::Via("TCP", "pc33.atlanta.example", below),
            Value::Via("UDP", "192.0.2.7:5070", below),
        ],
    )
}

fn common(method: &'static str) -> Vec<Header> {
    let tag: &[Param] = &[("tag", Some("1928301774"), false)];
    vec![
        vias(),
        Header("From", "f", vec![Value::Address("Alice", "sip:alice@atlanta.example;x=y", tag)]),
        Header("Call-ID", "i", vec![Value::Opaque("a84b4c76e66710@pc33.atlanta.example")]),
        Header("CSeq", "", vec![Value::CSeq("314159", method)]),
        Header("X-Unknown", "", vec![Value::Opaque("keep me, as I am; all=\"of me\"")]),
    ]
}

#[test]
fn a_rewritten_invite_is_the_same_invite() {
    let mut headers = common("INVITE");
    headers.extend([
        Header("To", "t", vec![Value::Address("Bob the, Builder", "sip:bob@biloxi.example", &[])]),
        Header("Max-Forwards", "", vec![Value::Number("70")]),
        Header(
            "Contact",
            "m",
            vec![Value::Address("", "sip:alice@pc33.atlanta.example;transport=tcp", &[])],
        ),
        Header(
            "Route",
            "",
            vec![
                Value::Address("", "sip:p1.example.com;lr", &[]),
                Value::Address("P", "sip:p2.example.com;lr", &[("x", Some("1"), false)]),
            ],
        ),
        Header(
            "Supported",
            "k",
            vec![Value::Token("100rel"), Value::Token("timer"), Value::Token("replaces")],
        ),
        Header("Content-Type", "c", vec![Value::Media("application", "sdp")]),
        Header("Content-Length", "l", vec![Value::Number("87")]),
    ]);
    assert_eq!(SDP.len(), 87);
    is_read_alike(
        &Original { start: "INVITE sip:bob@biloxi.example SIP/2.0", headers, body: SDP },
        1,
    );
}

#[test]
fn a_rewritten_200_is_the_same_200() {
    let mut headers = common("INVITE");
    headers.extend([
        Header(
            "To",
            "t",
            vec![Value::Address(
                "Bob",
                "sip:bob@biloxi.example",
                &[("tag", Some("a6c85cf"), false)],
            )],
        ),
        Header("Contact", "m", vec![Value::Address("Bob", "sip:bob@192.0.2.4", &[])]),
        Header(
            "Record-Route",
            "",
            vec![
                Value::Address("", "sip:p2.example.com;lr", &[]),
                Value::Address("", "sip:p1.example.com;lr", &[]),
            ],
        ),
        Header("Content-Type", "c", vec![Value::Media("application", "sdp")]),
        Header("Content-Length", "l", vec![Value::Number("87")]),
    ]);
    is_read_alike(&Original { start: "SIP/2.0 200 OK", headers, body: SDP }, 2);
}

#[test]
fn a_rewritten_register_is_the_same_register() {
    let mut headers = common("REGISTER");
    let first: &[Param] = &[("expires", Some("120"), false), ("q", Some("0.7"), false)];
    headers.extend([
        Header("To", "t", vec![Value::Address("", "sip:alice@atlanta.example", &[])]),
        Header("Max-Forwards", "", vec![Value::Number("69")]),
        Header(
            "Contact",
            "m",
            vec![
                Value::Address("Desk", "sip:alice@192.0.2.4:5062", first),
                Value::Address(
                    "",
                    "sip:alice@pc33.atlanta.example;transport=tcp",
                    &[("q", Some("0.1"), false)],
                ),
            ],
        ),
        Header("Expires", "", vec![Value::Number("3600")]),
        Header("Content-Length", "l", vec![Value::Number("0")]),
    ]);
    is_read_alike(
        &Original { start: "REGISTER sip:atlanta.example SIP/2.0", headers, body: "" },
        3,
    );
}
