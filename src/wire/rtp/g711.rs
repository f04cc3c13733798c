//! G.711 (ITU-T G.711; RFC 3551 §4.5.14): µ-law and A-law to and from 16-bit PCM.

/// One of the two laws.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Codec {
    /// µ-law, payload type 0.
    Pcmu,
    /// A-law, payload type 8.
    Pcma,
}

impl Codec {
    /// The static payload type (RFC 3551 §6).
    pub fn payload_type(self) -> u8 {
        match self {
            Codec::Pcmu => 0,
            Codec::Pcma => 8,
        }
    }

    /// The codec of a static payload type, if it is one of the two laws.
    pub fn of_payload_type(payload_type: u8) -> Option<Codec> {
        match payload_type {
            0 => Some(Codec::Pcmu),
            8 => Some(Codec::Pcma),
            _ => None,
        }
    }

    /// The encoding name.
    pub fn name(self) -> &'static str {
        match self {
            Codec::Pcmu => "PCMU",
            Codec::Pcma => "PCMA",
        }
    }

    /// The codec of an encoding name, however it is written.
    pub fn of_name(name: &str) -> Option<Codec> {
        [Codec::Pcmu, Codec::Pcma].into_iter().find(|codec| name.eq_ignore_ascii_case(codec.name()))
    }

    /// The byte of a sample as quiet as the law knows.
    pub fn silence(self) -> u8 {
        match self {
            Codec::Pcmu => 0xff,
            Codec::Pcma => 0xd5,
        }
    }
}

/// One byte as a 16-bit sample; µ-law reaches ±32,124, A-law ±32,256.
pub fn decode(codec: Codec, byte: u8) -> i16 {
    match codec {
        Codec::Pcmu => MU_DECODED[usize::from(byte)],
        Codec::Pcma => A_DECODED[usize::from(byte)],
    }
}

/// The byte of a 16-bit sample, by the decision values of the recommendation; what is too loud is clipped.
pub fn encode(codec: Codec, sample: i16) -> u8 {
    match codec {
        Codec::Pcmu => encode_mu(sample),
        Codec::Pcma => encode_a(sample),
    }
}

/// Rewrites G.711 bytes of one law as the other; nothing to do between equals.
pub fn convert(from: Codec, to: Codec, bytes: &mut [u8]) {
    let table = match (from, to) {
        (Codec::Pcmu, Codec::Pcmu) | (Codec::Pcma, Codec::Pcma) => return,
        (Codec::Pcmu, Codec::Pcma) => &MU_TO_A,
        (Codec::Pcma, Codec::Pcmu) => &A_TO_MU,
    };
    for byte in bytes {
        *byte = table[usize::from(*byte)];
    }
}

static MU_DECODED: [i16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = decode_mu(byte as u8);
        byte += 1;
    }
    table
};

static A_DECODED: [i16; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = decode_a(byte as u8);
        byte += 1;
    }
    table
};

static MU_TO_A: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = encode_a(decode_mu(byte as u8));
        byte += 1;
    }
    table
};

static A_TO_MU: [u8; 256] = {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = encode_mu(decode_a(byte as u8));
        byte += 1;
    }
    table
};

/// G.711 table 2, in the 16-bit scale: 33 steps of bias become 132.
const MU_BIAS: i32 = 132;

const fn decode_mu(byte: u8) -> i16 {
    let code = !byte as i32;
    let (chord, step) = (code >> 4 & 7, code & 15);
    let magnitude = (((step << 3) + MU_BIAS) << chord) - MU_BIAS;
    (if code & 0x80 == 0 { magnitude } else { -magnitude }) as i16
}

const fn encode_mu(sample: i16) -> u8 {
    let sample = sample as i32;
    let (sign, magnitude) = if sample < 0 { (0x80, -sample) } else { (0, sample) };
    let clipped = if magnitude > 32_635 { 32_635 } else { magnitude };
    let biased = (clipped + MU_BIAS) as u32;
    let chord = biased.ilog2() - 7;
    !(sign | (chord << 4) as u8 | (biased >> (chord + 3) & 15) as u8)
}

/// G.711 table 1: even bits are inverted on the line.
const A_INVERSION: u8 = 0x55;

const fn decode_a(byte: u8) -> i16 {
    let code = (byte ^ A_INVERSION) as i32;
    let (chord, step) = (code >> 4 & 7, code & 15);
    let magnitude = if chord == 0 { (step << 4) + 8 } else { ((step << 4) + 0x108) << (chord - 1) };
    (if code & 0x80 == 0 { -magnitude } else { magnitude }) as i16
}

const fn encode_a(sample: i16) -> u8 {
    let (sign, magnitude) = if sample < 0 { (0, !sample as u32) } else { (0x80, sample as u32) };
    let code = if magnitude < 256 {
        (magnitude >> 4) as u8
    } else {
        let chord = magnitude.ilog2() - 7;
        (chord << 4) as u8 | (magnitude >> (chord + 3) & 15) as u8
    };
    (sign | code) ^ A_INVERSION
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Codec; 2] = [Codec::Pcmu, Codec::Pcma];

    #[test]
    fn known_values_of_the_recommendation() {
        assert_eq!(decode(Codec::Pcmu, 0x00), -32_124);
        assert_eq!(decode(Codec::Pcmu, 0x80), 32_124);
        assert_eq!(decode(Codec::Pcmu, 0xff), 0);
        assert_eq!(decode(Codec::Pcma, 0x2a), -32_256);
        assert_eq!(decode(Codec::Pcma, 0xaa), 32_256);
        assert_eq!(decode(Codec::Pcma, 0xd5), 8);
        assert_eq!(encode(Codec::Pcmu, i16::MIN), 0x00);
        assert_eq!(encode(Codec::Pcma, i16::MIN), 0x2a);
        assert_eq!(encode(Codec::Pcmu, i16::MAX), 0x80);
        assert_eq!(encode(Codec::Pcma, i16::MAX), 0xaa);
    }

    #[test]
    fn decoding_and_encoding_again_gives_the_same_byte() {
        for codec in BOTH {
            for byte in 0..=255 {
                let again = encode(codec, decode(codec, byte));
                // µ-law knows two zeros; the negative one is read as the other.
                let expected = if codec == Codec::Pcmu && byte == 0x7f { 0xff } else { byte };
                assert_eq!(again, expected, "{codec:?} {byte:#x}");
            }
        }
    }

    #[test]
    fn no_sample_is_off_by_more_than_half_a_step_of_its_chord() {
        for codec in BOTH {
            for sample in -32_124..=32_124i16 {
                let byte = encode(codec, sample);
                let (chord, error) = match codec {
                    Codec::Pcmu => (!byte >> 4 & 7, 4 << (!byte >> 4 & 7)),
                    Codec::Pcma => ((byte ^ 0x55) >> 4 & 7, 8 << ((byte ^ 0x55) >> 4 & 7) >> 1),
                };
                let off = (i32::from(decode(codec, byte)) - i32::from(sample)).abs();
                assert!(off <= error.max(8), "{codec:?} {sample} in chord {chord} is off by {off}");
            }
        }
    }

    #[test]
    fn conversion_stays_within_a_step_and_leaves_equals_alone() {
        for byte in 0..=255u8 {
            for (from, to) in [(Codec::Pcmu, Codec::Pcma), (Codec::Pcma, Codec::Pcmu)] {
                let mut converted = [byte];
                convert(from, to, &mut converted);
                let (before, after) =
                    (i32::from(decode(from, byte)), i32::from(decode(to, converted[0])));
                assert!((before - after).abs() <= before.abs() / 16 + 8, "{from:?} {byte:#x}");
                let mut same = [byte];
                convert(from, from, &mut same);
                assert_eq!(same, [byte]);
            }
        }
    }

    #[test]
    fn silence_is_quiet_and_types_are_static() {
        for codec in BOTH {
            assert!(decode(codec, codec.silence()).abs() <= 8);
            assert_eq!(Codec::of_payload_type(codec.payload_type()), Some(codec));
        }
        assert_eq!(Codec::of_payload_type(18), None);
    }
}
