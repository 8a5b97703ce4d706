//! The headers declare what cbindgen generates from the source, and compile as C and as C++.

use std::process::Command;

use cbindgen::{Builder, Config, Language, Style};
use libtest_mimic::Trial;

use crate::common::{SHARED, compile_and_run, root, run};
use crate::{HAS_TRAFFIC_SERVER, test};

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![test("headers::declare_what_the_source_exports", || {
        compare("rekindle.h", own(), &["own.rs", "config.rs", "stats.rs"]);
        compare("rekindle_ts.h", of_the_manual_page(), &["ts.rs"]);
    })];
    for (name, define) in [
        ("both", "-DBOTH"),
        ("rekindle_h_alone", "-DWITHOUT_REKINDLE_TS_H"),
        ("rekindle_ts_h_alone", "-DWITHOUT_REKINDLE_H"),
        ("with_traffic_servers", "-DWITH_TRAFFIC_SERVER"),
    ] {
        let skip = name == "with_traffic_servers" && !*HAS_TRAFFIC_SERVER;
        let trial = test(&format!("headers::{name}"), move || {
            for language in ["-xc", "-xc++"] {
                let (program, sources) =
                    (format!("headers-{name}{language}"), ["tests/c/headers.c"]);
                compile_and_run(&program, &sources, &[SHARED, language, define]);
            }
        });
        trials.push(trial.with_ignored_flag(skip));
    }
    trials
}

/// rekindle.h: everything but what the manual page has.
fn own() -> Config {
    let session_id = "TSSslSessionID_s";
    let mut config = Config {
        style: Style::Tag,
        include_guard: Some("REKINDLE_H".into()),
        sys_includes: ["stddef.h", "stdint.h", "openssl/ssl.h"]
            .map(str::to_owned)
            .into(),
        after_includes: Some(format!(
            "struct {session_id};\ntypedef struct rekindle_config rekindle_config;"
        )),
        ..both()
    };
    let rename = &mut config.export.rename;
    rename.insert(session_id.into(), format!("struct {session_id}"));
    config
}

/// rekindle_ts.h: what the manual page has.
fn of_the_manual_page() -> Config {
    let guard = "#if !defined(REKINDLE_TS_H) && !defined(TS_SSL_MAX_SSL_SESSION_ID_LENGTH)\n\
                 #define REKINDLE_TS_H\n#include <stddef.h>";
    let mut config = Config {
        header: Some(guard.into()),
        trailer: Some("#endif".into()),
        ..both()
    };
    config.export.include.push("TSEvent".into());
    config
}

fn both() -> Config {
    Config {
        language: Language::C,
        cpp_compat: true,
        documentation: false,
        usize_is_size_t: true,
        no_includes: true,
        ..Config::default()
    }
}

/// Compares a header with the source, but for comments and the lengths of lines.
#[track_caller]
fn compare(header: &str, config: Config, sources: &[&str]) {
    let mut builder = Builder::new().with_config(config);
    for source in sources {
        builder = builder.with_src(root().join("src").join(source));
    }
    let generated = tempfile::NamedTempFile::new().unwrap();
    builder.generate().expect("valid source").write(&generated);
    let [ours, generated] =
        [&root().join("include").join(header), generated.path()].map(|header| {
            let mut cc = Command::new("cc");
            cc.args(["-xc", "-fpreprocessed", "-dD", "-E", "-P"]);
            run(cc.arg(header))
        });
    let words = |text: &str| text.split_whitespace().collect::<String>();
    assert!(
        words(&ours) == words(&generated),
        "{header} does not declare what the source does:\n{generated}"
    );
}
