//! Disks that refuse or hang, file by file.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::sync::{Condvar, MutexGuard, PoisonError};

use super::*;
use crate::io::store::RESERVED;
use crate::io::wav::waiting::MOST;
use crate::switch::storage::Space;

/// What becomes of writes to a file.
enum Trouble {
    /// They fail; so many have.
    Refuses(usize),
    /// They wait.
    Hangs(usize),
}

/// By inode.
static TROUBLES: std::sync::Mutex<BTreeMap<u64, Trouble>> = std::sync::Mutex::new(BTreeMap::new());
static CHANGED: Condvar = Condvar::new();

fn troubles() -> MutexGuard<'static, BTreeMap<u64, Trouble>> {
    TROUBLES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Before a flush of `file`.
pub(in crate::io::wav) fn meet(file: &File) -> io::Result<()> {
    let inode = file.metadata()?.ino();
    let mut troubles = troubles();
    loop {
        match troubles.get_mut(&inode) {
            None => return Ok(()),
            Some(Trouble::Refuses(count)) => {
                *count += 1;
                CHANGED.notify_all();
                return Err(io::ErrorKind::StorageFull.into());
            }
            Some(Trouble::Hangs(count)) => {
                *count += 1;
                CHANGED.notify_all();
                troubles = CHANGED.wait(troubles).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
}

/// Bytes said to be free, and how often that was asked, by the inode of the recordings folder.
static FREE: std::sync::Mutex<BTreeMap<u64, (u64, usize)>> = std::sync::Mutex::new(BTreeMap::new());

fn disks() -> MutexGuard<'static, BTreeMap<u64, (u64, usize)>> {
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a test says instead of the file system.
pub(in crate::io::wav) fn free(root: &Folder) -> Option<u64> {
    let mut disks = disks();
    let (free, asked) = disks.get_mut(&root.inode().ok()?)?;
    *asked += 1;
    Some(*free)
}

/// A disk with so much room, until it is dropped.
pub(in crate::io::wav) struct Disk(u64);

impl Disk {
    fn with(place: &Place, free: u64) -> Disk {
        Disk::of(place.0.path(), free)
    }

    pub(in crate::io::wav) fn of(place: &Path, free: u64) -> Disk {
        let disk = Disk(std::fs::metadata(place).expect("there").ino());
        disk.has(free);
        disk
    }

    pub(in crate::io::wav) fn has(&self, free: u64) {
        disks().insert(self.0, (free, 0));
    }

    /// Until it was asked for so many turns.
    fn is_asked(&self, times: usize) {
        let started = Instant::now();
        while disks().get(&self.0).is_some_and(|(_, asked)| *asked < times) {
            assert!(started.elapsed() < PATIENCE, "the disk is asked {times} times");
            std::thread::yield_now();
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        disks().remove(&self.0);
    }
}

/// A file in trouble, until it is dropped.
struct Bad(u64);

impl Bad {
    fn make(path: &Path, trouble: Trouble) -> Bad {
        let inode = std::fs::metadata(path).expect("there").ino();
        troubles().insert(inode, trouble);
        Bad(inode)
    }

    /// Until so many writes have met it.
    fn met(&self, times: usize) {
        let (_troubles, late) = CHANGED
            .wait_timeout_while(troubles(), PATIENCE, |troubles| match troubles.get(&self.0) {
                Some(Trouble::Refuses(count) | Trouble::Hangs(count)) => *count < times,
                None => false,
            })
            .unwrap_or_else(PoisonError::into_inner);
        assert!(!late.timed_out(), "the disk is tried {times} times");
    }
}

impl Drop for Bad {
    fn drop(&mut self) {
        troubles().remove(&self.0);
        CHANGED.notify_all();
    }
}

/// `left` at the packets `range` of the recording of `desk`.
fn assert_heard(pcm: &[i16], range: std::ops::Range<usize>, sample: i16) {
    let heard = g711::decode(Codec::Pcma, g711::encode(Codec::Pcma, sample));
    let span = range.start * 160..range.end * 160;
    let wrong = pcm[span.clone()].iter().position(|&sample| sample != heard);
    assert_eq!(wrong, None, "from {}", span.start);
}

#[test]
fn a_disk_that_is_full_for_a_while_costs_nothing_that_memory_can_hold() {
    let mut desk = Desk::new();
    desk.writers.record(RECORDING, PATH.to_owned());
    let before = desk.talk_now(10, 8_000, -8_000);
    desk.has_written(before.end);
    let full = Bad::make(&desk.place.part(), Trouble::Refuses(0));
    let during = desk.talk_now(10, 4_000, -4_000);
    full.met(10);
    let length = std::fs::metadata(desk.place.part()).expect("there").len();
    assert!(length < 44 + during.end as u64 * 640, "it has not been written");
    drop(full);
    desk.has_written(during.end);
    let after = desk.talk_now(10, 8_000, -8_000);
    desk.has_written(after.end);
    desk.writers.seal(RECORDING, Instant::now());
    let Event::Sealed { sealed, .. } = desk.waits() else { panic!("sealed") };
    assert_eq!(sealed.gaps, []);
    let [left, right] = read(&desk.place.whole()).expect("opens");
    for (side, sign) in [(&left, 1), (&right, -1)] {
        assert_heard(side, before.clone(), 8_000 * sign);
        assert_heard(side, during.clone(), 4_000 * sign);
        assert_heard(side, after.clone(), 8_000 * sign);
    }
    assert_eq!(sealed.sha256, super::super::digest(&desk.place.whole()).expect("read"));
    desk.stops();
}

/// Why another recording of the same writer finds no room.
fn refused_another(desk: &mut Desk) -> String {
    let other = RecordingId(RECORDING.0 + WRITERS as u64);
    let (_tap, listener) = tap::tap(Samples(1_600));
    desk.writers.begin(other, listener, Instant::now());
    desk.writers.record(other, "2030/01/08/other.wav".to_owned());
    desk.writers.seal(other, Instant::now());
    let Event::RecordingFailed { recording, cause } = desk.waits() else { panic!("failed") };
    assert_eq!(recording, other);
    cause
}

#[test]
fn what_the_store_gives_up_on_a_full_disk_is_not_eaten_by_recordings() {
    let mut desk = Desk::new();
    let disk = Disk::with(&desk.place, LEAST_FREE);
    desk.writers.record(RECORDING, PATH.to_owned());
    let before = desk.talk_now(10, 8_000, -8_000);
    desk.has_written(before.end);
    disk.has(0);
    let during = desk.talk_now(10, 4_000, -4_000);
    disk.is_asked(1);
    disk.has(RESERVED);
    // More turns of 40 ms than the audio takes.
    disk.is_asked(30);
    // A recording that begins now is of the same writer, and finds no room either.
    let cause = refused_another(&mut desk);
    assert!(cause.contains("the database"), "{cause}");
    assert!(!desk.place.0.path().join("2030/01/08").exists());
    let length = std::fs::metadata(desk.place.part()).expect("there").len();
    assert!(length < 44 + during.end as u64 * 640, "{length} bytes");
    disk.has(ENOUGH_FREE);
    desk.has_written(during.end);
    desk.writers.seal(RECORDING, Instant::now());
    let Event::Sealed { sealed, .. } = desk.waits() else { panic!("sealed") };
    assert_eq!(sealed.gaps, []);
    let [left, _] = read(&desk.place.whole()).expect("opens");
    assert_heard(&left, during, 4_000);
    desk.stops();
}

#[test]
fn what_memory_cannot_hold_is_a_listed_gap_and_the_recording_goes_on() {
    // As if the disk had refused for 50 s, which have just passed.
    let mut desk = Desk::since(Duration::from_secs(50));
    let way = desk.place.0.path().join("2030");
    std::fs::write(&way, b"in the way").expect("written");
    desk.talk(0, 2_000, 8_000, -8_000);
    desk.writers.record(RECORDING, PATH.to_owned());
    desk.is_drained();
    std::fs::remove_file(&way).expect("removed");
    desk.has_written(2_500);
    // It has caught up: what comes now is heard.
    let after = desk.talk_now(10, 4_000, -4_000);
    desk.has_written(after.end);
    desk.writers.seal(RECORDING, Instant::now());
    let Event::Sealed { sealed, .. } = desk.waits() else { panic!("sealed") };
    let [left, right] = read(&desk.place.whole()).expect("opens");
    assert_eq!(sealed.length, Samples(left.len() as u64));
    let [(from, to)] = sealed.gaps[..] else { panic!("one gap: {:?}", sealed.gaps) };
    assert_eq!(from, MOST);
    assert!(to.0 >= 2_000 * 160 && to.0 <= after.start as u64 * 160, "{to:?}");
    for (side, sign) in [(&left, 1), (&right, -1)] {
        assert_heard(side, 0..1_500, 8_000 * sign);
        assert!(side[from.0 as usize..to.0 as usize].iter().all(|&sample| sample == 0));
        assert_heard(side, after.clone(), 4_000 * sign);
    }
    // Silence that nobody recorded takes no room on a disk that was full.
    let blocks = std::fs::metadata(desk.place.whole()).expect("there").blocks() * 512;
    assert!(blocks < sealed.bytes - 4 * (to.0 - from.0) / 2, "{blocks} of {}", sealed.bytes);
    desk.stops();
}

#[test]
fn only_what_the_disk_refuses_at_the_end_has_failed_and_what_it_took_is_left() {
    let mut desk = Desk::new();
    desk.writers.record(RECORDING, PATH.to_owned());
    desk.talk(0, 50, 8_000, -8_000);
    desk.has_written(50);
    let full = Bad::make(&desk.place.part(), Trouble::Refuses(0));
    full.met(2);
    assert!(told(&mut desk.events).is_none(), "it may still become well");
    desk.writers.seal(RECORDING, Instant::now());
    let Event::RecordingFailed { recording, cause } = desk.waits() else { panic!("failed") };
    assert_eq!(recording, RECORDING);
    assert!(!cause.is_empty());
    drop(full);
    assert!(salvage(desk.place.0.path(), PATH).expect("kept").length.0 >= 50 * 160);
    desk.stops();
}

#[test]
fn a_disk_that_hangs_costs_nothing_although_the_tap_is_short() {
    let mut desk = Desk::new();
    desk.writers.record(RECORDING, PATH.to_owned());
    desk.talk(0, 50, 8_000, -8_000);
    desk.has_written(50);
    let hangs = Bad::make(&desk.place.part(), Trouble::Hangs(0));
    hangs.met(1);
    // Another recording of the same writer, whose tap holds 200 ms, is drained all the same.
    let other = RecordingId(RECORDING.0 + WRITERS as u64);
    let (tap, listener) = tap::tap(Samples(1_600));
    (desk.tap, desk.start) = (tap, Instant::now());
    desk.writers.begin(other, listener, desk.start);
    desk.writers.record(other, "2030/01/08/other.wav".to_owned());
    for packet in 0..10 {
        desk.talk(10 * packet, 10 * packet + 10, 8_000, -8_000);
        desk.is_drained();
    }
    desk.writers.seal(other, desk.start + Duration::from_secs(2));
    drop(hangs);
    let Event::Sealed { recording, sealed } = desk.waits() else { panic!("sealed") };
    assert_eq!((recording, sealed.gaps), (other, vec![]));
    let [left, right] = read(&desk.place.0.path().join("2030/01/08/other.wav")).expect("opens");
    assert_heard(&left, 0..100, 8_000);
    assert_heard(&right, 0..100, -8_000);
    desk.stops();
}

#[test]
fn the_end_does_not_wait_for_a_disk_that_hangs() {
    let mut desk = Desk::new();
    desk.writers.record(RECORDING, PATH.to_owned());
    desk.talk(0, 50, 8_000, -8_000);
    desk.has_written(50);
    let hangs = Bad::make(&desk.place.part(), Trouble::Hangs(0));
    hangs.met(1);
    let Desk { writers, place, .. } = desk;
    let started = Instant::now();
    writers.stop();
    assert!(started.elapsed() < PATIENCE / 2);
    assert!(read(&place.part()).expect("opens")[0].len() >= 50 * 160);
}

#[test]
fn at_their_quota_recordings_begin_no_more_and_those_that_go_on_end_whole() {
    let place = Place::new();
    let room = Arc::new(Room::open(place.0.path(), Some(100_000), 70_000).expect("opens"));
    let mut desk = Desk::at(place, Arc::clone(&room), Duration::from_secs(10));
    desk.writers.record(RECORDING, PATH.to_owned());
    // What is written at a time is more than the quota has left: then no more.
    let started = Instant::now();
    while room.space().left > 0 {
        assert!(started.elapsed() < PATIENCE, "silence is written too");
        std::thread::yield_now();
    }
    // Another one is not begun, and what was said in this one is whole.
    let cause = refused_another(&mut desk);
    assert!(cause.contains("quota"), "{cause}");
    let at = desk.start + Duration::from_secs(20);
    desk.writers.seal(RECORDING, at.max(Instant::now()));
    let Event::Sealed { sealed, .. } = desk.waits() else { panic!("sealed") };
    assert!(sealed.gaps.is_empty() && sealed.length >= Samples(160_000), "{sealed:?}");
    assert_eq!(room.space().used, 70_000 + sealed.bytes);
    room.deleted(70_000 + sealed.bytes);
    assert_eq!(room.space(), Space { used: 0, left: 100_000 });
    desk.stops();
}
