//! Pictures in terminals that can show them: kitty's protocol, iTerm's, sixel.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use phiz_image::Image;

/// How this terminal shows pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// kitty, Ghostty, recent Konsole.
    Kitty,
    /// iTerm2, WezTerm, mintty.
    Iterm,
    /// foot, mlterm, xterm with VT340, Windows Terminal.
    Sixel,
}

impl Protocol {
    /// What the environment says of the terminal; `PHIZ_PICTURES` (`kitty`, `iterm`, `sixel`, `none`) overrules it.
    pub(crate) fn of_terminal(variable: impl Fn(&str) -> Option<String>) -> Option<Protocol> {
        match variable("PHIZ_PICTURES").as_deref() {
            Some("kitty") => return Some(Protocol::Kitty),
            Some("iterm") => return Some(Protocol::Iterm),
            Some("sixel") => return Some(Protocol::Sixel),
            Some(_) => return None,
            None => {}
        }
        // Within tmux and screen none of the three comes through unchanged.
        if variable("TMUX").is_some() || variable("STY").is_some() {
            return None;
        }
        let term = variable("TERM").unwrap_or_default();
        let program = variable("TERM_PROGRAM").unwrap_or_default();
        if variable("KITTY_WINDOW_ID").is_some() || ["xterm-kitty", "xterm-ghostty"].contains(&&*term) {
            Some(Protocol::Kitty)
        } else if ["iTerm.app", "WezTerm", "mintty"].contains(&&*program) {
            Some(Protocol::Iterm)
        } else if term.starts_with("foot") || term.starts_with("mlterm") || term.contains("sixel") {
            Some(Protocol::Sixel)
        } else {
            None
        }
    }

    /// The characters that show a picture; none if it cannot be encoded.
    pub(crate) fn show(self, image: &Image) -> Option<String> {
        match self {
            Protocol::Kitty => Some(kitty(&image.encode_png().ok()?, "a=T,f=100,") + "\n"),
            Protocol::Iterm => {
                let png = image.encode_png().ok()?;
                Some(format!("\x1b]1337;File=inline=1;size={}:{}\x07\n", png.len(), STANDARD.encode(&png)))
            }
            Protocol::Sixel => Some(sixel(image) + "\n"),
        }
    }

    /// The characters that show a picture where the cursor is, in so many columns and rows, in place of the one before.
    pub(crate) fn show_at(self, image: &Image, columns: usize, rows: usize) -> Option<String> {
        match self {
            Protocol::Kitty => {
                // One picture of one number, of which the terminal tells nothing back.
                let how = format!("a=T,f=100,i=7449,p=1,q=2,C=1,c={columns},r={rows},");
                Some(kitty(&image.encode_png().ok()?, &how))
            }
            Protocol::Iterm => {
                let png = image.encode_png().ok()?;
                let how = format!("width={columns};height={rows};doNotMoveCursor=1;size={}", png.len());
                Some(format!("\x1b]1337;File=inline=1;{how}:{}\x07", STANDARD.encode(&png)))
            }
            Protocol::Sixel => Some(sixel(image)),
        }
    }
}

/// At most 4096 characters of base64 a piece; the first says how the picture is shown.
fn kitty(png: &[u8], how: &str) -> String {
    let text = STANDARD.encode(png);
    let pieces: Vec<&[u8]> = text.as_bytes().chunks(4096).collect();
    let mut out = String::with_capacity(text.len() + pieces.len() * 16);
    for (number, piece) in pieces.iter().enumerate() {
        let first = if number == 0 { how } else { "" };
        let more = u8::from(number + 1 < pieces.len());
        let piece: String = piece.iter().map(|byte| char::from(*byte)).collect();
        // Writing to a string cannot fail.
        _ = write!(out, "\x1b_G{first}m={more};{piece}\x1b\\");
    }
    out
}

/// Shades of each colour.
const SHADES: usize = 6;

/// Bands of six rows; within each the pixels of one colour after the other.
fn sixel(image: &Image) -> String {
    let (width, height) = (image.width() as usize, image.height() as usize);
    let shade = |value: u8| (usize::from(value) * (SHADES - 1) + 127) / 255;
    let colour = |x: usize, y: usize| {
        let at = (y * width + x) * 3;
        let pixel = &image.pixels()[at..at + 3];
        (shade(pixel[0]) * SHADES + shade(pixel[1])) * SHADES + shade(pixel[2])
    };
    let mut out = format!("\x1bPq\"1;1;{width};{height}");
    let percent = |shade: usize| shade * 100 / (SHADES - 1);
    for number in 0..SHADES * SHADES * SHADES {
        let (r, g, b) = (number / (SHADES * SHADES), number / SHADES % SHADES, number % SHADES);
        _ = write!(out, "#{number};2;{};{};{}", percent(r), percent(g), percent(b));
    }
    for top in (0..height).step_by(6) {
        let rows = top..height.min(top + 6);
        let mut used = vec![false; SHADES * SHADES * SHADES];
        rows.clone().for_each(|y| (0..width).for_each(|x| used[colour(x, y)] = true));
        for (number, _) in used.iter().enumerate().filter(|(_, used)| **used) {
            _ = write!(out, "#{number}");
            let bits = |x: usize| {
                let on = rows.clone().filter(|y| colour(x, *y) == number);
                63 + on.fold(0u8, |bits, y| bits | 1 << (y - top))
            };
            let mut x = 0;
            while x < width {
                let value = bits(x);
                let run = (x..width).take_while(|x| bits(*x) == value).count();
                match run {
                    1..=3 => (0..run).for_each(|_| out.push(char::from(value))),
                    _ => _ = write!(out, "!{run}{}", char::from(value)),
                }
                x += run;
            }
            out.push('$');
        }
        out.push('-');
    }
    out + "\x1b\\"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protocol(variables: &[(&str, &str)]) -> Option<Protocol> {
        let find = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        Protocol::of_terminal(find)
    }

    #[test]
    fn terminals_are_known_by_their_variables() {
        for (variables, wanted) in [
            (&[("TERM", "xterm-kitty")][..], Some(Protocol::Kitty)),
            (&[("TERM_PROGRAM", "iTerm.app"), ("TERM", "xterm-256color")], Some(Protocol::Iterm)),
            (&[("TERM", "foot")], Some(Protocol::Sixel)),
            (&[("TERM", "xterm-256color")], None),
            (&[("TERM", "xterm-kitty"), ("TMUX", "/tmp/x")], None),
            (&[("TERM", "xterm-kitty"), ("PHIZ_PICTURES", "none")], None),
            (&[("PHIZ_PICTURES", "sixel")], Some(Protocol::Sixel)),
        ] {
            assert_eq!(protocol(variables), wanted, "{variables:?}");
        }
    }

    #[test]
    fn sixels_are_bands_of_six_rows() {
        let red = Image::from_rgb(4, 7, [255, 0, 0].repeat(28)).unwrap();
        let text = sixel(&red);
        // Six rows of four red pixels, then one row of them.
        assert!(
            text.starts_with("\x1bPq\"1;1;4;7") && text.ends_with("#180!4~$-#180!4@$-\x1b\\"),
            "{text:?}"
        );
    }

    #[test]
    fn long_pictures_come_in_pieces() {
        let text = kitty(&[7; 10_000], "a=T,f=100,");
        assert_eq!(text.matches("\x1b_G").count(), 4);
        assert!(text.starts_with("\x1b_Ga=T,f=100,m=1;") && text.contains("\x1b_Gm=0;"));
    }
}
