//! A carrier behind a name, in a DNS of moods.

use tonspur::redacted::Redacted;
use tonspur::switch::settings::{Register, Settings};
use tonspur::wire::sip::locating::Kind;

use super::dice::Dice;
use crate::lab::outside::{Mood, a, srv};
use crate::lab::{Lab, ms, secs};

/// North behind a name of two servers, of which the first does not serve, in a DNS of moods.
pub(super) struct Far {
    mood: Mood,
    refuses: bool,
    registers: bool,
}

impl Far {
    pub(super) fn drawn(dice: &mut Dice) -> Far {
        let moods = [Mood::Answers(ms(20)), Mood::Shaky(20), Mood::Shaky(60), Mood::Silent];
        Far { mood: dice.pick(&moods), refuses: dice.percent(50), registers: dice.percent(50) }
    }

    pub(super) fn set(&self, settings: &mut Settings) {
        let mut gateway = crate::gateways::gateway(settings, "sip.carrier.example");
        if self.registers {
            let user = Redacted::new("office".to_owned());
            gateway.register = Some(Register { user, expires: secs(600) });
            gateway.health = Some(secs(10));
        }
        settings.trunks.get_mut("north").expect("north").gateways = vec![gateway];
    }

    pub(super) fn begin(&self, lab: &Lab) {
        let records =
            srv(&[(1, 0, 5060, "dead.carrier.example"), (2, 0, 5060, "north.carrier.example")]);
        lab.dns("_sip._udp.sip.carrier.example", Kind::Srv, records, secs(20));
        lab.dns("dead.carrier.example", Kind::A, a(&["192.0.2.29"]), secs(10));
        lab.dns("north.carrier.example", Kind::A, a(&["192.0.2.9"]), secs(10));
        lab.dns_is(self.mood);
        if self.refuses {
            lab.refuses("192.0.2.29:5060");
        }
    }
}
