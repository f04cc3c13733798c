//! Calls of a whole switch in a world less kind than the lab's: no port is free, a phone cannot be reached.

use std::net::SocketAddr;
use std::time::Instant;

use crate::media::{self, Command, PortId};
use crate::switch::journal::{Binding, Memory};
use crate::switch::{Input, Now, Output, Switch, office};
use crate::wire::flow::{self, Datagram};

const RTP: &str = "10.0.0.1:16384";

/// A switch, and a call of the carrier's to 1001, whose phone is registered.
struct Calling {
    switch: Switch,
    now: Now,
}

impl Calling {
    /// The call has its own port, and asks for the phone's.
    fn begin() -> (Calling, PortId) {
        let now = office::morning(Instant::now());
        let phone = Binding {
            aor: "1001".into(),
            contact: format!("sip:1001@{}", office::PHONES[0]),
            flow: office::flow(0, office::PHONES[0]),
            expires: now.utc.after(std::time::Duration::from_secs(600)),
            call_id: "r".into(),
            cseq: 1,
            user_agent: String::new(),
            path: Vec::new(),
            instance: None,
            reg_id: 0,
        };
        let memory = Memory { bindings: vec![phone], ..Memory::default() };
        let mut calling =
            Calling { switch: Switch::new(now, office::settings(), memory, [7; 32]), now };
        let contact = format!("Contact: <sip:{}>", office::CARRIER);
        let invite =
            office::request("INVITE", "sip:1001@192.0.2.1", "4711", "1001", ("c", 1), &[&contact]);
        let asked = calling.handle(Input::Datagram(Datagram {
            flow: office::flow(1, office::CARRIER),
            received: now.instant,
            bytes: invite.as_bytes(),
            broken: false,
        }));
        let own = opened(&asked).expect("a port for the caller");
        let asked = calling.opens(own);
        (calling, opened(&asked).expect("a port for the phone"))
    }

    fn handle(&mut self, input: Input<'_>) -> Vec<Output> {
        self.switch.handle(self.now, input);
        std::iter::from_fn(|| self.switch.poll()).collect()
    }

    fn opens(&mut self, port: PortId) -> Vec<Output> {
        let rtp: SocketAddr = RTP.parse().expect("an address");
        self.handle(Input::Media(media::Event::Opened { port, rtp }))
    }
}

/// The port that is asked for.
fn opened(outputs: &[Output]) -> Option<PortId> {
    outputs.iter().find_map(|output| match output {
        Output::Media(Command::Open { port, .. }) => Some(*port),
        _ => None,
    })
}

/// What is said to somebody.
fn said(outputs: &[Output], to: &str) -> String {
    let texts = outputs.iter().filter_map(|output| match output {
        Output::Transmit(sent) if sent.flow.remote.to_string() == to => {
            Some(String::from_utf8_lossy(&sent.bytes).into_owned())
        }
        _ => None,
    });
    texts.collect()
}

#[test]
fn without_a_port_for_the_phone_the_caller_is_told_to_come_again() {
    let (mut calling, port) = Calling::begin();
    let cause = "none is free".to_owned();
    let outputs = calling.handle(Input::Media(media::Event::OpenFailed { port, cause }));
    let answer = said(&outputs, office::CARRIER);
    assert!(answer.starts_with("SIP/2.0 503 ") && answer.contains("\r\nRetry-After: "), "{answer}");
    assert_eq!(said(&outputs, office::PHONES[0]), "");
}

#[test]
fn a_phone_that_cannot_be_reached_is_not_there_and_no_overload_of_ours() {
    let (mut calling, port) = Calling::begin();
    let outputs = calling.opens(port);
    assert!(said(&outputs, office::PHONES[0]).starts_with("INVITE "));
    let gone = flow::Event::Unreachable(office::flow(0, office::PHONES[0]));
    let outputs = calling.handle(Input::Flow(gone));
    let answer = said(&outputs, office::CARRIER);
    assert!(answer.starts_with("SIP/2.0 480 ") && !answer.contains("Retry-After"), "{answer}");
}
