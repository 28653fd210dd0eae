//! `doctor`: what about this configuration is unsafe, and what to type about each.
//!
//! It looks at settings, files and the disk, and touches nothing. A store that a host has open is
//! left alone: what only the store knows is then asked of the host.

use std::fmt;
use std::path::Path;

use levqor_core::time::Timestamp;

use super::listen;
use crate::backup::Backups;
use crate::caller::key::ApiKey;
use crate::config::Config;
use crate::desk::Desk;
use crate::flags::{Flag, Flags};
use crate::observe::Metrics;

/// An admin key that is older should be rotated: a year is what auditors ask for.
const KEY_DAYS_MAX: u64 = 365;
/// Free space below which a store soon cannot grow.
const FREE_BYTES_MIN: u64 = 1024 * 1024 * 1024;
/// How far the clock may stand before a file that it wrote.
const SKEW_MS_MAX: u64 = 60_000;
const DAY_MS: u64 = 86_400_000;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grade {
    /// Somebody can get in, or something will be lost.
    Unsafe,
    /// Not as it should be.
    Weak,
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) grade: Grade,
    /// Stable code.
    pub(crate) code: &'static str,
    what: String,
    /// What to type.
    action: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grade = match self.grade {
            Grade::Unsafe => "unsafe",
            Grade::Weak => "weak",
        };
        write!(f, "{grade}: {} ({})\n  type: {}", self.what, self.code, self.action)
    }
}

fn finding(grade: Grade, code: &'static str, what: String, action: String) -> Finding {
    Finding { grade, code, what, action }
}

/// Everything that is not as it should be.
pub(crate) async fn examine(config: &Config, now: Timestamp) -> Vec<Finding> {
    let mut found = Vec::new();
    found.extend(front_door(config));
    if let Err(error) = listen(&config.ops_listen) {
        let action = "LEVQOR_OPS_LISTEN=127.0.0.1:7701".to_owned();
        found.push(finding(Grade::Unsafe, "doctor.ops_listen", error.to_string(), action));
    }
    for name in ["", "vault", "backups", "logs"] {
        found.extend(readable(&config.data_dir.join(name)));
    }
    found.extend(backups(config, now));
    found.extend(flags(config));
    found.extend(disk(&config.data_dir));
    found.extend(admin_key(config, now).await);
    found
}

/// A host that others reach must be reached through TLS.
fn front_door(config: &Config) -> Option<Finding> {
    let listen = config.listen;
    let is_sealed = !config.tls.is_none() || config.public_url.starts_with("https://");
    if listen.ip().is_loopback() || is_sealed {
        return None;
    }
    let what = format!(
        "it listens on {listen} for everybody, and keys would be sent in the clear: it has no \
         certificate, and no public_url says that TLS stands before it"
    );
    let action = "LEVQOR_TLS_CERT=chain.pem LEVQOR_TLS_KEY=key.pem, or \
                  LEVQOR_LISTEN=127.0.0.1:7700 behind a proxy with TLS and \
                  LEVQOR_PUBLIC_URL=https://your.name";
    Some(finding(Grade::Unsafe, "doctor.no_tls", what, action.to_owned()))
}

/// What others on the machine can read.
#[cfg(unix)]
fn readable(path: &Path) -> Option<Finding> {
    use std::os::unix::fs::PermissionsExt as _;
    let mode = path.metadata().ok()?.permissions().mode() & 0o777;
    let shown = path.display();
    (mode & 0o077 != 0).then(|| {
        let what = format!("others on this machine can read {shown} (mode {mode:o})");
        finding(Grade::Unsafe, "doctor.readable", what, format!("chmod 700 {shown}"))
    })
}

#[cfg(not(unix))]
fn readable(_path: &Path) -> Option<Finding> {
    None
}

fn backups(config: &Config, now: Timestamp) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut add = |grade, code, what: String, action: &str| {
        found.push(finding(grade, code, what, action.to_owned()));
    };
    let backups = match Backups::new(config, Metrics::new().into()) {
        Ok(backups) => backups,
        Err(error) => {
            let what = format!("backup.age_recipient: {error}");
            add(Grade::Unsafe, "doctor.recipient", what, "age-keygen -o backup.key");
            return found;
        }
    };
    let (list, hours) = (backups.list(), config.backup.every_hours);
    if hours == 0 {
        let what = "no backups are taken by the clock".to_owned();
        add(Grade::Unsafe, "doctor.backups_off", what, "LEVQOR_BACKUP_EVERY_HOURS=24");
    }
    let newest = list.first().map(|newest| now.since_ms(newest.verified));
    let old_ms = u64::from(hours.max(1)) * 3_600_000 * 2;
    match newest {
        None if config.data_dir.join("store").exists() => {
            let what = "there is a store and no verified backup of it".to_owned();
            add(
                Grade::Weak,
                "doctor.no_backup",
                what,
                "levqor-host-http serve, then POST /ops/backup",
            );
        }
        Some(age_ms) if age_ms > old_ms && hours > 0 => {
            let what = format!("the newest verified backup is {} hours old", age_ms / 3_600_000);
            add(Grade::Unsafe, "doctor.backup_old", what, "curl $HOST/ops/backup for why");
        }
        _ => {}
    }
    if !backups.is_sealing() {
        let what = "backups are not encrypted".to_owned();
        add(Grade::Weak, "doctor.backups_plain", what, "LEVQOR_BACKUP_AGE_RECIPIENT=age1…");
    }
    let ahead = list.first().map_or(0, |newest| newest.created.since_ms(now));
    if ahead > SKEW_MS_MAX {
        let what = format!("the clock stands {} s before the newest backup", ahead / 1_000);
        add(Grade::Unsafe, "doctor.clock", what, "timedatectl set-ntp true");
    }
    found
}

fn flags(config: &Config) -> Vec<Finding> {
    match Flags::load(&config.data_dir, Metrics::new().into()) {
        Err(error) => {
            let action = format!("edit {}", config.data_dir.join(crate::flags::FILE).display());
            vec![finding(Grade::Unsafe, "doctor.flags", error.to_string(), action)]
        }
        Ok(flags) => Flag::ALL
            .into_iter()
            .filter(|flag| !flags.is_on(*flag))
            .map(|flag| {
                let name = flag.as_str();
                let what = format!("the flag {name} is off: {}", flag.about());
                let action = format!("{name} = true in flags.toml, unset LEVQOR_FLAG_*");
                finding(Grade::Weak, "doctor.flag_off", what, action)
            })
            .collect(),
    }
}

fn disk(data_dir: &Path) -> Option<Finding> {
    let free = free_bytes(data_dir)?;
    (free < FREE_BYTES_MIN).then(|| {
        let what = format!("the disk has {} MiB left", free / (1024 * 1024));
        let action = format!("df -h {}", data_dir.display());
        finding(Grade::Unsafe, "doctor.disk", what, action)
    })
}

#[cfg(unix)]
fn free_bytes(path: &Path) -> Option<u64> {
    let mut path = path;
    while !path.exists() {
        path = path.parent()?;
    }
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let found = rustix::fs::statvfs(path).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(not(unix))]
fn free_bytes(_path: &Path) -> Option<u64> {
    None
}

/// The age of the operator's keys, where no host has the store open.
async fn admin_key(config: &Config, now: Timestamp) -> Option<Finding> {
    let spec = config.store_spec().ok()?;
    // A store that is not there must not be made by looking.
    if !spec.path()?.exists() {
        return None;
    }
    let store = spec.open().ok()?;
    let keys = Desk::new(store).list::<ApiKey>(&[], None, 1_000).await.ok()?;
    let of_operator = keys.into_iter().map(|found| found.record).filter(|key| {
        let live = key.expires.is_none_or(|at| at > now);
        live && key.organization.as_str() == crate::people::organization::OPERATOR
    });
    let oldest = of_operator.map(|key| key.created).min()?;
    let days = now.since_ms(oldest) / DAY_MS;
    (days > KEY_DAYS_MAX).then(|| {
        let what = format!("a key of the operator's organization is {days} days old");
        let action = "make another with POST /api/v1/keys, revoke the old one".to_owned();
        finding(Grade::Weak, "doctor.key_old", what, action)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(found: &[Finding]) -> Vec<&'static str> {
        found.iter().map(|finding| finding.code).collect()
    }

    #[test]
    fn a_door_for_everybody_needs_tls_before_it() {
        for (listen, public_url, cert, wanted) in [
            ("127.0.0.1:7700", "", "", false),
            ("[::1]:7700", "", "", false),
            ("0.0.0.0:7700", "", "", true),
            ("0.0.0.0:7700", "", "chain.pem", false),
            ("10.0.0.1:7700", "http://levqor.example", "", true),
            ("0.0.0.0:7700", "https://levqor.example", "", false),
        ] {
            let mut config = Config::in_folder(Path::new("x"));
            config.listen = listen.parse().unwrap();
            config.public_url = public_url.to_owned();
            config.tls.cert = cert.into();
            config.tls.key = cert.into();
            let found = front_door(&config);
            assert_eq!(found.is_some(), wanted, "{listen} {public_url} {cert}");
        }
    }

    #[tokio::test]
    async fn each_finding_says_what_to_type() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::in_folder(folder.path());
        config.listen = "0.0.0.0:7700".parse().unwrap();
        config.ops_listen = "0.0.0.0:7701".to_owned();
        config.backup.every_hours = 0;
        std::fs::write(folder.path().join("flags.toml"), "planner = false").unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let open = std::fs::Permissions::from_mode(0o755);
            std::fs::set_permissions(folder.path(), open).unwrap();
        }
        let found = examine(&config, Timestamp(1_700_000_000_000)).await;
        let wanted = [
            "doctor.no_tls",
            "doctor.ops_listen",
            "doctor.readable",
            "doctor.backups_off",
            "doctor.backups_plain",
            "doctor.flag_off",
        ];
        for code in wanted {
            assert!(codes(&found).contains(&code), "{code} in {found:?}");
        }
        assert!(found.iter().all(|finding| !finding.action.is_empty()));
    }

    #[tokio::test]
    async fn a_careful_operator_reads_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::in_folder(folder.path());
        config.backup.age_recipient =
            "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p".to_owned();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let own = std::fs::Permissions::from_mode(0o700);
            std::fs::set_permissions(folder.path(), own).unwrap();
        }
        let found = examine(&config, Timestamp(1_700_000_000_000)).await;
        let found: Vec<_> = found.iter().filter(|f| f.code != "doctor.disk").collect();
        assert!(found.is_empty(), "{found:?}");
    }
}
