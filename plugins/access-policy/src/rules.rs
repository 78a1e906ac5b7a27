//! squid's `acl` and `http_access`, as data and a decision.

use serde::Deserialize;
use wproxy_sdk::acl::{AccessList, Acls, Decided, Undecided};
use wproxy_sdk::{ConfigError, LookedAt, Outcome, Request};

/// The `[config]` table: lines of squid.conf, each directive's name left out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Config {
    /// `localnet src 10.0.0.0/8`
    #[serde(default)]
    pub(crate) acl: Vec<String>,
    /// `deny CONNECT !SSL_ports`; the first line that applies decides.
    #[serde(default)]
    pub(crate) http_access: Vec<String>,
}

/// The lines, understood.
#[derive(Debug)]
pub(crate) struct Rules {
    acls: Acls,
    http_access: AccessList,
    /// JSON Pointers to its lines.
    pointers: Vec<String>,
    purge_is_named: bool,
}

/// What the lines say of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decision<'a> {
    pub(crate) allow: bool,
    /// A pointer to the line that decided, or why none did.
    pub(crate) rule: &'a str,
    /// What a helper says to people about it.
    pub(crate) message: Option<String>,
    /// It is denied because of who is asking: somebody else may be let in.
    pub(crate) about_login: bool,
}

/// squid's method that takes something out of the cache.
const PURGE: &str = "PURGE";
/// A configuration that does not speak of PURGE does not mean it when it allows everything: as in
/// squid, an acl of type `method` has to name it.
const PURGE_NOT_NAMED: &str = "no acl names the method PURGE";
const OPPOSITE_OF_LAST: &str = "no http_access line applies: the opposite of the last one";

impl Rules {
    /// # Errors
    /// The line that is wrong.
    pub(crate) fn new(config: &Config) -> Result<Self, ConfigError> {
        let acls = Acls::parse("/acl", &config.acl)?;
        let http_access = AccessList::parse("/http_access", &config.http_access, &acls)?;
        let lines = 0..config.http_access.len();
        Ok(Rules {
            pointers: lines.map(|line| format!("/http_access/{line}")).collect(),
            purge_is_named: acls.name_method(PURGE),
            acls,
            http_access,
        })
    }

    /// May this request pass, and by which rule?
    ///
    /// # Errors
    /// What would decide is not known yet.
    pub(crate) fn decide(&self, request: &dyn Request) -> Result<Decision<'_>, Undecided> {
        let decided = self.http_access.decide(&self.acls, request)?;
        Ok(self.conclude(decided, request))
    }

    /// The lines that are looked at for that, and what has the last word where none of them does.
    pub(crate) fn trace(&self, request: &dyn Request) -> Vec<LookedAt> {
        const HOOK: &str = "access";
        let traced = self.http_access.trace(&self.acls, request);
        let lines = traced.lines.into_iter().map(|line| {
            let rule = self.pointers[line.line].as_str();
            line.looked_at(HOOK, rule)
        });
        let mut looked_at: Vec<LookedAt> = lines.collect();
        let Ok(decided) = traced.decided else {
            return looked_at;
        };
        let rule = self.conclude(decided, request).rule;
        match looked_at.last_mut() {
            Some(last) if last.rule == rule => return looked_at,
            Some(last) if last.outcome == Outcome::Decides => last.outcome = Outcome::Applies,
            _ => {}
        }
        looked_at.push(LookedAt::new(HOOK, rule));
        looked_at
    }

    /// What becomes of what the list says.
    fn conclude(&self, decided: Decided, request: &dyn Request) -> Decision<'_> {
        let by = |allow, rule| Decision {
            allow,
            rule,
            message: None,
            about_login: false,
        };
        match (decided.allow, decided.line) {
            (true, _) if !self.purge_is_named && request.method() == PURGE => {
                by(false, PURGE_NOT_NAMED)
            }
            (allow, None) => by(allow, OPPOSITE_OF_LAST),
            (true, Some(line)) => by(true, &self.pointers[line]),
            (false, Some(line)) => Decision {
                message: self.http_access.message(line, &self.acls, request),
                about_login: self.http_access.is_about_login(line, &self.acls),
                ..by(false, &self.pointers[line])
            },
        }
    }
}

// What the lines decide is in `cases/`, which `wproxy plugin test` tries through wasm.
#[cfg(test)]
mod tests {
    use super::*;
    use wproxy_sdk::Answer;
    use wproxy_sdk::testing::Sample;

    fn rules(acl: &[&str], http_access: &[&str]) -> Result<Rules, ConfigError> {
        let lines = |lines: &[&str]| lines.iter().map(|&line| line.to_owned()).collect();
        Rules::new(&Config {
            acl: lines(acl),
            http_access: lines(http_access),
        })
    }

    #[test]
    fn a_line_is_pointed_at_and_what_is_no_line_is_named() {
        let rules = rules(&["web port 80"], &["deny !web", "allow web"]).expect("valid");
        let decided = |request: &Sample| {
            let decision = rules.decide(request).expect("no dst");
            (decision.allow, decision.rule)
        };
        let decide = |uri| decided(&Sample::get(uri));
        assert_eq!(decide("http://a:81/"), (false, "/http_access/0"));
        assert_eq!(decide("http://a/"), (true, "/http_access/1"));
        let purge = Sample::new("PURGE", "http://a/");
        assert_eq!(decided(&purge), (false, PURGE_NOT_NAMED));
    }

    #[test]
    fn a_denial_has_the_helper_s_words_and_may_be_about_who_is_asking() {
        let acl = [
            "members external directory %SRC",
            "login external passwords %LOGIN",
        ];
        let rules = rules(&acl, &["deny !members", "deny !login", "allow all"]).expect("valid");
        let no = |message| Answer::not_found(&[("message", message)]);
        let request = Sample::get("http://a/").with("Proxy-Authorization", "Basic YW5uOnB3");
        let stranger = request
            .clone()
            .answered("directory", "192.0.2.1", no("Not yet."));
        let denied = |line, message: &str, about_login| Decision {
            allow: false,
            rule: line,
            message: Some(message.into()),
            about_login,
        };
        let expected = denied("/http_access/0", "Not yet.", false);
        assert_eq!(rules.decide(&stranger), Ok(expected));
        let member = request.answered(
            "directory",
            "192.0.2.1",
            Answer::found(&[("message", "Hi")]),
        );
        let undecided = rules.decide(&member).expect_err("who is it");
        assert!(matches!(undecided, Undecided::Answer { helper, .. } if helper == "passwords"));
        let other = member.clone().answered("passwords", "ann", no("Who?"));
        let expected = denied("/http_access/1", "Who?", true);
        assert_eq!(rules.decide(&other), Ok(expected));
        let ann = member.answered("passwords", "ann", Answer::found(&[]));
        let allowed = rules.decide(&ann).expect("all is known");
        assert_eq!((allowed.allow, allowed.message), (true, None));
    }

    /// What is told is what is done: the rule that decides is told last, and it alone decides.
    #[test]
    fn the_last_that_is_told_is_the_one_that_decides() {
        let web = &["web port 80", "inside dst 10.0.0.0/8", "PURGE method PURGE"][..];
        let get = |uri| Sample::get(uri);
        let purge = || Sample::new("PURGE", "http://10.0.0.1/");
        #[rustfmt::skip]
        let cases = [
            (web, &["deny !web", "allow web"][..], get("http://a/"), &["/http_access/0", "/http_access/1"][..]),
            (web, &["deny !web", "allow web"], get("http://a:81/"), &["/http_access/0"]),
            (web, &["deny web"], get("http://a:81/"), &["/http_access/0", OPPOSITE_OF_LAST]),
            (web, &[], get("http://a/"), &[OPPOSITE_OF_LAST]),
            (web, &["deny inside", "allow all"], get("http://10.0.0.1/"), &["/http_access/0"]),
            (web, &["deny inside", "allow all"], get("http://a/"), &["/http_access/0"]),
            (web, &["allow PURGE"], purge(), &["/http_access/0"]),
            (&web[..2], &["allow web", "deny all"], purge(), &["/http_access/0", PURGE_NOT_NAMED]),
            (&web[..2], &["deny !web"], purge(), &["/http_access/0", PURGE_NOT_NAMED]),
            (&web[..2], &["deny all"], purge(), &["/http_access/0"]),
        ];
        for (acl, http_access, request, told) in cases {
            let rules = rules(acl, http_access).expect("valid");
            let trace = rules.trace(&request);
            let names: Vec<&str> = trace.iter().map(|looked| looked.rule.as_str()).collect();
            assert_eq!(names, told, "{http_access:?}");
            let decides: Vec<&LookedAt> = trace
                .iter()
                .filter(|looked| looked.outcome == Outcome::Decides)
                .collect();
            match rules.decide(&request) {
                Ok(Decision { rule, .. }) => {
                    assert_eq!(names.last(), Some(&rule));
                    assert_eq!(decides.len(), 1, "{http_access:?}");
                    assert_eq!(decides[0].rule, rule);
                }
                Err(undecided) => {
                    assert_eq!(undecided, Undecided::Addresses);
                    assert!(decides.is_empty());
                    let last = trace.last().map(|last| last.outcome);
                    assert_eq!(last, Some(Outcome::Undecided));
                }
            }
        }
    }

    #[test]
    fn a_helper_that_the_settings_do_not_have_is_refused() {
        wproxy_sdk::testing::helpers(&["directory"]);
        let acl = ["a external directory %SRC", "b external directroy %SRC"];
        let error = rules(&acl, &["deny all"]).expect_err("no such helper");
        assert_eq!(error.at, "/acl/1");
        let said = "there is no helper `directroy`; there are: directory";
        assert_eq!(error.message, said);
        rules(&acl[..1], &["deny all"]).expect("that one is there");
    }

    #[test]
    fn errors_point_at_the_line() {
        let error = rules(&["localnet src 10.0.0.0/8"], &["allow localnet", "deny al"]);
        assert_eq!(error.expect_err("al is not defined").at, "/http_access/1");
    }
}
