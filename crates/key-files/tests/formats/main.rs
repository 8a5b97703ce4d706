//! Files of ticket keys in every format: read from what is written out by hand, refused, written,
//! and read again.

#[path = "../../../../tests/common/records.rs"]
mod records;

mod encoded;
mod h2o_text;
mod raw;
mod refusals;
mod round_trips;
mod vectors;
mod writing;

use rekindle::tickets::{KeyLocation, KeyRole, TicketKeys};

use rekindle_key_files::TicketKeyFormat;

/// The set that files of one format hold together: of one key a file, the first seals.
fn read<F: AsRef<[u8]>>(format: TicketKeyFormat, files: &[F]) -> TicketKeys {
    if let [file] = files {
        return format.parse(file.as_ref()).unwrap();
    }
    assert!(format.is_one_key_a_file());
    let entry = |(i, file): (usize, &F)| {
        let keys = format.parse(file.as_ref()).unwrap();
        let role = if i == 0 { KeyRole::Seal } else { KeyRole::Open };
        let mut key = keys.entries().next().unwrap().with_role(role);
        key.location = KeyLocation::record(i);
        key
    };
    TicketKeys::new(files.iter().enumerate().map(entry).collect()).unwrap()
}

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
