//! The host's own letters: plain text, and the same as small HTML.

use super::Mail;
use crate::ids;
use crate::people::Email;

/// A letter of paragraphs, one of which may be a link.
struct Letter<'a> {
    subject: &'a str,
    before: &'a [&'a str],
    link: &'a str,
    after: &'a [&'a str],
}

impl Letter<'_> {
    fn to(&self, to: &Email) -> Mail {
        let paragraphs = || self.before.iter().chain([&self.link]).chain(self.after);
        let text: Vec<&str> = paragraphs().copied().collect();
        let html: String = paragraphs()
            .map(|text| {
                let shown = escape(text);
                if *text == self.link {
                    format!("<p><a href=\"{shown}\" rel=\"noreferrer\">{shown}</a></p>\n")
                } else {
                    format!("<p>{shown}</p>\n")
                }
            })
            .collect();
        Mail {
            id: ids::make("mail"),
            to: to.clone(),
            subject: self.subject.to_owned(),
            text: text.join("\n\n"),
            html: format!("<!doctype html>\n<html lang=\"en\"><body>\n{html}</body></html>"),
        }
    }
}

/// The letter with a sign-in link.
pub(crate) fn sign_in(to: &Email, link: &str, minutes: u64) -> Mail {
    let time = format!("It works once, within {minutes} minutes.");
    Letter {
        subject: "Sign in to Levqor",
        before: &["Open this link to sign in to Levqor:"],
        link,
        after: &[&time, "If you did not ask for it, do nothing: without the link nobody gets in."],
    }
    .to(to)
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_says_the_same_twice_and_html_is_escaped() {
        let to = Email::new("ada@example.com").unwrap();
        let mail = sign_in(&to, "http://h/?a=1&b=\"><script>", 15);
        assert!(mail.text.contains("http://h/?a=1&b=\"><script>"));
        assert!(mail.text.contains("within 15 minutes"));
        assert!(mail.html.contains("href=\"http://h/?a=1&amp;b=&quot;&gt;&lt;script&gt;\""));
        assert!(!mail.html.contains("<script>"));
    }
}
