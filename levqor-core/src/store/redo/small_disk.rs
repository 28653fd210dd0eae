//! A disk that is soon full, for tests of maps behind the log.

/// A small file system of its own, gone when dropped.
pub(in crate::store) struct SmallDisk(pub(in crate::store) tempfile::TempDir);

impl SmallDisk {
    /// `None` where mounting is not allowed.
    pub(in crate::store) fn mount() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"]).arg(dir.path());
        let mounted = mount.output().is_ok_and(|done| done.status.success());
        mounted.then(|| Self(dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}
