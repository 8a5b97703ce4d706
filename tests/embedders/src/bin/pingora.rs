//! The smallest proxy with Pingora. `UPSTREAM` in the environment is where requests go.

use std::error::Error;

use async_trait::async_trait;
use pingora::listeners::tls::TlsSettings;
use pingora::prelude::*;
use rekindle_embedders::Arguments;

struct Proxy {
    upstream: String,
}

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(
            &self.upstream,
            false,
            String::new(),
        )))
    }
}

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let arguments = Arguments::read()?;
    let upstream = std::env::var("UPSTREAM")?;
    let mut settings = TlsSettings::intermediate(&arguments.certificate, &arguments.key)?;
    // It is an `SslAcceptorBuilder` with more to it.
    let _resumption = arguments.resume(&mut settings)?;
    let mut server = Server::new(None)?;
    server.bootstrap();
    let mut service = http_proxy_service(&server.configuration, Proxy { upstream });
    service.add_tls_with_settings(&arguments.address, None, settings);
    server.add_service(service);
    server.run_forever()
}
