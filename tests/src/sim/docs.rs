//! Random documents: every kind of step, small enough that a seed is over in milliseconds.

use levqor_core::testing::Rng;
use serde_json::{Value, json};

/// Steps of one document at most.
const STEPS_MAX: u32 = 9;
/// Composites inside each other.
const DEPTH_MAX: u32 = 3;

/// A random document.
#[must_use]
pub fn document(seed: u64) -> Value {
    let mut maker = Maker { rng: Rng::new(seed), steps: 0 };
    let mut document = json!({
        "schema": "levqor/v1",
        "name": format!("p{seed}"),
        "retry": maker.retry(),
        "steps": maker.list(0),
    });
    let rng = &mut maker.rng;
    if rng.chance(15) {
        document["timeout"] = json!(format!("{}ms", 500 + rng.below(9_000)));
    }
    if rng.chance(12) {
        let on_exceed = if rng.chance(50) { "pause" } else { "fail" };
        document["limits"] = json!({"credits": 1 + rng.below(12), "on_exceed": on_exceed});
    }
    if rng.chance(6) {
        document["limits"] = json!({"steps": 1 + rng.below(6), "on_exceed": "fail"});
    }
    if rng.chance(10) {
        let words = ["queue", "queue", "skip", "cancel_running"];
        let on_limit = rng.pick(&words).copied().unwrap_or("queue");
        document["concurrency"] = json!({"limit": 1 + rng.below(2), "on_limit": on_limit});
    }
    if rng.chance(15) {
        document["priority"] = json!(1 + rng.below(5));
    }
    if maker.rng.chance(20) {
        document["on_failure"] = maker.list(2);
    }
    document
}

struct Maker {
    rng: Rng,
    steps: u32,
}

impl Maker {
    fn retry(&mut self) -> Value {
        let rng = &mut self.rng;
        let words = ["constant", "linear", "exponential"];
        let mut retry = json!({
            "max_attempts": 1 + rng.below(4),
            "backoff": rng.pick(&words),
            "delay": format!("{}ms", 1 + rng.below(800)),
            "max_delay": "2s",
            "jitter": 0.5,
        });
        if rng.chance(10) {
            retry["when"] = json!(true);
        }
        retry
    }

    fn list(&mut self, depth: u32) -> Value {
        let count = 1 + self.rng.below(if depth == 0 { 4 } else { 2 });
        let mut steps: Vec<Value> = (0..count).map(|_| self.step(depth)).collect();
        if count > 1 && self.rng.chance(20) {
            // A graph: each step waits for some of those before it.
            for index in 1..steps.len() {
                let needed = steps[self.rng.below(index as u64) as usize]["id"].clone();
                if self.rng.chance(60) {
                    steps[index]["needs"] = json!([needed]);
                }
            }
            if steps.iter().all(|s| s.get("needs").is_none()) {
                let first = steps[0]["id"].clone();
                steps[1]["needs"] = json!([first]);
            }
        }
        Value::Array(steps)
    }

    fn step(&mut self, depth: u32) -> Value {
        self.steps += 1;
        let id = format!("s{}", self.steps);
        let composite = depth < DEPTH_MAX && self.steps < STEPS_MAX && self.rng.chance(35);
        let mut step = if composite { self.composite(depth) } else { self.leaf() };
        step["id"] = json!(id);
        if self.rng.chance(10) {
            step["if"] = json!("${{ input.n > 4 }}");
        }
        step
    }

    fn leaf(&mut self) -> Value {
        match self.rng.below(20) {
            0 => json!({"uses": "core/set", "with": {"v": "${{ input.n }}"}}),
            1 | 2 => {
                let ms = self.rng.below(4_000);
                json!({"uses": "core/sleep", "with": {"for": format!("{ms}ms")}})
            }
            3 => json!({"uses": "core/wait_event", "with": {"event": "go", "timeout": "3s"}}),
            4 => json!({"uses": "core/wait_event", "with": {"event": "go"}}),
            5 => self.approval(),
            6 if self.rng.chance(40) => {
                json!({"uses": "core/fail", "with": {"message": "no", "kind": "not_found"}})
            }
            7 if self.rng.chance(30) => json!({"uses": "core/stop", "with": {"output": 1}}),
            _ => self.call(),
        }
    }

    fn approval(&mut self) -> Value {
        if self.rng.chance(50) {
            return json!({"uses": "core/approval", "with": {}});
        }
        let words = ["fail", "reject", "approve"];
        let on_expire = self.rng.pick(&words);
        json!({"uses": "core/approval", "with": {"expires": "2s", "on_expire": on_expire}})
    }

    fn call(&mut self) -> Value {
        let words = ["vendor/safe", "vendor/keyed", "vendor/unsafe"];
        let mut step = json!({"uses": self.rng.pick(&words), "with": {"n": "${{ input.n }}"}});
        if self.rng.chance(30) {
            step["retry"] = self.retry();
        }
        if self.rng.chance(30) {
            step["timeout"] = json!(format!("{}ms", 100 + self.rng.below(2_000)));
        }
        step
    }

    fn composite(&mut self, depth: u32) -> Value {
        let depth = depth + 1;
        let mut step = match self.rng.below(10) {
            0..=2 => {
                let items: Vec<u64> = (0..self.rng.below(4)).collect();
                let on_item_error = if self.rng.chance(50) { "continue" } else { "fail" };
                json!({
                    "for_each": items, "max_parallel": 1 + self.rng.below(3),
                    "on_item_error": on_item_error, "steps": self.list(depth),
                })
            }
            3 => json!({
                "while": "${{ index is undefined or index < 2 }}",
                "max_iterations": 3, "steps": self.list(depth),
            }),
            4..=6 => {
                let join = if self.rng.chance(40) { "any" } else { "all" };
                let branches: Vec<Value> = ["a", "b", "c"][..2 + self.rng.below(2) as usize]
                    .iter()
                    .map(|id| json!({"id": id, "steps": self.list(depth)}))
                    .collect();
                json!({"parallel": branches, "join": join})
            }
            7 => json!({
                "switch": [{"if": "${{ input.n > 5 }}", "steps": self.list(depth)}],
                "else": self.list(depth),
            }),
            _ => {
                let mut step = json!({"try": self.list(depth)});
                if self.rng.chance(70) {
                    step["catch"] = json!([{"steps": self.list(depth)}]);
                }
                if step.get("catch").is_none() || self.rng.chance(50) {
                    step["finally"] = self.list(depth);
                }
                step
            }
        };
        if self.rng.chance(15) {
            step["timeout"] = json!(format!("{}ms", 300 + self.rng.below(5_000)));
        }
        step
    }
}
