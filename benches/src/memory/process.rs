//! Runs this program again, for one measurement: a job goes in as JSON, what was seen comes out.

use std::env;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Processes that measure at the same time.
pub(super) const AT_ONCE: usize = 2;

/// What this program prints for that subcommand. Says why not, where it does not come to its end.
pub(super) fn in_own_process<T: DeserializeOwned>(
    subcommand: &str,
    job: &impl Serialize,
) -> Result<T, String> {
    let failed = |error: io::Error| error.to_string();
    let mut command = Command::new(env::current_exe().map_err(failed)?);
    command.args([
        subcommand,
        &serde_json::to_string(job).expect("it is plain data"),
    ]);
    let output = command.stderr(Stdio::inherit()).output().map_err(failed)?;
    if let Some(signal) = output.status.signal() {
        return Err(format!("ended by signal {signal}"));
    }
    assert!(output.status.success(), "{command:?} failed");
    Ok(serde_json::from_slice(&output.stdout).expect("what was seen, as JSON"))
}

/// Does a job that the process that asks has written, and prints what was seen.
pub(crate) fn answer<J: DeserializeOwned, S: Serialize>(
    job: &str,
    measure: impl Fn(&J) -> io::Result<S>,
) -> io::Result<()> {
    let seen = measure(&serde_json::from_str(job)?)?;
    println!("{}", serde_json::to_string(&seen)?);
    Ok(())
}
