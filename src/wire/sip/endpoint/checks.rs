//! The checks of RFC 3261 §8.2 that need no business, in their order.

use crate::wire::sip::headers::Name;
use crate::wire::sip::message::{Message, Method};
use crate::wire::sip::outgoing::Outgoing;
use crate::wire::sip::uri::Scheme;
use crate::wire::sip::{reliable, timer};

/// The Allow header of everything we send.
pub const ALLOW: &str =
    "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, REFER, REGISTER, SUBSCRIBE";

/// The extensions that we know: Require may name them, and Supported does.
const EXTENSIONS: [&str; 4] = [reliable::TAG, timer::TAG, "replaces", "norefersub"];

/// Those that a registrar knows: RFC 3327, RFC 5626.
const OF_REGISTER: [&str; 4] = [EXTENSIONS[0], EXTENSIONS[1], "path", "outbound"];

/// The Supported header of what begins or answers a call, and of an answer to OPTIONS.
pub const SUPPORTED: &str = "100rel, timer, replaces, norefersub";

/// The body that a call is made of.
const SDP: &str = "application/sdp";

/// Why a request goes no further, as the response that says so: its method (§8.2.1), then its scheme (§8.2.2.1). `answer` begins one.
pub(super) fn refused(request: &Message, answer: impl Fn(u16) -> Outgoing) -> Option<Outgoing> {
    match request.method()? {
        Method::Invite
        | Method::Ack
        | Method::Bye
        | Method::Cancel
        | Method::Options
        | Method::Register
        | Method::Info
        | Method::Update
        | Method::Subscribe => {}
        // Of a response inside a dialog: the user knows it, or says 481 (RFC 3262 §3).
        Method::Prack if request.to().tag().is_some() => {}
        // Of a dialog that is none of ours it is a 481 (RFC 6665 §4.1.3), so the user has to look.
        Method::Notify if request.to().tag().is_some() => {}
        Method::Refer if request.to().tag().is_some() => {}
        // Nobody has a call moved that they are not in.
        Method::Refer => return Some(answer(403)),
        Method::Prack => return Some(answer(481)),
        Method::Notify | Method::Message | Method::Publish => {
            return Some(answer(405).header(Name::Allow, ALLOW));
        }
        Method::Other(_) => return Some(answer(501).header(Name::Allow, ALLOW)),
    }
    match request.uri()?.scheme() {
        Scheme::Sip | Scheme::Sips | Scheme::Tel => None,
        Scheme::Other(_) => Some(answer(416)),
    }
}

/// Why a request that is no repetition goes no further: extensions (§8.2.2.3), then content (§8.2.3).
pub(super) fn not_understood(
    request: &Message,
    answer: impl Fn(u16) -> Outgoing,
) -> Option<Outgoing> {
    let extensions: &[&str] = match request.method() {
        Some(Method::Register) => &OF_REGISTER,
        _ => &EXTENSIONS,
    };
    let known = |tag: &&str| extensions.iter().any(|known| known.eq_ignore_ascii_case(tag));
    let extensions: Vec<&str> = request
        .tokens(Name::Require)
        .filter(|tag| !known(tag))
        // That is for proxies, and we are none.
        .chain(request.tokens(Name::ProxyRequire))
        .collect();
    if !extensions.is_empty() {
        return Some(answer(420).header(Name::Unsupported, extensions.join(", ")));
    }
    if timer::Expires::read(request).is_err() {
        return Some(answer(400).reason("bad Session-Expires"));
    }
    if !request.body().is_empty() && !is_optional(request) {
        let mut encodings = request.tokens(Name::ContentEncoding);
        if encodings.any(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
            return Some(answer(415).header(Name::AcceptEncoding, "identity"));
        }
        if carries_sdp(request) && request.body_of(SDP).is_none() {
            return Some(answer(415).header(Name::Accept, SDP));
        }
    }
    let is_invite = request.method() == Some(&Method::Invite);
    if is_invite && request.lines(Name::Accept).next().is_some() {
        let accepts = |range: &str| {
            let range = range.split(';').next().unwrap_or_default().trim_ascii_end();
            [SDP, "application/*", "*/*"].iter().any(|ours| range.eq_ignore_ascii_case(ours))
        };
        if !request.tokens(Name::Accept).any(accepts) {
            return Some(answer(406));
        }
    }
    None
}

/// Whether the body, if any, is an offer or an answer. INFO's is for the user to judge (RFC 6086).
fn carries_sdp(request: &Message) -> bool {
    match request.method() {
        Some(Method::Invite | Method::Update | Method::Prack) => true,
        Some(
            Method::Ack
            | Method::Bye
            | Method::Cancel
            | Method::Options
            | Method::Register
            | Method::Info
            | Method::Subscribe
            | Method::Notify
            | Method::Refer
            | Method::Message
            | Method::Publish
            | Method::Other(_),
        )
        | None => false,
    }
}

/// Whether the sender does not mind its body being ignored (RFC 3261 §20.11).
pub fn is_optional(request: &Message) -> bool {
    request.text(Name::ContentDisposition).is_some_and(|disposition| {
        disposition.split(';').skip(1).any(|param| {
            let mut parts = param.splitn(2, '=').map(str::trim_ascii);
            parts.next().is_some_and(|name| name.eq_ignore_ascii_case("handling"))
                && parts.next().is_some_and(|value| value.eq_ignore_ascii_case("optional"))
        })
    })
}
