//! The certificates in use, as the metrics and the page show them.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;

/// The server's own certificate in a file.
#[derive(Debug, Clone)]
pub(crate) struct ServerCertificate {
    /// The file.
    pub(crate) name: String,
    /// As the certificate has it.
    pub(crate) subject: String,
    /// The names that it is for.
    pub(crate) names: Vec<String>,
    pub(crate) sha256: String,
    /// Its last second, in seconds since 1970.
    pub(crate) not_after: i64,
    /// From then on it ends soon, in seconds since 1970.
    pub(crate) soon_after: i64,
}

/// The certificates in use. A reload replaces all of them.
#[derive(Debug, Clone, Default)]
pub(super) struct Certificates(Arc<Mutex<Arc<[ServerCertificate]>>>);

impl Certificates {
    pub(super) fn replace(&self, certificates: Vec<ServerCertificate>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = certificates.into();
    }

    pub(super) fn in_use(&self) -> Arc<[ServerCertificate]> {
        Arc::clone(&self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Collector for Certificates {
    fn encode(&self, mut out: DescriptorEncoder<'_>) -> fmt::Result {
        let help = "When the server's own certificate in a file ends, in seconds since 1970";
        let (name, unit) = ("certificate_not_after_timestamp", Some(&Unit::Seconds));
        let mut family = out.encode_descriptor(name, help, unit, MetricType::Gauge)?;
        let certificates = self.in_use();
        for (at, certificate) in certificates.iter().enumerate() {
            // A file may be there twice, a series may not.
            let earlier = &certificates[..at];
            if earlier.iter().any(|other| other.name == certificate.name) {
                continue;
            }
            let labels = [("certificate", certificate.name.as_str())];
            ConstGauge::new(certificate.not_after).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}
