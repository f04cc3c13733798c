//! RTP packets (RFC 3550 §5.1): read with checks, rewritten in place, written anew. Home of rtp-rs, which takes RTCP for RTP and
//! cannot rewrite; both are done here.

use std::ops::Range;

use rtp_rs::RtpReader;

/// Octets of a header without contributing sources and extension.
pub const HEADER: usize = 12;

/// The payload type of comfort noise (RFC 3389).
pub const COMFORT_NOISE: u8 = 13;

/// What the header of a received packet says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    /// The first packet of a talkspurt, or of an event.
    pub marker: bool,
    /// 0 to 127, never the range that RTCP takes.
    pub payload_type: u8,
    /// Rises by one a packet, modulo 2^16.
    pub sequence: u16,
    /// Rises with the samples, modulo 2^32.
    pub timestamp: u32,
    /// The source.
    pub ssrc: u32,
    /// Where the payload lies, padding taken off.
    pub payload: Range<usize>,
}

/// Why bytes are not an RTP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NotRtp {
    /// Too short, of another version, or an extension or padding that does not fit.
    Malformed,
    /// Payload types 64 to 95 are RTCP on a shared port (RFC 5761 §4).
    Rtcp,
}

/// The header of a packet that is to go out; without contributing sources, extension and padding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fresh {
    /// See [`Header::marker`].
    pub marker: bool,
    /// 7 bits.
    pub payload_type: u8,
    /// See [`Header::sequence`].
    pub sequence: u16,
    /// See [`Header::timestamp`].
    pub timestamp: u32,
    /// Ours.
    pub ssrc: u32,
}

/// Reads and checks a packet as received.
pub fn read(bytes: &[u8]) -> Result<Header, NotRtp> {
    let reader = RtpReader::new(bytes).map_err(|_| NotRtp::Malformed)?;
    let payload_type = reader.payload_type();
    if (64..=95).contains(&payload_type) {
        return Err(NotRtp::Rtcp);
    }
    let start = reader.payload_offset();
    Ok(Header {
        marker: reader.mark(),
        payload_type,
        sequence: reader.sequence_number().into(),
        timestamp: reader.timestamp(),
        ssrc: reader.ssrc(),
        payload: start..start + reader.payload().len(),
    })
}

/// Makes the packet in `bytes`, which reads as `header`, a packet of ours: a new header right before the old payload. Gives its length.
pub fn rewrite(bytes: &mut [u8], header: &Header, fresh: Fresh) -> usize {
    if header.payload.start != HEADER {
        bytes.copy_within(header.payload.clone(), HEADER);
    }
    let length = HEADER + header.payload.len();
    put(&mut bytes[..HEADER], fresh);
    length
}

/// Writes a packet to the beginning of `room`. Gives its length; `None` if it does not fit.
pub fn write(room: &mut [u8], fresh: Fresh, payload: &[u8]) -> Option<usize> {
    let length = HEADER + payload.len();
    room.get_mut(HEADER..length)?.copy_from_slice(payload);
    put(&mut room[..HEADER], fresh);
    Some(length)
}

fn put(room: &mut [u8], fresh: Fresh) {
    room[0] = 0x80;
    room[1] = u8::from(fresh.marker) << 7 | fresh.payload_type & 0x7f;
    room[2..4].copy_from_slice(&fresh.sequence.to_be_bytes());
    room[4..8].copy_from_slice(&fresh.timestamp.to_be_bytes());
    room[8..12].copy_from_slice(&fresh.ssrc.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FRESH: Fresh = Fresh {
        marker: true,
        payload_type: 101,
        sequence: 0xfffe,
        timestamp: 0xdead_beef,
        ssrc: 0x1234_5678,
    };

    #[test]
    fn what_is_written_is_read_back() {
        let mut room = [0; 64];
        let length = write(&mut room, FRESH, b"hello").expect("it fits");
        let header = read(&room[..length]).expect("it is RTP");
        assert_eq!(
            header,
            Header {
                marker: true,
                payload_type: 101,
                sequence: 0xfffe,
                timestamp: 0xdead_beef,
                ssrc: 0x1234_5678,
                payload: 12..17,
            }
        );
        assert_eq!(write(&mut [0; 16], FRESH, b"hello"), None);
    }

    #[test]
    fn sources_extension_and_padding_do_not_survive_a_rewrite() {
        let mut bytes = vec![0xb2, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        bytes.extend_from_slice(&[9; 8]); // two contributing sources
        bytes.extend_from_slice(&[0xbe, 0xde, 0, 1, 7, 7, 7, 7]); // one word of extension
        bytes.extend_from_slice(b"payload");
        bytes.extend_from_slice(&[0, 0, 3]); // padding
        let header = read(&bytes).expect("it is RTP");
        assert_eq!(&bytes[header.payload.clone()], b"payload");
        let length = rewrite(&mut bytes, &header, FRESH);
        let again = read(&bytes[..length]).expect("it is RTP");
        assert_eq!(again.payload, 12..19);
        assert_eq!(&bytes[again.payload], b"payload");
        assert_eq!(again.ssrc, FRESH.ssrc);
    }

    #[test]
    fn rtcp_is_not_taken_for_rtp() {
        let mut report = [0; 28];
        report[0] = 0x80;
        for packet_type in 192..=223u8 {
            report[1] = packet_type;
            assert_eq!(read(&report), Err(NotRtp::Rtcp));
        }
    }

    #[test]
    fn what_is_too_short_or_of_another_version_is_refused() {
        assert_eq!(read(&[]), Err(NotRtp::Malformed));
        assert_eq!(read(&[0x80; 11]), Err(NotRtp::Malformed));
        assert_eq!(read(&[0; 20]), Err(NotRtp::Malformed));
        let mut stun = [0; 20];
        stun[1] = 1;
        assert_eq!(read(&stun), Err(NotRtp::Malformed));
        // Fifteen contributing sources in a packet of twelve octets.
        let mut short = [0; 12];
        short[0] = 0x8f;
        assert_eq!(read(&short), Err(NotRtp::Malformed));
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..80), two in any::<bool>()) {
            if two && !bytes.is_empty() {
                bytes[0] = bytes[0] & 0x3f | 0x80;
            }
            if let Ok(header) = read(&bytes) {
                prop_assert!(header.payload.end <= bytes.len());
                let length = rewrite(&mut bytes, &header, FRESH);
                prop_assert!(length <= bytes.len());
                prop_assert!(read(&bytes[..length]).is_ok());
            }
        }
    }
}
