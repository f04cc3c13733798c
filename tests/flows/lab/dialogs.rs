//! What each phone may believe: in which dialogs it is. Kept from the messages alone, as RFC 3261 §12 and §15 have it, so that the
//! switch and the lab's phones cannot be wrong together.

use std::collections::BTreeMap;

use tonspur::phone::Received;

/// A dialog as the phone at `place` sees it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Key {
    pub(crate) place: usize,
    call_id: String,
    own: String,
    /// The switch's tag: the journal's key.
    pub(crate) far: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    /// The phone has answered and awaits the ACK.
    Answered,
    Up,
    Over,
}

/// See the module.
#[derive(Default)]
pub(crate) struct Dialogs {
    known: BTreeMap<Key, (State, u32)>,
    /// What no phone would have stood for.
    pub(crate) wrong: Vec<String>,
}

impl Dialogs {
    /// A phone sends this.
    pub(crate) fn sent(&mut self, place: usize, message: &Received) {
        let (from, to) = (tag(message.header("From")), tag(message.header("To")));
        let call_id = message.header("Call-ID").to_owned();
        if is_acceptance(message) {
            let key = Key { place, call_id, own: to, far: from };
            self.known.entry(key).or_insert((State::Answered, cseq(message)));
        } else if message.method() == Some("BYE") {
            // Whoever hangs up is out, whatever becomes of the BYE (RFC 3261 §15.1.1).
            let key = Key { place, call_id, own: from, far: to };
            // So it is with one who does before the 200 has come (§15: a caller may).
            self.known.entry(key).or_insert((State::Over, 0)).0 = State::Over;
        }
    }

    /// This reaches a phone.
    pub(crate) fn arrived(&mut self, place: usize, message: &Received) {
        let (from, to) = (tag(message.header("From")), tag(message.header("To")));
        let call_id = message.header("Call-ID").to_owned();
        if is_acceptance(message) {
            let key = Key { place, call_id, own: from, far: to };
            self.known.entry(key).or_insert((State::Up, 0));
            return;
        }
        let Some(method) = message.method() else { return };
        let key = Key { place, call_id, own: to, far: from };
        let Some((state, seen)) = self.known.get_mut(&key) else { return };
        let number = cseq(message);
        match method {
            "ACK" if *state == State::Answered => *state = State::Up,
            "BYE" if *state == State::Over => {}
            // RFC 3261 §12.2.2: an older number is refused with 500, and the phone stays in the call.
            "BYE" if number <= *seen => {
                self.wrong.push(format!("a BYE numbered {number} after {seen}"));
            }
            "BYE" => *state = State::Over,
            "ACK" | "CANCEL" => {}
            _ => *seen = (*seen).max(number),
        }
    }

    /// The dialogs that are up.
    pub(crate) fn up(&self) -> impl Iterator<Item = &Key> {
        self.known.iter().filter(|(_, (state, _))| *state == State::Up).map(|(key, _)| key)
    }
}

/// A 2xx to an INVITE.
fn is_acceptance(message: &Received) -> bool {
    message.status().is_some_and(|status| (200..300).contains(&status))
        && message.header("CSeq").ends_with("INVITE")
}

fn cseq(message: &Received) -> u32 {
    let number = message.header("CSeq").split(' ').next();
    number.and_then(|number| number.parse().ok()).unwrap_or_default()
}

fn tag(address: &str) -> String {
    let tag = address.split_once(";tag=").map_or("", |(_, rest)| rest);
    tag.split(';').next().unwrap_or_default().to_owned()
}
