//! What a visitor of the demo sees.

use std::time::{Duration, Instant};

use rekindle_test_servers::eventually;

use crate::browser::{Browser, Options};
use crate::common::Terminator;

#[test]
fn a_visitor_sees_a_resumption_within_a_minute() {
    let Some(browser) = Browser::start(Options::default()) else {
        return;
    };
    let demo = Terminator::demo("");
    let start = Instant::now();
    browser.open_untrusted(&format!("https://{}/", demo.address));
    eventually("a resumption", || browser.count("#visits li.resumed") > 0);
    assert!(start.elapsed() < Duration::from_secs(60));
    assert!(browser.text("#visits").contains("Resumed by ticket"));
    let before = browser.count("#visits li");
    browser.click("#again");
    eventually("another one", || browser.count("#visits li") > before);
    browser.screenshot("demo");
    // The page leads to the admin page.
    browser.click("a");
    eventually("the admin page", || {
        browser.run("return location.pathname") == "/"
            && browser.text("h1") == "rekindle-terminator"
    });
    let url = browser.run("return location.href");
    assert_eq!(url, format!("http://{}/", demo.admin));
}

#[test]
fn without_scripts_a_reload_shows_it() {
    // Chromium's warning is a page with a script.
    let wanted = Options {
        without_scripts: true,
        trusts_all: true,
    };
    let Some(browser) = Browser::start(wanted) else {
        return;
    };
    for words in ["", "--tickets off"] {
        let demo = Terminator::demo(words);
        let url = format!("https://{}/", demo.address);
        browser.open(&url);
        browser.open(&url);
        assert!(
            browser.text("h1").starts_with("Resumed"),
            "{words}: {}",
            browser.text("h1")
        );
    }
}
