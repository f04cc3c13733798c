//! What somebody does at some time, by themselves.

use tonspur::switch::control::AgentChange;

use super::dice::Dice;
use crate::lab::{Lab, Party, as_method, with_sdp, without_body};

/// What somebody does at some time, by themselves.
#[derive(Clone, Copy)]
pub(super) enum Act {
    Call(&'static str),
    Cancel,
    HangUp,
    Press(char),
    PressByInfo(char),
    Direct(&'static str),
    AskForAnOffer,
    Update,
    Probe,
    Transfer(&'static str),
    Vanish,
    Break,
    Return,
    Watch(&'static str),
    Unwatch(&'static str),
}

/// Whom a call is transferred to: colleagues, nobody, somebody outside, the park.
pub(super) const TARGETS: [&str; 6] = ["201", "202", "203", "299", "0301234567", "700"];
pub(super) const DIRECTIONS: [&str; 5] =
    ["sendonly", "sendonly", "sendrecv", "sendrecv", "inactive"];

pub(super) fn in_call(dice: &mut Dice) -> Act {
    match dice.below(11) {
        9 | 10 => Act::Transfer(dice.pick(&TARGETS)),
        0..=4 => Act::Direct(dice.pick(&DIRECTIONS)),
        5 => Act::AskForAnOffer,
        6 => Act::Update,
        7 => Act::Probe,
        _ => Act::PressByInfo('5'),
    }
}

pub(super) fn acted(lab: &Lab, phone: &Party, act: Act) {
    let in_call = match act {
        Act::Direct(_)
        | Act::AskForAnOffer
        | Act::Update
        | Act::Probe
        | Act::Transfer(_)
        | Act::PressByInfo(_) => true,
        Act::Call(_) | Act::Cancel | Act::HangUp | Act::Press(_) => false,
        Act::Vanish | Act::Break | Act::Return | Act::Watch(_) | Act::Unwatch(_) => false,
    };
    if in_call && !phone.is_in_a_call() {
        return;
    }
    match act {
        Act::Call(number) => _ = phone.invites(number),
        Act::Cancel => _ = phone.cancels(),
        Act::HangUp => _ = phone.says_bye(),
        Act::Press(key) => _ = phone.presses(key),
        Act::PressByInfo(key) => _ = phone.sends_info(key),
        Act::Direct(direction) => _ = phone.reinvites(direction),
        Act::AskForAnOffer => {
            let sdp = phone.description("sendrecv");
            phone.changes("ACK", move |ack| with_sdp(ack, &sdp));
            phone.changes("INVITE", without_body).reinvites("sendrecv");
        }
        Act::Update => {
            let sdp = phone.description("sendrecv");
            let change = move |text: &str| with_sdp(&as_method(text, "OPTIONS", "UPDATE"), &sdp);
            phone.changes("OPTIONS", change).sends_options();
        }
        Act::Probe => _ = phone.sends_options(),
        Act::Transfer(number) => _ = phone.refers(number),
        Act::Vanish => _ = phone.vanishes(),
        Act::Break => lab.tells_of("bob", AgentChange::Break),
        Act::Watch(name) => _ = phone.asks_to_watch("dialog", name, 600),
        Act::Unwatch(name) => _ = phone.resubscribes(name, 0),
        Act::Return => lab.tells_of("bob", AgentChange::Available),
    }
}
