//! Chromium, by the WebDriver protocol (W3C) and, for what that cannot do, by the DevTools
//! protocol.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use openssl::base64::decode_block;
use rekindle_test_servers::{DEADLINE, Process, eventually, skipped};
use serde_json::{Value, json};
use ureq::Agent;

use crate::common::skipped_when_quick;

/// How an element stands in an answer.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// A browser with one empty page. It ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Browser {
    /// Chromium ends with it.
    _driver: Process,
    agent: Agent,
    session: String,
}

/// What to start with.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Options {
    pub(crate) without_scripts: bool,
    /// Takes any certificate.
    pub(crate) trusts_all: bool,
}

impl Browser {
    /// `None`, and a line on standard error, in the quick tier and where Chromium is not installed.
    pub(crate) fn start(options: Options) -> Option<Self> {
        if skipped_when_quick("tests in Chromium") {
            return None;
        }
        let mut command = Command::new("chromedriver");
        let driver = Process::try_spawn(command.arg("--port=0"), Stdio::null());
        let Ok(driver) = driver else {
            skipped("tests in Chromium (Debian: chromium-driver)");
            return None;
        };
        let line = driver.wait_for("started successfully on port ");
        let port = line.rsplit(' ').next().unwrap_or("");
        let port = port.trim_end_matches('.');
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .proxy(None);
        let config = config.timeout_global(Some(2 * DEADLINE));
        let mut browser = Self {
            _driver: driver,
            agent: Agent::new_with_config(config.build()),
            session: format!("http://127.0.0.1:{port}/session"),
        };
        let scripts = if options.without_scripts { 2 } else { 1 };
        let wanted = json!({"capabilities": {"alwaysMatch": {
            "acceptInsecureCerts": options.trusts_all, "goog:chromeOptions": {
            "args": [
                // Tests run as root in containers, which have little shared memory.
                "--headless=new", "--no-sandbox", "--disable-dev-shm-usage",
                "--disable-background-networking", "--window-size=1400,1000",
            ],
            "prefs": {"profile.managed_default_content_settings.javascript": scripts},
        }}}});
        let session = browser.post("", &wanted);
        let id = session["sessionId"].as_str().expect("a session");
        browser.session = format!("{}/{id}", browser.session);
        Some(browser)
    }

    pub(crate) fn open(&self, url: &str) {
        self.post("/url", &json!({ "url": url }));
    }

    /// Opens a page whose certificate is not trusted, as a visitor does who accepts it.
    pub(crate) fn open_untrusted(&self, url: &str) {
        // The driver may call the warning an error.
        self.try_post("/url", &json!({ "url": url }));
        self.click("#details-button");
        self.click("#proceed-link");
        eventually("the page behind the warning", || {
            self.run("return document.getElementById('details-button') === null") == true
        });
    }

    /// What a script of the test's own returns. Policies of the page do not bind it.
    pub(crate) fn run(&self, script: &str) -> Value {
        self.post("/execute/sync", &json!({"script": script, "args": []}))
    }

    /// The text that an element shows, with one space for each gap. In one step: the page may
    /// replace its parts at any time.
    pub(crate) fn text(&self, selector: &str) -> String {
        let script = format!("return document.querySelector({selector:?})?.innerText");
        let text = self.run(&script);
        let text = text.as_str().unwrap_or_else(|| panic!("no {selector}"));
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    pub(crate) fn count(&self, selector: &str) -> usize {
        let found = self.post("/elements", &css(selector));
        found.as_array().expect("a list").len()
    }

    pub(crate) fn click(&self, selector: &str) {
        let element = self.element(selector);
        self.post(&format!("/element/{element}/click"), &json!({}));
    }

    pub(crate) fn fill(&self, selector: &str, text: &str) {
        let element = self.element(selector);
        self.post(&format!("/element/{element}/clear"), &json!({}));
        self.post(
            &format!("/element/{element}/value"),
            &json!({ "text": text }),
        );
    }

    /// `dark` or `light`.
    pub(crate) fn prefer(&self, scheme: &str) {
        let features = [json!({"name": "prefers-color-scheme", "value": scheme})];
        self.devtools(
            "Emulation.setEmulatedMedia",
            &json!({ "features": features }),
        );
    }

    /// A screen of this size, in the pixels of style sheets.
    pub(crate) fn screen(&self, width: u32, height: u32) {
        let mobile = width < 600;
        let size = json!({
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile,
        });
        self.devtools("Emulation.setDeviceMetricsOverride", &size);
    }

    /// Keeps a picture of the whole page as test output.
    pub(crate) fn screenshot(&self, name: &str) -> PathBuf {
        let wanted = json!({"format": "png", "captureBeyondViewport": true});
        let picture = self.devtools("Page.captureScreenshot", &wanted);
        let picture = picture["data"].as_str().expect("base64");
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
        let folder = target.expect("target").join("screenshots");
        fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join(format!("{name}.png"));
        fs::write(&path, decode_block(picture).expect("base64")).expect("it is written");
        path
    }

    fn element(&self, selector: &str) -> String {
        let found = self.post("/element", &css(selector));
        found[ELEMENT].as_str().expect("an element").to_owned()
    }

    fn devtools(&self, method: &str, parameters: &Value) -> Value {
        let command = json!({"cmd": method, "params": parameters});
        self.post("/goog/cdp/execute", &command)
    }

    #[track_caller]
    fn post(&self, path: &str, body: &Value) -> Value {
        let value = self.try_post(path, body);
        assert!(value.get("error").is_none(), "{path} {body}: {value}");
        value
    }

    fn try_post(&self, path: &str, body: &Value) -> Value {
        let request = self.agent.post(format!("{}{path}", self.session));
        let request = request.header("Content-Type", "application/json");
        value(request.send(body.to_string()).expect("the driver answers"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Chromium would outlive a driver that is killed.
        let _ = self.agent.delete(&self.session).call();
    }
}

fn css(selector: &str) -> Value {
    json!({"using": "css selector", "value": selector})
}

fn value(mut answer: ureq::http::Response<ureq::Body>) -> Value {
    let limited = answer.body_mut().with_config().limit(64 << 20);
    let text = limited.read_to_string().expect("text");
    let answer: Value = serde_json::from_str(&text).expect("JSON");
    answer["value"].clone()
}
