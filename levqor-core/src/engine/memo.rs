//! [`Memo`]: what records were decoded to.
//!
//! For the few small records that every start reads: the name of a pipeline, an organization's plan.
//! It is *not* a cache of the store: a record is read each time, and only its decoding is saved, for
//! as long as it stands at the revision that was decoded.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::error::Error;
use crate::store::{Key, Record, Revision, Value};

/// Records whose decoded form is kept; past it all are dropped and decoded again as needed.
const KEPT_MAX: usize = 1_024;

/// Decoded records by key, each with its revision.
#[derive(Debug)]
pub(crate) struct Memo<T>(Mutex<HashMap<Key, (Revision, Arc<T>)>>);

impl<T> Default for Memo<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Memo<T> {
    /// The record at `key`, decoded now or before.
    ///
    /// # Errors
    /// What `decode` says; nothing is kept of it.
    pub(crate) fn get(
        &self,
        key: Key,
        record: &Record,
        decode: impl FnOnce(&Value) -> Result<T, Error>,
    ) -> Result<Arc<T>, Error> {
        if let Some((revision, decoded)) = self.0.lock().get(&key)
            && *revision == record.revision
        {
            return Ok(decoded.clone());
        }
        let decoded = Arc::new(decode(&record.value)?);
        let mut kept = self.0.lock();
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(key, (record.revision, decoded.clone()));
        Ok(decoded)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::codec;
    use crate::store::Table;

    fn record(revision: u64, text: &str) -> Record {
        Record { value: Value::copy_from_slice(text.as_bytes()), revision: Revision(revision) }
    }

    fn length(value: &Value) -> Result<usize, Error> {
        if value.is_empty() { Err(codec::corrupt("nothing")) } else { Ok(value.len()) }
    }

    #[test]
    fn a_record_is_decoded_once_a_revision() {
        let memo = Memo::default();
        let key = |id: u64| Key::of(Table::Pipeline).number(id);
        assert_eq!(*memo.get(key(1), &record(1, "ab"), length).unwrap(), 2);
        let not_again = |_: &Value| -> Result<usize, Error> { panic!("it was decoded before") };
        assert_eq!(*memo.get(key(1), &record(1, "ab"), not_again).unwrap(), 2);
        assert_eq!(*memo.get(key(1), &record(2, "abc"), length).unwrap(), 3);
        assert_eq!(*memo.get(key(2), &record(2, "a"), length).unwrap(), 1);
        assert!(memo.get(key(3), &record(3, ""), length).is_err());
        assert_eq!(*memo.get(key(3), &record(3, "a"), length).unwrap(), 1, "an error is not kept");
        for id in 10..10 + 2 * KEPT_MAX as u64 {
            memo.get(key(id), &record(1, "a"), length).unwrap();
        }
        assert!(memo.0.lock().len() <= KEPT_MAX);
    }
}
