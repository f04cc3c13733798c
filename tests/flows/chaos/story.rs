//! A story of callers and phones, drawn from its seed, told in bad weather, and brought to an end.

use std::time::Duration;

use tonspur::switch::forwarding::{Occasion, target};
use tonspur::switch::settings::{Destination, Group, Park, Settings, Strategy};

use super::act::{Act, DIRECTIONS, acted, in_call};
use super::dice::Dice;
use super::far::Far;
use crate::lab::{Lab, Party, Weather, ms, secs};

/// A story is told after so long, and then everybody hangs up.
const STORY: Duration = Duration::from_secs(45);
/// Who is silent, or waits, so long is hung up; by default it takes minutes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A caller, and what they have let the switch know.
struct Caller {
    phone: Party,
    number: &'static str,
    key: Option<char>,
}

pub(super) struct Story {
    pub(super) lab: Lab,
    dice: Dice,
    called: Vec<Called>,
    callers: Vec<Caller>,
    acts: Vec<(Duration, Party, Act)>,
    /// Who answered, and hangs up when.
    leaving: Vec<(Duration, Party)>,
}

/// These are answered by a prompt.
const ASKED: [&str; 4] = ["+4930555010", "+4930555011", "+4930555013", "+4930555014"];
const NUMBERS: [&str; 9] = [
    "+4930555010",
    "+4930555010",
    "+4930555010",
    "+4930555011",
    "+4930555012",
    "+4930555013",
    "+4930555014",
    "+4930555019",
    "+49305559999",
];
/// What a caller can or must have.
const ABLE: [Option<&str>; 7] = [
    None,
    None,
    Some("Supported: 100rel, timer\r\n"),
    Some("Require: 100rel\r\nPrivacy: id\r\n"),
    Some("Require: 100rel\r\nSupported: timer\r\nSession-Expires: 90;refresher=uac\r\n"),
    Some("Supported: 100rel, timer\r\nSession-Expires: 90\r\nAllow: UPDATE\r\n"),
    Some("Supported: timer\r\nSession-Expires: 90;refresher=uas\r\n"),
];

impl Story {
    pub(super) fn drawn(seed: u64) -> Story {
        let mut dice = Dice(seed);
        let far = dice.percent(40).then(|| Far::drawn(&mut dice));
        let lab = Lab::seeded_with(seed, |settings| {
            settings.silence = PATIENCE;
            settings.trunks.values_mut().for_each(|trunk| trunk.transfers = seed.is_multiple_of(2));
            // Whoever withholds the number is known to the record, by which their story is found.
            settings.trunks.values_mut().for_each(|trunk| trunk.trusted = true);
            let (extension, timeout) = ("700".into(), Duration::from_secs(12));
            settings.park = Some(Park { extension, slots: 701..=702, timeout });
            settings.queues.values_mut().for_each(|queue| queue.wait = PATIENCE);
            if seed.is_multiple_of(3) {
                elsewhere(settings, seed);
            }
            if let Some(far) = &far {
                far.set(settings);
            }
        });
        if let Some(far) = &far {
            far.begin(&lab);
        }
        let gateway = lab.carrier("north").polite();
        let mut phones = vec![gateway, lab.carrier("south").polite()];
        phones.push(lab.agent("bob").polite());
        if dice.percent(25) {
            phones.push(lab.phone("bob").registers().polite());
        }
        let alice =
            if dice.percent(50) { lab.agent("alice") } else { lab.phone("alice").registers() };
        phones.extend([alice.polite(), lab.agent("carol").polite()]);
        let habits =
            |phone: &Party| Called { phone: phone.clone(), habit: habit(&mut dice), since: None };
        let called = phones.iter().map(habits).collect();
        let mut story =
            Story { lab, dice, called, callers: Vec::new(), acts: Vec::new(), leaving: Vec::new() };
        story.first_caller(&phones);
        if story.dice.percent(35) {
            let number = story.dice.pick(&NUMBERS);
            story.comes_from_outside(number);
        }
        story.colleagues(&phones);
        story.watchers(&phones);
        story.acts.sort_by_key(|(at, _, _)| *at);
        story
    }

    fn first_caller(&mut self, phones: &[Party]) {
        let bob = phones[2].clone();
        match self.dice.below(10) {
            // A user calls out, or a colleague.
            kind @ 0..=2 => {
                let number = ["0301234567", "9301234567", "202"][kind as usize];
                self.caller(bob, number);
            }
            3 => {
                let south = self.lab.carrier("south").polite();
                self.caller(south, "+4930555010");
            }
            _ => {
                let number = self.dice.pick(&NUMBERS);
                self.comes_from_outside(number);
            }
        }
    }

    fn comes_from_outside(&mut self, number: &'static str) {
        let phone = self.lab.carrier("north").polite();
        self.caller(phone, number);
    }

    fn caller(&mut self, phone: Party, number: &'static str) {
        let dice = &mut self.dice;
        if let Some(headers) = dice.pick(&ABLE) {
            phone.adds(headers);
        }
        let begins = dice.between(0, 2_000);
        let mut acts = vec![(begins, Act::Call(number))];
        let key = dice.pick(&[Some('1'), Some('1'), Some('1'), Some('2'), Some('#'), None, None]);
        if let Some(key) = key {
            let act = if dice.percent(15) { Act::PressByInfo(key) } else { Act::Press(key) };
            acts.push((begins + dice.between(300, 9_500), act));
        }
        // Only who is not answered at once can give up while it rings.
        let gives_up = if ASKED.contains(&number) { 5 } else { 30 };
        match dice.below(100) {
            percent if percent < gives_up => {
                acts.push((begins + dice.between(0, 4_000), Act::Cancel))
            }
            30..=39 => acts.push((begins + dice.between(20, 800), Act::HangUp)),
            40..=79 => acts.push((begins + dice.between(5_000, 38_000), Act::HangUp)),
            _ => {}
        }
        for _ in 0..dice.below(4) {
            acts.push((begins + dice.between(3_000, 30_000), in_call(dice)));
        }
        if dice.percent(3) {
            acts.push((begins + dice.between(1_000, 20_000), Act::Vanish));
        }
        self.acts.extend(acts.into_iter().map(|(at, act)| (at, phone.clone(), act)));
        self.callers.push(Caller { phone, number, key });
    }

    /// What agents and carriers do in a call that came to them.
    fn colleagues(&mut self, phones: &[Party]) {
        for phone in phones {
            let dice = &mut self.dice;
            for _ in 0..dice.below(3) {
                self.acts.push((dice.between(4_000, 34_000), phone.clone(), in_call(dice)));
            }
            if dice.percent(4) {
                self.acts.push((dice.between(1_000, 20_000), phone.clone(), Act::Vanish));
            }
        }
        let bob = &phones[2];
        if self.dice.percent(10) {
            let at = self.dice.between(0, 15_000);
            self.acts.push((at, bob.clone(), Act::Break));
            self.acts.push((at + self.dice.between(100, 8_000), bob.clone(), Act::Return));
        }
        // Both sides change their minds at once.
        if self.dice.percent(20)
            && let Some(caller) = self.callers.first()
        {
            let at = self.dice.between(8_000, 20_000);
            let (one, other) = (self.dice.pick(&DIRECTIONS), self.dice.pick(&DIRECTIONS));
            self.acts.push((at, caller.phone.clone(), Act::Direct(one)));
            self.acts.push((at, bob.clone(), Act::Direct(other)));
        }
    }

    /// Lamps that agents watch, and leave again or not.
    fn watchers(&mut self, phones: &[Party]) {
        for phone in &phones[2..] {
            let dice = &mut self.dice;
            for name in ["201", "202", "support"] {
                let (begins, lasts) = (dice.between(0, 20_000), dice.between(0, 20_000));
                if dice.percent(30) {
                    self.acts.push((begins, phone.clone(), Act::Watch(name)));
                    if dice.percent(30) {
                        self.acts.push((begins + lasts, phone.clone(), Act::Unwatch(name)));
                    }
                }
            }
        }
    }

    pub(super) fn told(&mut self) {
        let dice = &mut self.dice;
        let weather = Weather { loss: dice.below(21), twice: dice.below(16), late: dice.below(31) };
        self.lab.weather(weather);
        self.lab.journal_takes_up_to(ms(dice.below(501)));
        if dice.percent(40) {
            self.lab.crashes_after(dice.below(70) as usize);
        }
        let talk = self.dice.between(9_000, 20_000);
        let (begin, mut spoken) = (self.lab.clock(), false);
        let mut acts = std::mem::take(&mut self.acts).into_iter().peekable();
        while self.lab.clock() - begin < STORY {
            let passed = self.lab.clock() - begin;
            while let Some((_, phone, act)) = acts.next_if(|(at, _, _)| *at <= passed) {
                acted(&self.lab, &phone, act);
                // The answer is on its way when the CANCEL comes.
                if matches!(act, Act::Cancel) && self.dice.percent(50) {
                    self.all_answer();
                }
            }
            self.ring();
            if passed >= talk && !std::mem::replace(&mut spoken, true) {
                self.lab.talk(ms(300));
            }
            let step = self.dice.between(40, 160);
            self.lab.advance(step);
        }
    }

    fn all_answer(&mut self) {
        for Called { phone, .. } in self.called.iter().filter(|called| called.phone.is_ringing()) {
            phone.replies(200, "OK");
        }
    }

    fn ring(&mut self) {
        let now = self.lab.clock();
        // Whose other phone is answered at this moment may answer too.
        let mut both = false;
        for Called { phone, habit, since } in &mut self.called {
            if !phone.is_ringing() {
                *since = None;
                continue;
            }
            let rung = since.is_none();
            let rings = now - *since.get_or_insert(now);
            if rung && !matches!(habit, Habit::Challenges) {
                // Some acknowledge it, some send early audio, and some number it wrongly the second time.
                let reliably = |rseq: u64| format!("Require: 100rel\r\nRSeq: {rseq}\r\n");
                match self.dice.below(6) {
                    0 => _ = phone.replies_with(180, "Ringing", &reliably(7), None),
                    1 => {
                        let sdp = || Some(phone.description("sendrecv"));
                        phone.replies_with(183, "Session Progress", &reliably(1), sdp());
                        let rseq = self.dice.below(4);
                        phone.replies_with(183, "Session Progress", &reliably(rseq), sdp());
                    }
                    _ => _ = phone.replies(180, "Ringing"),
                }
            }
            match *habit {
                Habit::Answers(after) if rings >= after => {
                    phone.replies(200, "OK");
                    both |= after.as_millis() % 2 == 0;
                }
                Habit::Refuses(status, after) if rings >= after => {
                    phone.replies(status, "No");
                }
                Habit::AnswersAndLeaves(after, stays) if rings >= after => {
                    phone.replies(200, "OK");
                    self.leaving.push((now + stays, phone.clone()));
                }
                Habit::Challenges => {
                    let asks = |text: &str| {
                        let challenge = "WWW-Authenticate: Digest realm=\"carrier.example\", nonce=\"abc\", qop=\"auth\"\r\nContact:";
                        text.replacen("Contact:", challenge, 1)
                    };
                    phone.changes("SIP/2.0 401", asks).replies(401, "Unauthorized");
                    *habit = Habit::Answers(ms(200));
                }
                _ => {}
            }
        }
        if both {
            self.all_answer();
        }
        self.leaving.retain(|(at, phone)| {
            let stays = *at > now;
            if !stays {
                phone.says_bye();
            }
            stays
        });
    }

    /// Fine weather; the switch keeps its promises, then everybody hangs up, and whoever cannot is heard no more.
    pub(super) fn ends(&mut self) {
        self.lab.lives_on();
        self.lab.weather(Weather::FINE);
        self.lab.advance(secs(40));
        self.lab.has_said_goodbye();
        for Called { phone, .. } in &self.called {
            if phone.is_ringing() {
                phone.replies(480, "Temporarily Unavailable");
            }
            phone.says_bye();
        }
        for caller in &self.callers {
            caller.phone.cancels();
            caller.phone.says_bye();
        }
        self.lab.advance(PATIENCE + secs(75));
        // Who is held is silent by right, and so may whoever has lost the call.
        self.lab.hangs_up_the_held();
        self.lab.settles();
        self.assert_consent();
    }

    /// Beside what the switch wrote about it: who did not press 1 or hear the notice out is not recorded.
    fn assert_consent(&self) {
        let cdrs = self.lab.cdrs();
        for cdr in cdrs.iter().filter(|cdr| cdr.recording.is_some()) {
            let caller =
                self.callers.iter().find(|caller| caller.phone.number() == *cdr.from.reveal());
            let caller = caller.expect("a call has a caller");
            let may = match caller.number {
                // To whoever vanishes in the middle of it the notice is played to its end all the same.
                "+4930555011" => {
                    caller.phone.has_vanished() || caller.phone.heard().len() >= self.lab.notice()
                }
                // Carol of 014 has not agreed, but whom she transfers the call to may have.
                "+4930555010" | "+4930555013" | "+4930555014" => caller.key == Some('1'),
                _ => false,
            };
            assert!(may, "{} was recorded, key {:?}", caller.number, caller.key);
        }
    }
}

/// What somebody does whose phone rings.
#[derive(Clone, Copy)]
enum Habit {
    Answers(Duration),
    Refuses(u16, Duration),
    LetsItRing,
    AnswersAndLeaves(Duration, Duration),
    /// As a carrier that wants a digest.
    Challenges,
}

/// Somebody whose phone may ring.
struct Called {
    phone: Party,
    habit: Habit,
    since: Option<Duration>,
}

fn habit(dice: &mut Dice) -> Habit {
    let after = dice.between(0, 4_000);
    match dice.below(12) {
        0..=5 => Habit::Answers(after),
        6 | 7 => Habit::Refuses(dice.pick(&[486, 603, 480, 404, 500, 503, 302, 408, 488]), after),
        8 => Habit::LetsItRing,
        9 | 10 => Habit::AnswersAndLeaves(after, dice.between(0, 3_000)),
        _ => Habit::Challenges,
    }
}

/// Everybody is somewhere else: colleagues forward to each other and outside, and a number rings all of them.
fn elsewhere(settings: &mut Settings, seed: u64) {
    let forwards = [
        ("201", Occasion::NoAnswer, "202"),
        ("201", Occasion::Busy, "203"),
        ("202", Occasion::Busy, "0301234567"),
        ("202", Occasion::Unregistered, "0301234567"),
        ("203", Occasion::NoAnswer, "201"),
    ];
    for (user, occasion, number) in forwards {
        let user = settings.users.get_mut(user).expect("a user");
        user.forward.to.insert(occasion, target(number).expect("a number"));
        user.forward.after = Some(secs(4));
    }
    let strategy = if seed.is_multiple_of(2) { Strategy::Parallel } else { Strategy::InTurn };
    let members = ["201", "202", "203"].map(str::to_owned).into();
    let then = Some(Destination::Queue("support".into()));
    let name = String::from("all");
    let all = Group { name, extension: None, members, strategy, ring: secs(5), then };
    settings.groups.insert("all".into(), all);
    for route in settings.routes.iter_mut().filter(|route| route.name.starts_with("12-")) {
        route.to = Destination::Group("all".into());
    }
}
