//! Servers that terminate TLS: what each is called, what it reads, how it starts.

mod product;
mod products;
mod running;
mod site;

pub use product::{Configure, Product};
pub use products::{APACHE, HAPROXY, HITCH, NGINX, TRAFFIC_SERVER};
pub use running::Running;
pub use site::{GROUP, Site, Task};
