//! The integration tests: one binary, one module for each subject.

#[cfg(test)]
mod bad_input;
#[cfg(all(test, feature = "plugins"))]
mod capture;
#[cfg(all(test, feature = "plugins"))]
mod cli;
#[cfg(all(test, feature = "plugins"))]
mod hostile;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod ledger_race;
#[cfg(test)]
mod sim;
#[cfg(test)]
mod support;
#[cfg(test)]
mod tidy;
#[cfg(all(test, feature = "plugins"))]
mod vendors;
