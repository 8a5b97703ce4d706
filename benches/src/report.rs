//! The report: one page made from a record, which says of each target whether it is met.

mod cases;
mod page;
#[cfg(test)]
mod sample;
mod targets;
mod verdict;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::record::{Record, about};

/// What the report is made from, and where it goes.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Options {
    /// The record; remarks.md beside it goes into the report.
    #[arg(value_name = "RECORD.json")]
    pub(crate) record: PathBuf,
    /// The page; report.md beside the record if none is named.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

/// Makes the report from a record, and says what became of each target.
pub(crate) fn run(options: &Options) -> io::Result<()> {
    let record = Record::load(&options.record)?;
    let beside = options.record.with_file_name("report.md");
    let page = options.out.as_ref().unwrap_or(&beside);
    plot(&options.record);
    write(&record, remarks_beside(&options.record)?.as_deref(), page)?;
    // The reader may have left.
    let targets: String = targets::rows(&record).iter().map(page::target).collect();
    let _ = writeln!(io::stdout(), "\n== targets\n\n{targets}");
    Ok(())
}

/// Writes the page, with the plots that lie beside it. `remarks`: what a person has to say to this
/// record.
fn write(record: &Record, remarks: Option<&str>, page: &Path) -> io::Result<()> {
    let beside = page.parent().expect("a file's directory").read_dir();
    let names = beside?.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut plots: Vec<_> = names
        .filter(|name| name.ends_with(".svg") && name.contains('-'))
        .collect();
    plots.sort();
    let markdown = page::page(record, remarks, &plots);
    fs::write(page, markdown).map_err(|error| about(page, error))
}

/// Draws the plots of a record beside it. The run goes on without jq or gnuplot.
fn plot(record: &Path) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/plots");
    match Command::new(script).arg(record).status() {
        Ok(status) if status.success() => {}
        other => eprintln!("no plots: {script}: {other:?}"),
    }
}

/// The remarks that were written for a record.
fn remarks_beside(record: &Path) -> io::Result<Option<String>> {
    let file = record.with_file_name("remarks.md");
    match fs::read_to_string(&file) {
        Ok(remarks) => Ok(Some(remarks)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(about(&file, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Measurement;
    use sample::{engine, measured, record};

    fn tail(median: &str, p99_99: &str) -> Vec<Measurement> {
        let case = |quantile| format!("quantile={quantile};writers=4;threads=2");
        let of = |quantile, times| measured(["tail", "latency of get"], &case(quantile), times);
        [of("p50", median), of("p99.99", p99_99)].concat()
    }

    #[test]
    fn the_page_shows_what_was_measured_and_says_what_is_missing() {
        let load = "get_buffer, dependent keys";
        let times = "floor=50,51; rekindle, pinned=53,52; Mutex<LruCache>=80,90";
        let tail = tail("rekindle=400", "rekindle=2000");
        let mut record = record([engine(load, 10_000, 1, times), tail].concat());
        let note = "no <script> could be installed";
        record.notes.push(note.to_owned());
        let directory = tempfile::tempdir().unwrap();
        let page = directory.path().join("report.md");
        for plot in ["tail-1.svg", "hits-1.svg"] {
            fs::write(directory.path().join(plot), "").unwrap();
        }
        let remarks = "We lose `a < b`\n& say so.\n\nTwice.\n";
        write(&record, Some(remarks), &page).unwrap();
        let markdown = fs::read_to_string(page).unwrap();

        assert!(markdown.contains("\n\nWe lose `a < b`\n& say so.\n\nTwice.\n\n"));
        assert!(markdown.contains("- no &lt;script> could be installed\n"));
        assert!(markdown.contains("| Mutex&lt;LruCache> |") && !markdown.contains("<LruCache>"));
        assert!(markdown.contains("| 51.0 | 53.0 (1.06× [1.02, 1.06]) |"));
        assert!(markdown.contains("![](hits-1.svg)\n\n![](tail-1.svg)\n"));
    }

    #[test]
    fn the_plot_for_the_readme_needs_the_tail() {
        if Command::new("gnuplot").arg("--version").output().is_err() {
            eprintln!("skipped: gnuplot is not installed");
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("record.json");
        let drawn = |record: Record| {
            record.save(&file).unwrap();
            plot(&file);
            fs::read_to_string(directory.path().join("plot.svg"))
        };
        assert!(drawn(record([])).is_err());
        let svg = drawn(record(tail("scc=400", "scc=9e6"))).unwrap();
        assert!(svg.contains("<svg ") && svg.contains("prefers-color-scheme"));
        assert!(svg.contains(">scc<") && svg.contains(">1 ms<"));
    }
}
