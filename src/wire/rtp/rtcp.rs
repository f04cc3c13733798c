//! RTCP (RFC 3550 §6): our own reports written, others' read with every length checked. A BYE is read and means nothing to a call.

/// NTP time (RFC 3550 §4): seconds above, their fraction below.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Ntp(pub u64);

impl Ntp {
    /// Time since the stream began, as a sender without a clock may say (RFC 3550 §6.4.1).
    pub fn elapsed(since: std::time::Duration) -> Ntp {
        let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
        Ntp(since.as_secs() << 32 | fraction)
    }

    /// The middle 32 bits, as reports cite them.
    pub fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }
}

/// What we have sent so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sender {
    /// Now.
    pub ntp: Ntp,
    /// Now, in the stream's own time.
    pub timestamp: u32,
    /// Packets.
    pub packets: u32,
    /// Payload octets.
    pub octets: u32,
}

/// How we receive a stream (RFC 3550 §6.4.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Block {
    /// Whose stream.
    pub ssrc: u32,
    /// In 256ths, since the last report.
    pub fraction_lost: u8,
    /// Altogether.
    pub lost: u32,
    /// Extended highest sequence number.
    pub highest: u32,
    /// In samples.
    pub jitter: u32,
    /// [`Ntp::middle`] of their last report; 0 if there was none.
    pub last_report: u32,
    /// Since that report, in 65,536ths of a second.
    pub since_last_report: u32,
}

/// Room enough for what [`write()`] makes.
pub const LONGEST: usize = 28 + 24 + 12 + CNAME + 4;

/// Octets of our CNAME: 16 hexadecimal digits (RFC 7022 §4.2 wants no address in it).
const CNAME: usize = 16;

/// Octets of a report block.
const BLOCK_LENGTH: usize = 24;

const SENDER_REPORT: u8 = 200;
const RECEIVER_REPORT: u8 = 201;
const DESCRIPTION: u8 = 202;
const BYE: u8 = 203;

/// Writes a compound packet: a sender report if we have sent, else a receiver report, then the CNAME. Gives its length.
pub fn write(
    room: &mut [u8; LONGEST],
    ssrc: u32,
    name: u64,
    sender: Option<Sender>,
    block: Option<Block>,
) -> usize {
    let mut pen = Pen { room, at: 0 };
    let kind = if sender.is_some() { SENDER_REPORT } else { RECEIVER_REPORT };
    let words = 1 + if sender.is_some() { 5 } else { 0 } + if block.is_some() { 6 } else { 0 };
    pen.bytes(&[0x80 | u8::from(block.is_some()), kind, 0, words]);
    pen.word(ssrc);
    if let Some(sender) = sender {
        pen.bytes(&sender.ntp.0.to_be_bytes());
        pen.word(sender.timestamp);
        pen.word(sender.packets);
        pen.word(sender.octets);
    }
    if let Some(block) = block {
        pen.word(block.ssrc);
        // 24 bits, signed: at most 2^23 - 1.
        pen.word(u32::from(block.fraction_lost) << 24 | block.lost.min(0x7f_ffff));
        pen.word(block.highest);
        pen.word(block.jitter);
        pen.word(block.last_report);
        pen.word(block.since_last_report);
    }
    // One chunk: SSRC, CNAME, and zeros to the next word (§6.5).
    pen.bytes(&[0x81, DESCRIPTION, 0, 6]);
    pen.word(ssrc);
    pen.bytes(&[1, CNAME as u8]);
    for place in (0..CNAME).rev() {
        pen.bytes(&[b"0123456789abcdef"[(name >> (4 * place) & 15) as usize]]);
    }
    pen.bytes(&[0, 0]);
    pen.at
}

struct Pen<'a> {
    room: &'a mut [u8; LONGEST],
    at: usize,
}

impl Pen<'_> {
    fn bytes(&mut self, bytes: &[u8]) {
        self.room[self.at..self.at + bytes.len()].copy_from_slice(bytes);
        self.at += bytes.len();
    }

    fn word(&mut self, word: u32) {
        self.bytes(&word.to_be_bytes());
    }
}

/// What a received compound packet says that is of use.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Heard {
    /// [`Ntp::middle`] of the first sender report, and whose it is.
    pub report: Option<(u32, u32)>,
    /// How they receive our stream.
    pub block: Option<Block>,
    /// Somebody said goodbye.
    pub bye: bool,
}

/// Whether a packet of a port that both share is RTCP (RFC 5761 §4).
pub fn is_rtcp(packet: &[u8]) -> bool {
    packet.get(1).is_some_and(|kind| (192..=223).contains(kind))
}

/// Reads a compound packet (A.2): the first must be a report, every length must fit. `None`: not RTCP. Our stream is `ours`.
pub fn read(bytes: &[u8], ours: u32) -> Option<Heard> {
    let mut heard = Heard::default();
    let mut rest = bytes;
    let mut first = true;
    while !rest.is_empty() {
        let &[flags, kind, high, low] = rest.first_chunk::<4>()?;
        let length = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
        let (packet, behind) = rest.split_at_checked(length)?;
        let padded = flags & 0x20 != 0;
        if flags >> 6 != 2
            || first
                && (padded && !behind.is_empty()
                    || !matches!(kind, SENDER_REPORT | RECEIVER_REPORT))
        {
            return None;
        }
        let blocks = usize::from(flags & 0x1f) * BLOCK_LENGTH;
        match kind {
            SENDER_REPORT if packet.len() < 28 + blocks => return None,
            SENDER_REPORT => {
                let ntp = Ntp(u64::from(word(packet, 8)) << 32 | u64::from(word(packet, 12)));
                heard.report.get_or_insert((word(packet, 4), ntp.middle()));
                heard.block = heard.block.or_else(|| block(&packet[28..28 + blocks], ours));
            }
            RECEIVER_REPORT if packet.len() < 8 + blocks => return None,
            RECEIVER_REPORT => {
                heard.block = heard.block.or_else(|| block(&packet[8..8 + blocks], ours));
            }
            BYE => heard.bye = true,
            _ => {}
        }
        first = false;
        rest = behind;
    }
    (!first).then_some(heard)
}

/// Of these report blocks the one on our stream (§6.4.1).
fn block(blocks: &[u8], ours: u32) -> Option<Block> {
    let block = blocks.chunks_exact(BLOCK_LENGTH).find(|block| word(block, 0) == ours)?;
    // 24 bits, signed: copies can make it less than nothing.
    let lost = (word(block, 4) << 8) as i32 >> 8;
    Some(Block {
        ssrc: ours,
        fraction_lost: block[4],
        lost: u32::try_from(lost).unwrap_or(0),
        highest: word(block, 8),
        jitter: word(block, 12),
        last_report: word(block, 16),
        since_last_report: word(block, 20),
    })
}

/// The caller knows that it is there.
fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;

    const SENDER: Sender =
        Sender { ntp: Ntp(0x1122_3344_5566_7788), timestamp: 1_600, packets: 10, octets: 1_600 };
    const BLOCK: Block = Block {
        ssrc: 0xcafe,
        fraction_lost: 12,
        lost: 0x0123_4567,
        highest: 0x0001_0002,
        jitter: 33,
        last_report: 44,
        since_last_report: 55,
    };

    #[test]
    fn our_reports_have_the_layout_of_the_rfc() {
        let mut room = [0; LONGEST];
        let length = write(&mut room, 0xfeed, 0xabc, Some(SENDER), Some(BLOCK));
        assert_eq!(length, 28 + 24 + 28);
        assert_eq!(room[..8], [0x81, 200, 0, 12, 0, 0, 0xfe, 0xed]);
        assert_eq!(room[28..36], [0, 0, 0xca, 0xfe, 12, 0x7f, 0xff, 0xff]);
        assert_eq!(room[52..62], [0x81, 202, 0, 6, 0, 0, 0xfe, 0xed, 1, 16]);
        assert_eq!(&room[62..78], b"0000000000000abc");
        let report = Some((0xfeed, 0x3344_5566));
        let told = Block { lost: 0x7f_ffff, ..BLOCK };
        // Whose stream that is knows how it is received.
        assert_eq!(
            read(&room[..length], 0xcafe),
            Some(Heard { report, block: Some(told), bye: false })
        );
        assert_eq!(read(&room[..length], 0xcaff), Some(Heard { report, ..Heard::default() }));

        let length = write(&mut room, 0xfeed, 0xabc, None, None);
        assert_eq!(length, 8 + 28);
        assert_eq!(room[..4], [0x80, 201, 0, 1]);
        assert_eq!(read(&room[..length], 0), Some(Heard::default()));
    }

    #[test]
    fn blocks_are_counted_before_they_are_read_and_fewer_than_none_lost_is_none() {
        let mut room = [0; LONGEST];
        let length = write(&mut room, 0xfeed, 0xabc, None, Some(BLOCK));
        room[13..16].copy_from_slice(&[0xff, 0xff, 0xfe]);
        let heard = read(&room[..length], 0xcafe).expect("RTCP");
        assert_eq!(heard.block.map(|block| block.lost), Some(0));
        room[0] = 0x82;
        assert_eq!(read(&room[..length], 0xcafe), None, "a second block that is not there");
    }

    #[test]
    fn half_a_second_is_half_of_the_fraction() {
        assert_eq!(Ntp::elapsed(Duration::from_millis(3_500)), Ntp(0x3_8000_0000));
        assert_eq!(Ntp::elapsed(Duration::from_millis(3_500)).middle(), 0x3_8000);
    }

    #[test]
    fn a_goodbye_is_read_and_lies_about_lengths_are_not() {
        let mut bytes = vec![0x80, 201, 0, 1, 0, 0, 0, 1, 0x81, BYE, 0, 1, 0, 0, 0, 1];
        assert_eq!(read(&bytes, 0), Some(Heard { bye: true, ..Heard::default() }));
        bytes[11] = 2;
        assert_eq!(read(&bytes, 0), None);
        assert_eq!(read(&[0x80, 200, 0, 1, 0, 0, 0, 1], 0), None);
        let bye = [0x81, BYE, 0, 1, 0, 0, 0, 1];
        assert_eq!(read(&bye, 0), None, "a BYE without a report before it");
        assert_eq!(read(&[], 0), None);
        assert_eq!(read(&[0x80, 201, 0xff, 0xff], 0), None);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..120), report in any::<bool>()) {
            if report && bytes.len() >= 4 {
                bytes[..4].copy_from_slice(&[0x80, 200, 0, 6]);
            }
            let _ = read(&bytes, 0);
        }
    }
}
