//! One party of the lab, as a story speaks of it.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use tonspur::phone::{Identity, Manners, Phone, Received, tone_level};

use super::text::{with_headers, with_sdp};
use super::world::World;

/// How long a party waits for what it expects, at most.
const PATIENCE: Duration = Duration::from_secs(40);

/// The tone of the phone at that place: no two alike, all inside G.711's band.
pub(crate) fn tone(place: usize) -> f64 {
    400.0 + 150.0 * place as f64
}

/// See the module. Every method returns the party, so that a story reads in one breath.
#[derive(Clone)]
pub(crate) struct Party {
    world: Rc<RefCell<World>>,
    place: usize,
}

impl Party {
    pub(super) fn carrier(world: &Rc<RefCell<World>>, trunk: &str) -> Party {
        let mut inside = world.borrow_mut();
        let (ip, more) = match trunk {
            "north" => (
                [192, 0, 2, 9],
                inside.phones.iter().filter(|(name, _)| name.starts_with("north")).count(),
            ),
            _ => (
                [192, 0, 2, 10],
                inside.phones.iter().filter(|(name, _)| name.starts_with("south")).count(),
            ),
        };
        let port = 5060 + 2 * more as u16;
        let name = if more == 0 { trunk.to_owned() } else { format!("{trunk} {}", more + 1) };
        let identity = Identity {
            user: format!("+49{}{more}", if trunk == "north" { "30123456" } else { "89654321" }),
            domain: "carrier.example".into(),
            password: String::new(),
            sip: SocketAddr::from((ip, port)),
            rtp: SocketAddr::from((ip, 7000 + 2 * more as u16)),
            proxy: inside.proxy(true),
        };
        Party::new(world, &mut inside, name, identity)
    }

    pub(super) fn server(world: &Rc<RefCell<World>>, name: &str, sip: SocketAddr) -> Party {
        let mut inside = world.borrow_mut();
        let identity = Identity {
            user: "carrier".into(),
            domain: "carrier.example".into(),
            password: String::new(),
            sip,
            rtp: SocketAddr::new(sip.ip(), sip.port() + 2_000),
            proxy: inside.proxy(true),
        };
        Party::new(world, &mut inside, name.to_owned(), identity)
    }

    pub(super) fn phone(world: &Rc<RefCell<World>>, agent: &str) -> Party {
        let mut inside = world.borrow_mut();
        let known = inside.settings().agents.get(agent);
        let user = known.map_or(agent, |agent| &agent.user).to_owned();
        let more = inside.phones.iter().filter(|(name, _)| name.starts_with(agent)).count();
        let number: u8 =
            user.parse::<u16>().map_or(0, |user| (user % 100) as u8) + 20 * (more as u8 + 1);
        let name = if more == 0 { agent.to_owned() } else { format!("{agent} {}", more + 1) };
        let identity = Identity {
            password: match user.as_str() {
                "201" => "bob and the bees".into(),
                "202" => "alice in the attic".into(),
                _ => "carol of the bells".into(),
            },
            user,
            domain: inside.settings().domain.clone(),
            sip: SocketAddr::from(([10, 0, 0, number], 5060)),
            rtp: SocketAddr::from(([10, 0, 0, number], 7000)),
            proxy: inside.proxy(false),
        };
        Party::new(world, &mut inside, name, identity)
    }

    fn new(
        world: &Rc<RefCell<World>>,
        inside: &mut World,
        name: String,
        identity: Identity,
    ) -> Party {
        let seed = 0x1000 + 77 * inside.phones.len() as u64;
        let place = inside.add(name, Phone::new(identity, Manners::SCRIPTED, seed));
        Party { world: Rc::clone(world), place }
    }

    /// Lets the phone act now.
    fn acts(&self, act: impl FnOnce(&mut Phone, std::time::Instant)) -> &Party {
        {
            let mut world = self.world.borrow_mut();
            let now = world.now;
            act(&mut world.phones[self.place].1, now);
            world.flush();
        }
        self
    }

    /// From now on repeats what is not answered, and answers what is polite to answer.
    pub(crate) fn polite(self) -> Party {
        self.acts(|phone, _| phone.set_manners(Manners::POLITE));
        self
    }

    /// Rings, and answers by itself.
    pub(crate) fn answers_after(self, span: Duration) -> Party {
        self.acts(|phone, _| {
            phone.set_manners(Manners { answers_after: Some(span), ..Manners::POLITE })
        });
        self
    }

    /// Knows these payload types alone.
    pub(crate) fn speaks_only(self, codecs: &[u8]) -> Party {
        self.acts(|phone, _| phone.set_codecs(codecs));
        self
    }

    /// The battery is empty: not a packet comes from it or reaches it any more.
    pub(crate) fn vanishes(&self) -> &Party {
        let mut world = self.world.borrow_mut();
        let identity = world.phones[self.place].1.identity();
        let own = [identity.sip, identity.rtp];
        world.network.gone.extend(own);
        drop(world);
        self
    }

    /// Whether its battery is empty.
    pub(crate) fn has_vanished(&self) -> bool {
        let world = self.world.borrow();
        world.network.gone.contains(&world.phones[self.place].1.identity().sip)
    }

    /// Changes the next message of its own that begins so.
    pub(crate) fn changes(
        &self,
        start: &str,
        change: impl FnOnce(&str) -> String + 'static,
    ) -> &Party {
        let change = (self.place, start.to_owned(), Box::new(change) as _);
        self.world.borrow_mut().changes.push(change);
        self
    }

    /// Sends a message as it is written.
    pub(crate) fn sends(&self, text: &str) -> &Party {
        let mut world = self.world.borrow_mut();
        let proxy = world.phones[self.place].1.identity().proxy;
        world.send_sip(self.place, proxy, text.as_bytes().to_vec());
        world.flush();
        drop(world);
        self
    }

    /// What it said last that begins so.
    pub(crate) fn said(&self, start: &str) -> String {
        let world = self.world.borrow();
        let said =
            |(place, text): &&(usize, String)| *place == self.place && text.starts_with(start);
        world.said.iter().rfind(said).expect("it said so").1.clone()
    }

    /// Whether an INVITE waits for its answer.
    pub(crate) fn is_ringing(&self) -> bool {
        self.world.borrow().phones[self.place].1.is_ringing()
    }

    /// Whether it has reason to believe so.
    pub(crate) fn is_in_a_call(&self) -> bool {
        self.world.borrow().dialogs.up().any(|key| key.place == self.place)
    }

    /// OPTIONS inside the dialog.
    pub(crate) fn sends_options(&self) -> &Party {
        self.acts(|phone, now| phone.options(now))
    }

    /// INFO with a key, whatever becomes of it.
    pub(crate) fn sends_info(&self, digit: char) -> &Party {
        self.acts(|phone, now| phone.info(now, digit))
    }

    /// Its number, as the switch is shown it.
    pub(crate) fn number(&self) -> String {
        self.world.borrow().phones[self.place].1.identity().user.clone()
    }

    /// Its SDP.
    pub(crate) fn description(&self, direction: &str) -> String {
        self.world.borrow().phones[self.place].1.description(direction)
    }

    /// REGISTER, whatever becomes of it.
    pub(crate) fn registers_for(&self, span: Duration) -> &Party {
        self.acts(|phone, now| phone.register(now, span))
    }

    pub(crate) fn registers(self) -> Party {
        self.acts(|phone, now| phone.register(now, Duration::from_secs(600)));
        self.expects("401 Unauthorized").expects("200 OK");
        self
    }

    /// Subscribes, and is granted it.
    pub(crate) fn subscribes(&self, event: &str, name: &str, expires: u64) -> &Party {
        self.asks_to_watch(event, name, expires).expects("401 Unauthorized").expects("200 OK")
    }

    /// Subscribes, whatever becomes of it.
    pub(crate) fn asks_to_watch(&self, event: &str, name: &str, expires: u64) -> &Party {
        self.acts(|phone, now| phone.subscribe(now, event, name, expires))
    }

    /// Subscribes again in the dialog of the last subscription of that name; zero ends it.
    pub(crate) fn resubscribes(&self, name: &str, expires: u64) -> &Party {
        self.acts(|phone, now| phone.resubscribe(now, name, expires))
    }

    /// Answers every NOTIFY so from now on, or none.
    pub(crate) fn answers_notify(&self, status: Option<u16>) -> &Party {
        self.acts(|phone, _| phone.answer_notify(status))
    }

    /// As after a power cut.
    pub(crate) fn forgets_subscriptions(&self) -> &Party {
        self.acts(|phone, _| phone.forget_subscriptions())
    }

    /// The states of the dialogs that its lamp of that name shows, by what it was told last.
    pub(crate) fn lamp(&self, name: &str) -> Vec<String> {
        let world = self.world.borrow();
        let all = world.phones[self.place].1.subscriptions();
        let told = all.iter().rfind(|one| one.name == name).and_then(|one| one.told.as_ref());
        let states = told.expect("it was told").states().into_iter();
        states.filter(|state| *state != "terminated").map(str::to_owned).collect()
    }

    pub(crate) fn invites(&self, number: &str) -> &Party {
        self.acts(|phone, now| phone.invite(now, number))
    }

    /// Calls with its audio in one direction alone, or in none: a caller who hears nothing.
    pub(crate) fn invites_with(&self, number: &str, direction: &str) -> &Party {
        self.acts(|phone, now| phone.invite_with(now, number, direction))
    }

    /// The INVITE again, by another way: another branch, all else the same.
    pub(crate) fn invites_by_another_way(&self) -> &Party {
        self.acts(|phone, now| phone.invite_by_another_way(now))
    }

    /// Waits for a message that begins so; what else came is gone.
    pub(crate) fn expects(&self, what: &str) -> &Party {
        self.receives(what);
        self
    }

    /// The same, and gives the message.
    pub(crate) fn receives(&self, what: &str) -> Received {
        self.receives_within(what, PATIENCE)
    }

    pub(crate) fn receives_within(&self, what: &str, limit: Duration) -> Received {
        let place = self.place;
        let mut found = None;
        let mut others = Vec::new();
        let came = self.world.borrow_mut().until(limit, |world| {
            while found.is_none()
                && let Some(message) = world.phones[place].1.take()
            {
                if message.summary().starts_with(what) {
                    found = Some(message);
                } else {
                    others.push(message.summary().to_owned());
                }
            }
            found.is_some()
        });
        if !came {
            let world = self.world.borrow();
            panic!(
                "{} waited for {what:?} and got {others:?}\n{}",
                world.phones[place].0,
                world.ladder.draw()
            );
        }
        found.expect("it came")
    }

    /// The oldest message that has come and begins so; what else came before it is gone.
    pub(crate) fn has(&self, what: &str) -> Option<Received> {
        let mut world = self.world.borrow_mut();
        let phone = &mut world.phones[self.place].1;
        std::iter::from_fn(|| phone.take()).find(|message| message.summary().starts_with(what))
    }

    /// Nothing that begins so comes within `span`.
    pub(crate) fn gets_no(&self, what: &str, span: Duration) -> &Party {
        let mut world = self.world.borrow_mut();
        world.advance(span);
        while let Some(message) = world.phones[self.place].1.take() {
            assert!(!message.summary().starts_with(what), "{what} came\n{}", world.ladder.draw());
        }
        drop(world);
        self
    }

    /// An INVITE comes within `limit`, and is answered with 180.
    pub(crate) fn rings(&self, limit: Duration) -> &Party {
        self.receives_within("INVITE", limit);
        self.acts(|phone, now| phone.answer(now, 180, "Ringing"))
    }

    /// 200 to the INVITE, and its ACK.
    pub(crate) fn answers(&self) -> &Party {
        self.replies(200, "OK").expects("ACK")
    }

    /// Any answer to the INVITE that rings.
    pub(crate) fn replies(&self, status: u16, phrase: &str) -> &Party {
        self.acts(|phone, now| phone.answer(now, status, phrase))
    }

    /// Names somebody else, in these header lines.
    pub(crate) fn redirects(&self, headers: &str) -> &Party {
        let headers = headers.to_owned();
        self.changes("SIP/2.0 302", move |text| {
            let own = |line: &&str| !line.starts_with("Contact: ");
            let lines: Vec<&str> = text.split("\r\n").filter(own).collect();
            with_headers(&lines.join("\r\n"), &headers)
        });
        self.replies(302, "Moved Temporarily")
    }

    /// The same with these header lines more, and SDP if there is any.
    pub(crate) fn replies_with(
        &self,
        status: u16,
        phrase: &str,
        headers: &str,
        sdp: Option<String>,
    ) -> &Party {
        let headers = headers.to_owned();
        self.changes(&format!("SIP/2.0 {status}"), move |text| {
            let text = match &sdp {
                Some(sdp) => with_sdp(text, sdp),
                None => text.to_owned(),
            };
            with_headers(&text, &headers)
        });
        self.replies(status, phrase)
    }

    /// Any answer to any request, with these header lines more, and SDP if there is any.
    pub(crate) fn answers_with(
        &self,
        request: &Received,
        status: u16,
        headers: &str,
        sdp: Option<&str>,
    ) -> &Party {
        let headers = headers.to_owned();
        self.changes(&format!("SIP/2.0 {status}"), move |text| with_headers(text, &headers));
        self.acts(|phone, now| phone.respond(now, request, status, "As It Is", sdp))
    }

    /// Any request inside the dialog.
    pub(crate) fn asks(&self, method: &str, headers: &str, sdp: Option<&str>) -> &Party {
        self.acts(|phone, now| phone.ask(now, method, headers, sdp))
    }

    /// The PRACK of a provisional response, with SDP if there is any.
    pub(crate) fn pracks(&self, response: &Received, sdp: Option<&str>) -> &Party {
        let (rseq, cseq) = (response.header("RSeq"), response.header("CSeq"));
        self.asks("PRACK", &format!("RAck: {rseq} {cseq}\r\n"), sdp)
    }

    /// Its next INVITE says this too.
    pub(crate) fn adds(&self, headers: &str) -> &Party {
        let headers = headers.to_owned();
        self.changes("INVITE", move |text| with_headers(text, &headers))
    }

    /// Any answer to any request.
    pub(crate) fn answers_to(&self, request: &Received, status: u16, phrase: &str) -> &Party {
        self.acts(|phone, now| phone.respond(now, request, status, phrase, None))
    }

    /// 200 to a re-INVITE, with the direction that it allows.
    pub(crate) fn agrees_to(&self, request: &Received) -> &Party {
        self.acts(|phone, now| {
            let sdp = phone.description(request.mirrored());
            phone.respond(now, request, 200, "OK", Some(&sdp));
        })
    }

    /// An answer with header lines of its own.
    pub(crate) fn says_to(&self, request: &Received, status: &str, lines: &[&str]) -> &Party {
        let of = |name| request.header(name);
        let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
        self.says(&format!(
            "SIP/2.0 {status}\r\nVia: {}\r\nFrom: {}\r\nTo: {};tag=b1\r\nCall-ID: {}\r\nCSeq: {}\r\n\
             {lines}Content-Length: 0\r\n\r\n",
            of("Via"),
            of("From"),
            of("To"),
            of("Call-ID"),
            of("CSeq"),
        ))
    }

    pub(crate) fn acks(&self) -> &Party {
        self.acts(|phone, now| phone.ack(now))
    }

    pub(crate) fn cancels(&self) -> &Party {
        self.acts(|phone, now| phone.cancel(now))
    }

    /// CANCEL with a Reason header.
    pub(crate) fn cancels_because(&self, reason: &str) -> &Party {
        self.acts(|phone, now| phone.cancel_because(now, &format!("Reason: {reason}\r\n")))
    }

    /// Another port from now on, which its next re-INVITE tells.
    pub(crate) fn moves_to(&self, port: u16) -> &Party {
        self.acts(|phone, _| {
            let mut sip = phone.identity().sip;
            sip.set_port(port);
            phone.move_to(sip);
        })
    }

    pub(crate) fn reinvites(&self, direction: &str) -> &Party {
        self.acts(|phone, now| phone.reinvite(now, direction))
    }

    /// REFER to this number at the switch.
    pub(crate) fn refers(&self, number: &str) -> &Party {
        let domain = self.domain();
        self.refers_to(&format!("<sip:{number}@{domain}>"))
    }

    /// REFER with this Refer-To.
    pub(crate) fn refers_to(&self, to: &str) -> &Party {
        self.acts(|phone, now| phone.refer(now, to, ""))
    }

    /// REFER to whomever `other`, a phone of the same owner, talks to.
    pub(crate) fn refers_to_dialog_of(&self, other: &Party, number: &str) -> &Party {
        let named = other.names_its_dialog().replace(';', "%3B").replace('=', "%3D");
        let domain = self.domain();
        self.refers_to(&format!("<sip:{number}@{domain}?Replaces={named}>"))
    }

    /// The same with further header lines.
    pub(crate) fn refers_with(&self, number: &str, headers: &str) -> &Party {
        let to = format!("<sip:{number}@{}>", self.domain());
        self.acts(|phone, now| phone.refer(now, &to, headers))
    }

    /// The dialog it is in, as Replaces names it.
    pub(crate) fn names_its_dialog(&self) -> String {
        self.world.borrow().phones[self.place].1.replaces()
    }

    /// An INVITE with Replaces.
    pub(crate) fn invites_replacing(&self, number: &str, replaces: &str) -> &Party {
        self.acts(|phone, now| phone.invite_replacing(now, number, replaces))
    }

    fn domain(&self) -> String {
        self.world.borrow().settings().domain.clone()
    }

    /// A NOTIFY says that the transfer has come to this, and is answered with 200.
    pub(crate) fn is_told(&self, fragment: &str) -> &Party {
        let notify = self.receives("NOTIFY");
        assert_eq!(notify.header("Content-Type"), "message/sipfrag;version=2.0");
        let line = format!("\r\n\r\nSIP/2.0 {fragment}");
        assert!(notify.text().contains(&line), "{fragment}: {}", notify.text());
        // RFC 3515 §2.4.6.
        let event = notify.header("Event");
        assert!(event.starts_with("refer;id="), "{event}");
        let state = notify.header("Subscription-State");
        match fragment.starts_with('1') {
            true => assert!(state.starts_with("active;expires="), "{state}"),
            false => assert_eq!(state, "terminated;reason=noresource"),
        }
        self.answers_to(&notify, 200, "OK")
    }

    /// A re-INVITE comes, and is agreed to.
    pub(crate) fn is_reinvited(&self) -> &Party {
        let request = self.receives("INVITE");
        self.agrees_to(&request).expects("ACK")
    }

    /// BYE, and its 200.
    pub(crate) fn hangs_up(&self) -> &Party {
        self.acts(|phone, now| phone.bye(now)).expects("200 OK")
    }

    /// BYE, whatever becomes of it.
    pub(crate) fn says_bye(&self) -> &Party {
        self.acts(|phone, now| phone.bye(now))
    }

    /// The far side's BYE, answered.
    pub(crate) fn is_hung_up(&self) -> &Party {
        let bye = self.receives("BYE");
        self.answers_to(&bye, 200, "OK")
    }

    pub(crate) fn presses(&self, digit: char) -> &Party {
        self.acts(|phone, now| phone.voice.press(now, digit))
    }

    pub(crate) fn presses_by_info(&self, digit: char) -> &Party {
        self.acts(|phone, now| phone.info(now, digit)).expects("200 OK")
    }

    /// UPDATE without SDP.
    pub(crate) fn updates(&self) -> &Party {
        self.acts(|phone, now| phone.update(now))
    }

    /// A message of the test's own, as it is.
    pub(crate) fn says(&self, text: &str) -> &Party {
        self.acts(|phone, _| phone.say(text))
    }

    /// Its microphone is off, or on again.
    pub(crate) fn mutes(&self, is_so: bool) -> &Party {
        let muted = &mut self.world.borrow_mut().muted;
        match is_so {
            true => muted.insert(self.place),
            false => muted.remove(&self.place),
        };
        self
    }

    /// Only what comes from now on counts as heard.
    pub(crate) fn forgets_what_it_heard(&self) -> &Party {
        self.acts(|phone, _| phone.voice.heard.clear())
    }

    /// What it heard since it last forgot.
    pub(crate) fn heard(&self) -> Vec<i16> {
        self.world.borrow().phones[self.place].1.voice.heard.clone()
    }

    /// Heard the other's tone, loud and clear, and not its own.
    pub(crate) fn hears(&self, other: &Party) -> &Party {
        let heard = self.heard();
        assert!(heard.len() >= 4_000, "half a second at least: {} samples", heard.len());
        let (theirs, own) =
            (tone_level(&heard, tone(other.place)), tone_level(&heard, tone(self.place)));
        assert!(theirs > 7_000.0 && own < 500.0, "theirs {theirs:.0}, own {own:.0}");
        self
    }

    /// Waits until a whole prompt was heard as it lies in the shipped file, sample for sample but for G.711.
    pub(crate) fn hears_prompt(&self, name: &str) -> &Party {
        self.hears_prompts(&[name])
    }

    /// The same of several, one after the other.
    pub(crate) fn hears_prompts(&self, names: &[&str]) -> &Party {
        let name = names.join(", ");
        let prompt: Vec<i16> = names.iter().flat_map(|name| shipped(name)).collect();
        let place = self.place;
        let came = self
            .world
            .borrow_mut()
            .until(PATIENCE, |world| world.phones[place].1.voice.heard.len() >= prompt.len());
        assert!(came, "{name} was not played to its end");
        let heard = self.heard();
        let off = prompt.iter().zip(&heard).filter(|(said, heard)| {
            (i32::from(**said) - i32::from(**heard)).abs() > 40 + i32::from(**said).abs() / 12
        });
        assert_eq!(off.count(), 0, "{name} sounds otherwise");
        self
    }

    /// Where it sits among the phones; its tone follows from it.
    pub(crate) fn tone(&self) -> f64 {
        tone(self.place)
    }
}

/// The samples of a shipped prompt.
fn shipped(name: &str) -> Vec<i16> {
    let path = format!("{}/sip-profiles/prompts/{name}.wav", env!("CARGO_MANIFEST_DIR"));
    let mut wav = hound::WavReader::open(&path).expect("a shipped prompt");
    wav.samples().map(|sample| sample.expect("a sample")).collect()
}
