//! `needs`: which steps of a list wait for which, and that none waits for itself.

use std::collections::{BTreeSet, HashMap};

use super::Compiler;
use crate::document;

impl<'a> Compiler<'a> {
    /// For each step the indices of those it waits for; reports unknown ones and circles.
    pub(super) fn needs(&mut self, steps: &'a [document::Step], at: &str) -> Vec<Vec<u32>> {
        let places: HashMap<&str, usize> =
            steps.iter().enumerate().map(|(i, s)| (s.id.as_str(), i)).collect();
        let mut all = Vec::with_capacity(steps.len());
        for (i, step) in steps.iter().enumerate() {
            let mut mine = BTreeSet::new();
            for (n, id) in step.needs.iter().flatten().enumerate() {
                match places.get(id.as_str()).copied() {
                    Some(found) => {
                        mine.insert(u32::try_from(found).unwrap_or(u32::MAX));
                    }
                    None => {
                        let message = format!("there is no step `{id}` in this list");
                        let guess = self.guess(id, steps.iter().map(|s| s.id.as_str()));
                        let at = format!("{at}/{i}/needs/{n}");
                        let guess = guess.map(|g| format!("`{g}`"));
                        self.suggest("document.unknown_step", &at, message, guess);
                    }
                }
            }
            all.push(mine.into_iter().collect::<Vec<u32>>());
        }
        all
    }

    pub(super) fn check_circle(
        &mut self,
        steps: &[document::Step],
        needs: &[Vec<u32>],
        reach: &[BTreeSet<u32>],
        at: &str,
    ) {
        let Some(circle) = circle(needs, reach) else { return };
        let names: Vec<&str> = circle.iter().map(|i| steps[*i].id.as_str()).collect();
        let first = circle.first().copied().unwrap_or(0);
        let message = format!("steps need each other in a circle: {}", names.join(" → "));
        self.report("document.needs_cycle", &format!("{at}/{first}/needs"), message);
    }
}

/// For each step everything it waits for, directly or not.
pub(super) fn reach(needs: &[Vec<u32>]) -> Vec<BTreeSet<u32>> {
    let from = |start: usize| {
        let (mut seen, mut open) = (BTreeSet::new(), needs[start].clone());
        while let Some(next) = open.pop() {
            if seen.insert(next) {
                open.extend(&needs[next as usize]);
            }
        }
        seen
    };
    (0..needs.len()).map(from).collect()
}

/// A circle among `needs`, if there is one: it ends where it begins.
fn circle(needs: &[Vec<u32>], reach: &[BTreeSet<u32>]) -> Option<Vec<usize>> {
    let index = |i: usize| u32::try_from(i).unwrap_or(u32::MAX);
    let start = (0..needs.len()).find(|i| reach[*i].contains(&index(*i)))?;
    let mut path = vec![start];
    let mut at = start;
    loop {
        let back = |i: &&u32| **i == index(start) || reach[**i as usize].contains(&index(start));
        let next = *needs[at].iter().find(back)? as usize;
        path.push(next);
        if next == start || path.len() > needs.len() {
            return Some(path);
        }
        at = next;
    }
}
