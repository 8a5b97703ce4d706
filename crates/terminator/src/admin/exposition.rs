//! Which format of the metrics a client asks for (RFC 9110, section 12.5.1).
//!
//! As in Prometheus' own client libraries: OpenMetrics for a client that names it, and otherwise
//! the text format 0.0.4, which everything reads. A client that accepts neither gets text as well.

use std::str::FromStr;

/// A format of the metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exposition {
    /// OpenMetrics 1.0.0, or 0.0.1 by name: the versions differ in nothing that is written here.
    OpenMetrics(OpenMetricsVersion),
    /// Prometheus' text format 0.0.4.
    Text,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OpenMetricsVersion {
    V1_0_0,
    V0_0_1,
}

impl Exposition {
    /// What the values of a request's `Accept` fields prefer.
    pub(super) fn preferred<'a>(accept: impl Iterator<Item = &'a str>) -> Self {
        let ranges: Vec<Range<'_>> = accept.flat_map(elements).filter_map(Range::parse).collect();
        let wish_for = |format: Self| {
            let quality = |range: &Range<'_>| range.quality;
            let named = ranges.iter().filter(|range| range.names(format));
            named.map(quality).reduce(f32::max)
        };
        let [new, old] = [OpenMetricsVersion::V1_0_0, OpenMetricsVersion::V0_0_1]
            .map(Self::OpenMetrics)
            .map(|format| (wish_for(format).unwrap_or(0.0), format));
        let (wish, open_metrics) = if new.0 >= old.0 { new } else { old };
        // `*/*` behind names stands for the rest.
        let wildcard = ["text/*", "*/*"].into_iter().find_map(|wildcard| {
            let range = ranges.iter().find(|range| range.media_type == wildcard);
            range.map(|range| range.quality)
        });
        let text = wish_for(Self::Text).or(wildcard).unwrap_or(0.0);
        if wish > 0.0 && wish >= text {
            open_metrics
        } else {
            Self::Text
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics(OpenMetricsVersion::V1_0_0) => {
                "application/openmetrics-text; version=1.0.0; charset=utf-8"
            }
            Self::OpenMetrics(OpenMetricsVersion::V0_0_1) => {
                "application/openmetrics-text; version=0.0.1; charset=utf-8"
            }
            Self::Text => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// One media range of an `Accept` field.
#[derive(Debug)]
struct Range<'a> {
    /// In lower case.
    media_type: String,
    version: Option<&'a str>,
    quality: f32,
}

impl<'a> Range<'a> {
    /// `None` if its quality is no number from 0 to 1.
    fn parse(element: &'a str) -> Option<Self> {
        let mut parts = element.split(';').map(str::trim);
        let media_type = parts.next()?.to_ascii_lowercase();
        let (mut version, mut quality) = (None, 1.0);
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "version" => version = Some(value),
                "q" => quality = f32::from_str(value).ok()?,
                _ => {}
            }
        }
        (0.0..=1.0).contains(&quality).then_some(Self {
            media_type,
            version,
            quality,
        })
    }

    /// Whether the range is exactly this format, and no wildcard.
    fn names(&self, format: Exposition) -> bool {
        use Exposition::{OpenMetrics, Text};
        use OpenMetricsVersion::{V0_0_1, V1_0_0};
        match (self.media_type.as_str(), self.version, format) {
            ("application/openmetrics-text", Some("1.0.0") | None, OpenMetrics(V1_0_0))
            | ("application/openmetrics-text", Some("0.0.1"), OpenMetrics(V0_0_1))
            // Text 1.0.0 is text 0.0.4 in which names may be quoted. None here has to be.
            | ("text/plain", Some("0.0.4" | "1.0.0") | None, Text) => true,
            _ => false,
        }
    }
}

/// The elements of a list. A comma between quotation marks separates nothing.
fn elements(field: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    field.split(move |character| {
        quoted ^= character == '"';
        character == ',' && !quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEW: Exposition = Exposition::OpenMetrics(OpenMetricsVersion::V1_0_0);
    const OLD: Exposition = Exposition::OpenMetrics(OpenMetricsVersion::V0_0_1);
    const TEXT: Exposition = Exposition::Text;

    #[track_caller]
    fn prefers(accept: &str, expected: Exposition) {
        assert_eq!(
            Exposition::preferred([accept].into_iter()),
            expected,
            "{accept}"
        );
    }

    #[test]
    fn clients_that_name_no_format_get_text() {
        assert_eq!(Exposition::preferred([].into_iter()), TEXT);
        for accept in [
            "*/*",
            "",
            ",;,",
            "text/html, application/xhtml+xml, */*;q=0.8",
            "application/*",
            "application/json",
            "application/openmetrics-text;version=2.0.0",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;q=much",
            "application/openmetrics-text;q=2",
            "application/openmetrics-text;q=NaN",
            "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily",
        ] {
            prefers(accept, TEXT);
        }
    }

    #[test]
    fn clients_that_name_open_metrics_get_the_version_that_they_name() {
        prefers("application/openmetrics-text", NEW);
        prefers(
            "Application/OpenMetrics-Text; Version=\"1.0.0\"; charset=utf-8",
            NEW,
        );
        prefers("application/openmetrics-text;version=0.0.1", OLD);
        prefers("application/openmetrics-text;version=1.0.0, */*", NEW);
        prefers(
            "application/openmetrics-text;a=\"x, text/plain\";q=0.1",
            NEW,
        );
    }

    #[test]
    fn the_greater_quality_wins_and_open_metrics_where_they_are_equal() {
        let both = |text: &str, open: &str| {
            format!("text/plain;version=0.0.4;q={text}, application/openmetrics-text;q={open}")
        };
        prefers(&both("0.5", "0.4"), TEXT);
        prefers(&both("0.4", "0.5"), NEW);
        prefers(&both("1", "1.000"), NEW);
        prefers("application/openmetrics-text;q=0.5, */*;q=0.7", TEXT);
        prefers(
            "application/openmetrics-text;q=0.5, text/*;q=0.4, */*;q=0.7",
            NEW,
        );
        prefers("text/plain;version=0.0.4", TEXT);
        prefers(
            "application/openmetrics-text;q=0.2,application/openmetrics-text;version=0.0.1",
            OLD,
        );
    }

    #[test]
    fn several_fields_are_one_list() {
        let fields = ["text/plain;q=0.5", "application/openmetrics-text;q=0.6"];
        assert_eq!(Exposition::preferred(fields.into_iter()), NEW);
    }

    #[test]
    fn prometheus_itself_gets_open_metrics() {
        // Prometheus 2.42, and 3.0 without protobuf.
        prefers(
            "application/openmetrics-text;version=1.0.0,application/openmetrics-text;\
             version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            NEW,
        );
        prefers(
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
             application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;\
             escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
            NEW,
        );
        // PrometheusText0.0.4 as the only scrape protocol.
        prefers("text/plain;version=0.0.4;q=0.2,*/*;q=0.1", TEXT);
    }
}
