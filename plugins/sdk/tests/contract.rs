//! The bindings are committed, so a change of the contract has to be carried over by hand: this
//! notices when it was not.

/// The contract as the host has it.
const HOST: &str = include_str!("../../../levqor-connectors/wit/v0.1/connector.wit");
/// The contract that `src/bindings.rs` was generated from.
const GUEST: &str = include_str!("../wit/v0.1/connector.wit");
const BINDINGS: &str = include_str!("../src/bindings.rs");

#[test]
fn the_bindings_are_of_the_hosts_contract() {
    assert!(HOST == GUEST, "copy the contract to sdk/wit, then make src/bindings.rs again from it");
}

#[test]
fn every_word_of_the_contract_is_in_the_bindings() {
    let absent = missing(GUEST, BINDINGS);
    assert!(absent.is_empty(), "src/bindings.rs does not know {absent:?}");
    let more = format!("{GUEST}\nrecord brand-new {{ some-field: u8, }}");
    assert_eq!(missing(&more, BINDINGS), ["BrandNew"], "a word that is new is noticed");
}

/// Types and functions of a contract that a text of Rust does not have.
fn missing(contract: &str, rust: &str) -> Vec<String> {
    let code = contract.lines().filter(|line| !line.trim_start().starts_with("//"));
    let words = code.filter_map(|line| {
        let line = line.trim().trim_start_matches("export ");
        let mut words = line.split([' ', ':']);
        match (words.next()?, words.next()?) {
            ("record" | "variant" | "enum", name) => Some(pascal(name)),
            (name, _) if line.contains(": func(") => {
                Some(format!("fn {}(", name.replace('-', "_")))
            }
            _ => None,
        }
    });
    words.filter(|word| !rust.contains(word.as_str())).collect()
}

fn pascal(name: &str) -> String {
    let capital = |part: &str| part[..1].to_uppercase() + &part[1..];
    name.split('-').map(capital).collect()
}
