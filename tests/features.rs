//! Says which tests `cargo test` leaves out when a feature is off.

use std::fs;

/// Test targets that need the feature `openssl`; each is shown as ignored without it.
macro_rules! need_openssl {
    ($($target:ident),*) => {
        const NEED_OPENSSL: &[&str] = &[$(stringify!($target)),*];

        #[cfg(not(feature = "openssl"))]
        mod left_out {
            $(
                #[test]
                #[ignore = "run: cargo test --features openssl"]
                fn $target() {}
            )*
        }
    };
}

need_openssl!(
    hooks,
    ledger,
    resumption,
    soak,
    ticket_lifetimes,
    ticket_memory
);

#[test]
fn every_target_that_needs_a_feature_is_named() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let manifest = fs::read_to_string(manifest).unwrap();
    let mut needing = Vec::new();
    for target in manifest.split("[[test]]").skip(1) {
        let target = target.split("\n\n").next().unwrap();
        if target.contains("required-features") {
            assert!(
                target.contains("required-features = [\"openssl\"]"),
                "{target}"
            );
            needing.push(target.split('"').nth(1).unwrap().to_owned());
        }
    }
    assert_eq!(needing, NEED_OPENSSL);
}
