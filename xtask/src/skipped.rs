//! Tests that cannot do their work where they run (no ffmpeg, no photos) pass, and print a line `skipped: WHY` on standard error.
//! Here these lines are collected from nextest's report, so that a run ends by saying how many there were and why.

use std::collections::BTreeMap;

/// By reason, the tests that gave it. `report` is nextest's JUnit file with the output of tests that passed.
pub(crate) fn reasons(report: &str) -> BTreeMap<String, Vec<String>> {
    let mut reasons: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut test = String::new();
    for line in report.lines() {
        if let Some((_, rest)) = line.split_once("<testcase name=\"") {
            test = plain(rest.split('"').next().unwrap_or_default());
        }
        // The first line of an output follows its tag.
        let said = line.rsplit_once("<system-err>").map_or(line, |(_, text)| text).trim();
        if let Some(reason) = said.strip_prefix("skipped: ") {
            let reason = plain(reason.split("</system-err>").next().unwrap_or_default());
            reasons.entry(reason).or_default().push(test.clone());
        }
    }
    reasons
}

/// What stands above the summary; none if every test did its work.
pub(crate) fn told(reasons: &BTreeMap<String, Vec<String>>) -> Option<String> {
    let tests: std::collections::BTreeSet<&String> = reasons.values().flatten().collect();
    let mut text = match tests.len() {
        0 => return None,
        1 => "1 of the tests that passed could not do all of its work:".to_owned(),
        n => format!("{n} of the tests that passed could not do all of their work:"),
    };
    for (reason, tests) in reasons {
        text += &format!("\n  {reason}: {}", tests.join(", "));
    }
    Some(text)
}

/// Text as it was before XML escaped it.
fn plain(text: &str) -> String {
    text.replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&quot;", "\"")
        .replace("&apos;", "'")
        .replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::{reasons, told};

    #[test]
    fn what_tests_say_of_themselves_is_counted_once() {
        let report = r#"<testsuite name="phiz-video">
        <testcase name="a_gif" classname="phiz-video"><system-out>
running 1 test
</system-out>
            <system-err>skipped: ffmpeg is missing
skipped: no &quot;driver&quot;</system-err>
        </testcase>
        <testcase name="a_clip" classname="phiz-video">
            <system-err>note
skipped: ffmpeg is missing
</system-err>
        </testcase>
        <testcase name="works" classname="phiz-video"><system-err>nothing was skipped: all ran</system-err></testcase>
"#;
        let found = reasons(report);
        assert_eq!(found["ffmpeg is missing"], ["a_gif", "a_clip"]);
        assert_eq!(found["no \"driver\""], ["a_gif"]);
        assert_eq!(found.len(), 2);
        let text = told(&found).expect("some");
        assert!(
            text.starts_with("2 of the tests that passed could not do all of their work:\n  ffmpeg"),
            "{text}"
        );
        assert_eq!(told(&reasons("<testsuites></testsuites>")), None);
    }
}
