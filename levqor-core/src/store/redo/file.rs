//! A redo file: groups one after another, each in a frame that is whole or does not count.
//!
//! ```text
//!  length u32 | crc32 u32 | version u8, sequence u64, then per write:
//!                           key length u32, value length u32 or all ones for none, key, value
//! ```
//!
//! A file is written from the front again and again; what an earlier round left behind the last
//! frame has lower numbers. Ground is laid with zeros ahead of the groups, so that syncing one
//! need not change the file's size.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use crate::store::StoreError;
use crate::store::group::Writes;

/// What this version writes.
const VERSION: u8 = 1;
/// Length and checksum.
const HEAD_BYTES: usize = 8;
/// Laid out at once.
const GROUND_BYTES: u64 = 1024 * 1024;
/// Stands for the length of a value that is not there.
const REMOVED: u32 = u32::MAX;

/// One of the files that take turns.
#[derive(Debug)]
pub(super) struct RedoFile {
    file: File,
    path: PathBuf,
    /// Where the next frame goes.
    end: u64,
    /// How far there is ground.
    ground: u64,
    frame: Vec<u8>,
}

impl RedoFile {
    fn open(path: &Path) -> Result<(Self, Vec<(u64, Writes)>), StoreError> {
        let options = OpenOptions::new().read(true).write(true).create(true).clone();
        let file = options.open(path).map_err(|e| unavailable(path, &e))?;
        let bytes = std::fs::read(path).map_err(|e| unavailable(path, &e))?;
        let groups = decode_all(&bytes)?;
        let ground = bytes.len() as u64;
        let path = path.to_owned();
        Ok((Self { file, path, end: 0, ground, frame: Vec::new() }, groups))
    }

    /// Appends a group, durable when this returns; how long the file is then.
    pub(super) fn append(&mut self, sequence: u64, writes: &Writes) -> Result<u64, StoreError> {
        encode(&mut self.frame, sequence, writes);
        let end = self.end + self.frame.len() as u64;
        let written = self.lay_ground(end).and_then(|()| {
            write_at(&self.file, &self.frame, self.end)?;
            self.file.sync_data()
        });
        written.map_err(|e| unavailable(&self.path, &e))?;
        self.end = end;
        Ok(end)
    }

    /// The next group goes to the front: nobody needs what is here.
    pub(super) fn rewind(&mut self) {
        self.end = 0;
    }

    /// Empties it, durably.
    pub(super) fn clear(&mut self) -> std::io::Result<()> {
        (self.end, self.ground) = (0, 0);
        self.file.set_len(0)?;
        self.file.sync_all()
    }

    fn lay_ground(&mut self, end: u64) -> std::io::Result<()> {
        if end > self.ground {
            let to = end.next_multiple_of(GROUND_BYTES);
            let zeros = vec![0; usize::try_from(to - self.ground).unwrap_or(0)];
            write_at(&self.file, &zeros, self.ground)?;
            self.ground = to;
        }
        Ok(())
    }
}

/// Both files, and the groups in them that a map which has all up to `known` lacks.
///
/// # Errors
/// `Corrupt` when a group before the last one is missing.
pub(super) fn open_both(
    zero: &Path,
    one: &Path,
    known: u64,
) -> Result<([RedoFile; 2], Vec<Writes>), StoreError> {
    let (zero, mut groups) = RedoFile::open(zero)?;
    let (one, more) = RedoFile::open(one)?;
    groups.extend(more);
    groups.retain(|(sequence, _)| *sequence > known);
    groups.sort_by_key(|(sequence, _)| *sequence);
    for ((sequence, _), expected) in groups.iter().zip(known + 1..) {
        if *sequence != expected {
            return Err(StoreError::Corrupt(format!(
                "group {expected} is missing in the redo log, group {sequence} is there"
            )));
        }
    }
    Ok(([zero, one], groups.into_iter().map(|(_, writes)| writes).collect()))
}

fn encode(frame: &mut Vec<u8>, sequence: u64, writes: &Writes) {
    frame.clear();
    frame.extend_from_slice(&[0; HEAD_BYTES]);
    frame.push(VERSION);
    frame.extend_from_slice(&sequence.to_be_bytes());
    for (key, value) in writes {
        let length = value.as_ref().map_or(REMOVED, |value| value.len() as u32);
        frame.extend_from_slice(&(key.len() as u32).to_be_bytes());
        frame.extend_from_slice(&length.to_be_bytes());
        frame.extend_from_slice(key);
        frame.extend_from_slice(value.as_deref().unwrap_or_default());
    }
    let length = (frame.len() - HEAD_BYTES) as u32;
    let crc = crc32fast::hash(&frame[HEAD_BYTES..]);
    frame[..4].copy_from_slice(&length.to_be_bytes());
    frame[4..HEAD_BYTES].copy_from_slice(&crc.to_be_bytes());
}

/// The groups at the front of a file, up to the first that is not whole or not the next one.
fn decode_all(mut bytes: &[u8]) -> Result<Vec<(u64, Writes)>, StoreError> {
    let mut groups: Vec<(u64, Writes)> = Vec::new();
    while let Some(body) = take_frame(&mut bytes) {
        let group = decode(body)?;
        if groups.last().is_some_and(|(last, _)| group.0 != last + 1) {
            break;
        }
        groups.push(group);
    }
    Ok(groups)
}

/// The next whole frame's body.
fn take_frame<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let mut rest = *bytes;
    let length = take_u32(&mut rest)? as usize;
    let crc = take_u32(&mut rest)?;
    let (body, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    (!body.is_empty() && crc32fast::hash(body) == crc).then_some(body)
}

/// A group of a body whose checksum is right.
fn decode(body: &[u8]) -> Result<(u64, Writes), StoreError> {
    let malformed = || StoreError::Corrupt("a group of the redo log is malformed".to_owned());
    let (version, rest) = body.split_first().ok_or_else(malformed)?;
    if *version != VERSION {
        return Err(StoreError::Format(format!(
            "its redo log has format {version}, this version knows {VERSION}; open it with a newer version"
        )));
    }
    let (sequence, mut rest) = rest.split_first_chunk().ok_or_else(malformed)?;
    let mut writes = Writes::new();
    while !rest.is_empty() {
        writes.push(take_write(&mut rest).ok_or_else(malformed)?);
    }
    Ok((u64::from_be_bytes(*sequence), writes))
}

fn take_write(rest: &mut &[u8]) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let key_length = take_u32(rest)? as usize;
    let value_length = take_u32(rest)?;
    let (key, after) = rest.split_at_checked(key_length)?;
    *rest = after;
    if value_length == REMOVED {
        return Some((key.to_vec(), None));
    }
    let (value, after) = rest.split_at_checked(value_length as usize)?;
    *rest = after;
    Some((key.to_vec(), Some(value.to_vec())))
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    let (number, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u32::from_be_bytes(*number))
}

/// Makes the names in a directory durable: syncing a new file need not. Where a directory cannot be
/// opened as a file (not on Unix) there is nothing to be done.
pub(in crate::store) fn sync_names(dir: &Path) -> Result<(), StoreError> {
    match File::open(dir) {
        Ok(open) => open.sync_all().map_err(|e| unavailable(dir, &e)),
        Err(_) => Ok(()),
    }
}

/// Room behind the end of a file, which keeps its length.
#[cfg(target_os = "linux")]
pub(in crate::store) fn reserve(file: &File, bytes: u64) -> std::io::Result<()> {
    use rustix::fs::FallocateFlags;
    use rustix::io::Errno;
    let length = file.metadata()?.len();
    match rustix::fs::fallocate(file, FallocateFlags::KEEP_SIZE, length, bytes) {
        // There the map meets a full disk itself.
        Err(Errno::OPNOTSUPP) | Ok(()) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
pub(in crate::store) fn reserve(_: &File, _: u64) -> std::io::Result<()> {
    Ok(())
}

/// The file beside the map whose name begins with `prefix`.
pub(super) fn named(prefix: &Path, end: &str) -> PathBuf {
    let mut name = prefix.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// The directory that a file is in.
pub(in crate::store) fn directory_of(path: &Path) -> &Path {
    path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The error of an operation on a file.
pub(in crate::store) fn unavailable(path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unavailable(format!("{}: {error}", path.display()))
}

#[cfg(unix)]
pub(super) fn write_at(file: &File, bytes: &[u8], at: u64) -> std::io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(not(unix))]
pub(super) fn write_at(mut file: &File, bytes: &[u8], at: u64) -> std::io::Result<()> {
    use std::io::{Seek, SeekFrom, Write};
    file.seek(SeekFrom::Start(at))?;
    file.write_all(bytes)
}
