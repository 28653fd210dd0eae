//! A journal's event as the API shows it: times in RFC 3339, places as paths.

use levqor_core::pipeline::Pipeline;
use levqor_core::run::{Event, path_of};
use levqor_core::time::Timestamp;
use serde_json::{Map, Value};

/// Members of events that are moments. `at` is one in `run.started`, and a place elsewhere.
const MOMENTS: [&str; 4] = ["at", "deadline", "due", "retry_at"];

/// The event, with the path of its step where the pipeline is at hand.
pub(super) fn view(event: &Event, pipeline: Option<&Pipeline>) -> Map<String, Value> {
    let Ok(Value::Object(mut members)) = serde_json::to_value(event) else { return Map::new() };
    for name in MOMENTS {
        if let Some(moment) = members.get_mut(name)
            && let Some(ms) = moment.as_i64()
        {
            *moment = Timestamp(ms).to_string().into();
        }
    }
    let place: Option<Vec<u32>> = members.get("at").and_then(|at| {
        at.as_array()?.iter().map(|part| part.as_u64().and_then(|n| n.try_into().ok())).collect()
    });
    if let (Some(place), Some(pipeline)) = (place, pipeline) {
        members.insert("path".to_owned(), path_of(pipeline, &place).into());
    }
    members
}

/// The event's name: `step.succeeded`.
pub(super) fn name(members: &Map<String, Value>) -> &str {
    members.get("event").and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn moments_are_times_and_places_stay_places() {
        let waiting = Event::StepWaiting {
            at: vec![0, 1],
            step: "nap".into(),
            waits_for: levqor_core::run::WaitFor::Sleep,
            due: Some(Timestamp(1_700_000_000_000)),
        };
        let members = view(&waiting, None);
        assert_eq!(members["due"], "2023-11-14T22:13:20.000Z");
        assert_eq!(members["at"], serde_json::json!([0, 1]));
        assert_eq!(name(&members), "step.waiting");
        // A value that a step gave is nobody's moment.
        let output = Arc::new(serde_json::json!({ "at": 5 }));
        let done = Event::StepSucceeded { at: vec![0], step: "a".into(), output: Some(output) };
        assert_eq!(view(&done, None)["output"]["at"], 5);
    }
}
