//! Vendors' published examples, and everything around them that must be refused.

use super::generic::Encoding;
use super::*;

pub(super) fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let name = |n: &str| axum::http::HeaderName::from_bytes(n.as_bytes()).unwrap();
    pairs.iter().map(|(n, v)| (name(n), v.parse().unwrap())).collect()
}

pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) scheme: Scheme,
    pub(super) secret: &'static str,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
    pub(super) url: &'static str,
    /// Seconds at which it was signed.
    pub(super) at: i64,
    /// Which header the signature stands in.
    pub(super) signature: &'static str,
    pub(super) id: Option<&'static str>,
}

const SLACK_BODY: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow\
    &channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner\
    &command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands\
    %2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN\
    &trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";

fn generic(header: &str) -> Generic {
    serde_json::from_value(serde_json::json!({ "header": header })).unwrap()
}

fn case(
    name: &'static str,
    scheme: Scheme,
    secret: &'static str,
    headers: &[(&'static str, &str)],
    body: &str,
    at: i64,
) -> Case {
    let signature = headers.last().map_or("", |(name, _)| name);
    let headers = headers.iter().map(|(n, v)| (*n, (*v).to_owned())).collect();
    let (body, url, id) = (body.as_bytes().to_vec(), "https://h.test/hooks/w", None);
    Case { name, scheme, secret, headers, body, url, at, signature, id }
}

/// The signature stands in the last header of each.
pub(super) fn cases() -> Vec<Case> {
    let form = ("content-type", "application/x-www-form-urlencoded");
    let json = ("content-type", "application/json");
    // RFC 4231, test case 2, and RFC 2202's for SHA-1.
    let (jefe, what) = ("Jefe", "what do ya want for nothing?");
    let id = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    let standard = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let standard_tag = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    vec![
        case(
            "stripe",
            Scheme::Stripe,
            "whsec_test_secret",
            &[(
                "stripe-signature",
                "t=1700000000,v1=b0fecd1ede325efcf47f8cd3e8b5d87426a3f4cbdea1f4f8ea7844e1978a6152",
            )],
            r#"{"id":"evt_test_webhook","object":"event","type":"charge.failed"}"#,
            1_700_000_000,
        ),
        case(
            "slack",
            Scheme::Slack,
            "8f742231b10e8888abcd99yyyzzz85a5",
            &[
                ("x-slack-request-timestamp", "1531420618"),
                (
                    "x-slack-signature",
                    "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503",
                ),
            ],
            SLACK_BODY,
            1_531_420_618,
        ),
        Case {
            id: Some("72d3162e-cc78-11e3-81ab-4c9367dc0958"),
            ..case(
                "github",
                Scheme::Github,
                "It's a Secret to Everybody",
                &[
                    ("x-github-delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958"),
                    (
                        "x-hub-signature-256",
                        "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17",
                    ),
                ],
                "Hello, World!",
                0,
            )
        },
        Case {
            id: Some(id),
            ..case(
                "standard",
                Scheme::Standard,
                standard,
                &[
                    ("webhook-id", id),
                    ("webhook-timestamp", "1614265330"),
                    ("webhook-signature", standard_tag),
                ],
                r#"{"test": 2432232314}"#,
                1_614_265_330,
            )
        },
        Case {
            id: Some(id),
            ..case(
                "svix",
                Scheme::Standard,
                standard,
                &[
                    ("svix-id", id),
                    ("svix-timestamp", "1614265330"),
                    ("svix-signature", standard_tag),
                ],
                r#"{"test": 2432232314}"#,
                1_614_265_330,
            )
        },
        Case {
            url: "https://mycompany.com/myapp.php?foo=1&bar=2",
            ..case(
                "twilio form",
                Scheme::Twilio,
                "12345",
                &[form, ("x-twilio-signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8=")],
                "Digits=1234&To=%2B18005551212&From=%2B14158675309&Caller=%2B14158675309&CallSid=CA1234567890ABCDE",
                0,
            )
        },
        Case {
            url: "https://mycompany.com/myapp.php?foo=1&bar=2&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620",
            ..case(
                "twilio json",
                Scheme::Twilio,
                "12345",
                &[json, ("x-twilio-signature", "a9nBmqA0ju/hNViExpshrM61xv4=")],
                r#"{"property": "value", "boolean": true}"#,
                0,
            )
        },
        case(
            "telegram",
            Scheme::Telegram,
            "a-token_of-Telegram",
            &[("x-telegram-bot-api-secret-token", "a-token_of-Telegram")],
            r#"{"update_id":1}"#,
            0,
        ),
        case(
            "hmac sha256",
            Scheme::Hmac(generic("x-sign")),
            jefe,
            &[("x-sign", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843")],
            what,
            0,
        ),
        case(
            "hmac sha512",
            Scheme::Hmac(Generic {
                algorithm: Algorithm::Sha512,
                prefix: "s=".to_owned(),
                ..generic("x-sign")
            }),
            jefe,
            &[(
                "x-sign",
                "s=164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737",
            )],
            what,
            0,
        ),
        case(
            "hmac sha1",
            Scheme::Hmac(Generic {
                algorithm: Algorithm::Sha1,
                encoding: Encoding::Base64,
                ..generic("x-sign")
            }),
            jefe,
            &[("x-sign", "7/zfauXrL6LSdBbV8YTfnCWafHk=")],
            what,
            0,
        ),
        // Stripe's text under a header of our own: the same hash over `{timestamp}.{body}`.
        case(
            "hmac with a time",
            Scheme::Hmac(Generic {
                timestamp_header: Some("x-time".to_owned()),
                ..generic("x-sign")
            }),
            "whsec_test_secret",
            &[
                ("x-time", "1700000000"),
                ("x-sign", "b0fecd1ede325efcf47f8cd3e8b5d87426a3f4cbdea1f4f8ea7844e1978a6152"),
            ],
            r#"{"id":"evt_test_webhook","object":"event","type":"charge.failed"}"#,
            1_700_000_000,
        ),
    ]
}

impl Case {
    pub(super) fn verified(&self, secrets: &[&str], shift_s: i64) -> Result<Proof, Refusal> {
        let pairs: Vec<(&str, &str)> =
            self.headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let headers = headers(&pairs);
        let now = Timestamp((self.at + shift_s) * 1_000);
        let arrived = Arrived { headers: &headers, body: &self.body, url: self.url, now };
        let secrets: Vec<Plain> = secrets.iter().map(|text| Plain::of(text)).collect();
        verify(&self.scheme, &secrets, 300_000, &arrived)
    }

    fn timed(&self) -> bool {
        self.at != 0
    }
}

#[test]
fn every_vendors_own_example_is_accepted_under_any_live_secret() {
    for case in cases() {
        let proof = case.verified(&[case.secret], 0);
        let proof = proof.unwrap_or_else(|refusal| panic!("{}: {refusal}", case.name));
        assert_eq!(proof.id.as_deref(), case.id, "{}", case.name);
        let other = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        for secrets in [[case.secret, other], [other, case.secret]] {
            assert_eq!(case.verified(&secrets, 0), Ok(proof.clone()), "{}", case.name);
        }
        assert_eq!(case.verified(&[other], 0), Err(Refusal::Wrong), "{}", case.name);
    }
}

#[test]
fn nothing_is_accepted_without_a_secret() {
    for case in cases() {
        for secrets in [&[][..], &[""]] {
            assert_eq!(case.verified(secrets, 0), Err(Refusal::NoSecret), "{}", case.name);
        }
    }
    let standard = cases().into_iter().find(|c| c.name == "standard").unwrap();
    assert_eq!(standard.verified(&["whsec_not base 64"], 0), Err(Refusal::NoSecret));
    assert_eq!(standard.verified(&["whsec_"], 0), Err(Refusal::NoSecret));
}

#[test]
fn the_tolerance_holds_in_both_directions() {
    for case in cases().iter().filter(|case| case.timed()) {
        for (shift, fresh) in [(0, true), (300, true), (-300, true), (301, false), (-301, false)] {
            let wanted = if fresh { None } else { Some(Refusal::Stale) };
            assert_eq!(case.verified(&[case.secret], shift).err(), wanted, "{} {shift}", case.name);
        }
    }
}

#[test]
fn a_header_that_is_missing_or_there_twice_is_refused() {
    for case in cases() {
        for left_out in 0..case.headers.len() {
            if case.headers[left_out].0 == "content-type" {
                continue;
            }
            let mut less = case.headers.clone();
            let taken = less.remove(left_out);
            let less = Case { headers: less, ..self_with(&case) };
            assert!(less.verified(&[case.secret], 0).is_err(), "{} without {}", case.name, taken.0);
            let mut twice: HeaderMap =
                headers(&case.headers.iter().map(|(n, v)| (*n, v.as_str())).collect::<Vec<_>>());
            twice.append(taken.0, taken.1.parse().unwrap());
            let now = Timestamp(case.at * 1_000);
            let arrived = Arrived { headers: &twice, body: &case.body, url: case.url, now };
            let refused = verify(&case.scheme, &[Plain::of(case.secret)], 300_000, &arrived);
            assert_eq!(refused, Err(Refusal::Missing), "{} with {} twice", case.name, taken.0);
        }
    }
}

fn self_with(case: &Case) -> Case {
    Case {
        name: case.name,
        scheme: case.scheme.clone(),
        secret: case.secret,
        headers: case.headers.clone(),
        body: case.body.clone(),
        url: case.url,
        at: case.at,
        signature: case.signature,
        id: case.id,
    }
}

fn with(name: &str, header: &str, value: &str) -> Case {
    let mut case = cases().into_iter().find(|c| c.name == name).unwrap();
    for (n, v) in &mut case.headers {
        if *n == header {
            *v = value.to_owned();
        }
    }
    case
}

#[test]
fn headers_are_read_as_their_vendors_write_them_and_no_other_way() {
    let stripe = "b0fecd1ede325efcf47f8cd3e8b5d87426a3f4cbdea1f4f8ea7844e1978a6152";
    let zeros = "0".repeat(64);
    let many = format!("t=1700000000{}", format!(",v1={zeros}").repeat(9));
    let standard = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    let table: &[(&str, &str, String, Option<Refusal>)] = &[
        ("stripe", "stripe-signature", format!("t=1700000000,v1={zeros},v1={stripe},v0=x"), None),
        ("stripe", "stripe-signature", format!("v1={stripe},t=1700000000"), None),
        (
            "stripe",
            "stripe-signature",
            format!("t=1700000000,v0={stripe}"),
            Some(Refusal::Malformed),
        ),
        (
            "stripe",
            "stripe-signature",
            format!("t=1700000000,t=1700000000,v1={stripe}"),
            Some(Refusal::Malformed),
        ),
        (
            "stripe",
            "stripe-signature",
            format!("t=01700000000,v1={stripe}"),
            Some(Refusal::Malformed),
        ),
        (
            "stripe",
            "stripe-signature",
            format!("t=+1700000000,v1={stripe}"),
            Some(Refusal::Malformed),
        ),
        (
            "stripe",
            "stripe-signature",
            format!("t=1700000000,v1={}", stripe.to_uppercase()),
            Some(Refusal::Malformed),
        ),
        (
            "stripe",
            "stripe-signature",
            format!("t=1700000000,v1={}", &stripe[..62]),
            Some(Refusal::Wrong),
        ),
        ("stripe", "stripe-signature", "t=1700000000,v1=".to_owned(), Some(Refusal::Malformed)),
        ("stripe", "stripe-signature", many, Some(Refusal::Malformed)),
        ("slack", "x-slack-signature", format!("v1={zeros}"), Some(Refusal::Malformed)),
        ("slack", "x-slack-request-timestamp", "1531420619".to_owned(), Some(Refusal::Wrong)),
        ("github", "x-hub-signature-256", format!("sha1={zeros}"), Some(Refusal::Malformed)),
        ("github", "x-github-delivery", "a.b".to_owned(), Some(Refusal::BadId)),
        ("github", "x-github-delivery", "x".repeat(129), Some(Refusal::BadId)),
        (
            "standard",
            "webhook-signature",
            format!("v1a,xx v1,{} {standard}", "A".repeat(42)),
            Some(Refusal::Malformed),
        ),
        (
            "standard",
            "webhook-signature",
            format!("v1a,xx v1,{}= {standard}", "A".repeat(43)),
            None,
        ),
        (
            "standard",
            "webhook-signature",
            format!("v2,{}", &standard[3..]),
            Some(Refusal::Malformed),
        ),
        (
            "standard",
            "webhook-id",
            "msg_p5jXN8AQM9LWM0D4loKWxJek.1614265330".to_owned(),
            Some(Refusal::BadId),
        ),
        ("standard", "webhook-id", String::new(), Some(Refusal::BadId)),
    ];
    for (name, header, value, wanted) in table {
        let case = with(name, header, value);
        assert_eq!(case.verified(&[case.secret], 0).err(), *wanted, "{name} {header}: {value}");
    }
}

#[test]
fn two_families_of_headers_are_never_mixed() {
    let mut case = cases().into_iter().find(|c| c.name == "svix").unwrap();
    case.headers.push(("webhook-id", "msg_other".to_owned()));
    assert_eq!(case.verified(&[case.secret], 0), Err(Refusal::Missing));
}

#[test]
fn a_repetition_with_other_headers_is_known_as_the_same() {
    let plain = with("stripe", "", "");
    let (secret, tag) =
        (plain.secret, "b0fecd1ede325efcf47f8cd3e8b5d87426a3f4cbdea1f4f8ea7844e1978a6152");
    let padded = format!("t=1700000000,v1={},v1={tag}", "1".repeat(64));
    let padded = with("stripe", "stripe-signature", &padded);
    assert_eq!(plain.verified(&[secret], 0), padded.verified(&[secret], 0));
}

#[test]
fn twilio_signs_with_or_without_the_port() {
    let mut case = with("twilio form", "", "");
    for url in [
        "https://mycompany.com:443/myapp.php?foo=1&bar=2",
        "https://mycompany.com/myapp.php?foo=1&bar=2",
    ] {
        case.url = url;
        assert!(case.verified(&["12345"], 0).is_ok(), "{url}");
    }
    for url in [
        "https://mycompany.com/myapp.php?foo=1&bar=3",
        "http://mycompany.com/myapp.php?foo=1&bar=2",
        "",
    ] {
        case.url = url;
        assert_eq!(case.verified(&["12345"], 0), Err(Refusal::Wrong), "{url}");
    }
    let mut json = with("twilio json", "", "");
    json.body.push(b' ');
    assert_eq!(json.verified(&["12345"], 0), Err(Refusal::Wrong));
    json.url = "https://mycompany.com/myapp.php";
    assert_eq!(json.verified(&["12345"], 0), Err(Refusal::Missing), "nothing binds the body");
}

#[test]
fn options_of_hmac_make_sense_together() {
    let read = |json: serde_json::Value| -> Generic { serde_json::from_value(json).unwrap() };
    for (options, wrong) in [
        (serde_json::json!({"header": "x-a"}), None),
        (
            serde_json::json!({"header": "x-a", "timestamp_header": "x-t", "signed": "v0:{timestamp}:{body}"}),
            None,
        ),
        (serde_json::json!({"header": "x a"}), Some("header")),
        (serde_json::json!({"header": ""}), Some("header")),
        (serde_json::json!({"header": "x-a", "signed": "{timestamp}.{body}"}), Some("signed")),
        (
            serde_json::json!({"header": "x-a", "timestamp_header": "x-t", "signed": "{body}"}),
            Some("signed"),
        ),
        (serde_json::json!({"header": "x-a", "signed": "{body}{body}"}), Some("signed")),
        (serde_json::json!({"header": "x-a", "signed": "x"}), Some("signed")),
        (serde_json::json!({"header": "x-a", "prefix": "a\n"}), Some("prefix")),
        (serde_json::json!({"header": "x-a", "id_header": "ä"}), Some("id_header")),
    ] {
        assert_eq!(read(options.clone()).check().err().map(|e| e.option), wrong, "{options}");
    }
}
