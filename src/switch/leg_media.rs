//! What went through a leg's media: counters and scores for the row of its call, and in plain words what is wrong with it.

use std::net::SocketAddr;
use std::time::Duration;

use super::call::Party;
use super::control::LegRow;
use super::journal::CallId;
use crate::media::quality::mos;
use crate::media::{Samples, Statistics};
use crate::utc::Utc;
use crate::wire::rtp::g711::Codec;

/// Who is expected to speak and is silent so long is worth a word.
const QUIET: Duration = Duration::from_secs(3);
/// So much loss is heard, in percent.
const HEARD_LOSS: f64 = 3.0;

/// See the module.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LegMedia {
    /// The call.
    pub call: CallId,
    /// Which of its legs: 0 is the caller's.
    pub leg: u32,
    /// The user, or else
    pub user: Option<String>,
    /// the trunk at the far side.
    pub trunk: Option<String>,
    /// What we send.
    pub codec: Codec,
    /// Where they want it, by their SDP.
    pub advertised: Option<SocketAddr>,
    /// Whether they are to send.
    pub receives: bool,
    /// Whether they are to be sent to.
    pub sends: bool,
    /// Keys that came by INFO.
    pub info_keys: u64,
    /// Counters.
    pub statistics: Statistics,
    /// When those were read.
    pub at: Utc,
}

impl LegMedia {
    /// Whose leg it is.
    pub(super) fn of(party: &Party) -> (Option<String>, Option<String>) {
        match party {
            Party::User(user) => (Some(user.clone()), None),
            Party::Trunk(trunk) => (None, Some(trunk.clone())),
        }
    }

    /// How well we understood them, 1.0 to 4.5; `None` if they said nothing.
    pub fn mos(&self) -> Option<f64> {
        let Statistics { received, lost, jitter, reported, .. } = self.statistics;
        let round_trip = reported.and_then(|reported| reported.round_trip);
        (received > 0).then(|| mos(lost, received + lost, jitter.duration(), round_trip))
    }

    /// How well they understood us, by what they say of it; `None` if they say nothing.
    pub fn far_mos(&self) -> Option<f64> {
        let reported = self.statistics.reported.filter(|_| self.statistics.sent > 0)?;
        let jitter = reported.jitter.duration();
        Some(mos(u64::from(reported.lost), self.statistics.sent, jitter, reported.round_trip))
    }

    /// What is odd about it, in plain words, `later` than it was measured.
    pub fn findings(&self, later: Duration) -> Vec<String> {
        let Statistics { received, sent, lost, refused, source, stray, .. } = self.statistics;
        let mut findings = Vec::new();
        if let (Some(advertised), Some(source)) = (self.advertised, source)
            && advertised.ip() != source.ip()
        {
            let (advertised, source) = (advertised.ip(), source.ip());
            findings.push(format!("they advertised {advertised}, RTP arrives from {source}"));
        }
        let quiet = self.statistics.quiet + later;
        match (received, refused) {
            (0, 0) if self.receives => findings.push("they have sent no RTP at all".to_owned()),
            (0, 1..) => findings.push(format!(
                "{refused} packets came and none was taken: from elsewhere, or of nothing agreed"
            )),
            (1.., _) if self.receives && quiet >= QUIET => {
                findings.push(format!("they have sent nothing for {} s", quiet.as_secs()));
            }
            _ => {}
        }
        if let Some(stray) = stray {
            findings.push(format!("payload type {stray} arrives and was not agreed"));
        }
        if sent == 0 && self.sends {
            findings.push("they were sent no RTP at all".to_owned());
        }
        if percent(lost, received + lost) >= HEARD_LOSS {
            let percent = percent(lost, received + lost);
            findings.push(format!("{percent:.0} % of what they send is lost"));
        }
        if let Some(reported) = self.statistics.reported
            && percent(u64::from(reported.lost), sent) >= HEARD_LOSS
        {
            let percent = percent(u64::from(reported.lost), sent);
            findings.push(format!("they miss {percent:.0} % of what they are sent"));
        }
        findings
    }

    /// For the admin, `later` than it was measured.
    pub fn row(&self, later: Duration) -> LegRow {
        let Statistics { received, sent, lost, refused, keys, .. } = self.statistics;
        let reported = self.statistics.reported;
        let round_trip = reported.and_then(|reported| reported.round_trip);
        LegRow {
            leg: self.leg,
            user: self.user.clone(),
            trunk: self.trunk.clone(),
            codec: self.codec.name().to_owned(),
            advertised: self.advertised.map(|address| address.to_string()),
            source: self.statistics.source.map(|address| address.to_string()),
            received,
            lost,
            refused,
            jitter_ms: millis(self.statistics.jitter),
            worst_jitter_ms: millis(self.statistics.worst_jitter),
            mos: self.mos().map(hundredths),
            sent,
            far_lost: reported.map(|reported| reported.lost),
            far_jitter_ms: reported.map(|reported| millis(reported.jitter)),
            far_mos: self.far_mos().map(hundredths),
            round_trip_ms: round_trip.map(|trip| trip.as_micros() as f64 / 1_000.0),
            keys_by_rtp: keys,
            keys_by_info: self.info_keys,
            findings: self.findings(later),
        }
    }
}

fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { 100.0 * part as f64 / whole as f64 }
}

fn millis(samples: Samples) -> f64 {
    samples.duration().as_micros() as f64 / 1_000.0
}

fn hundredths(score: f64) -> f64 {
    (score * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::Reported;

    fn leg(statistics: Statistics) -> LegMedia {
        LegMedia {
            call: CallId(1),
            leg: 0,
            user: None,
            trunk: Some("north".into()),
            codec: Codec::Pcma,
            advertised: Some(SocketAddr::from(([10, 0, 0, 5], 4_000))),
            receives: true,
            sends: true,
            info_keys: 0,
            statistics,
            at: Utc::from_micros(0),
        }
    }

    /// A good call of a minute.
    fn good() -> Statistics {
        Statistics {
            received: 3_000,
            sent: 3_000,
            source: Some(SocketAddr::from(([10, 0, 0, 5], 4_000))),
            reported: Some(Reported { lost: 0, jitter: Samples(8), round_trip: None }),
            ..Statistics::default()
        }
    }

    fn findings(statistics: Statistics) -> Vec<String> {
        leg(statistics).findings(Duration::ZERO)
    }

    #[test]
    fn of_a_good_leg_there_is_nothing_to_say() {
        assert!(findings(good()).is_empty());
        let row = leg(good()).row(Duration::ZERO);
        assert_eq!((row.mos, row.far_mos, row.far_jitter_ms), (Some(4.41), Some(4.41), Some(1.0)));
    }

    #[test]
    fn what_is_wrong_is_said_in_plain_words() {
        let elsewhere = Some(SocketAddr::from(([198, 51, 100, 7], 9)));
        assert_eq!(
            findings(Statistics { source: elsewhere, ..good() }),
            ["they advertised 10.0.0.5, RTP arrives from 198.51.100.7"]
        );
        assert_eq!(
            findings(Statistics { received: 0, source: None, ..good() }),
            ["they have sent no RTP at all"]
        );
        assert_eq!(
            findings(Statistics {
                received: 0,
                refused: 7,
                stray: Some(96),
                source: None,
                ..good()
            }),
            [
                "7 packets came and none was taken: from elsewhere, or of nothing agreed",
                "payload type 96 arrives and was not agreed",
            ]
        );
        let quiet = leg(Statistics { quiet: Duration::from_secs(2), ..good() });
        assert!(quiet.findings(Duration::ZERO).is_empty());
        let later = Duration::from_secs(10);
        assert_eq!(quiet.findings(later), ["they have sent nothing for 12 s"]);
        assert!(LegMedia { receives: false, ..quiet }.findings(later).is_empty(), "they hold");
        let reported = Some(Reported { lost: 300, jitter: Samples(0), round_trip: None });
        assert_eq!(findings(Statistics { sent: 0, ..good() }), ["they were sent no RTP at all"]);
        assert_eq!(
            findings(Statistics { lost: 200, reported, ..good() }),
            ["6 % of what they send is lost", "they miss 10 % of what they are sent"]
        );
    }
}
