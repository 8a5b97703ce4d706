//! What operators read: the admin endpoints, the page, the metrics.

mod certificates;
mod changes;
mod connections;
mod endpoints;
mod exposition;
mod history;
mod hosts;
mod http;
mod latency;
mod listener;
mod metrics;
mod page;
mod phase;
mod text_format;
mod upstreams;
mod write_access;

pub(crate) use self::certificates::ServerCertificate;
pub(crate) use self::endpoints::Admin;
pub(crate) use self::hosts::Hosts;
pub(crate) use self::http::{
    Answer, READ, answer, html, not_found, only, serve as serve_http, wants_html,
};
pub(crate) use self::listener::AdminListener;
pub(crate) use self::metrics::{Active, Metrics};
pub(crate) use self::page::Observed;
pub(crate) use self::write_access::{TokenError, TokenFile, WriteAccess};
