//! The integration tests: one binary, one module for each subject.

#[cfg(all(test, feature = "plugins"))]
mod cli;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod sim;
#[cfg(test)]
mod tidy;
mod bad_input;
#[cfg(feature = "plugins")]
mod capture;
#[cfg(feature = "plugins")]
mod hostile;
mod ledger_race;
mod support;
#[cfg(feature = "plugins")]
mod vendors;
