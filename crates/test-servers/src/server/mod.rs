//! Servers that terminate TLS: what each is called, what it reads, how it starts.

mod product;
mod running;
mod site;

pub use product::{APACHE, Configure, HAPROXY, HITCH, NGINX, Product, TRAFFIC_SERVER};
pub use running::Running;
pub use site::{GROUP, Site, Task};
