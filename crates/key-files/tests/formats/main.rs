//! Files of ticket keys in every format: read from what is written out by hand, refused, written,
//! and read again.

mod h2o_text;
mod raw;
mod refusals;
mod round_trips;
mod vectors;
mod writing;

use rekindle_key_files::TicketKeyFormat;

#[test]
fn formats_go_by_their_names() {
    let names = "traffic-server-48 nginx-48 nginx-80 haproxy-48 haproxy-80 apache-48 openssl-80 \
                 envoy-80 h2o";
    let all = TicketKeyFormat::ALL;
    assert_eq!(all.map(|format| format.to_string()).join(" "), names);
    for format in all {
        assert_eq!(format.name().parse(), Ok(format));
    }
    let unknown = "nginx".parse::<TicketKeyFormat>().unwrap_err().to_string();
    assert!(unknown.contains("nginx-48, nginx-80"), "{unknown}");
}
