//! Prompts from disk: what callers hear, with its words and its digest. An unreadable one is known by why; the call is served.
#![expect(clippy::disallowed_methods, reason = "the prompts are files")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{Cursor, Read as _};
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::config::Warning;
use crate::media::Samples;
use crate::media::prompt::Library;
use crate::switch::settings::{CONSENT, Language, MUSIC, NOTICE, Prompt, RINGBACK, Settings};

/// Seventeen minutes of music; what is longer is a mistake.
const LONGEST_FILE: u64 = 16 << 20;

/// The prompts of a node, by language and name.
pub type Prompts = BTreeMap<Language, BTreeMap<String, Prompt>>;

/// Loads `<folder>/<language>/*.wav` into `library`: every language the settings speak, and every other there is.
pub fn load(folder: &Path, settings: &Settings, library: &mut Library) -> (Prompts, Vec<Warning>) {
    let mut languages: BTreeSet<Language> =
        settings.routes.iter().map(|route| route.language.clone()).collect();
    languages.insert(settings.language.clone());
    languages.extend(names(folder, |path| path.is_dir()));
    let mut prompts = Prompts::new();
    let mut warnings = Vec::new();
    for language in languages {
        let inside = folder.join(&language);
        let is_wav = |path: &Path| path.extension().is_some_and(|extension| extension == "wav");
        let mut wanted: BTreeSet<String> =
            [CONSENT, NOTICE, MUSIC, RINGBACK].map(str::to_owned).into();
        let files = names(&inside, is_wav);
        wanted.extend(files.iter().filter_map(|file| file.strip_suffix(".wav")).map(str::to_owned));
        for name in wanted {
            let file = format!("prompts/{language}/{name}.wav");
            let prompt = prompt(&inside, &name, library);
            if let Err(why) = &prompt.sound {
                let what = format!("the prompt cannot be played: {why}");
                warnings.push(Warning { file, line: None, what: what + consequence(&name) });
            } else if prompt.text.is_empty() {
                let what = format!("its words are not known: {name}.txt is missing or empty");
                warnings.push(Warning { file, line: None, what });
            }
            prompts.entry(language.clone()).or_default().insert(name, prompt);
        }
    }
    (prompts, warnings)
}

fn consequence(name: &str) -> &'static str {
    match name {
        CONSENT | NOTICE => "; calls that need it are served unrecorded",
        MUSIC | RINGBACK => "; callers hear silence instead",
        _ => "",
    }
}

fn prompt(folder: &Path, name: &str, library: &mut Library) -> Prompt {
    let text = match read(&folder.join(format!("{name}.txt"))) {
        Ok(bytes) => String::from_utf8_lossy(&bytes).trim().to_owned(),
        Err(_) => String::new(),
    };
    let bytes = match read(&folder.join(format!("{name}.wav"))) {
        Ok(bytes) => bytes,
        Err(why) => {
            let (sha256, length) = (String::new(), Default::default());
            return Prompt { sound: Err(why), sha256, text, length };
        }
    };
    let sha256 = hex(&Sha256::digest(&bytes));
    match samples(&bytes) {
        Ok(samples) => {
            let length = Samples(samples.len() as u64).duration();
            Prompt { sound: Ok(library.add(&samples)), sha256, text, length }
        }
        Err(why) => Prompt { sound: Err(why), sha256, text, length: Default::default() },
    }
}

/// The samples of a WAV of 8 kHz, mono, 16 bit.
fn samples(bytes: &[u8]) -> Result<Vec<i16>, String> {
    let unreadable = |why: hound::Error| format!("it is no WAV that can be read ({why})");
    let mut wav = hound::WavReader::new(Cursor::new(bytes)).map_err(unreadable)?;
    let spec = wav.spec();
    let is_pcm = spec.sample_format == hound::SampleFormat::Int && spec.bits_per_sample == 16;
    if !is_pcm || spec.channels != 1 || u64::from(spec.sample_rate) != Samples::RATE {
        let (rate, channels, bits) = (spec.sample_rate, spec.channels, spec.bits_per_sample);
        let found = format!("{rate} Hz, {channels} channels, {bits} bit");
        return Err(format!("it has {found}, and has to have 8000 Hz, 1 channel, 16 bit PCM"));
    }
    let samples: Vec<i16> = wav.samples().collect::<Result<_, _>>().map_err(unreadable)?;
    if samples.is_empty() { Err("it has no sound in it".to_owned()) } else { Ok(samples) }
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    match fs::metadata(path) {
        Ok(metadata) if metadata.is_file() => {}
        Ok(_) => return Err("it is not a file".to_owned()),
        Err(why) => return Err(format!("it cannot be read ({why})")),
    }
    let file = File::open(path).map_err(|why| format!("it cannot be opened ({why})"))?;
    match file.take(LONGEST_FILE + 1).read_to_end(&mut bytes) {
        Ok(_) if bytes.len() as u64 > LONGEST_FILE => Err("it is longer than 16 MiB".to_owned()),
        Ok(_) => Ok(bytes),
        Err(why) => Err(format!("it cannot be read ({why})")),
    }
}

/// The names in a folder that are meant; none if it cannot be read, which every prompt of it then says.
fn names(folder: &Path, meant: impl Fn(&Path) -> bool) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let fits = entries.filter(|entry| meant(&entry.path()));
    fits.filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| !name.starts_with('.'))
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::switch::settings::{DIGITS, DONE, OFF};
    use std::path::PathBuf;

    use crate::config::{self, Source};

    fn shipped_names() -> impl Iterator<Item = &'static str> {
        [CONSENT, NOTICE, MUSIC, RINGBACK, DONE, OFF].into_iter().chain(DIGITS)
    }

    fn shipped() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("sip-profiles/prompts")
    }

    #[test]
    fn the_shipped_prompts_are_those_of_the_list() {
        let list = fs::read_to_string(shipped().join("SHA256SUMS")).expect("the list");
        let mut listed = BTreeSet::new();
        for line in list.lines() {
            let (digest, file) = line.split_once("  ").expect("two columns");
            let bytes = read(&shipped().join(file)).expect("it is there");
            assert_eq!(hex(&Sha256::digest(&bytes)), digest, "{file}");
            listed.insert(file.to_owned());
        }
        for language in ["de", "en"] {
            for name in shipped_names() {
                for kind in ["wav", "txt"] {
                    assert!(listed.remove(&format!("{language}/{name}.{kind}")));
                }
            }
        }
        assert_eq!(listed, BTreeSet::new());
    }

    #[test]
    fn the_shipped_prompts_play_are_short_and_loud_enough() {
        for language in ["de", "en"] {
            for name in shipped_names() {
                let file = shipped().join(language).join(format!("{name}.wav"));
                let bytes = read(&file).expect("it is there");
                assert!(bytes.len() < 150_000, "{}", file.display());
                let sound = samples(&bytes).expect("a WAV of 8 kHz");
                assert_eq!(sound.len() % 160, 0, "whole pieces of 20 ms: {}", file.display());
                let peak = sound.iter().map(|sample| sample.unsigned_abs()).max();
                assert!(peak.is_some_and(|peak| (6_000..30_000).contains(&peak)), "{peak:?}");
            }
            let sound = read(&shipped().join(language).join("consent.wav")).expect("it is there");
            let length = Samples(samples(&sound).expect("a WAV").len() as u64).duration();
            assert!(length.as_secs_f64() < 8.5, "{length:?}");
        }
    }

    #[test]
    fn the_words_of_the_shipped_prompts_name_the_purpose_and_the_keys() {
        let words = |file: &str| fs::read_to_string(shipped().join(file)).expect("a text");
        for (language, purpose) in [("de", "Qualität"), ("en", "quality")] {
            let consent = words(&format!("{language}/consent.txt"));
            assert!(consent.contains(purpose) && consent.contains('1') && consent.contains('2'));
            assert!(words(&format!("{language}/notice.txt")).contains(purpose));
        }
    }

    fn settings() -> Settings {
        let sources = [
            Source::new("switch.toml", "domain = \"pbx.example\"\nlanguage = \"fr\""),
            Source::new("internal.toml", "bind = \"127.0.0.1\""),
        ];
        config::load(&sources).expect("no mistakes").settings
    }

    #[test]
    fn the_shipped_prompts_are_known_by_words_digest_and_length() {
        let (prompts, warnings) = load(&shipped(), &settings(), &mut Library::default());
        assert!(warnings.iter().all(|warning| warning.file.starts_with("prompts/fr/")));
        let consent = &prompts["de"][CONSENT];
        assert!(consent.sound.is_ok() && consent.sha256.len() == 64);
        assert!(consent.text.starts_with("Dürfen wir"));
        assert_eq!(prompts["en"][MUSIC].length.as_secs(), 8);
        let ids: BTreeSet<_> = ["de", "en"]
            .iter()
            .flat_map(|l| prompts[*l].values())
            .map(|p| p.sound.clone())
            .collect();
        assert_eq!(ids.len(), 32, "each has an id of its own");
    }

    #[test]
    fn a_prompt_that_cannot_be_played_is_known_by_why_and_warned_of() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let inside = folder.path().join("fr");
        fs::create_dir_all(inside.join("music.wav")).expect("a folder");
        fs::write(inside.join("consent.wav"), "RIFF but no more").expect("a file");
        fs::write(inside.join("consent.txt"), "Oui ?\n").expect("a file");
        fs::copy(shipped().join("en/notice.wav"), inside.join("notice.wav")).expect("a copy");
        let (prompts, warnings) = load(folder.path(), &settings(), &mut Library::default());
        let french = &prompts["fr"];
        assert_eq!((french[CONSENT].text.as_str(), french[CONSENT].sha256.len()), ("Oui ?", 64));
        assert!(french[CONSENT].sound.is_err() && french[RINGBACK].sound.is_err());
        assert!(french[NOTICE].sound.is_ok());
        let warned: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        assert_eq!(warned.len(), 4, "{warned:?}");
        assert!(
            warned[0]
                .starts_with("prompts/fr/consent.wav: the prompt cannot be played: it is no WAV")
        );
        assert!(warned[0].ends_with("; calls that need it are served unrecorded"));
        assert_eq!(
            warned[1],
            "prompts/fr/music.wav: the prompt cannot be played: it is not a file; callers hear silence instead"
        );
        assert!(warned[2].ends_with("its words are not known: notice.txt is missing or empty"));
        assert!(warned[3].starts_with(
            "prompts/fr/ringback.wav: the prompt cannot be played: it cannot be read"
        ));
    }

    fn wav(spec: hound::WavSpec, samples: &[i16]) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = hound::WavWriter::new(&mut bytes, spec).expect("a writer into memory");
        samples.iter().for_each(|sample| writer.write_sample(*sample).expect("memory"));
        writer.finalize().expect("memory");
        bytes.into_inner()
    }

    #[test]
    fn only_8_khz_mono_16_bit_is_a_prompt() {
        let good = hound::WavSpec {
            channels: 1,
            sample_rate: 8_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let sound = [1, -2, i16::MAX, i16::MIN];
        assert_eq!(samples(&wav(good, &sound)), Ok(sound.to_vec()));
        for bad in [
            hound::WavSpec { channels: 2, ..good },
            hound::WavSpec { sample_rate: 16_000, ..good },
            hound::WavSpec { bits_per_sample: 24, ..good },
        ] {
            assert!(samples(&wav(bad, &sound)).is_err_and(|why| why.contains("8000 Hz")));
        }
        assert!(samples(&wav(good, &[])).is_err());
        let whole = wav(good, &sound);
        for cut in 0..whole.len() {
            assert!(samples(&whole[..cut]).is_err(), "cut at {cut}");
        }
    }
}
