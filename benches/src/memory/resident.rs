//! What this process holds of the machine's memory.

use std::fs;
use std::io;

/// Bytes of anonymous memory that this process has touched and not given back, whether they are in
/// memory or swapped out. The counters of `/proc/self/status` are off by up to some hundred
/// kilobytes; these are summed up page by page.
pub(super) fn anonymous() -> io::Result<u64> {
    let rollup = fs::read_to_string("/proc/self/smaps_rollup")?;
    Ok(field(&rollup, "Anonymous")? + field(&rollup, "Swap")?)
}

/// Bytes that the machine has left for programs.
pub(super) fn available() -> io::Result<u64> {
    field(&fs::read_to_string("/proc/meminfo")?, "MemAvailable")
}

/// The bytes in a line such as `Anonymous:   112 kB`.
fn field(text: &str, name: &str) -> io::Result<u64> {
    let values = text.lines().filter_map(|line| {
        let value = line.strip_prefix(name)?.strip_prefix(':')?;
        value.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
    });
    let missing = || io::Error::new(io::ErrorKind::InvalidData, format!("no {name} in kB"));
    values
        .map(|kilobytes| kilobytes * 1024)
        .next()
        .ok_or_else(missing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_touched_counts_and_what_is_given_back_does_not() {
        const MIB: i64 = 1 << 20;
        let before = anonymous().unwrap();
        // Other tests run meanwhile, and take and give back some.
        let grown = || anonymous().unwrap().cast_signed() - before.cast_signed();
        let mut block = vec![0u8; 256 << 20];
        assert!(grown() < 32 * MIB, "{} before it was touched", grown());
        block.iter_mut().step_by(4_096).for_each(|byte| *byte = 1);
        assert!((224 * MIB..288 * MIB).contains(&grown()), "{}", grown());
        drop(block);
        assert!(grown() < 32 * MIB, "{} after it was given back", grown());
    }

    #[test]
    fn a_field_is_that_of_its_whole_name() {
        let text = "AnonymousX: 1 kB\nAnonymous:     112 kB\nSwap:  3 MB\n";
        assert_eq!(field(text, "Anonymous").unwrap(), 112 * 1024);
        assert!(field(text, "Swap").is_err());
        assert!(field(text, "Anon").is_err());
    }
}
