//! The native side: a small world in memory, filled and read by [`crate::testing`]. It decides
//! what a host would decide (granted hosts, known credentials) and notes what went wrong.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use crate::Level;
use crate::http::{HttpError, Request};
use crate::response::Response;
use crate::state::StateError;
use crate::testing::{Mock, Sent};

/// One world, shared by a harness and the context of its call.
pub(crate) type Backend = Rc<World>;

/// A request and what came of it, before anyone judged the status.
pub(crate) type Exchange = Result<Response, HttpError>;

/// Everything outside the sandbox, in memory.
#[derive(Debug, Default)]
pub(crate) struct World {
    pub(crate) hosts: Vec<&'static str>,
    pub(crate) credentials: Vec<&'static str>,
    pub(crate) wants_state: bool,
    pub(crate) wants_secrets: bool,
    pub(crate) secrets: RefCell<BTreeMap<String, String>>,
    pub(crate) mocks: RefCell<Vec<Mock>>,
    pub(crate) sent: RefCell<Vec<Sent>>,
    pub(crate) log: RefCell<Vec<(Level, String)>>,
    pub(crate) state: RefCell<BTreeMap<String, (Vec<u8>, u64)>>,
    pub(crate) now_unix_ms: Cell<u64>,
    /// What no real host would have let pass; a run that leaves one here fails its test.
    pub(crate) problems: RefCell<Vec<String>>,
}

impl World {
    pub(crate) fn send(&self, request: &Request) -> Exchange {
        let sent = Sent::from(request);
        self.sent.borrow_mut().push(sent.clone());
        let host = request.host();
        if !self.hosts.iter().any(|pattern| host_matches(pattern, &host)) {
            self.problem(format!("{} goes to a host the manifest does not name", sent.line()));
            return Err(HttpError::Denied(format!("{host} is not granted")));
        }
        if let Some(name) = request.auth.credential() {
            if !self.credentials.contains(&name) {
                self.problem(format!("credential `{name}` is not in the manifest"));
            }
            if !self.secrets.borrow().contains_key(name) {
                return Err(HttpError::UnknownCredential(name.to_owned()));
            }
        }
        let mut mocks = self.mocks.borrow_mut();
        if let Some(mock) = mocks.iter_mut().find(|mock| mock.takes(&sent)) {
            return mock.answer();
        }
        self.problem(format!("nobody mocks {}", sent.line()));
        Err(HttpError::Connect("no mock".to_owned()))
    }

    pub(crate) fn send_all(&self, requests: &[Request]) -> Vec<Exchange> {
        requests.iter().map(|request| self.send(request)).collect()
    }

    pub(crate) fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        let mut line = message.to_owned();
        for (name, value) in fields {
            line.push_str(&format!(" {name}={value}"));
        }
        self.log.borrow_mut().push((level, line));
    }

    pub(crate) fn state_get(&self, key: &str) -> Result<Option<(Vec<u8>, u64)>, StateError> {
        self.may_state()?;
        Ok(self.state.borrow().get(key).cloned())
    }

    pub(crate) fn state_put(
        &self,
        key: &str,
        value: &[u8],
        if_version: Option<u64>,
    ) -> Result<u64, StateError> {
        self.may_state()?;
        let mut state = self.state.borrow_mut();
        let version = state.get(key).map_or(0, |(_, version)| *version);
        if if_version.is_some_and(|wanted| wanted != version) {
            return Err(StateError::Conflict);
        }
        state.insert(key.to_owned(), (value.to_vec(), version + 1));
        Ok(version + 1)
    }

    pub(crate) fn state_delete(&self, key: &str) -> Result<(), StateError> {
        self.may_state()?;
        self.state.borrow_mut().remove(key);
        Ok(())
    }

    pub(crate) fn reveal(&self, name: &str) -> Result<String, String> {
        if !self.wants_secrets {
            return Err("not asked for in the manifest".to_owned());
        }
        self.secrets.borrow().get(name).cloned().ok_or_else(|| "not there".to_owned())
    }

    pub(crate) fn now_unix_ms(&self) -> u64 {
        self.now_unix_ms.get()
    }

    pub(crate) fn problem(&self, what: String) {
        self.problems.borrow_mut().push(what);
    }

    fn may_state(&self) -> Result<(), StateError> {
        if self.wants_state { Ok(()) } else { Err(StateError::Denied) }
    }
}

/// `*` is any, `*.slack.com` any below (not slack.com itself), else the very host.
fn host_matches(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(parent) => host.strip_suffix(parent).is_some_and(|rest| rest.ends_with('.')),
        None => pattern == "*" || pattern == host,
    }
}

#[cfg(test)]
mod tests {
    use super::host_matches;

    #[test]
    fn host_patterns() {
        for (pattern, host, matches) in [
            ("*", "anything", true),
            ("slack.com", "slack.com", true),
            ("slack.com", "evilslack.com", false),
            ("*.slack.com", "files.slack.com", true),
            ("*.slack.com", "evilslack.com", false),
            ("*.slack.com", "slack.com", false),
        ] {
            assert_eq!(host_matches(pattern, host), matches, "{pattern} {host}");
        }
    }
}
