//! A page that shows who was there, and when.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use crate::event::Identity;
use crate::visit::Visit;

const STYLE: &str = "
:root { color-scheme: light dark; font: 16px/1.4 system-ui, sans-serif }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { width: 100%; border-collapse: collapse }
th, td { text-align: left; padding: .3rem .6rem; vertical-align: middle; border-bottom: 1px solid #8884 }
.bar { position: relative; height: 1.2rem; background: #8883; border-radius: .2rem }
.bar i { position: absolute; top: 0; bottom: 0; min-width: 3px; background: #2a9d63; border-radius: .2rem }
.bar i.stranger { background: #d9962b }
img { height: 5rem; border-radius: .3rem; display: block }
";

/// A page with a line for everybody who was there in these seconds, and a table of visits. It stands by itself: pictures are
/// in it, nothing is fetched.
#[must_use]
pub fn timeline(name: &str, seconds: f64, visits: &[Visit]) -> String {
    let seconds = visits.iter().map(|visit| visit.until).fold(seconds.max(0.1), f64::max);
    let mut people: Vec<(Identity, Vec<&Visit>)> = Vec::new();
    for visit in visits {
        match people.iter_mut().find(|(who, _)| *who == visit.who && !who.is_unknown()) {
            Some((_, visits)) => visits.push(visit),
            None => people.push((visit.who.clone(), vec![visit])),
        }
    }
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "Who was there: " (name) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "Who was there" }
                p { (name) ", " (clock(seconds)) }
                h2 { "Timeline" }
                table {
                    @for (who, visits) in &people { (line(who, visits, seconds)) }
                }
                h2 { "Visits" }
                table {
                    tr { th { "Picture" } th { "Who" } th { "From" } th { "Until" } th { "Seen for" } }
                    @for visit in visits { (row(visit)) }
                }
            }
        }
    };
    page.into_string()
}

fn line(who: &Identity, visits: &[&Visit], seconds: f64) -> Markup {
    let class = if who.person.is_some() { "person" } else { "stranger" };
    let style = |visit: &Visit| {
        let share = |time: f64| 100.0 * time / seconds;
        format!("left:{:.2}%;width:{:.2}%", share(visit.from), share(visit.until - visit.from))
    };
    html! {
        tr {
            th scope="row" { (who.label()) }
            td style="width:80%" {
                div.bar {
                    @for visit in visits {
                        i class=(class) style=(style(visit))
                            title=(format!("{} to {}", clock(visit.from), clock(visit.until))) {}
                    }
                }
            }
        }
    }
}

fn row(visit: &Visit) -> Markup {
    let picture = visit.picture.as_ref().and_then(|picture| picture.encode_jpeg(85).ok());
    html! {
        tr {
            td {
                @if let Some(bytes) = picture {
                    img alt=(visit.who.label()) src=(format!("data:image/jpeg;base64,{}", STANDARD.encode(bytes)));
                }
            }
            td { (visit.who.label()) }
            td { (clock(visit.from)) }
            td { (clock(visit.until)) }
            td { (format!("{:.1} s", visit.seen)) }
        }
    }
}

fn clock(seconds: f64) -> String {
    let seconds = seconds.max(0.0);
    let minutes = (seconds / 60.0).floor();
    format!("{minutes:.0}:{:04.1}", seconds - 60.0 * minutes)
}

#[cfg(test)]
mod tests {
    use phiz_image::Image;

    use super::*;

    #[test]
    fn names_are_text_and_pictures_are_inside() {
        let visit = |name: &str, from: f64| Visit {
            who: Identity { person: Some(name.into()), stranger: None },
            id: None,
            from,
            until: from + 2.0,
            seen: 2.0,
            fpir: None,
            tracks: vec![1],
            picture: Image::from_rgb(4, 4, vec![100; 48]).ok(),
            quality: 0.5,
            bbox: [0.0; 4],
        };
        let visits = [visit("<b>Ada</b>", 0.0), visit("<b>Ada</b>", 70.0), visit("Ben", 1.0)];
        let page = timeline("party.mp4", 100.0, &visits);
        assert!(page.contains("&lt;b&gt;Ada") && !page.contains("<b>Ada"));
        assert_eq!(page.matches("data:image/jpeg;base64,").count(), 3);
        assert!(page.contains("left:70.00%;width:2.00%") && page.contains("1:10.0"));
        assert!(!page.contains("http"), "nothing is fetched");
    }
}
