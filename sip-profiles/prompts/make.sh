#!/bin/sh
# Makes the shipped prompts: speech by espeak-ng from the .txt beside each, music and tones by sox. Both are free and work offline.
# 8 kHz, mono, 16 bit, whole pieces of 20 ms. Written beside the texts, with their digests in SHA256SUMS.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Telephone band, evened out to a peak 3 dB under full scale, with a short breath around; no dither, so that the same tools make
# the same bytes.
speak() { # language voice words-per-minute name
    espeak-ng -v "$2" -s "$3" -w "$work/speech.wav" "$(cat "$1/$4.txt")"
    sox -R "$work/speech.wav" -D -r 8000 -c 1 -b 16 "$work/band.wav" \
        highpass 200 silence 1 0.01 0.1% reverse silence 1 0.01 0.1% reverse \
        gain -n -1 compand 0.005,0.15 6:-50,-50,-30,-16,0,-6 -3 -50 0.05 gain -n -3 pad 0.1 0.2
    whole "$work/band.wav" "$1/$4.wav"
}

# Filled up to a multiple of 160 samples.
whole() {
    samples=$(soxi -s "$1")
    sox -R -D "$1" "$2" pad 0 "$(((160 - samples % 160) % 160))s"
}

# A slow arpeggio of our own in C, two voices, that begins and ends in silence and so can be repeated.
music() {
    n=0
    for chord in "C3 G4 E5 C5" "A2 E4 C5 A4" "F2 C4 A4 F4" "G2 D4 B4 G4"; do
        set -- $chord
        bass=$1
        shift
        for note in "$1" "$2" "$3" "$2"; do
            sox -R -D -n -r 8000 -c 1 -b 16 "$work/note$n.wav" synth 0.5 sine "$note" fade q 0.02 0.5 0.44 gain -14
            n=$((n + 1))
        done
        sox -R -D -n -r 8000 -c 1 -b 16 "$work/bass$n.wav" synth 2 sine "$bass" fade q 0.1 2 1.2 gain -16
    done
    sox -R -D "$work"/note0.wav "$work"/note1.wav "$work"/note2.wav "$work"/note3.wav "$work"/note4.wav "$work"/note5.wav \
        "$work"/note6.wav "$work"/note7.wav "$work"/note8.wav "$work"/note9.wav "$work"/note10.wav "$work"/note11.wav \
        "$work"/note12.wav "$work"/note13.wav "$work"/note14.wav "$work"/note15.wav "$work/melody.wav"
    sox -R -D "$work"/bass4.wav "$work"/bass8.wav "$work"/bass12.wav "$work"/bass16.wav "$work/ground.wav"
    sox -R -D -m "$work/melody.wav" "$work/ground.wav" "$work/music.wav" gain -n -12
    whole "$work/music.wav" de/music.wav
    cp de/music.wav en/music.wav
}

# Germany: 425 Hz, 1 s in 5. United Kingdom: 400 and 450 Hz, twice 0.4 s in 3.
ringback() {
    sox -R -D -n -r 8000 -c 1 -b 16 de/ringback.wav synth 1 sine 425 gain -13 pad 0 4
    sox -R -D -n -r 8000 -c 1 -b 16 "$work/burst.wav" synth 0.4 sine 400 sine 450 remix 1,2 gain -n -13
    sox -R -D "$work/burst.wav" "$work/first.wav" pad 0 0.2
    sox -R -D "$work/burst.wav" "$work/second.wav" pad 0 2
    sox -R -D "$work/first.wav" "$work/second.wav" en/ringback.wav
}

# Two short tones, one after the other.
tones() { # name first second
    sox -R -D -n -r 8000 -c 1 -b 16 "$work/first.wav" synth 0.12 sine "$2" fade q 0.01 0.12 0.02 gain -13
    sox -R -D -n -r 8000 -c 1 -b 16 "$work/second.wav" synth 0.2 sine "$3" fade q 0.01 0.2 0.04 gain -13 pad 0 0.4
    sox -R -D "$work/first.wav" "$work/second.wav" "$work/$1.wav"
    whole "$work/$1.wav" "de/$1.wav"
    cp "de/$1.wav" "en/$1.wav"
}

for name in consent notice 0 1 2 3 4 5 6 7 8 9; do
    speak de de 178 "$name"
    speak en en-gb 165 "$name"
done
music
ringback
tones done 880 1320
tones off 660 440
sha256sum de/*.wav de/*.txt en/*.wav en/*.txt >SHA256SUMS
