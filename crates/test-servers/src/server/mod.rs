//! Servers that terminate TLS: what each is called, what it reads, how it starts.

mod configured;
mod product;
mod running;
mod site;

pub use configured::Configured;
pub use product::{APACHE, Configure, HAPROXY, HITCH, NGINX, Product, TRAFFIC_SERVER, find};
pub use running::Running;
pub use site::{GROUP, STREAM_MODULE, Site, Task};
