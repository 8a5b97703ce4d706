//! Prometheus' text format 0.0.4, made from OpenMetrics text, which is all that the crate
//! `prometheus-client` writes.
//!
//! Samples are the same, so that a series has one name in both formats. Different are the metadata:
//! a counter is named after its samples, with `_total`; there is no type `info`; and units, the
//! final `# EOF`, exemplars and the times at which a series was created do not exist.

/// `open_metrics` in the text format 0.0.4.
pub(super) fn from_open_metrics(open_metrics: &str) -> String {
    let mut text = String::with_capacity(open_metrics.len());
    // Of the metric whose samples come: `# HELP` precedes `# TYPE`, which says what the name is.
    let mut help = None;
    let mut may_be_created = false;
    for line in open_metrics.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = Some(rest);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap_or((rest, "unknown"));
            let (suffix, kind) = match kind {
                "counter" => ("_total", "counter"),
                "info" => ("_info", "gauge"),
                "stateset" => ("", "gauge"),
                "unknown" | "gaugehistogram" => ("", "untyped"),
                same => ("", same),
            };
            may_be_created = matches!(kind, "counter" | "histogram" | "summary");
            if let Some(help) = help.take().and_then(|help| help.strip_prefix(name)) {
                // In this format a quotation mark is not escaped.
                let help = help.replace("\\\"", "\"");
                text.push_str(&format!("# HELP {name}{suffix}{help}\n"));
            }
            text.push_str(&format!("# TYPE {name}{suffix} {kind}\n"));
        } else if line.starts_with('#') || may_be_created && is_created(line) {
            // Has no counterpart.
        } else {
            text.push_str(without_exemplar(line));
            text.push('\n');
        }
    }
    text
}

/// Whether a sample says when its series was created.
fn is_created(sample: &str) -> bool {
    let end = sample.find(['{', ' ']).unwrap_or(sample.len());
    sample[..end].ends_with("_created")
}

/// A sample up to its exemplar. The value of a label may look like the beginning of one.
fn without_exemplar(sample: &str) -> &str {
    let (mut quoted, mut escaped) = (false, false);
    for (at, byte) in sample.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = quoted,
            b'"' => quoted = !quoted,
            b'#' if !quoted => return sample[..at].trim_end(),
            _ => {}
        }
    }
    sample
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_follow_the_older_format_and_samples_stay() {
        let open_metrics = r##"# HELP build Versions
# TYPE build info
build_info{version="1"} 1
# HELP handled Requests, \"good\" and bad\n.
# TYPE handled counter
handled_total{kind="a # {\"b\"} \\"} 3 # {trace="x"} 1.0 1700000000.0
handled_created{kind="a"} 1700000000.0
# HELP age_seconds Age
# TYPE age_seconds gauge
# UNIT age_seconds seconds
age_seconds 4
# HELP size_bytes Sizes
# TYPE size_bytes histogram
# UNIT size_bytes bytes
size_bytes_sum 5.0
size_bytes_count 2
size_bytes_created 1700000000.0
size_bytes_bucket{le="1.0"} 1 # {trace="x"} 0.5
size_bytes_bucket{le="+Inf"} 2
# TYPE odd unknown
odd 1
# EOF
"##;
        let text = r##"# HELP build_info Versions
# TYPE build_info gauge
build_info{version="1"} 1
# HELP handled_total Requests, "good" and bad\n.
# TYPE handled_total counter
handled_total{kind="a # {\"b\"} \\"} 3
# HELP age_seconds Age
# TYPE age_seconds gauge
age_seconds 4
# HELP size_bytes Sizes
# TYPE size_bytes histogram
size_bytes_sum 5.0
size_bytes_count 2
size_bytes_bucket{le="1.0"} 1
size_bytes_bucket{le="+Inf"} 2
# TYPE odd untyped
odd 1
"##;
        assert_eq!(from_open_metrics(open_metrics), text);
    }

    #[test]
    fn a_gauge_may_be_called_created() {
        let gauge = "# HELP file_created When\n# TYPE file_created gauge\nfile_created 1\n";
        assert_eq!(from_open_metrics(&format!("{gauge}# EOF\n")), gauge);
    }
}
