//! The report: one page made from a record, which says of each target whether it is met.

mod cases;
mod draw;
mod numbers;
mod page;
mod palette;
mod plots;
#[cfg(test)]
mod sample;
mod tables;
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
    /// The page; report.html beside the record if none is named.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
    /// Also write the plot for the README, as SVG: the latency of lookups beside writers.
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) plot: Option<PathBuf>,
}

/// Makes the report from a record.
pub(crate) fn run(options: &Options) -> io::Result<()> {
    let record = Record::load(&options.record)?;
    let beside = options.record.with_file_name("report.html");
    let page = options.out.as_ref().unwrap_or(&beside);
    write(&record, remarks_beside(&options.record)?.as_deref(), page)?;
    print_targets(&record);
    match &options.plot {
        Some(plot) => write_plot(&record, plot),
        None => Ok(()),
    }
}

/// Writes the page. `remarks`: what a person has to say to this record, paragraphs separated by
/// blank lines.
pub(crate) fn write(record: &Record, remarks: Option<&str>, page: &Path) -> io::Result<()> {
    let figures = plots::figures(&cases::cases(record)).map_err(undrawn)?;
    let html = page::page(record, remarks, &figures).into_string();
    fs::write(page, html).map_err(|error| about(page, error))
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
    let mut lines = vec!["\n== targets".to_owned()];
    for row in targets::rows(record) {
        let [verdict, ..] = row.verdict().shown();
        lines.push(format!("\n{verdict:<18} {}: {}", row.measure, row.target));
        if let Some(worst) = row.worst() {
            let (value, spread) = (row.value(worst.seen.median), row.spread(worst));
            lines.push(format!("{:<18} worst {value} {spread} {}", "", worst.case));
        }
        if !row.remark().is_empty() {
            lines.push(format!("{:<18} {}", "", row.remark()));
        }
    }
    let _ = writeln!(io::stdout(), "{}", lines.join("\n"));
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
    fn the_page_stands_alone_and_says_what_is_missing() {
        let load = "get_buffer, dependent keys";
        let times = "floor=50,51; rekindle, pinned=53,52; Mutex<LruCache>=80,90";
        let tail = tail("rekindle=400", "rekindle=2000");
        let mut record = record([engine(load, 10_000, 1, times), tail].concat());
        record
            .notes
            .push("no <script> could be installed".to_owned());
        let directory = tempfile::tempdir().unwrap();
        let page = directory.path().join("report.html");
        write(
            &record,
            Some("We lose `a < b`\n& say so.\n \n\nTwice."),
            &page,
        )
        .unwrap();
        let html = fs::read_to_string(page).unwrap();

        assert!(html.contains("<p>We lose <code>a &lt; b</code> &amp; say so.</p><p>Twice.</p>"));
        assert!(html.contains("no &lt;script&gt; could be installed"));
        assert!(html.contains("Mutex&lt;LruCache&gt;") && !html.contains("<LruCache>"));
        assert_eq!(html.matches("<svg ").count(), 2);
        assert_eq!(html.matches("Not in this record.").count(), 6);
        let outside = ["<script", "<link", "<img", "src=", "href=", "url("];
        assert!(outside.iter().all(|word| !html.contains(word)));
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
