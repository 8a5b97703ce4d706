//! Authorities of the test's own, what they issue, and what they revoke.

use std::fmt::Write;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use openssl::asn1::Asn1Time;
use openssl::bn::BigNum;
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::x509::extension::{BasicConstraints, KeyUsage, SubjectAlternativeName};
use openssl::x509::{X509, X509NameBuilder};
use rekindle_test_servers::Files;

use super::unix_now;

pub(crate) const DAY: i64 = 24 * 60 * 60;

/// An authority, and the intermediates between it and its root.
#[derive(Debug)]
pub(crate) struct Authority {
    certificate: X509,
    key: PKey<Private>,
    intermediates: Vec<X509>,
}

/// What a certificate is to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    /// The first one is the common name as well.
    pub(crate) names: &'a [&'a str],
    /// Bits of an RSA key; otherwise it is a key on P-256.
    pub(crate) rsa: Option<u32>,
    /// From and to, in seconds since 1970.
    pub(crate) valid: [i64; 2],
}

impl<'a> Wanted<'a> {
    pub(crate) fn names(names: &'a [&'a str]) -> Self {
        Self {
            names,
            rsa: None,
            valid: Self::valid([-2 * DAY, 90 * DAY]),
        }
    }

    /// From and to in seconds from now on.
    pub(crate) fn valid(seconds: [i64; 2]) -> [i64; 2] {
        seconds.map(|seconds| unix_now().cast_signed() + seconds)
    }

    /// Writes it, signed by itself, with its key to where [`Files`] has them.
    pub(crate) fn sign_itself(self, files: &Files) {
        let key = new_key(self).expect("a key");
        let certificate = sign(self, self.names[0], &key, None).expect("OpenSSL works");
        files.replace("cert.pem", &certificate.to_pem().expect("PEM"));
        let key = key.private_key_to_pem_pkcs8().expect("PEM");
        files.replace("key.pem", &key);
    }
}

impl Authority {
    pub(crate) fn root(name: &str) -> Self {
        Self::make(name, None).expect("OpenSSL works")
    }

    pub(crate) fn intermediate(&self, name: &str) -> Self {
        Self::make(name, Some(self)).expect("OpenSSL works")
    }

    fn make(name: &str, parent: Option<&Self>) -> Result<Self, ErrorStack> {
        let wanted = Wanted::names(&[]);
        let key = new_key(wanted)?;
        let signer = parent.map(|parent| (&parent.certificate, &parent.key));
        let certificate = sign(wanted, name, &key, signer)?;
        let intermediates = parent.map(|parent| {
            let above = parent.intermediates.iter().cloned();
            [certificate.clone()].into_iter().chain(above).collect()
        });
        Ok(Self {
            certificate,
            key,
            intermediates: intermediates.unwrap_or_default(),
        })
    }

    /// Writes its certificate to the file `name`.
    pub(crate) fn write(&self, files: &Files, name: &str) {
        files.replace(name, &self.certificate.to_pem().expect("PEM"));
    }

    /// Issues a certificate to `stem.pem`, with the chain up to the root, and `stem.key`. Returns
    /// its serial number.
    pub(crate) fn issue(&self, files: &Files, stem: &str, wanted: Wanted<'_>) -> u32 {
        let key = new_key(wanted).expect("a key");
        let signer = Some((&self.certificate, &self.key));
        let leaf = sign(wanted, wanted.names[0], &key, signer).expect("OpenSSL works");
        let chain = [&leaf].into_iter().chain(&self.intermediates);
        let pem: Vec<_> = chain.flat_map(|one| one.to_pem().expect("PEM")).collect();
        files.replace(&format!("{stem}.pem"), &pem);
        let key = key.private_key_to_pem_pkcs8().expect("PEM");
        files.replace(&format!("{stem}.key"), &key);
        let serial = leaf.serial_number().to_bn().expect("a number");
        serial
            .to_vec()
            .iter()
            .fold(0, |serial, byte| serial << 8 | u32::from(*byte))
    }

    /// A list of these serial numbers. rust-openssl makes none.
    pub(crate) fn revocation_list(&self, revoked: &[u32]) -> Vec<u8> {
        let files = Files::new();
        self.write(&files, "cert.pem");
        let key = self.key.private_key_to_pem_pkcs8().expect("PEM");
        files.replace("key.pem", &key);
        let config = "[ca]\ndefault_ca = a\n[a]\ndatabase = index\ndefault_md = sha256\n";
        files.replace("ca.cnf", config.as_bytes());
        let mut index = String::new();
        for serial in revoked {
            let _ = writeln!(
                index,
                "R\t401231235959Z\t200101000000Z\t{serial:08X}\tunknown\t/CN=x"
            );
        }
        files.replace("index", index.as_bytes());
        let words = "ca -config ca.cnf -gencrl -keyfile key.pem -cert cert.pem -crldays 1";
        let mut openssl = Command::new("openssl");
        openssl
            .args(words.split(' '))
            .current_dir(files.directory());
        let output = openssl.output().expect("openssl runs");
        let printed = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{printed}");
        output.stdout
    }
}

fn new_key(wanted: Wanted<'_>) -> Result<PKey<Private>, ErrorStack> {
    match wanted.rsa {
        Some(bits) => PKey::from_rsa(Rsa::generate(bits)?),
        None => {
            let curve = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
            PKey::from_ec_key(EcKey::generate(&curve)?)
        }
    }
}

/// Without names it is an authority; without a signer it signs itself.
fn sign(
    wanted: Wanted<'_>,
    common_name: &str,
    key: &PKey<Private>,
    signer: Option<(&X509, &PKey<Private>)>,
) -> Result<X509, ErrorStack> {
    static SERIAL: AtomicU32 = AtomicU32::new(0x0100_0000);
    let serial = BigNum::from_u32(SERIAL.fetch_add(1, Ordering::Relaxed))?.to_asn1_integer()?;
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_nid(Nid::COMMONNAME, common_name)?;
    let name = name.build();
    let (issuer, signing) = match signer {
        Some((certificate, signing)) => (certificate.subject_name(), signing),
        None => (&*name, key),
    };
    let [from, to] = wanted.valid;
    let mut certificate = X509::builder()?;
    certificate.set_version(2)?;
    certificate.set_serial_number(&serial)?;
    certificate.set_subject_name(&name)?;
    certificate.set_issuer_name(issuer)?;
    certificate.set_not_before(Asn1Time::from_unix(from)?.as_ref())?;
    certificate.set_not_after(Asn1Time::from_unix(to)?.as_ref())?;
    certificate.set_pubkey(key)?;
    if wanted.names.is_empty() {
        certificate.append_extension(BasicConstraints::new().critical().ca().build()?)?;
        let usage = KeyUsage::new()
            .critical()
            .key_cert_sign()
            .crl_sign()
            .build()?;
        certificate.append_extension(usage)?;
    } else {
        let mut names = SubjectAlternativeName::new();
        for name in wanted.names {
            names.dns(name);
        }
        let names = names.build(&certificate.x509v3_context(None, None))?;
        certificate.append_extension(names)?;
    }
    certificate.sign(signing, MessageDigest::sha256())?;
    Ok(certificate.build())
}
