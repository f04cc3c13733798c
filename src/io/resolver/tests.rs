//! What is made of the answers of a small DNS server on loopback.

#[path = "../../../tests/real/dns.rs"]
mod dns;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use dns::{A, NAPTR, SRV, name, naptr, record, srv};

use super::*;

/// What the server says to a question: a response code and records; `None`: nothing.
fn says(asked: &str, kind: u16) -> Option<(u8, Vec<Vec<u8>>)> {
    let many = |count: u8| (0..count).map(|at| record(asked, A, 60, &[192, 0, 2, at])).collect();
    Some(match (asked, kind) {
        ("_sip._udp.carrier.example", SRV) => (
            0,
            vec![
                srv(asked, [20, 0, 5062], "B.carrier.example"),
                srv(asked, [10, 5, 5060], "a.carrier.example"),
            ],
        ),
        ("carrier.example", NAPTR) => (0, vec![naptr(asked, "_sip._udp.carrier.example")]),
        ("a.carrier.example", A) => (0, vec![record(asked, A, 60, &[192, 0, 2, 1])]),
        ("many.example", A) => (0, many(40)),
        // An alias (CNAME is 5), which is followed, and one that leads to itself.
        ("alias.example", A) => (
            0,
            vec![
                record(asked, 5, 30, &name("a.carrier.example")),
                record("a.carrier.example", A, 60, &[192, 0, 2, 1]),
            ],
        ),
        ("loop.example", A) => (0, vec![record(asked, 5, 30, &name("loop.example"))]),
        ("gone.example", _) => (3, vec![]),
        ("refused.example", _) => (5, vec![]),
        ("lying.example", A) => (0, vec![record("other.example", A, 60, &[192, 0, 2, 66])]),
        ("silent.example", _) => return None,
        _ => (0, vec![]),
    })
}

fn server() -> SocketAddr {
    dns::server(IpAddr::V4(Ipv4Addr::LOCALHOST), says)
}

/// Asks one after the other, and gives the answers in order.
async fn answers(servers: Vec<SocketAddr>, asked: &[(&str, Kind)]) -> Vec<Answer> {
    let dns = Dns { servers, timeout: Duration::from_millis(400) };
    let (resolver, mut told) = Resolver::start(&dns);
    let mut answers = Vec::new();
    for (name, kind) in asked {
        let question = Question { name: (*name).into(), kind: *kind };
        resolver.ask(question.clone());
        let limit = Duration::from_secs(5);
        let heard = tokio::time::timeout(limit, told.recv()).await.expect("an answer in time");
        let Resolution { question: answered, answer } = heard.expect("the resolver lives");
        assert_eq!(answered, question);
        answers.push(answer);
    }
    answers
}

#[tokio::test]
async fn records_of_every_kind_are_read_from_a_server() {
    let asked = [
        ("carrier.example", Kind::Naptr),
        ("_sip._udp.carrier.example", Kind::Srv),
        ("a.carrier.example", Kind::A),
        ("alias.example", Kind::A),
    ];
    let found = answers(vec![server()], &asked).await;
    let naptr = Naptr {
        order: 10,
        preference: 20,
        flags: "s".into(),
        service: "SIP+D2U".into(),
        replacement: "_sip._udp.carrier.example".into(),
    };
    let srv = |priority, weight, port, target: &str| Srv {
        priority,
        weight,
        port,
        target: target.into(),
    };
    let minutes = Duration::from_secs(300);
    let address = || Records::Addresses(vec!["192.0.2.1".parse().expect("an address")]);
    let records =
        vec![srv(10, 5, 5060, "a.carrier.example"), srv(20, 0, 5062, "b.carrier.example")];
    assert_eq!(
        found,
        [
            Answer::Found(Records::Naptr(vec![naptr]), minutes),
            Answer::Found(Records::Srv(records), minutes),
            Answer::Found(address(), Duration::from_secs(60)),
            Answer::Found(address(), Duration::from_secs(30)),
        ]
    );
}

#[tokio::test]
async fn nothing_is_told_from_no_answer_and_neither_takes_long() {
    let asked = [
        ("gone.example", Kind::Srv),
        ("empty.example", Kind::A),
        ("refused.example", Kind::A),
        ("silent.example", Kind::A),
        ("loop.example", Kind::A),
        ("lying.example", Kind::A),
        ("many.example", Kind::A),
    ];
    let found = answers(vec![server()], &asked).await;
    assert!(matches!(found[0], Answer::Nothing(_)), "{found:?}");
    assert!(matches!(found[1], Answer::Nothing(_)), "{found:?}");
    assert_eq!(found[2..4], [Answer::Failed, Answer::Failed]);
    for lie in &found[4..6] {
        assert!(!matches!(lie, Answer::Found(..)), "{lie:?}");
    }
    let Answer::Found(Records::Addresses(many), _) = &found[6] else { panic!("{found:?}") };
    assert_eq!(many.len(), MOST_RECORDS);
}

#[tokio::test]
async fn a_server_that_is_not_there_is_passed_over_for_the_next() {
    let closed = UdpSocket::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    let found = answers(vec![closed, server()], &[("a.carrier.example", Kind::A)]).await;
    assert!(matches!(found[0], Answer::Found(..)), "{found:?}");
    let found = answers(vec![closed], &[("a.carrier.example", Kind::A)]).await;
    assert_eq!(found, [Answer::Failed]);
}
