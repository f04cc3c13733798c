//! Which transaction a request belongs to: RFC 3261 §17.2.3, §8.2.2.2, §13.3.1.4.

use std::hash::{DefaultHasher, Hasher};
use std::net::IpAddr;

use crate::wire::sip::ids::Ids;
use crate::wire::sip::message::{Message, Method};
use crate::wire::sip::uri::Host;

/// A fingerprint of 128 bits under a secret of this run: small, of one size, and nobody outside can make two collide.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Print(u128);

/// Takes fingerprints.
#[derive(Debug)]
pub(super) struct Prints {
    secrets: [u64; 4],
}

impl Prints {
    pub(super) fn new(ids: &mut Ids) -> Prints {
        Prints { secrets: std::array::from_fn(|_| ids.long()) }
    }

    /// The same for a request, its repetitions, and the CANCEL and ACK of an INVITE (RFC 3261 §17.2.3): branch, sent-by and
    /// method; without the magic cookie the Request-URI too, as in RFC 2543. Call-ID, CSeq and From tag are the same in all of them
    /// and keep apart what peers with careless branches send.
    pub(super) fn request(&self, request: &Message) -> Print {
        let via = request.via();
        let mut print = Print::begin(self, 1);
        let branch = via.branch().unwrap_or_default();
        print.text(branch);
        if !has_cookie(branch) {
            print.text(request.uri().map_or("", |uri| uri.as_str()));
            print.text(&via.transport);
        }
        match &via.host {
            Host::Name(name) => print.text(name),
            Host::Address(IpAddr::V4(address)) => print.bytes(&address.octets()),
            Host::Address(IpAddr::V6(address)) => print.bytes(&address.octets()),
        }
        print.number(via.port.map_or(0, u32::from));
        print.text(match &request.cseq().method {
            Method::Ack | Method::Cancel => Method::Invite.as_str(),
            method => method.as_str(),
        });
        print.text(request.call_id());
        print.number(request.cseq().number);
        print.text(request.from().tag().unwrap_or_default());
        print.end()
    }

    /// The same for a request that arrives by several ways (RFC 3261 §8.2.2.2); none inside a dialog.
    pub(super) fn origin(&self, request: &Message) -> Option<Print> {
        if request.to().tag().is_some() {
            return None;
        }
        // A peer of RFC 2543 without From tag cannot be told from another one.
        let tag = request.from().tag()?;
        let mut print = Print::begin(self, 2);
        print.text(tag);
        print.text(request.call_id());
        print.number(request.cseq().number);
        print.text(request.cseq().method.as_str());
        Some(print.end())
    }

    /// The same for a 2xx of ours, by its request and its To tag, and its ACK (RFC 3261 §13.2.2.4): Call-ID, both tags and the CSeq
    /// number.
    pub(super) fn answer(&self, request: &Message, to_tag: Option<&str>) -> Print {
        let mut print = Print::begin(self, 3);
        print.text(request.call_id());
        print.text(to_tag.unwrap_or_default());
        print.text(request.from().tag().unwrap_or_default());
        print.number(request.cseq().number);
        print.end()
    }

    /// A To tag for a stateless answer: the same whenever the request comes again (RFC 3261 §8.2.7).
    pub(super) fn tag<'a>(&self, parts: impl Iterator<Item = &'a [u8]>) -> String {
        let mut print = Print::begin(self, 4);
        for part in parts {
            print.bytes(part);
        }
        print.end().tag()
    }

    /// The To tag of the dialog that this transaction may begin: no other has it, and nothing that is received can ask for it.
    pub(super) fn dialog_tag(&self, id: u64) -> String {
        let mut print = Print::begin(self, 5);
        print.bytes(&id.to_be_bytes());
        print.end().tag()
    }
}

/// Two hashes of the same parts under different secrets.
struct Draft(DefaultHasher, DefaultHasher);

impl Print {
    fn begin(prints: &Prints, kind: u32) -> Draft {
        let [a, b, c, d] = prints.secrets;
        let mut draft = Draft(DefaultHasher::new(), DefaultHasher::new());
        draft.0.write_u64(a);
        draft.0.write_u64(b);
        draft.1.write_u64(c);
        draft.1.write_u64(d);
        draft.number(kind);
        draft
    }

    /// 64 of its bits (RFC 3261 §19.3 asks for 32).
    fn tag(self) -> String {
        let Print(bits) = self;
        format!("{:016x}", bits & u128::from(u64::MAX))
    }
}

impl Draft {
    fn bytes(&mut self, part: &[u8]) {
        for hasher in [&mut self.0, &mut self.1] {
            hasher.write_usize(part.len());
            hasher.write(part);
        }
    }

    fn text(&mut self, part: &str) {
        self.bytes(part.as_bytes());
    }

    fn number(&mut self, number: u32) {
        self.0.write_u32(number);
        self.1.write_u32(number);
    }

    fn end(self) -> Print {
        Print(u128::from(self.0.finish()) << 64 | u128::from(self.1.finish()))
    }
}

/// Whether a branch is one of RFC 3261 §8.1.1.7: the cookie, and something after it.
fn has_cookie(branch: &str) -> bool {
    branch.len() > 7 && branch.as_bytes()[..7].eq_ignore_ascii_case(b"z9hG4bK")
}
