use super::*;
use crate::recording::line::{Answered, Asked, Finding, Judged, Refresh, Rule};
use proptest::prelude::*;
use std::collections::BTreeSet;

fn asked(uri: &str, fields: &[(&str, &str)]) -> Transaction {
    let request = Asked {
        id: 1,
        received: jiff::Timestamp::default(),
        offset: 0,
        client: ([127, 0, 0, 1], 1).into(),
        method: "GET".into(),
        uri: uri.into(),
        version: "1.1".into(),
        fields: lines(fields),
        addresses: None,
        answers: vec![],
    };
    Transaction {
        request,
        generation: 1,
        access: None,
        cache_key: None,
        request_headers: None,
        cache_rules: None,
        response_headers: None,
        redacted: vec![],
    }
}

fn lines(fields: &[(&str, &str)]) -> Fields {
    let fields = fields.iter();
    fields
        .map(|(name, value)| ((*name).into(), (*value).into()))
        .collect()
}

/// The value with `*` for each token.
fn starred(text: &str) -> String {
    let mut text = text.to_owned();
    while let Some(at) = text.find(TOKEN) {
        text.replace_range(at..at + TOKEN.len() + 16, "*");
    }
    text
}

#[test]
fn secrets_in_fields_are_replaced_in_their_form() {
    let redactor = Redactor::new([7; 32]);
    #[rustfmt::skip]
    let cases = [
        ("Authorization", "Bearer abc.def", "Bearer *"),
        ("authorization", "bearer  abc", "bearer  *"),
        ("Authorization", "AWS4-HMAC-SHA256 Credential=AK/2026/s3, Signature=00", "AWS4-HMAC-SHA256 *"),
        ("Authorization", "mysecret", "*"),
        ("Authorization", "mysecret more", "*"),
        ("Authorization", "", ""),
        ("Proxy-Authorization", "Digest username=\"u\", response=\"r\"", "Digest *"),
        ("Cookie", "a=1; b=\"two\";c=", "a=*; b=*;*"),
        ("Cookie", "c2VjcmV0==; =x", "*; =*"),
        ("Set-Cookie", "sid=abc; Path=/; Expires=Sun, 22 Nov 2026 00:00:00 GMT; HttpOnly; odd", "sid=*; Path=/; Expires=Sun, 22 Nov 2026 00:00:00 GMT; HttpOnly; *"),
        ("Set-Cookie", "path=abc", "path=*"),
        ("X-Amz-Security-Token", "abc", "*"),
        ("X-Api-Key", " abc def ", " * "),
        ("Proxy-Authenticate", "Basic realm=\"a b\"", "Basic realm=\"a b\""),
        ("WWW-Authenticate", "Negotiate YII=", "Negotiate *"),
        ("Referer", "http://u:p@a/b?x=1&token=abc,d&y=2", "http://*@a/b?x=1&token=*&y=2"),
        ("Location", "https://a/cb?u=http%3A%2F%2Fb%3Ftoken%3Dc&x=1", "https://a/cb?u=*&x=1"),
        ("Link", "<http://a/?sig=abc>; rel=\"next\"", "<http://a/?sig=*>; rel=\"next\""),
        ("X-Note", "password=\"a b\" user=c", "password=\"*\" user=c"),
        ("Cache-Control", "max-age=60, private=\"Set-Cookie\"", "max-age=60, private=\"Set-Cookie\""),
        ("User-Agent", "curl/8.14.1", "curl/8.14.1"),
    ];
    for (name, value, expected) in cases {
        let mut transaction = asked("http://a/", &[(name, value)]);
        redactor.redact(&mut transaction);
        let (_, is) = &transaction.request.fields[0];
        assert_eq!(starred(&is.text()), expected, "{name}: {value}");
        let told = match value == expected {
            true => vec![],
            false => vec![name.to_ascii_lowercase()],
        };
        assert_eq!(transaction.redacted, told, "{name}: {value}");
    }
}

#[test]
fn secrets_in_uris_are_replaced() {
    let redactor = Redactor::new([7; 32]);
    for (uri, expected) in [
        ("http://a/b?q=1&page=2", "http://a/b?q=1&page=2"),
        (
            "https://s3/b?X-Amz-Date=2026&X-Amz-Signature=00&X-Amz-Credential=AK%2F1",
            "https://s3/b?X-Amz-Date=2026&X-Amz-Signature=*&X-Amz-Credential=*",
        ),
        (
            "http://a/?password=a;b'c\"d,e?f=g&h=i",
            "http://a/?password=*&h=i",
        ),
        ("http://a/?tok%65n=abc", "http://a/?tok%65n=*"),
        (
            "http://a/?x=%253Ftoken%253Dabc&y=%20",
            "http://a/?x=*&y=%20",
        ),
        (
            "http://a/b;jsessionid=abc/d?e=f",
            "http://a/b;jsessionid=*/d?e=f",
        ),
        ("http://a/?key=&sig=", "http://a/?key=&sig="),
        ("a.example:443", "a.example:443"),
    ] {
        let mut transaction = asked(uri, &[]);
        redactor.redact(&mut transaction);
        assert_eq!(starred(&transaction.request.uri.text()), expected);
    }
}

#[test]
fn equal_secrets_are_equal_under_one_key_alone() {
    let token = |key, value: &str| {
        let mut transaction = asked("http://a/", &[("X-Api-Key", value)]);
        Redactor::new([key; 32]).redact(&mut transaction);
        transaction.request.fields[0].1.text().into_owned()
    };
    assert_eq!(token(1, "abc"), token(1, "abc"));
    assert_ne!(token(1, "abc"), token(1, "abd"));
    assert_ne!(token(1, "abc"), token(2, "abc"));
}

#[test]
fn basic_credentials_stay_a_name_and_a_password() {
    let redactor = Redactor::new([7; 32]);
    let value = format!(
        "Basic {}",
        BASE64_STANDARD.encode("ann:correct horse battery")
    );
    let told = "ann said correct horse battery, did she";
    let mut transaction = asked("http://a/", &[("Authorization", &value), ("X-Told", told)]);
    redactor.redact(&mut transaction);
    let fields = &transaction.request.fields;
    let is = fields[0].1.text().into_owned();
    let encoded = Bytes::copy_from_slice(is.strip_prefix("Basic ").expect("its scheme").as_bytes());
    let (name, password) = pair(&encoded).expect("a name and a password");
    assert_eq!(name, redactor.token(b"ann"));
    assert_eq!(password, redactor.token(b"correct horse battery"));
    assert_eq!(starred(&fields[1].1.text()), "ann said *, did she");
}

/// What a policy asks a helper again has to be what it was asked, and no more: with the same fields
/// and the same URI, both redacted.
#[test]
fn what_helpers_are_asked_goes_with_the_fields() {
    let redactor = Redactor::new([7; 32]);
    let basic = format!("Basic {}", BASE64_STANDARD.encode("ann:p w"));
    let fields: &[(&str, &str)] = &[("Proxy-Authorization", &basic), ("X-Api-Key", "k")];
    let mut transaction = asked("http://a.test/b?token=abc", fields);
    let answered = |key: &str, value: &str| Answered {
        helper: "h".into(),
        key: key.into(),
        finding: Finding::Ok,
        pairs: vec![
            ("user".into(), "ann".into()),
            ("password".into(), value.into()),
            ("message".into(), "hello".into()),
        ],
    };
    transaction.request.answers = vec![
        answered("ann p%20w 10.0.0.1", "p w"),
        answered(&basic.replace(' ', "%20").replace('=', "%3D"), ""),
        answered("k http://a.test/b?token=abc /b?token=abc", ""),
        answered("Ann%2520 staff", ""),
    ];
    redactor.redact(&mut transaction);
    let request = &transaction.request;
    let (ann, password) = (redactor.token(b"ann"), redactor.token(b"p w"));
    let field = |place: usize| request.fields[place].1.text().into_owned();
    let uri = request.uri.text().into_owned();
    let path = uri.strip_prefix("http://a.test").expect("its host");
    let expected = [
        format!("{ann} {password} 10.0.0.1"),
        field(0).replace(' ', "%20"),
        format!("{} {uri} {path}", field(1)),
        "Ann%2520 staff".into(),
    ];
    let keys: Vec<&str> = request
        .answers
        .iter()
        .map(|answered| answered.key.as_str())
        .collect();
    assert_eq!(keys, expected);
    let pairs = &request.answers[0].pairs;
    assert_eq!([&pairs[0].1, &pairs[1].1], [&ann, &password]);
    assert_eq!(pairs[2].1, "hello");
    let json = serde_json::to_string(&transaction).expect("JSON");
    for secret in ["ann", "p w", "p%20w", "abc"] {
        assert!(!json.contains(secret), "{secret}: {json}");
    }
    assert_eq!(
        transaction.redacted,
        ["helper", "proxy-authorization", "uri", "x-api-key"]
    );
}

#[test]
fn thousands_of_secrets_are_found_wherever_they_are() {
    let redactor = Redactor::new([7; 32]);
    let values: Vec<String> = (0..4000).map(|n| format!("value{n:07}")).collect();
    let cookies = values.iter().enumerate();
    let cookies: Vec<String> = cookies.map(|(n, value)| format!("c{n}={value}")).collect();
    let told = values.join(" then ");
    let fields: &[(&str, &str)] = &[("Cookie", &cookies.join("; ")), ("X-Told", &told)];
    let mut transaction = asked("http://a/", fields);
    transaction.request.answers.push(Answered {
        helper: "h".into(),
        key: values.join(" "),
        finding: Finding::Ok,
        pairs: vec![("said".into(), told.clone())],
    });
    redactor.redact(&mut transaction);
    let tokens: Vec<String> = values
        .iter()
        .map(|v| redactor.token(v.as_bytes()))
        .collect();
    let request = &transaction.request;
    assert_eq!(request.fields[1].1.text(), tokens.join(" then "));
    assert_eq!(request.answers[0].key, tokens.join(" "));
    assert_eq!(request.answers[0].pairs[0].1, tokens.join(" then "));
    let json = serde_json::to_string(&transaction).expect("JSON");
    assert!(!json.contains("value0"));
}

/// Each part of such a value could be looked into at each depth: that would never end.
#[test]
fn values_within_values_are_looked_into_once() {
    let redactor = Redactor::new([7; 32]);
    let many = "a=".repeat(10_000) + "%" + &"25".repeat(10_000);
    let uri = format!("http://a/?{many}&token=abc&u=x%253Dy%253D%253Ftoken%253Dabc");
    let mut transaction = asked(&uri, &[("X-Note", &many)]);
    redactor.redact(&mut transaction);
    let request = &transaction.request;
    let expected = format!("http://a/?{many}&token=*&u=*");
    assert_eq!(starred(&request.uri.text()), expected);
    assert_eq!(request.fields[0].1.text(), many);
}

/// A secret of its own, and innocent otherwise.
fn secret() -> impl Strategy<Value = String> {
    "[A-Za-z0-9]{12,30}".prop_map(|text| format!("Zq{text}"))
}

/// Wherever a plugin may have put it.
fn everywhere(transaction: &mut Transaction, secret: &str) {
    let told = format!("you sent {secret}!");
    let rule = Rule {
        plugin: "p".into(),
        text: told.clone(),
        file: None,
        line: None,
    };
    transaction.access = Some(Access::Deny {
        rule: rule.clone(),
        status: 403,
        message: Some(told.clone()),
    });
    transaction.cache_key = Some(Key::Named(format!("key {secret}")));
    transaction.request.answers.push(Answered {
        helper: "h".into(),
        key: format!("{secret} x%20{secret} y%2520{secret}"),
        finding: Finding::Bh,
        pairs: vec![("error".into(), told.clone())],
    });
    let edit = Edit {
        status: None,
        before: lines(&[("X-Other", secret)]),
        after: Some(lines(&[("X-Another", &told)])),
    };
    transaction.request_headers = Some(edit.clone());
    transaction.response_headers = Some(edit);
    transaction.cache_rules = Some(Judged {
        status: 200,
        fields: lines(&[("X-Echo", &told)]),
        refresh: Some(Refresh {
            rule,
            min: 0,
            percent: 0,
            max: 0,
            options: BTreeSet::new(),
        }),
        never: None,
    });
}

proptest! {
    #[test]
    fn no_secret_is_left_in_any_octet(secret in secret(), place in 0_usize..12, odd: bool) {
        let basic = BASE64_STANDARD.encode(format!("ann:{secret}"));
        let value = match place {
            0 => ("Authorization", format!("Bearer {secret}")),
            1 => ("Authorization", format!("Basic {basic}")),
            2 => ("Proxy-Authorization", secret.clone()),
            3 => ("Cookie", format!("a=b; c={secret}")),
            4 => ("Set-Cookie", format!("{secret}; Secure")),
            5 => ("X-Amz-Security-Token", secret.clone()),
            6 => ("WWW-Authenticate", format!("Negotiate {secret}")),
            7 => ("Referer", format!("http://a/?api_key={secret}")),
            8 => ("Location", format!("http://ann:{secret}@a/")),
            9 => ("X-Note", format!("password='{secret}'")),
            _ => ("X-None", "none".into()),
        };
        let uri = match place {
            10 => format!("http://a/?X-Amz-Signature={secret}"),
            11 => format!("http://a/?u=http%3A%2F%2Fb%3Ftoken%3D{secret}"),
            _ => "http://a/".to_owned(),
        };
        let mut transaction = asked(&uri, &[(value.0, &value.1)]);
        // What is not UTF-8 is written in base64, where nobody would see it.
        if odd {
            let (_, octets) = &mut transaction.request.fields[0];
            octets.0 = [octets.0.as_ref(), b" ", &[0xff]].concat().into();
        }
        // Of these, the secret is more than what is known to be one.
        let more = odd && matches!(place, 0 | 1 | 2 | 3 | 5 | 6);
        if !more && !matches!(place, 8 | 11) {
            everywhere(&mut transaction, &secret);
        }
        Redactor::new([7; 32]).redact(&mut transaction);
        each_text(&mut transaction, &mut |_, text| {
            for hidden in [&secret, &basic] {
                let found = memmem::find(&text.0, hidden.as_bytes());
                assert_eq!(found, None, "{text:?}");
            }
        });
        let json = serde_json::to_string(&transaction).expect("JSON");
        prop_assert!(!json.contains(&secret), "{}", json);
        prop_assert!(!transaction.redacted.is_empty());
    }

    #[test]
    fn anything_can_be_redacted(uri in any::<Vec<u8>>(), name in any::<Vec<u8>>(), value in any::<Vec<u8>>()) {
        let mut transaction = asked("", &[("Cookie", "a=b=c;;d")]);
        transaction.request.uri = Octets(uri.into());
        transaction.request.fields.push((Octets(name.into()), Octets(value.clone().into())));
        transaction.request.fields.push(("Referer".into(), Octets(value.into())));
        Redactor::new([7; 32]).redact(&mut transaction);
        prop_assert_eq!(transaction.request.fields.len(), 3);
    }
}
