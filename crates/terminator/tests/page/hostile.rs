//! Names that hold markup.

use std::fs;

use rekindle_test_servers::Files;

use crate::browser::{Browser, Options};
use crate::common::Terminator;
use crate::common::authority::{Authority, Wanted};

/// What each would do if it were markup.
const SCRIPT: &str = "<script>document.title='hacked'</script>";
const IMAGE: &str = "<img/src=x/onerror=document.title='hacked'>";
const BREAKOUT: &str = "\"><script>document.title='hacked'</script>";

#[test]
fn names_that_hold_markup_are_text() {
    let Some(browser) = Browser::start(Options::default()) else {
        return;
    };
    let files = Files::new();
    // The common name, the names, the file, the upstream, and the name that a client asks for.
    let stem = "<b>x<";
    let image = IMAGE.to_ascii_lowercase();
    Authority::root("authority").issue(&files, stem, Wanted::names(&[SCRIPT, &image]));
    let upstream = format!("unix:{}/{}", files.directory().display(), "\"><i>up<");
    let (cert, key) = (
        files.text(&format!("{stem}.pem")),
        files.text(&format!("{stem}.key")),
    );
    let terminator = Terminator::start(&format!("--upstream {upstream} --cert {cert} --key {key}"));
    for name in [SCRIPT, BREAKOUT, "<b>shop"] {
        terminator.s_client(&format!("-servername {name}"));
    }
    terminator.wait_for_log("cannot connect to upstream");
    terminator.wait_for_metric("rekindle_connections_active", 0);

    browser.open(&format!("http://{}/", terminator.admin));
    for (place, text) in [
        ("#certificates", SCRIPT),
        ("#certificates", &*image),
        ("#certificates", "<b>x<.pem"),
        ("#upstreams", "\"><i>up<"),
        ("#events", "\"><i>up<"),
    ] {
        assert!(
            browser.text(place).contains(text),
            "{text}: {}",
            browser.text(place)
        );
    }
    assert_eq!(browser.run("return document.title"), "rekindle-terminator");
    for (element, count) in [("script", 1), ("img", 0), ("i", 0), ("b", 0)] {
        assert_eq!(browser.count(element), count, "{element}");
    }
    // The numbers beside such names are those of the metrics all the same.
    let (_, metrics) = terminator.admin("/metrics");
    let series =
        browser.run("return document.querySelector('#upstreams [data-series]').dataset.series");
    let series = format!("\n{} ", series.as_str().expect("text"));
    assert!(metrics.contains(&series), "{series}: {metrics}");
    assert!(fs::exists(files.path("<b>x<.pem")).expect("a folder"));
}
