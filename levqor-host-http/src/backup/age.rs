//! Sealing for an `age1…` recipient: the age file format, version 1, with one X25519 stanza.
//!
//! Only the writer is here: a host that holds recipients alone cannot read its own backups, so
//! nobody who takes the host has them. Debian's `age -d` reads them.

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use hkdf::Hkdf;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use x25519_dalek::{PublicKey, StaticSecret};
use zeroize::Zeroizing;

use super::bech32;
use crate::caller::secret::Random;

/// Plain bytes of one sealed chunk, as the format has it.
const CHUNK_BYTES: usize = 64 * 1024;
/// What the file begins with.
const VERSION: &str = "age-encryption.org/v1";
/// What the key that wraps the file's key is derived for.
const X25519_LABEL: &str = "age-encryption.org/v1/X25519";

/// Whoever holds the identity to an `age1…` text.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Recipient([u8; 32]);

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Recipient(age1…)")
    }
}

impl FromStr for Recipient {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, bytes) = bech32::decode(text.trim())?;
        if kind != "age" {
            return Err(format!("`{kind}1…` is not a recipient; one begins with `age1`"));
        }
        bytes.try_into().map(Self).map_err(|_| "the recipient is not 32 bytes".to_owned())
    }
}

/// Seals what is written through it. Without [`Sealer::finish`] the file is not a whole one, and no
/// reader takes it for one.
pub(crate) struct Sealer<W> {
    out: W,
    cipher: ChaCha20Poly1305,
    /// Plain bytes that are not sealed yet: the last chunk is marked, so one is always kept.
    chunk: Zeroizing<Vec<u8>>,
    count: u64,
}

impl<W: Write> Sealer<W> {
    /// Writes the head.
    pub(crate) fn new(mut out: W, recipient: Recipient) -> io::Result<Self> {
        let file_key = Zeroizing::new(Random::bytes::<16>());
        let mut head = format!("{VERSION}\n");
        head.push_str(&stanza(recipient, &file_key)?);
        head.push_str("---");
        let mac_key = derive(&*file_key, None, "header");
        let mut mac = <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&*mac_key).map_err(broken)?;
        mac.update(head.as_bytes());
        let mac = STANDARD_NO_PAD.encode(mac.finalize().into_bytes());
        writeln!(out, "{head} {mac}")?;
        let nonce = Random::bytes::<16>();
        out.write_all(&nonce)?;
        let key = derive(&*file_key, Some(&nonce), "payload");
        let cipher = ChaCha20Poly1305::new(&Key::from(*key));
        let chunk = Zeroizing::new(Vec::with_capacity(CHUNK_BYTES));
        Ok(Self { out, cipher, chunk, count: 0 })
    }

    fn seal(&mut self, is_last: bool) -> io::Result<()> {
        let mut nonce = [0; 12];
        nonce[3..11].copy_from_slice(&self.count.to_be_bytes());
        nonce[11] = u8::from(is_last);
        let sealed = self.cipher.encrypt(&Nonce::from(nonce), &**self.chunk).map_err(broken)?;
        self.count += 1;
        self.chunk.clear();
        self.out.write_all(&sealed)
    }

    /// Seals what is left, as the last chunk.
    pub(crate) fn finish(mut self) -> io::Result<W> {
        self.seal(true)?;
        Ok(self.out)
    }
}

impl<W: Write> Write for Sealer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.chunk.len() == CHUNK_BYTES {
            self.seal(false)?;
        }
        let taken = bytes.len().min(CHUNK_BYTES - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The file's key, wrapped for the recipient.
fn stanza(recipient: Recipient, file_key: &[u8; 16]) -> io::Result<String> {
    let ours = StaticSecret::from(Random::bytes::<32>());
    let share = PublicKey::from(&ours);
    let shared = ours.diffie_hellman(&PublicKey::from(recipient.0));
    if !shared.was_contributory() {
        return Err(io::Error::other("the recipient is no usable point"));
    }
    let salt = [share.as_bytes().as_slice(), recipient.0.as_slice()].concat();
    let key = derive(shared.as_bytes(), Some(&salt), X25519_LABEL);
    // The key is used once, so the nonce may be constant; the format says so.
    let cipher = ChaCha20Poly1305::new(&Key::from(*key));
    let body = cipher.encrypt(&Nonce::from([0; 12]), file_key.as_slice()).map_err(broken)?;
    let (share, body) = (STANDARD_NO_PAD.encode(share.as_bytes()), STANDARD_NO_PAD.encode(body));
    // 32 bytes are 43 characters: under the line's 64, and so the stanza's last line.
    Ok(format!("-> X25519 {share}\n{body}\n"))
}

fn derive(secret: &[u8], salt: Option<&[u8]>, label: &str) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    // 32 bytes are one block: well within what can be derived.
    let _ = Hkdf::<Sha256>::new(salt, secret).expand(label.as_bytes(), &mut *key);
    key
}

fn broken(error: impl fmt::Display) -> io::Error {
    io::Error::other(format!("sealing failed: {error}"))
}

#[cfg(test)]
mod tests;
