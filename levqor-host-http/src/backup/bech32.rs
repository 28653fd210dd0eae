//! Bech32 (BIP 173) as age's recipients use it: lower case, no length limit of 90.

const ALPHABET: &[u8; 32] = b"qpzry9x8gf2tvdw0s3jn54khce6mua7l";
const GENERATOR: [u32; 5] = [0x3b6a_57b2, 0x2650_8e6d, 0x1ea1_19fa, 0x3d42_33dd, 0x2a14_62b3];
/// Characters of the checksum.
const CHECKSUM_LEN: usize = 6;
/// Longest text that is looked at: a recipient has 62 characters.
const TEXT_LEN_MAX: usize = 256;

/// The kind before the last `1`, and the bytes after it. Errors do not repeat the text: it may be
/// a secret that was put into the wrong place.
pub(super) fn decode(text: &str) -> Result<(String, Vec<u8>), String> {
    let bad = |what: &str| Err(format!("not a recipient: {what}"));
    if text.len() > TEXT_LEN_MAX || !text.bytes().all(|b| (33..=126).contains(&b)) {
        return bad("it is too long or holds other characters");
    }
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return bad("it holds capital letters");
    }
    let Some((kind, data)) = text.rsplit_once('1') else { return bad("it has no `1`") };
    let mut values = Vec::with_capacity(data.len());
    for byte in data.bytes() {
        let Some(value) = ALPHABET.iter().position(|known| *known == byte) else {
            return bad("it holds a character that is none of its alphabet");
        };
        values.push(value as u8);
    }
    if kind.is_empty() || values.len() < CHECKSUM_LEN {
        return bad("it is too short");
    }
    let expanded = kind.bytes().map(|b| b >> 5).chain([0]).chain(kind.bytes().map(|b| b & 31));
    if checksum(expanded.chain(values.iter().copied())) != 1 {
        return bad("its checksum does not fit; a character is wrong");
    }
    values.truncate(values.len() - CHECKSUM_LEN);
    bytes(&values).map_or_else(|| bad("its end does not fit"), |bytes| Ok((kind.to_owned(), bytes)))
}

fn checksum(values: impl Iterator<Item = u8>) -> u32 {
    values.fold(1, |check: u32, value| {
        let top = check >> 25;
        let shifted = (check & 0x01ff_ffff) << 5 ^ u32::from(value);
        let each = GENERATOR.iter().enumerate().filter(|(bit, _)| top >> bit & 1 == 1);
        each.fold(shifted, |check, (_, generator)| check ^ generator)
    })
}

/// Groups of five bits as bytes; `None` where bits are left over that are not padding.
fn bytes(values: &[u8]) -> Option<Vec<u8>> {
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for value in values {
        bits = bits << 5 | u32::from(*value);
        count += 5;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
            bits &= (1 << count) - 1;
        }
    }
    (count < 5 && bits == 0).then_some(bytes)
}
