//! The certificate that all servers show.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::x509::extension::SubjectAlternativeName;
use openssl::x509::{X509, X509NameBuilder};

use crate::loopback::exchange::SERVER_NAME;

/// Files with a P-256 key and a certificate for it, signed with the key itself.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    /// Key and certificate in one file, as haproxy and hitch want them.
    pub(super) both: PathBuf,
}

impl Identity {
    /// Makes them, into `directory`.
    pub(crate) fn make(directory: &Path) -> io::Result<Self> {
        let (certificate, key) = pem()?;
        let identity = Self {
            certificate: directory.join("certificate.pem"),
            key: directory.join("key.pem"),
            both: directory.join("both.pem"),
        };
        fs::write(&identity.certificate, &certificate)?;
        fs::write(&identity.key, &key)?;
        fs::write(&identity.both, [key, certificate].concat())?;
        Ok(identity)
    }
}

fn pem() -> Result<(Vec<u8>, Vec<u8>), ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let key = PKey::from_ec_key(EcKey::generate(&group)?)?;
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_text("CN", SERVER_NAME)?;
    let name = name.build();
    let mut serial = BigNum::new()?;
    serial.rand(127, MsbOption::ONE, false)?;

    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    let serial = serial.to_asn1_integer()?;
    builder.set_serial_number(&serial)?;
    builder.set_subject_name(&name)?;
    builder.set_issuer_name(&name)?;
    builder.set_pubkey(&key)?;
    let (today, tomorrow) = (Asn1Time::days_from_now(0)?, Asn1Time::days_from_now(1)?);
    builder.set_not_before(&today)?;
    builder.set_not_after(&tomorrow)?;
    let names = SubjectAlternativeName::new()
        .dns(SERVER_NAME)
        .build(&builder.x509v3_context(None, None))?;
    builder.append_extension(names)?;
    builder.sign(&key, MessageDigest::sha256())?;
    Ok((builder.build().to_pem()?, key.private_key_to_pem_pkcs8()?))
}
