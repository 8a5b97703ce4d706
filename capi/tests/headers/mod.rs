//! The headers are what cbindgen makes of the source.

use std::fs;

use cbindgen::{Builder, Config};

use crate::common::root;

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

/// Compares the committed headers with the source; `make headers` has them written instead.
pub(crate) fn check() -> Result<(), String> {
    for (header, config, sources) in HEADERS {
        let (path, generated) = (root().join(header), generate(config, sources));
        if std::env::var_os("REKINDLE_WRITE_HEADERS").is_some() {
            fs::write(&path, generated).map_err(|e| format!("{header}: {e}"))?;
        } else if fs::read_to_string(&path).unwrap_or_default() != generated {
            return Err(format!(
                "{header} is not what the source says: run `make -C capi headers`"
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
