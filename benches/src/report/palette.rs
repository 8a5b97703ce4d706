//! Colours: told apart also with a colour vision deficiency (after Okabe and Ito), legible on light
//! and on dark ground.
//!
//! Plots are drawn in the light ones. [`dark_mode`] is a style sheet that exchanges each for its
//! dark counterpart, so that a plot needs no other attribute for both schemes.

use plotters::style::RGBColor;

use crate::report::cases::is_ours;

/// A colour on light ground, and its counterpart on dark ground.
#[derive(Clone, Copy)]
pub(super) struct Tone {
    pub(super) light: RGBColor,
    dark: RGBColor,
}

const fn tone(light: u32, dark: u32) -> Tone {
    const fn rgb(hex: u32) -> RGBColor {
        RGBColor((hex >> 16) as u8, (hex >> 8) as u8, hex as u8)
    }
    Tone {
        light: rgb(light),
        dark: rgb(dark),
    }
}

pub(super) const PAPER: Tone = tone(0xFFFFFF, 0x0D1117);
pub(super) const INK: Tone = tone(0x1F2328, 0xE6EDF3);
pub(super) const FAINT: Tone = tone(0x59636E, 0x9AA4AF);
pub(super) const GRID: Tone = tone(0xDFE4E9, 0x2A3038);
pub(super) const OURS: Tone = tone(0x0066B2, 0x58B0FF);

/// Peers, in the order of the palette.
const PEERS: [(&str, Tone); 9] = [
    ("dashmap", tone(0xC77700, 0xF0A63C)),
    ("scc", tone(0xD55E00, 0xFF7F32)),
    ("papaya", tone(0xB45C8F, 0xE39BC4)),
    ("quick_cache", tone(0x008F6B, 0x2CC79C)),
    ("moka", tone(0x2E96CF, 0x85CBF2)),
    ("TinyUFO", tone(0x94850A, 0xD9CB45)),
    ("Mutex<LruCache>", tone(0x8A5A44, 0xC99A82)),
    ("rustls memory cache", tone(0x6B5BA6, 0xAFA2E8)),
    ("OpenSSL internal cache", tone(0x5F6B2E, 0xA9B86A)),
];

/// The colour of a contender, the same in every plot.
pub(super) fn of(contender: &str) -> Tone {
    if is_ours(contender) {
        return OURS;
    }
    let peer = PEERS.iter().find(|(name, _)| *name == contender);
    match (peer, contender) {
        (Some((_, tone)), _) => *tone,
        (None, "exact LRU") => PEERS[6].1,
        (None, "FIFO") => PEERS[0].1,
        (None, _) => FAINT,
    }
}

/// The style sheet for dark ground.
pub(super) fn dark_mode() -> String {
    let named = [PAPER, INK, FAINT, GRID, OURS].into_iter();
    let all = named.chain(PEERS.iter().map(|(_, tone)| *tone));
    let rule = |tone: Tone| {
        let (light, dark) = (hex(tone.light), hex(tone.dark));
        format!("svg [fill=\"{light}\"]{{fill:{dark}}}svg [stroke=\"{light}\"]{{stroke:{dark}}}")
    };
    let rules: String = all.map(rule).collect();
    format!("@media(prefers-color-scheme:dark){{{rules}}}")
}

fn hex(RGBColor(red, green, blue): RGBColor) -> String {
    format!("#{red:02X}{green:02X}{blue:02X}")
}
