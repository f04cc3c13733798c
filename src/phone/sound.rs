//! What the phone says and hears: a tone in RTP packets of 20 ms, keys by RFC 4733, and everything that came in.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::Packet;

const PACKET: Duration = Duration::from_millis(20);
const SAMPLES: u32 = 160;

/// One side's audio.
#[derive(Debug)]
pub struct Voice {
    own: SocketAddr,
    ssrc: u32,
    far: Option<(SocketAddr, u8, Option<u8>)>,
    tone: Option<f64>,
    due: Option<Instant>,
    sequence: u16,
    timestamp: u32,
    keys: VecDeque<(u8, u16, bool)>,
    /// Samples heard, in the order in which the packets came.
    pub heard: Vec<i16>,
    /// Keys heard: RFC 4733 events, once each.
    pub digits: Vec<char>,
    last_event: Option<u32>,
}

impl Voice {
    pub(super) fn new(own: SocketAddr, ssrc: u32) -> Voice {
        Voice {
            own,
            ssrc,
            far: None,
            tone: None,
            due: None,
            sequence: ssrc as u16,
            timestamp: ssrc.wrapping_mul(7),
            keys: VecDeque::new(),
            heard: Vec::new(),
            digits: Vec::new(),
            last_event: None,
        }
    }

    pub(super) fn connect(&mut self, far: SocketAddr, codec: u8, event: Option<u8>) {
        self.far = Some((far, codec, event));
    }

    pub(super) fn hang_up(&mut self) {
        self.far = None;
        self.due = None;
        self.keys.clear();
    }

    /// Speaks a tone from now on (0 Hz is silence); `None` sends nothing.
    pub fn speak(&mut self, now: Instant, frequency: Option<f64>) {
        self.tone = frequency;
        self.due = self.due.or(Some(now)).filter(|_| frequency.is_some() || !self.keys.is_empty());
    }

    /// Presses a key for 100 ms.
    pub fn press(&mut self, now: Instant, digit: char) {
        let event = match digit {
            '0'..='9' => digit as u8 - b'0',
            '*' => 10,
            '#' => 11,
            _ => 12 + (digit as u8).saturating_sub(b'A'),
        };
        self.keys.extend((1..=5).map(|step| (event, step * SAMPLES as u16, false)));
        self.keys.extend([(event, 6 * SAMPLES as u16, true); 3]);
        self.due = self.due.or(Some(now));
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.far.and(self.due)
    }

    /// The next packet that is due.
    pub(super) fn tick(&mut self, now: Instant) -> Option<Packet> {
        let due = self.due.filter(|due| *due <= now)?;
        let (far, codec, event) = self.far?;
        let mut bytes = vec![0x80, codec];
        match self.keys.pop_front() {
            Some((key, duration, end)) => {
                bytes[1] = event?;
                let begun = self
                    .timestamp
                    .wrapping_sub(u32::from(duration.min(6 * SAMPLES as u16)) - SAMPLES);
                bytes.extend(self.sequence.to_be_bytes());
                bytes.extend(begun.to_be_bytes());
                bytes.extend(self.ssrc.to_be_bytes());
                bytes.extend([key, if end { 0x8a } else { 0x0a }]);
                bytes.extend(duration.to_be_bytes());
                // The end is told three times over, and its time stands still meanwhile.
                if !end {
                    self.timestamp = self.timestamp.wrapping_add(SAMPLES);
                } else if self.keys.front().is_none_or(|(_, _, end)| !end) {
                    self.timestamp = self.timestamp.wrapping_add(3 * SAMPLES);
                }
            }
            None => {
                let frequency = self.tone?;
                bytes.extend(self.sequence.to_be_bytes());
                bytes.extend(self.timestamp.to_be_bytes());
                bytes.extend(self.ssrc.to_be_bytes());
                bytes.extend((0..SAMPLES).map(|at| {
                    let seconds = f64::from(self.timestamp.wrapping_add(at)) / 8000.0;
                    let sample =
                        ((seconds * frequency * std::f64::consts::TAU).sin() * 10_000.0) as i16;
                    if codec == 8 { a_law(sample) } else { mu_law(sample) }
                }));
                self.timestamp = self.timestamp.wrapping_add(SAMPLES);
            }
        }
        self.sequence = self.sequence.wrapping_add(1);
        self.due = (self.tone.is_some() || !self.keys.is_empty()).then_some(due + PACKET);
        Some(Packet { from: self.own, to: far, bytes })
    }

    /// One packet at our RTP socket.
    pub fn receive(&mut self, bytes: &[u8]) {
        if bytes.len() < 12 || bytes[0] >> 6 != 2 {
            return;
        }
        let timestamp = u32::from_be_bytes([bytes[4], bytes[5], bytes[6], bytes[7]]);
        match bytes[1] & 0x7f {
            0 => self.heard.extend(bytes[12..].iter().map(|byte| linear(*byte))),
            8 => self.heard.extend(bytes[12..].iter().map(|byte| linear_a(*byte))),
            kind if self.far.is_some_and(|(_, _, event)| event == Some(kind))
                && bytes.len() >= 16
                && self.last_event.replace(timestamp) != Some(timestamp) =>
            {
                self.digits.extend(
                    b"0123456789*#ABCD".get(usize::from(bytes[12])).map(|digit| char::from(*digit)),
                );
            }
            _ => {}
        }
    }
}

/// µ-law by its definition (ITU-T G.711), not by the switch's tables.
pub fn mu_law(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = i32::from(sample).abs().min(32_635) + 132;
    let exponent = (7..15).rev().find(|bit| magnitude >> bit != 0).map_or(0, |bit| bit - 7);
    !(sign | (exponent << 4) as u8 | ((magnitude >> (exponent + 3)) & 0x0f) as u8)
}

/// And back.
pub fn linear(byte: u8) -> i16 {
    let byte = !byte;
    let magnitude = ((i32::from(byte & 0x0f) << 3) + 132) << ((byte >> 4) & 7);
    (if byte & 0x80 == 0 { magnitude - 132 } else { 132 - magnitude }) as i16
}

fn a_law(sample: i16) -> u8 {
    let (sign, magnitude) =
        if sample < 0 { (0, !i32::from(sample)) } else { (0x80, i32::from(sample)) };
    let magnitude = magnitude.min(32_767) >> 3;
    let exponent = (5..12).rev().find(|bit| magnitude >> bit != 0).map_or(0, |bit| bit - 4);
    let mantissa = if exponent == 0 { magnitude >> 1 } else { magnitude >> exponent } & 0x0f;
    (sign | (exponent << 4) as u8 | mantissa as u8) ^ 0x55
}

fn linear_a(byte: u8) -> i16 {
    let byte = byte ^ 0x55;
    let (exponent, mantissa) = ((byte >> 4) & 7, i32::from(byte & 0x0f));
    let magnitude =
        if exponent == 0 { (mantissa << 4) + 8 } else { ((mantissa << 4) + 264) << (exponent - 1) };
    (if byte & 0x80 == 0 { -magnitude } else { magnitude }) as i16
}

/// The amplitude of `frequency` in `samples` (Goertzel).
pub fn tone_level(samples: &[i16], frequency: f64) -> f64 {
    if samples.is_empty() {
        return 0.0;
    }
    let k = 2.0 * (std::f64::consts::TAU * frequency / 8000.0).cos();
    let (a, b) =
        samples.iter().fold((0.0, 0.0), |(a, b), &sample| (f64::from(sample) + k * a - b, a));
    (a * a + b * b - k * a * b).max(0.0).sqrt() * 2.0 / samples.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_laws_come_back_as_they_went() {
        for sample in [-30_000i16, -4_000, -77, 0, 5, 300, 12_345, 32_000] {
            let allowed = 16 + i32::from(sample).abs() / 16;
            for back in [linear(mu_law(sample)), linear_a(a_law(sample))] {
                assert!(
                    (i32::from(back) - i32::from(sample)).abs() <= allowed,
                    "{sample} became {back}"
                );
            }
        }
    }

    #[test]
    fn a_tone_is_heard_at_its_frequency_and_no_other() {
        let address = "10.0.0.9:7000".parse().expect("an address");
        let (mut speaker, mut listener) = (Voice::new(address, 3), Voice::new(address, 5));
        let start = Instant::now();
        speaker.connect(address, 8, None);
        speaker.speak(start, Some(1000.0));
        while let Some(packet) = speaker.tick(start + Duration::from_secs(1)) {
            listener.receive(&packet.bytes);
        }
        assert!(tone_level(&listener.heard, 1000.0) > 9_000.0);
        assert!(tone_level(&listener.heard, 440.0) < 200.0);
    }
}
