//! Words: what means the same, what means nothing here, what is an order to do something.

/// Words that mean the same to the matcher. The first of a group names it. A word may be in
/// several.
const GROUPS: &[&[&str]] = &[
    &[
        "send", "post", "publish", "share", "deliver", "announce", "notify", "ping", "tell",
        "forward", "message", "alert", "inform", "reply", "dm", "text", "know",
    ],
    &[
        "create", "make", "add", "new", "file", "raise", "insert", "append", "log", "record",
        "save", "store", "write", "register", "put", "schedule", "book", "draft",
    ],
    &[
        "get", "read", "fetch", "retrieve", "load", "download", "pull", "lookup", "check", "show",
        "list", "collect", "grab",
    ],
    &["list", "show", "enumerate"],
    &["search", "find", "query", "lookup", "look", "filter"],
    &["update", "change", "edit", "modify", "replace", "move", "set", "rename"],
    &["delete", "remove", "clear", "erase"],
    &["cancel", "stop", "revoke"],
    &[
        "chat",
        "ask",
        "answer",
        "prompt",
        "summarize",
        "summarise",
        "translate",
        "classify",
        "generate",
        "rewrite",
        "analyze",
        "analyse",
        "gpt",
        "chatgpt",
        "ai",
        "llm",
        "compose",
        "extract",
        "explain",
        "draft",
        "complete",
        "completion",
        "write",
        "describe",
        "improve",
        "suggest",
        "decide",
        "rate",
        "score",
        "evaluate",
    ],
    &["email", "mail", "inbox", "gmail"],
    &[
        "message",
        "msg",
        "dm",
        "note",
        "announcement",
        "notification",
        "reminder",
        "alert",
        "digest",
    ],
    &["sheet", "spreadsheet", "worksheet", "table"],
    &["row", "line", "record", "entry"],
    &["range", "row", "cell", "value"],
    &["issue", "bug"],
    &["ticket", "case", "request"],
    &["task", "todo", "card", "issue"],
    &["user", "person", "people", "member", "colleague"],
    &["contact", "lead", "subscriber", "prospect", "customer", "member"],
    &["customer", "client", "buyer"],
    &["page", "document", "doc", "article"],
    &["sms", "text"],
    &["meeting", "call", "appointment", "event"],
    &["refund", "reimburse", "reimbursement"],
    &["charge", "payment", "transaction"],
    &["request", "call", "http", "url", "endpoint", "api", "webhook", "website", "address"],
    &["comment", "remark", "note"],
    &["vector", "embedding"],
];

/// What people call connectors, beside their names.
const CALLED: &[(&str, &str)] = &[
    ("sheet", "google-sheets"),
    ("sheets", "google-sheets"),
    ("spreadsheet", "google-sheets"),
    ("calendar", "google-calendar"),
    ("drive", "google-drive"),
    ("outlook", "microsoft-graph"),
    ("teams", "microsoft-graph"),
    ("sms", "twilio"),
    ("whatsapp", "twilio"),
    ("gpt", "openai"),
    ("chatgpt", "openai"),
    ("claude", "anthropic"),
];

/// Services people name that may not be in a catalog: a part of a goal about one of these is left
/// out rather than given to another.
const SERVICES: &[&str] = &[
    "airtable",
    "anthropic",
    "asana",
    "bitbucket",
    "box",
    "calendly",
    "clickup",
    "discord",
    "dropbox",
    "facebook",
    "figma",
    "freshdesk",
    "github",
    "gitlab",
    "gmail",
    "hubspot",
    "instagram",
    "intercom",
    "jira",
    "linear",
    "linkedin",
    "mailchimp",
    "miro",
    "mongodb",
    "monday.com",
    "mysql",
    "notion",
    "openai",
    "outlook",
    "paypal",
    "pinterest",
    "pipedrive",
    "postgres",
    "quickbooks",
    "reddit",
    "resend",
    "s3",
    "salesforce",
    "sendgrid",
    "shopify",
    "slack",
    "snowflake",
    "spotify",
    "stripe",
    "telegram",
    "tiktok",
    "todoist",
    "trello",
    "twilio",
    "twitter",
    "typeform",
    "whatsapp",
    "wordpress",
    "xero",
    "youtube",
    "zendesk",
    "zoom",
];

/// Words together that mean one.
const PHRASES: &[(&str, &str)] = &[
    ("e-mail", "email"),
    ("money back", "refund"),
    ("look up", "lookup"),
    ("sign up", "register"),
    ("set up", "create"),
    ("get rid of", "delete"),
    ("spread sheet", "spreadsheet"),
];

const STOP: &[&str] = &[
    "a",
    "an",
    "the",
    "of",
    "to",
    "in",
    "on",
    "at",
    "by",
    "for",
    "from",
    "with",
    "via",
    "into",
    "onto",
    "using",
    "use",
    "through",
    "and",
    "or",
    "then",
    "it",
    "its",
    "them",
    "they",
    "this",
    "that",
    "these",
    "those",
    "me",
    "my",
    "our",
    "us",
    "we",
    "you",
    "your",
    "i",
    "is",
    "are",
    "be",
    "please",
    "also",
    "as",
    "so",
    "each",
    "every",
    "result",
    "results",
    "if",
    "there",
    "any",
    "about",
    "out",
    "up",
    "first",
    "finally",
    "next",
    "want",
    "would",
    "like",
    "can",
    "could",
    "should",
    "need",
    "after",
    "afterwards",
    "when",
    "whenever",
    "once",
    "some",
    "just",
];

/// Words that may stand before the order in a part of a goal.
const POLITE: &[&str] = &[
    "please",
    "also",
    "first",
    "finally",
    "next",
    "then",
    "and",
    "i",
    "we",
    "you",
    "want",
    "to",
    "would",
    "like",
    "can",
    "could",
    "should",
    "need",
    "lastly",
    "afterwards",
    "automatically",
    "let's",
    "kindly",
    "me",
    "it",
    "just",
    "immediately",
];

pub(super) fn is_stop(word: &str) -> bool {
    STOP.contains(&word)
}

pub(super) fn is_polite(word: &str) -> bool {
    POLITE.contains(&word)
}

pub(super) fn is_service(word: &str) -> bool {
    SERVICES.contains(&word)
}

/// What a connector is called beside its name, by word.
pub(super) fn called(word: &str) -> impl Iterator<Item = &'static str> {
    CALLED.iter().filter(move |(name, _)| *name == word).map(|(_, connector)| *connector)
}

/// Groups of verbs: the first so many of [`GROUPS`].
const VERBS: usize = 9;

/// Whether the word, as it stands and before `next`, can order something to be done.
pub(super) fn is_verb(word: &str, next: &str) -> bool {
    const MORE: [&str; 12] = [
        "email", "mail", "refund", "charge", "call", "wait", "sleep", "have", "let", "give",
        "turn", "drop",
    ];
    // Nouns unless somebody follows: `message me`.
    const NOUNS: [&str; 9] =
        ["new", "all", "message", "text", "ai", "gpt", "chatgpt", "llm", "completion"];
    const SOMEBODY: [&str; 9] =
        ["me", "us", "him", "her", "them", "everyone", "everybody", "my", "our"];
    if NOUNS.contains(&word) {
        return matches!(word, "message" | "text") && SOMEBODY.contains(&next);
    }
    MORE.contains(&word) || GROUPS[..VERBS].iter().any(|group| group.contains(&word))
}

/// What an order means beside itself: to email is to send an email.
pub(super) fn implied(order: &str) -> Option<&'static str> {
    matches!(order, "email" | "mail").then_some("send")
}

/// The groups that a word is in, as bits.
pub(super) fn groups(word: &str) -> u64 {
    let bits = GROUPS.iter().enumerate().filter(|(_, group)| group.contains(&word));
    bits.fold(0, |mask, (i, _)| mask | 1 << i)
}

/// The groups of verbs that a word is in, as bits.
pub(super) fn verbs(word: &str) -> u64 {
    groups(word) & ((1 << VERBS) - 1)
}

/// Whether an order changes, removes or cancels: groups 5 to 7.
pub(super) fn harms(order: &str) -> bool {
    groups(order) & 0b1110_0000 != 0
}

/// Whether two words mean the same to the matcher.
pub(super) fn alike(left: &str, right: &str) -> bool {
    groups(left) & groups(right) != 0
}

/// The words of a text in small letters, endings off, without those that mean nothing.
pub(super) fn terms(text: &str) -> Vec<String> {
    let text = text.to_lowercase();
    let text = PHRASES.iter().fold(text, |text, (from, to)| text.replace(from, to));
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty());
    words.map(base).filter(|w| !is_stop(w)).collect()
}

/// A word without its ending: `posting`, `posted`, `posts` are `post`.
pub(super) fn base(word: &str) -> String {
    let known = |w: &str| GROUPS.iter().any(|group| group.contains(&w));
    if known(word) || word.len() < 4 || !word.is_ascii() {
        return word.to_owned();
    }
    let endings =
        [("ies", "y"), ("es", ""), ("s", ""), ("ing", ""), ("ed", ""), ("ing", "e"), ("ed", "e")];
    for (ending, instead) in endings {
        let Some(stem) = word.strip_suffix(ending) else { continue };
        let candidate = format!("{stem}{instead}");
        if known(&candidate) {
            return candidate;
        }
        // A doubled last letter: `getting` is `get`.
        let bytes = stem.as_bytes();
        if bytes.len() > 2 && bytes[bytes.len() - 1] == bytes[bytes.len() - 2] {
            let single = stem[..stem.len() - 1].to_owned();
            if known(&single) {
                return single;
            }
        }
    }
    match word.strip_suffix('s') {
        Some(stem) if !stem.ends_with(['s', 'u', 'i']) => {
            word.strip_suffix("ies").map_or_else(|| stem.to_owned(), |stem| format!("{stem}y"))
        }
        _ => word.to_owned(),
    }
}
