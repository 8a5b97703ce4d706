//! Says which tests `cargo test` leaves out when a feature is off.

use std::fs;

/// Test targets by the feature that they need; each is shown as ignored without it.
macro_rules! left_out {
    ($($feature:literal, $how:literal: $($target:ident),*;)*) => {
        const NEEDING: &[(&str, &str)] = &[$($((stringify!($target), $feature)),*),*];

        mod left_out {
            $($(
                #[cfg(not(feature = $feature))]
                #[test]
                #[ignore = $how]
                fn $target() {}
            )*)*
        }
    };
}

left_out! {
    "openssl", "run: cargo test --features openssl":
        conflicts, early_data, elsewhere, handover, hooks, ledger, library_context, quic,
        resumption, scopes, soak, ticket_lifetimes, ticket_memory;
    "rustls", "run: cargo test --features rustls": rustls;
    "tracing", "run: cargo test --features tracing": ticket_events;
}

#[test]
fn every_target_that_needs_a_feature_is_named() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let manifest = fs::read_to_string(manifest).unwrap();
    let targets = manifest.split("[[test]]").skip(1);
    let needing = targets.filter_map(|target| {
        let target = target.split("\n\n").next().unwrap();
        let (_, features) = target.split_once("required-features = [\"")?;
        Some((target.split('"').nth(1)?, features.split('"').next()?))
    });
    let mut needing: Vec<_> = needing.collect();
    needing.sort_by_key(|(_, feature)| *feature);
    assert_eq!(needing, NEEDING);
}
