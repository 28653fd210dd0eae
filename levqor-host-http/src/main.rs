//! `levqor-host-http`: reads the command line and serves.

use std::process::ExitCode;

fn main() -> ExitCode {
    levqor_host_http::args::main()
}
