//! The headers are what cbindgen generates from the source, and compile as C and as C++.

use std::fs;

use cbindgen::{Builder, Config};
use libtest_mimic::Trial;

use crate::common::{SHARED, compile_and_run, root};
use crate::{HAS_TRAFFIC_SERVER, test};

/// Header, configuration, sources.
const HEADERS: [(&str, &str, &[&str]); 2] = [
    (
        "include/rekindle.h",
        "cbindgen.toml",
        &[
            "lifecycle.rs",
            "config.rs",
            "hooks.rs",
            "sessions.rs",
            "stats.rs",
        ],
    ),
    ("include/rekindle_ts.h", "cbindgen-ts.toml", &["ts.rs"]),
];

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = vec![Trial::test("headers::are_what_the_source_says", || {
        Ok(compare()?)
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

/// Compares the committed headers with the source; for `make headers` it writes them instead.
fn compare() -> Result<(), String> {
    for (header, config, sources) in HEADERS {
        let (path, generated) = (root().join(header), generate(config, sources));
        if std::env::var_os("REKINDLE_WRITE_HEADERS").is_some() {
            fs::write(&path, generated).map_err(|e| format!("{header}: {e}"))?;
        } else if fs::read_to_string(&path).unwrap_or_default() != generated {
            return Err(format!(
                "{header} is not what the source says: run `make -C crates/capi headers`"
            ));
        }
    }
    Ok(())
}

fn generate(config: &str, sources: &[&str]) -> String {
    let config = Config::from_file(root().join(config)).expect("a valid configuration");
    let mut builder = Builder::new().with_config(config);
    for source in sources {
        builder = builder.with_src(root().join("src").join(source));
    }
    let mut out = Vec::new();
    builder.generate().expect("valid source").write(&mut out);
    String::from_utf8(out).expect("text")
}
