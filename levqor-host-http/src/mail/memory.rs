//! [`Memory`]: keeps mails in memory, for tests and embedders.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use parking_lot::Mutex;

use super::{Mail, MailError, Mailer};

/// Mails that were taken.
#[derive(Debug, Default)]
pub struct Memory {
    taken: Mutex<Vec<Mail>>,
    fails: AtomicBool,
}

impl Memory {
    /// Every mail so far.
    #[must_use]
    pub fn taken(&self) -> Vec<Mail> {
        self.taken.lock().clone()
    }

    /// Takes nothing from now on.
    pub fn fail(&self) {
        self.fails.store(true, Ordering::Relaxed);
    }
}

#[async_trait]
impl Mailer for Memory {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        if self.fails.load(Ordering::Relaxed) {
            return Err(MailError::Vendor("it was told to fail".to_owned()));
        }
        self.taken.lock().push(mail.clone());
        Ok(())
    }
}
