//! Any bytes as what a crash left of a recording: it is finished with every whole moment that was in the file, or refused; the same again
//! finds the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use tonspur::io::wav::{read, salvage};

const PATH: &str = "2030/01/07/20300107T090000Z_000000000001.wav";
/// Bytes before the audio, and of one moment of both sides.
const HEADER: usize = 44;
const FRAME: usize = 4;

fuzz_target!(|bytes: &[u8]| {
    let place = tempfile::tempdir().expect("a folder");
    let whole = place.path().join(PATH);
    std::fs::create_dir_all(whole.parent().expect("it is in one")).expect("made");
    std::fs::write(whole.with_extension("wav.part"), bytes).expect("written");
    let frames = bytes.len().saturating_sub(HEADER) / FRAME;
    match salvage(place.path(), PATH) {
        Err(_) => assert_eq!(frames, 0, "there was audio in it"),
        Ok(sealed) => {
            assert_eq!(sealed.length.0 as usize, frames);
            let [left, right] = read(&whole).expect("it opens");
            let heard = left.iter().zip(&right).flat_map(|(left, right)| [*left, *right]);
            let audio = bytes[HEADER..HEADER + frames * FRAME].as_chunks().0;
            let was = audio.iter().map(|&sample| i16::from_le_bytes(sample));
            assert!(heard.eq(was), "every moment is kept as it was");
            assert_eq!(salvage(place.path(), PATH).expect("again"), sealed);
        }
    }
});
