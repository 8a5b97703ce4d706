//! What an operator changes by the page.

use rekindle_test_servers::{Files, Visitor};

use crate::browser::{Browser, Options};
use crate::common::{Terminator, eventually};

const TOKEN: &str = "a+token&of=some%20odd<bytes>";

#[test]
fn buttons_are_there_only_with_a_token_and_do_what_they_say() {
    let Some(browser) = Browser::start(Options::default()) else {
        return;
    };
    let without = Terminator::demo("");
    browser.open(&format!("http://{}/", without.admin));
    assert_eq!(browser.count("form, input, button[type=submit]"), 0);

    let files = Files::new();
    files.replace("token", TOKEN.as_bytes());
    let terminator = Terminator::demo(&format!("--admin-write {}", files.text("token")));
    let client = Visitor::new("-tls1_3");
    client.visit(terminator.address);
    client.come_back(terminator.address).expect_reused([true]);
    browser.open(&format!("http://{}/", terminator.admin));
    let said = |text: &str| {
        eventually(text, || browser.text("#answer").contains(text));
    };
    browser.fill("#token", "not the token at all");
    browser.click("button[formaction='/revoke']");
    said("this is not the token");
    client.come_back(terminator.address).expect_reused([true]);

    browser.fill("#token", TOKEN);
    browser.click("button[formaction='/rotate']");
    said("seals now");
    assert_eq!(terminator.metric("rekindle_ticket_key_rotations_total"), 1);
    client.come_back(terminator.address).expect_reused([true]);
    browser.click("button[formaction='/revoke']");
    said("all sessions of before are revoked");
    client.come_back(terminator.address).expect_reused([false]);
}

#[test]
fn without_scripts_the_form_works_as_well() {
    let wanted = Options {
        without_scripts: true,
        ..Options::default()
    };
    let Some(browser) = Browser::start(wanted) else {
        return;
    };
    let files = Files::new();
    files.replace("token", TOKEN.as_bytes());
    files.replace("secret", crate::common::ticket_secret(3600).as_bytes());
    let words = format!(
        "--admin-write {} --ticket-secret {}",
        files.text("token"),
        files.text("secret")
    );
    let terminator = Terminator::demo(&words);
    browser.open(&format!("http://{}/", terminator.admin));
    assert_eq!(
        browser.count("button[formaction='/rotate']"),
        0,
        "keys rotate elsewhere"
    );
    browser.fill("#token", TOKEN);
    browser.click("button[formaction='/revoke']");
    let revoked = "all sessions of before are revoked";
    eventually(revoked, || browser.text("body").contains(revoked));
}
