//! Tones in bursts, and where they lie in what was heard.

/// A burst begins every two seconds and lasts one.
pub(crate) const PERIOD: f64 = 2.0;
pub(crate) const BURST: f64 = 1.0;
pub(crate) const RATE: usize = 8000;

/// Sample `at` of a tone in bursts.
pub(crate) fn burst(at: usize, frequency: f64) -> i16 {
    let seconds = at as f64 / RATE as f64;
    if seconds % PERIOD < BURST {
        ((seconds * frequency * std::f64::consts::TAU).sin() * 12_000.0) as i16
    } else {
        0
    }
}

/// Amplitude of `frequency` in `samples` (Goertzel).
pub(crate) fn amplitude(samples: &[i16], frequency: f64) -> f64 {
    let k = 2.0 * (std::f64::consts::TAU * frequency / RATE as f64).cos();
    let (a, b) =
        samples.iter().fold((0.0, 0.0), |(a, b), &sample| (f64::from(sample) + k * a - b, a));
    (a * a + b * b - k * a * b).max(0.0).sqrt() * 2.0 / samples.len() as f64
}

/// Where a tone of `frequency` begins after at least half a second without it, in seconds from the beginning; to 2.5 ms.
pub(crate) fn onsets(samples: &[i16], frequency: f64) -> Vec<f64> {
    const STEP: usize = 20;
    let mut quiet = 0;
    let mut found = Vec::new();
    // A window of two steps, so that it holds whole waves of the low tone.
    for (step, window) in samples.windows(2 * STEP).step_by(STEP).enumerate() {
        if amplitude(window, frequency) > 3_000.0 {
            if quiet * STEP > RATE / 2 {
                found.push((step * STEP) as f64 / RATE as f64);
            }
            quiet = 0;
        } else {
            quiet += 1;
        }
    }
    found
}

/// µ-law, for the caller's own packets: G.711 by its definition, not by the switch's tables.
pub(crate) fn mu_law(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80 } else { 0 };
    let magnitude = (i32::from(sample).abs()).min(32_635) + 132;
    let exponent = (7..15).rev().find(|bit| magnitude >> bit != 0).map_or(0, |bit| bit - 7);
    let mantissa = (magnitude >> (exponent + 3)) & 0x0f;
    !(sign | (exponent << 4) as u8 | mantissa as u8)
}

/// And back.
pub(crate) fn linear(byte: u8) -> i16 {
    let byte = !byte;
    let magnitude = ((i32::from(byte & 0x0f) << 3) + 132) << ((byte >> 4) & 7);
    (if byte & 0x80 == 0 { magnitude - 132 } else { 132 - magnitude }) as i16
}

/// The two sides of a recording, read by another program: sox.
pub(crate) fn sides(path: &std::path::Path) -> [Vec<i16>; 2] {
    let raw = std::process::Command::new("sox")
        .args([
            "-V1",
            path.to_str().expect("UTF-8"),
            "-t",
            "raw",
            "-e",
            "signed-integer",
            "-b",
            "16",
            "-L",
            "-",
        ])
        .output()
        .expect("sox runs");
    assert!(raw.status.success(), "sox reads {path:?}: {}", String::from_utf8_lossy(&raw.stderr));
    let samples: Vec<i16> =
        raw.stdout.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]])).collect();
    [0, 1].map(|side| samples.iter().skip(side).step_by(2).copied().collect())
}

#[test]
fn an_onset_is_found_where_it_is() {
    let samples: Vec<i16> = (0..RATE * 5).map(|at| burst(at + RATE, 1000.0)).collect();
    let found = onsets(&samples, 1000.0);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!((found[0] - 1.0).abs() < 0.006 && (found[1] - 3.0).abs() < 0.006, "{found:?}");
    assert!(onsets(&samples, 440.0).is_empty());
    for sample in [-30_000, -1000, -5, 0, 7, 500, 12_000] {
        assert!(
            (i32::from(linear(mu_law(sample))) - i32::from(sample)).abs()
                <= 8 + i32::from(sample).abs() / 16
        );
    }
}
