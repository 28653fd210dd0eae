//! Mail going out: one port, three backends, and what happens when the first one fails.
//!
//! ```text
//!  Mail ─▶ Mails ─▶ Resend, where a key is set ─┬▶ taken
//!                   └──────── no key, or failed ─┴▶ folder: one .eml a mail
//! ```
//! A mail is never lost for want of a vendor: what cannot be sent stands in the data folder's `mail`,
//! whole, for the operator. What it is not: a queue that tries again, and not the `email` connector of
//! pipelines.

mod folder;
mod memory;
mod resend;
mod template;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

pub use folder::Folder;
pub use memory::Memory;
pub use resend::Resend;
pub(crate) use template::sign_in;

use crate::people::Email;

/// A mail.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Mail {
    /// Its id: a backend that is asked twice sends once.
    pub id: String,
    /// Whom it is for.
    pub to: Email,
    /// What it is about, in one line.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The same as HTML.
    pub html: String,
}

/// Why a mail was not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MailError {
    /// The vendor refused it or was not reached.
    #[error("the mail vendor did not take it: {0}")]
    Vendor(String),
    /// The file cannot be written.
    #[error("the mail's file: {0}")]
    Io(#[from] std::io::Error),
}

impl MailError {
    /// Stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Vendor(_) => "mail.vendor",
            Self::Io(_) => "mail.io",
        }
    }
}

/// Somewhere that mails go.
#[async_trait]
pub trait Mailer: fmt::Debug + Send + Sync + 'static {
    /// Takes one.
    ///
    /// # Errors
    /// [`MailError`] when it did not.
    async fn send(&self, mail: &Mail) -> Result<(), MailError>;
}

/// The host's mails: a vendor where one is set, and the folder behind it.
#[derive(Clone, Debug)]
pub struct Mails {
    first: Option<Arc<dyn Mailer>>,
    folder: Arc<Folder>,
}

impl Mails {
    /// Mails to `first`, and to the folder where it fails or is none.
    #[must_use]
    pub fn new(first: Option<Arc<dyn Mailer>>, folder: Folder) -> Self {
        Self { first, folder: Arc::new(folder) }
    }

    /// Sends a mail, one way or the other.
    ///
    /// # Errors
    /// [`MailError::Io`] when not even its file can be written.
    pub async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let Some(first) = &self.first else { return self.folder.send(mail).await };
        match first.send(mail).await {
            Ok(()) => Ok(()),
            Err(error) => {
                tracing::warn!(code = error.code(), %error, mail = mail.id, "a mail goes to its file");
                self.folder.send(mail).await
            }
        }
    }

    /// Writes a mail to its file and gives it to nobody.
    ///
    /// # Errors
    /// [`MailError::Io`] when its file cannot be written.
    pub async fn keep(&self, mail: &Mail) -> Result<(), MailError> {
        self.folder.send(mail).await
    }

    /// Whether there is a vendor that mails go to first.
    #[must_use]
    pub fn has_vendor(&self) -> bool {
        self.first.is_some()
    }

    /// Which way mails go, for people: told at the start.
    #[must_use]
    pub fn about(&self) -> String {
        let folder = self.folder.path().display();
        match self.first {
            Some(_) => format!("mails go to the vendor; those it does not take to {folder}"),
            None => format!("mails go to files in {folder}: no LEVQOR_RESEND_KEY is set"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail() -> Mail {
        Mail {
            id: "mail_1".to_owned(),
            to: Email::new("ada@example.com").unwrap(),
            subject: "Hello".to_owned(),
            text: "a".to_owned(),
            html: "<p>a</p>".to_owned(),
        }
    }

    #[tokio::test]
    async fn a_mail_that_the_vendor_does_not_take_stands_in_the_folder() {
        let place = tempfile::tempdir().unwrap();
        let vendor = Arc::new(Memory::default());
        let mails = Mails::new(Some(vendor.clone()), Folder::new(place.path().join("mail")));
        mails.send(&mail()).await.unwrap();
        assert_eq!(vendor.taken().len(), 1);
        assert!(!place.path().join("mail").exists());
        vendor.fail();
        mails.send(&mail()).await.unwrap();
        assert_eq!(std::fs::read_dir(place.path().join("mail")).unwrap().count(), 1);
    }
}
