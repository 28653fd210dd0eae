//! Prompts, replies and the repair loop.

use serde_json::{Value, json};

use super::super::*;
use super::{catalog, connector, document};

#[test]
fn replies_are_found_in_what_surrounds_them() {
    let text = document().to_string();
    let strict = json!({ "document": text, "note": "n" }).to_string();
    let replies = [
        text.clone(),
        format!("```json\n{text}\n```"),
        format!("Here you are:\n\n```\n{text}\n```\nHave fun {{}}"),
        format!("I used {{braces}} and {{\"a\": 1}} before.\n{text}"),
        json!({ "document": document(), "note": "n" }).to_string(),
        strict.clone(),
        format!("```json\n{strict}\n```"),
        format!("\u{feff}{text}"),
    ];
    for reply in replies {
        assert_eq!(parse(&reply), Ok(document()), "{reply}");
    }
    let deep = format!("{{\"steps\":[{}{}]}}", "[".repeat(100), "]".repeat(100));
    let deeper = format!("{{\"steps\":[{}{}]}}", "[".repeat(100_000), "]".repeat(100_000));
    let table = [
        (String::new(), PlanError::NoDocument),
        ("I can't do that.".to_owned(), PlanError::NoDocument),
        ("{\"steps\": 1}".to_owned(), PlanError::NoDocument),
        ("{\"steps\": [".to_owned(), PlanError::NoDocument),
        ("{".repeat(1_000), PlanError::NoDocument),
        (json!({ "document": "no" }).to_string(), PlanError::NoDocument),
        (deep, PlanError::TooDeep),
        (deeper, PlanError::TooDeep),
        (" ".repeat(REPLY_BYTES_MAX + 1), PlanError::ReplyTooLong),
    ];
    for (reply, error) in table {
        assert_eq!(parse(&reply), Err(error), "{}", reply.chars().take(40).collect::<String>());
    }
}

#[test]
fn the_prompt_holds_goal_and_catalog_as_data() {
    let messages = prompt(&catalog(), "post \"x\"\nto slack\u{202e}").unwrap();
    assert_eq!(messages.len(), 2);
    assert!(messages[0].content.contains(r#""uses":"slack/post_message""#));
    assert!(messages[1].content.ends_with(r#"{"goal":"post \"x\"\nto slack⟨U+202E⟩"}"#));
    assert_eq!(prompt(&catalog(), " \n"), Err(PlanError::GoalEmpty));
    assert_eq!(prompt(&catalog(), &"x".repeat(9_000)), Err(PlanError::GoalTooLong));
    // However large the catalog, every action is named and the prompt stays within bounds.
    let many: Vec<_> = (0..1_000)
        .map(|n| {
            connector(&format!("c{n}"), "About", &[("act", "Do it", &["a!", "b", "c"], &["d"])])
        })
        .chain(catalog())
        .collect();
    let big = prompt(&many, "post a message to slack").unwrap();
    let content = &big[0].content;
    assert!(content.contains(r#"{"uses":"c999/act"}"#) && content.len() < 2 * CATALOG_BYTES_MAX);
    assert!(content.contains(r#""title":"Post a message to a channel""#), "the fitting ones first");
    jsonschema::meta::validate(&reply_schema()).unwrap();
}

/// Refuses documents of another name; counts how often it is asked.
fn named(name: &'static str) -> impl Fn(&Value) -> Result<(), Vec<String>> {
    move |document| {
        if document["name"] == name { Ok(()) } else { Err(vec![format!("/name: must be {name}")]) }
    }
}

#[test]
fn the_repair_loop_is_bounded() {
    let goal = "post to slack";
    let planning = || Planning::new(&catalog(), goal, named("p")).unwrap();
    let good =
        json!({ "document": document().to_string(), "note": "All\u{202e} done" }).to_string();

    let mut first = planning();
    assert_eq!(first.first().len(), 2);
    let Step::Done(draft) = first.next(&good) else { panic!("a valid reply is done") };
    assert_eq!(draft.matched, ["slack/post_message", "http/get"]);
    assert_eq!(draft.note, "Made by a model: All⟨U+202E⟩ done");
    assert!(matches!(first.next(&good), Step::GiveUp(_)), "nothing after the end");

    let mut second = planning();
    let wrong = document().to_string().replace("\"name\":\"p\"", "\"name\":\"q\"");
    let Step::Ask(messages) = second.next(&wrong) else { panic!("a wrong reply is repaired") };
    assert_eq!(messages.len(), 4);
    assert_eq!((messages[2].role, &messages[2].content), (Role::Assistant, &wrong));
    assert!(messages[3].content.contains("/name: must be p"));
    let Step::Ask(again) = second.next("sorry") else { panic!("and once more") };
    assert_eq!(again.len(), 4, "the conversation does not grow");
    assert!(matches!(second.next(&wrong), Step::GiveUp(issues) if issues == ["/name: must be p"]));

    let mut stubborn = planning();
    assert!(matches!(stubborn.next("no"), Step::Ask(_)));
    assert!(matches!(stubborn.next("no"), Step::GiveUp(_)), "the same again ends it");
}
