//! [`Guard`]: the memory limit of one call, and the record that it was reached.
//!
//! wasmtime reports a refused `memory.grow` as whatever the guest does next (usually an
//! `unreachable`), so the refusal is remembered here and turned into `plugin.memory`.

use wasmtime::ResourceLimiter;

use crate::limits;

/// Counts all linear memories of one store together.
#[derive(Debug)]
pub(crate) struct Guard {
    memory_bytes_max: usize,
    memory_bytes: usize,
    refused: bool,
}

impl Guard {
    /// A guard that allows `memory_bytes_max` bytes in all.
    pub(crate) fn new(memory_bytes_max: usize) -> Self {
        Self { memory_bytes_max, memory_bytes: 0, refused: false }
    }

    /// Whether anything was refused so far.
    pub(crate) fn refused(&self) -> bool {
        self.refused
    }
}

impl ResourceLimiter for Guard {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.memory_bytes.saturating_add(desired.saturating_sub(current));
        let within = total <= self.memory_bytes_max && maximum.is_none_or(|max| desired <= max);
        if within {
            self.memory_bytes = total;
        } else {
            self.refused = true;
        }
        Ok(within)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let within = desired <= limits::TABLE_ELEMENTS_MAX && maximum.is_none_or(|m| desired <= m);
        self.refused |= !within;
        Ok(within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_count_together_and_a_refusal_is_remembered() {
        let mut guard = Guard::new(100);
        assert!(guard.memory_growing(0, 60, None).unwrap());
        assert!(guard.memory_growing(0, 40, None).unwrap());
        assert!(!guard.refused());
        assert!(!guard.memory_growing(40, 41, None).unwrap());
        assert!(guard.refused());
        assert!(!Guard::new(100).memory_growing(0, 50, Some(49)).unwrap());
    }
}
