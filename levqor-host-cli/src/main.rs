//! `levqor`: the engine in a terminal, on an embedded store or on a host.
//!
//! It is a host and nothing more: it reads what was typed, opens a store, lets the engine work and
//! prints what came out. Pipelines, runs, credits and plugins are decided in the two libraries
//! below it. stdout is data only; everything else is stderr.

mod args;
mod catalog;
#[cfg(test)]
mod codes_tests;
mod commands;
mod diagnostics;
mod exit;
mod failure;
mod files;
mod follow;
mod output;
mod progress;
mod server;
mod session;
mod story;
mod yaml;

fn main() -> std::process::ExitCode {
    commands::main()
}
