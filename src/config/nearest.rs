//! The known word that a misspelt one was meant to be.

/// Longer words are not compared.
const LONGEST: usize = 64;

/// The word of `known` that is closest to `word`, if it is close: one slip in three letters, an exchange of neighbours being one.
pub(super) fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<char> = word.chars().take(LONGEST + 1).flat_map(char::to_lowercase).collect();
    let allowed = (word.len() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (slips(&word, &candidate.chars().collect::<Vec<_>>()), candidate))
        .filter(|(slips, _)| *slips <= allowed)
        .min_by_key(|(slips, _)| *slips)
        .map(|(_, candidate)| candidate)
}

/// What to add to "unknown ...": the nearest word, or the few there are.
pub(super) fn hint<'a>(word: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    if let Some(near) = nearest(word, known.clone()) {
        return format!("; did you mean `{near}`?");
    }
    let mut all: Vec<&str> = known.into_iter().collect();
    all.sort_unstable();
    all.dedup();
    match all.len() {
        1..=16 => format!("; known: `{}`", all.join("`, `")),
        _ => String::new(),
    }
}

/// Insertions, deletions, replacements and exchanges of neighbours between two words.
fn slips(a: &[char], b: &[char]) -> usize {
    if a.len() > LONGEST || b.len() > LONGEST {
        return usize::MAX;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_a_stranger_finds_none() {
        let known = ["queue", "ring", "wrap_up"];
        assert_eq!(nearest("queu", known), Some("queue"));
        assert_eq!(nearest("Ring", known), Some("ring"));
        assert_eq!(nearest("rnig", known), Some("ring"));
        assert_eq!(nearest("wrapup", known), Some("wrap_up"));
        assert_eq!(nearest("codec", known), None);
        assert_eq!(nearest(&"q".repeat(10_000), known), None);
    }

    #[test]
    fn without_a_near_word_the_few_there_are_get_listed() {
        assert_eq!(hint("codec", ["b", "a"]), "; known: `a`, `b`");
        assert_eq!(hint("codec", []), "");
    }
}
