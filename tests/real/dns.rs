//! A small DNS server on loopback, written from RFC 1035 alone: a switch asks it where its gateways are.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};

/// A, SRV, NAPTR as numbers (RFC 1035 §3.2.2, RFC 2782, RFC 3403).
pub(crate) const A: u16 = 1;
pub(crate) const SRV: u16 = 33;
pub(crate) const NAPTR: u16 = 35;

/// Answers on a thread of its own until the tests end.
pub(crate) struct Dns {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<(String, u16)>>>,
}

/// What is known of one name.
pub(crate) struct Record {
    owner: String,
    kind: u16,
    value: Vec<u8>,
}

impl Record {
    /// One address.
    pub(crate) fn a(owner: &str, address: Ipv4Addr) -> Record {
        Record { owner: owner.to_owned(), kind: A, value: address.octets().to_vec() }
    }

    /// A server of a name.
    pub(crate) fn srv(owner: &str, priority: u16, port: u16, target: &str) -> Record {
        let numbers = [priority, 0, port].map(u16::to_be_bytes).concat();
        let value = [numbers, name(target)].concat();
        Record { owner: owner.to_owned(), kind: SRV, value }
    }

    /// That a name speaks SIP over UDP, and under which other name its servers stand.
    pub(crate) fn naptr(owner: &str, replacement: &str) -> Record {
        let value = [&[0, 10, 0, 20][..], b"\x01s", b"\x07SIP+D2U", b"\0", &name(replacement)];
        Record { owner: owner.to_owned(), kind: NAPTR, value: value.concat() }
    }

    fn written(&self) -> Vec<u8> {
        let length = (self.value.len() as u16).to_be_bytes();
        // Of the Internet, for a minute.
        let fixed = [&self.kind.to_be_bytes()[..], &[0, 1], &[0, 0, 0, 60], &length].concat();
        [name(&self.owner), fixed, self.value.clone()].concat()
    }
}

impl Dns {
    /// Knows these, and that there is nothing else.
    pub(crate) fn knowing(address: Ipv4Addr, records: Vec<Record>) -> Dns {
        Dns::start(address, Some(records))
    }

    /// Hears every question, and answers none.
    pub(crate) fn silent(address: Ipv4Addr) -> Dns {
        Dns::start(address, None)
    }

    fn start(address: Ipv4Addr, records: Option<Vec<Record>>) -> Dns {
        let socket = UdpSocket::bind((address, 0)).expect("a port");
        let address = socket.local_addr().expect("its address");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&asked);
        std::thread::spawn(move || {
            let mut bytes = [0; 1_500];
            while let Ok((length, from)) = socket.recv_from(&mut bytes) {
                let Some((owner, kind, end)) = question(&bytes[..length]) else { continue };
                told.lock().expect("nobody panics with it").push((owner.clone(), kind));
                let Some(records) = &records else { continue };
                let is_meant = |record: &&Record| (&record.owner, record.kind) == (&owner, kind);
                let found: Vec<_> = records.iter().filter(is_meant).map(Record::written).collect();
                let counts = [1, found.len() as u16, 0, 0].map(u16::to_be_bytes).concat();
                let head = [&bytes[..2], &[0x81, 0x80], &counts, &bytes[12..end]].concat();
                let _ = socket.send_to(&[head, found.concat()].concat(), from);
            }
        });
        Dns { address, asked }
    }

    /// Whether it was asked that.
    pub(crate) fn was_asked(&self, name: &str, kind: u16) -> bool {
        self.asked.lock().expect("nobody panics with it").contains(&(name.to_owned(), kind))
    }
}

fn name(text: &str) -> Vec<u8> {
    let labels = text.split('.').map(|label| [&[label.len() as u8], label.as_bytes()].concat());
    labels.chain([vec![0]]).collect::<Vec<_>>().concat()
}

/// The first question of a message: its name, its kind, where it ends.
fn question(bytes: &[u8]) -> Option<(String, u16, usize)> {
    let (mut at, mut labels) = (12, Vec::new());
    loop {
        let length = usize::from(*bytes.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(bytes.get(at..at + length)?).to_lowercase());
        at += length;
    }
    let kind = u16::from_be_bytes([*bytes.get(at)?, *bytes.get(at + 1)?]);
    Some((labels.join("."), kind, at + 4))
}
