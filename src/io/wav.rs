//! Recordings as WAV files: made so that they open at any moment, sealed with their digest, finished after a crash, read back.
#![expect(clippy::disallowed_methods, reason = "recordings are files")]

mod listening;
mod room;
mod sealing;
mod waiting;
mod writers;
mod writing;

use std::fs::File;
use std::io::{self, BufReader, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, MetadataExt as _};
use std::path::Path;
use std::sync::Arc;

use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use sha2::{Digest as _, Sha256};

use super::folder::{Folder, Kind};
use crate::media::{Fault, Samples, Sealed};
pub use room::{ENOUGH_FREE, LEAST_FREE, Room, watch};
pub use writers::Writers;

/// Left is the customer, right our side.
const SPEC: WavSpec = WavSpec {
    channels: 2,
    sample_rate: 8_000,
    bits_per_sample: 16,
    sample_format: SampleFormat::Int,
};

/// Bytes before the audio.
const HEADER: usize = 44;

/// Bytes of one moment of both sides.
const FRAME: u64 = 4;

/// So much is read or, where there is much, written at a time.
const PIECE: usize = 64 << 10;

/// Bytes of silence from which on they are left out of the file: half a second.
const HOLE: usize = 16_000;

/// No file gets longer than thirteen hours, far below the 4 GiB that the format can say. The switch begins another one before that.
const LONGEST: Samples = Samples(13 * 3_600 * Samples::RATE);

/// A recording on its way to the disk, under its name with `.part`.
struct Wav {
    writer: WavWriter<Body>,
    file: Arc<File>,
    /// There is something to flush.
    fresh: bool,
    /// Bytes of audio that were appended, and how many of them are in the file.
    appended: u64,
    flushed: u64,
}

impl Wav {
    /// Makes the file, and its folders where they are missing (which is told). Its header comes with the first flush.
    fn create(recordings: &Folder, path: &str) -> io::Result<(Wav, bool)> {
        let (folders, name) = split(path);
        let (folder, made) = recordings.descend_or_make(folders)?;
        Ok((Wav::over(folder.create_file(&part(name))?)?, made))
    }

    /// Writes from the beginning; what lies in the file beyond stays until it is written over.
    fn over(file: File) -> io::Result<Wav> {
        let file = Arc::new(file);
        let writer = WavWriter::new(Body::new(Arc::clone(&file)), SPEC).map_err(plain)?;
        Ok(Wav { writer, file, fresh: true, appended: 0, flushed: 0 })
    }

    /// Appends samples, left and right in turn, to what the next flush writes. That touches no file, and so does not fail.
    fn append(&mut self, pcm: &[i16]) -> io::Result<()> {
        self.fresh = true;
        for piece in pcm.chunks(PIECE / 2) {
            // A piece is far from 2^32 samples long.
            let mut writer = self.writer.get_i16_writer(piece.len() as u32);
            piece.iter().for_each(|&sample| writer.write_sample(sample));
            writer.flush().map_err(plain)?;
        }
        self.appended += 2 * pcm.len() as u64;
        Ok(())
    }

    /// Of the file.
    fn bytes(&self) -> u64 {
        if self.fresh && self.flushed == 0 { 0 } else { HEADER as u64 + self.flushed }
    }

    /// Of each side, in the file.
    fn length(&self) -> Samples {
        Samples(self.flushed / FRAME)
    }

    /// What is wrong with the file at `path`, in which everything that was flushed should be.
    fn fault(&self, recordings: &Folder, path: &str) -> io::Result<Option<Fault>> {
        let (folders, name) = split(path);
        let found = match recordings.descend(folders) {
            Ok(folder) => folder.identity(&part(name))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let ours = self.file.metadata()?.ino();
        Ok(match found {
            Some((inode, _)) if inode != ours => Some(Fault::Missing),
            Some((_, bytes)) => (bytes < HEADER as u64 + self.flushed).then_some(Fault::Short),
            None => Some(Fault::Missing),
        })
    }

    /// All that was appended is in the file, and its header says so. It outlives the process, not a power cut. After an error, the
    /// next flush begins where this one did.
    fn flush(&mut self) -> io::Result<()> {
        if self.fresh {
            self.writer.flush().map_err(plain)?;
            (self.fresh, self.flushed) = (false, self.appended);
        }
        Ok(())
    }

    /// Writes the rest, has it reach the disk, takes its digest and gives it its final name.
    fn seal(self, recordings: &Folder, path: &str) -> io::Result<Digest> {
        let Wav { writer, file, fresh: _, appended: _, flushed: _ } = self;
        writer.finalize().map_err(plain)?;
        file.sync_all()?;
        let digest = Digest::of(&file)?;
        let (folders, name) = split(path);
        let folder = recordings.descend(folders)?;
        folder.rename(&part(name), name)?;
        folder.sync()?;
        Ok(digest)
    }
}

/// A whole file in two figures.
struct Digest {
    sha256: [u8; 32],
    bytes: u64,
}

impl Digest {
    fn of(file: &File) -> io::Result<Digest> {
        let mut hash = Sha256::new();
        let mut bytes = 0;
        let mut piece = vec![0; PIECE];
        loop {
            match file.read_at(&mut piece, bytes) {
                Ok(0) => return Ok(Digest { sha256: hash.finalize().into(), bytes }),
                Ok(count) => {
                    hash.update(&piece[..count]);
                    bytes += count as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn sealed(self) -> Sealed {
        let frames = self.bytes.saturating_sub(HEADER as u64) / FRAME;
        Sealed {
            length: Samples(frames),
            sha256: self.sha256,
            bytes: self.bytes,
            silences: Vec::new(),
            gaps: Vec::new(),
            packets: None,
        }
    }
}

/// What hound writes to. A flush is two writes, the audio and then the header, so that the header never promises what is not there.
struct Body {
    file: Arc<File>,
    header: [u8; HEADER],
    /// Where hound believes to be.
    at: u64,
    /// Audio bytes in the file.
    written: u64,
    pending: Vec<u8>,
}

impl Body {
    fn new(file: Arc<File>) -> Body {
        Body { file, header: [0; HEADER], at: 0, written: 0, pending: Vec::new() }
    }

    fn spill(&mut self) -> io::Result<()> {
        let from = HEADER as u64 + self.written;
        let to = from + self.pending.len() as u64;
        if self.pending.len() >= HOLE && self.pending.iter().all(|&byte| byte == 0) {
            // A gap is a hole: a disk that was full is not filled with silence.
            if self.file.metadata()?.len() < to {
                self.file.set_len(to)?;
            }
        } else {
            self.file.write_all_at(&self.pending, from)?;
        }
        self.written += self.pending.len() as u64;
        self.pending.clear();
        // What a trouble needed is not kept for ever.
        self.pending.shrink_to(PIECE);
        Ok(())
    }
}

impl Write for Body {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let header = usize::try_from(self.at).ok().and_then(|at| self.header.get_mut(at..));
        let count = match header {
            Some(header) if !header.is_empty() => {
                let count = bytes.len().min(header.len());
                header[..count].copy_from_slice(&bytes[..count]);
                count
            }
            // Behind the header, hound only ever appends.
            Some(_) | None => {
                self.pending.extend_from_slice(bytes);
                bytes.len()
            }
        };
        self.at += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        #[cfg(test)]
        tests::trouble::meet(&self.file)?;
        self.spill()?;
        self.file.write_all_at(&self.header, 0)
    }
}

impl Seek for Body {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(_) => None,
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

/// Finishes what a crash left of the recording at `path` (relative to the recordings folder): all audio that is in the file is kept,
/// whatever its header says. Which spans were silent on purpose is not known any more.
pub fn salvage(recordings: &Path, path: &str) -> io::Result<Sealed> {
    let root = Folder::open(recordings)?;
    let (folders, name) = split(path);
    let folder = root.descend(folders)?;
    if folder.kind(&part(name))?.is_none() && folder.kind(name)? == Some(Kind::File) {
        // It was sealed, and the row had not heard of it.
        return Ok(Digest::of(&folder.open_file(name)?)?.sealed());
    }
    let file = folder.open_file(&part(name))?;
    let audio = file.metadata()?.len().saturating_sub(HEADER as u64) / FRAME * FRAME;
    if audio == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "no audio had reached the disk"));
    }
    let mut wav = Wav::over(file)?;
    let mut at = 0;
    let (mut bytes, mut pcm) = (vec![0; PIECE], Vec::new());
    while at < audio {
        let piece = &mut bytes[..PIECE.min((audio - at) as usize)];
        wav.file.read_exact_at(piece, HEADER as u64 + at)?;
        pcm.clear();
        pcm.extend(piece.as_chunks().0.iter().map(|&sample| i16::from_le_bytes(sample)));
        at += piece.len() as u64;
        wav.append(&pcm)?;
        wav.flush()?;
    }
    wav.file.set_len(HEADER as u64 + audio)?;
    let sealed = wav.seal(&root, path)?.sealed();
    root.sync_way(folders)?;
    Ok(sealed)
}

/// SHA-256 of a whole file.
pub fn digest(path: &Path) -> io::Result<[u8; 32]> {
    Ok(Digest::of(&File::open(path)?)?.sha256)
}

/// What a recording sounds like: its samples, customer and agent.
///
/// # Errors
/// If it cannot be read, or is not a recording of ours.
pub fn read(path: &Path) -> io::Result<[Vec<i16>; 2]> {
    let mut reader = WavReader::new(BufReader::new(File::open(path)?)).map_err(plain)?;
    if reader.spec() != SPEC {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not 16-bit stereo at 8 kHz"));
    }
    let mut sides = [Vec::new(), Vec::new()];
    for (number, sample) in reader.samples::<i16>().enumerate() {
        sides[number % 2].push(sample.map_err(plain)?);
    }
    Ok(sides)
}

/// The samples of a prompt: 16 bit, mono, 8 kHz.
///
/// # Errors
/// If it cannot be read, or is of another form.
pub fn read_prompt(path: &Path) -> io::Result<Vec<i16>> {
    let reader = WavReader::new(BufReader::new(File::open(path)?)).map_err(plain)?;
    if reader.spec() != (WavSpec { channels: 1, ..SPEC }) {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it is not 16-bit mono at 8 kHz"));
    }
    reader.into_samples().map(|sample| sample.map_err(plain)).collect()
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

fn part(name: &str) -> String {
    format!("{name}.part")
}

fn plain(error: hound::Error) -> io::Error {
    match error {
        hound::Error::IoError(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidData, other.to_string()),
    }
}

#[cfg(test)]
mod tests;
