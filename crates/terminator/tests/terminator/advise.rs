//! `rekindle-terminator advise`, from the outside.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Output, Stdio};

use crate::common::{BINARY, Terminator};

/// What a terminator with `--sessions 400` said after 10,000 visits of 3,000 clients.
const METRICS: &str = include_str!("metrics.txt");

fn advise(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(BINARY)
        .arg("advise")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    // One that fails at once does not read its input.
    let _ = (child.stdin.take().expect("piped")).write_all(input.as_bytes());
    child.wait_with_output().expect("it ends")
}

#[track_caller]
fn advice(arguments: &[&str], input: &str) -> String {
    let output = advise(arguments, input);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[track_caller]
fn refused(arguments: &[&str], input: &str) -> String {
    let output = advise(arguments, input);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(output.stdout, b"");
    String::from_utf8(output.stderr).expect("text")
}

/// The words of the table's line for a capacity.
fn line<'a>(advice: &'a str, capacity: &str) -> Vec<&'a str> {
    let words = advice
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut lines = words.filter(|words| words.first() == Some(&capacity));
    lines.next().expect("a line for the capacity")
}

/// Ten sessions in turn, a hundred times.
fn in_turn() -> String {
    let requests = (0..1_000).map(|request| format!("{:064x}\n", request % 10));
    requests.collect()
}

#[test]
fn a_stream_of_requests() {
    let advice = advice(&["--hits-file", "-", "--capacities", "7,5000"], &in_turn());
    assert!(
        advice.contains("1,000 requests for 10 sessions; a cache without bounds finds 99.0 %.")
    );
    // LRU finds nothing of what comes in turn unless all of it fits.
    assert_eq!(line(&advice, "7")[1..3], ["70.0", "%"]);
    assert_eq!(line(&advice, "7")[5..7], ["0.0", "%"]);
    assert_eq!(line(&advice, "10")[3..7], ["99.0", "%", "99.0", "%"]);
    assert_eq!(line(&advice, "5,000")[3..7], ["99.0", "%", "99.0", "%"]);
    assert!(advice.contains("Recommended: --sessions 10."), "{advice}");
}

#[test]
fn sessions_that_end() {
    let timed = |(second, id): (usize, &str)| format!("{}.5 {id}\n", 1_700_000_000 + second);
    let requests: String = in_turn().lines().enumerate().map(timed).collect();
    // Ten seconds between two requests for a session: two are found before it ends, then one is
    // not.
    let advice = advice(&["--hits-file", "-", "--session-timeout", "25"], &requests);
    assert!(advice.contains("finds 66.0 %"), "{advice}");
    assert_eq!(line(&advice, "10")[3..7], ["66.0", "%", "66.0", "%"]);
}

#[test]
fn memory_depends_on_the_sessions() {
    let arguments = ["--hits-file", "-", "--session-bytes"];
    let of = |bytes| {
        let advice = advice(&[&arguments[..], &[bytes]].concat(), &in_turn());
        line(&advice, "20")[7..].join(" ")
    };
    assert_ne!(of("100"), of("3000"));
}

#[test]
fn a_bad_file_is_named() {
    let error = refused(&["--hits-file", "-"], "a\nb\nc d e\n");
    assert_eq!(
        error,
        "advise: standard input, line 3: expected `ID` or `TIME ID`\n"
    );
    let error = refused(&["--hits-file", "/nowhere/log"], "");
    assert!(error.starts_with("advise: /nowhere/log: "), "{error}");
    let error = refused(&["--hits-file", "-"], "");
    assert_eq!(error, "advise: standard input: no requests\n");
}

/// Answers every request with this.
fn serve(head: &'static str, body: String) -> String {
    let address = rekindle_test_servers::serve(move |mut tcp| {
        let request = BufReader::new(&tcp).lines().map_while(Result::ok);
        request.take_while(|line| !line.is_empty()).for_each(drop);
        // A client that has read enough hangs up.
        write!(tcp, "HTTP/1.1 {head}\r\nConnection: close\r\n\r\n{body}")
    });
    format!("http://{address}/metrics")
}

#[test]
fn a_running_terminator() {
    let url = serve("200 OK", METRICS.to_owned());
    let advice = advice(&["--metrics", &url, "--capacities", "2300,7000"], "");
    assert!(advice.starts_with("The cache holds 400 sessions of at most 400.\n"));
    assert!(
        advice.contains("7,481 lookups, of which it found 55.9 %; LRU would have found 48.0 %")
    );
    assert_eq!(line(&advice, "400")[1..3], ["48.0", "%"]);
    assert_eq!(line(&advice, "400").last(), Some(&"now"));
    assert_eq!(line(&advice, "800")[1..3], ["68.0", "%"]);
    assert_eq!(line(&advice, "2,300")[1..3], ["99.0", "%"]);
    assert_eq!(line(&advice, "7,000").last(), Some(&"more"));
    assert!(advice.contains("raise --sessions to 2300"), "{advice}");
}

#[test]
fn a_terminator_that_serves() {
    let terminator = Terminator::demo("--tickets off --sessions 400 --threads 1");
    terminator.s_client("-tls1_2 -reconnect");
    let url = format!("http://{}/metrics", terminator.admin);
    let advice = advice(&["--metrics", &url], "");
    assert!(advice.starts_with("The cache holds 1 sessions of at most 400.\n5 lookups, of which"));
}

#[test]
fn a_terminator_that_has_seen_too_little() {
    let seen = |hits: &str, misses: &str| {
        let metrics = METRICS
            .replace(
                "{result=\"hit\"} 4184",
                &format!("{{result=\"hit\"}} {hits}"),
            )
            .replace(
                "{result=\"miss\"} 3297",
                &format!("{{result=\"miss\"}} {misses}"),
            );
        advice(&["--metrics", &serve("200 OK", metrics)], "")
    };
    assert!(seen("600", "399").contains("No recommendation yet: of 999 lookups"));
    assert!(seen("600", "400").contains("Recommended"));
    assert!(seen("0", "0").contains("No session was looked up so far"));
}

#[test]
fn an_answer_that_is_none_is_named() {
    let error = |head, body: &str| refused(&["--metrics", &serve(head, body.to_owned())], "");
    assert!(error("503 Service Unavailable", "draining\n").contains(": status 503"));
    assert!(error("302 Found\r\nLocation: /elsewhere", "").contains(": status 302"));
    assert!(error("200 OK", "<html>\n").contains("line 1 of the answer: no value"));
    assert!(error("200 OK", "# EOF\n").contains("no rekindle_cache_lookups_total"));
    let cut = METRICS.strip_suffix("# EOF\n").expect("the end");
    assert!(error("200 OK", cut).contains("no `# EOF` at its end"));
    assert!(error("200 OK", &"#\n".repeat(1 << 20)).contains("longer than 1048576 bytes"));
    // The connection ends before the answer does.
    let short = error("200 OK\r\nContent-Length: 100000", METRICS);
    assert!(short.starts_with("advise: http://127.0.0.1:"), "{short}");
}
