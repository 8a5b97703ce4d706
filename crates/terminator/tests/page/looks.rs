//! Phones, dark and light, screen readers. The pictures are in `target/screenshots`.

use rekindle_test_servers::{Files, Visitor};
use serde_json::{Value, json};

use crate::answering;
use crate::browser::{Browser, Options};
use crate::common::{Terminator, eventually};

/// Text whose contrast to its ground is less than 4.5 to 1 (WCAG 2.2, 1.4.3).
const FAINT: &str = r"
    const parse = (color) => (color.match(/[\d.]+/g) ?? []).map(Number);
    const light = ([r, g, b]) => [r, g, b]
        .map((part) => part / 255)
        .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4)
        .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
    const ground = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const color = parse(getComputedStyle(at).backgroundColor);
            if (color.length === 3 || color[3] === 1) return color;
        }
        return [255, 255, 255];
    };
    const faint = new Set();
    let seen = 0;
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const element = walker.currentNode.parentElement;
        const text = walker.currentNode.textContent.trim();
        // Controls have the browser's own colours.
        if (!text || element.closest('button, input, meter, [hidden]')) continue;
        seen += 1;
        const [a, b] = [parse(getComputedStyle(element).color), ground(element)].map(light);
        const contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (contrast < 4.5) faint.add(`${text}: ${contrast.toFixed(2)}`);
    }
    return [seen, [...faint]];
";

/// What a screen reader would miss.
const MISSING: &str = r"
    const wrong = [];
    const all = (selector) => [...document.querySelectorAll(selector)];
    if (!document.documentElement.lang) wrong.push('language');
    for (const one of ['h1', 'main', 'header', 'footer', 'nav']) {
        if (all(one).length !== 1) wrong.push(`${one}: ${all(one).length}`);
    }
    for (const svg of all('svg')) {
        const named = svg.getAttribute('role') === 'img' && svg.getAttribute('aria-label');
        if (!named && svg.getAttribute('aria-hidden') !== 'true') wrong.push('a drawing');
    }
    for (const table of all('table')) {
        if (!table.caption?.textContent) wrong.push('a caption');
        if (table.querySelector('th:not([scope])')) wrong.push('a scope');
    }
    for (const section of all('section')) {
        const title = document.getElementById(section.getAttribute('aria-labelledby'));
        if (!title?.textContent) wrong.push(`the name of ${section.id}`);
    }
    for (const link of all('nav a')) {
        if (!document.querySelector(link.hash)) wrong.push(link.hash);
    }
    for (const input of all('input')) {
        if (!input.labels.length) wrong.push('a label');
    }
    let before = 1;
    for (const heading of all('h1, h2, h3')) {
        const level = Number(heading.tagName[1]);
        if (level > before + 1) wrong.push(`level of ${heading.textContent}`);
        before = level;
    }
    const ids = all('[id]').map((element) => element.id);
    if (new Set(ids).size !== ids.length) wrong.push('two equal ids');
    return wrong;
";

#[test]
fn it_is_readable_on_a_phone_in_the_dark_and_by_a_screen_reader() {
    let Some(browser) = Browser::start(Options::default()) else {
        return;
    };
    let files = Files::with_certificate("looks.example");
    files.replace("token", b"0123456789abcdef\n");
    let words = format!("--admin-write {}", files.text("token"));
    let terminator = Terminator::proxy(answering(), &files, &words);
    browser.open(&format!("http://{}/", terminator.admin));
    let client = Visitor::new("-tls1_3");
    client.visit(terminator.address);
    for _ in 0..3 {
        client.come_back(terminator.address).expect_reused([true]);
        terminator.s_client("-tls1_2 -no_ticket -reconnect");
    }
    terminator.wait_for_metric("rekindle_connections_active", 0);
    eventually("a rate", || {
        let rate = browser.text("#handshakes tbody tr:nth-child(3) td:nth-child(3)");
        rate.parse::<f64>().is_ok_and(|rate| rate > 0.0)
    });

    assert_eq!(browser.run(MISSING), json!([]));
    for (width, height, device) in [(1400, 1000, "desktop"), (390, 844, "phone")] {
        browser.screen(width, height);
        for scheme in ["light", "dark"] {
            browser.prefer(scheme);
            browser.screenshot(&format!("admin-{device}-{scheme}"));
            let faint = browser.run(FAINT);
            assert!(faint[0].as_u64().is_some_and(|seen| seen > 100), "{faint}");
            assert_eq!(faint[1], json!([]), "{scheme}");
        }
        // Tables scroll by themselves, the page does not.
        let width = browser.run(
            "return document.documentElement.scrollWidth - document.documentElement.clientWidth",
        );
        assert_eq!(width, Value::from(0), "{device}");
    }
    let dark = browser.run("return getComputedStyle(document.body).backgroundColor");
    browser.prefer("light");
    let light = browser.run("return getComputedStyle(document.body).backgroundColor");
    assert_ne!(dark, light);
}
