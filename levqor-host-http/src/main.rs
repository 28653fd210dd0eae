//! `levqor-host-http`: reads the command line and serves.

use std::process::ExitCode;

// Many threads make and free many small things; the system's own allocator has them wait.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    levqor_host_http::args::main()
}
