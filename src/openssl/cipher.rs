//! AES-CBC and HMAC-SHA256 of OpenSSL, with a ticket key, and its randomness.

use std::ffi::{CStr, c_int};
use std::{fmt, ptr};

use foreign_types_shared::ForeignTypeRef;
use openssl::error::ErrorStack;
use openssl::lib_ctx::LibCtxRef;
use openssl_sys::{self as sys, EVP_CIPHER, EVP_CIPHER_CTX, EVP_MAC_CTX, OSSL_LIB_CTX};

use super::ffi;
use crate::tickets::{TicketCipher, TicketKey};

/// OpenSSL's library context; the default one if there is none.
#[derive(Clone, Copy, Default)]
pub(super) struct Library(pub(super) Option<&'static LibCtxRef>);

impl Library {
    fn as_ptr(self) -> *mut OSSL_LIB_CTX {
        self.0.map_or(ptr::null_mut(), ForeignTypeRef::as_ptr)
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.as_ptr())
    }
}

/// The ciphers of ticket keys, fetched once: looking an algorithm up takes locks.
pub(super) struct Ciphers {
    library: Library,
    aes128: Cipher,
    aes256: Cipher,
}

struct Cipher(*mut EVP_CIPHER);

// SAFETY: an EVP_CIPHER is immutable and counts its references atomically.
unsafe impl Send for Cipher {}
// SAFETY: as above.
unsafe impl Sync for Cipher {}

/// As `EVP_CipherInit_ex` numbers it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Direction {
    Open = 0,
    Seal = 1,
}

/// OpenSSL's contexts of one ticket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Contexts {
    pub(super) cipher: *mut EVP_CIPHER_CTX,
    pub(super) mac: *mut EVP_MAC_CTX,
}

impl Ciphers {
    pub(super) fn fetch(library: Library) -> Result<Self, ErrorStack> {
        Ok(Self {
            library,
            aes128: Cipher::fetch(library, c"AES-128-CBC")?,
            aes256: Cipher::fetch(library, c"AES-256-CBC")?,
        })
    }

    /// Fills `bytes` with random ones. Whether there were any.
    pub(super) fn randomize(&self, bytes: &mut [u8]) -> bool {
        let (library, any_strength) = (self.library.as_ptr(), 0);
        // SAFETY: OpenSSL fills no more bytes than there are.
        let done =
            unsafe { ffi::RAND_bytes_ex(library, bytes.as_mut_ptr(), bytes.len(), any_strength) };
        done == 1
    }

    /// Gives OpenSSL's contexts the key that a ticket is sealed or opened with. Whether they took
    /// it.
    ///
    /// # Safety
    ///
    /// `contexts` are alive, and no other thread uses them.
    pub(super) unsafe fn set_key(
        &self,
        contexts: Contexts,
        key: &TicketKey,
        iv: &[u8; 16],
        direction: Direction,
    ) -> bool {
        let cipher = match key.cipher() {
            TicketCipher::Aes128 => &self.aes128,
            TicketCipher::Aes256 => &self.aes256,
        };
        // SAFETY: by contract; key and vector are as long as the cipher takes them.
        unsafe {
            sys::EVP_CipherInit_ex(
                contexts.cipher,
                cipher.0,
                ptr::null_mut(),
                key.aes_key().as_ptr(),
                iv.as_ptr(),
                direction as c_int,
            ) == 1
                && set_mac_key(contexts.mac, key)
        }
    }
}

impl Cipher {
    fn fetch(library: Library, name: &CStr) -> Result<Self, ErrorStack> {
        // SAFETY: a name that ends in zero, and a library context that lives.
        let cipher = unsafe { sys::EVP_CIPHER_fetch(library.as_ptr(), name.as_ptr(), ptr::null()) };
        if cipher.is_null() {
            return Err(ErrorStack::get());
        }
        Ok(Self(cipher))
    }
}

impl Drop for Cipher {
    fn drop(&mut self) {
        // SAFETY: fetched in `fetch`, freed nowhere else.
        unsafe { sys::EVP_CIPHER_free(self.0) };
    }
}

/// Sets key and digest of an HMAC context that OpenSSL has fetched. The digest goes by its name:
/// the API takes no fetched one. (The key could be a parameter as well, but looking parameters up
/// costs more than all the rest of this.)
///
/// # Safety
///
/// `mac` is a live context, and no other thread uses it.
unsafe fn set_mac_key(mac: *mut EVP_MAC_CTX, key: &TicketKey) -> bool {
    let secret = key.hmac_secret();
    let digest = c"SHA256";
    // SAFETY: OpenSSL copies key and digest. It only reads the digest: the pointer is mutable
    // because the same structure serves for getting parameters.
    unsafe {
        let params = [
            ffi::OSSL_PARAM_construct_utf8_string(
                c"digest".as_ptr(),
                digest.as_ptr().cast_mut(),
                digest.count_bytes(),
            ),
            sys::OSSL_PARAM_construct_end(),
        ];
        ffi::EVP_MAC_init(mac, secret.as_ptr(), secret.len(), params.as_ptr()) == 1
    }
}
