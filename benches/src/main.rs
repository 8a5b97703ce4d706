//! `cargo run --release -p rekindle-benches -- COMMAND`: measures rekindle beside its peers.

fn main() -> std::process::ExitCode {
    rekindle_benches::main()
}
