//! What is sealed opens again, by a reader of our own and by the one that people use.

use std::io::Write as _;
use std::process::Command;

use super::*;

/// A recipient and the secret it belongs to.
fn made() -> (Recipient, StaticSecret) {
    let secret = StaticSecret::from(Random::bytes::<32>());
    (Recipient(PublicKey::from(&secret).to_bytes()), secret)
}

fn sealed(recipient: Recipient, plain: &[u8]) -> Vec<u8> {
    let mut sealer = Sealer::new(Vec::new(), recipient).unwrap();
    sealer.write_all(plain).unwrap();
    sealer.finish().unwrap()
}

/// A reader written from the format's text, for this test alone.
fn opened(file: &[u8], secret: &StaticSecret) -> Option<Vec<u8>> {
    let end = file.windows(5).position(|w| w == b"\n--- ")?;
    let line_end = end + 1 + file[end + 1..].iter().position(|b| *b == b'\n')?;
    let head = std::str::from_utf8(&file[..line_end]).ok()?;
    let lines: Vec<&str> = head.lines().collect();
    let share: [u8; 32] =
        STANDARD_NO_PAD.decode(lines[1].strip_prefix("-> X25519 ")?).ok()?.try_into().ok()?;
    let shared = secret.diffie_hellman(&PublicKey::from(share));
    let salt = [share.as_slice(), PublicKey::from(secret).as_bytes()].concat();
    let wrap =
        ChaCha20Poly1305::new(&Key::from(*derive(shared.as_bytes(), Some(&salt), X25519_LABEL)));
    let body = STANDARD_NO_PAD.decode(lines[2]).ok()?;
    let file_key = wrap.decrypt(&Nonce::from([0; 12]), body.as_slice()).ok()?;
    let mut mac =
        <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(&*derive(&file_key, None, "header"))
            .ok()?;
    mac.update(&file[..end + 4]);
    mac.verify_slice(&STANDARD_NO_PAD.decode(lines[3].strip_prefix("--- ")?).ok()?).ok()?;
    let (nonce, mut rest) = file[line_end + 1..].split_at_checked(16)?;
    let cipher = ChaCha20Poly1305::new(&Key::from(*derive(&file_key, Some(nonce), "payload")));
    let mut plain = Vec::new();
    for count in 0_u64.. {
        let is_last = rest.len() <= CHUNK_BYTES + 16;
        let (chunk, after) = rest.split_at(rest.len().min(CHUNK_BYTES + 16));
        let mut nonce = [0; 12];
        nonce[3..11].copy_from_slice(&count.to_be_bytes());
        nonce[11] = u8::from(is_last);
        plain.extend(cipher.decrypt(&Nonce::from(nonce), chunk).ok()?);
        if is_last {
            break;
        }
        rest = after;
    }
    Some(plain)
}

#[test]
fn what_is_sealed_opens_for_its_recipient_alone() {
    let ((recipient, secret), (_, other)) = (made(), made());
    for length in [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1, 3 * CHUNK_BYTES] {
        let plain: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
        let file = sealed(recipient, &plain);
        assert_eq!(opened(&file, &secret).as_deref(), Some(&*plain), "{length} bytes");
        assert_eq!(opened(&file, &other), None, "{length} bytes");
        assert_ne!(file, sealed(recipient, &plain), "a new key for each file");
    }
}

#[test]
fn a_changed_byte_is_seen_wherever_it_is() {
    let (recipient, secret) = made();
    let file = sealed(recipient, b"what must not change");
    for at in 0..file.len() {
        let mut changed = file.clone();
        changed[at] ^= 1;
        assert_eq!(
            std::panic::catch_unwind(|| opened(&changed, &secret)).ok().flatten(),
            None,
            "{at}"
        );
    }
    assert_eq!(opened(&file[..file.len() - 1], &secret), None);
}

#[test]
fn recipients_are_read_strictly() {
    let good = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
    assert!(good.parse::<Recipient>().is_ok());
    let typo = good.replace("5sfn9", "5sfm9");
    let upper = good.to_uppercase();
    assert!(upper.parse::<Recipient>().is_err(), "the tools write lower case");
    let secret = "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX";
    for wrong in ["", "age1", &typo, &good[..40], secret, "ssh-ed25519 AAAA"] {
        let refused = wrong.parse::<Recipient>().unwrap_err();
        assert!(!refused.contains("GFPYYSJZ"), "{refused}");
    }
}

/// The independent reader, where this machine has it.
#[test]
fn debians_age_reads_it() {
    if Command::new("age").arg("--version").output().is_err() {
        eprintln!("`age` is not installed here: only the reader above has looked");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let identity = folder.path().join("identity");
    let made = Command::new("age-keygen").arg("-o").arg(&identity).output().unwrap();
    let said = String::from_utf8(made.stderr).unwrap();
    let recipient: Recipient = said.trim().rsplit(' ').next().unwrap().parse().unwrap();
    for length in [0, 5, CHUNK_BYTES, 2 * CHUNK_BYTES + 7] {
        let plain: Vec<u8> = (0..length).map(|n| (n % 253) as u8).collect();
        let file = folder.path().join("file.age");
        std::fs::write(&file, sealed(recipient, &plain)).unwrap();
        let read = Command::new("age").arg("-d").arg("-i").arg(&identity).arg(&file).output();
        let read = read.unwrap();
        assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
        assert_eq!(read.stdout, plain, "{length} bytes");
    }
}
