//! The integration tests: one binary, one module for each subject.

#[cfg(all(test, feature = "plugins"))]
mod cli;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod sim;
#[cfg(test)]
mod tidy;
