//! The integration tests: one binary, one module for each subject.

#[cfg(test)]
mod bad_input;
#[cfg(feature = "plugins")]
#[cfg(test)]
mod capture;
#[cfg(feature = "plugins")]
#[cfg(test)]
mod cli;
#[cfg(feature = "plugins")]
#[cfg(test)]
mod hostile;
#[cfg(feature = "plugins")]
#[cfg(test)]
mod http;
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
#[cfg(feature = "plugins")]
#[cfg(test)]
mod vendors;
