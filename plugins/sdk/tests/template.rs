//! What `levqor plugin new` writes compiles and passes its own tests: the template's source is
//! compiled here as it is, since its placeholders stand inside strings and comments only.

#[path = "../template/src/lib.rs"]
#[expect(unreachable_pub, reason = "there it is the root of a library")]
mod template;

#[test]
fn the_placeholders_are_the_ones_the_command_fills() {
    let manifest = include_str!("../template/Cargo.toml.in");
    let source = include_str!("../template/src/lib.rs");
    let names = |text: &str| -> Vec<String> {
        let parts = text.split("{{").skip(1);
        parts.filter_map(|part| Some(part.split_once("}}")?.0.to_owned())).collect()
    };
    assert!(names(manifest).contains(&"sdk".to_owned()));
    let mut all = [names(manifest), names(source)].concat();
    all.sort();
    all.dedup();
    assert_eq!(all, ["name", "sdk"]);
}
