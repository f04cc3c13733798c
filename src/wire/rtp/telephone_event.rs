//! Keys pressed, as RTP: telephone-event, RFC 4733 §2.

/// One packet's payload (RFC 4733 §2.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Report {
    /// 0 to 15 are the keys.
    pub event: u8,
    /// The event is over; such packets come three times.
    pub end: bool,
    /// So long so far, in timestamp units (8 to the millisecond).
    pub duration: u16,
}

impl Report {
    /// Reads the first event of a payload; `None` if it is too short.
    pub fn read(payload: &[u8]) -> Option<Report> {
        let &[event, flags, high, low] = payload.first_chunk::<4>()?;
        Some(Report { event, end: flags & 0x80 != 0, duration: u16::from_be_bytes([high, low]) })
    }

    /// The key: `0`-`9`, `*`, `#`, `A`-`D`; `None` for flash and whatever else is an event (RFC 4733 §3.2).
    pub fn digit(self) -> Option<char> {
        b"0123456789*#ABCD".get(usize::from(self.event)).map(|&key| char::from(key))
    }
}

/// The keys of one stream: every press once, whichever of its packets arrive.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Presses {
    last: Option<Press>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Press {
    event: u8,
    timestamp: u32,
    duration: u16,
    ended: bool,
}

/// Packets so much older than the last press are late ones of an earlier press: ten seconds.
const LATE: u32 = 80_000;

impl Presses {
    /// Takes a packet; gives the key if it begins a press. All packets of a press share the timestamp of its beginning.
    pub fn take(&mut self, timestamp: u32, marker: bool, report: Report) -> Option<char> {
        let now =
            Press { event: report.event, timestamp, duration: report.duration, ended: report.end };
        if let Some(last) = &mut self.last {
            if last.timestamp == timestamp {
                last.duration = last.duration.max(report.duration);
                last.ended |= report.end;
                return None;
            }
            let behind = last.timestamp.wrapping_sub(timestamp);
            if behind < LATE {
                return None;
            }
            // A press longer than the duration can say goes on in segments: the next one begins where it ends, without a marker
            // (§2.5.1.3). The segment's last packets may have been lost.
            let ahead = timestamp.wrapping_sub(last.timestamp);
            let follows = (0xff00..=0x1_0000).contains(&ahead);
            if follows && last.event == report.event && !last.ended && !marker {
                *last = now;
                return None;
            }
        }
        self.last = Some(now);
        report.digit()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn report(event: u8, duration: u16, end: bool) -> Report {
        Report { event, end, duration }
    }

    /// A press of 100 ms as it is sent: five packets, the end three times.
    fn press(event: u8, timestamp: u32) -> Vec<(u32, bool, Report)> {
        let mut packets: Vec<_> =
            (1..=4u16).map(|n| (timestamp, n == 1, report(event, n * 160, false))).collect();
        packets.extend([(timestamp, false, report(event, 800, true)); 3]);
        packets
    }

    fn heard(packets: impl IntoIterator<Item = (u32, bool, Report)>) -> String {
        let mut presses = Presses::default();
        packets
            .into_iter()
            .filter_map(|(timestamp, marker, report)| presses.take(timestamp, marker, report))
            .collect()
    }

    #[test]
    fn the_payload_is_read_as_the_rfc_draws_it() {
        assert_eq!(Report::read(&[11, 0x8a, 0x03, 0x20]), Some(report(11, 800, true)));
        assert_eq!(Report::read(&[11, 0x0a, 0x03]), None);
        let keys: String = (0..20).filter_map(|event| report(event, 0, false).digit()).collect();
        assert_eq!(keys, "0123456789*#ABCD");
    }

    #[test]
    fn a_press_is_told_once() {
        assert_eq!(heard(press(1, 4_000)), "1");
        assert_eq!(heard([press(1, 4_000), press(1, 5_600), press(2, 8_000)].concat()), "112");
    }

    #[test]
    fn whichever_packets_are_lost_the_press_is_told_once() {
        let whole = press(5, u32::MAX - 100);
        for kept in 1..1u32 << whole.len() {
            let packets = whole.iter().enumerate().filter(|(n, _)| kept >> n & 1 == 1);
            assert_eq!(heard(packets.map(|(_, &packet)| packet)), "5", "{kept:#b}");
        }
    }

    #[test]
    fn late_packets_of_the_press_before_tell_nothing() {
        let mut packets = press(3, 1_000);
        let late = packets.split_off(4);
        packets.extend(press(4, 3_000));
        packets.extend(late);
        assert_eq!(heard(packets), "34");
    }

    #[test]
    fn a_press_of_twenty_seconds_is_one() {
        let mut packets = Vec::new();
        for segment in 0..3u32 {
            let start = segment * 0xffff;
            packets.push((start, segment == 0, report(7, 160, false)));
            packets.push((start, false, report(7, 0xffff, false)));
        }
        packets.push((3 * 0xffff, false, report(7, 1_000, true)));
        assert_eq!(heard(packets), "7");
    }

    #[test]
    fn the_same_key_with_its_marker_after_eight_seconds_is_another_press() {
        let packets = [(0, true, report(7, 160, false)), (0xffff, true, report(7, 160, false))];
        assert_eq!(heard(packets), "77");
    }
}
