//! Files that open at any moment, whatever becomes of their writer.

pub(super) mod trouble;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::*;
use crate::media::tap::{self, Frame, Side, Tap};
use crate::media::{Event, Packets, RecordingId, Silence};
use crate::wire::rtp::g711::{self, Codec};

const PATH: &str = "2030/01/07/20300107T090000Z_000000000001.wav";
const PATIENCE: Duration = Duration::from_secs(20);

struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Place {
        Place(tempfile::tempdir().expect("a folder"))
    }

    fn root(&self) -> Folder {
        Folder::open(self.0.path()).expect("opens")
    }

    fn room(&self) -> Arc<Room> {
        Arc::new(Room::open(self.0.path(), None, 0).expect("opens"))
    }

    fn part(&self) -> PathBuf {
        self.0.path().join(part(PATH))
    }

    fn whole(&self) -> PathBuf {
        self.0.path().join(PATH)
    }
}

/// A file with its header.
fn create(place: &Place) -> Wav {
    let (mut wav, _) = Wav::create(&place.root(), PATH).expect("created");
    wav.flush().expect("flushed");
    wav
}

fn ramp(frames: i16) -> Vec<i16> {
    (0..frames).flat_map(|n| [n, -n]).collect()
}

fn sides(frames: i16) -> [Vec<i16>; 2] {
    [(0..frames).collect(), (0..frames).map(|n| -n).collect()]
}

#[test]
fn a_file_opens_after_every_flush_and_holds_what_was_appended() {
    let place = Place::new();
    let mut wav = create(&place);
    assert_eq!(read(&place.part()).expect("opens"), sides(0));
    let pcm = ramp(20_000);
    for (number, piece) in pcm.chunks(1_600).enumerate() {
        wav.append(piece).expect("appended");
        wav.flush().expect("flushed");
        let frames = (800 * (number as i16 + 1)).min(20_000);
        assert_eq!(read(&place.part()).expect("opens"), sides(frames));
    }
    let digest = wav.seal(&place.root(), PATH).expect("sealed");
    assert_eq!(read(&place.whole()).expect("opens"), sides(20_000));
    assert_eq!(digest.bytes, 44 + 80_000);
    assert_eq!(digest.sha256, super::digest(&place.whole()).expect("read"));
    assert!(!place.part().exists());
}

#[test]
fn a_file_that_is_gone_replaced_or_cut_is_noticed_while_it_is_written() {
    let place = Place::new();
    let mut wav = create(&place);
    let fault = |wav: &Wav| wav.fault(&place.root(), PATH).expect("looked at");
    assert_eq!((fault(&wav), wav.length()), (None, Samples(0)));
    wav.append(&ramp(800)).expect("appended");
    assert_eq!(wav.length(), Samples(0), "not flushed yet");
    wav.flush().expect("flushed");
    assert_eq!((fault(&wav), wav.length()), (None, Samples(800)));
    wav.file.set_len(44).expect("cut");
    assert_eq!(fault(&wav), Some(Fault::Short));
    wav.file.set_len(44 + 3_200).expect("mended");
    assert_eq!(fault(&wav), None);
    std::fs::rename(place.part(), place.whole()).expect("moved");
    assert_eq!(fault(&wav), Some(Fault::Missing));
    std::fs::write(place.part(), [0; 5_000]).expect("another");
    assert_eq!(fault(&wav), Some(Fault::Missing));
    std::fs::remove_dir_all(place.0.path().join("2030")).expect("removed");
    assert_eq!(fault(&wav), Some(Fault::Missing));
}

#[test]
fn how_far_a_recording_has_come_is_told_while_it_goes_on() {
    let place = Place::new();
    let (sender, mut events) = tokio::sync::mpsc::channel(64);
    let writers = Writers::start(place.room(), 1, sender).expect("started");
    let recording = RecordingId(1);
    let (mut into, listener) = tap::tap(Samples(16_000));
    let start = Instant::now();
    writers.begin(recording, listener, start);
    writers.record(recording, PATH.to_owned());
    let payload = [g711::encode(Codec::Pcmu, 8_000); 160];
    for n in 0..10u16 {
        into.push(Frame {
            side: Side::Agent,
            arrived: Instant::now(),
            ssrc: 1,
            sequence: n,
            timestamp: u32::from(n) * 160,
            codec: Codec::Pcmu,
            payload: &payload,
        });
    }
    let mut next = || match events.blocking_recv() {
        Some(Event::Written { progress, .. }) => progress,
        other => panic!("{other:?}"),
    };
    let first = next();
    assert!(first.length > Samples(8_000) && first.fault.is_none(), "{first:?}");
    assert_eq!(first.peaks[0], 0);
    assert!((7_000..9_000).contains(&first.peaks[1]), "{first:?}");
    std::fs::remove_file(place.part()).expect("removed");
    let second = next();
    assert_eq!((second.peaks, second.fault), ([0; 2], Some(Fault::Missing)));
    assert!(second.length > first.length);
    writers.stop();
}

#[test]
fn only_we_may_read_and_nothing_is_overwritten_or_followed() {
    let place = Place::new();
    let wav = create(&place);
    let mode = |path: &Path| std::fs::metadata(path).expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(&place.part()), 0o600);
    assert_eq!(mode(&place.0.path().join("2030/01")), 0o700);
    assert!(Wav::create(&place.root(), PATH).is_err(), "the part is there");
    std::fs::write(place.whole(), b"another's").expect("written");
    assert!(wav.seal(&place.root(), PATH).is_err(), "the name is taken");
    assert_eq!(std::fs::read(place.whole()).expect("read"), b"another's");
    std::os::unix::fs::symlink("/tmp", place.0.path().join("2031")).expect("linked");
    assert!(Wav::create(&place.root(), "2031/x.wav").is_err());
    assert!(Wav::create(&place.root(), "../x.wav").is_err());
}

#[test]
fn whatever_a_crash_left_is_kept_to_the_last_frame() {
    // The header may be that of the last flush, or have been lost to a power cut; the last frame may be cut.
    for (zeroed, extra) in [(false, 0), (false, 3), (true, 2)] {
        let place = Place::new();
        let mut wav = create(&place);
        wav.append(&ramp(30_000)).expect("appended");
        wav.flush().expect("flushed");
        // Between the audio and the header of the next flush.
        let rest: Vec<u8> = [7i16; 20].iter().flat_map(|sample| sample.to_le_bytes()).collect();
        wav.file.write_all_at(&rest, 44 + 120_000).expect("written");
        wav.file.write_all_at(&[1; 3][..extra], 44 + 120_040).expect("written");
        if zeroed {
            wav.file.write_all_at(&[0; 44], 0).expect("written");
        }
        drop(wav);
        let sealed = salvage(place.0.path(), PATH).expect("salvaged");
        let [left, right] = read(&place.whole()).expect("opens");
        assert_eq!((left.len(), right.len()), (30_010, 30_010));
        assert_eq!((left[29_999], right[29_999], left[30_000]), (29_999, -29_999, 7));
        assert_eq!(sealed.length, Samples(30_010));
        assert_eq!(sealed.bytes, std::fs::metadata(place.whole()).expect("there").size());
        assert_eq!(sealed.sha256, super::digest(&place.whole()).expect("read"));
        // A crash between this and its row: the next start finds the same.
        assert_eq!(salvage(place.0.path(), PATH).expect("again"), sealed);
    }
}

#[test]
fn where_no_audio_reached_the_disk_there_is_nothing_to_salvage() {
    let place = Place::new();
    assert!(salvage(place.0.path(), PATH).is_err());
    drop(create(&place));
    let error = salvage(place.0.path(), PATH).expect_err("nothing");
    assert_eq!(error.to_string(), "no audio had reached the disk");
}

/// Writers at work, and a tap that is fed.
struct Desk {
    place: Place,
    writers: Writers,
    events: tokio::sync::mpsc::Receiver<Event>,
    tap: Tap,
    start: Instant,
}

const RECORDING: RecordingId = RecordingId(1);
const WRITERS: usize = 2;

impl Desk {
    fn new() -> Desk {
        Desk::since(Duration::from_secs(10))
    }

    /// The conversation began in the past, so that nothing need be waited for.
    fn since(past: Duration) -> Desk {
        let place = Place::new();
        let room = place.room();
        Desk::at(place, room, past)
    }

    fn at(place: Place, room: Arc<Room>, past: Duration) -> Desk {
        let (told, events) = tokio::sync::mpsc::channel(8);
        let writers = Writers::start(room, WRITERS, told).expect("started");
        let (tap, listener) = tap::tap(Samples(400_000));
        let start = Instant::now() - past;
        writers.begin(RECORDING, listener, start);
        Desk { place, writers, events, tap, start }
    }

    /// Both sides say `left` and `right` in the packets `from..to` of 20 ms.
    fn talk(&mut self, from: u16, to: u16, left: i16, right: i16) {
        for sequence in from..to {
            for (side, sample) in [(Side::Customer, left), (Side::Agent, right)] {
                let payload = [g711::encode(Codec::Pcma, sample); 160];
                let frame = Frame {
                    side,
                    arrived: self.start + Duration::from_millis(20) * u32::from(sequence),
                    ssrc: 7,
                    sequence,
                    timestamp: u32::from(sequence) * 160,
                    codec: Codec::Pcma,
                    payload: &payload,
                };
                assert!(self.tap.push(frame), "the tap has room");
            }
        }
    }

    /// The same from now on, for so many packets; says which.
    fn talk_now(&mut self, packets: u16, left: i16, right: i16) -> std::ops::Range<usize> {
        // Half a second ahead, so that no busy machine makes it late.
        let from = (self.start.elapsed().as_millis() / 20) as u16 + 25;
        self.talk(from, from + packets, left, right);
        usize::from(from)..usize::from(from + packets)
    }

    /// Until the listener has taken everything from the tap.
    fn is_drained(&self) {
        let started = Instant::now();
        while !self.tap.is_empty() {
            assert!(started.elapsed() < PATIENCE, "the tap is drained");
            std::thread::yield_now();
        }
    }

    /// Until so many packets' time is in the file.
    fn has_written(&self, packets: usize) {
        let started = Instant::now();
        let written = || std::fs::metadata(self.place.part()).map_or(0, |file| file.len());
        while written() < 44 + packets as u64 * 640 {
            assert!(started.elapsed() < PATIENCE, "the audio reaches the disk before the seal");
            std::thread::yield_now();
        }
    }

    fn stops(self) {
        self.writers.stop_within(PATIENCE);
    }

    fn waits(&mut self) -> Event {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            if let Some(event) = told(&mut self.events) {
                return event;
            }
            std::thread::yield_now();
        }
        panic!("nothing was told")
    }
}

/// What has become of a recording, if anything was told; how far one has come is none of it.
fn told(events: &mut tokio::sync::mpsc::Receiver<Event>) -> Option<Event> {
    std::iter::from_fn(|| events.try_recv().ok())
        .find(|event| !matches!(event, Event::Written { .. }))
}

#[test]
fn a_conversation_is_written_and_sealed_as_it_was_spoken() {
    let mut desk = Desk::new();
    desk.talk(0, 100, 8_000, -8_000);
    desk.writers.record(RECORDING, PATH.to_owned());
    desk.has_written(100);
    let at = desk.start + Duration::from_secs(3);
    desk.writers.seal(RECORDING, at.max(Instant::now()));
    let Event::Sealed { recording, sealed } = desk.waits() else { panic!("sealed") };
    assert_eq!(recording, RECORDING);
    let [left, right] = read(&desk.place.whole()).expect("opens");
    assert_eq!(sealed.length.0 as usize, left.len());
    assert!(left.len() >= 80_000);
    let heard = |sample| g711::decode(Codec::Pcma, g711::encode(Codec::Pcma, sample));
    assert!(left[..16_000].iter().all(|&sample| sample == heard(8_000)));
    assert!(right[..16_000].iter().all(|&sample| sample == heard(-8_000)));
    assert!(left[16_000..].iter().chain(&right[16_000..]).all(|&sample| sample == 0));
    assert_eq!(sealed.sha256, super::digest(&desk.place.whole()).expect("read"));
    desk.stops();
}

#[test]
fn nothing_is_on_the_disk_before_the_intent_is() {
    let mut desk = Desk::new();
    desk.talk(0, 100, 8_000, -8_000);
    desk.writers.silence(RECORDING, Silence::Pause, desk.start);
    desk.writers.unsilence(RECORDING, desk.start);
    desk.writers.seal(RECORDING, Instant::now());
    desk.writers.stop_within(PATIENCE);
    assert_eq!(std::fs::read_dir(desk.place.0.path()).expect("listed").count(), 0);
    assert!(told(&mut desk.events).is_none());
}

#[test]
fn a_conversation_that_is_over_waits_for_its_row_and_grows_no_more() {
    let mut desk = Desk::since(Duration::from_secs(40));
    desk.talk(0, 500, 8_000, -8_000);
    desk.writers.seal(RECORDING, desk.start + Duration::from_secs(10));
    desk.is_drained();
    desk.writers.record(RECORDING, PATH.to_owned());
    let Event::Sealed { recording, sealed } = desk.waits() else { panic!("sealed") };
    assert_eq!((recording, sealed.length, sealed.gaps), (RECORDING, Samples(80_000), vec![]));
    let packets = Packets { customer: 500, agent: 500, left_out: 0 };
    assert_eq!(sealed.packets, Some(packets));
    let heard = g711::decode(Codec::Pcma, g711::encode(Codec::Pcma, 8_000));
    let [left, _] = read(&desk.place.whole()).expect("opens");
    assert!(left.len() == 80_000 && left.iter().all(|&sample| sample == heard));
    desk.stops();
}

#[test]
fn what_waits_for_rows_is_bounded_and_the_one_too_many_is_told_as_failed() {
    let mut desk = Desk::since(Duration::from_secs(30));
    let last = (2_000 / 30 + 2) * WRITERS as u64 + RECORDING.0;
    for id in (RECORDING.0..=last).step_by(WRITERS) {
        let (_, listener) = tap::tap(Samples(800));
        desk.writers.begin(RecordingId(id), listener, desk.start);
        desk.writers.seal(RecordingId(id), desk.start + Duration::from_secs(30));
    }
    desk.writers.record(RecordingId(last), PATH.to_owned());
    let Event::RecordingFailed { recording, .. } = desk.waits() else { panic!("failed") };
    assert_eq!(recording, RecordingId(last));
    desk.writers.record(RECORDING, PATH.to_owned());
    assert!(matches!(desk.waits(), Event::Sealed { recording: RECORDING, .. }));
    desk.stops();
}

#[test]
fn a_disk_that_refuses_fails_the_recording_and_nothing_else() {
    let mut desk = Desk::new();
    std::fs::write(desk.place.0.path().join("2030"), b"in the way").expect("written");
    desk.writers.record(RECORDING, PATH.to_owned());
    desk.writers.seal(RECORDING, Instant::now());
    let Event::RecordingFailed { recording, cause } = desk.waits() else { panic!("failed") };
    assert_eq!(recording, RECORDING);
    assert!(!cause.is_empty());
    let (mut tap, listener) = tap::tap(Samples(800));
    std::mem::swap(&mut desk.tap, &mut tap);
    desk.writers.begin(RecordingId(2), listener, desk.start);
    desk.talk(0, 1, 8_000, 8_000);
    desk.writers.record(RecordingId(2), "2031/x.wav".to_owned());
    desk.writers.seal(RecordingId(2), Instant::now());
    assert!(matches!(desk.waits(), Event::Sealed { recording: RecordingId(2), .. }));
    desk.stops();
}

#[test]
fn what_was_not_sealed_at_the_end_is_left_for_the_next_start() {
    let mut desk = Desk::new();
    desk.talk(0, 100, 8_000, -8_000);
    desk.writers.record(RECORDING, PATH.to_owned());
    desk.writers.stop_within(PATIENCE);
    assert!(read(&desk.place.part()).expect("opens")[0].len() >= 16_000);
    assert!(told(&mut desk.events).is_none());
    assert!(salvage(desk.place.0.path(), PATH).is_ok());
}
