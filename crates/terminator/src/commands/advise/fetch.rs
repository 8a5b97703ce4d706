//! A terminator's metrics, over plain HTTP.

use std::time::Duration;

use ureq::Agent;

use super::error::{AdviseError, MetricsError};

/// The longest answer, in bytes: a hundred times what a terminator says.
const MAX_BODY: u64 = 1 << 20;
/// The format that says where its text ends.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0";
const TIMEOUT: Duration = Duration::from_secs(10);

/// The address to ask: `/metrics` unless it has a path.
pub(super) fn address(url: &str) -> Result<String, AdviseError> {
    let rest = url.strip_prefix("http://");
    let (host, path) = match rest.map(|rest| rest.split_once('/').unwrap_or((rest, ""))) {
        Some((host, path)) if !host.is_empty() => (host, path),
        _ => return Err(AdviseError::Url(url.to_owned())),
    };
    let path = if path.is_empty() { "metrics" } else { path };
    Ok(format!("http://{host}/{path}"))
}

/// Asks the terminator itself, through no proxy, once, and waits ten seconds at most.
pub(super) fn fetch(url: &str) -> Result<String, AdviseError> {
    let config = Agent::config_builder()
        .timeout_global(Some(TIMEOUT))
        .http_status_as_error(false)
        .max_redirects(0)
        .proxy(None)
        .build();
    let failed = |source| AdviseError::Fetch {
        url: url.to_owned(),
        source: Box::new(source),
    };
    let metrics = |source| AdviseError::Metrics {
        url: url.to_owned(),
        source,
    };
    let mut response = Agent::new_with_config(config)
        .get(url)
        .header("Accept", OPEN_METRICS)
        .call()
        .map_err(failed)?;
    let status = response.status().as_u16();
    if status != 200 {
        let url = url.to_owned();
        return Err(AdviseError::Status { url, status });
    }
    let body = response.body_mut().with_config().limit(MAX_BODY);
    let body = body.read_to_vec().map_err(|error| match error {
        ureq::Error::BodyExceedsLimit(_) => metrics(MetricsError::TooLong(MAX_BODY)),
        error => failed(error),
    })?;
    String::from_utf8(body).map_err(|_| metrics(MetricsError::NotText))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_without_a_path_is_completed() {
        let good = ["http://[::1]:9443", "http://a:1/", "http://a/b/c?d=e"];
        let asked = good.map(|url| address(url).unwrap());
        let expected = [
            "http://[::1]:9443/metrics",
            "http://a:1/metrics",
            "http://a/b/c?d=e",
        ];
        assert_eq!(asked, expected);
        for bad in ["", "a:1", "https://a/m", "http://", "http:///m"] {
            assert!(matches!(address(bad), Err(AdviseError::Url(_))), "{bad}");
        }
    }
}
