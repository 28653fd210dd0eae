//! Goals in words with the actions that a person would expect: what planners are measured with.
//!
//! Not what any planner was made with: the matcher's own tests have their own goals. Some are beyond
//! a matcher of words, and stay here to say so.

mod goals;

pub use goals::GOALS;

/// One goal.
#[derive(Clone, Copy, Debug)]
pub struct Goal {
    /// What somebody would type.
    pub text: &'static str,
    /// The actions that do it, in order; none where no action here does any of it.
    pub uses: &'static [&'static str],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goals_are_many_and_differ() {
        let mut texts: Vec<&str> = GOALS.iter().map(|goal| goal.text).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), GOALS.len());
        assert!(GOALS.len() >= 60, "{}", GOALS.len());
        let refused = GOALS.iter().filter(|goal| goal.uses.is_empty()).count();
        assert!(refused >= 5, "{refused}");
    }
}
