//! [`Folder`]: one `.eml` file a mail, as mail programs open it.
//!
//! A mail may hold a sign-in link, so that only the host's own user may read folder and files.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::{Mail, MailError, Mailer};

/// Between the parts of a mail. No text of ours holds it.
const BOUNDARY: &str = "levqor-part-6f1e0c";

/// The folder.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder at this path; made with the first mail.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn write(&self, mail: &Mail) -> std::io::Result<()> {
        let mut folder = std::fs::DirBuilder::new();
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
            folder.mode(0o700);
            options.mode(0o600);
        }
        folder.recursive(true).create(&self.path)?;
        // Whole or not there: whoever looks into the folder meets no half of a mail.
        let half = self.path.join(format!("{}.half", mail.id));
        let mut file = options.open(&half)?;
        file.write_all(text_of(mail).as_bytes())?;
        std::fs::rename(half, self.path.join(format!("{}.eml", mail.id)))
    }
}

#[async_trait]
impl Mailer for Folder {
    async fn send(&self, mail: &Mail) -> Result<(), MailError> {
        let (folder, mail) = (self.clone(), mail.clone());
        let written = tokio::task::spawn_blocking(move || folder.write(&mail)).await;
        Ok(written.map_err(std::io::Error::other)??)
    }
}

/// The mail as RFC 5322 and MIME have it. Its parts stay readable: 8-bit, not encoded.
fn text_of(mail: &Mail) -> String {
    let Mail { id, to, subject, text, html } = mail;
    let subject = if subject.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) {
        subject.clone()
    } else {
        format!("=?utf-8?B?{}?=", STANDARD.encode(subject))
    };
    format!(
        "Message-ID: <{id}@levqor>\r\nTo: {to}\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/alternative; boundary=\"{BOUNDARY}\"\r\n\r\n\
         --{BOUNDARY}\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n\r\n{text}\r\n\
         --{BOUNDARY}\r\nContent-Type: text/html; charset=utf-8\r\n\
         Content-Transfer-Encoding: 8bit\r\n\r\n{html}\r\n--{BOUNDARY}--\r\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::people::Email;

    #[test]
    fn a_subject_breaks_no_header() {
        let mail = |subject: &str| Mail {
            id: "m".to_owned(),
            to: Email::new("ada@example.com").unwrap(),
            subject: subject.to_owned(),
            text: "t".to_owned(),
            html: "h".to_owned(),
        };
        assert!(text_of(&mail("Plain")).contains("\r\nSubject: Plain\r\n"));
        for subject in ["a\r\nBcc: eve@example.com", "a\nb", "Grüße"] {
            let text = text_of(&mail(subject));
            let head = text.split("\r\n\r\n").next().unwrap();
            assert_eq!(head.lines().count(), 5, "{head}");
            assert!(!head.contains("Bcc"), "{head}");
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn nobody_else_reads_a_mail() {
        use std::os::unix::fs::PermissionsExt as _;
        let place = tempfile::tempdir().unwrap();
        let folder = Folder::new(place.path().join("mail"));
        let mail = Mail {
            id: "mail_1".to_owned(),
            to: Email::new("ada@example.com").unwrap(),
            subject: "s".to_owned(),
            text: "t".to_owned(),
            html: "h".to_owned(),
        };
        folder.send(&mail).await.unwrap();
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(folder.path()), 0o700);
        assert_eq!(mode(&folder.path().join("mail_1.eml")), 0o600);
    }
}
