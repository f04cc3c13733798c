//! The caller's voice: RTP of a known tone, sent at known times, beside the signalling that SIPp does for it.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use crate::{audio, wait_for};

/// What was said and heard, by the calendar.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    /// When each burst of ours left, in seconds since 1970.
    pub(crate) said: Vec<f64>,
    /// Arrival of each packet and its samples.
    pub(crate) packets: Vec<(f64, Vec<i16>)>,
}

/// A talking caller; begins when the first RTP comes in, so that no address has to be told.
pub(crate) struct Voice {
    pub(crate) address: SocketAddr,
    stop: Arc<AtomicBool>,
    heard: Arc<Mutex<Heard>>,
    thread: Option<JoinHandle<()>>,
}

impl Voice {
    /// Speaks in bursts of `frequency`.
    pub(crate) fn new(address: Ipv4Addr, frequency: f64) -> Voice {
        let socket = UdpSocket::bind((address, 0)).expect("a socket");
        let address = socket.local_addr().expect("its address");
        let stop = Arc::new(AtomicBool::new(false));
        let heard = Arc::new(Mutex::new(Heard::default()));
        let (told, hears) = (Arc::clone(&stop), Arc::clone(&heard));
        let thread = std::thread::spawn(move || speak(&socket, frequency, &told, &hears));
        Voice { address, stop, heard, thread: Some(thread) }
    }

    /// Waits until bursts of `frequency` are heard, from now on.
    pub(crate) fn hears(&self, frequency: f64) {
        let before = self.heard.lock().expect("the voice lives").packets.len();
        wait_for(&format!("{frequency} Hz are heard"), Duration::from_secs(10), || {
            let heard = self.heard.lock().expect("the voice lives");
            let is_tone = |packets: &[(f64, Vec<i16>)]| {
                let samples = packets.iter().flat_map(|(_, samples)| samples.iter().copied());
                audio::amplitude(&samples.collect::<Vec<_>>(), frequency) > 3_000.0
            };
            heard.packets[before..].chunks_exact(20).any(is_tone).then_some(())
        });
    }

    /// Falls silent.
    pub(crate) fn stop(mut self) -> Heard {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.take().expect("stopped once").join().expect("the voice lives");
        std::mem::take(&mut self.heard.lock().expect("the voice lives"))
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs_f64()
}

fn speak(socket: &UdpSocket, frequency: f64, stop: &AtomicBool, heard: &Mutex<Heard>) {
    let mut buffer = [0; 2048];
    let mut far = None;
    let mut sent = 0_usize;
    let mut due = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        let wait = due
            .saturating_duration_since(Instant::now())
            .clamp(Duration::from_micros(50), Duration::from_millis(20));
        socket.set_read_timeout(Some(wait)).expect("a timeout");
        if let Ok((length, from)) = socket.recv_from(&mut buffer) {
            if length > 12 && buffer[1] & 0x7f == 0 {
                heard.lock().expect("nobody panics with it").packets.push((
                    now(),
                    buffer[12..length].iter().map(|byte| audio::linear(*byte)).collect(),
                ));
            }
            if far.is_none() {
                (far, due) = (Some(from), Instant::now());
            }
        }
        while let Some(far) = far.filter(|_| due <= Instant::now()) {
            let samples =
                (sent * 160..(sent + 1) * 160).map(|at| audio::mu_law(audio::burst(at, frequency)));
            let mut packet = vec![0x80, 0];
            packet.extend((sent as u16).to_be_bytes());
            packet.extend((sent as u32 * 160).to_be_bytes());
            packet.extend(0x5eed_u32.to_be_bytes());
            packet.extend(samples);
            socket.send_to(&packet, far).expect("RTP leaves");
            if (sent * 160).is_multiple_of((audio::PERIOD * audio::RATE as f64) as usize) {
                heard.lock().expect("nobody panics with it").said.push(now());
            }
            sent += 1;
            due += Duration::from_millis(20);
        }
    }
}

impl Heard {
    /// When bursts of `frequency` were heard to begin, by the calendar.
    pub(crate) fn onsets(&self, frequency: f64) -> Vec<f64> {
        let samples: Vec<i16> =
            self.packets.iter().flat_map(|(_, samples)| samples.iter().copied()).collect();
        let mut starts = Vec::new();
        let mut at = 0;
        for (arrived, packet) in &self.packets {
            starts.push((at, *arrived));
            at += packet.len();
        }
        audio::onsets(&samples, frequency)
            .into_iter()
            .map(|seconds| {
                let sample = (seconds * audio::RATE as f64) as usize;
                let (first, arrived) =
                    starts[starts.partition_point(|(first, _)| *first <= sample) - 1];
                arrived + (sample - first) as f64 / audio::RATE as f64
            })
            .collect()
    }
}
