//! Sessions of many lengths, live and expired, made from DER.

use openssl::ssl::SslSession;

use crate::der::element;
use crate::input::Session;

/// Lengths of the ticket in each session, which is most of its encoding.
const TICKETS: [usize; 12] = [
    0, 1, 32, 100, 230, 500, 900, 1_000, 4_000, 16_000, 16_250, 40_000,
];

/// One session in this many has expired.
const EXPIRED: usize = 5;

/// The sessions of one run, made on demand. A reference that stays too long leaks its session.
#[derive(Default)]
pub(crate) struct Sessions {
    made: Vec<Made>,
}

pub(crate) struct Made {
    number: usize,
    pub(crate) session: SslSession,
    pub(crate) der: Vec<u8>,
    pub(crate) expired: bool,
}

impl Sessions {
    /// The index of a session among those that are made; `None`: it has no encoding.
    pub(crate) fn make(&mut self, session: Session) -> Option<usize> {
        let Session::Number(number) = session else {
            return None;
        };
        let number = number % (TICKETS.len() * EXPIRED);
        let made = self.made.iter().position(|made| made.number == number);
        Some(made.unwrap_or_else(|| {
            let expired = number % EXPIRED == EXPIRED - 1;
            let der = der(TICKETS[number % TICKETS.len()], expired, number);
            let session = SslSession::from_der(&der).expect("a session");
            // OpenSSL may write it in another way than it was read.
            let der = session.to_der().expect("an encoding");
            self.made.push(Made {
                number,
                session,
                der,
                expired,
            });
            self.made.len() - 1
        }))
    }

    pub(crate) fn at(&self, index: usize) -> &Made {
        &self.made[index]
    }
}

/// A short form of what `i2d_SSL_SESSION` writes.
fn der(ticket: usize, expired: bool, number: usize) -> Vec<u8> {
    // Made in 1970 for a second, or in 2001 for 3,000 years.
    let (time, timeout): (&[u8], &[u8]) = if expired {
        (&[1], &[1])
    } else {
        (&[0x3B, 0x9A, 0xCA, 0], &[0x17, 0x48, 0x76, 0xE8, 0])
    };
    let id = [number as u8; 32];
    let fields = [
        element(0x02, &[1]),
        element(0x02, &[3, 3]),
        element(0x04, &[0xC0, 0x2F]), // ECDHE-RSA-AES128-GCM-SHA256
        element(0x04, &id),
        element(0x04, &[7; 48]),
        element(0xA1, &element(0x02, time)),
        element(0xA2, &element(0x02, timeout)),
        element(0xA4, &element(0x04, b"fuzz")),
        element(0xAA, &element(0x04, &vec![number as u8; ticket])),
    ];
    element(0x30, &fields.concat())
}
