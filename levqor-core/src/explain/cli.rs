//! Codes of the command line itself: `cli.*`, and of its way to a host: `server.*`.

use super::Row;

pub(super) const ROWS: &[Row] = &[
    ("cli.doctor", "Something that is needed is not there", "Read the lines marked bad"),
    (
        "cli.exists",
        "The folder is there already; nothing was overwritten",
        "Use another name or --dir",
    ),
    ("cli.file", "A file cannot be read or written", "Look at its path and its permissions"),
    (
        "cli.input",
        "What --input names cannot be read as JSON or YAML, or cannot be merged",
        "levqor run --help shows the forms",
    ),
    (
        "cli.no_store",
        "There is no store where one was looked for",
        "Name another folder with --data-dir; levqor run FILE makes a store",
    ),
    ("cli.output", "stdout cannot be written", "Is the disk full, is the pipe closed?"),
    ("cli.runtime", "The system gave no threads", "Look at the limits of this user: ulimit -u"),
    ("cli.unknown_code", "No code has that name", "levqor explain lists all"),
    ("cli.usage", "The command line does not fit together", "levqor COMMAND --help"),
    (
        "server.not_a_host",
        "What answers at that address is not a Levqor host, or something before it answers",
        "Look at the URL of --server; curl URL/healthz says ok where a host is",
    ),
    (
        "server.unreachable",
        "The host that --server names cannot be reached, or the connection broke",
        "Is it running, and is the URL right? A run that was started goes on there",
    ),
];
