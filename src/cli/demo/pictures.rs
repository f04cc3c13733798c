//! What happened, as pictures for the README: the ladder, the recording's waveform, the terminal.
#![expect(clippy::disallowed_methods, reason = "pictures are files")]

use std::fmt::Write;
use std::io;
use std::path::Path;

use crate::media::Samples;
use crate::phone::{Ladder, Rung};

/// Readable on a light and on a dark page.
const STYLE: &str = "<style>\
    text{font:13px ui-monospace,Menlo,Consolas,monospace;fill:#24292f}.soft{fill:#8c959f}.held{fill:#1a7f37}\
    .stroke{stroke:#0969da;fill:none}.life{stroke:#8c959f;stroke-dasharray:2 4}.wave{fill:#0969da}\
    .paper{fill:#fff;stroke:#d0d7de}\
    @media(prefers-color-scheme:dark){text{fill:#e6edf3}.soft{fill:#7d8590}.held{fill:#3fb950}.stroke{stroke:#4493f8}\
    .wave{fill:#4493f8}.paper{fill:#0d1117;stroke:#30363d}}</style>";

/// Writes `ladder.svg`, `waveform.svg` and `demo.svg` into `folder`.
pub(super) fn draw(
    folder: &Path,
    ladder: &Ladder,
    sides: &[Vec<i16>; 2],
    said: &str,
) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("ladder.svg"), rungs(ladder))?;
    std::fs::write(folder.join("waveform.svg"), waveform(sides))?;
    std::fs::write(folder.join("demo.svg"), terminal(said))
}

fn svg(width: usize, height: usize, inside: &str) -> String {
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\">\n\
         {STYLE}\n<rect class=\"paper\" x=\"0.5\" y=\"0.5\" width=\"{}\" height=\"{}\" rx=\"6\"/>\n{inside}</svg>\n",
        width - 1,
        height - 1,
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// Everybody a line, every message an arrow.
fn rungs(ladder: &Ladder) -> String {
    const STEP: usize = 24;
    const TOP: usize = 56;
    const APART: usize = 260;
    const LEFT: usize = 130;
    let columns = ladder.columns();
    let x = |name: &str| LEFT + APART * columns.iter().position(|c| *c == name).unwrap_or_default();
    let height = TOP + STEP * ladder.rungs().len() + 20;
    let mut inside = String::new();
    for name in &columns {
        let x = x(name);
        let _ = writeln!(
            inside,
            "<text x=\"{x}\" y=\"28\" text-anchor=\"middle\">{}</text>\
             <path class=\"life\" d=\"M{x} 38V{}\"/>",
            escaped(name),
            height - 12
        );
    }
    for (number, Rung { at, from, to, what, .. }) in ladder.rungs().iter().enumerate() {
        let y = TOP + STEP * number + 10;
        let (start, end) = (x(from), x(to));
        let head = if end > start { -7 } else { 7 };
        let _ = writeln!(
            inside,
            "<text class=\"soft\" x=\"12\" y=\"{}\">{:.2} s</text>\
             <text x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>\
             <path class=\"stroke\" d=\"M{start} {y}H{end}m{head} -4l{} 4l{head} 4\"/>",
            y + 4,
            at.as_secs_f64(),
            (start + end) / 2,
            y - 4,
            escaped(what),
            -head,
        );
    }
    svg(LEFT + APART * (columns.len().max(1) - 1) + 70, height, &inside)
}

/// Both channels, the loudest sample of each column; columns alike are one bar.
fn waveform(sides: &[Vec<i16>; 2]) -> String {
    const WIDTH: usize = 640;
    const HALF: usize = 44;
    const LEFT: usize = 90;
    let mut inside = String::new();
    for (number, (side, name)) in sides.iter().zip(["customer", "agent"]).enumerate() {
        let middle = 20 + HALF + number * (2 * HALF + 12);
        let y = middle + 4;
        let _ = write!(inside, "<text x=\"12\" y=\"{y}\">{name}</text><path class=\"wave\" d=\"");
        let piece = side.len().div_ceil(WIDTH).max(1);
        let heights: Vec<usize> = side
            .chunks(piece)
            .map(|samples| samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0))
            .map(|loudest| (usize::from(loudest) * HALF / 12_288).clamp(1, HALF))
            .collect();
        let mut x = LEFT;
        for alike in heights.chunk_by(|one, next| one == next) {
            let (wide, high) = (alike.len(), alike[0]);
            let _ = write!(inside, "M{x} {}h{wide}v{}h-{wide}z", middle - high, 2 * high);
            x += wide;
        }
        let _ = writeln!(inside, "\"/>");
    }
    let seconds = Samples(sides[0].len() as u64).duration().as_secs_f64();
    let bottom = 20 + 4 * HALF + 12 + 24;
    let _ = writeln!(
        inside,
        "<text class=\"soft\" x=\"{LEFT}\" y=\"{bottom}\">0 s</text>\
         <text class=\"soft\" x=\"{}\" y=\"{bottom}\" text-anchor=\"end\">{seconds:.1} s</text>",
        LEFT + WIDTH
    );
    svg(LEFT + WIDTH + 20, bottom + 14, &inside)
}

/// What was printed, but for the ladder and the rows.
fn terminal(said: &str) -> String {
    const LETTER: usize = 8;
    const LINE: usize = 17;
    let mut inside = String::new();
    let lines: Vec<&str> = std::iter::once("$ tonspur demo").chain(said.lines()).collect();
    let widest = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    for (number, line) in lines.iter().enumerate() {
        let line = escaped(line).replacen('✓', "<tspan class=\"held\">✓</tspan>", 1);
        let y = 26 + LINE * number;
        let _ = writeln!(inside, "<text x=\"16\" y=\"{y}\" xml:space=\"preserve\">{line}</text>");
    }
    svg(LETTER * widest + 40, 26 + LINE * lines.len() + 4, &inside)
}
