//! The report: one page made from a record, which says of each target whether it is met.

mod cases;
mod numbers;
mod page;
mod plots;
#[cfg(test)]
mod sample;
mod targets;
mod verdict;

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

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
    /// Also write the plot for the README, as SVG: the latency of lookups beside writers.
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) plot: Option<PathBuf>,
}

/// Makes the report from a record.
pub(crate) fn run(options: &Options) -> io::Result<()> {
    let record = Record::load(&options.record)?;
    let beside = options.record.with_file_name("report.md");
    let page = options.out.as_ref().unwrap_or(&beside);
    write(&record, remarks_beside(&options.record)?.as_deref(), page)?;
    print_targets(&record);
    match &options.plot {
        Some(plot) => write_plot(&record, plot),
        None => Ok(()),
    }
}

/// Writes the page, and its plots beside it. `remarks`: what a person has to say to this record.
pub(crate) fn write(record: &Record, remarks: Option<&str>, page: &Path) -> io::Result<()> {
    let cases = cases::cases(record);
    let mut figures = Vec::new();
    for (number, figure) in (1..).zip(&plots::FIGURES) {
        let panels = figure.panels(&cases).map_err(undrawn)?.into_iter();
        let mut files = Vec::new();
        for (panel, svg) in (1..).zip(panels) {
            files.push(format!("figure-{number}-{panel}.svg"));
            let file = page.with_file_name(&files[files.len() - 1]);
            fs::write(&file, svg).map_err(|error| about(&file, error))?;
        }
        figures.push((figure, files));
    }
    let markdown = page::page(record, remarks, &figures);
    fs::write(page, markdown).map_err(|error| about(page, error))
}

/// The remarks that were written for a record.
pub(crate) fn remarks_beside(record: &Path) -> io::Result<Option<String>> {
    let file = record.with_file_name("remarks.md");
    match fs::read_to_string(&file) {
        Ok(remarks) => Ok(Some(remarks)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(about(&file, error)),
    }
}

/// Says on standard output what became of each target. The reader may have left.
pub(crate) fn print_targets(record: &Record) {
    let targets: String = targets::rows(record).iter().map(page::target).collect();
    let _ = writeln!(io::stdout(), "\n== targets\n\n{targets}");
}

fn write_plot(record: &Record, file: &Path) -> io::Result<()> {
    let svg = plots::of_the_tail(&cases::cases(record)).map_err(undrawn)?;
    let absent = || io::Error::other("the record has no latencies beside writers to plot");
    fs::write(file, svg.ok_or_else(absent)?).map_err(|error| about(file, error))
}

fn undrawn(error: Box<dyn Error>) -> io::Error {
    io::Error::other(format!("a plot could not be drawn: {error}"))
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
        record
            .notes
            .push("no <script> could be installed".to_owned());
        let directory = tempfile::tempdir().unwrap();
        let page = directory.path().join("report.md");
        write(
            &record,
            Some("We lose `a < b`\n& say so.\n\nTwice.\n"),
            &page,
        )
        .unwrap();
        let markdown = fs::read_to_string(page).unwrap();

        assert!(markdown.contains("\n\nWe lose `a < b`\n& say so.\n\nTwice.\n\n"));
        assert!(markdown.contains("- no &lt;script> could be installed\n"));
        assert!(markdown.contains("| Mutex&lt;LruCache> |") && !markdown.contains("<LruCache>"));
        assert!(markdown.contains("| 51.0 | 53.0 (1.06× [1.02, 1.06]) |"));
        assert!(
            markdown.contains("](figure-1-1.svg)\n") && markdown.contains("](figure-2-1.svg)\n")
        );
        assert!(directory.path().join("figure-2-1.svg").exists());
        assert_eq!(markdown.matches("Not in this record.").count(), 2);
    }

    #[test]
    fn the_plot_for_the_readme_needs_the_tail() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("plot.svg");
        assert!(write_plot(&record([]), &file).is_err());
        let measured = record(tail("scc=400", "scc=9e6"));
        write_plot(&measured, &file).unwrap();
        let svg = fs::read_to_string(file).unwrap();
        assert!(svg.starts_with("<svg ") && svg.contains("prefers-color-scheme"));
        assert!(svg.contains("scc 9 ms"));
    }
}
